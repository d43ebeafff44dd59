"""/auth: 契約番号 + ユーザーID → ワンタイムパスワード → ログインパスワード; logout; the confirmation of a changed
address.
"""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from blueprints import answers, fields, guards
from blueprints.visitor import BROWSER, actor, enter, go_on, note_recovery
from database import utc_now
from exchange import accounts, sessions, tunnel_logins
from exchange.errors import Refused
from models import LoginSession

bp = Blueprint("auth", __name__, url_prefix="/auth")

PAIR = "pair"  # cookie keys of the steps in between
CODE_TOKEN = "code_token"  # noqa: S105 — a key's name
LOGIN_ID = "login_id"
WHYS = ("logout", "idle", "absolute", "newer", "ended", "password", "device")


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
    note_recovery(form.code.data)
    return redirect(url_for("auth.password"), 303)


@bp.get("/password")
def password() -> ResponseReturnValue:
    if _code_session() is None:
        return redirect(url_for("auth.identity"), 303)
    form = PasswordForm(data={"login_id": session.get(LOGIN_ID, "")})
    return render_template("auth/password.html", form=form, no_device="")


@bp.post("/password")
def log_in() -> ResponseReturnValue:
    passed = _code_session()
    if passed is None:
        flash("ワンタイムパスワードの確認から時間がたったため、最初からやり直してください。", "warning")
        return redirect(url_for("auth.identity"), 303)
    form = PasswordForm()
    if not form.validate():
        return render_template("auth/password.html", form=form, no_device=""), 422
    try:
        token = sessions.pass_password(actor(), passed, form.login_id.data, form.password.data)
    except sessions.NoDevice as refused:
        return render_template("auth/password.html", form=form, no_device=refused.message), refused.status
    except (tunnel_logins.NotFromHere, tunnel_logins.Unknown) as refused:
        form.form_errors = [refused.message]  # nothing is wrong with what was typed
        return render_template("auth/password.html", form=form, no_device=""), refused.status
    except Refused as refused:
        form.password.errors = [refused.message, *fields.width_hints(form.password.data)]
        return render_template("auth/password.html", form=form, no_device=""), refused.status
    return enter(token)


@bp.post("/logout")
def logout() -> ResponseReturnValue:
    side = "" if current_user.is_office else "fund"
    sessions.log_out(current_user.actor, current_user.session)
    logout_user()
    session.clear()
    response = redirect(url_for("auth.ended", why="logout", side=side or None), 303)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@bp.post("/office")
def switch() -> ResponseReturnValue:
    """事業所の切替."""
    place = guards.place_or_404(request.form.get("place", ""))
    go_on(sessions.switch(current_user.actor, current_user.session, place))
    wanted = guards.page_for(place, request.form.get("next", ""))
    return redirect(wanted or url_for("home.index"), 303)


@bp.get("/ended")
def ended() -> ResponseReturnValue:
    why = request.args.get("why", "ended")
    minutes = int(sessions.ABSOLUTE.total_seconds() // 60)
    is_staff = request.args.get("side") == "fund"  # came from the fund's pages, where no VPN is
    why = why if why in WHYS else "ended"
    return render_template("auth/ended.html", why=why, minutes=minutes, is_staff=is_staff)


@bp.get("/mail")
def mail() -> ResponseReturnValue:
    address = current_user.member.user.pending_mail
    if address is None:
        return redirect(url_for("home.index"), 303)
    return render_template("auth/mail.html", form=MailForm(), address=answers.masked(address))


@bp.post("/mail")
def confirm_mail() -> ResponseReturnValue:
    form = MailForm()
    address = answers.masked(current_user.member.user.pending_mail or "")
    if not form.validate():
        return render_template("auth/mail.html", form=form, address=address), 422
    try:
        accounts.confirm_mail(current_user.actor, form.code.data)
    except Refused as refused:
        form.code.errors = [refused.message]
        return render_template("auth/mail.html", form=form, address=address), refused.status
    flash("新しいメールアドレスを確認しました。これからはこちらに届きます。", "success")
    return redirect(url_for("home.index"), 303)


@bp.post("/mail/again")
def send_mail_again() -> ResponseReturnValue:
    accounts.send_confirmation_again(current_user.actor)
    flash("確認コードをもう一度送りました。前に届いた確認コードは使えません。", "success")
    return redirect(url_for("auth.mail"), 303)


def _code_session() -> LoginSession | None:
    resumed = sessions.resume(session.get(CODE_TOKEN, ""), "code", utc_now())
    return resumed if isinstance(resumed, LoginSession) else None
