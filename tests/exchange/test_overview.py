"""What waits for whom, at which office, and how much went to and fro: the rules, without pages."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from database import db, utc_now
from exchange import (
    activations,
    archive_passwords,
    audit,
    devices,
    lists,
    overview,
    permissions,
    pickups,
    throttle,
    transfers,
    visits,
    vpn_orders,
)
from exchange.actors import Actor, command_line
from models import (
    FILING,
    STATEMENT,
    Device,
    DocumentKind,
    Grant,
    Inspection,
    Membership,
    StoredObject,
    Transfer,
    User,
)
from tests.exchange.codes import built, code
from tests.exchange.scanning import quarantined
from tests.people import Cast, aes_zip, filing, inspect, statement, uploads

NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)  # 14:00 in Japan


def waits(cast: Cast, name: str) -> dict[str, int]:
    member = cast.member(name)
    found = overview.waiting(member, permissions.held(Actor(member)), utc_now())
    return {wait.key: wait.count for wait in found}


def queries(act: Callable[[], Any]) -> int:
    """How many statements the act sends to the database."""
    sent: list[str] = []
    db.connection().set_trace_callback(sent.append)
    try:
        act()
    finally:
        db.connection().set_trace_callback(None)
    return len(sent)


def quickly(cast: Cast, direction: str, number: int, **columns: Any) -> None:
    """Rows of ABC商事 without bytes, for counting alone."""
    kind = DocumentKind.get(DocumentKind.direction == direction)
    stored = StoredObject.create(uid=f"{direction}{number}{columns}", size=1, sha256="0")
    for one in range(number):
        row = Transfer.create(
            receipt_number=f"{direction}-{stored.uid}-{one}",
            token=f"{direction}-{stored.uid}-{one}",
            direction=direction,
            kind=kind,
            file_name="届書.zip",
            size=1,
            sha256="0",
            stored=stored,
            uploaded_by=cast.member("jun"),
            **{"office": cast.abc, "archive_password": cast.abc.current_archive_password(), **columns},
        )
        Inspection.create(transfer=row, state="passed")


def give_every_slot_its_installer() -> None:
    Device.update(state="issued").where(Device.state == "vacant").execute()


# ── documents ──


def test_where_nothing_has_happened_nothing_waits(cast: Cast) -> None:
    give_every_slot_its_installer()
    assert [waits(cast, name) for name in ("taro", "hanako", "kiku", "dai")] == [{}, {}, {}, {}]


def test_each_person_is_told_of_what_his_words_can_do(cast: Cast) -> None:
    for state in ("uploaded", "approved", "delivered", "received", "completed", "returned", "cancelled"):
        filing(cast, state)
    for state in ("uploaded", "approved", "delivered"):
        statement(cast, state)
    assert waits(cast, "taro") == {"approve": 1, "deliver": 1, "correct": 1, "request_pickup": 1}
    assert waits(cast, "hanako") == {"correct": 1, "request_pickup": 1}
    assert waits(cast, "kiku") == {"receive": 1, "process": 1, "check": 1, "send": 1}
    assert "check" not in waits(cast, "dai")


def test_without_a_word_one_is_told_of_nothing(cast: Cast) -> None:
    filing(cast, "returned")
    statement(cast, "delivered")
    Grant.delete().where(Grant.membership == cast.member("hanako")).execute()
    assert waits(cast, "hanako") == {}


def test_a_filing_that_failed_its_inspection_waits_for_its_repair_and_not_for_approval(cast: Cast) -> None:
    inspect(uploads(cast.hanako, b"not a ZIP at all"))
    assert waits(cast, "taro") == {"repair": 1}
    assert waits(cast, "hanako") == {"repair": 1}


def test_a_statement_that_failed_its_inspection_waits_for_whoever_prepares(cast: Cast) -> None:
    broken = statement(cast, "uploaded")
    Inspection.update(state="quarantined").where(Inspection.transfer == broken).execute()
    assert waits(cast, "kiku") == {"repair": 1}


def test_an_upload_that_is_still_inspected_waits_for_approval(cast: Cast) -> None:
    uploads(cast.hanako, aes_zip(cast.archive_password))
    assert waits(cast, "taro") == {"approve": 1}


def test_a_filing_that_was_sent_again_waits_no_more(cast: Cast) -> None:
    old = filing(cast, "returned")
    newer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password), replaces=old))
    assert waits(cast, "hanako") == {}
    transfers.cancel(cast.hanako, newer)
    assert waits(cast, "hanako") == {"correct": 1}


def test_the_first_end_of_a_window_is_told_with_the_downloads(cast: Cast) -> None:
    early, late = statement(cast, "delivered"), statement(cast, "delivered")
    for transfer, days in ((late, 1), (early, 3)):
        pickups.request_pickup(Actor(cast.member("taro"), at=utc_now() - timedelta(days=days)), transfer)
    member = cast.member("hanako")
    (wait,) = overview.waiting(member, frozenset(["download"]), utc_now())
    assert (wait.key, wait.count, wait.until) == ("download", 2, pickups.window_ends_at(early))


def test_an_end_that_is_over_is_not_told(cast: Cast) -> None:
    pickups.request_pickup(Actor(cast.member("taro"), at=utc_now() - timedelta(days=8)), statement(cast, "delivered"))
    (wait,) = overview.waiting(cast.member("hanako"), frozenset(["download"]), utc_now())
    assert wait.until is None


def test_another_office_sees_none_of_it(cast: Cast) -> None:
    filing(cast, "uploaded")
    assert waits(cast, "jiro").get("approve") is None
    assert overview.traffic(cast.member("jiro"), utc_now())[-1].sent == 0


@pytest.mark.parametrize("name", ["taro", "hanako", "kiku"])
def test_every_count_is_the_length_of_the_list_it_names(cast: Cast, name: str) -> None:
    for state in ("uploaded", "uploaded", "approved", "delivered", "received", "returned"):
        last = filing(cast, state)
    uploads(cast.hanako, aes_zip(cast.archive_password), replaces=last)
    inspect(uploads(cast.hanako, b"not a ZIP at all"))
    for state in ("uploaded", "approved", "delivered", "delivered"):
        last = statement(cast, state)
    pickups.request_pickup(cast.taro, last)
    member = cast.member(name)
    found = overview.waiting(member, permissions.held(Actor(member)), utc_now())
    assert len(found) > 2
    assert [wait.count for wait in found] == [len(lists.listed([member], wait.direction, wait.state)) for wait in found]


def test_the_counts_of_a_filter_add_up_to_the_whole_list(cast: Cast) -> None:
    old = filing(cast, "returned")
    inspect(uploads(cast.hanako, aes_zip(cast.archive_password), replaces=old))
    inspect(uploads(cast.hanako, b"not a ZIP at all"))
    filing(cast, "returned")
    filing(cast, "approved")
    for state in ("approved", "delivered", "received", "rejected"):
        quarantined(filing(cast, state))
    counts = lists.counts([cast.member("taro")], FILING)
    assert counts == {
        "uploaded": 1,
        "approved": 1,
        "unusable": 2,
        "returned": 1,
        "replaced": 1,
        "quarantined": 2,
        "rejected": 1,
    }
    for state, number in counts.items():
        assert len(lists.listed([cast.member("taro")], FILING, state)) == number
    assert len(lists.listed([cast.member("taro")], FILING)) == 9


def test_a_statement_with_a_virus_is_no_work_for_the_office(cast: Cast) -> None:
    papers = [statement(cast, "delivered") for _ in range(4)]
    for paper, days in zip(papers[:2], (3, 1), strict=True):
        pickups.request_pickup(Actor(cast.member("taro"), at=utc_now() - timedelta(days=days)), paper)
    quarantined(papers[0])
    quarantined(papers[3])
    for name in ("taro", "kiku"):
        member = cast.member(name)
        assert lists.counts([member], STATEMENT) == {"delivered": 1, "requested": 1, "quarantined": 2}
        assert {row.uid for row in lists.listed([member], STATEMENT, "quarantined")} == {papers[0].uid, papers[3].uid}
    assert waits(cast, "taro") == {"request_pickup": 1, "download": 1}
    found = overview.waiting(cast.member("taro"), frozenset(["download"]), utc_now())
    assert found[0].until == pickups.window_ends_at(Transfer.get_by_id(papers[1].id))


def test_a_filing_with_a_virus_waits_for_the_fund_under_its_own_name(cast: Cast) -> None:
    for state in ("delivered", "received"):
        quarantined(filing(cast, state))
    assert waits(cast, "kiku") == {"refuse": 2}
    assert {row.state for row in lists.listed([cast.member("kiku")], FILING, "quarantined")} == {
        "delivered",
        "received",
    }


# ── people, devices, invitations ──


def test_the_admin_is_told_who_has_not_come_yet(cast: Cast) -> None:
    User.update(is_initial_password=True, password_set_at=utc_now()).where(
        User.id == cast.member("jun").user_id
    ).execute()
    assert waits(cast, "taro") == {"fresh": 1}
    assert waits(cast, "hanako") == {}


def test_an_initial_password_that_is_too_old_is_told_apart(cast: Cast) -> None:
    long_ago = utc_now() - timedelta(days=31)
    User.update(is_initial_password=True, password_set_at=long_ago).where(
        User.id == cast.member("jun").user_id
    ).execute()
    assert waits(cast, "taro") == {"lapsed": 1}


def test_the_admin_is_told_who_is_locked_out(cast: Cast) -> None:
    for _ in range(throttle.LIMITS["password"].tries):
        throttle.hit("password", cast.member("jun").user.uid, utc_now())
    assert waits(cast, "taro") == {"locked": 1}
    Membership.update(disabled_at=utc_now()).where(Membership.id == cast.member("jun").id).execute()
    assert waits(cast, "taro") == {}


def test_somebody_who_is_asked_to_work_here_waits_on_both_sides(cast: Cast) -> None:
    Membership.update(invited_at=utc_now()).where(Membership.id == cast.member("hanako_at_xyz").id).execute()
    assert waits(cast, "hanako") == {"invitation": 1}
    assert waits(cast, "jiro")["invited"] == 1


def test_who_has_left_waits_no_more(cast: Cast) -> None:
    Membership.update(invited_at=utc_now(), ended_at=utc_now()).where(
        Membership.id == cast.member("hanako_at_xyz").id
    ).execute()
    assert waits(cast, "hanako") == {}
    assert "invited" not in waits(cast, "jiro")


def test_whoever_manages_the_fund_is_told_of_new_staff(cast: Cast) -> None:
    User.update(is_initial_password=True, password_set_at=utc_now()).where(
        User.id == cast.member("dai").user_id
    ).execute()
    assert waits(cast, "kiku") == {"fresh": 1}
    assert waits(cast, "ume") == {}


def test_the_desk_is_told_of_devices_that_wait(cast: Cast) -> None:
    give_every_slot_its_installer()
    one = built(cast.xyz, 2)
    with db.atomic():
        visit = visits.find(visits.begin(cast.kiku, "activate", cast.xyz), "activate", utc_now())
    activations.request(cast.kiku, visit, code(one))
    assert waits(cast, "dai") == {"activate": 1}
    assert waits(cast, "kiku") == {}
    activations.accept(cast.dai, activations.waiting().get())
    assert waits(cast, "dai") == {}


def test_the_desk_is_told_of_what_is_to_be_done_on_a_vpn_server_that_people_look_after(cast: Cast) -> None:
    give_every_slot_its_installer()
    devices.stop(cast.dai, Device.in_slot(cast.abc, 2), "紛失")
    assert waits(cast, "dai") == {"vpn_orders": 1}
    assert vpn_orders.waiting().count() == 1


# ── several offices ──


def settle_xyz(cast: Cast) -> None:
    archive_passwords.keep(command_line(), cast.xyz, "Xyz#Archive#2026-word", version=1)


def offices(cast: Cast) -> list[overview.OfficeWaiting]:
    places = list(cast.member("hanako").user.places())
    return overview.offices_waiting(places, lists.tally(places))


def test_each_office_has_its_own_numbers(cast: Cast) -> None:
    settle_xyz(cast)
    filing(cast, "returned")
    filing(cast, "uploaded")
    statement(cast, "delivered")
    quickly(cast, STATEMENT, 2, state="delivered", delivered_at=utc_now(), office=cast.xyz)
    found = {one.place.login_id: one for one in offices(cast)}
    assert {wait.key: wait.count for wait in found["srHanako1"].waits} == {"correct": 1, "request_pickup": 1}
    assert {wait.key: wait.count for wait in found["srHanako2"].waits} == {"request_pickup": 2}
    assert all(one.is_ready for one in found.values())


def test_an_office_whose_admin_has_not_come_yet_is_not_ready(cast: Cast) -> None:
    found = offices(cast)
    assert [(one.place.office.display_name, one.is_ready) for one in found] == [
        ("ABC商事", True),
        ("XYZ工業株式会社", False),
    ]


def test_words_count_per_office(cast: Cast) -> None:
    settle_xyz(cast)
    quickly(cast, STATEMENT, 2, state="delivered", delivered_at=utc_now(), office=cast.xyz)
    Grant.delete().where(Grant.membership == cast.member("hanako_at_xyz"), Grant.word == "request_pickup").execute()
    assert [one.waits for one in offices(cast)] == [[], []]


def test_ten_offices_take_as_many_queries_as_two(cast: Cast) -> None:
    two = list(cast.member("hanako").user.places())
    many = [place for place in two for _ in range(5)]
    for places in (two, many):
        assert queries(lambda places=places: overview.offices_waiting(places, lists.tally(places))) == 5


def test_what_waits_takes_few_queries(cast: Cast) -> None:
    filing(cast, "uploaded")
    member = Membership.by_uid(cast.member("taro").uid)  # with person and office, as a session has them
    words = member.words()
    assert queries(lambda: overview.waiting(member, words, utc_now())) == 8


# ── months ──


def test_months_begin_at_midnight_in_japan(cast: Cast) -> None:
    last_of_october = datetime(2026, 10, 31, 14, 59, 59, tzinfo=UTC)
    quickly(cast, FILING, 1, state="delivered", delivered_at=last_of_october)
    quickly(cast, FILING, 2, state="received", delivered_at=last_of_october + timedelta(seconds=1))
    months = overview.traffic(cast.member("taro"), NOW)
    assert [month.label for month in months] == ["6月", "7月", "8月", "9月", "10月", "11月"]
    assert [month.sent for month in months] == [0, 0, 0, 0, 1, 2]


def test_the_months_reach_back_over_new_year(cast: Cast) -> None:
    quickly(cast, STATEMENT, 3, state="received", delivered_at=datetime(2026, 12, 10, tzinfo=UTC))
    months = overview.traffic(cast.member("taro"), datetime(2027, 2, 1, tzinfo=UTC), months=3)
    assert [(month.year, month.month, month.received) for month in months] == [
        (2026, 12, 3),
        (2027, 1, 0),
        (2027, 2, 0),
    ]


def test_what_is_older_is_not_counted(cast: Cast) -> None:
    quickly(cast, FILING, 1, state="completed", delivered_at=datetime(2026, 5, 31, 14, 59, tzinfo=UTC))
    assert sum(month.sent for month in overview.traffic(cast.member("taro"), NOW)) == 0


def test_the_fund_counts_every_office_and_from_its_own_side(cast: Cast) -> None:
    quickly(cast, FILING, 2, state="delivered", delivered_at=NOW)
    quickly(cast, STATEMENT, 1, state="requested", delivered_at=NOW)
    quickly(cast, STATEMENT, 4, state="delivered", delivered_at=NOW, office=cast.xyz)
    fund, own = (overview.traffic(cast.member(name), NOW)[-1] for name in ("kiku", "taro"))
    assert (fund.sent, fund.received) == (5, 2)
    assert (own.sent, own.received) == (2, 1)


def test_the_desk_learns_nothing_of_documents(cast: Cast) -> None:
    quickly(cast, FILING, 2, state="delivered", delivered_at=NOW)
    assert overview.traffic(cast.member("dai"), NOW) == []


def test_months_are_one_query(cast: Cast) -> None:
    member = cast.member("taro")
    assert queries(lambda: overview.traffic(member, NOW)) == 1


# ── the login before ──


def test_the_login_before_this_one_is_told(cast: Cast) -> None:
    member = cast.member("taro")
    assert overview.last_login(member.user) is None
    for day in (1, 2, 3):
        with db.atomic():
            at = datetime(2026, 11, day, tzinfo=UTC)
            audit.record(Actor(member, at=at), "login.succeeded", member.user.uid, kind=member.kind)
    assert overview.last_login(member.user) == datetime(2026, 11, 2, tzinfo=UTC)
    assert overview.last_login(cast.member("jun").user) is None
