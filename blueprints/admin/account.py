"""/admin/account: what everybody does for himself: names, mail, password, authenticator, answers to other offices; and
/admin/user/registration, the page of the first login.
"""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import HiddenField, PasswordField
from wtforms.validators import EqualTo, ValidationError

from blueprints import answers, deeds, fields, guards, visitor
from database import utc_now
from exchange import accounts, people, permissions, qr, sessions, settings
from exchange.errors import Refused
from models import AuditEntry, Membership

bp = Blueprint("account", __name__, url_prefix="/admin")

ENROLLED = (
    "認証アプリの登録は終わっています。回復コードを控えていないときは、「回復コードを作り直す」を押してください。"
)
GROUP = 4  # letters of the secret that stand together, for whoever types it

# action, or action and why → what the person reads, the colour of the chip, what more there is to say
LOGINS = {
    "login.succeeded": ("ログイン", "done", ""),
    "login.recovered": ("回復コードでログイン", "wait", "認証アプリの代わりに、回復コードが使われました。"),
    "login.locked": ("ログインの停止", "stop", "誤りが続いたため、しばらくログインを止めました。"),
    "login.refused": ("入力の誤り", "stop", ""),
    "login.refused password": ("パスワード誤り", "stop", ""),
    "login.refused staff": ("入力の誤り", "stop", "ログインパスワードか認証アプリの数字が違います。"),
    "login.refused initial password lapsed": ("初期パスワードの期限切れ", "off", ""),
    "login.refused no active device": ("端末の有効化前", "off", ""),
    "code.refused": ("ワンタイムパスワード誤り", "stop", ""),
}


def _new_password() -> PasswordField:
    return fields.password("新しいログインパスワード", "新しいログインパスワードを入力してください。")


def _new_password_again() -> PasswordField:
    wrong = "新しいログインパスワードと確認用の入力が違います。同じものを2回入力してください。"
    return PasswordField("新しいログインパスワード（確認）", [EqualTo("password", wrong)])


class NewPassword:
    """What a form asks of a new login password."""

    def validate_password(self, field: PasswordField) -> None:
        name = self["name"].data if "name" in self else current_user.name
        problem = accounts.password_problem(current_user.member, field.data, name)
        if problem:
            raise ValidationError(problem)


class PasswordForm(NewPassword, fields.Form):
    current = fields.password("今のログインパスワード", "今のログインパスワードを入力してください。")
    password = _new_password()
    password_again = _new_password_again()


class RegistrationForm(NewPassword, fields.PersonForm):
    password = _new_password()
    password_again = _new_password_again()


class StaffRegistrationForm(NewPassword, fields.StaffPersonForm):
    password = _new_password()
    password_again = _new_password_again()


class CodeForm(fields.Form):
    code = fields.one_time_password("認証アプリの6桁")
    before = HiddenField()


@bp.get("/account/")
def index() -> ResponseReturnValue:
    return _account_page(_profile_form())


@bp.post("/account/profile")
def change_profile() -> ResponseReturnValue:
    form = _profile_form()
    if not form.validate():
        return _account_page(form), 422
    member = current_user.member
    try:
        changed = accounts.change_profile(
            current_user.actor, member, form.name.data, form.kana.data, form.mail.data, form.before.data
        )
    except Refused as refused:
        form.form_errors = [refused.message]
        return _account_page(form), refused.status
    flash("登録内容を変更しました。" if changed else "変更はありませんでした。", "success" if changed else "info")
    return redirect(url_for("account.index"), 303)


@bp.get("/account/password")
def password() -> ResponseReturnValue:
    return _password_page(PasswordForm())


@bp.post("/account/password")
def change_password() -> ResponseReturnValue:
    form = PasswordForm()
    if not form.validate():
        return _password_page(form), 422
    try:
        token = accounts.change_password(
            current_user.actor, current_user.session, form.current.data, form.password.data
        )
    except Refused as refused:
        form.current.errors = [refused.message, *fields.width_hints(form.current.data)]
        return _password_page(form), refused.status
    visitor.go_on(token)
    flash("ログインパスワードを変更しました。ほかに開いていたログイン中の画面は、すべて終了しました。", "success")
    return redirect(url_for("account.index"), 303)


@bp.post("/account/totp/opening")
def open_totp() -> ResponseReturnValue:
    """To the page with the secret, for whoever has typed the login password of late."""
    return redirect(url_for("account.totp"), 303)


@bp.get("/account/totp")
def totp() -> ResponseReturnValue:
    if not current_user.is_gated and not sessions.is_fresh(current_user.session, utc_now()):
        return redirect(url_for("account.index", _anchor="totp"), 303)
    return _totp_page(CodeForm(data={"before": accounts.totp_seen(current_user.member.user)}))


