"""/onetime: ask for a one-time password by mail. One answer for every input."""

import secrets

from flask import Blueprint, redirect, render_template, session, url_for
from flask.typing import ResponseReturnValue

from blueprints import fields
from blueprints.visitor import BROWSER, actor
from exchange import onetime, throttle

bp = Blueprint("onetime", __name__, url_prefix="/onetime")


class AskForm(fields.Form):
    contract_number = fields.contract_number()
    login_id = fields.login_id()


@bp.get("/")
def form() -> ResponseReturnValue:
    return render_template("onetime/form.html", form=AskForm())


@bp.post("/")
def request_code() -> ResponseReturnValue:
    form = AskForm()
    if not form.validate():
        return render_template("onetime/form.html", form=form), 422
    session.setdefault(BROWSER, secrets.token_urlsafe(16))
    asked = onetime.ask(actor(), form.contract_number.data, form.login_id.data, session[BROWSER])
    pair = [form.contract_number.data, form.login_id.data]
    if not (asked.is_again and session.get("asked_for") == pair):  # else pressed twice: the mail's number stays
        session["asked"] = {"number": asked.number, "minutes": asked.minutes}
        session["asked_for"] = pair
    return redirect(url_for("onetime.receipt"), 303)


@bp.get("/receipt")
def receipt() -> ResponseReturnValue:
    if "asked" not in session:
        return redirect(url_for("onetime.form"), 303)
    wait = throttle.LIMITS["code_again"].window
    return render_template("onetime/receipt.html", wait_seconds=int(wait.total_seconds()), **session["asked"])
