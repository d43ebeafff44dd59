"""届出受付: filed registrations wait here until a clerk registers, discards or sends them back.

A row keeps its cells as they came and is judged anew at each look, so that it is never out of date with the ledger.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from database import db, today
from exchange import audit, calendar, invitations, normalise, permissions, registration_columns, registrations
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.registration_columns import COLUMNS, Cell, Row
from exchange.registration_file import RegistrationFile, read
from models import Membership, Office, User
from papers import Intake, Invitation, Registration

REASON_LONGEST = 500
LATELY = 20  # decisions shown
FILE_NAME_LONGEST = 200
CELLS = len(COLUMNS) + 8  # kept of a row; what stands further right is in the last of them
EXTRA_SHOWN = 200  # characters
_ZERO_OF_DATE = re.compile("(?<=/)0")


class UnreadableFile(Refused):
    """Nothing of the file was kept; `file` says what is wrong with it."""

    def __init__(self, file: RegistrationFile) -> None:
        super().__init__(file.errors[0].message)
        self.file = file


@dataclass(frozen=True)
class Field:
    """One cell of a row: as it came, as it would be stored, and what was found. `typed`: what a form begins with."""

    letter: str
    heading: str
    raw: str
    stored: str
    typed: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def is_changed(self) -> bool:
        """Whether more than spaces, or the zeros of a date, becomes different."""
        return _plain(self.raw) != _plain(self.stored) and bool(self.stored)


@dataclass(frozen=True)
class Looked:
    """A registration and what is found about it now."""

    registration: Registration
    row: Row

    @property
    def fields(self) -> list[Field]:
        return fields_of(self.row)

    @property
    def extra(self) -> str:
        """What stands right of column H, where nothing belongs."""
        texts = (_shown(str(cell)[: EXTRA_SHOWN + 1]) for cell in self.row.cells[len(COLUMNS) : CELLS])
        extra = "、".join(text for text in texts if text)
        return extra if len(extra) <= EXTRA_SHOWN else extra[: EXTRA_SHOWN - 1] + "…"

    @property
    def seen(self) -> str:
        return _digest(self.row.cells)


# ── files ──


def receive(actor: Actor, data: bytes, name: str, password: str, token: str) -> Intake:
    """Keep the rows of a file, right or wrong, to be looked through; UnreadableFile for one that is wrong as a whole.

    The same token again gives the same intake. Neither the bytes nor the password are kept.
    """
    permissions.require(actor, "register")
    file = read(data, password, calendar.day(actor.at))
    if file.errors:
        raise UnreadableFile(file)
    with db.atomic():
        known = Intake.get_or_none(Intake.token == token)
        if known is not None:
            return known
        intake = Intake.create(
            file_name=name[:FILE_NAME_LONGEST], token=token, received_by=actor.membership, received_at=actor.at
        )
        for row in file.rows:
            Registration.create(intake=intake, line=row.line, cells=_kept(row.cells), received_at=actor.at)
        audit.record(actor, "registrations.received", intake.uid, file_name=intake.file_name, rows=len(file.rows))
        return intake


def looked_through(intake: Intake, on: date | None = None) -> list[Looked]:
    """The rows of an open file in their order, each with what is wrong with it now."""
    rows = list(_open_rows(intake))
    judged = registration_columns.read_rows([(row.line, row.cells) for row in rows], on or today())
    (file,) = registrations.judge([RegistrationFile(judged)])
    return [Looked(*pair) for pair in zip(rows, file.rows, strict=True)]


def correct(actor: Actor, registration: Registration, cells: Sequence[str], seen: str) -> bool:
    """Put what was typed in place of a row's cells A to H, right or wrong; False when nothing differs.

    `seen`: of what the form showed. A cell that was left as it is stays exactly as it came.
    """
    permissions.require(actor, "register")
    with db.atomic():
        now = _open_row(registration, seen)
        before = [*now.cells[: len(COLUMNS)], *[""] * (len(COLUMNS) - len(now.cells))]
        after = [old if str(old) == new else new for old, new in zip(before, cells, strict=True)]
        changed = [column.letter for column, old, new in zip(COLUMNS, before, after, strict=True) if old != new]
        if _kept(after) == now.cells:
            return False
        Registration.update(cells=_kept(after)).where(Registration.id == now.id).execute()
        audit.record(actor, "registrations.corrected", now.intake.uid, line=now.line, columns=changed)
        return True


def leave_out(actor: Actor, registration: Registration, seen: str) -> None:
    """Take one row out of its file: nothing of it is registered, and its cells are forgotten."""
    permissions.require(actor, "register")
    with db.atomic():
        now = _open_row(registration, seen)
        _forget(actor, Registration.id == now.id)
        audit.record(actor, "registrations.left_out", now.intake.uid, line=now.line)


def register(actor: Actor, intake: Intake, seen: str) -> list[Office]:
    """All rows or none. `seen`: of the rows that the clerk was asked about."""
    permissions.require(actor, "register")
    with db.atomic():
        _decide_file(actor, intake, "registered")
        rows = looked_through(intake, calendar.day(actor.at))
        if seen_of(rows) != seen:
            raise SomeoneWasFaster("画面を開いたあとで内容が変わりました。いまの内容を確かめてから登録してください。")
        if not rows:
            raise Refused("登録する届出が残っていません。ファイルを破棄してください。")
        offices = registrations.register(actor, [RegistrationFile(tuple(one.row for one in rows))])
        for one, office in zip(rows, offices, strict=True):
            _decide(actor, one.registration, "registered", office=office)
        audit.record(actor, "registrations.registered", intake.uid, file_name=intake.file_name, rows=len(rows))
        return offices


def discard(actor: Actor, intake: Intake) -> None:
    """Forget a file's rows."""
    permissions.require(actor, "register")
    with db.atomic():
        _decide_file(actor, intake, "discarded")
        rows = _open_rows(intake).count()
        _forget(actor, (Registration.intake == intake) & (Registration.state == "open"))
        audit.record(actor, "registrations.discarded", intake.uid, file_name=intake.file_name, rows=rows)


