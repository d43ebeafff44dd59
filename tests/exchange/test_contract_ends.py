"""A new letter voids what the old one and its reader had in hand; the end of a contract shuts every door at once."""

import pytest
from flask import Flask

from database import utc_now
from exchange import (
    accounts,
    audit,
    calendar,
    contracts,
    credentials,
    letters,
    onetime,
    people,
    permissions,
    sessions,
    transfers,
    visits,
)
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Device, Grant, LoginSession, Mail, Membership, Office, OneTimePassword, Transfer, User
from papers import Letter, LetterBatch
from tests.exchange import offices
from tests.exchange.logins import asked_code, code_for, enrols, is_alive, open_session, second_step, types_code, visitor
from tests.exchange.test_contracts import REASON, VERBS, closes, last, visit_to
from tests.people import Cast, filing, inspect, run_jobs, state, statement, told, uploads

# ── a new letter ──


def printed(cast: Cast, batch: LetterBatch) -> None:
    """The letters are made, and the clerk has confirmed the print."""
    made = LetterBatch.get_by_id(batch.id)
    assert made.state == "ready"
    letters.pdf(cast.kiku, made)
    letters.confirm(cast.kiku, LetterBatch.get_by_id(batch.id), calendar.day(utc_now()))


def test_a_new_letter_ends_whatever_the_admin_has_in_hand(app: Flask, cast: Cast) -> None:
    taro, jun = cast.member("taro"), cast.member("jun")
    token, _ = open_session(taro)
    other, _ = open_session(jun)
    code = code_for(cast, "taro", visitor())
    key_before, visit = cast.made["offices"][0]["download_key"], visit_to(cast.abc)
    batch = contracts.reissue(cast.kiku, cast.abc, REASON)
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("password")
    assert is_alive(other)
    with pytest.raises(Refused):
        types_code(taro, code)
    assert not credentials.is_right(cast.member("taro").user.password_hash, cast.secrets("taro")["password"])
    assert not credentials.is_right(cast.abc.download_key_hash, key_before)
    assert visits.find(visit, "download", utc_now()) is None
    run_jobs(app)
    assert not credentials.is_right(cast.abc.download_key_hash, key_before)
    assert cast.abc.download_key_hash is not None
    printed(cast, batch)
    assert people.needs_registration(cast.member("taro"))
    assert cast.abc.current_archive_password() is not None


def test_authenticator_and_recovery_codes_are_gone(cast: Cast) -> None:
    taro = cast.member("taro")
    enrols(taro)
    contracts.reissue(cast.kiku, cast.abc, REASON)
    user = cast.member("taro").user
    assert (user.has_totp, user.recovery_codes_left) == (False, 0)
    assert last("totp.dropped") is not None


def test_the_admin_reads_of_it_at_the_old_address(app: Flask, cast: Cast) -> None:
    taro = cast.member("taro")
    User.update(pending_mail="new@abc-shoji.example").where(User.id == taro.user_id).execute()
    contracts.reissue(cast.kiku, cast.abc, REASON)
    about = [mail for mail in Mail.select().where(Mail.to_user == taro.user) if "初期" in str(mail.facts)]
    assert about[0].facts["lines"][0]["what"] == "お知らせの再発行（前の書面のキーとパスワードは使えません）"
    to = {mail.to_address for mail in about}
    assert to == {"taro@abc-shoji.example"}
    assert cast.member("taro").user.mail == "new@abc-shoji.example"


def test_the_reason_stands_in_the_audit_and_on_the_letter(cast: Cast) -> None:
    batch = contracts.reissue(cast.kiku, cast.abc, REASON)
    entry = last("letter.reissued")
    assert entry is not None
    assert (entry.subject, entry.details) == (cast.abc.uid, {"login_id": "abcTaro01", "reason": REASON})
    letter = Letter.get(Letter.batch == batch)
    assert (letter.office, letter.is_reissue, letter.reason) == (cast.abc, True, REASON)


def test_a_letter_for_an_admin_who_never_came_is_reissued_too(app: Flask, cast: Cast) -> None:
    initial = cast.secrets("jiro")["password"]
    contracts.reissue(cast.kiku, cast.xyz, REASON)
    assert not credentials.is_right(cast.member("jiro").user.password_hash, initial)
    run_jobs(app)
    assert not credentials.is_right(cast.member("jiro").user.password_hash, initial)


