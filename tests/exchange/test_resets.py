"""Locked out: a new initial password, the end of a lock, and what a person can see of the last logins."""

from datetime import timedelta

import pytest

from database import utc_now
from exchange import accounts, credentials, locks, onetime, people, permissions, places, sessions, throttle
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, LoginSession, Mail, Membership, User
from tests.exchange.logins import (
    ADDRESS,
    clear_budgets,
    code_for,
    enrols,
    is_alive,
    open_session,
    second_step,
    staff_in,
    third_step,
    types_code,
    visitor,
)
from tests.people import LOGIN_IDS, Cast

NEW_PASSWORD = "amber-violin-7-harbour"

pytestmark = pytest.mark.usefixtures("empty_outbox")


def reset(cast: Cast, actor: Actor, name: str) -> str:
    """A new initial password for that person, from a page just opened."""
    return accounts.reset_password(actor, cast.member(name), accounts.seen(cast.member(name)))


def actions(*wanted: str) -> list[str]:
    entries = AuditEntry.select().where(AuditEntry.action << wanted).order_by(AuditEntry.number)
    return [entry.action for entry in entries]


def colleague(cast: Cast) -> Membership:
    """A clerk with 職員 who has finished the first login, authenticator and all."""
    facts = ("fund", "kikinRan1", "基金　蘭", "ran@fund.example")
    member = people.add_staff(cast.kiku, *facts, ("staff",)).membership
    enrols(member)
    people.register_user(Actor(member), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    return member


# ── a new initial password ──


def test_a_new_initial_password_opens_the_door_to_the_registration(cast: Cast) -> None:
    password = reset(cast, cast.taro, "jun")
    assert third_step(cast, "jun", password)
    assert people.needs_registration(cast.member("jun"))
    entry = AuditEntry.get(AuditEntry.action == "password.reset")
    assert (entry.details, entry.office) == ({"login_id": LOGIN_IDS["jun"], "changed": []}, cast.abc)
    assert password not in str(entry.__data__)


def test_the_old_password_is_dead(cast: Cast) -> None:
    reset(cast, cast.taro, "jun")
    passed = second_step(cast, "jun")
    with pytest.raises(Refused):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    assert LoginSession.get_by_id(passed.id).ended_at is None


def test_whoever_is_logged_in_is_out_and_learns_why(cast: Cast) -> None:
    token, _ = open_session(cast.member("jun"))
    other, _ = open_session(cast.member("taro"))
    reset(cast, cast.taro, "jun")
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("password")
    assert is_alive(other)


def test_a_code_from_before_is_dead_and_so_is_a_half_finished_login(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    clear_budgets()
    typed = code_for(cast, "jun", visitor())
    reset(cast, cast.taro, "jun")
    with pytest.raises(Refused, match="組み合わせ"):
        types_code(cast.member("jun"), typed)
    assert LoginSession.get_by_id(passed.id).ended_because == "password"


def test_a_page_sent_twice_acts_once(cast: Cast) -> None:
    shown = accounts.seen(cast.member("jun"))
    password = accounts.reset_password(cast.taro, cast.member("jun"), shown)
    with pytest.raises(SomeoneWasFaster):
        accounts.reset_password(cast.taro, cast.member("jun"), shown)
    assert credentials.is_right(cast.member("jun").user.password_hash, password)
    assert actions("password.reset") == ["password.reset"]


def test_what_a_page_carries_says_nothing_of_the_password(cast: Cast) -> None:
    shown = accounts.seen(cast.member("jun"))
    assert shown not in cast.member("jun").user.password_hash
    assert len({accounts.seen(cast.member(name)) for name in LOGIN_IDS}) == len(LOGIN_IDS) - 1, "Hanako has two places"


def test_the_waiting_address_is_put_in_force_and_its_code_is_void(cast: Cast) -> None:
    user = cast.member("jun").user
    accounts.change_profile(cast.jun, cast.member("jun"), user.name, user.kana, "new@abc-shoji.example")
    typed = onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code)
    reset(cast, cast.taro, "jun")
    user = cast.member("jun").user
    assert (user.mail, user.pending_mail) == ("new@abc-shoji.example", None)
    with pytest.raises(Refused):
        accounts.confirm_mail(cast.jun, typed)


def test_the_locks_are_forgotten(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    for _ in range(5):
        with pytest.raises(Refused):
            sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], "not the password")
    assert locks.is_locked(cast.member("jun"), utc_now())
    password = reset(cast, cast.taro, "jun")
    assert not locks.is_locked(cast.member("jun"), utc_now())
    assert third_step(cast, "jun", password), "and a new code can be asked for at once"


