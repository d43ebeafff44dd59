"""受取要求 with its window, ダウンロード, copies, and single files for the fund."""

from datetime import timedelta

import pytest

from database import db
from exchange import archives, pickups, settings, transfers, vault
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Transfer
from tests.people import Cast, aes_zip, filing, inspect, statement, uploads

DAYS = timedelta(days=7)
SECOND = timedelta(seconds=1)


def at(actor: Actor, ahead: timedelta) -> Actor:
    return Actor(actor.membership, actor.device, actor.address, actor.at + ahead)


def requested(cast: Cast) -> tuple[Transfer, Actor]:
    """A statement asked for now, and who asked."""
    paper, hanako = statement(cast, "delivered"), cast.hanako
    pickups.request_pickup(hanako, paper)
    return paper, hanako


def actions(transfer: Transfer) -> list[str]:
    return [entry.action for entry in transfer.timeline()]


def test_the_window_is_open_for_seven_days(cast: Cast) -> None:
    paper, hanako = requested(cast)
    assert pickups.window_ends_at(paper) == hanako.at + DAYS
    data = b"".join(pickups.download(at(hanako, DAYS - SECOND), paper))
    assert data == b"".join(vault.pieces(paper.stored))
    assert paper.state == "received"


def test_after_seven_days_the_window_is_closed_and_can_be_asked_for_again(cast: Cast) -> None:
    paper, hanako = requested(cast)
    late = at(hanako, DAYS)
    with pytest.raises(SomeoneWasFaster):
        pickups.download(late, paper)
    assert (paper.state, paper.requested_at) == ("delivered", None)
    assert actions(paper)[-1] == "statement.window_closed"
    pickups.request_pickup(late, paper)
    pickups.download(at(late, DAYS - SECOND), paper)
    assert paper.state == "received"


def test_the_worker_closes_exactly_the_windows_that_are_over(cast: Cast) -> None:
    old, hanako = requested(cast)
    young, _ = requested(cast)
    Transfer.update(requested_at=hanako.at + SECOND).where(Transfer.id == young.id).execute()
    pickups.close_windows(hanako.at + DAYS)
    assert Transfer.get_by_id(old.id).state == "delivered"
    assert Transfer.get_by_id(young.id).state == "requested"
    pickups.close_windows(hanako.at + DAYS)
    assert actions(old).count("statement.window_closed") == 1


def test_the_fund_decides_how_long_a_window_is(cast: Cast) -> None:
    paper, hanako = requested(cast)
    with db.atomic():
        settings.put("pickup_days", 2)
    assert pickups.window_ends_at(paper) == hanako.at + timedelta(days=2)


def test_a_stale_page_cannot_close_a_newer_window(cast: Cast) -> None:
    paper, hanako = requested(cast)
    stale = Transfer.get_by_id(paper.id)
    pickups.close_windows(hanako.at + DAYS)
    pickups.request_pickup(at(hanako, DAYS), Transfer.get_by_id(paper.id))
    pickups.close_window_if_over(hanako.at + DAYS, stale)
    assert Transfer.get_by_id(paper.id).state == "requested"


def test_a_received_statement_may_be_asked_for_again(cast: Cast) -> None:
    paper, hanako = requested(cast)
    pickups.download(hanako, paper)
    with pytest.raises(SomeoneWasFaster):
        pickups.download(hanako, paper)
    pickups.request_pickup(hanako, paper)
    assert b"".join(pickups.download(hanako, paper)).startswith(b"PK")


def test_a_statement_without_a_request_is_not_handed_out(cast: Cast) -> None:
    paper = statement(cast, "delivered")
    with pytest.raises(SomeoneWasFaster):
        pickups.download(cast.hanako, paper)
    with pytest.raises(Forbidden, match="受取要求"):
        pickups.copy(cast.hanako, paper)
    assert paper.state == "delivered"


def test_the_move_is_durable_before_the_first_byte_and_the_whole_way_is_told_after_the_last(cast: Cast) -> None:
    paper, hanako = requested(cast)
    stream = pickups.download(hanako, paper)
    assert Transfer.get_by_id(paper.id).state == "received"
    assert actions(paper)[-1] == "statement.received"
    size = len(b"".join(stream))
    told = list(paper.timeline())[-1]
    assert (told.action, told.details) == ("transfer.sent_whole", {"sha256": paper.sha256, "bytes": size})


def test_a_broken_off_download_is_not_told_as_whole(cast: Cast) -> None:
    paper, hanako = requested(cast)
    stream = pickups.download(hanako, paper)
    next(stream)
    stream.close()
    assert "transfer.sent_whole" not in actions(paper)


def test_the_office_gets_a_copy_of_what_it_sent(cast: Cast) -> None:
    data = aes_zip(cast.archive_password)
    transfer = inspect(uploads(cast.hanako, data))
    assert b"".join(pickups.copy(cast.jun, transfer)) == data
    assert actions(transfer)[-2:] == ["filing.downloaded", "transfer.sent_whole"]


def test_no_copy_goes_to_another_office(cast: Cast) -> None:
    transfer = filing(cast)
    with pytest.raises(Forbidden):
        pickups.copy(cast.hanako_at_xyz, transfer)
    assert "filing.downloaded" not in actions(transfer)


def test_the_fund_reads_a_filing_only_after_opening_it(cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    for read in (lambda: pickups.copy(cast.kiku, transfer), lambda: opened(cast, transfer, 0)):
        with pytest.raises(Refused, match="受領して開く"):
            read()
    transfers.receive(cast.kiku, transfer)
    assert b"".join(pickups.copy(cast.kiku, transfer)).startswith(b"PK")


def test_the_desk_reads_nothing(cast: Cast) -> None:
    transfer, paper = filing(cast, "received"), statement(cast, "delivered")
    for read in (
        lambda: pickups.copy(cast.dai, transfer),
        lambda: pickups.copy(cast.dai, paper),
        lambda: opened(cast, transfer, 0, "dai"),
    ):
        with pytest.raises(Forbidden):
            read()
    assert AuditEntry.select().where(AuditEntry.action == "permission.refused").count() == 3


def opened(cast: Cast, transfer: Transfer, number: int, by: str = "kiku") -> bytes:
    return b"".join(pickups.open_entry(getattr(cast, by), transfer, number, archives.Limits()))


def test_the_fund_opens_one_file_of_a_filing_and_the_audit_says_which(cast: Cast) -> None:
    files = {"取得.csv": b"a,b\r\n", "添付/決定通知.pdf": b"%PDF-1.7\n%%EOF\n"}
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, files)))
    for verb in (transfers.approve, transfers.deliver):
        verb(cast.taro, transfer)
    transfers.receive(cast.kiku, transfer)
    assert [opened(cast, transfer, number) for number in (0, 1)] == list(files.values())
    entry = list(transfer.timeline())[-1]
    assert (entry.action, entry.details["entry_number"]) == ("filing.entry_opened", 1)
    assert "決定通知" not in entry.facts


@pytest.mark.parametrize("number", [-1, 1, 99])
def test_a_file_that_is_not_in_the_archive_is_refused(cast: Cast, number: int) -> None:
    transfer = filing(cast, "received")
    with pytest.raises(Refused, match="ZIPの中にありません"):
        opened(cast, transfer, number)
