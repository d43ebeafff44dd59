"""A place stopped, taken up again or ended: what is dead at once, what stays, and whose place cannot be touched."""

from collections.abc import Callable
from pathlib import Path

import pytest

from database import utc_now
from exchange import accounts, onetime, people, permissions, places, sessions
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from exchange.permissions import ALL_WORDS, CONSULTANT_WORDS
from models import AuditEntry, Device, LoginSession, Mail, Membership, Transfer
from tests.exchange.logins import (
    clear_budgets,
    code_for,
    enrols,
    inside,
    is_alive,
    open_session,
    second_step,
    staff_in,
    third_step,
    types_code,
    visitor,
)
from tests.people import LOGIN_IDS, Cast, filing
from tests.processes import together

NEW_PASSWORD = "amber-violin-7-harbour"
Act = Callable[[Actor, Membership], None]

pytestmark = pytest.mark.usefixtures("empty_outbox")

stopped_or_ended = pytest.mark.parametrize("act", [places.suspend, places.end])


def actions() -> list[str]:
    wanted = ("member.disabled", "member.resumed", "member.ended")
    entries = AuditEntry.select().where(AuditEntry.action << wanted).order_by(AuditEntry.number)
    return [entry.action for entry in entries]


def state(cast: Cast, name: str) -> str:
    return cast.member(name).state


def told(member: Membership) -> list[str]:
    mails = Mail.select().where(Mail.kind == "account_changed", Mail.to_user == member.user_id)
    return [line["what"] for mail in mails for line in mail.facts["lines"]]


# ── dead at once ──


@stopped_or_ended
def test_the_cookie_is_dead_at_once(cast: Cast, act: Act) -> None:
    token, _ = inside(cast)
    act(cast.taro, cast.member("jun"))
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")


@stopped_or_ended
def test_the_code_in_the_mail_is_dead_at_once(cast: Cast, act: Act) -> None:
    typed = code_for(cast, "jun", visitor())
    act(cast.taro, cast.member("jun"))
    with pytest.raises(Refused, match="組み合わせ"):
        types_code(cast.member("jun"), typed)
    Membership.update(disabled_at=None, ended_at=None).where(Membership.login_id == LOGIN_IDS["jun"]).execute()
    with pytest.raises(Refused, match="組み合わせ"):
        types_code(cast.member("jun"), typed)


@stopped_or_ended
def test_no_code_is_mailed_any_more_though_the_page_says_the_same(cast: Cast, act: Act) -> None:
    act(cast.taro, cast.member("jun"))
    asked = onetime.ask(visitor(), cast.abc.contract_number, LOGIN_IDS["jun"], "")
    assert (len(asked.number), asked.is_again) == (6, False)
    assert AuditEntry.get(AuditEntry.action == "code.requested").details["is_sent"] is False


@stopped_or_ended
def test_the_password_is_dead_at_once_for_who_stood_before_the_last_step(cast: Cast, act: Act) -> None:
    passed = second_step(cast, "jun")
    act(cast.taro, cast.member("jun"))
    assert LoginSession.get_by_id(passed.id).ended_because == "ended"
    with pytest.raises(Refused):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert LoginSession.select().where(LoginSession.stage == "in", LoginSession.ended_at.is_null()).count() == 0


@stopped_or_ended
def test_the_authenticator_is_dead_at_once(cast: Cast, act: Act) -> None:
    secret, codes = enrols(cast.member("jun"))
    act(cast.taro, cast.member("jun"))
    for typed in (onetime.totp_now(secret, utc_now()), codes[0]):
        with pytest.raises(Refused, match="組み合わせ"):
            types_code(cast.member("jun"), typed)
    assert cast.member("jun").user.recovery_codes_left == 8


@stopped_or_ended
def test_a_clerk_is_out_at_once_too(cast: Cast, act: Act) -> None:
    token = staff_in(cast, "ume", visitor())
    act(cast.kiku, cast.member("ume"))
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")
    later = visitor(minutes=2)
    with pytest.raises(Refused, match="いずれか"):
        staff_in(cast, "ume", later)


@stopped_or_ended
def test_every_word_is_without_effect_at_once(cast: Cast, act: Act) -> None:
    jun = cast.jun
    act(cast.taro, cast.member("jun"))
    assert permissions.held(Actor(cast.member("jun"))) == frozenset()
    assert cast.member("jun").words() == set(ALL_WORDS), "kept for the record"
    assert permissions.acts(Actor(cast.member("jun")), cast.member("hanako")) == frozenset()
    assert jun.membership is not None


# ── what stays ──


