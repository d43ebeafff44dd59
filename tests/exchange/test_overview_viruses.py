"""What the start page tells of documents with a virus: which, to whom, and for how long."""

from datetime import datetime, timedelta

from database import db, utc_now
from exchange import audit, lists, overview, scan_ages
from exchange.actors import Actor
from models import FILING, STATEMENT, Transfer
from tests.exchange.scanning import quarantined
from tests.people import Cast, filing, statement


def shown(cast: Cast, name: str, at: datetime | None = None, most: int = 10) -> list[str]:
    found = overview.quarantined(cast.member(name), at or utc_now(), most)
    return [transfer.uid for transfer in found.newest]


def scanned(transfer: Transfer, at: datetime, verdict: str) -> None:
    scan = {"engine": "ClamAV", "signatures": "", "scanned_at": ""}
    with db.atomic():
        audit.record(
            Actor(None, at=at), "statement.rescanned", transfer.uid, transfer.office, verdict=verdict, scan=scan
        )


def test_viruses_are_counted_by_the_lists_that_have_them_and_only_the_newest_are_named(cast: Cast) -> None:
    made = [
        quarantined(filing(cast, state)) for state in ("uploaded", "approved", "delivered", "received", "cancelled")
    ]
    paper = quarantined(statement(cast, "delivered"))
    for sound in (filing(cast, "delivered"), statement(cast, "delivered")):
        assert sound.inspection.state == "passed"
    found = overview.quarantined(cast.member("taro"), utc_now(), 2)
    assert found.counts == {(FILING, "unusable"): 2, (FILING, "quarantined"): 2, (STATEMENT, "quarantined"): 1}
    assert [transfer.uid for transfer in found.newest] == [paper.uid, made[3].uid]
    for (direction, state), number in found.counts.items():
        assert len(lists.listed([cast.member("taro")], direction, state)) == number
    seen = overview.quarantined(cast.member("kiku"), utc_now(), 2).counts
    assert seen == {(FILING, "quarantined"): 2, (STATEMENT, "quarantined"): 1}
    for name in ("dai", "jiro"):
        assert overview.quarantined(cast.member(name), utc_now(), 2) == overview.Infected({}, [])


def test_however_many_viruses_there_are_two_queries_tell_of_them_and_none_reads_what_is_in_the_zips(
    cast: Cast,
) -> None:
    member = cast.member("taro")
    sent: list[str] = []
    for number in (1, 5):
        for _ in range(number):
            quarantined(statement(cast, "delivered"))
        db.connection().set_trace_callback(sent.append)
        for transfer in overview.quarantined(member, utc_now(), 3).newest:
            assert (transfer.office.name, transfer.kind.direction) == ("ABC商事株式会社", STATEMENT)
        db.connection().set_trace_callback(None)
    assert len(sent) == 4
    assert not any("entries" in text for text in sent)


def test_a_filing_that_was_received_long_ago_is_no_alarm_any_more(cast: Cast) -> None:
    transfer = quarantined(filing(cast, "received"))
    delivered_at = Transfer.get_by_id(transfer.id).delivered_at
    last = delivered_at + scan_ages.WATCHED - timedelta(seconds=1)
    assert [shown(cast, name, at=last) for name in ("taro", "kiku")] == [[transfer.uid], [transfer.uid]]
    assert [shown(cast, name, at=delivered_at + scan_ages.WATCHED) for name in ("taro", "kiku")] == [[], []]
    waits = overview.waiting(cast.member("kiku"), frozenset(["receive"]), utc_now())
    assert [(wait.key, wait.count) for wait in waits] == [("refuse", 1)]


def test_a_statement_that_was_received_is_an_alarm_for_two_weeks_after_its_virus_was_found(cast: Cast) -> None:
    paper = statement(cast, "delivered")
    long_since = utc_now() - timedelta(days=40)
    Transfer.update(state="received", delivered_at=long_since).where(Transfer.id == paper.id).execute()
    found_at = utc_now() - timedelta(days=20)
    quarantined(paper)
    for days in range(20):  # the worker looks each day
        scanned(paper, found_at + timedelta(days=days), "quarantined")
    for name in ("taro", "kiku"):
        assert shown(cast, name, at=found_at + overview.TOLD - timedelta(seconds=1)) == [paper.uid]
        assert shown(cast, name, at=found_at + overview.TOLD) == []
    Transfer.update(state="delivered").where(Transfer.id == paper.id).execute()
    assert shown(cast, "kiku") == [paper.uid]  # which the fund can take back


def test_a_virus_that_is_found_again_after_a_false_alarm_is_an_alarm_again(cast: Cast) -> None:
    paper = statement(cast, "delivered")
    Transfer.update(state="received").where(Transfer.id == paper.id).execute()
    quarantined(paper)
    for days, verdict in ((40, "quarantined"), (35, "clean"), (2, "quarantined")):
        scanned(paper, utc_now() - timedelta(days=days), verdict)
    assert shown(cast, "taro") == [paper.uid]
