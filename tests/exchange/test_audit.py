"""The audit trail: what belongs into it, and that nothing can be changed in it unnoticed."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import audit, sealing, transfers
from exchange.actors import Actor
from models import AuditEntry, Transfer
from tests.people import Cast, filing
from tests.processes import IS_SOAK, together

ENTRIES = 100_000 if IS_SOAK else 5_000


@pytest.fixture
def checkpoints(instance: Path) -> Path:
    return instance / "checkpoints.jsonl"


@pytest.fixture
def trail(cast: Cast, checkpoints: Path) -> int:
    """A sound trail: ten logouts after what the demonstration did, a checkpoint, five more; the checkpoint's number."""
    checkpoints.unlink(missing_ok=True)
    for number in range(10):
        log(cast, f"before {number}")
    audit.write_checkpoint()
    last = newest()
    for number in range(5):
        log(cast, f"after {number}")
    assert audit.verify().is_sound
    return last


def log(cast: Cast, why: str) -> None:
    with db.atomic():
        audit.record(cast.jun, "logout.done", "somebody", why=why)


def newest() -> int:
    return db.execute_sql("SELECT max(number) FROM audit_entry").fetchone()[0]


def sql(statement: str, *values: object) -> None:
    db.execute_sql(statement, values)


# ── what is recorded ──


def test_an_entry_says_who_where_when_and_what(cast: Cast) -> None:
    device = cast.abc.devices.get()
    actor = Actor(cast.member("jun"), device, "192.0.2.10", utc_now())
    with db.atomic():
        entry = audit.record(actor, "logout.done", "subject", why="logout")
    row = AuditEntry.get_by_id(entry.number)
    assert (row.who, row.membership, row.office, row.device) == (
        *("乙川　純（利用者B）（abcJun001）", cast.member("jun"), cast.abc, device),
    )
    assert (row.address, row.at, row.subject, row.details) == ("192.0.2.10", actor.at, "subject", {"why": "logout"})


@pytest.mark.parametrize("facts", [{}, {"reason": "x"}, {"why": "x", "more": "y"}])
def test_other_facts_than_declared_are_a_mistake_of_ours(cast: Cast, facts: dict[str, str]) -> None:
    with db.atomic(), pytest.raises(TypeError):
        audit.record(cast.jun, "logout.done", **facts)


def test_an_action_that_is_not_declared_is_a_mistake_of_ours(cast: Cast) -> None:
    with db.atomic(), pytest.raises(KeyError):
        audit.record(cast.jun, "logout.did", why="x")


def test_an_entry_outside_a_transaction_is_a_mistake_of_ours(cast: Cast) -> None:
    with pytest.raises(RuntimeError):
        audit.record(cast.jun, "logout.done", why="x")


def test_an_act_that_is_taken_back_leaves_no_entry_and_no_gap(cast: Cast) -> None:
    before = newest()
    with db.atomic() as act:
        audit.record(cast.jun, "logout.done", why="x")
        act.rollback()
    log(cast, "y")
    assert newest() == before + 1
    assert audit.verify().is_sound


def test_whatever_text_the_facts_hold_the_chain_stays_sound(cast: Cast) -> None:
    for why in ("", "改行\r\n\u2028", '"}{"', "\x00\x1b", "é e\u0301", "🍊" * 200):
        log(cast, why)
    assert audit.verify().is_sound
    assert AuditEntry.get_by_id(newest()).details == {"why": "🍊" * 200}


# ── tampering ──

TAMPERINGS: dict[str, tuple[Callable[[int], None], str]] = {
    "edited facts": (
        lambda n: sql('UPDATE audit_entry SET facts = \'{"why":"x"}\' WHERE number = ?', n - 3),
        "changed",
    ),
    "edited author": (lambda n: sql("UPDATE audit_entry SET who = 'nobody' WHERE number = ?", n - 3), "changed"),
    "edited author's row": (
        lambda n: sql("UPDATE audit_entry SET membership_id = 1 WHERE number = ?", n - 3),
        "changed",
    ),
    "edited time": (
        lambda n: sql("UPDATE audit_entry SET at = '2020-01-01 00:00:00.000000' WHERE number = ?", n - 3),
        "changed",
    ),
    "edited address": (lambda n: sql("UPDATE audit_entry SET address = '' WHERE number = ?", n + 2), "changed"),
    "edited hash": (lambda n: sql("UPDATE audit_entry SET hash = ? WHERE number = ?", "0" * 64, n - 3), "changed"),
    "deleted": (lambda n: sql("DELETE FROM audit_entry WHERE number = ?", n - 3), "missing"),
    "deleted first": (lambda n: sql("DELETE FROM audit_entry WHERE number = 1"), "missing"),
    "inserted": (lambda n: insert_after(n - 3), "changed"),
    "swapped": (lambda n: swap(n - 3, n - 2), "changed"),
    "tail cut beyond the checkpoint": (lambda n: sql("DELETE FROM audit_entry WHERE number >= ?", n), "checkpoint"),
    "all deleted": (lambda n: sql("DELETE FROM audit_entry"), "checkpoint"),
    "rewritten to its end": (lambda n: rewrite(n - 3), "checkpoint"),
}


