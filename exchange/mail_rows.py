"""The rows of mails that wait for the postman: written in the transaction of what they tell, each for itself or, where
more of the kind may follow soon, gathered line by line into one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from peewee import fn

from database import db, utc_now
from models import Mail, OneTimePassword, Transfer, User

LINES_LONGEST = 50  # in one mail


def write(
    kind: str,
    users: Iterable[User],
    transfer: Transfer | None = None,
    code: OneTimePassword | None = None,
    to_address: str | None = None,
    expires_at: datetime | None = None,
    due_at: datetime | None = None,
    **facts: Any,
) -> None:
    """One mail for each of these people."""
    _require_transaction()
    for user in {user.id: user for user in users}.values():
        Mail.create(
            kind=kind,
            to_user=user,
            to_address=to_address or user.mail,  # of this moment: whoever moves it can't draw the mail after him
            transfer=transfer,
            code=code,
            expires_at=expires_at,
            due_at=due_at or utc_now(),
            facts=facts,
        )


def write_to(address: str, kind: str, expires_at: datetime | None = None, **facts: Any) -> None:
    """To an address that belongs to no user."""
    _require_transaction()
    Mail.create(kind=kind, to_address=address, expires_at=expires_at, facts=facts)


def gather(
    kind: str, user: User, line: dict[str, Any], at: datetime, due_at: datetime, address: str = "", **facts: Any
) -> None:
    """One line more in the mail that waits for more of this kind, or in a new one, which waits until `due_at`.

    A mail that is full is followed by another; one that has `rest` among its facts only counts what it can't hold.
    """
    address = address or user.mail
    mine = (Mail.kind == kind) & (Mail.to_user == user) & (Mail.to_address == address)
    mail = Mail.select().where(mine, _is_waiting(), Mail.due_at > at).order_by(Mail.id.desc()).first()
    told = mail.facts if mail else {}
    if mail is not None and len(told["lines"]) < LINES_LONGEST:
        _tell(mail, told | {"lines": [*told["lines"], line]})
    elif "rest" in told:
        _tell(mail, told | {"rest": told["rest"] + 1})
    else:
        write(kind, [user], to_address=address, due_at=due_at, lines=[line], **facts)


def naming(kind: str, word: str) -> Any:
    """Mails of that kind whose facts hold this word somewhere."""
    return Mail.select().where(Mail.kind == kind, fn.INSTR(Mail.facts, word) > 0)


def take_out(kind: str, key: str, value: str) -> None:
    """Lines that are not true any more, from mails that have not gone out; one that is left without any is dropped."""
    for mail in naming(kind, value).where(_is_waiting()):
        lines = [line for line in mail.facts["lines"] if line[key] != value]
        _tell(mail, mail.facts | {"lines": lines})
        if not lines and not mail.facts.get("rest"):
            Mail.update(state="dropped", error="over").where(Mail.id == mail.id).execute()


def _is_waiting() -> Any:
    """Nobody has begun to send it."""
    return (Mail.state == "waiting") & (Mail.tries == 0) & Mail.leased_until.is_null()


def _tell(mail: Mail, facts: dict[str, Any]) -> None:
    Mail.update(facts=facts).where(Mail.id == mail.id).execute()


def _require_transaction() -> None:
    if not db.in_transaction():
        raise RuntimeError("a mail belongs into the transaction of what it tells")