def test_a_form_sent_twice_makes_one_letter(app: Flask, cast: Cast) -> None:
    shown = contracts.reissue_now(cast.abc).before
    batch = contracts.reissue(cast.kiku, cast.abc, REASON, shown)
    with pytest.raises(Refused):
        contracts.reissue(cast.kiku, cast.abc, REASON, shown)
    run_jobs(app)
    printed(cast, batch)
    with pytest.raises(SomeoneWasFaster):
        contracts.reissue(cast.kiku, cast.abc, REASON, shown)
    assert Letter.select().count() == 1


def test_while_a_letter_waits_for_its_print_there_is_no_other(app: Flask, cast: Cast) -> None:
    contracts.reissue(cast.kiku, cast.abc, REASON)
    run_jobs(app)
    hashed = cast.abc.download_key_hash
    with pytest.raises(Refused, match="印刷の確認"):
        contracts.reissue(cast.kiku, cast.abc, REASON)
    assert cast.abc.download_key_hash == hashed


def test_an_office_without_a_first_letter_gets_no_second(cast: Cast) -> None:
    third = offices.third_office()
    with pytest.raises(Refused, match="まだ一度も"):
        contracts.reissue(cast.kiku, third, REASON)


def test_a_refused_reissue_leaves_the_admin_as_he_was(cast: Cast) -> None:
    token, _ = open_session(cast.member("taro"))
    with pytest.raises(SomeoneWasFaster):
        contracts.reissue(cast.kiku, cast.abc, REASON, "an older form")
    assert is_alive(token)
    assert credentials.is_right(cast.member("taro").user.password_hash, cast.secrets("taro")["password"])
    assert LetterBatch.select().count() == 0


# ── the end of a contract ──


def test_closing_ends_every_session_at_once(cast: Cast) -> None:
    tokens = [open_session(cast.member(name))[0] for name in ("taro", "jun", "hanako")]
    elsewhere, _ = open_session(cast.member("hanako_at_xyz"))
    closes(cast.kiku, cast.abc)
    assert [sessions.resume(token, "in", utc_now()) for token in tokens] == [sessions.Ended("ended")] * 3
    assert is_alive(elsewhere)


