"""Coming in and staying in: three steps, locks, lifetimes, and who is thrown out when."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from database import utc_now
from exchange import credentials, sessions
from exchange.actors import Actor
from exchange.errors import Refused, TooMany
from models import AuditEntry, Device, LoginSession, Mail, Membership, Office, User
from tests.exchange.logins import ADDRESS, clear_budgets, code_for, inside, second_step, staff_in, third_step, visitor
from tests.people import LOGIN_IDS, Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")


def told(user: User) -> list[str]:
    return [mail.kind for mail in Mail.select().where(Mail.to_user == user)]


@contextmanager
def hashes() -> Iterator[list[str]]:
    """The password hashes computed within."""
    spent: list[str] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name == "verify" and "argon2" in frame.f_code.co_filename:
            spent.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        yield spent
    finally:
        sys.setprofile(None)


# ── the three steps ──


def test_three_right_steps_lead_in(cast: Cast) -> None:
    token, session = inside(cast)
    assert (session.membership, session.address) == (cast.member("jun"), ADDRESS)
    assert len(token) >= 43
    actions = [entry.action for entry in AuditEntry.select().order_by(AuditEntry.number.desc()).limit(3)]
    assert actions == ["login.succeeded", "code.accepted", "code.requested"]


def test_the_database_holds_no_token(cast: Cast) -> None:
    token, session = inside(cast)
    assert token not in str(session.__data__)
    assert session.token_hash != token


def test_each_step_has_its_own_token_and_no_step_can_be_left_out(cast: Cast) -> None:
    actor = visitor()
    code_token = sessions.pass_code(
        actor, cast.abc.contract_number, LOGIN_IDS["jun"], code_for(cast, "jun", actor), "browser"
    )
    assert sessions.resume(code_token, "in", actor.at) is None
    passed = sessions.resume(code_token, "code", actor.at)
    token = sessions.pass_password(actor, passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert token != code_token
    assert sessions.resume(token, "code", actor.at) is None
    assert sessions.resume(code_token, "code", actor.at) == sessions.Ended("newer")


def test_a_token_that_never_was_is_nobody(cast: Cast) -> None:
    assert sessions.resume("made up", "in", utc_now()) is None


@pytest.mark.parametrize("name", ["jun", "jiro", "nobody"])
def test_a_wrong_code_gets_the_same_sentence_for_everybody(cast: Cast, name: str) -> None:
    with pytest.raises(Refused) as refused:
        sessions.pass_code(visitor(), cast.abc.contract_number, LOGIN_IDS.get(name, name), "00000000", "")
    assert refused.value.message == sessions.WRONG_CODE
    assert AuditEntry.select().where(AuditEntry.action == "code.refused").count() == 1


def test_between_code_and_password_lie_at_most_fifteen_minutes(cast: Cast) -> None:
    actor = visitor()
    token = sessions.pass_code(
        actor, cast.abc.contract_number, LOGIN_IDS["jun"], code_for(cast, "jun", actor), "browser"
    )
    assert isinstance(sessions.resume(token, "code", actor.at + timedelta(minutes=14, seconds=59)), LoginSession)
    assert sessions.resume(token, "code", actor.at + timedelta(minutes=15)) == sessions.Ended("absolute")


def test_the_login_id_of_the_third_step_must_be_that_of_the_code(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    with pytest.raises(Refused, match="ユーザーIDまたは"):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["taro"], cast.secrets("jun")["password"])
    assert LoginSession.select().where(LoginSession.stage == "in").count() == 0


def test_sixty_tries_in_ten_minutes_are_enough_for_one_network(cast: Cast) -> None:
    for _ in range(60):
        with pytest.raises(Refused):
            sessions.pass_code(visitor(), "0000000-00000000", "nobody001", "00000000", "")
    with pytest.raises(TooMany):
        sessions.pass_code(visitor(), cast.abc.contract_number, LOGIN_IDS["jun"], "00000000", "")


# ── wrong passwords ──


def wrong_password(passed: LoginSession, login_id: str, actor: Actor) -> str:
    with pytest.raises(Refused) as refused:
        sessions.pass_password(actor, passed, login_id, "not the password")
    return refused.value.message


def test_five_wrong_passwords_lock_and_the_manager_is_told_once(cast: Cast) -> None:
    passed, actor = second_step(cast, "jun"), visitor()
    said = [wrong_password(passed, LOGIN_IDS["jun"], actor) for _ in range(7)]
    assert said == [sessions.WRONG_PASSWORD] * 4 + [sessions.LOCKED] * 3
    assert told(cast.member("taro").user) == ["password_locked"]
    locked = AuditEntry.get(AuditEntry.action == "login.locked")
    assert (locked.who, locked.details) == ("乙川　純（利用者B）（abcJun001）", {"minutes": 30})


def test_the_lock_refuses_even_the_right_password_and_ends_after_thirty_minutes(cast: Cast) -> None:
    passed, actor = second_step(cast, "jun"), visitor()
    for _ in range(5):
        wrong_password(passed, LOGIN_IDS["jun"], actor)
    right = cast.secrets("jun")["password"]
    almost, over = actor.at + timedelta(minutes=29, seconds=59), actor.at + timedelta(minutes=30)
    with pytest.raises(TooMany):
        sessions.pass_password(Actor(at=almost), passed, LOGIN_IDS["jun"], right)
    assert sessions.pass_password(Actor(at=over), passed, LOGIN_IDS["jun"], right)


def test_four_wrong_passwords_and_a_right_one_start_from_zero(cast: Cast) -> None:
    for _ in range(2):
        clear_budgets()
        passed, actor = second_step(cast, "jun"), visitor()
        for _ in range(4):
            wrong_password(passed, LOGIN_IDS["jun"], actor)
        assert sessions.pass_password(actor, passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert AuditEntry.select().where(AuditEntry.action == "login.locked").count() == 0


def test_a_lock_of_one_person_does_not_lock_another(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    for _ in range(5):
        wrong_password(passed, LOGIN_IDS["jun"], visitor())
    assert third_step(cast, "taro")


# ── who may come in ──


def test_an_office_without_an_active_device_is_told_so_only_after_a_right_password(cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    passed = second_step(cast, "jun")
    assert wrong_password(passed, LOGIN_IDS["jun"], visitor()) == sessions.WRONG_PASSWORD
    with pytest.raises(sessions.NoDevice, match="VPN"):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert LoginSession.select().where(LoginSession.stage == "in").count() == 0


def test_an_initial_password_lapses_after_thirty_days(cast: Cast) -> None:
    set_at = cast.member("jiro").user.password_set_at
    password = cast.secrets("jiro")["password"]
    in_time = Actor(at=set_at + credentials.INITIAL_PASSWORD_LIFE)
    assert third_step(cast, "jiro", password, in_time)
    late = Actor(at=in_time.at + timedelta(minutes=2))
    with pytest.raises(Refused, match="30日"):
        third_step(cast, "jiro", password, late)


def test_an_own_password_does_not_lapse(cast: Cast) -> None:
    assert third_step(cast, "jun", actor=visitor(days=400))


@pytest.mark.parametrize("column", ["disabled", "ended", "closed"])
def test_who_is_disabled_has_left_or_whose_office_is_closed_cannot_come_in(cast: Cast, column: str) -> None:
    typed = code_for(cast, "jun", visitor())
    take_away(cast, column)
    with pytest.raises(Refused, match="組み合わせ"):
        sessions.pass_code(visitor(), cast.abc.contract_number, LOGIN_IDS["jun"], typed, "browser")


def take_away(cast: Cast, what: str) -> None:
    member, now = cast.member("jun"), utc_now()
    {
        "disabled": Membership.update(disabled_at=now).where(Membership.id == member.id),
        "ended": Membership.update(ended_at=now).where(Membership.id == member.id),
        "closed": Office.update(closed_at=now).where(Office.id == member.office_id),
    }[what].execute()


# ── staying in ──


@pytest.mark.parametrize("what", ["disabled", "ended", "closed"])
def test_a_session_is_dead_at_once_when_its_member_is(cast: Cast, what: str) -> None:
    token, _ = inside(cast)
    take_away(cast, what)
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")


def test_a_disabled_persons_half_finished_login_is_dead_too(cast: Cast) -> None:
    actor = visitor()
    token = sessions.pass_code(
        actor, cast.abc.contract_number, LOGIN_IDS["jun"], code_for(cast, "jun", actor), "browser"
    )
    take_away(cast, "disabled")
    assert sessions.resume(token, "code", actor.at) == sessions.Ended("ended")


def test_after_ninety_minutes_a_session_is_over_however_busy_it_was(cast: Cast) -> None:
    token, session = inside(cast)
    start = session.started_at
    for minutes in range(5, 90, 5):
        assert isinstance(sessions.resume(token, "in", start + timedelta(minutes=minutes)), LoginSession)
    assert isinstance(sessions.resume(token, "in", start + timedelta(minutes=89, seconds=59)), LoginSession)
    assert sessions.resume(token, "in", start + timedelta(minutes=90, seconds=1)) == sessions.Ended("absolute")


def test_after_thirty_idle_minutes_a_session_is_over(cast: Cast) -> None:
    token, session = inside(cast)
    seen = session.started_at + timedelta(minutes=29, seconds=59)
    assert isinstance(sessions.resume(token, "in", seen), LoginSession)
    assert sessions.resume(token, "in", seen + timedelta(minutes=30, seconds=1)) == sessions.Ended("idle")
    assert sessions.resume(token, "in", seen) == sessions.Ended("idle"), "and stays so"


def test_the_newest_login_wins_and_the_older_one_learns_why(cast: Cast) -> None:
    old, _ = inside(cast)
    clear_budgets()
    new, _ = inside(cast)
    assert sessions.resume(old, "in", utc_now()) == sessions.Ended("newer")
    assert isinstance(sessions.resume(new, "in", utc_now()), LoginSession)


def test_one_person_is_logged_in_at_one_office_at_a_time(cast: Cast) -> None:
    at_abc, _ = inside(cast, "hanako")
    third_step(cast, "hanako_at_xyz")
    assert sessions.resume(at_abc, "in", utc_now()) == sessions.Ended("newer")


def test_logging_out_ends_the_session_and_is_logged_once(cast: Cast) -> None:
    token, session = inside(cast)
    for _ in range(2):
        sessions.log_out(Actor(session.membership), session)
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("logout")
    assert AuditEntry.select().where(AuditEntry.action == "logout.done").count() == 1


def test_old_sessions_are_forgotten_after_a_week(cast: Cast) -> None:
    _, session = inside(cast)
    sessions.sweep(session.started_at + timedelta(days=6, hours=23))
    assert LoginSession.select().count() > 0
    sessions.sweep(session.started_at + timedelta(days=7, seconds=1))
    assert LoginSession.select().count() == 0


# ── the fund's people ──


def test_a_clerk_comes_in_with_password_and_authenticator(cast: Cast) -> None:
    token = staff_in(cast, "kiku", visitor())
    assert sessions.resume(token, "in", utc_now()).membership == cast.member("kiku")


def test_a_used_authenticator_code_is_refused(cast: Cast) -> None:
    actor = visitor()
    staff_in(cast, "kiku", actor)
    with pytest.raises(Refused, match="いずれか"):
        staff_in(cast, "kiku", actor)


def test_a_wrong_password_does_not_spend_the_authenticators_step(cast: Cast) -> None:
    actor = visitor()
    with pytest.raises(Refused, match="いずれか"):
        staff_in(cast, "kiku", actor, password="not the password")
    assert staff_in(cast, "kiku", actor)


def test_an_office_admin_cannot_come_in_by_the_clerks_door(cast: Cast) -> None:
    password = cast.secrets("taro")["password"]
    with pytest.raises(Refused, match="いずれか"):
        sessions.log_in_staff(visitor(), LOGIN_IDS["taro"], password, "000000")


def test_five_wrong_logins_lock_a_clerk_who_is_told_himself(cast: Cast) -> None:
    actor = visitor()
    for _ in range(5):
        with pytest.raises(Refused):
            staff_in(cast, "kiku", actor, password="not the password")
    with pytest.raises(TooMany):
        staff_in(cast, "kiku", actor)
    assert told(cast.member("kiku").user) == ["password_locked"]
    later = Actor(address=ADDRESS, at=actor.at + timedelta(minutes=30))
    assert staff_in(cast, "kiku", later)


def test_every_wrong_login_costs_one_hash_whoever_it_is(cast: Cast) -> None:
    take_away(cast, "disabled")
    for login_id in ("nobody001", LOGIN_IDS["kiku"], LOGIN_IDS["taro"], LOGIN_IDS["jun"]):
        with hashes() as spent, pytest.raises(Refused):
            sessions.log_in_staff(visitor(), login_id, "not the password", "000000")
        assert len(spent) == 1, login_id


def test_a_wrong_and_a_right_password_cost_one_hash_each(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    with hashes() as spent:
        wrong_password(passed, LOGIN_IDS["jun"], visitor())
    assert len(spent) == 1
    with hashes() as spent:
        sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert len(spent) == 1
