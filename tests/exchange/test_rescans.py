"""The scan for malware done again: when it is asked for, what it changes, and how it heals what a scanner that was away
has left.
"""

from datetime import timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import archives, jobs, pickups, rescans, scanner, transfers
from exchange.actors import system
from exchange.errors import Forbidden, Refused
from exchange.permissions import held
from exchange.rescans import Later
from models import Inspection, Mail, Transfer
from tests.clamd import needs_clamd, running
from tests.exchange.scanning import (
    CLEAN,
    FOUND,
    UNREACHABLE,
    USES,
    aged,
    asked,
    codes,
    decide,
    encrypted,
    finished,
    inspected,
    mailed,
    quarantined,
    rescan,
)
from tests.people import LOGIN_IDS, Cast, aes_zip, filing, inspect, logged, state, uploads

NEW = "Test.New.UNOFFICIAL"
MARK = b"harmless until somebody wrote a signature for it"

pytestmark = pytest.mark.usefixtures("empty_outbox")


def row(transfer: Transfer) -> Inspection:
    return Inspection.get(Inspection.transfer == transfer)


# ── too old ──


@pytest.mark.parametrize("use", USES)
def test_what_was_scanned_too_long_ago_is_scanned_again_before_it_is_used(
    cast: Cast, nobody_scans: str, use: str
) -> None:
    make, who, act, verb = USES[use]
    transfer = aged(make(cast))
    before = state(transfer), logged(transfer)
    for _ in range(2):
        with pytest.raises(Later, match="数分後にもう一度") as refused:
            act(getattr(cast, who), transfer)
    assert refused.value.status == 409
    assert asked() == [transfer.id]
    assert (state(transfer), logged(transfer)) == before
    actor = getattr(cast, who)
    assert verb == "" or verb in transfers.possible(actor, transfer, held(actor))
    aged(transfer, days=6.9)
    assert act(actor, transfer) != b""


def test_the_fund_decides_how_long_a_scan_lasts(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast, "approved"), days=3)
    decide(rescan_days=2)
    with pytest.raises(Later, match="2日を過ぎた"):
        transfers.deliver(cast.taro, transfer)
    decide(rescan_days=4)
    transfers.deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


def test_without_a_scanner_nothing_grows_old(cast: Cast) -> None:
    transfer = aged(filing(cast, "approved"), days=400)
    transfers.deliver(cast.taro, transfer)
    assert (state(transfer), asked()) == ("delivered", [])


def test_who_may_not_deliver_asks_for_nothing(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast, "approved"))
    for name in ("hanako", "hanako_at_xyz", "kiku"):
        with pytest.raises(Forbidden):
            transfers.deliver(getattr(cast, name), transfer)
    assert asked() == []


def test_what_is_in_no_state_to_be_delivered_is_not_scanned_for_it(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast))
    with pytest.raises(Refused) as refused:
        transfers.deliver(cast.taro, transfer)
    assert not isinstance(refused.value, Later)
    assert asked() == []


def test_inside_another_transaction_too_an_old_scan_is_not_enough(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast, "approved"))
    with pytest.raises(Later), db.atomic():
        transfers.deliver(cast.taro, transfer)
    assert state(transfer) == "approved"
    aged(transfer, days=1)
    with db.atomic():
        transfers.deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


@needs_clamd
def test_a_few_minutes_later_it_is_delivered(cast: Cast, clamd_at_work: str) -> None:
    transfer = aged(filing(cast, "approved"))
    with pytest.raises(Later):
        transfers.deliver(cast.taro, transfer)
    after = rescan(finished(transfer))
    assert (after.state, after.scan["verdict"]) == ("passed", "clean")
    assert after.finished_at > utc_now() - timedelta(minutes=1)
    transfers.deliver(cast.taro, transfer)
    assert logged(transfer)[-2:] == ["filing.rescanned", "filing.delivered"]
    assert next(e for e in transfer.timeline() if e.action == "filing.rescanned").details["verdict"] == "clean"


@needs_clamd
@pytest.mark.parametrize("scan", [None, UNREACHABLE])
def test_what_nobody_has_scanned_waits_for_a_scanner_that_is_there(
    cast: Cast, clamd_at_work: str, scan: dict | None
) -> None:
    transfer = inspected(filing(cast), scan=scan, state="warned")
    with pytest.raises(Later, match="まだ済んでいない"):
        transfers.approve_and_deliver(cast.taro, transfer)
    rescan(finished(transfer))
    transfers.approve_and_deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


