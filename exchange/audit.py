"""What is logged: the actions and their facts, the hash chain, and its signed checkpoints outside the database."""

import fcntl
import hashlib
import json
import logging
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from database import db, utc_now
from exchange import sealing
from exchange.actors import Actor
from exchange.errors import NotConfigured
from models import AuditEntry, Office

# action → the facts it carries, no more and no fewer. Facts hold no secret.
ACTIONS: dict[str, tuple[str, ...]] = {
    "fund.established": ("fund_name",),
    "settings.changed": ("changed",),  # key → [before, after]
    "audit.exported": ("filters", "entries"),
    "staff.added": ("login_id", "kind", "words"),
    "office.registered": ("contract_number", "office_number", "device_limit"),
    "office.corrected": ("changed", "reason"),  # column → [before, after]
    "office.devices_changed": ("before", "after", "reason"),
    "office.closed": ("reason",),
    "registrations.received": ("file_name", "rows"),
    "registrations.corrected": ("line", "columns"),  # letters of the columns that were changed
    "registrations.left_out": ("line",),  # one row of a file
    "registrations.discarded": ("file_name", "rows"),
    "registrations.registered": ("file_name", "rows"),
    "registration.invited": ("office_name",),
    "registration.withdrawn": ("office_name",),  # the invitation, before it was used
    "registration.opened": ("office_name",),
    "registration.filed": ("receipt_number",),
    "registration.accepted": ("receipt_number",),
    "registration.returned": ("receipt_number", "reason"),
    "letters.ordered": ("letters", "reissues"),
    "letters.downloaded": ("letters",),
    "letters.printed": ("letters", "dispatched_on"),
    "letters.erased": ("letters", "why"),
    "letters.listed": ("letters",),  # the 発送簿 was saved
    "letters.addresses_listed": ("entries",),  # the form for addresses, with the offices that have none
    "letter.issued": ("contract_number",),
    "letter.failed": ("contract_number",),  # its page could not be set
    "letter.reissued": ("login_id", "reason"),
    "letter.dispatched": ("dispatched_on",),
    "download.opened": (),
    "download.refused": ("why",),
    "activate.opened": (),
    "activate.refused": ("why",),
    "download_key.renewed": (),
    "document.published": ("label", "edition_on", "sha256"),
    "document.withdrawn": ("label", "edition_on"),
    "document.scanned": ("label", "verdict", "scan"),
    "document.fetched": ("label", "edition_on", "sha256"),
    "document.listed": ("label", "edition_on", "entries"),  # who fetched it was saved
    "installer.uploaded": ("slot", "sha256"),
    "installer.built": ("slot", "sha256"),
    "installer.failed": ("slot",),  # it could not be built
    "installer.withdrawn": ("slot",),
    "installer.scanned": ("slot", "verdict", "scan"),
    "installer.fetched": ("slot", "sha256"),
    "device.requested": ("slot", "receipt_number", "code"),  # the code names the file, it is no secret
    "device.refused": ("why",),  # a confirmation code
    "device.accepted": ("slot", "receipt_number", "is_automatic"),
    "device.returned": ("slot", "receipt_number", "reason"),
    "device.voided": ("slot", "receipt_number"),  # a newer one took its place, or its device ended
    "device.activated": ("slot",),
    "device.replaced": ("slot", "reason"),  # another PC is to take its place
    "device.kept": ("slot",),  # or none, after all
    "device.stopped": ("slot", "reason"),
    "vpn.settled": ("slot", "is_on"),  # the VPN server knows
    "handover.asked": ("kind", "predecessor", "successor", "reason"),
    "handover.approved": ("successor",),
    "handover.withdrawn": ("successor", "why"),
    "handover.done": ("kind", "predecessor", "successor"),
    "permission.refused": ("word",),
    "permissions.changed": ("login_id", "before", "after"),
    "member.added": ("login_id", "kind", "words"),
    "member.invited": ("login_id", "words"),
    "member.accepted": ("login_id",),
    "member.declined": ("login_id",),
    "member.withdrawn": ("login_id", "cause"),  # by the office that asked, or since the person's account was changed
    "member.disabled": ("login_id",),
    "member.resumed": ("login_id",),
    "member.ended": ("login_id", "kind", "words"),
    "member.limited": ("login_id", "before", "after"),  # the last day, or empty
    "member.unlocked": ("login_id",),
    "code.requested": ("number", "is_sent"),
    "code.accepted": (),
    "code.refused": ("why",),
    "login.succeeded": ("kind",),
    "login.refused": ("why", "device"),  # the account of another office's PC, or empty
    "login.locked": ("minutes",),
    "login.recovered": ("left",),  # with a recovery code
    "logout.done": ("why",),
    "office.switched": ("login_id",),
    "office.set_up": ("short_name", "archive_password_version"),
    "office.changed": ("changed",),  # column → [before, after]
    "user.registered": ("changed",),
    "user.changed": ("login_id", "changed"),
    "mail.confirmed": (),
    "password.confirmed": (),
    "password.changed": (),
    "password.reset": ("login_id", "changed"),
    "totp.enrolled": (),
    "totp.dropped": ("login_id",),
    "recovery_codes.renewed": (),
    "filing.uploaded": ("receipt_number", "kind", "size", "sha256", "replaces"),
    "filing.inspected": (
        "verdict",
        "codes",
        "scan",
    ),  # scan: engine and day of its signatures, or why nothing was scanned
    "filing.rescan_asked": (),
    "filing.rescanned": ("verdict", "scan"),  # clean, quarantined, or not_scanned
    "filing.approved": ("before", "after"),
    "filing.delivered": ("before", "after", "sha256"),
    "filing.returned": ("before", "after", "reason"),
    "filing.cancelled": ("before", "after"),
    "filing.recalled": ("before", "after"),
    "filing.received": ("before", "after"),
    "filing.completed": ("before", "after"),
    "filing.rejected": ("before", "after", "reason"),
    "filing.downloaded": ("sha256",),
    "filing.entry_opened": ("entry_number", "entry_sha256"),
    "statement.uploaded": ("receipt_number", "kind", "size", "sha256", "replaces"),
    "statement.inspected": (
        "verdict",
        "codes",
        "scan",
    ),  # scan: engine and day of its signatures, or why nothing was scanned
    "statement.rescan_asked": (),
    "statement.rescanned": ("verdict", "scan"),  # clean, quarantined, or not_scanned
    "statement.approved": ("before", "after"),
    "statement.delivered": ("before", "after", "sha256"),
    "statement.cancelled": ("before", "after"),
    "statement.recalled": ("before", "after"),
    "statement.requested": ("before", "after"),
    "statement.received": ("before", "after", "sha256"),
    "statement.window_closed": ("before", "after"),
    "statement.downloaded": ("sha256",),
    "transfer.sent_whole": ("sha256", "bytes"),
}

