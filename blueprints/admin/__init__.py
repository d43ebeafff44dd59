"""/admin: where the fund's people log in."""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from blueprints import fields
from blueprints.visitor import actor, enter, note_recovery
from exchange import sessions
from exchange.errors import Refused

bp = Blueprint("admin", __name__, url_prefix="/admin")


class StaffForm(fields.Form):
    login_id = fields.login_id()
    password = fields.password("ログインパスワード", "ログインパスワードを入力してください。")
    code = fields.one_time_password(is_optional=True)  # empty at the first login


@bp.get("/")
def index() -> ResponseReturnValue:
    return redirect(url_for("home.index"), 303)


@bp.get("/login")
def login() -> ResponseReturnValue:
    return render_template("admin/login.html", form=StaffForm())


@bp.post("/login")
def log_in() -> ResponseReturnValue:
    form = StaffForm()
    if not form.validate():
        return render_template("admin/login.html", form=form), 422
    try:
        token = sessions.log_in_staff(actor(), form.login_id.data, form.password.data, form.code.data)
    except Refused as refused:
        form.form_errors = [refused.message, *fields.width_hints(form.password.data)]  # of which field isn't told
        return render_template("admin/login.html", form=form), refused.status
    note_recovery(form.code.data or "")
    return enter(token)
