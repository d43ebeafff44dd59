"""Who works where: states, words and history as lists show them."""

from datetime import timedelta

import pytest

from database import db, utc_now
from exchange import credentials, letters, people, permissions, places, roster, throttle
from exchange.actors import Actor
from exchange.permissions import CONSULTANT_WORDS
from models import Membership, User
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("app")


def state_of(cast: Cast, name: str) -> str:
    return roster.person(cast.member(name), utc_now()).state


def initial_since(cast: Cast, name: str, age: timedelta) -> None:
    user = cast.member(name).user
    User.update(is_initial_password=True, password_set_at=utc_now() - age).where(User.id == user.id).execute()


def test_the_admin_stands_first_and_everybody_with_their_words(cast: Cast) -> None:
    found = roster.people(cast.abc, utc_now())
    assert [person.member.login_id for person in found] == ["abcTaro01", "abcJun001", "srHanako1"]
    assert [len(person.words) for person in found] == [7, 7, 5]
    assert found[2].words == set(CONSULTANT_WORDS)


def test_the_fund_has_a_list_of_its_own(cast: Cast) -> None:
    found = {person.member.login_id for person in roster.people(None, utc_now())}
    assert found == {"kikinKiku", "kikinUme1", "deskDai01"}


def test_an_initial_password_is_fresh_for_thirty_days(cast: Cast) -> None:
    initial_since(cast, "jun", timedelta(0))
    assert state_of(cast, "jun") == "fresh"
    initial_since(cast, "jun", credentials.INITIAL_PASSWORD_LIFE + timedelta(seconds=1))
    assert state_of(cast, "jun") == "lapsed"


def test_an_admin_without_a_letter_is_not_called_late(cast: Cast) -> None:
    assert state_of(cast, "jiro") == "fresh"
    with db.atomic():
        letters.void(cast.kiku, cast.xyz)
    assert state_of(cast, "jiro") == "unissued"


def test_what_was_decided_outweighs_what_happened_to_the_password(cast: Cast) -> None:
    for _ in range(5):
        throttle.hit("password", cast.member("jun").user.uid, utc_now())
    assert state_of(cast, "jun") == "locked"
    places.suspend(cast.taro, cast.member("jun"))
    assert state_of(cast, "jun") == "disabled"
    places.end(cast.taro, cast.member("jun"))
    assert state_of(cast, "jun") == "ended"


def test_a_name_is_hidden_until_its_owner_agrees(cast: Cast) -> None:
    user = User.create(name="辛島　律", mail="ritsu@sr-other.example", is_initial_password=False)
    home = Membership.create(user=user, office=cast.xyz, kind="consultant", login_id="srRitsu01", ready_at=utc_now())
    asked = people.link(cast.taro, cast.xyz.contract_number, "srRitsu01", "srRitsu01", ())
    assert not roster.person(asked, utc_now()).is_revealed
    people.answer(Actor(home), asked, accepts=False)
    assert not roster.person(Membership.by_uid(asked.uid), utc_now()).is_revealed
    again = people.link(cast.taro, cast.xyz.contract_number, "srRitsu01", "srRitsu01", ())
    people.answer(Actor(home), again, accepts=True)
    assert roster.person(Membership.by_uid(again.uid), utc_now()).is_revealed


def test_current_people_are_counted_for_many_offices_at_once(cast: Cast) -> None:
    places.end(cast.taro, cast.member("jun"))
    assert roster.counts([cast.abc, cast.xyz]) == {cast.abc.id: 2, cast.xyz.id: 2}
    assert roster.counts([]) == {}


def test_the_history_is_of_one_office_and_newest_first(cast: Cast) -> None:
    permissions.assign(cast.taro, cast.member("hanako"), "approve", True)
    permissions.assign(cast.kiku, cast.member("ume"), "audit", True)
    ours, funds = list(roster.history(cast.abc)), list(roster.history(None))
    assert [entry.action for entry in ours] == ["permissions.changed", "member.added", "member.added"]
    assert [entry.action for entry in funds] == ["permissions.changed", *["staff.added"] * 3]
    assert {entry.action for entry in roster.history(cast.xyz)} == {"member.invited", "member.accepted"}
