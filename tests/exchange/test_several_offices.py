"""A consultant of several offices: other rights in each, documents that never meet, and the way from one to another."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from database import utc_now
from exchange import archive_passwords, people, permissions, pickups, places, sessions, transfers
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from exchange.permissions import ALL_WORDS
from models import AuditEntry, Device, LoginSession, Membership, Office, Transfer
from tests.exchange.logins import actor_in, going_on, is_alive, open_session, second_step, third_step, visitor
from tests.exchange.offices import admin_of, link, third_office
from tests.people import LOGIN_IDS, Cast, aes_zip, inspect, statement, uploads

ARCHIVE_PASSWORD = "kR7mTp2WvXy9Zq4N"
WORDS = {
    "abc": frozenset(("upload", "cancel", "download")),
    "xyz": frozenset(("upload", "approve", "deliver")),
    "qrs": frozenset(("request_pickup", "download", "mail_notice")),
}

pytestmark = pytest.mark.usefixtures("empty_outbox")


@pytest.fixture
def everywhere(cast: Cast) -> dict[str, Membership]:
    """Hanako's places at three offices, with three different sets of words and a 圧縮パスワード at each."""
    qrs = third_office()
    for office in (cast.xyz, qrs):
        archive_passwords.keep(command_line(), office, ARCHIVE_PASSWORD, version=1)
    people.answer(cast.hanako, link(cast, admin_of(qrs)), accepts=True)
    found = {"abc": cast.member("hanako"), "xyz": cast.member("hanako_at_xyz")}
    found["qrs"] = Membership.get(Membership.login_id == "srHanako3")
    for name, member in found.items():
        permissions.preset(admin_of(member.office), member, WORDS[name])
    return found


def documents(cast: Cast, places_of_one: dict[str, Membership]) -> dict[str, list[Transfer]]:
    """A filing and a delivered statement of each office."""
    found = {}
    for name, member in places_of_one.items():
        password = cast.archive_password if name == "abc" else ARCHIVE_PASSWORD
        admin = admin_of(member.office)
        paper = statement(cast, "delivered")
        Transfer.update(office=member.office).where(Transfer.id == paper.id).execute()
        found[name] = [inspect(uploads(admin, aes_zip(password))), paper]
    return found


def may_do(act: Callable[..., Any], *arguments: Any) -> bool:
    try:
        act(*arguments)
    except Forbidden:
        return False
    return True


# ── in each office what was ticked there ──


def test_one_person_has_other_rights_in_every_office(cast: Cast, everywhere: dict[str, Membership]) -> None:
    assert {name: permissions.held(Actor(member)) for name, member in everywhere.items()} == WORDS
    assert len({member.user_id for member in everywhere.values()}) == 1


def test_the_verbs_go_by_the_place_one_is_at(cast: Cast, everywhere: dict[str, Membership]) -> None:
    papers = documents(cast, everywhere)
    able = {}
    for name, member in everywhere.items():
        filed, paper = (Transfer.get_by_id(one.id) for one in papers[name])
        password = cast.archive_password if name == "abc" else ARCHIVE_PASSWORD
        acts = {
            "upload": may_do(uploads, Actor(member), aes_zip(password)),
            "approve": may_do(transfers.approve, Actor(member), filed),
            "request_pickup": may_do(pickups.request_pickup, Actor(member), paper),
            "download": may_do(pickups.copy, Actor(member), filed),
        }
        able[name] = {word for word, is_able in acts.items() if is_able}
    asked_for = {"upload", "approve", "request_pickup", "download"}
    assert able == {name: set(words & asked_for) for name, words in WORDS.items()}


def test_a_session_has_the_rights_of_the_place_it_is_at(cast: Cast, everywhere: dict[str, Membership]) -> None:
    _, session = open_session(everywhere["abc"])
    for name in ("xyz", "qrs", "abc"):
        token = sessions.switch(actor_in(session), session, everywhere[name])
        session = going_on(token)
        assert permissions.held(actor_in(session)) == WORDS[name]