# The end of the chain is also written outside at these moves and at least hourly: a cut of the tail can't take it back.
CHECKPOINT_AFTER = {
    *("filing.delivered", "statement.delivered"),
    *("fund.established", "office.registered", "letter.issued", "device.activated"),
}
CHECKPOINT_EVERY = timedelta(hours=1)
UNCOVERED_LONGEST = timedelta(hours=2)  # an older entry without a checkpoint behind it is a finding
GENESIS = "0" * 64
LINE_LONGEST = 4096  # bytes of a checkpoint's line, far more than one has

log = logging.getLogger("todoke.audit")
_checkpoints: Path | None = None


def configure(checkpoints: Path) -> None:
    """Where checkpoints are appended: one JSON line each, outside the database."""
    global _checkpoints
    _checkpoints = checkpoints


def record(actor: Actor, action: str, subject: str = "", office: Office | None = None, **facts: Any) -> AuditEntry:
    """Append one entry.

    RuntimeError outside a transaction; KeyError for an unknown action; TypeError for other facts than declared.
    """
    if not db.in_transaction():
        raise RuntimeError("an audit entry belongs into the transaction of what it tells")
    if set(facts) != set(ACTIONS[action]):
        raise TypeError(f"{action} carries {ACTIONS[action]}, not {tuple(facts)}")
    last = AuditEntry.select(AuditEntry.number, AuditEntry.hash).order_by(AuditEntry.number.desc()).first()
    office = office or actor.office
    entry = AuditEntry(
        number=last.number + 1 if last else 1,
        at=actor.at,
        action=action,
        subject=subject,
        office=office,
        membership=actor.membership,
        who=actor.who,
        device=actor.device,
        address=actor.address,
        facts=_canonical(facts),
    )
    entry.hash = _hash(last.hash if last else GENESIS, entry)
    entry.save(force_insert=True)
    if action in CHECKPOINT_AFTER:
        db.after_commit(_write_checkpoint_safely)
    return entry


def _write_checkpoint_safely() -> None:
    """What is committed stands, whether or not its checkpoint can be written; the hourly one catches up."""
    try:
        write_checkpoint()
    except OSError:
        log.exception("no checkpoint could be written")


