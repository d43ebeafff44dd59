"""The worker's round of scanning again: what it asks for, in which order, and how much at a time."""

import pytest

from database import utc_now
from exchange import rescans, scan_ages, scanner
from models import Transfer
from tests.clamd import needs_clamd
from tests.exchange.scanning import (
    TOO_BIG,
    UNREACHABLE,
    aged,
    asked,
    finished,
    inspected,
    quarantined,
    requested,
)
from tests.people import Cast, aes_zip, filing, uploads

pytestmark = needs_clamd


@pytest.fixture(autouse=True)
def clamd_at_work(cast: Cast, clamd: str) -> None:
    """The installation scans with a real clamd."""
    scanner.configure(clamd)


def test_the_worker_scans_ahead_what_somebody_is_about_to_need(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rescans, "ROUND", 9)
    wanted = [
        aged(filing(cast), days=9),
        aged(filing(cast, "approved"), days=8.5),
        inspected(aged(filing(cast), days=8.2), state="warned", scan=UNREACHABLE),
        aged(requested(cast), days=8),
        aged(filing(cast, "received"), days=6.5),
        inspected(aged(filing(cast), days=2), scan=UNREACHABLE),
        quarantined(aged(filing(cast), days=1.5)),
    ]
    aged(filing(cast), days=5)
    aged(filing(cast, "cancelled"))
    aged(filing(cast, "completed"))
    inspected(aged(filing(cast)), state="failed")
    inspected(aged(filing(cast), days=2), scan=TOO_BIG)
    quarantined(aged(filing(cast), days=0.5))
    uploads(cast.hanako, aes_zip(cast.archive_password))
    long_since = aged(filing(cast, "received"))
    Transfer.update(delivered_at=utc_now() - scan_ages.WATCHED).where(Transfer.id == long_since.id).execute()
    for _ in range(2):
        rescans.rescan_old(utc_now())
        assert asked() == [transfer.id for transfer in wanted]


def test_nobody_is_asked_for_twice_within_minutes(cast: Cast) -> None:
    transfer = inspected(filing(cast), scan=UNREACHABLE)
    now = utc_now()
    rescans.rescan_old(now)
    finished(transfer)
    rescans.rescan_old(now + scan_ages.AGAIN / 2)
    assert asked() == []
    rescans.rescan_old(utc_now() + scan_ages.AGAIN)
    assert asked() == [transfer.id]


def test_a_round_is_small_and_the_next_one_fills_it_up(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (aged(filing(cast), days=days) for days in (10, 9, 8))
    monkeypatch.setattr(rescans, "ROUND", 2)
    rescans.rescan_old(utc_now())
    assert asked() == [first.id, second.id]
    finished(first)
    rescans.rescan_old(utc_now())
    assert asked() == [second.id, third.id]


def test_without_a_scanner_the_chore_rests(cast: Cast) -> None:
    aged(filing(cast), days=400)
    scanner.configure("")
    rescans.rescan_old(utc_now())
    assert asked() == []
