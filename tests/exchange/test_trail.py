"""Who reads what in the record of what people did, and how it is narrowed down and taken away."""

import logging
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from database import db, utc_now
from exchange import archives, audit, permissions, pickups, trail, transfers
from exchange.actors import Actor, system
from exchange.errors import Forbidden, Refused
from exchange.trail import Filters
from models import AuditEntry, Membership, Office
from tests.people import Cast, aes_zip, filing, inspect, statement, uploads

TO_THE_OFFICE = {"statement.delivered", "statement.recalled", "statement.window_closed"}
BY_THE_OFFICE = {"statement.requested", "statement.received"}
LONG_AGO = datetime(2020, 3, 31, 14, 59, 59, tzinfo=UTC)  # the last second of March in Japan


def found(viewer: Membership, **filters: Any) -> list[AuditEntry]:
    return list(trail.search(viewer, Filters(**filters)))


def actions(viewer: Membership, **filters: Any) -> list[str]:
    return [entry.action for entry in found(viewer, **filters)]


def writes(actor: Actor, action: str, subject: str = "", office: Office | None = None, **facts: Any) -> AuditEntry:
    with db.atomic():
        return audit.record(actor, action, subject, office, **{**dict.fromkeys(audit.ACTIONS[action]), **facts})


def since(number: int, viewer: Membership) -> list[str]:
    """What that person can see of what was written after an entry."""
    return [entry.action for entry in found(viewer) if entry.number > number]


def newest() -> int:
    return AuditEntry.select().order_by(AuditEntry.number.desc()).get().number


# ── who sees what ──


@pytest.mark.parametrize("action", audit.ACTIONS)
def test_the_admin_sees_of_each_action_what_belongs_to_the_office(cast: Cast, action: str) -> None:
    """Of statements nothing that the fund does at its own desk; of everything else what stands on the office's name."""
    paper = statement(cast).uid if action == "transfer.sent_whole" else ""
    is_before_delivery = action.startswith("statement.") and action not in TO_THE_OFFICE | BY_THE_OFFICE
    is_hidden = is_before_delivery or action == "transfer.sent_whole"
    for actor in (cast.kiku, system()):
        entry = writes(actor, action, paper, cast.abc)
        assert (entry in found(cast.member("taro"))) is not is_hidden
    assert writes(cast.hanako, action, paper) in found(cast.member("taro"))
    assert writes(cast.kiku, action) not in found(cast.member("taro"))
    assert writes(cast.kiku, action, paper, cast.xyz) not in found(cast.member("taro"))


def test_nothing_shows_a_statement_that_was_never_delivered(cast: Cast) -> None:
    taro, before = cast.member("taro"), newest()
    paper = statement(cast, "approved")
    list(pickups.copy(cast.kiku, paper))
    transfers.cancel(cast.kiku, paper)
    assert len(AuditEntry.select().where(AuditEntry.subject == paper.uid)) == 6
    assert since(before, taro) == []
    for filters in (
        {"q": "基金"},
        {"member": cast.member("kiku").uid},
        {"action": "statement"},
        {"since": date.today()},
    ):
        assert [entry for entry in found(taro, **filters) if entry.subject == paper.uid] == []
    rows = trail.export(cast.taro, Filters())
    assert [entry for entry, document in rows if entry.subject == paper.uid or document] == []


def test_a_delivered_statement_shows_from_its_delivery_on(cast: Cast) -> None:
    taro, before = cast.member("taro"), newest()
    paper = statement(cast, "delivered")
    list(pickups.copy(cast.kiku, paper))
    pickups.request_pickup(cast.taro, paper)
    list(pickups.download(cast.taro, paper))
    story = ["transfer.sent_whole", "statement.received", "statement.requested", "statement.delivered"]
    assert since(before, taro) == story


