"""/auth: 契約番号 + ユーザーID → ワンタイムパスワード → ログインパスワード; logout; the confirmation of a changed
address.
"""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from blueprints import fields, guards
from blueprints.visitor import BROWSER, actor, enter
from database import utc_now
from exchange import people, sessions
from exchange.errors import Refused
from models import LoginSession

bp = Blueprint("auth", __name__, url_prefix="/auth")

PAIR = "pair"  # cookie keys of the steps in between
CODE_TOKEN = "code_token"  # noqa: S105 — a key's name
LOGIN_ID = "login_id"
WHYS = ("logout", "idle", "absolute", "newer", "ended", "password")


class IdentityForm(fields.Form):
    contract_number = fields.contract_number()
    login_id = fields.login_id()


class CodeForm(fields.Form):
    code = fields.one_time_password()


class PasswordForm(fields.Form):
    login_id = fields.login_id()
    password = fields.password("ログインパスワード", "ログインパスワードを入力してください。")


class MailForm(fields.Form):
    code = fields.one_time_password("確認コード")


@bp.get("/")
def identity() -> ResponseReturnValue:
    return render_template("auth/identity.html", form=IdentityForm(data=session.get(PAIR)))


@bp.post("/")
def identify() -> ResponseReturnValue:
    form = IdentityForm()
    if not form.validate():
        return render_template("auth/identity.html", form=form), 422
    session[PAIR] = {"contract_number": form.contract_number.data, "login_id": form.login_id.data}
    return redirect(url_for("auth.code"), 303)


@bp.get("/code")
def code() -> ResponseReturnValue:
    if PAIR not in session:
        return redirect(url_for("auth.identity"), 303)
    return render_template("auth/code.html", form=CodeForm(), **session[PAIR])


@bp.post("/code")
def check_code() -> ResponseReturnValue:
    pair = session.get(PAIR)
    if pair is None:
        return redirect(url_for("auth.identity"), 303)
    form = CodeForm()
    if not form.validate():
        return render_template("auth/code.html", form=form, **pair), 422
    try:
        token = sessions.pass_code(
            actor(), pair["contract_number"], pair["login_id"], form.code.data, session.get(BROWSER, "")
        )
    except Refused as refused:
        form.code.errors = [refused.message]
        return render_template("auth/code.html", form=form, **pair), refused.status
    page_asked_for = session.get(guards.NEXT, "")
    session.clear()  # a new stage, a new token
    session[CODE_TOKEN], session[LOGIN_ID] = token, pair["login_id"]
    session[guards.NEXT] = page_asked_for
    return redirect(url_for("auth.password"), 303)


@bp.get("/password")
def password() -> ResponseReturnValue:
    if _code_session() is None:
        return redirect(url_for("auth.identity"), 303)
    form = PasswordForm(data={"login_id": session.get(LOGIN_ID, "")})
    return render_template("auth/password.html", form=form, no_device=False)


@bp.post("/password")
def log_in() -> ResponseReturnValue:
    passed = _code_session()
    if passed is None:
        flash("ワンタイムパスワードの確認から時間がたったため、最初からやり直してください。", "warning")
        return redirect(url_for("auth.identity"), 303)
    form = PasswordForm()
    if not form.validate():
        return render_template("auth/password.html", form=form, no_device=False), 422
    try:
        token = sessions.pass_password(actor(), passed, form.login_id.data, form.password.data)
    except sessions.NoDevice as refused:
        return render_template("auth/password.html", form=form, no_device=True), refused.status
    except Refused as refused:
        form.password.errors = [refused.message, *fields.width_hints(form.password.data)]
        return render_template("auth/password.html", form=form, no_device=False), refused.status
    return enter(token)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    sessions.log_out(current_user.actor, current_user.session)
    logout_user()
    session.clear()
    response = redirect(url_for("auth.ended", why="logout"), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@bp.get("/ended")
def ended() -> ResponseReturnValue:
    why = request.args.get("why", "ended")
    minutes = int(sessions.ABSOLUTE.total_seconds() // 60)
    return render_template("auth/ended.html", why=why if why in WHYS else "ended", minutes=minutes)


@bp.get("/mail")
def mail() -> ResponseReturnValue:
    address = current_user.member.user.pending_mail
    if address is None:
        return redirect(url_for("home.index"), 303)
    return render_template("auth/mail.html", form=MailForm(), address=_masked(address))


@bp.post("/mail")
def confirm_mail() -> ResponseReturnValue:
    form = MailForm()
    address = _masked(current_user.member.user.pending_mail or "")
    if not form.validate():
        return render_template("auth/mail.html", form=form, address=address), 422
    try:
        people.confirm_mail(current_user.actor, form.code.data)
    except Refused as refused:
        form.code.errors = [refused.message]
        return render_template("auth/mail.html", form=form, address=address), refused.status
    flash("新しいメールアドレスを確認しました。これからはこちらに届きます。", "success")
    return redirect(url_for("home.index"), 303)


def _code_session() -> LoginSession | None:
    resumed = sessions.resume(session.get(CODE_TOKEN, ""), "code", utc_now())
    return resumed if isinstance(resumed, LoginSession) else None


def _masked(address: str) -> str:
    name, at, domain = address.partition("@")
    return f"{name[:2]}{'*' * max(2, len(name) - 2)}{at}{domain}"