# ── documents that never meet ──


def test_no_document_of_one_office_is_known_at_another(cast: Cast, everywhere: dict[str, Membership]) -> None:
    papers = documents(cast, everywhere)
    seen = {
        (place, owner)
        for place, member in everywhere.items()
        for owner, documents_there in papers.items()
        for document in documents_there
        if Transfer.known_to(member, document.uid) is not None
    }
    assert seen == {(name, name) for name in everywhere}
    for name, member in everywhere.items():
        listed = {row.uid for row in Transfer.visible_to(member)}
        assert listed == {document.uid for document in papers[name]}


def test_no_verb_works_on_a_document_of_another_office_whatever_one_holds_there(
    cast: Cast, everywhere: dict[str, Membership]
) -> None:
    papers = documents(cast, everywhere)
    for member in everywhere.values():
        permissions.preset(admin_of(member.office), member, ALL_WORDS)
    verbs = {0: (transfers.approve, transfers.cancel, transfers.approve_and_deliver, pickups.copy)}
    verbs[1] = (pickups.request_pickup,)
    done = [
        (name, owner, verb.__name__)
        for name, member in everywhere.items()
        for owner in everywhere
        for which in (0, 1)
        for verb in verbs[which]
        if owner != name and may_do(verb, Actor(member), Transfer.get_by_id(papers[owner][which].id))
    ]
    assert done == []


def test_the_list_of_all_offices_holds_those_of_the_person_and_no_other(
    cast: Cast, everywhere: dict[str, Membership]
) -> None:
    papers = documents(cast, everywhere)
    own = list(everywhere["abc"].user.places())
    assert {place.uid for place in own} == {member.uid for member in everywhere.values()}
    assert {row.uid for row in Transfer.visible_to(*own)} == {one.uid for both in papers.values() for one in both}
    places.suspend(admin_of(cast.xyz), everywhere["xyz"])
    places.end(admin_of(everywhere["qrs"].office), everywhere["qrs"])
    left = list(everywhere["abc"].user.places())
    assert {row.uid for row in Transfer.visible_to(*left)} == {one.uid for one in papers["abc"]}


def test_a_form_of_one_office_makes_nothing_at_another(cast: Cast, everywhere: dict[str, Membership]) -> None:
    made = uploads(Actor(everywhere["abc"]), aes_zip(cast.archive_password), token="one form")
    with pytest.raises(Refused, match="すでに使われて"):
        uploads(Actor(everywhere["xyz"]), aes_zip(ARCHIVE_PASSWORD), token="one form")
    assert [row.office for row in Transfer.select().where(Transfer.token == "one form")] == [made.office]


# ── from one to another ──


def switch(session: LoginSession, member: Membership, **ahead: float) -> str:
    return sessions.switch(actor_in(session, **ahead), session, member)


def test_the_switch_gives_a_new_token_and_the_old_one_is_dead(cast: Cast) -> None:
    old, session = open_session(cast.member("hanako"))
    new = switch(session, cast.member("hanako_at_xyz"))
    assert going_on(new).membership == cast.member("hanako_at_xyz")
    assert sessions.resume(old, "in", utc_now()) is None
    entry = AuditEntry.get(AuditEntry.action == "office.switched")
    assert (entry.office, entry.details) == (cast.xyz, {"login_id": LOGIN_IDS["hanako_at_xyz"]})


def test_the_switch_gives_no_time(cast: Cast) -> None:
    _, session = open_session(cast.member("hanako"))
    start, confirmed = session.started_at, session.confirmed_at
    moved = going_on(switch(session, cast.member("hanako_at_xyz"), minutes=80))
    assert (moved.started_at, moved.confirmed_at, sessions.ends_at(moved)) == (
        start,
        confirmed,
        sessions.ends_at(session),
    )
    back = switch(moved, cast.member("hanako"), minutes=85)
    LoginSession.update(seen_at=start + timedelta(minutes=89)).where(LoginSession.id == moved.id).execute()
    assert sessions.resume(back, "in", start + timedelta(minutes=90)) == sessions.Ended("absolute")