@needs_clamd
def test_where_the_scanner_has_just_failed_the_fund_decides(cast: Cast, clamd_at_work: str) -> None:
    transfer = inspected(filing(cast), scan={**UNREACHABLE, "why": "broken"}, finished_at=utc_now())
    transfers.approve_and_deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


# ── what a rescan changes ──


@pytest.fixture(scope="module")
def newer_clamd(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A clamd that knows one thing more."""
    with running(tmp_path_factory.mktemp("newer"), {"Test.New": MARK}) as address:
        yield address


def marked(cast: Cast) -> Transfer:
    """A filing with what no signature was known for when it came."""
    return inspect(uploads(cast.hanako, aes_zip(cast.archive_password, {"a.csv": b"x,y\r\n" + MARK, "b.csv": b"1"})))


@needs_clamd
def test_a_virus_that_was_unknown_is_found_after_the_delivery_and_both_sides_are_told(
    cast: Cast, clamd_at_work: str, newer_clamd: str
) -> None:
    transfer = marked(cast)
    transfers.approve_and_deliver(cast.taro, transfer)
    transfers.receive(cast.kiku, transfer)
    entries = row(transfer).entries
    for _ in range(2):
        after = rescan(transfer, newer_clamd)
        assert (after.state, after.scan["found"], after.entries) == ("quarantined", [NEW], entries)
    assert [(one["code"], one["entry"]) for one in after.findings] == [("MALWARE", "a.csv")]
    assert {who for _, who in mailed(transfer)} == {
        LOGIN_IDS[name] for name in ("taro", "jun", "hanako", "kiku", "ume")
    }
    assert Mail.select().where(Mail.transfer == transfer, Mail.kind == "quarantined").count() == 3
    with pytest.raises(Refused, match="隔離"):
        pickups.copy(cast.kiku, transfer)
    assert [one.details["verdict"] for one in transfer.timeline() if one.action == "filing.rescanned"] == [
        *("quarantined", "quarantined"),
    ]


@needs_clamd
def test_a_scanner_that_knows_less_ends_no_quarantine(cast: Cast, clamd_at_work: str) -> None:
    transfer = quarantined(filing(cast))
    inspected(transfer, scan={**FOUND, "signatures_at": "2026-11-20T00:00:00+00:00"})
    assert rescan(transfer, clamd_at_work).state == "quarantined"  # this one's signatures have no date
    inspected(transfer, scan=FOUND)
    assert rescan(transfer, clamd_at_work).state == "passed"


@needs_clamd
def test_nor_does_it_after_it_has_found_something_else(cast: Cast, clamd_at_work: str, newer_clamd: str) -> None:
    dated = {**FOUND, "signatures_at": "2026-11-20T00:00:00+00:00"}
    transfer = inspected(quarantined(marked(cast)), scan=dated)
    for one in (newer_clamd, clamd_at_work):
        assert rescan(transfer, one).state == "quarantined"
    assert row(transfer).scan == dated


@needs_clamd
def test_a_false_alarm_is_over_once_newer_signatures_say_so(cast: Cast, clamd_at_work: str, newer_clamd: str) -> None:
    scanner.configure(newer_clamd)
    transfer = marked(cast)
    assert row(transfer).state == "quarantined"
    after = rescan(transfer, clamd_at_work)
    assert (after.state, after.findings, after.scan["verdict"]) == ("passed", [], "clean")
    assert [mail.kind for mail in Mail.select().where(Mail.transfer == transfer).order_by(Mail.id)][3:] == [
        *["quarantine_ended"] * 3,  # who was told of the virus; of its approval nobody is told twice
    ]
    transfers.approve_and_deliver(cast.taro, Transfer.get_by_id(transfer.id))
    assert state(transfer) == "delivered"


@needs_clamd
@pytest.mark.parametrize(
    ("severity", "code", "before", "after"),
    [
        ("warn", "MACRO", "quarantined", "warned"),
        ("reject", "MACRO", "quarantined", "failed"),
        ("reject", "BAD_TYPE", "failed", "failed"),
        ("warn", "BAD_TYPE", "warned", "warned"),
        ("reject", "NOT_SCANNED", "quarantined", "failed"),  # an inspection that could not be done at all
        ("warn", "NOT_SCANNED", "warned", "passed"),
    ],
)
def test_a_clean_scan_leaves_what_else_was_found(
    cast: Cast, clamd_at_work: str, severity: str, code: str, before: str, after: str
) -> None:
    other = {"code": code, "message": "見つかったこと", "entry": None, "severity": severity}
    virus = {"code": "MALWARE", "message": "ウイルス", "entry": None, "severity": "reject"}
    is_found = before == "quarantined"
    transfer = inspected(
        filing(cast), state=before, scan=FOUND if is_found else CLEAN, findings=[virus, other] if is_found else [other]
    )
    assert rescan(transfer).state == after
    assert codes(transfer) == ([] if after == "passed" else [code])


@needs_clamd
def test_a_decision_of_the_fund_made_since_does_not_keep_the_scanner_from_reading(
    cast: Cast, clamd_at_work: str, tmp_path: Path
) -> None:
    weak = encrypted(tmp_path, cast.archive_password, {"list.csv": b"a,b\r\n" * 50}, "ZipCrypto")
    transfer = aged(inspect(uploads(cast.hanako, weak)), scan=None)
    decide(zipcrypto="refuse")
    after = rescan(transfer)
    assert (after.state, codes(transfer), after.scan["verdict"]) == ("warned", ["ZIPCRYPTO"], "clean")


@needs_clamd
def test_a_rescan_that_was_overtaken_changes_nothing(cast: Cast, clamd_at_work: str) -> None:
    transfer = aged(filing(cast, "approved"))

    def meanwhile(done: int, total: int) -> None:
        quarantined(transfer)

    rescans.rescan(system(), transfer.id, archives.Limits(), meanwhile)
    assert (row(transfer).state, row(transfer).scan) == ("quarantined", FOUND)
    assert "filing.rescanned" not in logged(transfer)


def test_an_upload_whose_inspection_runs_is_left_to_it(cast: Cast, nobody_scans: str) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    assert rescan(transfer).state == "waiting"
    rescans.give_up(system(), transfer.id)
    assert row(transfer).state == "waiting"


# ── a scanner that is away ──


def test_a_clean_scan_holds_until_it_is_old_and_then_counts_as_none(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast, "approved"), days=6.5, state="passed", findings=[])
    after = rescan(transfer)
    assert (after.state, after.scan) == ("passed", CLEAN)
    after = rescan(aged(transfer, days=7.5))
    assert (after.state, after.scan["verdict"], codes(transfer)) == ("warned", "not_scanned", ["NOT_SCANNED"])
    transfers.deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


def test_what_was_found_stands_while_nobody_scans(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(quarantined(filing(cast)), scan=FOUND)
    assert (rescan(transfer).state, row(transfer).scan) == ("quarantined", FOUND)


def test_that_nobody_scans_is_told_once(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast))
    for _ in range(3):
        rescan(transfer)
    assert logged(transfer).count("filing.rescanned") == 1


def test_of_a_scan_that_stands_no_try_is_told(cast: Cast, nobody_scans: str) -> None:
    young, found = aged(filing(cast), days=6.5), aged(quarantined(filing(cast)), scan=FOUND, days=3)
    for transfer in (young, found):
        for _ in range(3):
            rescan(transfer)
        assert "filing.rescanned" not in logged(transfer)


@needs_clamd
def test_what_was_accepted_is_read_again_under_whatever_limits_were_set_since(cast: Cast, clamd_at_work: str) -> None:
    transfer = aged(filing(cast, "approved"))
    rescans.rescan(system(), transfer.id, archives.Limits(packed=10, unpacked=1), lambda done, total: None)
    assert (row(transfer).state, row(transfer).scan["verdict"], codes(transfer)) == ("passed", "clean", [])


def test_a_rescan_that_fails_for_good_leaves_nobody_waiting(cast: Cast, nobody_scans: str) -> None:
    transfer = aged(filing(cast, "approved"))
    rescans.give_up(system(), transfer.id)
    assert (row(transfer).state, row(transfer).scan["why"]) == ("warned", "broken")
    transfers.deliver(cast.taro, transfer)
    assert state(transfer) == "delivered"


@needs_clamd
def test_a_clamd_that_was_killed_leaves_uploads_unscanned_and_the_chore_heals_them_once_it_is_back(
    cast: Cast, tmp_path: Path
) -> None:
    with running(tmp_path / "first") as gone:
        scanner.configure(gone)
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
    assert (row(transfer).state, row(transfer).scan["verdict"]) == ("warned", "not_scanned")
    rescans.rescan_old(utc_now())
    assert asked() == []
    with running(tmp_path / "second") as back:
        scanner.configure(back)
        rescans.rescan_old(utc_now())
        assert asked() == [transfer.id]
        work = {"rescan": lambda job: rescans.rescan(system(), int(job.subject), archives.Limits(), job.progress)}
        assert jobs.run_one(work, utc_now(), {"rescan": lambda subject: rescans.give_up(system(), int(subject))})
        assert (row(transfer).state, row(transfer).findings, row(transfer).scan["verdict"]) == ("passed", [], "clean")
        rescans.rescan_old(utc_now() + timedelta(hours=1))
    assert asked() == []
