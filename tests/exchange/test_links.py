"""A consultant asked to work for one more office: who can be asked, how often, and who answers."""

from datetime import timedelta

import pytest

from database import utc_now
from exchange import accounts, people, permissions, places
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany
from exchange.permissions import CONSULTANT_WORDS
from models import AuditEntry, Device, Mail, Membership, Office
from tests.exchange.logins import enrols
from tests.exchange.offices import admin_of, link, third_office
from tests.people import LOGIN_IDS, Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")

# ── who can be asked ──


def test_who_is_asked_has_nothing_there_before_the_answer(cast: Cast) -> None:
    asked = link(cast, admin_of(third_office()))
    assert (asked.state, asked.words(), permissions.held(Actor(asked))) == ("invited", {*CONSULTANT_WORDS}, frozenset())
    assert Membership.at_door(asked.office.contract_number, asked.login_id) is None
    assert asked.uid not in {place.uid for place in cast.member("hanako").user.places()}
    assert [one.uid for one in cast.member("hanako").user.invitations()] == [asked.uid]
    assert [mail.to_user for mail in Mail.select().where(Mail.kind == "invitation")] == [cast.member("hanako").user]


@pytest.mark.parametrize(
    ("contract", "login_id"),
    [
        ("0000000-00000000", "srHanako1"),
        ("abc", "nobody001"),
        ("abc", "srhanako1"),
        ("abc", "abcTaro01"),
        ("abc", "abcJun001"),
        ("abc", "kikinKiku"),
        ("qrs", "qrsSabu01"),
        ("", ""),
    ],
)
def test_one_answer_for_whoever_cannot_be_asked(cast: Cast, contract: str, login_id: str) -> None:
    qrs = third_office()
    number = {"abc": cast.abc.contract_number, "qrs": qrs.contract_number}.get(contract, contract)
    with pytest.raises(Refused) as refused:
        people.link(admin_of(qrs), number, login_id, "srHanako3", ())
    assert refused.value.message == people.UNKNOWN_CONSULTANT
    assert qrs.members().count() == 1


@pytest.mark.parametrize("what", ["ended_at", "disabled_at", "invited_at"])
def test_a_consultant_who_is_out_there_cannot_be_asked(cast: Cast, what: str) -> None:
    Membership.update({what: utc_now()}).where(Membership.login_id == LOGIN_IDS["hanako"]).execute()
    with pytest.raises(Refused) as refused:
        link(cast, admin_of(third_office()))
    assert refused.value.message == people.UNKNOWN_CONSULTANT


def test_nobody_is_asked_for_the_office_he_is_at_already(cast: Cast) -> None:
    with pytest.raises(Refused) as refused:
        link(cast, cast.taro)
    assert refused.value.message == people.UNKNOWN_CONSULTANT
    with pytest.raises(Refused, match="すでにこの事業所"):
        link(cast, cast.jiro)
    qrs = third_office()
    link(cast, admin_of(qrs))
    with pytest.raises(Refused, match="承諾を待って"):
        link(cast, admin_of(qrs), "srHanako4")
    assert Membership.select().where(Membership.office == qrs).count() == 2


def test_the_own_id_must_be_free(cast: Cast) -> None:
    qrs = third_office()
    with pytest.raises(Refused, match="すでに使われています"):
        link(cast, admin_of(qrs), "qrsSabu01")
    assert (qrs.members().count(), Mail.select().where(Mail.kind == "invitation").count()) == (1, 0)


