"""/registration: the counter where an invited office files its own 電子連携管理者登録届."""

from contextlib import suppress
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from wtforms import RadioField, StringField, TextAreaField
from wtforms.validators import Optional, ValidationError

from blueprints import counters, fields
from database import today
from exchange import intake, invitations, normalise
from exchange.errors import Refused, SomeoneWasFaster
from exchange.registration_columns import COLUMNS, MAX_DEVICES, Row
from papers import Invitation

bp = Blueprint("registration", __name__, url_prefix="/registration")

PURPOSE = "registration"
STEPS = ("入力", "確認", "提出")
HEADINGS = {column.field: column.heading for column in COLUMNS}
FIELD_OF = {column.letter: column.field for column in COLUMNS}
CODES = ("office_number", "mail", "login_id")
# Warnings of the file are for the fund's eyes; these are for the office's. A conversion stands beside its cell anyway.
NOTES = {"OLD_DATE": "入力日が1年より前です。まちがいがないか確かめてください。"}
OVER = "登録届の入力は、終わっているか、開いてから24時間を過ぎています。続けるときは、招待コードを入力してください。"


class CodeForm(fields.Form):
    code = StringField("招待コード", [fields.required("招待コードを入力してください。届いたメールに書かれています。")])


class FilingForm(fields.Form):
    """Columns A to H, judged by the rules of the file, and where the letter goes."""

    entered_on = StringField(HEADINGS["entered_on"])
    office_number = StringField(HEADINGS["office_number"])
    name = StringField(HEADINGS["name"])
    kana = StringField(HEADINGS["kana"])
    mail = StringField(HEADINGS["mail"])
    login_id = StringField(HEADINGS["login_id"])
    office_name = StringField(HEADINGS["office_name"])
    device_limit = RadioField(
        HEADINGS["device_limit"],
        choices={str(count): f"{count}台" for count in range(1, MAX_DEVICES + 1)},
        validate_choice=False,
    )
    postal_code = StringField("郵便番号", [Optional()], [fields.cleaned(normalise.postal_code)])
    address = TextAreaField("住所", [Optional()], [fields.cleaned(normalise.address)])

    def validate_postal_code(self, field: StringField) -> None:
        if not normalise.is_postal_code(field.data):
            raise ValidationError("郵便番号は 100-0001 のように、7桁の数字で入力してください。")

    def validate_address(self, field: TextAreaField) -> None:
        if not normalise.is_address(field.data):
            raise ValidationError(
                f"住所は{normalise.ADDRESS_LINES}行、{normalise.ADDRESS_LENGTH}文字までです。"
                "行の先頭の記号（= + - @）や外字は使えません。短くして入力し直してください。"
            )

    @property
    def cells(self) -> list[str]:
        return [self[column.field].data or "" for column in COLUMNS]

    def judged(self) -> Row:
        """The cells as they would be stored; what is wrong with them stands at their fields afterwards."""
        self.validate()
        row = intake.judge_online(self.cells)
        for error in row.errors:
            field = self[FIELD_OF[error.column]]
            field.errors = [*field.errors, error.message]
        return row


@bp.get("/")
def form() -> ResponseReturnValue:
    invitation = _invitation()
    if invitation is None:
        return _code_page(CodeForm())
    if invitation.filed_at is not None:
        return redirect(url_for("registration.receipt"), 303)
    draft = invitations.draft(invitation, today())
    filled = {column.field: cell for column, cell in zip(COLUMNS, draft.cells, strict=True)}
    return _form_page(FilingForm(data={**filled, "postal_code": draft.postal_code, "address": draft.address}))


@bp.post("/opening", endpoint="open")
def open_form() -> ResponseReturnValue:
    """The code for a visit. It comes in the body of a POST: no address, log or history ever holds it."""
    form = CodeForm()
    if not form.validate():
        return _code_page(form), 422
    try:
        token = invitations.open_form(counters.stranger(PURPOSE), form.code.data)
    except Refused as refused:
        form.code.errors = [refused.message]
        return _code_page(form), refused.status
    counters.leave(PURPOSE)
    counters.enter(PURPOSE, token)
    return redirect(url_for("registration.form"), 303)