def write_checkpoint(at: datetime | None = None) -> None:
    """Append (number, hash, time) of the chain's end and the hash of the line before, signed, and make it durable."""
    last = AuditEntry.select().order_by(AuditEntry.number.desc()).first()
    if last is None:
        return
    with open(os.open(_file(), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before, is_torn = _last_line(file)
        body = {
            "number": last.number,
            "hash": last.hash,
            "at": (at or utc_now()).isoformat(),
            "before": _digest(before),
        }
        line = json.dumps({**body, "signature": sealing.sign(_canonical(body).encode())}) + "\n"
        file.write((b"\n" if is_torn else b"") + line.encode())
        file.flush()
        os.fsync(file.fileno())


def _last_line(file: BinaryIO) -> tuple[bytes, bool]:
    """(the last line without its end, whether a crash left it without one)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LINE_LONGEST))
    tail = file.read()
    return tail.rstrip(b"\n").rpartition(b"\n")[2], not tail.endswith(b"\n") and bool(tail)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest() if line else GENESIS


def write_checkpoint_if_due(at: datetime) -> None:
    if is_checkpoint_due(at):
        write_checkpoint(at)


def is_checkpoint_due(at: datetime) -> bool:
    """Whether the newest checkpoint is an hour old or missing."""
    try:
        return at.timestamp() - _file().stat().st_mtime >= CHECKPOINT_EVERY.total_seconds()
    except FileNotFoundError:
        return True


@dataclass(frozen=True)
class Verdict:
    """What `verify` found.

    `late`: entries sealed more than two hours after they were written, as after a stopped worker.
    """

    entries: int
    checkpoints: int
    late: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        return not self.problems


def verify(at: datetime | None = None) -> Verdict:
    """Walk the chain, hold every signed checkpoint against it, and ask for one behind whatever is older than two
    hours.
    """
    points, problems = _read_checkpoints()  # before the rows: what is added meanwhile may have a checkpoint already
    sealed = {point["number"]: datetime.fromisoformat(point["at"]) for point in reversed(points)}
    waiting: list[datetime] = []  # when the entries since the last checkpoint were written
    before, number, entries, late = GENESIS, 0, 0, 0
    hashes: dict[int, str] = {}
    columns = [AuditEntry._meta.fields[name] for name in (*_HASHED, "hash")]
    for row in AuditEntry.select(*columns).order_by(AuditEntry.number).objects(AuditEntry).iterator():
        number, entries = number + 1, entries + 1
        if row.number != number:
            problems.append(f"entry {number} is missing")
            number = row.number
        if row.hash != _hash(before, row):
            problems.append(f"entry {row.number} was changed")
        waiting.append(row.at)
        if row.number in sealed:
            hashes[row.number] = row.hash
            late += sum(sealed[row.number] - written > UNCOVERED_LONGEST for written in waiting)
            waiting.clear()
        before = row.hash
    problems += [problem for point in points for problem in _hold(point, hashes)]
    uncovered = sum((at or utc_now()) - written > UNCOVERED_LONGEST for written in waiting)
    if uncovered:
        problems.append(f"{uncovered} entries are older than two hours and no checkpoint stands behind them")
    return Verdict(entries, len(points), late, tuple(problems))


def _hold(point: dict[str, Any], hashes: dict[int, str]) -> list[str]:
    number = point["number"]
    if number not in hashes:
        return [f"entry {number} is missing, though a checkpoint names it"]
    if hashes[number] != point["hash"]:
        return [f"entry {number} is not the one its checkpoint names"]
    return []


def _read_checkpoints() -> tuple[list[dict[str, Any]], list[str]]:
    """The checkpoints that are signed, and what is wrong with the lines: each carries the hash of the one before."""
    try:
        lines = _file().read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], []
    points, problems, before = [], [], b""
    for place, line in enumerate(filter(None, lines), 1):
        point = _signed(line)
        if point is not None and point["before"] != _digest(before):
            problems.append(f"a line before checkpoint line {place} was changed or taken away")
        if point is not None:
            points.append(point)
        elif _is_json(line):  # a line torn by a crash proves nothing, like one that was never written
            problems.append(f"checkpoint line {place} has a wrong signature")
        before = line
    return points, problems


def _signed(line: bytes) -> dict[str, Any] | None:
    """The body of a line that this installation signed."""
    if not _is_json(line):
        return None
    point = json.loads(line)
    if not isinstance(point, dict) or set(point) != {"number", "hash", "at", "before", "signature"}:
        return None
    signature = str(point.pop("signature"))
    return point if sealing.is_signed(_canonical(point).encode(), signature) else None


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


_HASHED = ("number", "at", "action", "subject", "office", "membership", "who", "device", "address", "facts")


def _hash(before: str, entry: AuditEntry) -> str:
    body = {name: entry.__data__[name] for name in _HASHED if name != "at"}
    for name in ("office", "membership", "device"):
        body[name] = getattr(body[name], "id", body[name])
    body["at"] = entry.at.isoformat()
    return hashlib.sha256((before + _canonical(body)).encode()).hexdigest()


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _file() -> Path:
    if _checkpoints is None:
        raise NotConfigured("the audit has no file for its checkpoints")
    return _checkpoints
