"""/demo/mail: in a demonstration, the mails it has sent and the clerks' codes. Nowhere else do these pages exist."""

import json
from pathlib import Path

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from blueprints import guards
from database import utc_now
from exchange import installation, onetime, postman

bp = Blueprint("demo", __name__, url_prefix="/demo")

NEWEST = 100


@bp.get("/mail")
def mails() -> ResponseReturnValue:
    guards.require_demo()
    folder = _folder()
    names = postman.eml_names(folder)[:NEWEST]
    return render_template("demo/mails.html", mails=[postman.read_eml(folder / name) for name in names], codes=_codes())


@bp.get("/mail/<name>")
def mail(name: str) -> ResponseReturnValue:
    guards.require_demo()
    folder = _folder()
    known = guards.mail_or_404(name, postman.eml_names(folder))
    return render_template("demo/mail.html", mail=postman.read_eml(folder / known))


def _codes() -> list[dict[str, str]]:
    """What the authenticators of the fund's demo people show now."""
    made = json.loads((Path(current_app.instance_path) / installation.DEMO).read_text())
    now = utc_now()
    return [{**one, "code": onetime.totp_now(one["totp_secret"], now)} for one in made["staff"]]


def _folder() -> Path:
    return Path(current_app.instance_path) / "mail"