def test_closing_ends_a_half_finished_login(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    closes(cast.kiku, cast.abc)
    assert LoginSession.get_by_id(passed.id).ended_at is not None


def test_closing_voids_one_time_passwords_at_once(cast: Cast) -> None:
    code = asked_code(cast.member("jun"), visitor())
    closes(cast.kiku, cast.abc)
    assert OneTimePassword.get_by_id(code.id).counter == 1
    with pytest.raises(Refused):
        types_code(cast.member("jun"), onetime.code_of(code))


def test_closing_ends_a_visit_to_the_counter_and_the_key(cast: Cast) -> None:
    visit = visit_to(cast.abc)
    closes(cast.kiku, cast.abc)
    assert visits.find(visit, "download", utc_now()) is None
    assert cast.abc.download_key_hash is None
    Office.update(closed_at=None).where(Office.id == cast.abc.id).execute()
    assert visits.find(visit, "download", utc_now()) is None  # it is the visit that is over, not the office alone


def test_closing_voids_the_letters(app: Flask, cast: Cast) -> None:
    batch = contracts.reissue(cast.kiku, cast.abc, REASON)
    run_jobs(app)
    printed(cast, batch)
    closes(cast.kiku, cast.abc)
    assert Letter.get(Letter.batch == batch).voided_at is not None


def test_closing_stops_the_devices(cast: Cast) -> None:
    closes(cast.kiku, cast.abc)
    assert {one.state for one in cast.abc.devices} == {"stopped"}
    stopped = AuditEntry.select().where(AuditEntry.action == "device.stopped")
    assert [entry.details["slot"] for entry in stopped] == [1, 2, 3]


def test_closing_withdraws_what_waits_for_an_answer(cast: Cast) -> None:
    third = offices.third_office()
    waiting = offices.link(cast, offices.admin_of(third))
    closes(cast.kiku, third)
    assert Membership.get_by_id(waiting.id).ended_at is not None
    assert list(cast.member("hanako").user.invitations()) == []
    entry = last("member.withdrawn")
    assert entry is not None
    assert entry.details["cause"] == "office"


def test_nobody_of_the_office_comes_in_or_acts_any_more(cast: Cast) -> None:
    stale = cast.taro
    transfer = filing(cast, "uploaded")
    closes(cast.kiku, cast.abc, despite=True)
    assert Membership.at_door(cast.abc.contract_number, "abcTaro01") is None
    assert permissions.held(cast.taro) == frozenset()
    with pytest.raises(Forbidden):
        transfers.approve(Actor(Membership.by_uid(stale.membership.uid)), transfer)


def test_the_consultant_still_works_for_the_other_office(cast: Cast) -> None:
    closes(cast.kiku, cast.abc)
    assert [place.office for place in cast.member("hanako").user.places()] == [cast.xyz]


def test_delivered_filings_stay_with_the_fund(cast: Cast) -> None:
    delivered = filing(cast, "delivered")
    closes(cast.kiku, cast.abc, despite=True)
    transfers.receive(cast.kiku, Transfer.get_by_id(delivered.id))
    assert state(delivered) == "received"
    assert Transfer.known_to(cast.member("kiku"), delivered.uid) is not None


def test_the_last_mail_tells_of_the_end_and_no_other_follows(app: Flask, cast: Cast) -> None:
    delivered = filing(cast, "delivered")
    told(app)
    closes(cast.kiku, cast.abc, despite=True)
    lines = Mail.get(Mail.kind == "account_changed", Mail.to_user == cast.member("jun").user).facts["lines"]
    assert lines[-1]["what"] == "事業所の契約の終了による、利用の終了"
    before = Mail.select().count()
    transfers.receive(cast.kiku, Transfer.get_by_id(delivered.id))
    assert Mail.select().count() == before


def test_documents_under_way_are_listed_and_left_only_by_decision(cast: Cast) -> None:
    open_ones = [filing(cast, one) for one in ("uploaded", "approved", "delivered", "received")]
    open_ones += [statement(cast, one) for one in ("uploaded", "approved", "delivered")]
    for one in ("completed", "rejected", "returned", "cancelled"):
        filing(cast, one)
    assert contracts.under_way(cast.abc) == open_ones
    with pytest.raises(Refused, match="途中の届書・帳票"):
        closes(cast.kiku, cast.abc)
    assert not cast.abc.is_closed
    closes(cast.kiku, cast.abc, despite=True)
    assert cast.abc.is_closed
    assert {state(one) for one in open_ones} == {"uploaded", "approved", "delivered", "received"}


def test_the_tick_stands_for_the_list_that_was_shown(cast: Cast) -> None:
    filing(cast, "uploaded")
    shown = contracts.under_way_seen(contracts.under_way(cast.abc))
    inspect(uploads(cast.hanako, b"another"))
    with pytest.raises(SomeoneWasFaster, match="変わっています"):
        contracts.close(cast.kiku, cast.abc, REASON, shown, despite_transfers=True)
    assert not cast.abc.is_closed


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_changed_about_a_contract_that_is_over(cast: Cast, verb: str) -> None:
    stale = cast.abc
    closes(cast.kiku, cast.abc)
    entries = AuditEntry.select().count()
    with pytest.raises(SomeoneWasFaster, match="すでに終了"):
        VERBS[verb](cast.kiku, stale)
    assert AuditEntry.select().count() == entries


def test_nothing_is_deleted(cast: Cast) -> None:
    tables = (Membership, Grant, User, Transfer, Device, OneTimePassword, LoginSession)
    filing(cast, "delivered")
    asked_code(cast.member("jun"), visitor())
    before = [row.select().count() for row in tables]
    closes(cast.kiku, cast.abc, despite=True)
    assert [row.select().count() for row in tables] == before
    assert audit.verify().is_sound


def test_an_office_without_an_admin_is_closed_like_any_other(cast: Cast) -> None:
    Membership.update(ended_at=utc_now()).where(Membership.id == cast.member("jiro").id).execute()
    closes(cast.kiku, cast.xyz)
    assert cast.xyz.is_closed
    assert cast.xyz.download_key_hash is None


def test_the_people_can_not_be_reached_any_more(cast: Cast) -> None:
    closes(cast.kiku, cast.abc)
    assert permissions.acts(cast.kiku, cast.member("taro")) == frozenset()
    with pytest.raises(Forbidden):
        accounts.reset_password(cast.kiku, cast.member("jun"), accounts.seen(cast.member("jun")))


def test_a_code_asked_for_after_the_end_reaches_nobody(app: Flask, cast: Cast) -> None:
    closes(cast.kiku, cast.abc)
    onetime.ask(visitor(), cast.abc.contract_number, "abcJun001", "browser")
    assert not told(app, "ワンタイムパスワード")


def test_a_device_that_waits_for_its_activation_is_stopped_too(cast: Cast) -> None:
    device = cast.xyz.devices.where(Device.slot == 2).get()
    Device.update(state="requested").where(Device.id == device.id).execute()
    closes(cast.kiku, cast.xyz)
    assert Device.get_by_id(device.id).stopped_at is not None
