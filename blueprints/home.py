"""/ and /healthz: the front door and the sign of life."""

from flask import Blueprint, g, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from database import utc_now
from exchange import fund, lists, overview, sessions, settings
from exchange.overview import Waiting
from models import FILING, STATEMENT

bp = Blueprint("home", __name__)

# What waits → the page on which something can be done about it: a list of documents, or another one.
LISTS = {
    (True, FILING): "files.outgoing",
    (True, STATEMENT): "files.incoming",
    (False, FILING): "inbox.index",
    (False, STATEMENT): "statements.index",
}
PAGES = {**dict.fromkeys(overview.PEOPLE, "users.index"), "activate": "desk.index", "invitation": "account.invitations"}


@bp.get("/")
def index() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for(current_user.gate), 303) if current_user.is_gated else _start_page()
    if "session_ended" in g:  # said once: the next time this is a stranger's browser
        logout_user()
        return redirect(url_for("auth.ended", why=g.session_ended), 303)
    if not fund.has_fund():
        return render_template("home/empty.html")
    return render_template("home/index.html", minutes=int(sessions.ABSOLUTE.total_seconds() // 60))


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 while the database answers."""
    settings.every()
    return jsonify(status="ok")


def _start_page() -> str:
    member, at = current_user.member, utc_now()
    offices = [place for place in current_user.places if place.office_id] if current_user.is_office else []
    tally = lists.tally(offices) if len(offices) > 1 else None
    waits = overview.waiting(member, current_user.held, at, tally)
    return render_template(
        "home/start.html",
        waits=[{"what": wait, "url": _page_of(wait)} for wait in waits],
        offices=overview.offices_waiting(offices, tally) if tally is not None else [],
        months=overview.traffic(member, at),
        last_login=overview.last_login(member.user),
    )


def _page_of(wait: Waiting) -> str:
    if not wait.direction:
        return url_for(PAGES[wait.key])
    return url_for(LISTS[current_user.is_office, wait.direction], state=wait.state)
