"""/ and /healthz: the front door and the sign of life."""

from typing import Any

from flask import Blueprint, g, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, logout_user

from blueprints import opening
from database import utc_now
from exchange import fund, handovers, hours, lists, overview, progress, sessions, settings
from exchange.overview import Infected, Waiting
from models import FILING, STATEMENT, Membership

bp = Blueprint("home", __name__)

WORDS = {FILING: "届書", STATEMENT: "帳票"}
SHOWN = 10  # open handovers, documents with a virus; their lists have all of them

# What waits → the page on which something can be done about it: a list of documents, or another one.
LISTS = {
    (True, FILING): "files.outgoing",
    (True, STATEMENT): "files.incoming",
    (False, FILING): "inbox.index",
    (False, STATEMENT): "statements.index",
}
PAGES = {
    **dict.fromkeys(overview.PEOPLE, "users.index"),
    **dict.fromkeys(("filed_online", "filed_in_file"), "registrations.index"),
    **dict.fromkeys(("letters", "prints"), "letters.index"),
    "installers": "desk.index",
    "returned_codes": "devices.index",
    **dict.fromkeys(("activate", "vpn_orders"), "activations.index"),
    "stuck": "progress.index",
    "handovers": "handovers.index",
    "invitation": "account.invitations",
}
# What waits → which part of its page.
FILTERS = {"stuck": {"stuck": "y"}, "installers": {"state": "missing"}, "vpn_orders": {"state": "orders"}}


@bp.get("/")
def index() -> ResponseReturnValue:
    if current_user.is_authenticated:
        return redirect(url_for(current_user.gate), 303) if current_user.is_gated else _start_page()
    if "session_ended" in g:  # said once: the next time this is a stranger's browser
        logout_user()
        return redirect(url_for("auth.ended", why=g.session_ended), 303)
    if not fund.has_fund():
        return render_template("home/empty.html")
    minutes = int(sessions.ABSOLUTE.total_seconds() // 60)
    return render_template("home/index.html", minutes=minutes, hours=hours.spoken(), opening=opening.next_one())


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
        infected=_told_of(overview.quarantined(member, at, SHOWN)),
        handovers=handovers.open_to(member, current_user.held)[:SHOWN],
        is_onboarding=current_user.is_office and not _has_come(member),
    )


def _has_come(member: Membership) -> bool:
    """Whether the member's office has done everything until its 管理者 is ready."""
    return (member.kind == "office_admin" and member.ready_at is not None) or progress.is_finished(member.office)


def _page_of(wait: Waiting) -> str:
    if not wait.direction:
        return url_for(PAGES[wait.key], **FILTERS.get(wait.key, {}))
    return _list_of(wait.direction, wait.state)


def _list_of(direction: str, state: str) -> str:
    return url_for(LISTS[current_user.is_office, direction], state=state)


def _told_of(infected: Infected) -> dict[str, Any]:
    """What the notice about viruses says: `heading` ("" for none), `rows`, how many more there are and the `lists` that
    have all of them, as (direction, state in lists, address).
    """
    numbers = {way: sum(count for (one, _), count in infected.counts.items() if one == way) for way in WORDS}
    parts = "、".join(f"{WORDS[way]}が{number}件" for way, number in numbers.items() if number)
    return {
        "heading": f"ウイルスが見つかった{parts}あります" if parts else "",
        "rows": infected.newest,
        "more": sum(numbers.values()) - len(infected.newest),
        "lists": [(way, state, _list_of(way, state)) for way, state in sorted(infected.counts)],
    }
