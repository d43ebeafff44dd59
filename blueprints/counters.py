"""Counters without login: the form that opens one with the letter's key, and which visit the browser is on."""

from collections.abc import Callable

from flask import flash, redirect, session, url_for
from flask.typing import ResponseReturnValue
from wtforms import StringField
from wtforms.validators import ValidationError

from blueprints import fields, zones
from database import utc_now
from exchange import counter, normalise, visits
from exchange.actors import Actor
from exchange.errors import Refused
from papers import Visit

LABELS = {"download": "ダウンロードの窓口", "activate": "確認コードの窓口", "registration": "登録届の窓口"}
TOO_LONG = f"契約番号は{normalise.CONTRACT_NUMBER_LENGTH}文字までです。「お知らせ」のとおりに入力してください。"
NO_NUMBER = "契約番号は、数字とハイフンだけです。「お知らせ」のとおりに入力してください。"


class CounterForm(fields.Form):
    contract_number = fields.contract_number()
    download_password = StringField(
        "ダウンロードパスワード",
        [fields.required("ダウンロードパスワードを入力してください。今日の年月に、ダウンロードキーを続けたものです。")],
        [fields.cleaned(normalise.code)],
    )

    def validate_contract_number(self, field: StringField) -> None:
        if len(field.data) > normalise.CONTRACT_NUMBER_LENGTH:
            raise ValidationError(TOO_LONG)
        if not (normalise.is_contract_number(field.data) or normalise.is_digits(field.data)):
            raise ValidationError(NO_NUMBER)

    def validate_download_password(self, field: StringField) -> None:
        problem = counter.password_problem(field.data)
        if problem:
            raise ValidationError(problem)

    @property
    def month(self) -> str:
        return counter.this_month(utc_now())

    @property
    def length(self) -> int:
        """Characters of a download password as it is issued."""
        return counter.PASSWORD_ISSUED


def stranger(purpose: str) -> Actor:
    """Whoever stands at a counter, as an actor."""
    return Actor(address=zones.address(), label=LABELS[purpose])


def minutes(purpose: str) -> int:
    """For how long a visit there lasts."""
    return int(visits.LIVES[purpose].total_seconds() // 60)


def come_in(purpose: str, inside: str, page: Callable[[CounterForm], str]) -> ResponseReturnValue:
    """The answer to the form: a visit to that counter and the way to its page `inside`, or the form's `page` again."""
    form = CounterForm()
    if not form.validate():
        return page(form), 422
    try:
        token = counter.open_counter(stranger(purpose), form.contract_number.data, form.download_password.data, purpose)
    except Refused as refused:
        form.form_errors = [refused.message]  # of which field isn't told
        return page(form), refused.status
    leave(purpose)  # whoever was here before at this PC
    enter(purpose, token)
    return redirect(url_for(inside), 303)


def closed(purpose: str) -> ResponseReturnValue:
    """To the form that opens the counter: the visit is over."""
    flash(
        f"{LABELS[purpose]}は閉じています。{minutes(purpose)}分たつか、「お知らせ」が再発行されると閉じます。"
        "続けるときは、契約番号とダウンロードパスワードを送信してください。",
        "warning",
    )
    return redirect(url_for(f"{purpose}.form"), 303)


def enter(purpose: str, token: str) -> None:
    session[_key(purpose)] = token


def visit(purpose: str) -> Visit | None:
    """The visit that this browser is on, while it lasts."""
    token = session.get(_key(purpose))
    return visits.find(token, purpose, utc_now()) if token else None


def leave(purpose: str) -> None:
    """The browser forgets its visit, and so does the database."""
    found = visit(purpose)
    session.pop(_key(purpose), None)
    if found is not None:
        visits.end(found, utc_now())


def _key(purpose: str) -> str:
    return f"visit_{purpose}"
