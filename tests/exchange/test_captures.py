"""Whoever is to be replaced in an emergency neither gets hold of his successor's account nor keeps him out."""

from collections.abc import Callable
from datetime import date

import pytest

from equipment import Handover
from exchange import accounts, credentials, handovers, onetime, permissions, places, possible
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from models import Mail, Membership, User
from tests.exchange.handing_over import MIDORI, admins, nominates, opens_emergency, second_clerk
from tests.exchange.logins import enrols
from tests.people import LOGIN_IDS, Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")

HIS_OWN = "taro@elsewhere.example"


@pytest.fixture(autouse=True)
def clerk(cast: Cast) -> Actor:
    """Ume, who may approve what Kiku asks for."""
    return second_clerk(cast)


def moves(actor: Actor, member: Membership) -> object:
    user = User.get_by_id(member.user_id)
    return accounts.change_profile(actor, member, user.name, user.kana, HIS_OWN)


def resets(actor: Actor, member: Membership) -> object:
    now = Membership.by_uid(member.uid)
    assert now is not None
    return accounts.reset_password(actor, now, accounts.seen(now))


def limits(actor: Actor, member: Membership) -> object:
    return places.limit(actor, member, date(2099, 3, 31), None)


ACTS: dict[str, Callable[[Actor, Membership], object]] = {
    "edit": moves,
    "reset": resets,
    "drop_totp": accounts.drop_totp,
    "suspend": places.suspend,
    "end": places.end,
    "limit": limits,
}


def account(member: Membership) -> tuple[object, ...]:
    now = Membership.get_by_id(member.id)
    user = now.user
    facts = user.password_hash, user.mail, user.pending_mail, user.name, user.has_totp
    return *facts, now.state, now.ends_on


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("who", ["jun", "newcomer"])
def test_the_admin_who_goes_does_nothing_to_his_successor(cast: Cast, act: str, who: str) -> None:
    handover = opens_emergency(cast, MIDORI if who == "newcomer" else None)
    enrols(handover.successor)
    before = account(handover.successor)
    with pytest.raises(Refused) as refused:
        ACTS[act](cast.taro, handover.successor)
    assert refused.value.message == possible.SUCCEEDS
    assert account(handover.successor) == before
    assert Handover.get_by_id(handover.id).state == "open"


@pytest.mark.parametrize("act", sorted(set(ACTS) - {"drop_totp"}))
def test_to_everybody_else_of_the_office_and_after_it_he_may(cast: Cast, act: str) -> None:
    handover = opens_emergency(cast, MIDORI)
    ACTS[act](cast.taro, cast.member("jun"))
    handovers.withdraw(cast.kiku, handover)
    assert possible.why_not(cast.taro, act, handover.successor) != possible.SUCCEEDS


def test_in_a_planned_one_the_admin_may_help_his_successor(cast: Cast) -> None:
    member = nominates(cast, MIDORI).handover.successor
    assert resets(cast.taro, member)


def test_the_funds_people_and_the_successor_himself_may(cast: Cast) -> None:
    handover = opens_emergency(cast)
    assert moves(Actor(cast.member("jun")), handover.successor) == ["mail"]
    assert resets(cast.kiku, handover.successor)


def test_an_address_that_was_asked_for_before_comes_to_nothing(cast: Cast, clerk: Actor) -> None:
    old = cast.member("jun").user.mail
    moves(cast.taro, cast.member("jun"))
    typed = onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code)
    handovers.approve(clerk, opens_emergency(cast))
    user = cast.member("jun").user
    assert (user.mail, user.pending_mail) == (old, None)
    with pytest.raises(SomeoneWasFaster):
        accounts.confirm_mail(Actor(cast.member("jun")), typed)


def test_a_newcomer_too_has_nothing_but_the_letter(cast: Cast, clerk: Actor) -> None:
    handover = opens_emergency(cast, MIDORI)
    known = resets(cast.kiku, handover.successor)
    enrols(handover.successor)
    handovers.approve(clerk, handover)
    user = User.get_by_id(handover.successor.user_id)
    assert not credentials.is_right(user.password_hash, str(known))
    assert (user.is_initial_password, user.has_totp, user.mail) == (True, False, MIDORI.mail)


# ── what the second clerk has read ──

CHANGES: dict[str, dict[str, str]] = {
    "name": {"name": "乙川　純一"},
    "kana": {"kana": "オツカワ　ジュンイチ"},
    "mail": {"mail": HIS_OWN},
    "pending": {"pending_mail": HIS_OWN},
}


@pytest.mark.parametrize("what", CHANGES)
def test_an_account_that_changed_since_the_clerk_read_it_is_not_approved(cast: Cast, clerk: Actor, what: str) -> None:
    handover = opens_emergency(cast)
    read = handovers.reviewed(handover)
    User.update(**CHANGES[what]).where(User.id == handover.successor.user_id).execute()
    with pytest.raises(SomeoneWasFaster) as refused:
        handovers.approve(clerk, handover, read)
    assert refused.value.message == handovers.REVIEWED_BEFORE
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]
    handovers.approve(clerk, handover, handovers.reviewed(handover))
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]


def test_an_approval_without_what_was_read_is_none(cast: Cast, clerk: Actor) -> None:
    handover = opens_emergency(cast)
    with pytest.raises(SomeoneWasFaster):
        handovers.approve(clerk, handover, "")
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_what_was_done_to_the_account_before_can_be_read(cast: Cast) -> None:
    moves(cast.taro, cast.member("jun"))
    resets(cast.taro, cast.member("jun"))
    newest, before, *_ = accounts.last_changes(cast.member("jun").user)
    assert (newest.action, before.action) == ("password.reset", "user.changed")
    assert [entry.who_to(cast.member("ume")) for entry in (newest, before)] == ["ABC商事 甲野　太郎（利用者A）"] * 2


def test_two_words_of_the_screen_stay_apart() -> None:
    assert set(possible.OF_THE_OFFICE) < permissions.ACTS