def test_it_lapses_after_thirty_days_from_now_not_from_the_first_one(cast: Cast) -> None:
    user = cast.member("jun").user
    User.update(password_set_at=utc_now() - timedelta(days=90)).where(User.id == user.id).execute()
    password = reset(cast, cast.taro, "jun")
    assert third_step(cast, "jun", password, visitor(days=29))
    with pytest.raises(Refused, match="30日"):
        third_step(cast, "jun", password, visitor(days=31))


def test_an_authenticator_of_an_offices_user_stays(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    password = reset(cast, cast.taro, "jun")
    passed = types_code(cast.member("jun"), onetime.totp_now(secret, utc_now()))
    assert sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], password)


def test_one_of_the_funds_people_loses_the_authenticator_with_the_password(cast: Cast) -> None:
    _, codes = enrols(cast.member("ume"))
    password = reset(cast, cast.kiku, "ume")
    user = cast.member("ume").user
    assert (user.has_totp, user.recovery_codes_left) == (False, 0)
    with pytest.raises(Refused):
        sessions.log_in_staff(visitor(), LOGIN_IDS["ume"], cast.secrets("ume")["password"], codes[0])
    token = sessions.log_in_staff(visitor(), LOGIN_IDS["ume"], password, "")
    assert is_alive(token)


def test_without_authenticator_only_an_initial_password_opens_the_clerks_door(cast: Cast) -> None:
    """Nobody who has finished the first login can be without one: a row that says so opens nothing."""
    User.update(totp_sealed=None).where(User.id == cast.member("ume").user_id).execute()
    for code in ("", "000000"):
        with pytest.raises(Refused, match="いずれか"):
            sessions.log_in_staff(visitor(), LOGIN_IDS["ume"], cast.secrets("ume")["password"], code)
    assert LoginSession.select().where(LoginSession.stage == "in").count() == 0


# ── by whom ──


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "ume", "dai"])
def test_nobody_but_admin_and_register_gives_an_offices_user_a_new_password(cast: Cast, name: str) -> None:
    before = cast.member("jun").user.password_hash
    with pytest.raises(Forbidden):
        reset(cast, getattr(cast, name), "jun")
    assert (cast.member("jun").user.password_hash, actions("password.reset")) == (before, [])


def test_the_funds_register_gives_one_to_admins_and_users(cast: Cast) -> None:
    permissions.preset(cast.kiku, cast.member("ume"), {"register"})
    for name in ("taro", "jun", "jiro"):
        password = reset(cast, cast.ume, name)
        assert credentials.is_right(cast.member(name).user.password_hash, password)
        assert people.needs_registration(cast.member(name))
    assert actions("password.reset") == ["password.reset"] * 3


@pytest.mark.parametrize("name", ["taro", "jiro", "ume", "dai"])
def test_nobody_but_who_holds_staff_gives_the_funds_people_a_new_password(cast: Cast, name: str) -> None:
    permissions.preset(cast.kiku, cast.member("ume"), set(permissions.FUND_WORDS) - {"staff"})
    with pytest.raises(Forbidden):
        reset(cast, getattr(cast, name), "kiku")
    with pytest.raises(Forbidden):
        reset(cast, getattr(cast, name), "dai")
    assert actions("password.reset") == []