@stopped_or_ended
def test_the_other_offices_of_the_person_are_not_touched(cast: Cast, act: Act) -> None:
    there, _ = open_session(cast.member("hanako_at_xyz"))
    typed = code_for(cast, "hanako_at_xyz", visitor())
    words = cast.member("hanako_at_xyz").words()
    act(cast.taro, cast.member("hanako"))
    assert is_alive(there)
    assert types_code(cast.member("hanako_at_xyz"), typed)
    assert (state(cast, "hanako_at_xyz"), cast.member("hanako_at_xyz").words()) == ("active", words)
    clear_budgets()
    assert third_step(cast, "hanako_at_xyz", cast.secrets("hanako")["password"])


@stopped_or_ended
def test_an_address_that_waits_can_still_be_confirmed_at_the_other_office(cast: Cast, act: Act) -> None:
    user = cast.member("hanako").user
    accounts.change_profile(cast.hanako, cast.member("hanako"), user.name, user.kana, "new@sr-office.example")
    typed = onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code)
    act(cast.taro, cast.member("hanako"))
    accounts.confirm_mail(cast.hanako_at_xyz, typed)
    assert cast.member("hanako_at_xyz").user.mail == "new@sr-office.example"


def test_what_somebody_uploaded_stays_with_the_office_and_bears_the_name(cast: Cast) -> None:
    transfer = filing(cast, by="jun")
    places.end(cast.taro, cast.member("jun"))
    seen = Transfer.known_to(cast.member("taro"), transfer.uid)
    assert seen is not None
    assert seen.uploaded_by == cast.member("jun")


def test_after_a_stop_everything_is_as_before_but_the_login(cast: Cast) -> None:
    token, _ = inside(cast)
    places.suspend(cast.taro, cast.member("jun"))
    assert state(cast, "jun") == "disabled"
    places.resume(cast.taro, cast.member("jun"))
    assert (state(cast, "jun"), permissions.held(cast.jun)) == ("active", set(ALL_WORDS))
    assert not is_alive(token)
    clear_budgets()
    assert third_step(cast, "jun")
    assert (actions(), told(cast.member("jun"))) == (
        ["member.disabled", "member.resumed"],
        ["利用の停止", "利用の再開"],
    )


def test_an_end_is_logged_with_kind_and_words_and_cannot_be_taken_back(cast: Cast) -> None:
    places.end(cast.taro, cast.member("hanako"))
    entry = AuditEntry.get(AuditEntry.action == "member.ended")
    words = sorted(CONSULTANT_WORDS)
    assert entry.details == {"login_id": LOGIN_IDS["hanako"], "kind": "consultant", "words": words}
    with pytest.raises(SomeoneWasFaster):
        places.resume(cast.taro, cast.member("hanako"))
    with pytest.raises(Refused, match="終了"):
        places.suspend(cast.taro, cast.member("hanako"))
    assert (state(cast, "hanako"), actions()) == ("ended", ["member.ended"])


def test_the_id_of_somebody_who_has_left_is_given_to_nobody(cast: Cast) -> None:
    """The log tells people apart by it."""
    places.end(cast.taro, cast.member("jun"))
    facts = ("丁田　新", "チョウダ　シン", "shin@abc-shoji.example")
    with pytest.raises(Refused, match="以前ここで"):
        people.add_member(cast.taro, cast.abc, "staff", LOGIN_IDS["jun"], *facts, ("upload",))
    assert people.add_member(cast.taro, cast.abc, "staff", "abcShin01", *facts, ("upload",)).membership.is_active


# ── twice ──


@stopped_or_ended
def test_two_pages_act_once(cast: Cast, act: Act) -> None:
    as_shown = [cast.member("jun"), cast.member("jun")]
    act(cast.taro, as_shown[0])
    with pytest.raises(Refused, match="すでに変更|終了"):
        act(cast.taro, as_shown[1])
    assert (len(actions()), len(told(cast.member("jun")))) == (1, 1)


@stopped_or_ended
def test_a_page_of_somebody_already_out_says_so(cast: Cast, act: Act) -> None:
    act(cast.taro, cast.member("jun"))
    with pytest.raises(Refused, match="すでに変更|終了"):
        act(cast.taro, cast.member("jun"))
    assert len(actions()) == 1


def test_nobody_is_resumed_who_is_not_stopped(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster):
        places.resume(cast.taro, cast.member("jun"))
    places.suspend(cast.taro, cast.member("jun"))
    places.resume(cast.taro, cast.member("jun"))
    with pytest.raises(SomeoneWasFaster):
        places.resume(cast.taro, cast.member("jun"))
    assert actions() == ["member.disabled", "member.resumed"]


def suspends(by: str, login_id: str) -> str:
    admin, member = (Membership.get(Membership.login_id == one) for one in (by, login_id))
    places.suspend(Actor(admin), member)
    return "done"


