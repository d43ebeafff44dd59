"""An office whose 管理者 has gone: one clerk asks, another approves, and the successor waits for a letter."""

import pytest

from database import utc_now
from equipment import Handover
from exchange import (
    credentials,
    handovers,
    letters,
    people,
    permissions,
    places,
    progress,
)
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import Mail, Membership, Office
from papers import Letter
from tests.exchange.activating import slot
from tests.exchange.handing_over import MIDORI, REASON, admins, nominates, opens_emergency, second_clerk, told
from tests.exchange.logins import enrols, inside, is_alive, open_session
from tests.exchange.offices import admin_of, said
from tests.people import LOGIN_IDS, Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")


def test_two_clerks_replace_an_admin_who_has_gone(cast: Cast) -> None:
    ume = second_clerk(cast)
    token, _ = inside(cast, "taro")
    mine, _ = open_session(cast.member("jun"))
    handover = opens_emergency(cast)
    assert (admins(cast.abc), is_alive(token)) == ([LOGIN_IDS["taro"]], True)
    assert slot(cast.abc, 1).state == "active"
    handovers.approve(ume, handover)
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]
    assert (is_alive(token), is_alive(mine)) == (False, False)
    assert slot(cast.abc, 1).state != "active"
    assert [entry["slot"] for entry in said("device.stopped")] == [1]
    now = Handover.get_by_id(handover.id)
    assert (now.state, now.approved_by, now.asked_by) == ("done", cast.member("ume"), cast.member("kiku"))
    letter = Letter.get(Letter.batch == now.letters)
    assert (letter.office, letter.voided_at) == (cast.abc, None)
    assert REASON in letter.reason
    facts = {"kind": "emergency", "predecessor": LOGIN_IDS["taro"], "successor": LOGIN_IDS["jun"]}
    assert (said("handover.done"), said("handover.approved")) == ([facts], [{"successor": LOGIN_IDS["jun"]}])
    assert told("handover_done") == {"taro@abc-shoji.example": "predecessor", "jun@abc-shoji.example": "successor"}


def test_the_successor_comes_in_with_the_letter_alone(cast: Cast) -> None:
    enrols(cast.member("jun"))
    handovers.approve(second_clerk(cast), opens_emergency(cast))
    user = cast.member("jun").user
    assert (user.is_initial_password, user.has_totp, cast.abc.download_key_hash) == (True, False, None)
    assert not credentials.is_right(user.password_hash, cast.secrets("jun")["password"])


def test_the_letter_of_an_emergency_makes_him_the_admin_with_its_key(cast: Cast) -> None:
    handover = opens_emergency(cast, MIDORI)
    handovers.approve(second_clerk(cast), handover)
    secrets = letters.issue_secrets(cast.kiku, cast.abc)
    member = Membership.get(Membership.login_id == "abcMidori")
    assert credentials.is_right(member.user.password_hash, secrets.initial_password)
    assert credentials.is_right(cast.abc.download_key_hash, secrets.download_key)
    assert cast.abc not in list(letters.due())


def test_the_same_clerk_never_approves(cast: Cast) -> None:
    handover = opens_emergency(cast)
    with pytest.raises(Refused, match="始めた方は承認できません"):
        handovers.approve(cast.kiku, handover)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    assert list(handovers.waiting_for(cast.member("kiku"))) == []
    assert list(handovers.waiting_for(cast.member("ume"))) == [handover]


@pytest.mark.parametrize("name", ["taro", "jun", "ume", "dai"])
def test_only_who_holds_register_opens_approves_or_takes_back_an_emergency(cast: Cast, name: str) -> None:
    actor = getattr(cast, name)
    with pytest.raises(Forbidden):
        handovers.open_emergency(actor, cast.abc, cast.member("jun"), REASON)
    handover = opens_emergency(cast)
    permissions.assign(cast.kiku, cast.member("ume"), "register", False)
    for act in (handovers.approve, handovers.withdraw):
        with pytest.raises(Forbidden):
            act(actor, handover)
    assert Handover.get_by_id(handover.id).state == "open"


@pytest.mark.parametrize("name", ["kiku", "ume"])
def test_either_clerk_takes_an_emergency_back(cast: Cast, name: str) -> None:
    second_clerk(cast)
    handover = opens_emergency(cast, MIDORI)
    handovers.withdraw(getattr(cast, name), handover)
    assert Membership.get(Membership.login_id == "abcMidori").state == "ended"
    with pytest.raises(SomeoneWasFaster):
        handovers.approve(cast.ume, handover)
    assert said("device.replaced") == []


def test_the_other_clerks_are_told_and_so_is_the_admin(cast: Cast) -> None:
    second_clerk(cast)
    opens_emergency(cast)
    told_clerks = [mail.to_user for mail in Mail.select().where(Mail.kind == "handover_waiting")]
    assert told_clerks == [cast.member("ume").user]
    assert set(told("handover_asked").values()) == {"predecessor", "successor"}


def test_at_another_office_the_one_who_went_works_on(cast: Cast) -> None:
    taro = cast.member("taro")
    there = Membership.create(user=taro.user, office=cast.xyz, kind="staff", login_id="xyzTaro01", ready_at=utc_now())
    token, _ = open_session(there)
    handovers.approve(second_clerk(cast), opens_emergency(cast))
    assert (cast.member("taro").state, there.get_by_id(there.id).state) == ("ended", "active")
    assert is_alive(token)


def test_an_office_that_never_came_in_gets_another_admin(cast: Cast, qrs: Office) -> None:
    before = admin_of(qrs).membership
    handover = opens_emergency(cast, MIDORI, qrs)
    handovers.approve(second_clerk(cast), handover)
    assert admins(qrs) == ["abcMidori"]
    assert before is not None
    assert Membership.get_by_id(before.id).state == "ended"
    letters.issue_secrets(cast.kiku, qrs)
    member = Membership.get(Membership.login_id == "abcMidori")
    assert people.needs_office_setup(member)
    assert not progress.is_finished(qrs)


def test_a_successor_who_was_stopped_can_not_be_approved(cast: Cast) -> None:
    handover = opens_emergency(cast)
    places.suspend(command_line(), cast.member("jun"))
    with pytest.raises(Refused, match="取り下げて"):
        handovers.approve(second_clerk(cast), handover)
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_a_planned_one_needs_no_approval_and_blocks_an_emergency(cast: Cast) -> None:
    handover = nominates(cast).handover
    with pytest.raises(Refused, match="承認は要りません"):
        handovers.approve(second_clerk(cast), handover)
    with pytest.raises(SomeoneWasFaster, match="手続き中"):
        opens_emergency(cast)


@pytest.mark.parametrize("reason", ["", "　", "理" * 301])
def test_an_emergency_has_a_reason(cast: Cast, reason: str) -> None:
    with pytest.raises(Refused, match="理由を1～300文字"):
        handovers.open_emergency(cast.kiku, cast.abc, cast.member("jun"), reason)