@bp.post("/confirmation")
def confirm() -> ResponseReturnValue:
    """What will be stored, to be looked at before it is filed; with `edit` back to the fields."""
    invitation = _invitation()
    if invitation is None or invitation.filed_at is not None:
        return _elsewhere(invitation)
    form = FilingForm()
    if "edit" in request.form:
        return _form_page(form)
    invitations.count_look(counters.stranger(PURPOSE), invitation)
    row = form.judged()
    if form.errors:
        return _form_page(form), 422
    facts = _facts(row, form.postal_code.data, form.address.data)
    return render_template("registration/confirm.html", form=form, facts=facts, steps=STEPS)


@bp.post("/")
def file() -> ResponseReturnValue:
    invitation = _invitation()
    if invitation is None or invitation.filed_at is not None:
        return _elsewhere(invitation)
    form = FilingForm()
    invitations.count_look(counters.stranger(PURPOSE), invitation)
    form.judged()
    if form.errors:
        return _form_page(form), 422
    actor = counters.stranger(PURPOSE)
    with suppress(SomeoneWasFaster):  # pressed twice, or withdrawn meanwhile: the page that follows tells
        intake.file_online(actor, invitation, form.cells, form.postal_code.data, form.address.data)
    return _elsewhere(_invitation())


@bp.get("/receipt")
def receipt() -> ResponseReturnValue:
    invitation = _invitation()
    registration = invitation.registration() if invitation else None
    if registration is None:
        return redirect(url_for("registration.form"), 303)
    row = intake.look_at(registration).row
    facts = _facts(row, registration.postal_code, registration.address) if registration.cells else []
    return render_template("registration/receipt.html", registration=registration, facts=facts)


@bp.post("/leave")
def leave() -> ResponseReturnValue:
    invitation = _invitation()
    is_filed = invitation is not None and invitation.filed_at is not None
    counters.leave(PURPOSE)
    if not is_filed:
        flash("登録届の入力を終わりました。入力した内容は保存していません。", "info")
    return redirect(url_for("home.index" if is_filed else "registration.form"), 303)


def _invitation() -> Invitation | None:
    """The invitation that this browser has opened, while that lasts."""
    visit = counters.visit(PURPOSE)
    return visit.invitation if visit and visit.invitation.withdrawn_at is None else None


def _elsewhere(invitation: Invitation | None) -> ResponseReturnValue:
    """Away from a form that can't be filed: to its receipt, or to where a code is asked for."""
    if invitation is None:
        flash(OVER, "error")
    return redirect(url_for("registration.receipt" if invitation else "registration.form"), 303)


def _code_page(form: CodeForm) -> str:
    return render_template("registration/code.html", form=form, days=invitations.LIFE.days)


def _form_page(form: FilingForm) -> str:
    return render_template(
        "registration/form.html",
        form=form,
        visit=counters.visit(PURPOSE),
        steps=STEPS,
        kana_length=normalise.KANA_LENGTH,
        address_lines=normalise.ADDRESS_LINES,
    )


def _facts(row: Row, postal_code: str, address: str) -> list[dict[str, Any]]:
    """What is stored under each heading, and where that is not what was typed."""
    facts = []
    for column, cell, warnings in zip(COLUMNS, intake.fields_of(row), _warnings(row), strict=True):
        value = _shown(column.field, row.values[column.field])
        typed = cell.raw if cell.is_changed and cell.raw not in value else ""
        is_code = column.field in CODES and bool(value)
        facts.append({"label": column.heading, "value": value, "is_code": is_code, "typed": typed, "note": warnings})
    where = (("郵便番号", postal_code), ("住所", address))
    return facts + [{"label": label, "value": value, "typed": "", "note": ""} for label, value in where]


def _warnings(row: Row) -> list[str]:
    """Of each column, what the office is told about what it typed."""
    noted = {warning.column: NOTES.get(warning.code, "") for warning in row.warnings}
    return [noted.get(column.letter, "") for column in COLUMNS]


def _shown(field: str, stored: str | int | None) -> str:
    if field == "entered_on":
        day = normalise.date_on(str(stored))
        return f"{day:%Y/%m/%d}（{normalise.era(day)}）" if day else ""
    return f"{stored}台" if field == "device_limit" and stored else str(stored or "")
