"""引継ぎ by the 管理者: he goes when the successor's PC is activated, and nothing he has in hand works any more."""

from datetime import timedelta

import pytest

from database import today, utc_now
from equipment import ActivationRequest, Handover, Installer
from exchange import (
    accounts,
    activations,
    contracts,
    credentials,
    handovers,
    letters,
    onetime,
    people,
    permissions,
    places,
    progress,
    sessions,
)
from exchange.actors import Actor, command_line, system
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from exchange.permissions import ALL_WORDS
from models import Device, LoginSession, Mail, Membership, Office, OneTimePassword, User
from tests.exchange.activating import sends, slot
from tests.exchange.codes import Pc, built
from tests.exchange.counters import opens, with_key
from tests.exchange.handing_over import MIDORI, REASON, activates, admins, last, nominates, told
from tests.exchange.logins import code_for, inside, is_alive, open_session, types_code, visitor
from tests.exchange.offices import said
from tests.people import LOGIN_IDS, Cast
from tests.tunnels import standing_in

pytestmark = pytest.mark.usefixtures("empty_outbox")


def test_the_admin_gives_way_when_the_successors_pc_is_activated(cast: Cast) -> None:
    handover = nominates(cast).handover
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    activates(cast)
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]
    assert cast.member("taro").state == "ended"
    assert cast.member("jun").words() == set(ALL_WORDS)
    assert Handover.get_by_id(handover.id).state == "done"
    facts = {"kind": "planned", "predecessor": LOGIN_IDS["taro"], "successor": LOGIN_IDS["jun"]}
    assert said("handover.asked") == [{**facts, "reason": ""}]
    assert said("handover.done") == [facts]
    assert [entry["login_id"] for entry in said("member.ended")] == [LOGIN_IDS["taro"]]
    assert told("handover_done") == {
        "taro@abc-shoji.example": "predecessor",
        "jun@abc-shoji.example": "successor",
    }


def test_nothing_that_the_predecessor_has_in_hand_opens_the_office_any_more(cast: Cast) -> None:
    office = with_key(cast.abc, "KeyKey23")
    token, session = inside(cast, "taro")
    later = visitor(minutes=2)
    typed, password = code_for(cast, "taro", later), cast.secrets("taro")["password"]
    visit = opens(office, f"{today():%Y%m}KeyKey23", utc_now())
    nominates(cast)
    assert is_alive(token)
    activates(cast)
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")
    with pytest.raises(Refused, match="組み合わせ"):
        types_code(cast.member("taro"), typed, later)
    with pytest.raises(Refused):
        sessions.pass_password(visitor(), session, LOGIN_IDS["taro"], password)
    assert onetime.ask(visitor(minutes=5), office.contract_number, LOGIN_IDS["taro"], "").number
    assert last("code.requested").details["is_sent"] is False
    with pytest.raises(Refused, match="契約番号またはダウンロードパスワード"):
        opens(office, f"{today():%Y%m}KeyKey23", utc_now())
    assert visit.get_by_id(visit.id).ended_at is not None
    assert cast.abc.download_key_hash is None


def test_the_sessions_of_the_old_pc_are_over_and_the_successor_goes_on(cast: Cast) -> None:
    nominates(cast)
    old, session = open_session(cast.member("hanako"))
    LoginSession.update(device=slot(cast.abc, 1)).where(LoginSession.id == session.id).execute()
    mine, _ = open_session(cast.member("jun"))
    activates(cast)
    assert (is_alive(old), is_alive(mine)) == (False, True)
    assert permissions.acts(Actor(cast.member("jun")), cast.member("hanako")) == permissions.ACTS


def test_until_then_a_pc_with_the_old_installer_changes_nothing(cast: Cast) -> None:
    old = built(cast.abc, 1)
    handover = nominates(cast).handover
    with pytest.raises(Refused):
        activates(cast, old)
    activates(cast, built(cast.abc, 2))
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    assert Handover.get_by_id(handover.id).state == "open"


def test_a_confirmation_code_from_before_ends_with_the_nomination(cast: Cast) -> None:
    request = sends(built(cast.abc, 1), Pc())
    nominates(cast)
    with pytest.raises(SomeoneWasFaster):
        activations.accept(cast.dai, request)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_the_old_pc_works_on_until_the_new_one_does(cast: Cast) -> None:
    assert slot(cast.abc, 1).state == "active"
    nominates(cast)
    assert slot(cast.abc, 1).state == "active"
    assert said("device.replaced") == [{"slot": 1, "reason": handovers.RENEWED}]