def test_a_recalled_statement_has_no_receipt_number_any_more(cast: Cast) -> None:
    taro, before = cast.member("taro"), newest()
    paper = statement(cast, "delivered")
    named = trail.with_documents(taro, found(taro))[0]
    assert (named[0].action, named[1].receipt_number) == ("statement.delivered", paper.receipt_number)
    transfers.recall(cast.kiku, paper)
    transfers.cancel(cast.kiku, paper)
    assert since(before, taro) == ["statement.recalled", "statement.delivered"]
    assert [document for _, document in trail.with_documents(taro, found(taro)) if document] == []


def test_the_office_follows_its_filing_on_the_funds_side_as_well(cast: Cast) -> None:
    taro, before = cast.member("taro"), newest()
    list(pickups.copy(cast.kiku, filing(cast, "received")))
    seen = since(before, taro)
    assert seen[:3] == ["transfer.sent_whole", "filing.downloaded", "filing.received"]
    assert len(seen) == newest() - before


def test_no_office_sees_another(cast: Cast) -> None:
    filing(cast, "completed")
    assert {entry.office for entry in found(cast.member("taro"))} == {cast.abc}
    assert {entry.office for entry in found(cast.member("jiro"))} == {cast.xyz}


@pytest.mark.parametrize("name", ["jun", "hanako", "ume"])
def test_who_is_neither_admin_nor_holds_the_word_sees_nothing(cast: Cast, name: str) -> None:
    filing(cast, "completed")
    assert found(cast.member(name)) == []
    assert trail.count(cast.member(name), Filters()) == 0


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_whoever_holds_the_word_sees_everything(cast: Cast, name: str) -> None:
    filing(cast, "completed")
    statement(cast)
    numbers = [entry.number for entry in found(cast.member(name))]
    assert numbers == list(range(newest(), 0, -1))
    assert trail.count(cast.member(name), Filters()) == newest()


def test_the_word_taken_away_takes_the_record_away(cast: Cast) -> None:
    permissions.assign(cast.kiku, cast.member("dai"), "audit", False)
    assert found(cast.member("dai")) == []


def test_a_consultants_day_is_told_to_each_office_by_itself(cast: Cast) -> None:
    here, there = cast.hanako, cast.hanako_at_xyz
    user = cast.member("hanako").user.uid
    at_abc, at_xyz = (writes(actor, "login.succeeded", user, kind="consultant") for actor in (here, there))
    for admin, seen, hidden in (("taro", at_abc, at_xyz), ("jiro", at_xyz, at_abc)):
        entries = found(cast.member(admin))
        assert seen in entries
        assert hidden not in entries


def test_what_somebody_answered_while_at_another_office_tells_nothing_of_that_office(cast: Cast) -> None:
    answer = writes(cast.hanako, "member.declined", "", cast.xyz, login_id="srHanako2")
    (entry,) = [entry for entry in found(cast.member("jiro")) if entry == answer]
    assert entry.who_to(cast.member("jiro")) == "ほかの事業所の利用者"
    assert not entry.is_of_side(cast.member("jiro"))  # so neither device nor address are shown
    assert answer not in found(cast.member("jiro"), q="丙山")
    assert answer not in found(cast.member("jiro"), q="srHanako1")
    assert answer in found(cast.member("jiro"), q="ほかの事業所")


def test_the_desk_never_reads_what_people_write_about_a_document(cast: Cast) -> None:
    filing(cast, "returned")
    (returned,) = found(cast.member("kiku"), q="甲野")[:1]
    assert trail.facts(returned, cast.member("kiku"))["reason"] == "生年月日が違います"
    assert trail.facts(returned, cast.member("taro"))["reason"] == "生年月日が違います"
    assert "reason" not in trail.facts(returned, cast.member("dai"))


def test_no_fact_holds_what_a_document_contains(cast: Cast) -> None:
    secret = {"丁田一郎_資格取得届.csv": "丁田 一郎,1980-01-01\r\n".encode("cp932")}
    paper = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, secret), "丁田一郎.zip"))
    for step in (transfers.approve, transfers.deliver):
        step(cast.taro, paper)
    transfers.receive(cast.kiku, paper)
    list(pickups.open_entry(cast.kiku, paper, 0, archives.Limits()))
    told = "".join(entry.facts + entry.subject for entry in AuditEntry.select())
    assert "filing.entry_opened" in actions(cast.member("dai"))
    assert "丁田" not in told


