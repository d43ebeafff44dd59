"""What a virus, or the lack of a scan, keeps from being approved, delivered and read, and what stays possible."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from blueprints.words import STATE_LABELS
from exchange import arrivals, pickups, quarantine, scanner, statements, transfers
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.permissions import held
from exchange.quarantine import Needs
from models import STATEMENT, DocumentKind, Transfer
from tests.clamd import EICAR, NAME, needs_clamd
from tests.exchange.scanning import (
    CLEAN,
    TOO_BIG,
    UNREACHABLE,
    USES,
    codes,
    decide,
    encrypted,
    inspected,
    mailed,
    opened,
    quarantined,
    requested,
)
from tests.people import LOGIN_IDS, Cast, aes_zip, filing, inspect, logged, state, statement, uploads

pytestmark = pytest.mark.usefixtures("empty_outbox")


def logins(*names: str) -> set[str]:
    return {LOGIN_IDS[name] for name in names}


def buttons(cast: Cast, name: str, transfer: Transfer) -> set[str]:
    actor = getattr(cast, name)
    return set(transfers.possible(actor, Transfer.get_by_id(transfer.id), held(actor)))


# ── found by a real scanner ──


@needs_clamd
@pytest.mark.parametrize("cipher", ["AES256", "ZipCrypto"])
def test_a_virus_behind_a_password_is_found_and_its_clean_neighbour_is_delivered(
    cast: Cast, clamd_at_work: str, tmp_path: Path, cipher: str
) -> None:
    files = {"list.csv": b"a,b\r\n" * 50, "notice.txt": EICAR}
    bad = inspect(uploads(cast.hanako, encrypted(tmp_path, cast.archive_password, files, cipher)))
    good = inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
    row = bad.inspection
    assert (row.state, row.scan["verdict"], row.scan["found"]) == ("quarantined", "found", [NAME])
    assert "MALWARE" in codes(bad)
    assert logged(bad)[-1] == "filing.inspected"
    for act in (transfers.approve, transfers.approve_and_deliver):
        with pytest.raises(Refused, match="隔離"):
            act(cast.taro, bad)
    transfers.approve_and_deliver(cast.taro, good)
    assert (state(bad), state(good), good.inspection.scan["verdict"]) == ("uploaded", "delivered", "clean")
    assert mailed(good) == set()


@needs_clamd
def test_a_virus_in_an_attachment_of_the_fund_never_reaches_an_office(cast: Cast, clamd_at_work: str) -> None:
    packing = statements.Packing(cast.abc)
    with packing.open("決定通知書.txt") as entry:
        entry.write(EICAR)
    slip = arrivals.Slip(DocumentKind.named(STATEMENT, "decision"), "決定通知書.zip", "", "", "token")
    paper = statements.prepare(cast.kiku, packing, slip)
    for act in (transfers.approve, transfers.deliver, transfers.approve_and_deliver):
        with pytest.raises(Refused):
            act(cast.kiku, paper)
    assert inspect(paper).inspection.state == "quarantined"
    with pytest.raises(Refused, match="隔離"):
        transfers.approve_and_deliver(cast.kiku, paper)
    assert state(paper) == "uploaded"
    assert {who for kind, who in mailed(paper)} == logins("kiku", "ume")


# ── what is refused, in the verb and by the missing button ──


@pytest.mark.parametrize("use", USES)
def test_nobody_uses_what_is_quarantined(cast: Cast, use: str) -> None:
    make, who, act, verb = USES[use]
    transfer = quarantined(make(cast))
    before = state(transfer), logged(transfer)
    with pytest.raises(Refused, match=r"隔離しています.*。$"):
        act(getattr(cast, who), transfer)
    assert (state(transfer), logged(transfer)) == before
    assert verb not in buttons(cast, who, transfer)


def test_neither_approval_nor_a_request_for_pickup_leads_to_a_quarantined_one(cast: Cast) -> None:
    for transfer, who, act, verb in (
        (filing(cast), "taro", transfers.approve, "approve"),
        (statement(cast), "kiku", transfers.approve, "approve"),
        (statement(cast, "delivered"), "hanako", pickups.request_pickup, "request_pickup"),
    ):
        assert verb in buttons(cast, who, transfer)
        before = state(transfer)
        with pytest.raises(Refused, match="隔離"):
            act(getattr(cast, who), quarantined(transfer))
        assert state(transfer) == before
        assert verb not in buttons(cast, who, transfer)


@pytest.mark.parametrize(
    ("before", "verb", "by", "after"),
    [
        ("uploaded", "cancel", "taro", "cancelled"),
        ("approved", "cancel", "taro", "cancelled"),
        ("approved", "send_back", "taro", "returned"),
        ("delivered", "recall", "taro", "approved"),
        ("delivered", "receive", "kiku", "received"),
        ("received", "reject", "kiku", "rejected"),
    ],
)
def test_a_quarantined_filing_can_still_be_taken_out_of_the_way(
    cast: Cast, before: str, verb: str, by: str, after: str
) -> None:
    transfer = quarantined(filing(cast, before))
    assert verb in buttons(cast, by, transfer)
    getattr(transfers, verb)(getattr(cast, by), transfer, *["理由"] if verb in ("send_back", "reject") else [])
    assert state(transfer) == after


def test_a_quarantined_filing_is_refused_and_not_completed(cast: Cast) -> None:
    transfer = quarantined(filing(cast, "received"))
    assert buttons(cast, "kiku", transfer) == {"reject"}
    with pytest.raises(Refused, match="「不受理」にして"):
        transfers.complete(cast.kiku, transfer)
    assert state(transfer) == "received"


def test_the_fund_takes_back_a_quarantined_statement_that_was_asked_for(cast: Cast) -> None:
    paper = quarantined(requested(cast))
    transfers.recall(cast.kiku, paper)
    transfers.cancel(cast.kiku, paper)
    assert state(paper) == "cancelled"


@pytest.mark.parametrize(
    ("before", "who", "act", "advice"),
    [
        ("approved", "taro", transfers.deliver, "「取消」で取り下げ"),
        ("delivered", "jun", pickups.copy, "「引き戻し」のあと「取消」"),
        ("received", "kiku", pickups.copy, "「不受理」にして"),
        ("completed", "jun", pickups.copy, "開かずに削除"),
    ],
)
def test_the_refusal_says_what_this_person_can_do_next(
    cast: Cast, before: str, who: str, act: object, advice: str
) -> None:
    transfer = quarantined(filing(cast, before))
    with pytest.raises(Refused, match=advice):
        act(getattr(cast, who), transfer)


def test_nothing_is_copied_before_the_scanner_has_had_its_turn(cast: Cast, nobody_scans: None) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    with pytest.raises(Refused, match="検査が終わっていない"):
        pickups.copy(cast.jun, transfer)
    assert pickups.copy(cast.jun, inspect(transfer))
    scanner.configure("")
    assert pickups.copy(cast.jun, uploads(cast.hanako, aes_zip(cast.archive_password)))


# ── not scanned ──


@pytest.mark.parametrize("use", USES)
def test_what_was_not_scanned_is_used_where_the_fund_warns_and_not_where_it_refuses(
    cast: Cast, nobody_scans: None, use: str
) -> None:
    make, who, act, verb = USES[use]
    transfer = inspected(make(cast), scan=UNREACHABLE)
    assert verb == "" or verb in buttons(cast, who, transfer)
    decide(unscanned="refuse")
    assert verb not in buttons(cast, who, transfer)
    for scan in (UNREACHABLE, None):
        with pytest.raises(Refused, match="自動でやり直しています"):
            act(getattr(cast, who), inspected(transfer, scan=scan))
    assert act(getattr(cast, who), inspected(transfer, scan=CLEAN)) != b""
    decide(unscanned="warn")
    assert act(getattr(cast, who), inspected(make(cast), scan=UNREACHABLE)) != b""


def test_approval_waits_for_the_scan_too(cast: Cast, nobody_scans: None) -> None:
    transfer = inspected(filing(cast), scan=UNREACHABLE)
    decide(unscanned="refuse")
    with pytest.raises(Refused, match="ウイルス検査がまだ済んでいない"):
        transfers.approve(cast.taro, transfer)
    assert buttons(cast, "taro", transfer) == {"send_back", "cancel"}


def test_what_is_too_big_to_be_scanned_is_to_be_split(cast: Cast, nobody_scans: None) -> None:
    transfer = inspected(filing(cast), scan=TOO_BIG)
    decide(unscanned="refuse")
    with pytest.raises(Refused, match="いくつかのZIPに分けて"):
        transfers.approve(cast.taro, transfer)


def test_without_any_scanner_and_without_leave_nothing_goes_on(cast: Cast) -> None:
    transfer = filing(cast)
    decide(unscanned="refuse")
    with pytest.raises(Refused, match="ウイルス検査の仕組みが設定されていない"):
        transfers.approve(cast.taro, transfer)
    decide(unscanned="warn")
    transfers.approve_and_deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


@needs_clamd
def test_a_scanner_that_does_not_answer_loses_no_upload(cast: Cast, nobody_scans: None) -> None:
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
    row = transfer.inspection
    assert (row.state, row.scan["verdict"], row.scan["why"]) == ("warned", "not_scanned", "unreachable")
    assert codes(transfer) == ["NOT_SCANNED"]
    transfers.approve_and_deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


@pytest.mark.parametrize(
    ("scan", "advice"), [(UNREACHABLE, "受領だけは、いまでもできます"), (TOO_BIG, "分けて出し直すよう、事業所に依頼")]
)
def test_the_fund_receives_what_nobody_can_scan_without_its_bytes_and_sends_it_away(
    cast: Cast, nobody_scans: None, scan: dict[str, Any], advice: str
) -> None:
    transfer = inspected(filing(cast, "delivered"), state="warned", scan=scan)
    decide(unscanned="refuse")
    assert advice in quarantine.why_not(transfer, Needs.SCANNED, cast.kiku)
    assert buttons(cast, "kiku", transfer) == {"receive"}
    transfers.receive(cast.kiku, transfer)
    for act in (pickups.copy, opened):
        with pytest.raises(Refused, match="ZIPも、その中のファイルも開けません"):
            act(cast.kiku, transfer)
    transfers.reject(cast.kiku, transfer, "検査できませんでした")
    assert state(transfer) == "rejected"


def test_of_what_is_held_each_side_reads_what_it_can_do_itself(cast: Cast, nobody_scans: None) -> None:
    sent, paper = filing(cast, "delivered"), statement(cast, "delivered")
    decide(unscanned="refuse")
    told = {
        (name, transfer.direction): quarantine.why_not(
            inspected(transfer, state="warned", scan=TOO_BIG), Needs.SCANNED, getattr(cast, name)
        )
        for name in ("taro", "kiku")
        for transfer in (sent, paper)
    }
    assert "「引き戻し」のあと「取消」で取り下げ" in told["taro", "filing"]
    assert "「受領して開く」のあと「不受理」にして" in told["kiku", "filing"]
    assert "基金事務局へご連絡ください" in told["taro", "statement"]
    assert "事業所はダウンロードできません" in told["kiku", "statement"]
    scanner.configure("")
    for name, whom in (("taro", "基金事務局"), ("kiku", "サーバーの担当者")):
        assert f"{whom}へご連絡ください" in quarantine.why_not(sent, Needs.SCANNED, getattr(cast, name))


def test_whoever_thinks_it_a_false_alarm_reads_it_before_what_cannot_be_undone(cast: Cast) -> None:
    for side in (quarantine.OFFICE, quarantine.FUND):
        for transfer in (filing(cast, "delivered"), statement(cast, "delivered")):
            for one in STATE_LABELS[transfer.direction]:
                transfer.state = one
                text = "".join(quarantine.what_to_do(transfer, side))
                ends = [text.index(word) for word in ("取消」で", "「不受理」に") if word in text]
                assert all("誤検知" in text[:end] for end in ends)


def test_in_every_state_each_side_that_knows_of_it_is_told_what_to_do(cast: Cast) -> None:
    makers = {
        quarantine.OFFICE: (filing(cast), statement(cast, "delivered")),
        quarantine.FUND: (filing(cast, "delivered"), statement(cast)),
    }
    for side, both in makers.items():
        for transfer in both:
            for one in STATE_LABELS[transfer.direction]:
                transfer.state = one
                steps = quarantine.what_to_do(transfer, side)
                assert all(step.endswith("。") for step in steps)
                assert len(set(steps)) == len(steps)
                assert "点検" in "".join(steps)


# ── who may have copies ──


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "hanako_at_xyz", "kiku", "ume", "dai"])
def test_the_buttons_for_copies_are_there_for_whom_the_verbs_obey(cast: Cast, name: str) -> None:
    actor = getattr(cast, name)
    made = [filing(cast, before) for before in ("uploaded", "delivered", "received", "completed")]
    made += [statement(cast), statement(cast, "delivered"), quarantined(filing(cast, "received"))]
    made += [inspected(filing(cast, "received"), state="failed")]
    for transfer in made:
        for may, act in ((pickups.may_copy, pickups.copy), (pickups.may_open, opened)):
            if transfer.is_filing or act is pickups.copy:
                assert may(actor, transfer, held(actor)) is (not is_refused(act, actor, transfer))


def is_refused(act: Callable[[Actor, Transfer], object], actor: Actor, transfer: Transfer) -> bool:
    try:
        assert act(actor, transfer)
    except Refused:
        return True
    return False