def test_a_new_person_comes_without_words_and_needs_no_pc_more(cast: Cast) -> None:
    Device.update(state="vacant").where(Device.office == cast.abc, Device.slot > 1).execute()
    assert people.why_no_addition(cast.abc) is not None
    nomination = nominates(cast, MIDORI)
    assert nomination.newcomer is not None
    member = nomination.newcomer.membership
    assert (member.kind, member.words(), member.user.is_initial_password) == ("staff", frozenset(), True)
    assert credentials.is_right(member.user.password_hash, nomination.newcomer.password)
    activates(cast)
    assert admins(cast.abc) == ["abcMidori"]


def test_whoever_is_to_come_takes_nobody_elses_place(cast: Cast) -> None:
    devices_ = Device.select().where(Device.office == cast.abc, Device.state == "active").count()
    places.end(cast.taro, cast.member("jun"))
    assert people.why_no_addition(cast.abc) is None, devices_
    nominates(cast, MIDORI)
    assert people.why_no_addition(cast.abc) is None


def test_no_letter_is_due_for_an_admin_who_came_with_a_sheet(cast: Cast) -> None:
    nominates(cast, MIDORI)
    activates(cast)
    assert cast.abc.download_key_hash is None
    assert cast.abc not in list(letters.due())
    assert progress.is_finished(cast.abc)
    assert progress.of(cast.abc, utc_now()).now is None
    Office.update(secrets_issued_at=utc_now()).execute()
    batch = contracts.reissue(cast.kiku, cast.abc, REASON)
    letters.give_up(cast.kiku, batch)
    assert cast.abc in list(letters.due()), "after a letter was ordered, he waits for one"


def test_a_new_admin_whose_sheet_is_too_old_gets_another_from_the_fund(cast: Cast) -> None:
    nomination = nominates(cast, MIDORI)
    activates(cast)
    assert nomination.newcomer is not None
    member = Membership.by_uid(nomination.newcomer.membership.uid)
    assert member is not None
    old = utc_now() - credentials.INITIAL_PASSWORD_LIFE - timedelta(days=1)
    User.update(password_set_at=old).where(User.id == member.user_id).execute()
    assert "基金事務局" in sessions.INITIAL_LAPSED
    assert accounts.reset_password(cast.kiku, member, accounts.seen(member))


def test_the_last_day_of_a_successor_does_not_end_the_admin(cast: Cast) -> None:
    places.limit(cast.taro, cast.member("jun"), today() + timedelta(days=1), None)
    nominates(cast)
    activates(cast)
    places.end_over(utc_now() + timedelta(days=9))
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]
    assert last("member.limited").details["after"] == ""


def test_only_people_of_the_office_with_a_password_of_their_own_can_be_nominated(cast: Cast) -> None:
    for name, why in (("hanako", "社労士"), ("jiro", "担当者を選んで"), ("taro", "担当者を選んで"), ("kiku", "担当者")):
        with pytest.raises(Refused, match=why):
            nominates(cast, cast.member(name))
    places.suspend(cast.taro, cast.member("jun"))
    with pytest.raises(Refused, match="利用できる状態ではない"):
        nominates(cast)
    places.resume(cast.taro, cast.member("jun"))
    accounts.reset_password(cast.taro, cast.member("jun"), accounts.seen(cast.member("jun")))
    with pytest.raises(Refused, match="まだ一度もログイン"):
        nominates(cast)
    assert handovers.candidates(cast.abc) == []
    assert Handover.select().count() == 0


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "dai"])
def test_nobody_but_the_admin_nominates(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        handovers.nominate(getattr(cast, name), cast.abc, cast.member("jun"))
    assert Handover.select().count() == 0


def test_one_at_a_time_and_no_form_twice(cast: Cast) -> None:
    before = handovers.seen(cast.abc)
    handover = handovers.nominate(cast.taro, cast.abc, MIDORI, before).handover
    with pytest.raises(SomeoneWasFaster, match="手続き中"):
        handovers.nominate(cast.taro, cast.abc, cast.member("jun"), before)
    handovers.withdraw(cast.taro, handover)
    with pytest.raises(SomeoneWasFaster, match="画面を開き直して"):
        handovers.nominate(cast.taro, cast.abc, cast.member("jun"), before)


# ── which comes to nothing ──


@pytest.mark.parametrize("name", ["taro", "kiku"])
def test_the_admin_or_the_fund_takes_it_back(cast: Cast, name: str) -> None:
    nomination = nominates(cast, MIDORI)
    assert nomination.newcomer is not None
    handed = built(cast.abc, 1)
    handovers.withdraw(getattr(cast, name), nomination.handover)
    assert Membership.get_by_id(nomination.newcomer.membership.id).state == "ended", "the place was made for it"
    with pytest.raises(Refused):
        activates(cast, handed)
    activates(cast)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    assert said("handover.withdrawn") == [{"successor": "abcMidori", "why": "withdrawn"}]
    assert set(told("handover_withdrawn").values()) == {"predecessor", "successor"}
    with pytest.raises(SomeoneWasFaster):
        handovers.withdraw(getattr(cast, name), nomination.handover)


@pytest.mark.parametrize("name", ["jun", "jiro", "ume", "dai"])
def test_nobody_else_takes_it_back(cast: Cast, name: str) -> None:
    handover = nominates(cast).handover
    with pytest.raises(Forbidden):
        handovers.withdraw(getattr(cast, name), handover)
    assert Handover.get_by_id(handover.id).state == "open"


def test_ending_the_successor_takes_it_back(cast: Cast) -> None:
    handover = nominates(cast).handover
    places.end(cast.taro, cast.member("jun"))
    assert Handover.get_by_id(handover.id).state == "withdrawn"
    activates(cast)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_a_successor_whose_last_day_is_over_is_one_no_more(cast: Cast) -> None:
    handover = nominates(cast).handover
    places.limit(cast.taro, cast.member("jun"), today(), None)
    places.end_over(utc_now() + timedelta(days=2))
    assert Handover.get_by_id(handover.id).state == "withdrawn"


def test_a_pc_of_somebody_who_was_stopped_leaves_the_admin_and_his_pc_where_they_are(cast: Cast) -> None:
    activations.accept(cast.dai, sends(built(cast.abc, 1), Pc(computer="TARO-PC")))
    handover, new = nominates(cast).handover, built(cast.abc, 1, "active")
    places.suspend(cast.taro, cast.member("jun"))
    request = sends(new, Pc())
    with pytest.raises(Refused, match="いま管理者になれない状態です"):
        activations.accept(cast.dai, request)
    assert (admins(cast.abc), slot(cast.abc, 1).state) == ([LOGIN_IDS["taro"]], "active")
    (bound,) = Installer.bound().where(Installer.device == slot(cast.abc, 1))
    assert bound.computer_name == "TARO-PC"
    places.resume(cast.taro, cast.member("jun"))
    activations.accept(cast.dai, request)
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]
    assert Handover.get_by_id(handover.id).state == "done"


