"""Form fields that several pages ask for, normalised the same way everywhere: width never refuses anyone."""

import re
import secrets
import unicodedata
from collections.abc import Callable
from typing import Any

from flask_wtf import FlaskForm
from wtforms import HiddenField, PasswordField, SelectField, StringField, TextAreaField
from wtforms.validators import DataRequired, InputRequired, Length, Optional, ValidationError

from exchange import accounts, normalise
from exchange.arrivals import NOTE_LONGEST, Slip
from exchange.transfers import REASON_LONGEST
from models import DocumentKind, User

PERIOD = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
FIRST_DAYS = ("月1日", "1日", "/1", ".1", "-1", "01")  # what makes a date of a month, whichever way it is written
CONTRACT_LONGEST = 60  # as typed, before its spaces and wide characters are normalised


class Form(FlaskForm):
    """The base of every form; flask-wtf adds and checks the CSRF token."""

    class Meta(FlaskForm.Meta):
        locales = ("ja",)  # for the library's own sentences, such as that of a choice that isn't offered


def required(sentence: str) -> InputRequired:
    return InputRequired(sentence)


def cleaned(function: Callable[[str], str]) -> Callable[[str | None], str]:
    """A filter that takes what a missing field gives."""
    return lambda typed: function(typed or "")


def contract_number(label: str = "契約番号") -> StringField:
    return StringField(
        label,
        [
            required("契約番号を入力してください。「お知らせ」に記載されています。"),
            Length(max=CONTRACT_LONGEST, message="契約番号が長すぎます。"),
        ],
        [cleaned(normalise.contract_number)],
    )


def login_id(label: str = "ユーザーID") -> StringField:
    return StringField(
        label,
        [required("ユーザーIDを入力してください。"), Length(max=64, message="ユーザーIDが長すぎます。")],
        [cleaned(normalise.login_id)],
    )


def new_login_id(label: str = "ユーザーID", is_optional: bool = False) -> StringField:
    """The ID of a person who gets it now; `login_id` takes one that somebody already has."""
    first = Optional() if is_optional else required(f"{label}を入力してください。")
    return StringField(label, [first, _is_login_id], [cleaned(normalise.login_id)])


def person_name() -> StringField:
    message = f"ユーザ名(漢字)は{normalise.NAME_LENGTH}文字までです。"
    return StringField(
        "ユーザ名(漢字)",
        [DataRequired("ユーザ名(漢字)を入力してください。"), Length(max=normalise.NAME_LENGTH, message=message)],
        [cleaned(normalise.person_name)],
    )


def person_kana(is_optional: bool = False) -> StringField:
    first = Optional() if is_optional else required("ユーザ名(カナ)を入力してください。")
    return StringField("ユーザ名(カナ)", [first, _is_kana], [cleaned(normalise.kana)])


def person_mail() -> StringField:
    first = required("メールアドレスを入力してください。")
    return StringField("メールアドレス", [first, _is_mail], [cleaned(normalise.mail)])


def one_time_password(label: str = "ワンタイムパスワード", is_optional: bool = False) -> StringField:
    first = Optional() if is_optional else required(f"{label}を入力してください。")
    return StringField(label, [first], [cleaned(normalise.code)])


def password(label: str, sentence: str) -> PasswordField:
    """Taken exactly as typed."""
    return PasswordField(label, [required(sentence), Length(max=1024, message=f"{label}が長すぎます。")])


def width_hints(typed: str) -> list[str]:
    """What to add to the refusal of a password: nobody sees in the dots that they are full-width."""
    if any(unicodedata.east_asian_width(character) in "FW" for character in typed):
        return ["全角文字が入力されています。半角に切り替えてください。"]
    return []


def reason(label: str, told: str = "相手の画面に表示されます。", longest: int = REASON_LONGEST) -> TextAreaField:
    """`told`: where it will be read."""
    return TextAreaField(
        label,
        [
            DataRequired(f"{label}を入力してください。{told}"),
            Length(max=longest, message=f"{label}は{longest}文字までで入力してください。"),
        ],
        [cleaned(str.strip)],  # full-width spaces as well
    )


def kind(direction: str) -> SelectField:
    return SelectField("種類", [required("種類を選んでください。")], choices=lambda: _kinds(direction))


def slip(form: Any, direction: str, file_name: str) -> Slip:
    """What a form with kind, period, note and token tells of its document; a nameless one is called after its kind."""
    kind = DocumentKind.named(direction, form.kind.data)
    return Slip(kind, file_name or f"{kind.name}.zip", form.period.data, form.note.data or "", form.token.data)


def period() -> StringField:
    return StringField("対象年月", [Optional(), _period_is_a_month], [cleaned(_as_period)])


def note() -> TextAreaField:
    message = f"メモは{NOTE_LONGEST}文字までで入力してください。"
    return TextAreaField("メモ", [Length(max=NOTE_LONGEST, message=message)])


def token() -> HiddenField:
    """Makes a form act once, however often it is sent."""
    again = required("画面を開き直してから、もう一度送信してください。")
    return HiddenField(
        "この画面の番号", [again, Length(max=64, message=again.message)], default=lambda: secrets.token_hex(16)
    )


def _kinds(direction: str) -> list[tuple[str, str]]:
    return [("", "選んでください"), *((row.code, row.name) for row in DocumentKind.offered(direction))]


def _as_period(typed: str) -> str:
    """YYYY-MM from any common way to write a month (2026/4, 令和8年4月, R8.4); what isn't one stays as it is."""
    plain = normalise.half_width(typed)
    days = (normalise.date_on(plain + rest) for rest in FIRST_DAYS)
    day = next(filter(None, days), None)
    return f"{day:%Y-%m}" if day else plain


def _period_is_a_month(_: Form, field: StringField) -> None:
    if not PERIOD.fullmatch(field.data):
        raise ValidationError("対象年月は 2026/04 または 令和8年4月 のように、年と月（1～12）で入力してください。")


def _is_login_id(_: FlaskForm, field: StringField) -> None:
    if not normalise.is_login_id(field.data):
        raise ValidationError(
            f"{field.label.text}は、8～15文字の半角英数字で入力してください。大文字と小文字は区別されます。"
        )


def _is_kana(_: FlaskForm, field: StringField) -> None:
    if not normalise.is_kana(field.data):
        raise ValidationError("ユーザ名(カナ)は、全角カタカナ50文字までで、姓と名の間を1文字あけて入力してください。")


def _is_mail(_: FlaskForm, field: StringField) -> None:
    if not normalise.is_mail(field.data):
        raise ValidationError("メールアドレスの形が正しくありません。「名前@会社のドメイン」の形で入力してください。")


class PersonForm(Form):
    """A person's names and address. `before`: what they were when the form was shown."""

    kana = person_kana()
    name = person_name()
    mail = person_mail()
    before = HiddenField()


class StaffPersonForm(PersonForm):
    kana = person_kana(is_optional=True)


def about_person(user: User, is_staff: bool) -> PersonForm:
    """The form about a person, filled with what is known; after a POST with what was sent."""
    kind = StaffPersonForm if is_staff else PersonForm
    return kind(data={**accounts.profile_of(user), "before": accounts.profile_seen(user)})