# ── the words of the list ──


def test_the_name_of_a_funds_clerk_finds_nothing_for_an_office(cast: Cast) -> None:
    filing(cast, "completed")
    taro = cast.member("taro")
    for name in ("菊", "kikinKiku", "基金　菊"):
        assert actions(taro, q=name) == []
    assert actions(taro, q="基金事務局")[:2] == ["filing.completed", "filing.received"]
    assert actions(cast.member("kiku"), q="kikinKiku")[:2] == ["filing.completed", "filing.received"]


@pytest.mark.parametrize("typed", ["甲野 太郎", "甲野　太郎", "甲野太郎", "abctaro01", "ａｂｃＴａｒｏ０１", " 太郎 "])
def test_a_person_is_found_however_the_name_is_typed(cast: Cast, typed: str) -> None:
    filing(cast, "approved")
    assert actions(cast.member("taro"), q=typed)[0] == "filing.approved"


@pytest.mark.parametrize("typed", ["%", "_", "abc%01"])
def test_signs_of_the_database_mean_nothing(cast: Cast, typed: str) -> None:
    assert actions(cast.member("kiku"), q=typed) == []


# ── filters ──


def test_a_person_is_found_by_what_was_done_and_by_what_was_done_about_him(cast: Cast) -> None:
    jun, taro = cast.member("jun"), cast.member("taro")
    writes(cast.jun, "logout.done", jun.user.uid, why="logout")
    writes(Actor(address="192.0.2.66"), "code.refused", jun.user.uid, cast.abc, why="wrong")
    permissions.assign(cast.taro, jun, "deliver", False)
    filing(cast)
    assert actions(taro, member=jun.uid)[:3] == ["permissions.changed", "code.refused", "logout.done"]
    assert set(actions(cast.member("kiku"), member=jun.uid)) == set(actions(taro, member=jun.uid))


def test_the_ids_of_other_peoples_find_nothing(cast: Cast) -> None:
    filing(cast, "completed")
    for name in ("kiku", "jiro", "hanako_at_xyz"):
        assert actions(cast.member("taro"), member=cast.member(name).uid) == []
    assert actions(cast.member("taro"), member="0" * 32) == []


@pytest.mark.parametrize("typed", ["00102", "XYZ工業", "００１０２", "{contract}"])
def test_the_fund_looks_for_an_office_by_name_number_or_contract(cast: Cast, typed: str) -> None:
    entries = found(cast.member("kiku"), office=typed.format(contract=cast.xyz.contract_number.replace("-", "－")))
    assert {entry.office for entry in entries} == {cast.xyz}


def test_an_office_asking_for_another_still_sees_its_own(cast: Cast) -> None:
    assert {entry.office for entry in found(cast.member("taro"), office="XYZ")} == {cast.abc}


@pytest.mark.parametrize("key", trail.GROUPS)
def test_every_group_finds_its_own_actions_only(cast: Cast, key: str) -> None:
    for action in audit.ACTIONS:
        writes(cast.kiku, action)
    seen = set(actions(cast.member("kiku"), action=key))
    assert seen == set(trail.GROUPS[key]) - {trail.SENT_WHOLE}


def test_what_was_sent_whole_belongs_to_its_own_direction(cast: Cast) -> None:
    list(pickups.copy(cast.kiku, filing(cast, "received")))
    assert "transfer.sent_whole" in actions(cast.member("kiku"), action="filing")
    assert "transfer.sent_whole" not in actions(cast.member("kiku"), action="statement")


def test_days_are_those_of_japan_and_both_are_included(cast: Cast) -> None:
    march, april = date(2020, 3, 31), date(2020, 4, 1)
    last, first = (
        writes(Actor(cast.member("taro"), at=at), "password.changed")
        for at in (LONG_AGO, LONG_AGO + timedelta(seconds=1))
    )
    taro = cast.member("taro")
    assert found(taro, until=march) == [last]
    assert found(taro, since=april, until=april) == [first]
    assert found(taro, since=march, until=april) == [first, last]
    assert found(taro, since=date(2020, 4, 2), until=date(2020, 4, 3)) == []


