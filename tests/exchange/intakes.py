"""Files and rows at 届出受付, as the tests of it make and read them."""

import os

from database import today
from exchange import intake
from exchange.actors import Actor
from models import AuditEntry, Device, Membership, Office, User
from papers import Intake
from tests.exchange.registration_corpus import HEADING, lines, record

DAY = f"{today():%Y/%m/%d}"


def row(number: str, **cells: str) -> str:
    return record(**{"A": DAY, "B": number, **cells})


def received(actor: Actor, *rows: str, token: str = "") -> Intake:
    data = lines(HEADING, *rows).encode("cp932", "replace")
    return intake.receive(actor, data, "登録届.csv", "", token or os.urandom(8).hex())


def looked(file: Intake) -> list[intake.Looked]:
    return intake.looked_through(file)


def wrong(file: Intake) -> list[tuple[int, str, str]]:
    return [(found.row.line, error.column, error.code) for found in looked(file) for error in found.row.errors]


def typed(found: intake.Looked, **cells: str) -> list[str]:
    """What the form of a row sends when some of its fields were changed."""
    return [cells.get(field.letter, field.typed) for field in found.fields]


def correct(actor: Actor, found: intake.Looked, **cells: str) -> bool:
    return intake.correct(actor, found.registration, typed(found, **cells), found.seen)


def register(actor: Actor, file: Intake) -> list[Office]:
    return intake.register(actor, file, intake.seen_of(looked(file)))


def ledger() -> list[int]:
    return [table.select().count() for table in (Office, User, Membership, Device)]


def actions(uid: str) -> list[tuple[str, dict[str, object]]]:
    return [(entry.action, entry.details) for entry in AuditEntry.about(uid)]