@bp.post("/account/totp")
def enrol() -> ResponseReturnValue:
    form, user = CodeForm(), current_user.member.user
    if user.has_totp and form.before.data != accounts.totp_seen(user):
        flash(ENROLLED, "info")
        return redirect(url_for("account.index", _anchor="totp"), 303)
    if not form.validate():
        return _totp_page(form), 422
    next_url = url_for("home.index" if current_user.is_gated else "account.index")
    try:
        codes = accounts.enrol_totp(current_user.actor, current_user.session, form.code.data)
    except Refused as refused:
        form.code.errors = [refused.message]
        return _totp_page(form), refused.status
    return _codes_page(codes, next_url, is_new=True)


@bp.post("/account/totp/removal")
def drop_totp() -> ResponseReturnValue:
    accounts.drop_totp(current_user.actor, current_user.member)
    flash("認証アプリをやめました。次のログインからは、メールのワンタイムパスワードを使います。", "success")
    return redirect(url_for("account.index"), 303)


@bp.post("/account/recovery-codes")
def renew_codes() -> ResponseReturnValue:
    codes = accounts.renew_codes(current_user.actor)
    return _codes_page(codes, url_for("account.index"), is_new=False)


@bp.get("/account/invitations")
def invitations() -> ResponseReturnValue:
    waiting = list(current_user.member.user.invitations())
    return render_template("admin/invitations.html", invitations=waiting, granted=_granted)


@bp.post("/account/invitations/<uid>/<any('acceptance', 'refusal'):noun>")
def answer(uid: str, noun: str) -> ResponseReturnValue:
    invitation = guards.invitation_or_404(uid)
    accepts = noun == "acceptance"
    people.answer(current_user.actor, invitation, accepts)
    name = invitation.office.display_name
    flash(
        f"{name} の依頼を承諾しました。画面の上で {name} を選び、「切替」を押すと、この事業所の画面になります。"
        if accepts
        else f"{name} の依頼を断りました。",
        "success",
    )
    return redirect(url_for("account.invitations"), 303)


@bp.get("/user/registration")
def registration() -> ResponseReturnValue:
    if not people.needs_registration(current_user.member):
        return redirect(url_for("home.index"), 303)
    return _registration_page(_registration_form())


@bp.post("/user/registration")
def register() -> ResponseReturnValue:
    form = _registration_form()
    if not form.validate():
        return _registration_page(form), 422
    try:
        people.register_user(current_user.actor, form.name.data, form.kana.data, form.mail.data, form.password.data)
    except Refused as refused:
        form.password.errors = [refused.message]
        return _registration_page(form), refused.status
    return redirect(url_for("office.done" if current_user.is_office else "home.index"), 303)


def _profile_form() -> fields.PersonForm:
    return fields.about_person(current_user.member.user, current_user.member.is_staff)


def _registration_form() -> fields.PersonForm:
    kind = RegistrationForm if current_user.is_office else StaffRegistrationForm
    return kind(data=accounts.profile_of(current_user.member.user))


def _account_page(form: fields.Form) -> str:
    user = current_user.member.user
    return render_template(
        "admin/account.html",
        form=form,
        user=user,
        kind_label=deeds.KINDS[current_user.kind],
        words=permissions.WORDS[current_user.kind],
        pending_mail=answers.masked(user.pending_mail or ""),
        places=current_user.places if current_user.is_office else [],
        logins=[_login(entry) for entry in accounts.last_logins(user)],
    )


def _password_page(form: PasswordForm) -> str:
    return render_template("admin/account_password.html", form=form, shortest=settings.get("password_length"))


def _totp_page(form: CodeForm) -> str:
    offer = accounts.offer_totp(current_user.session)
    groups = " ".join(offer.secret[start : start + GROUP] for start in range(0, len(offer.secret), GROUP))
    user = current_user.member.user
    return render_template("admin/totp.html", form=form, user=user, secret=groups, qr=qr.squares(offer.uri))


def _codes_page(codes: list[str], next_url: str, is_new: bool) -> str:
    return render_template(
        "admin/recovery_codes.html", codes=codes, next_url=next_url, is_new=is_new, made_at=utc_now()
    )


def _registration_page(form: fields.Form) -> str:
    return render_template(
        "admin/user_registration.html",
        form=form,
        words=_granted(current_user.member),
        shortest=settings.get("password_length"),
    )


def _granted(member: Membership) -> list[str]:
    """The labels of the words a member holds, or will hold once accepted."""
    words = member.words()
    return [label for word, (label, _) in permissions.WORDS[member.kind].items() if word in words]


def _login(entry: AuditEntry) -> dict[str, Any]:
    """One line of 最近のログイン."""
    why = f"{entry.action} {entry.details.get('why', '')}"
    label, colour, note = LOGINS[why if why in LOGINS else entry.action]
    device = entry.device.label if entry.device else ""
    return {
        "at": entry.at,
        "label": label,
        "colour": colour,
        "note": note,
        "device": device,
        "address": entry.address,
    }
