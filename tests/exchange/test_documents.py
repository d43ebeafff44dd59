"""手順書の掲載: editions, for whom they are, and who fetched them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from database import db, new_uid, utc_now
from exchange import documents, vault, visits
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Grant, Office, StoredObject
from papers import Document, Visit
from tests.exchange.offices import third_office
from tests.people import Cast

DAY = date(2026, 11, 1)
PDF = b"%PDF-1.7\nfirst\n%%EOF\n"
STRANGER = Actor(address="203.0.113.7", label="ダウンロードの窓口")

pytestmark = pytest.mark.usefixtures("app")


def pdf(data: bytes = PDF) -> documents.Pdf:
    file = documents.Pdf()
    file.write(data)
    return file


def publishes(
    actor: Actor, label: str = "VPNインストール手順書", day: date = DAY, data: bytes = PDF, **more: Any
) -> Document:
    """`offices`: for whom; `replaces`, `was_withdrawn` as in the verb."""
    offices = more.pop("offices", None)
    with pdf(data) as file:
        return documents.publish(actor, file, documents.Slip(label, day, offices), **more)


def visit_of(office: Office) -> Visit:
    with db.atomic():
        token = visits.begin(STRANGER, "download", office)
    found = visits.find(token, "download", utc_now())
    assert found is not None
    return found


def fetches(office: Office, document: Document) -> bytes:
    return b"".join(documents.fetched(STRANGER, visit_of(office), document))


def test_after_a_new_letter_nothing_is_handed_out_on_the_old_visit(cast: Cast) -> None:
    document, visit = publishes(cast.kiku), visit_of(cast.abc)
    with db.atomic():
        visits.end_of(cast.abc, utc_now())
    with pytest.raises(Refused, match="窓口は閉じています"):
        documents.fetched(STRANGER, visit, document)
    assert not AuditEntry.select().where(AuditEntry.action == documents.FETCHED).exists()


def last_entry(action: str) -> AuditEntry:
    return AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number.desc()).get()


def test_a_new_document_stands_at_the_counter_of_every_office(cast: Cast) -> None:
    document = publishes(cast.kiku)
    for office in (cast.abc, cast.xyz):
        (offered,) = documents.offered_to(office)
        assert (offered, offered.stored.size) == (document, len(PDF))
        assert fetches(office, offered) == PDF


def test_names_are_those_of_the_guide(cast: Cast) -> None:
    document = publishes(cast.kiku, day=date(2022, 11, 29))
    assert documents.title(document) == "VPNインストール手順書(2022/11/29)"
    assert document.file_name == "電子連携サービス・VPNインストール手順書(20221129).pdf"


def test_nothing_is_said_to_have_been_scanned_before_something_has_looked(cast: Cast) -> None:
    assert Document.get_by_id(publishes(cast.kiku).id).scan is None


def test_the_audit_tells_what_was_published_and_withdrawn(cast: Cast) -> None:
    document = publishes(cast.kiku)
    entry = last_entry("document.published")
    sha256 = document.stored.sha256
    assert (entry.subject, entry.membership) == (document.uid, cast.member("kiku"))
    assert entry.details == {"label": "VPNインストール手順書", "edition_on": "2026-11-01", "sha256": sha256}
    documents.withdraw(cast.kiku, document)
    assert last_entry("document.withdrawn").subject == document.uid


@pytest.mark.parametrize("name", ["ume", "dai", "taro", "hanako"])
@pytest.mark.parametrize(
    "act",
    [
        lambda actor, document: publishes(actor, "別の手順書"),
        lambda actor, document: publishes(actor, replaces=document),
        documents.withdraw,
        documents.read,
        documents.list_fetches,
    ],
)
def test_without_the_word_nobody_publishes_or_reads(cast: Cast, act: Callable[..., Any], name: str) -> None:
    document, stored = publishes(cast.kiku), StoredObject.select().count()
    with pytest.raises(Forbidden):
        act(getattr(cast, name), document)
    assert documents.is_current(document)
    assert (Document.select().count(), StoredObject.select().count()) == (1, stored)


# ── editions ──


def test_a_new_edition_takes_the_place_of_the_one_before_it(cast: Cast) -> None:
    first = publishes(cast.kiku)
    second = publishes(cast.kiku, day=DAY + timedelta(days=9), data=PDF + b"2", replaces=first)
    assert second.series == first.series
    assert documents.offered_to(cast.abc) == [second]
    assert documents.editions(first) == [second, first]
    assert b"".join(documents.read(cast.kiku, first)) == PDF


def test_documents_stand_in_the_order_in_which_they_came_first(cast: Cast) -> None:
    first, second = publishes(cast.kiku), publishes(cast.kiku, "操作マニュアル")
    newer = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    assert documents.offered_to(cast.abc) == [newer, second]


def test_an_edition_can_have_another_name_and_other_offices(cast: Cast) -> None:
    first = publishes(cast.kiku)
    second = publishes(cast.kiku, "VPN手順書", data=PDF + b"2", replaces=first, offices=[cast.xyz])
    assert documents.offered_to(cast.xyz) == [second]
    assert documents.offered_to(cast.abc) == []  # the old edition does not come back for those left out


def test_a_withdrawn_edition_leaves_nothing_at_the_counter(cast: Cast) -> None:
    first = publishes(cast.kiku)
    second = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    documents.withdraw(cast.kiku, second)
    assert documents.offered_to(cast.abc) == []
    assert list(documents.withdrawn()) == [second]
    assert b"".join(vault.pieces(second.stored)) == PDF + b"2"  # documents stay, for the fund


def test_after_a_withdrawal_an_older_edition_can_be_published_again(cast: Cast) -> None:
    first = publishes(cast.kiku)
    second = publishes(cast.kiku, day=DAY + timedelta(days=9), data=PDF + b"2", replaces=first)
    documents.withdraw(cast.kiku, second)
    again = publishes(cast.kiku, replaces=second, was_withdrawn=True)
    assert documents.offered_to(cast.abc) == [again]
    assert list(documents.withdrawn()) == []


def test_an_edition_is_not_older_than_the_one_it_replaces(cast: Cast) -> None:
    first = publishes(cast.kiku)
    with pytest.raises(Refused, match="いまの版（2026/11/01）より前です"):
        publishes(cast.kiku, day=DAY - timedelta(days=1), data=PDF + b"2", replaces=first)
    assert publishes(cast.kiku, day=DAY, data=PDF + b"2", replaces=first).edition_on == DAY


def test_two_documents_at_the_counter_never_have_one_name(cast: Cast) -> None:
    first, other = publishes(cast.kiku), publishes(cast.kiku, "操作マニュアル")
    with pytest.raises(Refused, match="すでに掲載されています"):
        publishes(cast.kiku, data=PDF + b"2")
    with pytest.raises(Refused, match="すでに掲載されています"):
        publishes(cast.kiku, "操作マニュアル", data=PDF + b"2", replaces=first)
    documents.withdraw(cast.kiku, other)
    assert publishes(cast.kiku, "操作マニュアル", data=PDF + b"2", replaces=first).label == "操作マニュアル"


def test_a_form_sent_twice_publishes_once(cast: Cast) -> None:
    first = publishes(cast.kiku)
    assert publishes(cast.kiku) == first
    second = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    assert publishes(cast.kiku, data=PDF + b"2", replaces=first) == second
    assert Document.select().count() == 2


# ── two clerks at once ──


@pytest.fixture
def second_clerk(cast: Cast) -> Actor:
    Grant.create(membership=cast.member("ume"), word="publish")
    return cast.ume


def test_of_two_new_editions_the_second_is_refused(cast: Cast, second_clerk: Actor) -> None:
    first = publishes(cast.kiku)
    newer = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    with pytest.raises(SomeoneWasFaster):
        publishes(second_clerk, data=PDF + b"3", replaces=first)
    assert documents.offered_to(cast.abc) == [newer]


def test_what_a_colleague_withdrew_is_not_brought_back_by_an_open_form(cast: Cast, second_clerk: Actor) -> None:
    first = publishes(cast.kiku)
    documents.withdraw(second_clerk, first)
    with pytest.raises(SomeoneWasFaster):
        publishes(cast.kiku, data=PDF + b"2", replaces=first)
    assert documents.offered_to(cast.abc) == []


def test_of_two_withdrawals_the_second_is_told(cast: Cast, second_clerk: Actor) -> None:
    first = publishes(cast.kiku)
    documents.withdraw(cast.kiku, first)
    with pytest.raises(SomeoneWasFaster):
        documents.withdraw(second_clerk, first)
    assert AuditEntry.select().where(AuditEntry.action == "document.withdrawn").count() == 1


def test_an_edition_that_was_replaced_meanwhile_is_not_withdrawn(cast: Cast, second_clerk: Actor) -> None:
    first = publishes(cast.kiku)
    newer = publishes(second_clerk, data=PDF + b"2", replaces=first)
    with pytest.raises(SomeoneWasFaster):
        documents.withdraw(cast.kiku, first)
    assert documents.offered_to(cast.abc) == [newer]


def test_two_new_documents_of_one_name_do_not_both_come(cast: Cast, second_clerk: Actor) -> None:
    first = publishes(cast.kiku)
    with pytest.raises(Refused):
        publishes(second_clerk)
    assert documents.current() == [first]


# ── what is refused ──


@pytest.mark.parametrize(
    "data", [b"", b"%PDF", b"PK\x03\x04" + b"x" * 99, b"MZ" + b"x" * 99, b" %PDF-1.7\n", b"<html>%PDF-1.7"]
)
def test_only_what_begins_like_a_pdf_is_taken(cast: Cast, data: bytes) -> None:
    with pytest.raises(Refused, match="PDFだけです"):
        publishes(cast.kiku, data=data)
    assert (Document.select().count(), StoredObject.select().count()) == (0, 0)


def test_the_beginning_is_known_in_whatever_pieces_it_comes(cast: Cast) -> None:
    with documents.Pdf() as file:
        for byte in PDF:
            file.write(bytes((byte,)))
        document = documents.publish(cast.kiku, file, documents.Slip("手順書", DAY))
    assert b"".join(vault.pieces(document.stored)) == PDF


def test_too_large_a_pdf_is_refused_with_the_limit(cast: Cast) -> None:
    with documents.Pdf(10) as file, pytest.raises(vault.TooLarge, match="52,428,800 バイトまでです"):
        file.write(b"%PDF-" + b"x" * 6)
    with documents.Pdf(10) as file:
        assert file.write(b"%PDF-" + b"x" * 5) == 10


def test_no_file_is_no_document(cast: Cast) -> None:
    with pytest.raises(Refused, match="選ばれていません"):
        documents.publish(cast.kiku, None, documents.Slip("手順書", DAY))


@pytest.mark.parametrize(
    "label", ["", "あ" * 61, "手順/書", "手順\\書", "a:b", "a*b", "a?b", 'a"b', "a<b", "a>b", "a|b"]
)
def test_a_label_that_is_no_file_name_is_refused(cast: Cast, label: str) -> None:
    with pytest.raises(Refused, match="名称"):
        publishes(cast.kiku, label)
    assert Document.select().count() == 0


def test_the_longest_label_is_taken(cast: Cast) -> None:
    assert publishes(cast.kiku, "あ" * 60).label == "あ" * 60


@pytest.mark.parametrize(
    ("day", "is_right"),
    [
        (date(1999, 12, 31), False),
        (date(2000, 1, 1), True),
        (date(2026, 11, 24), True),
        (date(2027, 11, 25), True),
        (date(2027, 11, 26), False),
        (date(9999, 12, 31), False),
    ],
)
def test_the_date_of_an_edition_is_one_that_can_be(cast: Cast, day: date, is_right: bool) -> None:
    at = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)  # in Japan it is the 24th
    actor = Actor(cast.member("kiku"), at=at)
    if is_right:
        assert publishes(actor, day=day).edition_on == day
        return
    with pytest.raises(Refused, match="2000/01/01 から 2027/11/25 まで"):
        publishes(actor, day=day)


# ── for whom ──


def test_an_office_that_was_not_chosen_never_sees_it(cast: Cast) -> None:
    document = publishes(cast.kiku, offices=[cast.abc])
    assert documents.offered_to(cast.abc) == [document]
    assert documents.offered_to(cast.xyz) == []
    with pytest.raises(SomeoneWasFaster):
        fetches(cast.xyz, document)
    assert AuditEntry.select().where(AuditEntry.action == documents.FETCHED).count() == 0


def test_choosing_nobody_is_refused(cast: Cast) -> None:
    with pytest.raises(Refused, match="1つ以上選ぶ"):
        publishes(cast.kiku, offices=[])


def test_an_office_that_is_named_twice_is_one(cast: Cast) -> None:
    document = publishes(cast.kiku, offices=[cast.abc, cast.abc])
    assert list(documents.audience(document)) == [cast.abc]


def test_an_office_that_comes_later_gets_what_is_for_all_and_not_what_is_for_the_chosen(cast: Cast) -> None:
    for_all = publishes(cast.kiku)
    publishes(cast.kiku, "特別なお知らせ", offices=[cast.abc])
    assert documents.offered_to(third_office()) == [for_all]


def test_an_office_whose_contract_is_over_gets_nothing_and_is_not_waited_for(cast: Cast) -> None:
    document, office = publishes(cast.kiku), third_office()
    assert office in list(documents.missing(document))
    office.closed_at = utc_now()
    office.save()
    assert documents.offered_to(office) == []
    assert office not in list(documents.missing(document))


# ── who fetched it ──


def test_each_fetch_is_logged_with_office_moment_and_address(cast: Cast) -> None:
    document = publishes(cast.kiku)
    fetches(cast.abc, document)
    (entry,) = documents.fetches(document)
    assert (entry.office, entry.address, entry.membership) == (cast.abc, "203.0.113.7", None)
    assert entry.at == STRANGER.at
    assert entry.details["sha256"] == document.stored.sha256


def test_who_has_not_fetched_this_very_edition_is_missing(cast: Cast) -> None:
    first = publishes(cast.kiku)
    fetches(cast.abc, first)
    assert list(documents.missing(first)) == [cast.xyz]
    assert documents.counts([first]) == {first.id: (1, 2)}
    second = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    assert list(documents.missing(second)) == [cast.abc, cast.xyz]


def test_what_was_withdrawn_or_replaced_meanwhile_is_not_handed_out(cast: Cast) -> None:
    first = publishes(cast.kiku)
    second = publishes(cast.kiku, data=PDF + b"2", replaces=first)
    with pytest.raises(SomeoneWasFaster):
        fetches(cast.abc, first)
    documents.withdraw(cast.kiku, second)
    with pytest.raises(SomeoneWasFaster):
        fetches(cast.abc, second)


def test_what_cannot_be_opened_does_not_count_as_fetched(cast: Cast) -> None:
    document = publishes(cast.kiku)
    with db.atomic():
        vault.erase(document.stored)
    with pytest.raises(FileNotFoundError):
        fetches(cast.abc, Document.get_by_id(document.id))
    assert list(documents.fetches(document)) == []


def test_the_list_to_take_away_names_both_and_is_logged(cast: Cast) -> None:
    document = publishes(cast.kiku)
    fetches(cast.abc, document)
    rows = documents.list_fetches(cast.kiku, document)
    assert [(row.office, row.address, row.at is None) for row in rows] == [
        (cast.abc, "203.0.113.7", False),
        (cast.xyz, "", True),
    ]
    assert last_entry("document.listed").details["entries"] == 2


def test_an_unknown_series_has_no_newest_edition(cast: Cast) -> None:
    document = publishes(cast.kiku)
    assert documents.newest_of(document.series) == document
    assert documents.newest_of(new_uid()) is None