def insert_after(number: int) -> None:
    rows = list(AuditEntry.select().where(AuditEntry.number > number).order_by(AuditEntry.number.desc()).tuples())
    for row in rows:
        sql("UPDATE audit_entry SET number = number + 1 WHERE number = ?", row[0])
    columns = "at, action, subject, who, address, facts, hash"
    sql(
        f"INSERT INTO audit_entry (number, {columns}) SELECT ?, {columns} FROM audit_entry WHERE number = ?",
        number + 1,
        number,
    )


def swap(one: int, other: int) -> None:
    for before, after in ((one, -1), (other, one), (-1, other)):
        sql("UPDATE audit_entry SET number = ? WHERE number = ?", after, before)


def rewrite(number: int) -> None:
    """What somebody with the database and this program, but without the key, can do."""
    sql("UPDATE audit_entry SET who = 'nobody' WHERE number = ?", number)
    before = AuditEntry.get_by_id(number - 1).hash
    for entry in AuditEntry.select().where(AuditEntry.number >= number).order_by(AuditEntry.number):
        before = audit._hash(before, entry)
        sql("UPDATE audit_entry SET hash = ? WHERE number = ?", before, entry.number)


@pytest.mark.parametrize("kind", sorted(TAMPERINGS))
def test_tampering_is_found(trail: int, kind: str) -> None:
    tamper, word = TAMPERINGS[kind]
    with db.atomic():
        tamper(trail)
    verdict = audit.verify()
    assert not verdict.is_sound
    assert any(word in problem for problem in verdict.problems), verdict.problems


def test_a_tail_cut_after_the_last_checkpoint_is_not_found_and_the_next_checkpoint_ends_that(
    trail: int, cast: Cast
) -> None:
    """What checkpoints cannot show lies within the last hour."""
    with db.atomic():
        sql("DELETE FROM audit_entry WHERE number > ?", trail + 2)
    assert audit.verify().is_sound
    audit.write_checkpoint()
    with db.atomic():
        sql("DELETE FROM audit_entry WHERE number > ?", trail + 1)
    assert not audit.verify().is_sound


# ── checkpoints ──


@pytest.mark.parametrize(
    "forge",
    [
        lambda point: {**point, "hash": "0" * 64},
        lambda point: {**point, "number": point["number"] - 1},
        lambda point: {**point, "at": "2020-01-01T00:00:00+00:00"},
        lambda point: {**point, "signature": ""},
        lambda point: {**point, "signature": 5},
        lambda point: {key: point[key] for key in ("number", "hash", "at")},
        lambda point: {},
        lambda point: 5,
        lambda point: [],
        lambda point: "text",
    ],
)
def test_a_forged_checkpoint_is_found(trail: int, checkpoints: Path, forge: Callable[[dict], object]) -> None:
    point = json.loads(checkpoints.read_text())
    checkpoints.write_text(checkpoints.read_text() + json.dumps(forge(point)) + "\n")
    verdict = audit.verify()
    assert (verdict.checkpoints, len(verdict.problems)) == (1, 1)


def test_a_checkpoint_line_taken_away_is_found_by_the_next(trail: int, checkpoints: Path) -> None:
    audit.write_checkpoint()
    audit.write_checkpoint()
    lines = checkpoints.read_text().splitlines(keepends=True)
    checkpoints.write_text("".join([lines[0], *lines[2:]]))
    assert any("taken away" in problem for problem in audit.verify().problems)


def test_a_checkpoint_line_made_unreadable_is_found_by_the_next(trail: int, checkpoints: Path) -> None:
    audit.write_checkpoint()
    lines = checkpoints.read_text().splitlines(keepends=True)
    checkpoints.write_text("".join(["{garbled\n", *lines[1:]]))
    assert any("changed" in problem for problem in audit.verify().problems)


def test_a_line_torn_by_a_crash_is_no_finding_and_the_next_begins_anew(trail: int, checkpoints: Path) -> None:
    checkpoints.write_text(checkpoints.read_text() + '{"number": 3, "ha')
    audit.write_checkpoint()
    verdict = audit.verify()
    assert (verdict.checkpoints, verdict.problems) == (2, ())


def test_entries_that_no_checkpoint_covers_after_two_hours_are_found(trail: int, checkpoints: Path) -> None:
    checkpoints.unlink()
    oldest = AuditEntry.get_by_id(1).at
    assert audit.verify(oldest + timedelta(minutes=119)).is_sound
    assert not audit.verify(oldest + timedelta(minutes=121)).is_sound