def test_who_is_stopped_while_the_vpn_server_takes_its_time_does_not_put_the_admins_pc_out(cast: Cast) -> None:
    activations.accept(cast.dai, sends(built(cast.abc, 1), Pc(computer="TARO-PC")))
    nominates(cast)
    with standing_in():
        request = sends(built(cast.abc, 1, "active"), Pc())
        activations.accept(cast.dai, request)
        places.suspend(cast.taro, cast.member("jun"))
        activations.settle(system(), slot(cast.abc, 1).id)
    now = ActivationRequest.get_by_id(request.id)
    assert (now.state, "後任に指名された方が" in now.reason) == ("returned", True)
    assert (admins(cast.abc), slot(cast.abc, 1).state) == ([LOGIN_IDS["taro"]], "active")
    assert [one.computer_name for one in Installer.bound()] == ["TARO-PC"]
    (mail,) = Mail.select().where(Mail.kind == "device_returned")
    assert mail.to_address == "taro@abc-shoji.example"


def test_an_address_the_predecessor_asked_for_does_not_outlive_the_change(cast: Cast) -> None:
    jun = cast.member("jun")
    accounts.change_profile(cast.taro, jun, jun.user.name, jun.user.kana, "taro@elsewhere.example")
    code = Mail.get(Mail.kind == "mail_confirmation").code
    nominates(cast)
    activates(cast)
    user = cast.member("jun").user
    assert (user.mail, user.pending_mail) == (jun.user.mail, None)
    assert OneTimePassword.get_by_id(code.id).counter == 1
    mails = Mail.select().where(Mail.kind == "account_changed")
    said_there = [line["what"] for mail in mails for line in mail.facts["lines"]]
    assert "確認待ちだったメールアドレスの変更の取り消し" in said_there


def test_the_end_of_the_contract_ends_it_too(cast: Cast) -> None:
    nomination = nominates(cast, MIDORI)
    before = contracts.under_way_seen(contracts.under_way(cast.abc))
    contracts.close(command_line(), cast.abc, REASON, before, True)
    assert Handover.get_by_id(nomination.handover.id).state == "withdrawn"
    assert Mail.select().where(Mail.kind == "handover_withdrawn").count() == 0


def test_nobody_else_can_end_or_stop_the_admin_meanwhile(cast: Cast) -> None:
    nominates(cast)
    for act in (places.end, places.suspend):
        with pytest.raises(Refused):
            act(command_line(), cast.member("taro"))
    assert cast.member("taro").state == "active"
