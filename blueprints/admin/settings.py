"""/admin/settings: what the fund decides."""

import json
from itertools import groupby
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import BooleanField, Field, HiddenField, SelectField, StringField, TextAreaField

from blueprints import fields, opening
from exchange import fund, normalise, settings
from exchange.errors import SomeoneWasFaster
from exchange.settings import DECLARED, Declared

bp = Blueprint("settings", __name__, url_prefix="/admin/settings")

MANY_CHOICES = 3  # settings
LEADS = {  # over a group as a whole
    settings.INSPECTION: "届書のアップロードと帳票の作成のときの検査です。"
    "変更は、次に検査するファイルから当てはまります（「ウイルス検査ができなかったファイル」の扱いだけは、いまあるファイルにもすぐに当てはまります）。壊れたZIPやウイルスの見つかったZIPは、どの設定でも受け付けません。",
}


class SettingsForm(fields.Form):
    """A field for each setting, and beside it as was_<key> the value that the page showed, in JSON."""

    def validate(self, extra_validators: Any = None) -> bool:
        is_valid = super().validate(extra_validators)
        if any(self._was(key) is None for key in DECLARED):
            self.form_errors = ["画面を開き直してから、もう一度送信してください。"]
            return False
        problems = {key: settings.problem(key, after) for key, (_, after) in self.changes().items()}
        wanted = {key: self._wanted(key) for key in DECLARED}
        if not any(settings.problem(key, value) for key, value in wanted.items()):
            clash = settings.clash(wanted)
            problems |= [clash] if clash else []
        for key, problem in problems.items():
            if problem:
                self[key].errors = [problem]
        return is_valid and not any(problems.values())

    def changes(self) -> dict[str, tuple[Any, Any]]:
        """Key → (value shown, value wanted) of what the person changed."""
        both = {key: (self._was(key), self._wanted(key)) for key in DECLARED}
        return {key: (was, wanted) for key, (was, wanted) in both.items() if wanted != settings.tidy(key, was)}

    def show(self, now: dict[str, Any], but: tuple[str, ...] = ()) -> None:
        """Put the present values into the form; what was typed into the fields `but` stays."""
        for key, value in now.items():
            self[f"was_{key}"].data = json.dumps(value, ensure_ascii=False)
            if key not in but:
                self[key].data = str(value) if DECLARED[key].kind is int else value

    def catch_up(self, now: dict[str, Any]) -> None:
        """Name what others have decided meanwhile, beside what was typed here."""
        changes = self.changes()
        for key, (was, wanted) in changes.items():
            if now[key] not in (was, wanted):
                theirs = settings.spoken(key, now[key])
                self[key].errors = [
                    f"画面を開いたあとに「{theirs}」へ変更されています。入力した内容に変えるときは、もう一度保存してください。"
                ]
        self.show(now, but=tuple(changes))

    def _wanted(self, key: str) -> Any:
        typed = self[key].data
        if DECLARED[key].kind is not int:
            return typed
        return int(typed) if normalise.is_digits(typed) else typed

    def _was(self, key: str) -> Any:
        try:
            return json.loads(self[f"was_{key}"].data or "")
        except (ValueError, RecursionError):
            return None


def _field(key: str, declared: Declared) -> Field:
    if declared.kind is bool:
        return BooleanField(declared.label)
    if declared.choices:
        return SelectField(declared.label, choices=dict(declared.choices))
    if declared.kind is int:
        return StringField(declared.label, filters=[fields.cleaned(normalise.digits)])
    kind = TextAreaField if declared.is_long else StringField
    return kind(declared.label, filters=[fields.cleaned(lambda typed: settings.tidy(key, typed))])


for _key, _declared in DECLARED.items():
    setattr(SettingsForm, _key, _field(_key, _declared))
    setattr(SettingsForm, f"was_{_key}", HiddenField(_declared.label))


@bp.get("/")
def index() -> ResponseReturnValue:
    form = SettingsForm()
    form.show(settings.every())
    return _page(form)


@bp.post("/")
def change() -> ResponseReturnValue:
    form = SettingsForm()
    if not form.validate():
        return _page(form), 422
    changes = form.changes()
    try:
        changed = fund.decide(current_user.actor, changes)
    except SomeoneWasFaster as refused:
        form.catch_up(settings.every())
        return _page(form), refused.status
    flash(*_answer(list(changes), changed))
    if any(key.startswith("hours_") for key in changed) and not opening.anew().is_open:
        flash(f"いまは時間外です。事業所の画面はすぐに閉じます。次は {opening.next_one()} に開きます。", "warning")
    return redirect(url_for("settings.index", **_place(changed)), 303)


def _place(changed: list[str]) -> dict[str, Any]:
    """Back to the group of what was saved, where the page says so once more; the first, if there are several."""
    if not changed:
        return {}
    number = min(_number(DECLARED[key].group) for key in changed)
    return {"saved": number, "_anchor": f"group-{number}"}


def _number(group: str) -> int:
    """The place of a group on the page, from 1."""
    return [name for name, _ in groupby(DECLARED, lambda key: DECLARED[key].group)].index(group) + 1


def _answer(asked: list[str], changed: list[str]) -> tuple[str, str]:
    if not asked:
        return "変更はありません。", "info"
    labels = "".join(f"「{DECLARED[key].label}」" for key in changed or asked)
    if not changed:
        return f"{labels}は、すでに入力された内容になっています。", "info"
    return f"{labels}を変更しました。", "success"


def _page(form: SettingsForm) -> str:
    groups = groupby(DECLARED, lambda key: DECLARED[key].group)
    shown = [(name, LEADS.get(name), _runs(list(keys))) for name, keys in groups]
    saved = request.args.get("saved", 0, type=int)
    return render_template("admin/settings.html", form=form, groups=shown, saved=saved)


def _runs(keys: list[str]) -> list[tuple[bool, list[tuple[str, Declared, str]]]]:
    """The settings of a group in order: (whether as rows of one table, their keys with words). Many choices that
    follow each other are a table, since one under the other nobody sees what was decided.
    """
    runs = [list(run) for _, run in groupby(keys, lambda key: bool(DECLARED[key].choices))]
    return [(bool(DECLARED[run[0]].choices) and len(run) >= MANY_CHOICES, [_shown(key) for key in run]) for run in runs]


def _shown(key: str) -> tuple[str, Declared, str]:
    return key, DECLARED[key], _support(DECLARED[key])


def _support(declared: Declared) -> str:
    """What a setting does and which values it takes."""
    if declared.bounds:
        low, high = declared.bounds
        return f"{declared.explanation}{low}～{high}{declared.unit}（初期値は{declared.default}{declared.unit}）。"
    if declared.longest:
        return f"{declared.explanation}{declared.longest}文字まで。"
    return declared.explanation
