"""/ and /healthz: the front door and the sign of life."""

from flask import Blueprint, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from exchange import people, sessions, settings

bp = Blueprint("home", __name__)


@bp.get("/")
def index() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for("files.outgoing" if current_user.is_office else "admin.index"), 303)
    if not people.has_fund():
        return render_template("home/empty.html")
    return render_template("home/index.html", minutes=int(sessions.ABSOLUTE.total_seconds() // 60))


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while the database answers."""
    settings.every()
    return jsonify(status="ok")
