"""Service hours as the pages tell of them: the page that stands for a closed one, and the notice before the closing."""

from datetime import timedelta
from typing import Any

from flask import Response, g, make_response, render_template, request

from blueprints import answers
from database import utc_now
from exchange import hours

NOTICE = timedelta(minutes=10)  # before the closing


def now() -> hours.Hours:
    """As they were when the request began: what began before the closing is finished."""
    if "hours" not in g:
        g.hours = hours.now(_began_at())
    return g.hours


def anew() -> hours.Hours:
    """As they are after the fund has decided others."""
    g.pop("hours", None)
    return now()


def closed() -> Response:
    """What an office's page answers while the service is closed: when it opens, and what is open all the same."""
    opens_at = now().opens_at
    page = render_template("errors/closed.html", opening=next_one(), hours=hours.spoken(), is_shut=True)
    response = make_response(page, 503)
    if opens_at:
        response.retry_after = opens_at
    if request.headers.get("HX-Request"):
        response.headers.extend(answers.WHOLE_PAGE)
    return response


def next_one() -> str:
    """The next opening in words; empty while it is open."""
    opens_at = now().opens_at
    return hours.spoken_opening(opens_at) if opens_at else ""


def notice() -> dict[str, Any] | None:
    """When the pages close today, and in how many seconds that is to be said; None where it is not."""
    closes_at = now().closes_at
    if closes_at is None:
        return None
    wait = closes_at - NOTICE - _began_at()
    return {"at": hours.spoken_closing(closes_at), "wait": max(0, int(wait.total_seconds()))}


def _began_at() -> Any:
    return g.get("started_at") or utc_now()