@pytest.mark.parametrize("name", ["taro", "kiku"])
def test_nobody_resets_the_own_password(cast: Cast, name: str) -> None:
    with pytest.raises(Refused, match="ご自身のパスワード"):
        reset(cast, getattr(cast, name), name)
    assert actions("password.reset") == []


def test_a_person_of_two_offices_is_reset_by_neither_admin_but_by_the_fund(cast: Cast) -> None:
    """Nor is the authenticator dropped by one of them."""
    enrols(cast.member("hanako"))
    for actor, name in ((cast.taro, "hanako"), (cast.jiro, "hanako_at_xyz")):
        with pytest.raises(Refused, match="ほかの事業所"):
            reset(cast, actor, name)
        with pytest.raises(Refused, match="ほかの事業所"):
            accounts.drop_totp(actor, cast.member(name))
    assert cast.member("hanako").user.has_totp
    token, _ = open_session(cast.member("hanako"))
    password = reset(cast, cast.kiku, "hanako_at_xyz")
    accounts.drop_totp(cast.kiku, cast.member("hanako"))
    assert not is_alive(token)
    assert third_step(cast, "hanako", password)


def test_once_a_person_has_left_the_other_office_the_admin_can_help_again(cast: Cast) -> None:
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    assert third_step(cast, "hanako", reset(cast, cast.taro, "hanako"))


@pytest.mark.parametrize("state", ["ended", "invited"])
def test_nothing_is_reset_for_who_has_left_or_not_answered(cast: Cast, state: str) -> None:
    before = cast.member("jun").user.password_hash
    Membership.update({f"{state}_at": utc_now()}).where(Membership.login_id == LOGIN_IDS["jun"]).execute()
    with pytest.raises(Refused):
        reset(cast, cast.taro, "jun")
    assert cast.member("jun").user.password_hash == before


def test_the_last_one_with_staff_is_reset_only_from_the_box_itself(cast: Cast) -> None:
    """By a colleague who could not log in again himself, nobody would be left."""
    facts = ("fund", "kikinRan1", "基金　蘭", "ran@fund.example")
    newcomer = people.add_staff(cast.kiku, *facts, ("staff",)).membership
    with pytest.raises(Refused, match="職員"):
        reset(cast, Actor(newcomer), "kiku")
    password = reset(cast, command_line(), "kiku")
    assert sessions.log_in_staff(visitor(), LOGIN_IDS["kiku"], password, "")


def test_a_colleague_who_is_ready_resets_the_other_one(cast: Cast) -> None:
    password = reset(cast, Actor(colleague(cast)), "kiku")
    assert sessions.log_in_staff(visitor(), LOGIN_IDS["kiku"], password, "")
    with pytest.raises(Refused):
        staff_in(cast, "kiku", visitor())


# ── the end of a lock ──


def locked(cast: Cast, name: str = "jun") -> Membership:
    """That person after five wrong passwords."""
    passed = second_step(cast, name)
    for _ in range(5):
        with pytest.raises(Refused):
            sessions.pass_password(visitor(), passed, LOGIN_IDS[name], "not the password")
    return cast.member(name)


@pytest.mark.parametrize("name", ["taro", "kiku", "dai"])
def test_admin_fund_and_desk_end_a_lock(cast: Cast, name: str) -> None:
    member = locked(cast)
    assert locks.is_locked(member, utc_now())
    locks.unlock(getattr(cast, name), member)
    assert not locks.is_locked(member, utc_now())
    assert third_step(cast, "jun")
    entry = AuditEntry.get(AuditEntry.action == "member.unlocked")
    assert (entry.subject, entry.details) == (member.uid, {"login_id": LOGIN_IDS["jun"]})


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "ume"])
def test_nobody_else_ends_a_lock(cast: Cast, name: str) -> None:
    member = locked(cast)
    with pytest.raises(Forbidden):
        locks.unlock(getattr(cast, name), member)
    assert locks.is_locked(member, utc_now())