@pytest.mark.parametrize("days", [{"until": date.max}, {"since": date(1900, 1, 1)}])
def test_the_ends_of_the_calendar_are_days_as_well(cast: Cast, days: dict[str, date]) -> None:
    assert found(cast.member("taro"), **days) == found(cast.member("taro"))


def test_a_page_takes_the_same_few_queries_however_long_it_is(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        filing(cast, "completed")
    kiku = cast.member("kiku")
    with caplog.at_level(logging.DEBUG, "peewee"):
        rows = trail.with_documents(kiku, found(kiku))
        for entry, document in rows:
            assert entry.who_to(kiku) is not None
            assert document is None or document.receipt_number
            assert entry.office is None or entry.office.display_name
    assert len(rows) > 40
    queries = [one for one in caplog.records if one.name == "peewee"]
    assert len(queries) == 4  # the word, the numbers, the entries, the documents


# ── taking it away ──


def test_the_file_holds_what_the_list_shows_and_is_logged_first(cast: Cast) -> None:
    filing(cast, "completed")
    listed = found(cast.member("taro"), action="filing", q="太郎")
    rows = trail.export(cast.taro, Filters(action="filing", q="太郎", since=date(2020, 1, 1)))
    (logged,) = found(cast.member("taro"), action="audit")
    assert logged.details == {"entries": 2, "filters": {"action": "filing", "q": "太郎", "since": "2020-01-01"}}
    writes(cast.taro, "filing.cancelled")  # what comes later isn't in it
    assert [entry for entry, _ in rows] == listed


def test_the_record_of_it_names_a_person_by_login_id(cast: Cast) -> None:
    trail.export(cast.taro, Filters(member=cast.member("jun").uid))
    assert found(cast.member("taro"))[0].details["filters"] == {"member": "abcJun001"}


@pytest.mark.parametrize("name", ["jun", "hanako", "ume"])
def test_who_may_not_read_it_may_not_take_it_away(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        trail.export(getattr(cast, name), Filters())
    assert AuditEntry.select().order_by(AuditEntry.number.desc()).get().action == "permission.refused"


def test_more_than_a_file_takes_has_to_be_narrowed(cast: Cast) -> None:
    at = LONG_AGO.strftime("%Y-%m-%d %H:%M:%S.%f")
    columns = "action, subject, at, office_id, who, address, facts, hash"
    values = f"'logout.done', '', '{at}', {cast.abc.id}, '', '', '{{}}', ''"
    counter = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {trail.EXPORT_LARGEST + 1})"
    db.execute_sql(f"{counter} INSERT INTO audit_entry ({columns}) SELECT {values} FROM n")
    before = newest()
    with pytest.raises(Refused, match="100,001件.*期間を短く"):
        trail.export(cast.taro, Filters(until=date(2020, 12, 31)))
    assert newest() == before
    rows = trail.export(cast.taro, Filters(since=date(2021, 1, 1)))
    assert len(list(rows)) == newest() - 1 - trail.EXPORT_LARGEST - 1 - _hidden_from(cast.member("taro"))


def test_a_long_file_is_read_in_batches_without_a_gap(cast: Cast) -> None:
    start = utc_now()
    with db.atomic():
        for _ in range(trail.BATCH + 5):
            audit.record(Actor(cast.member("taro"), at=start), "password.changed")
    rows = trail.export(cast.taro, Filters())
    assert not db.in_transaction()
    numbers = [entry.number for entry, _ in rows if entry.action == "password.changed"]
    assert numbers == list(range(newest() - 1, newest() - 1 - (trail.BATCH + 5), -1))


def _hidden_from(member: Membership) -> int:
    """Entries of before that this person can't see."""
    return AuditEntry.select().where(AuditEntry.office.is_null() | (AuditEntry.office != member.office)).count()
