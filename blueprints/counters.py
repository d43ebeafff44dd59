"""Counters without login: which visit the browser is on."""

from flask import request, session

from database import utc_now
from exchange import visits
from exchange.actors import Actor
from papers import Visit

LABELS = {"download": "ダウンロードの窓口", "registration": "登録届の窓口"}


def stranger(purpose: str) -> Actor:
    """Whoever stands at a counter, as an actor."""
    return Actor(address=request.remote_addr or "", label=LABELS[purpose])


def enter(purpose: str, token: str) -> None:
    session[_key(purpose)] = token


def visit(purpose: str) -> Visit | None:
    """The visit that this browser is on, while it lasts."""
    token = session.get(_key(purpose))
    return visits.find(token, purpose, utc_now()) if token else None


def leave(purpose: str) -> None:
    """The browser forgets its visit, and so does the database."""
    found = visit(purpose)
    session.pop(_key(purpose), None)
    if found is not None:
        visits.end(found, utc_now())


def _key(purpose: str) -> str:
    return f"visit_{purpose}"