def test_a_lock_ends_by_itself_after_thirty_minutes(cast: Cast) -> None:
    member = locked(cast)
    assert locks.is_locked(member, utc_now() + timedelta(minutes=29))
    assert not locks.is_locked(member, utc_now() + timedelta(minutes=31))


def test_four_wrong_passwords_are_no_lock(cast: Cast) -> None:
    passed = second_step(cast, "jun")
    for _ in range(4):
        with pytest.raises(Refused):
            sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], "not the password")
    assert not locks.is_locked(cast.member("jun"), utc_now())


def test_used_up_wishes_for_codes_are_forgotten_too(cast: Cast) -> None:
    pair = f"{cast.abc.contract_number}/{LOGIN_IDS['jun']}"
    for kind in ("code_again", "code_quarter", "code_day"):
        for _ in range(throttle.LIMITS[kind].tries):
            throttle.hit(kind, pair, utc_now())
    for _ in range(100):
        throttle.hit("code_failures", str(cast.member("jun").id), utc_now())
    assert locks.is_locked(cast.member("jun"), utc_now())
    locks.unlock(cast.taro, cast.member("jun"))
    assert third_step(cast, "jun")


def test_a_clerks_lock_is_ended_by_who_holds_staff_for_every_network(cast: Cast) -> None:
    for address in (ADDRESS, "198.51.100.7"):
        for _ in range(5):
            with pytest.raises(Refused):
                staff_in(cast, "ume", visitor(address), password="not the password")
    assert locks.is_locked(cast.member("ume"), utc_now())
    with pytest.raises(Forbidden):
        locks.unlock(cast.dai, cast.member("ume"))
    with pytest.raises(TooMany):
        staff_in(cast, "ume", visitor())
    locks.unlock(cast.kiku, cast.member("ume"))
    assert not locks.is_locked(cast.member("ume"), utc_now())
    assert staff_in(cast, "ume", visitor("198.51.100.7"))


def test_a_password_lock_is_the_persons_at_every_office(cast: Cast) -> None:
    """Otherwise five more tries could be had at each office. Either admin can end it."""
    locked(cast, "hanako")
    assert locks.is_locked(cast.member("hanako_at_xyz"), utc_now())
    with pytest.raises(TooMany):
        third_step(cast, "hanako_at_xyz", cast.secrets("hanako")["password"])
    clear_budgets()
    locks.unlock(cast.jiro, cast.member("hanako_at_xyz"))
    assert not locks.is_locked(cast.member("hanako"), utc_now())
    assert third_step(cast, "hanako")


def test_there_is_nothing_to_unlock_where_nothing_is_locked(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster):
        locks.unlock(cast.taro, cast.member("jun"))
    assert actions("member.unlocked") == []


def test_five_locks_a_day_are_taken_away_before_their_time(cast: Cast) -> None:
    """More would be tries without end for whoever has the admin on the phone."""
    for _ in range(5):
        locks.unlock(cast.taro, locked(cast))
    with pytest.raises(TooMany):
        locks.unlock(cast.taro, locked(cast))
    assert locks.is_locked(cast.member("jun"), utc_now())


# ── the last logins ──


def test_a_person_sees_the_last_ten_tries_right_and_wrong(cast: Cast) -> None:
    assert third_step(cast, "jun")
    with pytest.raises(Refused):
        types_code(cast.member("jun"), "00000000")
    with pytest.raises(Refused):
        types_code(cast.member("taro"), "00000000")
    seen = [entry.action for entry in accounts.last_logins(cast.member("jun").user)]
    assert seen == ["code.refused", "login.succeeded"]
    for _ in range(12):
        with pytest.raises(Refused):
            types_code(cast.member("jun"), "00000000")
    assert [entry.action for entry in accounts.last_logins(cast.member("jun").user)] == ["code.refused"] * 10
