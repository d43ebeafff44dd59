"""/admin/office and /admin/user: what an office and its people register at their first login."""

from flask import Blueprint, Response, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import BooleanField, HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, Length, ValidationError

from blueprints import answers, fields
from exchange import archives, credentials, normalise, people, permissions, settings
from exchange.errors import Refused

bp = Blueprint("office", __name__, url_prefix="/admin")

SHORT_NAME_LONGEST = 30


class OfficeForm(fields.Form):
    # The proposed 圧縮パスワード goes with the form, so that a refused form still shows the one that was noted down.
    suggestion = HiddenField(default=credentials.suggest_archive_password)
    short_name = StringField(
        "事業所略称",
        [Length(max=SHORT_NAME_LONGEST, message=f"事業所略称は{SHORT_NAME_LONGEST}文字までで入力してください。")],
        [fields.cleaned(normalise.text)],
    )
    archive_password = PasswordField("圧縮パスワード", [fields.required("圧縮パスワードを入力してください。")])
    archive_password_again = PasswordField(
        "圧縮パスワード（確認）",
        [EqualTo("archive_password", "圧縮パスワードと確認用の入力が違います。同じものを2回入力してください。")],
    )
    understood = BooleanField("圧縮パスワードは後から変更できないことを確認しました")

    def validate_archive_password(self, field: PasswordField) -> None:
        problem = credentials.archive_password_problem(field.data)
        if problem:
            raise ValidationError(problem)


class UserForm(fields.Form):
    kana = StringField(
        "ユーザ名(カナ)", [fields.required("ユーザ名(カナ)を入力してください。")], [fields.cleaned(normalise.kana)]
    )
    name = StringField(
        "ユーザ名(漢字)",
        [
            fields.required("ユーザ名(漢字)を入力してください。"),
            Length(max=normalise.NAME_LENGTH, message=f"ユーザ名(漢字)は{normalise.NAME_LENGTH}文字までです。"),
        ],
        [fields.cleaned(normalise.person_name)],
    )
    mail = StringField(
        "メールアドレス", [fields.required("メールアドレスを入力してください。")], [fields.cleaned(normalise.mail)]
    )
    password = fields.password("新しいログインパスワード", "新しいログインパスワードを入力してください。")
    password_again = PasswordField(
        "新しいログインパスワード（確認）",
        [EqualTo("password", "新しいログインパスワードと確認用の入力が違います。同じものを2回入力してください。")],
    )

    def validate_password(self, field: PasswordField) -> None:
        problem = people.password_problem(current_user.member, field.data, self.name.data)
        if problem:
            raise ValidationError(problem)

    def validate_kana(self, field: StringField) -> None:
        if not normalise.is_kana(field.data):
            raise ValidationError(
                "ユーザ名(カナ)は、全角カタカナ50文字までで、姓と名の間を1文字あけて入力してください。"
            )

    def validate_mail(self, field: StringField) -> None:
        if not normalise.is_mail(field.data):
            raise ValidationError(
                "メールアドレスの形が正しくありません。「名前@会社のドメイン」の形で入力してください。"
            )


@bp.get("/office/registration")
def registration() -> ResponseReturnValue:
    if not people.needs_office_setup(current_user.member):
        return redirect(url_for("office.user_registration"), 303)
    return _office_page(OfficeForm())


@bp.post("/office/registration")
def register() -> ResponseReturnValue:
    form = OfficeForm()
    is_whole = form.validate()
    if not form.understood.data:
        form.understood.errors = ["圧縮パスワードは後から変更できません。確認のうえ、チェックを入れてください。"]
        is_whole = False
    if not is_whole:
        return _office_page(form), 422
    people.set_up_office(current_user.actor, form.short_name.data, form.archive_password.data)
    return redirect(url_for("office.user_registration"), 303)


@bp.post("/office/registration/test-archive")
def test_archive() -> ResponseReturnValue:
    """A small ZIP made with what is typed, to try on the own PC before it is fixed; nothing is kept."""
    form = OfficeForm()
    if not form.validate():
        return _office_page(form), 422
    data = archives.test_archive(form.archive_password.data)
    response: Response = answers.download(iter([data]), "お試し.zip", len(data), "test.zip")
    return response


@bp.get("/user/registration")
def user_registration() -> ResponseReturnValue:
    member = current_user.member
    if not people.needs_registration(member):
        return redirect(url_for("home.index"), 303)
    user = member.user
    return _user_page(UserForm(data={"name": user.name, "kana": user.kana, "mail": user.mail}))


@bp.post("/user/registration")
def register_user() -> ResponseReturnValue:
    form = UserForm()
    if not form.validate():
        return _user_page(form), 422
    try:
        people.register_user(current_user.actor, form.name.data, form.kana.data, form.mail.data, form.password.data)
    except Refused as refused:
        form.password.errors = [refused.message]
        return _user_page(form), refused.status
    return redirect(url_for("office.done"), 303)


@bp.get("/office/waiting")
def waiting() -> ResponseReturnValue:
    if not people.needs_office_setup(current_user.member):
        return redirect(url_for("home.index"), 303)
    return render_template("admin/office_waiting.html")


@bp.get("/office/done")
def done() -> ResponseReturnValue:
    return render_template("admin/office_done.html")


def _office_page(form: OfficeForm) -> str:
    return render_template(
        "admin/office_registration.html",
        form=form,
        office=current_user.member.office,
        suggestion=_suggestion(form),
        shortest=credentials.ARCHIVE_PASSWORD_SHORTEST,
        longest=credentials.ARCHIVE_PASSWORD_LONGEST,
    )


def _suggestion(form: OfficeForm) -> str:
    """What the form proposes; anew if that came back as something nobody should take."""
    if credentials.archive_password_problem(form.suggestion.data or "") is not None:
        form.suggestion.data = credentials.suggest_archive_password()
    return form.suggestion.data


def _user_page(form: UserForm) -> str:
    return render_template(
        "admin/user_registration.html",
        form=form,
        office=current_user.member.office,
        words=[label for word, (label, _) in permissions.OFFICE_WORDS.items() if word in current_user.held],
        shortest=settings.get("password_length"),
    )