def seen_of(rows: Sequence[Looked]) -> str:
    """What a clerk was shown, for the verb to compare."""
    return _digest([one.seen for one in rows])


def row_of(intake: Intake, uid: str) -> Registration | None:
    """One row, while it can be corrected."""
    return _open_rows(intake).where(Registration.uid == uid).first()


def offices_of(intake: Intake) -> Any:
    """What became of a file that is registered."""
    joined = Registration.select(Registration, Office).join(Office).where(Registration.intake == intake)
    return joined.order_by(Registration.line, Registration.id)


# ── online ──


def judge_online(cells: Sequence[str], on: date | None = None) -> Row:
    """What was typed into columns A to H, judged by the rules of a file and against the ledger."""
    rows = registration_columns.read_rows([(1, list(cells))], on or today())
    (judged,) = registrations.judge([RegistrationFile(rows)])
    return judged.rows[0]


def file_online(actor: Actor, invitation: Invitation, cells: list[str], postal_code: str, address: str) -> Registration:
    """Keep what an invited office has filed, once; Refused as long as anything in it is wrong.

    `postal_code` and `address` are where the letter goes, normalised, each may be empty.
    """
    row = judge_online(cells, calendar.day(actor.at))
    if row.errors:
        raise Refused("入力内容に誤りがあります。入力画面に戻り、直してからもう一度提出してください。")
    if (postal_code and not normalise.is_postal_code(postal_code)) or not normalise.is_address(address):
        raise Refused("郵便番号または住所の形が正しくありません。入力画面に戻って直してください。")
    with db.atomic():
        number = _new_receipt_number(actor.at)
        invitations.filed(actor, invitation, number, str(row.values["mail"]))
        registration = Registration.create(
            invitation=invitation,
            receipt_number=number,
            cells=cells,
            postal_code=postal_code,
            address=address,
            received_at=actor.at,
        )
        _forget_returned(invitation)
        audit.record(actor, "registration.filed", registration.uid, receipt_number=number)
        return registration


def look_at(registration: Registration, on: date | None = None) -> Looked:
    """One that was filed online; while it is open also against the ledger."""
    if registration.state == "open":
        return Looked(registration, judge_online(registration.cells, on))
    (row,) = registration_columns.read_rows([(1, registration.cells)], on or today())
    return Looked(registration, row)


def accept(actor: Actor, registration: Registration) -> Office:
    """Register the office that filed this."""
    permissions.require(actor, "register")
    with db.atomic():
        _require_online(registration)
        _decide(actor, registration, "registered")
        row = judge_online(registration.cells, calendar.day(actor.at))
        office = registrations.register_one(actor, row, registration.postal_code, registration.address)
        Registration.update(office=office).where(Registration.id == registration.id).execute()
        audit.record(
            actor, "registration.accepted", registration.uid, office, receipt_number=registration.receipt_number
        )
        return office


def send_back(actor: Actor, registration: Registration, reason: str) -> Invitation:
    """Ask the office for it once more: it gets a new code, and the form with what it filed and the reason."""
    permissions.require(actor, "register")
    with db.atomic():
        _require_online(registration)
        _decide(actor, registration, "returned", reason=reason)
        again = invitations.invite_again(actor, registration, reason)
        facts = {"receipt_number": registration.receipt_number, "reason": reason}
        audit.record(actor, "registration.returned", registration.uid, **facts)
        return again


# ── lists ──


def waiting_online() -> Any:
    """Registrations filed online that nobody has decided about, the oldest first."""
    joined = Registration.select(Registration, Invitation).join(Invitation)
    return joined.where(Registration.state == "open").order_by(Registration.received_at, Registration.id)