def test_of_many_processes_one_stops_the_person(cast: Cast, instance: Path) -> None:
    answers = together(instance, [(suspends, LOGIN_IDS["taro"], LOGIN_IDS["jun"])] * 4)
    assert sorted(answers) == ["SomeoneWasFaster"] * 3 + ["done"]
    assert actions() == ["member.disabled"]


# ── whose place cannot be touched ──


@stopped_or_ended
@pytest.mark.parametrize("name", ["taro", "jiro"])
def test_an_admin_has_the_place_for_good(cast: Cast, act: Act, name: str) -> None:
    for actor in (getattr(cast, name), command_line()):
        with pytest.raises(Refused, match="ご自身|管理者の利用は"):
            act(actor, cast.member(name))
    assert (state(cast, name), actions()) == ("active", [])


@stopped_or_ended
def test_nobody_stops_or_ends_oneself(cast: Cast, act: Act) -> None:
    permissions.assign(cast.kiku, cast.member("ume"), "staff", True)
    with pytest.raises(Refused, match="ご自身"):
        act(cast.ume, cast.member("ume"))
    assert (state(cast, "ume"), actions()) == ("active", [])


@stopped_or_ended
def test_the_last_one_with_staff_stays(cast: Cast, act: Act) -> None:
    """Not even by a colleague who holds it but has not finished the first login."""
    facts = ("fund", "kikinRan1", "基金　蘭", "ran@fund.example")
    newcomer = people.add_staff(cast.kiku, *facts, ("staff",)).membership
    for actor in (Actor(newcomer), command_line()):
        with pytest.raises(Refused, match="職員"):
            act(actor, cast.member("kiku"))
    enrols(newcomer)
    with pytest.raises(Refused, match="職員"):
        act(Actor(newcomer), cast.member("kiku"))
    people.register_user(Actor(newcomer), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    act(Actor(newcomer), cast.member("kiku"))
    assert state(cast, "kiku") != "active"
    with pytest.raises(Refused, match="職員"):
        act(command_line(), Membership.get_by_id(newcomer.id))


def takes_over(login_id: str, other: str) -> str:
    by, member = (Membership.get(Membership.login_id == one) for one in (login_id, other))
    places.end(Actor(by), member)
    return "done"


def test_two_with_staff_who_end_each_other_at_once_leave_one(cast: Cast, instance: Path) -> None:
    facts = ("fund", "kikinRan1", "基金　蘭", "ran@fund.example")
    newcomer = people.add_staff(cast.kiku, *facts, ("staff",)).membership
    enrols(newcomer)
    people.register_user(Actor(newcomer), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    pair = (LOGIN_IDS["kiku"], "kikinRan1")
    answers = together(instance, [(takes_over, *pair), (takes_over, *reversed(pair))])
    assert sorted(answers)[-1] == "done"
    assert sorted(answers)[0] in ("Forbidden", "Refused")
    assert Membership.holding(None, "staff").count() == 1


# ── by whom ──


@pytest.mark.parametrize("act", [places.suspend, places.resume, places.end])
@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "ume", "dai"])
def test_only_the_own_admin_moves_an_offices_people(cast: Cast, act: Act, name: str) -> None:
    with pytest.raises(Forbidden):
        act(getattr(cast, name), cast.member("hanako"))
    assert (state(cast, "hanako"), actions()) == ("active", [])


@pytest.mark.parametrize("act", [places.suspend, places.resume, places.end])
@pytest.mark.parametrize("name", ["taro", "jun", "ume", "dai"])
def test_only_who_holds_staff_moves_the_funds_people(cast: Cast, act: Act, name: str) -> None:
    for whom in ("kiku", "dai"):
        with pytest.raises(Forbidden):
            act(getattr(cast, name), cast.member(whom))
    assert (state(cast, "kiku"), state(cast, "dai"), actions()) == ("active", "active", [])


def test_a_wish_that_waits_for_its_answer_is_withdrawn_not_stopped(cast: Cast) -> None:
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    asked = people.link(cast.jiro, cast.abc.contract_number, LOGIN_IDS["hanako"], "srHanako3", ())
    with pytest.raises(Refused, match="承諾"):
        places.suspend(cast.jiro, asked)
    places.end(cast.jiro, asked)
    assert Membership.get_by_id(asked.id).state == "ended"


def test_a_stopped_user_still_counts_and_one_who_has_left_does_not(cast: Cast) -> None:
    Device.create(office=cast.abc, slot=4, state="stopped")
    facts = ("丁田　新", "チョウダ　シン", "shin@abc-shoji.example")
    people.add_member(cast.taro, cast.abc, "staff", "abcShin01", *facts, ())
    places.suspend(cast.taro, cast.member("jun"))
    assert people.why_no_addition(cast.abc)
    places.end(cast.taro, cast.member("jun"))
    assert people.why_no_addition(cast.abc) is None