def test_entries_sealed_late_are_told(trail: int, checkpoints: Path) -> None:
    checkpoints.unlink()
    audit.write_checkpoint(utc_now() + timedelta(hours=3))
    verdict = audit.verify()
    assert verdict.is_sound
    assert verdict.late == verdict.entries


def test_a_checkpoint_of_another_installation_is_found(trail: int, checkpoints: Path) -> None:
    kept = sealing.keys()
    sealing._keys = sealing.Keys(kept.sealing, bytes(32), kept.cookie)
    try:
        audit.write_checkpoint()
    finally:
        sealing._keys = kept
    assert any("wrong signature" in problem for problem in audit.verify().problems)


def test_a_delivery_is_followed_by_a_checkpoint(cast: Cast, checkpoints: Path) -> None:
    transfer = filing(cast, "approved")
    before = len(checkpoints.read_text().splitlines()) if checkpoints.exists() else 0
    transfers.deliver(cast.taro, transfer)
    lines = checkpoints.read_text().splitlines()
    assert len(lines) == before + 1
    assert json.loads(lines[-1])["number"] == newest()


def test_a_delivery_that_is_taken_back_writes_no_checkpoint(cast: Cast, checkpoints: Path) -> None:
    transfer = filing(cast, "approved")
    before = checkpoints.read_text()
    with db.atomic() as act:
        transfers.deliver(cast.taro, transfer)
        act.rollback()
    assert checkpoints.read_text() == before


def test_entries_without_a_checkpoint_for_two_hours_are_a_finding(trail: int) -> None:
    """So that nobody keeps the checkpoints from being written, or takes them away, unnoticed."""
    now = utc_now()
    assert audit.verify(now + timedelta(hours=1, minutes=59)).is_sound
    assert any("5 entries" in problem for problem in audit.verify(now + timedelta(hours=2, minutes=1)).problems)
    audit.write_checkpoint()
    assert audit.verify(now + timedelta(days=9)).is_sound


def test_a_checkpoint_that_cannot_be_written_does_not_undo_a_delivery(cast: Cast, checkpoints: Path) -> None:
    transfer = filing(cast, "approved")
    checkpoints.unlink()
    checkpoints.mkdir()
    transfers.deliver(cast.taro, transfer)
    checkpoints.rmdir()
    assert filing_state(transfer) == "delivered"


def filing_state(transfer: Transfer) -> str:
    return Transfer.get_by_id(transfer.id).state


def test_a_checkpoint_is_due_when_there_is_none_or_the_last_is_an_hour_old(cast: Cast, checkpoints: Path) -> None:
    now = utc_now()
    checkpoints.unlink(missing_ok=True)
    assert audit.is_checkpoint_due(now)
    audit.write_checkpoint(now)
    os.utime(checkpoints, (now.timestamp(), now.timestamp()))
    assert not audit.is_checkpoint_due(now + timedelta(minutes=59))
    assert audit.is_checkpoint_due(now + timedelta(hours=1))


def test_only_the_owner_reads_the_checkpoints(trail: int, checkpoints: Path) -> None:
    assert checkpoints.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", [0.3, 0.99])
def test_a_checkpoint_torn_by_a_crash_proves_nothing_and_does_not_spoil_the_next(
    trail: int, checkpoints: Path, kept: float
) -> None:
    line = checkpoints.read_text()
    checkpoints.write_text(line + line[: int(len(line) * kept)])
    audit.write_checkpoint()
    verdict = audit.verify()
    assert (verdict.checkpoints, verdict.problems) == (2, ())


# ── many ──


def log_often(name: str, times: int) -> None:
    for number in range(times):
        with db.atomic():
            audit.record(Actor(label=name), "logout.done", why=str(number))
        if number % 10 == 0:
            audit.write_checkpoint()


def test_many_processes_write_one_chain(cast: Cast, instance: Path) -> None:
    before = newest()
    together(instance, [(log_often, f"process {number}", 25) for number in range(6)])
    verdict = audit.verify()
    assert verdict.is_sound, verdict.problems
    assert verdict.entries == before + 150


def verify_often(times: int) -> list[str]:
    return [problem for _ in range(times) for problem in audit.verify().problems]


def test_a_trail_that_grows_meanwhile_is_still_sound(cast: Cast, instance: Path) -> None:
    works = [(verify_often, 20), (log_often, "one", 200), (log_often, "other", 200)]
    assert together(instance, works)[0] == []


def test_a_long_trail_is_verified(cast: Cast, record_property: Callable[[str, object], None]) -> None:
    with db.atomic():
        for number in range(ENTRIES - newest()):
            audit.record(cast.jun if number < 10 else Actor(), "logout.done", why=str(number))
    started = utc_now()
    verdict = audit.verify()
    took = (utc_now() - started).total_seconds()
    record_property("audit verify", f"{verdict.entries} entries in {took:.2f} s")
    assert (verdict.entries, verdict.is_sound) == (ENTRIES, True)