def open_files() -> list[tuple[Intake, int]]:
    """Files that are being looked through, and how many rows each has; the newest first."""
    files = list(_files().where(Intake.state == "open").order_by(Intake.id.desc()))
    return [(file, _open_rows(file).count()) for file in files]


def decided_files() -> list[Intake]:
    """Those decided last."""
    return list(_files().where(Intake.state != "open").order_by(Intake.decided_at.desc()).limit(LATELY))


def decided_online() -> Any:
    """Those decided last."""
    joined = Registration.select(Registration, Invitation).join(Invitation).where(Registration.state != "open")
    return joined.order_by(Registration.decided_at.desc()).limit(LATELY)


def fields_of(row: Row) -> list[Field]:
    """The cells A to H of a row, side by side with what becomes of them."""
    found = []
    for column, cell in zip(COLUMNS, [*row.cells, *[""] * len(COLUMNS)], strict=False):
        wrong = [one for one in row.errors if one.column == column.letter]
        odd = tuple(one.message for one in row.warnings if one.column == column.letter)
        # Nobody sees what a control character is, so the form begins without it.
        is_hidden = any(one.code == "CONTROL" for one in wrong)
        typed = normalise.text(str(cell)) if is_hidden else str(cell)
        messages = tuple(one.message for one in wrong)
        value = row.values[column.field]
        stored = str(value or "").replace("-", "/") if column.letter == "A" else str(value or "")
        found.append(Field(column.letter, column.heading, _shown(cell), stored, typed, messages, odd))
    return found


# ── within ──


def _open_rows(intake: Intake) -> Any:
    rows = Registration.select().where(Registration.intake == intake, Registration.state == "open")
    return rows.order_by(Registration.line, Registration.id)


def _files() -> Any:
    joined = Intake.select(Intake, Membership, User).join(Membership, "LEFT OUTER JOIN")
    return joined.join(User, "LEFT OUTER JOIN")


def _decide_file(actor: Actor, intake: Intake, state: str) -> None:
    is_open = (Intake.id == intake.id) & (Intake.state == "open")
    if Intake.update(state=state, decided_at=actor.at).where(is_open).execute() != 1:
        raise SomeoneWasFaster("このファイルは、すでに登録されたか、破棄されています。画面を開き直してください。")


def _open_row(registration: Registration, seen: str) -> Registration:
    """The row as it is now, if it is still open and what the form showed."""
    now = Registration.get_by_id(registration.id)
    if now.state != "open" or now.intake is None or now.intake.state != "open":
        raise SomeoneWasFaster("この届出は、すでに登録されたか、破棄されています。画面を開き直してください。")
    if _digest(now.cells) != seen:
        raise SomeoneWasFaster("この行は、ほかの方が先に直しました。いまの内容を確かめてください。")
    return now


def _decide(actor: Actor, registration: Registration, state: str, **more: Any) -> None:
    is_open = (Registration.id == registration.id) & (Registration.state == "open")
    how = {"state": state, "decided_at": actor.at, "decided_by": actor.membership, **more}
    if Registration.update(**how).where(is_open).execute() != 1:
        raise SomeoneWasFaster("この届出は、ほかの方が先に処理しました。画面を開き直してください。")


def _require_online(registration: Registration) -> None:
    if registration.invitation is None:
        raise TypeError("a row of a file is decided with its file")


def _forget(actor: Actor, which: Any) -> None:
    how: dict[str, Any] = {"state": "discarded", "cells": [], "decided_at": actor.at, "decided_by": actor.membership}
    Registration.update(**how).where(which).execute()


def _forget_returned(invitation: Invitation) -> None:
    """What was sent back is of no more use once it was filed anew."""
    if invitation.returned is not None:
        blank = Registration.update(cells=[], postal_code="", address="")
        blank.where(Registration.invitation == invitation.returned).execute()


def _new_receipt_number(at: datetime) -> str:
    """受付番号: the day in Japan and random digits; inside the transaction that writes it nobody takes the same."""
    while True:
        number = f"K{calendar.day(at):%Y%m%d}-{secrets.randbelow(10**7):07d}"
        if not Registration.select().where(Registration.receipt_number == number).exists():
            return number


def _kept(cells: Sequence[Cell]) -> list[Cell]:
    """What the row keeps: enough to see that a cell is too long, or a row, and no lone surrogates, which no database
    takes."""
    if len(cells) > CELLS:
        cells = [*cells[: CELLS - 1], "、".join(text for text in map(str, cells[CELLS - 1 :]) if text.strip())]
    return [
        cell if isinstance(cell, int) else cell[: normalise.LONGEST].encode("utf-8", "replace").decode()
        for cell in cells
    ]


def _digest(what: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(list(what)).encode()).hexdigest()[:32]


def _shown(cell: Cell) -> str:
    return normalise.text(str(cell))


def _plain(text: str) -> str:
    """Without what everybody expects to be evened out: spaces, and zeros within a date."""
    return _ZERO_OF_DATE.sub("", "".join(text.split()))