def test_the_same_page_switches_once(cast: Cast) -> None:
    _, session = open_session(cast.member("hanako"))
    token = switch(session, cast.member("hanako_at_xyz"))
    with pytest.raises(SomeoneWasFaster):
        switch(session, cast.member("hanako_at_xyz"))
    assert is_alive(token)


def test_a_session_that_is_over_goes_nowhere(cast: Cast) -> None:
    _, session = open_session(cast.member("hanako"))
    sessions.log_out(actor_in(session), session)
    with pytest.raises(SomeoneWasFaster):
        switch(session, cast.member("hanako_at_xyz"))
    assert LoginSession.get_by_id(session.id).membership == cast.member("hanako")


@pytest.mark.parametrize("name", ["taro", "jun", "jiro", "kiku"])
def test_nobody_switches_to_another_persons_place(cast: Cast, name: str) -> None:
    token, session = open_session(cast.member("hanako"))
    with pytest.raises(Refused, match="切り替えられません"):
        switch(session, cast.member(name))
    assert going_on(token).membership == cast.member("hanako")


@pytest.mark.parametrize("column", ["ended_at", "disabled_at", "invited_at"])
def test_nobody_switches_to_a_place_that_is_out(cast: Cast, column: str) -> None:
    token, session = open_session(cast.member("hanako"))
    as_shown = cast.member("hanako_at_xyz")
    Membership.update({column: utc_now()}).where(Membership.id == as_shown.id).execute()
    with pytest.raises(Refused, match="切り替えられません"):
        switch(session, as_shown)
    assert going_on(token).membership == cast.member("hanako")


def test_nobody_switches_to_a_closed_office(cast: Cast) -> None:
    _, session = open_session(cast.member("hanako"))
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    with pytest.raises(Refused, match="切り替えられません"):
        switch(session, cast.member("hanako_at_xyz"))
    assert [place.uid for place in cast.member("hanako").user.places()] == [cast.member("hanako").uid]


def test_who_is_stopped_where_he_is_at_work_is_out_and_not_where_he_has_left(cast: Cast) -> None:
    _, session = open_session(cast.member("hanako"))
    token = switch(session, cast.member("hanako_at_xyz"))
    places.suspend(cast.taro, cast.member("hanako"))
    assert is_alive(token)
    places.suspend(cast.jiro, cast.member("hanako_at_xyz"))
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")


# ── by which device ──


def test_a_device_of_any_office_of_the_person_is_enough(cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.xyz).execute()
    assert third_step(cast, "hanako_at_xyz", cast.secrets("hanako")["password"])
    Device.update(state="stopped").execute()
    passed = second_step(cast, "hanako", visitor(minutes=2))
    with pytest.raises(sessions.NoDevice):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["hanako"], cast.secrets("hanako")["password"])


@pytest.mark.parametrize("what", ["stopped there", "left there", "only asked there", "closed there"])
def test_a_device_of_an_office_one_is_not_at_does_not_count(cast: Cast, what: str) -> None:
    if what == "stopped there":
        places.suspend(cast.jiro, cast.member("hanako_at_xyz"))
    elif what == "closed there":
        Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    else:
        places.end(cast.jiro, cast.member("hanako_at_xyz"))
    if what == "only asked there":
        assert link(cast, cast.jiro).state == "invited"
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    passed = second_step(cast, "hanako")
    with pytest.raises(sessions.NoDevice):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["hanako"], cast.secrets("hanako")["password"])


def test_a_device_of_another_office_does_not_help_who_is_only_here(cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    with pytest.raises(sessions.NoDevice):
        third_step(cast, "jun")
    assert LoginSession.select().where(LoginSession.stage == "in").count() == 0
