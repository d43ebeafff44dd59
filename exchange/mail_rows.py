"""The rows of mails that wait for the postman: written in the transaction of what they tell, each for itself or, where
more of the kind may follow soon, gathered line by line into one.
"""

from collections.abc import Collection, Iterable
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
    """One line more in the mail that waits for more of this kind, or in a new one; it waits until `due_at` at most.

    A mail that is full is followed by another; one that has `rest` among its facts keeps there only the receipt numbers
    of the lines it can't hold.
    """
    address = address or user.mail
    mine = (Mail.kind == kind) & (Mail.to_user == user) & (Mail.to_address == address)
    mail = Mail.select().where(mine, _is_waiting(), Mail.due_at > at).order_by(Mail.id.desc()).first()
    told = mail.facts if mail else {}
    if mail is not None and len(told["lines"]) < LINES_LONGEST:
        _tell(mail, told | {"lines": [*told["lines"], line]}, min(mail.due_at, due_at))
    elif "rest" in told:
        _tell(mail, told | {"rest": [*told["rest"], line["receipt_number"]]}, min(mail.due_at, due_at))
    else:
        write(kind, [user], to_address=address, due_at=due_at, lines=[line], **facts)


def last_of(user: User, kinds: Collection[str], since: datetime, until: datetime | None = None) -> Mail | None:
    """The mail of these kinds that went to the person since then, or, without an end, is still to go."""
    theirs = (Mail.to_user == user) & (Mail.kind << list(kinds)) & _reaches()
    if until is not None:
        theirs &= Mail.due_at <= until
    return Mail.select().where(theirs, Mail.due_at > since).order_by(Mail.due_at.desc()).first()


def told_of(transfer: Transfer, kind: str, gathering: str, users: Collection[User]) -> set[int]:
    """Ids of those of these users to whom a mail about the transfer, or one that gathers, told of it or is going to."""
    theirs, number = (Mail.to_user << list(users)) & _reaches(), transfer.receipt_number
    singly = Mail.select(Mail.to_user).where(theirs, Mail.kind == kind, Mail.transfer == transfer)
    together = Mail.select(Mail.to_user, Mail.facts).where(theirs, Mail.kind == gathering, _mentions(number))
    return {mail.to_user_id for mail in singly} | {mail.to_user_id for mail in together if number in _numbers(mail)}


def take_out(kind: str, receipt_number: str) -> None:
    """What is not true of it any more, from mails that have not gone out; one that is left without any is dropped."""
    for mail in Mail.select().where(_is_waiting(), Mail.kind == kind, _mentions(receipt_number)):
        lines = [line for line in mail.facts["lines"] if line["receipt_number"] != receipt_number]
        rest = [number for number in mail.facts["rest"] if number != receipt_number]
        _tell(mail, mail.facts | {"lines": lines, "rest": rest}, mail.due_at)
        if not lines and not rest:
            Mail.update(state="dropped", error="over").where(Mail.id == mail.id).execute()


def _reaches() -> Any:
    """It went out or is still to go: neither dropped nor given up."""
    return Mail.state.not_in(("dropped", "dead"))  # not by an index: whose mails they are narrows down far more


def _mentions(receipt_number: str) -> Any:
    """Somewhere in its facts: to be asked of few mails, and looked at closely afterwards."""
    return fn.INSTR(Mail.facts, receipt_number) > 0


def _numbers(mail: Mail) -> set[str]:
    """The receipt numbers that a gathering mail tells of."""
    return {*(line["receipt_number"] for line in mail.facts["lines"]), *mail.facts["rest"]}


def _is_waiting() -> Any:
    """Nobody has begun to send it."""
    return (Mail.state == "waiting") & (Mail.tries == 0) & Mail.leased_until.is_null()


def _tell(mail: Mail, facts: dict[str, Any], due_at: datetime) -> None:
    Mail.update(facts=facts, due_at=due_at).where(Mail.id == mail.id).execute()


def _require_transaction() -> None:
    if not db.in_transaction():
        raise RuntimeError("a mail belongs into the transaction of what it tells")