@pytest.mark.parametrize("name", ["jun", "hanako", "hanako_at_xyz"])
def test_nobody_but_the_admin_asks(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        link(cast, getattr(cast, name))
    assert Mail.select().where(Mail.kind == "invitation").count() == 0


def test_a_word_that_a_consultant_cannot_hold_is_a_mistake_of_ours(cast: Cast) -> None:
    qrs = third_office()
    with pytest.raises(TypeError):
        link(cast, admin_of(qrs), words=("staff",))
    assert qrs.members().count() == 1


def test_twenty_tries_a_day_are_enough_for_one_office(cast: Cast) -> None:
    admin, start = admin_of(third_office()).membership, utc_now()
    for number in range(20):
        with pytest.raises(Refused, match="見つかりません"):
            people.link(Actor(admin, at=start), cast.abc.contract_number, f"nobody{number:04}", "srHanako3", ())
    with pytest.raises(TooMany):
        link(cast, Actor(admin, at=start))
    with pytest.raises(Refused, match="すでにこの事業所"):
        link(cast, Actor(cast.member("jiro"), at=start))
    assert link(cast, Actor(admin, at=start + timedelta(days=1, seconds=1))).state == "invited"


# ── how many users ──


def test_a_consultant_with_a_device_elsewhere_needs_none_here(cast: Cast) -> None:
    qrs = third_office()
    assert people.why_no_addition(qrs)
    assert link(cast, admin_of(qrs)).state == "invited"


@pytest.mark.parametrize("what", ["no device", "closed"])
def test_a_consultant_without_one_needs_one_here(cast: Cast, what: str) -> None:
    """Hanako is at ABC商事 only, whose devices are stopped, or whose contract is over."""
    qrs = third_office()
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    if what == "no device":
        Device.update(state="stopped").where(Device.office == cast.abc).execute()
        with pytest.raises(Refused, match="端末の台数"):
            link(cast, admin_of(qrs))
    else:
        Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
        assert people.why_no_addition(qrs, cast.member("hanako").user)
        with pytest.raises(Refused):
            link(cast, admin_of(qrs))
    assert qrs.members().count() == 1


def test_who_is_asked_counts_from_the_question_on(cast: Cast) -> None:
    qrs = third_office()
    Device.create(office=qrs, slot=2, state="active")
    link(cast, admin_of(qrs))
    Device.update(state="stopped").where(Device.office << [cast.abc, cast.xyz]).execute()
    facts = ("丁田　新", "チョウダ　シン", "shin@qrs-bussan.example")
    with pytest.raises(Refused, match="端末の台数"):
        people.add_member(admin_of(qrs), qrs, "staff", "qrsShin01", *facts, ())
    assert qrs.members().count() == 2


# ── the answer ──


@pytest.mark.parametrize("name", ["taro", "jun", "jiro", "kiku", "dai"])
def test_nobody_but_who_was_asked_answers(cast: Cast, name: str) -> None:
    asked = link(cast, admin_of(third_office()))
    for accepts in (True, False):
        with pytest.raises(Forbidden):
            people.answer(getattr(cast, name), asked, accepts)
    assert Membership.get_by_id(asked.id).state == "invited"


def test_the_place_that_is_asked_for_cannot_answer_for_itself(cast: Cast) -> None:
    asked = link(cast, admin_of(third_office()))
    with pytest.raises(Forbidden):
        people.answer(Actor(asked), asked, accepts=True)
    assert Membership.get_by_id(asked.id).state == "invited"


def test_an_acceptance_from_any_place_of_the_person_counts_and_the_admin_is_told(cast: Cast) -> None:
    asked = link(cast, admin_of(third_office()))
    people.answer(cast.hanako_at_xyz, asked, accepts=True)
    member = Membership.get_by_id(asked.id)
    assert (member.state, permissions.held(Actor(member))) == ("active", set(CONSULTANT_WORDS))
    mail = Mail.get(Mail.kind == "invitation_answered")
    assert (mail.to_user.mail, mail.facts) == (
        "saburo@qrs-bussan.example",
        {"login_id": "srHanako3", "answer": "accepted"},
    )
    wanted = ("member.invited", "member.accepted")
    assert [row.action for row in AuditEntry.select().where(AuditEntry.subject == asked.uid)] == [*wanted]


def test_a_refusal_ends_the_place_and_one_can_be_asked_again(cast: Cast) -> None:
    qrs = third_office()
    asked = link(cast, admin_of(qrs))
    people.answer(cast.hanako, asked, accepts=False)
    assert Membership.get_by_id(asked.id).state == "ended"
    assert link(cast, admin_of(qrs), "srHanako4").state == "invited"


@pytest.mark.parametrize("first", [True, False])
def test_an_answer_is_given_once(cast: Cast, first: bool) -> None:
    asked = link(cast, admin_of(third_office()))
    people.answer(cast.hanako, asked, first)
    for accepts in (True, False):
        with pytest.raises(SomeoneWasFaster):
            people.answer(cast.hanako, asked, accepts)
    assert Membership.get_by_id(asked.id).state == ("active" if first else "ended")


def test_a_wish_that_was_withdrawn_cannot_be_accepted(cast: Cast) -> None:
    qrs = third_office()
    asked = link(cast, admin_of(qrs))
    places.end(admin_of(qrs), asked)
    with pytest.raises(SomeoneWasFaster, match="取り下げ"):
        people.answer(cast.hanako, asked, accepts=True)
    assert Membership.get_by_id(asked.id).state == "ended"


# ── an account in another's hands ──


@pytest.mark.parametrize("what", ["password", "address", "authenticator"])
def test_an_office_that_takes_the_account_in_hand_does_not_get_the_wish_with_it(cast: Cast, what: str) -> None:
    """Otherwise the admin of ABC商事 could answer it, and read what QRS物産 shows to its consultant."""
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    enrols(cast.member("hanako"))
    qrs = third_office()
    asked, member = link(cast, admin_of(qrs)), cast.member("hanako")
    if what == "password":
        accounts.reset_password(cast.taro, member, accounts.seen(member))
    elif what == "address":
        accounts.change_profile(cast.taro, member, member.user.name, member.user.kana, "other@abc-shoji.example")
    else:
        accounts.drop_totp(cast.taro, member)
    with pytest.raises(SomeoneWasFaster):
        people.answer(cast.hanako, asked, accepts=True)
    assert Membership.get_by_id(asked.id).state == "ended"
    assert Mail.get(Mail.kind == "invitation_answered").to_user == admin_of(qrs).membership.user


def test_a_mere_wish_does_not_keep_the_admin_from_helping(cast: Cast) -> None:
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    link(cast, admin_of(third_office()))
    member = cast.member("hanako")
    assert accounts.reset_password(cast.taro, member, accounts.seen(member))


def test_what_the_person_or_the_fund_changes_leaves_the_wish_open(cast: Cast) -> None:
    asked, member = link(cast, admin_of(third_office())), cast.member("hanako")
    accounts.change_profile(cast.hanako, member, member.user.name, member.user.kana, "other@sr-office.example")
    accounts.reset_password(cast.kiku, member, accounts.seen(cast.member("hanako")))
    people.answer(cast.hanako, asked, accepts=True)
    assert Membership.get_by_id(asked.id).state == "active"
