"""「ウイルス検査をやり直す」: who can ask for another scan, and when."""

from datetime import timedelta
from pathlib import Path

import pytest

from database import utc_now
from exchange import calendar, rescans, scanner
from exchange.errors import Forbidden, Refused
from exchange.permissions import held
from models import AuditEntry
from tests.exchange.scanning import CLEAN, FOUND, TOO_BIG, UNREACHABLE, asked, inspected, quarantined
from tests.people import Cast, aes_zip, filing, logged, statement, uploads


@pytest.mark.parametrize(
    ("name", "make"),
    [("hanako", filing), ("taro", filing), ("kiku", lambda cast: filing(cast, "delivered")), ("ume", statement)],
)
def test_who_works_with_it_can_have_it_scanned_again(cast: Cast, nobody_scans: None, name: str, make: object) -> None:
    transfer, actor = make(cast), getattr(cast, name)
    assert rescans.may_ask(actor, transfer, held(actor))
    rescans.ask_rescan(actor, transfer)
    assert asked() == [transfer.id]
    assert logged(transfer)[-1] == f"{transfer.direction}.rescan_asked"
    assert rescans.under_way(transfer).state == "waiting"
    with pytest.raises(Refused, match="いまやり直しています"):
        rescans.ask_rescan(actor, transfer)
    assert not rescans.may_ask(actor, transfer, held(actor))
    assert asked() == [transfer.id]


@pytest.mark.parametrize(
    ("scan", "minutes", "is_asked"),
    [(FOUND, 9, False), (FOUND, 11, True), (CLEAN, 1, False), (TOO_BIG, 1, False), (UNREACHABLE, 0, True)],
)
def test_a_quarantined_one_too_but_not_soon_after_a_scan_that_took_place(
    cast: Cast, nobody_scans: None, scan: dict, minutes: int, is_asked: bool
) -> None:
    ended_at = utc_now() - timedelta(minutes=minutes)
    transfer = inspected(quarantined(filing(cast)), scan=scan, finished_at=ended_at)
    assert rescans.may_ask(cast.taro, transfer, held(cast.taro))
    if is_asked:
        rescans.ask_rescan(cast.taro, transfer)
    else:
        with pytest.raises(Refused, match=r"[0-2]\d:[0-5]\dからできます") as refused:
            rescans.ask_rescan(cast.taro, transfer)
        from_when = calendar.japan(ended_at + timedelta(minutes=11))
        assert f"{from_when:%H:%M}から" in refused.value.message
    assert asked() == ([transfer.id] if is_asked else [])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("dai", filing),
        ("hanako_at_xyz", filing),
        ("kiku", filing),  # it hasn't come yet
        ("taro", statement),  # nor has this
    ],
)
def test_nobody_else_can(cast: Cast, nobody_scans: None, name: str, make: object) -> None:
    with pytest.raises(Forbidden):
        rescans.ask_rescan(getattr(cast, name), make(cast))
    assert asked() == []
    assert AuditEntry.select().where(AuditEntry.action == "permission.refused").count() == 1


def test_there_is_nothing_to_ask_for_without_a_scanner_or_before_the_inspection_is_over(
    cast: Cast, tmp_path: Path
) -> None:
    done, waiting = filing(cast), uploads(cast.hanako, aes_zip(cast.archive_password))
    with pytest.raises(Refused, match="仕組みが設定されていない"):
        rescans.ask_rescan(cast.taro, done)
    scanner.configure(str(tmp_path / "nobody"))
    with pytest.raises(Refused, match="終わるまでお待ちください"):
        rescans.ask_rescan(cast.taro, waiting)
    assert asked() == []


def test_what_could_not_be_opened_is_not_scanned_again_either(cast: Cast, nobody_scans: None) -> None:
    unread = inspected(filing(cast), state="failed", scan=None)
    assert not rescans.may_ask(cast.taro, unread, held(cast.taro))
    with pytest.raises(Refused, match="中のファイルを読めない"):
        rescans.ask_rescan(cast.taro, unread)
    refused_after_a_look = inspected(filing(cast), state="failed", scan=UNREACHABLE)
    assert rescans.may_ask(cast.taro, refused_after_a_look, held(cast.taro))


def test_nobody_fills_the_queue_for_the_others(cast: Cast, nobody_scans: str) -> None:
    several = [filing(cast) for _ in range(rescans.MOST_ASKED + 1)]
    for transfer in several[:-1]:
        rescans.ask_rescan(cast.taro, transfer)
    with pytest.raises(Refused, match="ほかのファイルのウイルス検査をやり直しています"):
        rescans.ask_rescan(cast.taro, several[-1])
    paper = statement(cast)
    rescans.ask_rescan(cast.ume, paper)
    assert asked() == [*(one.id for one in several[:-1]), paper.id]
