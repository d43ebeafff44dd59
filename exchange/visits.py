"""Visits of browsers without login: whoever showed the right key at a counter may go on there for a while.

A visit is a row; the browser carries its token, the row the token's hash. It opens one counter for one office (or one
invitation) and nothing else.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from database import db
from exchange.actors import Actor
from exchange.errors import Refused
from models import Office
from papers import Invitation, Visit

LIVES = {"download": timedelta(minutes=30), "activate": timedelta(minutes=30), "registration": timedelta(hours=24)}
OVER = "窓口は閉じています。時間がたったか、「お知らせ」が再発行されました。窓口を開き直してください。"


def begin(actor: Actor, purpose: str, office: Office | None = None, invitation: Invitation | None = None) -> str:
    """The token of a new visit. Called by verbs, inside their transaction."""
    if not db.in_transaction():
        raise RuntimeError("a visit belongs into the transaction of what opened it")
    token = secrets.token_urlsafe(32)
    Visit.create(
        token_hash=_hash(token),
        purpose=purpose,
        office=office,
        invitation=invitation,
        address=actor.address,
        started_at=actor.at,
        expires_at=actor.at + LIVES[purpose],
    )
    return token


def find(token: str, purpose: str, at: datetime) -> Visit | None:
    """The visit behind a token, while it lasts and the office's contract is open."""
    visit = Visit.get_or_none(
        Visit.token_hash == _hash(token), Visit.purpose == purpose, Visit.expires_at > at, Visit.ended_at.is_null()
    )
    return None if visit is None or (visit.office and visit.office.is_closed) else visit


def still(visit: Visit, at: datetime) -> None:
    """Refused when the visit is over. Called by verbs, inside their transaction: a new letter, or the end of the
    contract, may have come between.
    """
    here = Visit.select().where(Visit.id == visit.id, Visit.expires_at > at, Visit.ended_at.is_null())
    now = here.first()
    if now is None or (now.office and now.office.is_closed):
        raise Refused(OVER)


def end(visit: Visit, at: datetime) -> None:
    """戻る, or what the visit was for is done."""
    Visit.update(ended_at=at).where(Visit.id == visit.id, Visit.ended_at.is_null()).execute()


def end_of(office: Office, at: datetime) -> None:
    """Every visit to an office's counter is over: its keys are void. Called by verbs, inside their transaction."""
    Visit.update(ended_at=at).where(Visit.office == office, Visit.ended_at.is_null()).execute()


def sweep(at: datetime) -> None:
    """Forget visits that have been over for a day."""
    Visit.delete().where(Visit.expires_at < at - timedelta(days=1)).execute()


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
