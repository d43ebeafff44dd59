"""Wrong tries: whose they are, who is kept out by them, who is told, and that they tell a stranger nothing."""

from datetime import timedelta

import pytest

from database import utc_now
from exchange import accounts, locks, onetime, places, sessions, throttle
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, Mail, Membership, Throttle, User
from tests.exchange.logins import (
    ADDRESS,
    BROWSER,
    actor_in,
    asked_code,
    clear_budgets,
    enrols,
    inside,
    second_step,
    staff_in,
    third_step,
    types_code,
    visitor,
)
from tests.exchange.test_onetime import statements
from tests.people import LOGIN_IDS, Cast

HERE, ELSEWHERE, NEVER_SEEN = ADDRESS, "198.51.100.7", "203.0.113.9"
STRANGERS = [f"198.51.100.{number}" for number in range(100, 130)]  # networks from which strangers try
WRITES = ("INSERT", "UPDATE", "DELETE")
ENDS = ("BEGIN", "COMMIT")

pytestmark = pytest.mark.usefixtures("empty_outbox")


def wrong(secret: str) -> str:
    """Six digits that the authenticator shows at no step near now."""
    near = {onetime.totp_now(secret, utc_now() + timedelta(seconds=30 * step)) for step in range(-3, 4)}
    return next(f"{number:06d}" for number in range(10) if f"{number:06d}" not in near)


def types(cast: Cast, name: str, typed: str, address: str = HERE, **ahead: float) -> bool:
    """Whether that code is taken."""
    try:
        types_code(cast.member(name), typed, visitor(address, **ahead))
    except Refused as refused:
        assert refused.message == sessions.WRONG_CODE  # noqa: PT017 — the one sentence for everything wrong
        return False
    return True


def fails(cast: Cast, name: str, secret: str, times: int, address: str = HERE) -> None:
    for _ in range(times):
        assert not types(cast, name, wrong(secret), address)


def staff_fails(cast: Cast, name: str, times: int, address: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(Refused):
            staff_in(cast, name, visitor(address), password="not the password", code="000000")


def mistypes(cast: Cast, name: str, times: int) -> list[type[Refused]]:
    """How wrong login passwords of that place are answered."""
    clear_budgets()
    passed, answers = second_step(cast, name), []
    for _ in range(times):
        with pytest.raises(Refused) as refused:
            sessions.pass_password(visitor(), passed, LOGIN_IDS[name], "not the password")
        answers.append(refused.type)
    return answers


def log_of(member: Membership) -> list[dict[str, object]]:
    """What the entries about a lock of that person say."""
    entries = AuditEntry.select().where(AuditEntry.action == "login.locked", AuditEntry.subject == member.user.uid)
    return [entry.details for entry in entries]


def told() -> list[str]:
    """To whom the mails about a lock go."""
    return [mail.to_address for mail in Mail.select().where(Mail.kind == "password_locked").order_by(Mail.id)]


# ── passwords are the person's ──


def test_wrong_passwords_of_two_places_are_added_up(cast: Cast) -> None:
    assert mistypes(cast, "hanako", 3) == [Refused] * 3
    assert mistypes(cast, "hanako_at_xyz", 2) == [Refused, TooMany]
    assert mistypes(cast, "hanako", 1) == [TooMany]
    assert [locks.is_locked(cast.member(name), utc_now()) for name in ("hanako", "hanako_at_xyz", "jun")] == [
        *(True, True, False),
    ]
    assert len(log_of(cast.member("hanako"))) == 1


def test_a_right_one_at_one_place_forgets_the_wrong_ones_of_both(cast: Cast) -> None:
    password = cast.secrets("hanako")["password"]
    assert mistypes(cast, "hanako", 4) == [Refused] * 4
    clear_budgets()
    assert third_step(cast, "hanako_at_xyz", password)
    assert mistypes(cast, "hanako", 4) == [Refused] * 4


def test_wrong_ones_typed_inside_are_added_to_those_at_the_door(cast: Cast) -> None:
    _, session = inside(cast, "hanako")
    for _ in range(2):
        with pytest.raises(Refused):
            sessions.confirm(actor_in(session), session, "not the password")
    with pytest.raises(Refused):
        accounts.change_password(actor_in(session), session, "not the password", "amber-violin-7-harbour")
    assert mistypes(cast, "hanako_at_xyz", 2) == [Refused, TooMany]
    with pytest.raises(TooMany):
        sessions.confirm(actor_in(session), session, cast.secrets("hanako")["password"])


def test_wrong_codes_for_a_changed_address_are_added_up_over_two_places(cast: Cast) -> None:
    user = cast.member("hanako").user
    accounts.change_profile(cast.hanako, cast.member("hanako"), user.name, user.kana, "new@sr-office.example")
    for name in ("hanako", "hanako_at_xyz", "hanako", "hanako_at_xyz", "hanako"):
        with pytest.raises(Refused, match="確認コードが正しくない"):
            accounts.confirm_mail(Actor(cast.member(name)), "00000000")
    for name in ("hanako", "hanako_at_xyz"):
        with pytest.raises(TooMany):
            accounts.confirm_mail(Actor(cast.member(name)), "00000000")


# ── authenticator codes are those of a network ──


def comes_in(cast: Cast, name: str, secret: str, address: str, **ahead: float) -> None:
    """A whole login, after which the network is known."""
    actor = visitor(address, **ahead)
    passed = types_code(cast.member(name), onetime.totp_now(secret, actor.at), actor)
    sessions.pass_password(actor, passed, LOGIN_IDS[name], cast.secrets(name)["password"])


def spend_total(cast: Cast, secret: str) -> None:
    """Fifty wrong codes of Jun's, two from each of many networks."""
    for network in STRANGERS[:25]:
        fails(cast, "jun", secret, 2, network)


def test_after_the_total_is_spent_no_other_network_gets_even_one_try(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    comes_in(cast, "jun", secret, HERE)
    spend_total(cast, secret)
    now = {"minutes": 1}
    right = onetime.totp_now(secret, visitor(**now).at)
    assert not types(cast, "jun", right, NEVER_SEEN, **now)
    assert not types(cast, "jun", right, STRANGERS[0], **now)
    assert types(cast, "jun", right, HERE, **now)


def test_nobody_goes_on_where_the_person_never_logged_in(cast: Cast) -> None:
    secret, codes = enrols(cast.member("jun"))
    spend_total(cast, secret)
    assert not types(cast, "jun", onetime.totp_now(secret, utc_now()), HERE)
    assert not types(cast, "jun", codes[0], NEVER_SEEN)
    assert cast.member("jun").user.recovery_codes_left == 8


def test_a_login_of_more_than_ninety_days_ago_makes_no_network_known(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    User.update(totp_step=0).where(User.id == cast.member("jun").user_id).execute()
    comes_in(cast, "jun", secret, ELSEWHERE, days=-91)
    comes_in(cast, "jun", secret, HERE, days=-89)
    Throttle.delete().execute()
    spend_total(cast, secret)
    right = onetime.totp_now(secret, utc_now())
    assert [types(cast, "jun", right, address) for address in (ELSEWHERE, HERE)] == [False, True]


def test_a_neighbour_in_the_same_ipv6_network_is_known_too(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    comes_in(cast, "jun", secret, "2001:db8:1:2::5")
    spend_total(cast, secret)
    right = onetime.totp_now(secret, visitor(minutes=1).at)
    assert not types(cast, "jun", right, "2001:db8:1:3::5", minutes=1)
    assert types(cast, "jun", right, "2001:db8:1:2::6", minutes=1)


def test_a_known_network_has_no_more_than_its_own_five_tries(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    comes_in(cast, "jun", secret, HERE)
    spend_total(cast, secret)
    fails(cast, "jun", secret, 5)
    assert not types(cast, "jun", onetime.totp_now(secret, visitor(minutes=1).at), HERE, minutes=1)


def test_for_the_funds_people_it_is_the_same(cast: Cast) -> None:
    assert staff_in(cast, "ume", visitor(HERE, minutes=-2))
    for network in STRANGERS[:25]:
        staff_fails(cast, "ume", 2, network)
    with pytest.raises(TooMany):
        staff_in(cast, "ume", visitor(NEVER_SEEN))
    assert staff_in(cast, "ume", visitor(HERE))


# ── who is told of a lock ──


def test_a_locked_network_is_logged_and_mailed_once(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    fails(cast, "jun", secret, 4)
    assert (log_of(cast.member("jun")), told()) == ([], [])
    fails(cast, "jun", secret, 4)
    assert log_of(cast.member("jun")) == [{"minutes": 30}]
    assert told() == [cast.member("taro").user.mail]


def test_the_lock_of_all_networks_is_logged_and_mailed_once(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    comes_in(cast, "jun", secret, HERE)
    spend_total(cast, secret)
    assert len(log_of(cast.member("jun"))) == len(told()) == 1
    fails(cast, "jun", secret, 1, NEVER_SEEN)
    fails(cast, "jun", secret, 3, HERE)
    assert len(log_of(cast.member("jun"))) == len(told()) == 1


def test_a_try_that_locks_its_network_and_all_of_them_is_told_once(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    for network in STRANGERS[:9]:
        fails(cast, "jun", secret, 5, network)
    assert len(told()) == 9
    fails(cast, "jun", secret, 5, NEVER_SEEN)
    assert len(log_of(cast.member("jun"))) == len(told()) == 10


def test_a_clerks_lock_is_logged_once_and_mailed_to_the_clerk(cast: Cast) -> None:
    staff_fails(cast, "ume", 4)
    assert (log_of(cast.member("ume")), told()) == ([], [])
    staff_fails(cast, "ume", 4)
    assert log_of(cast.member("ume")) == [{"minutes": 30}]
    assert told() == [cast.member("ume").user.mail]


def test_a_clerks_lock_of_all_networks_is_logged_and_mailed_once(cast: Cast) -> None:
    for network in STRANGERS[:13]:
        staff_fails(cast, "ume", 4, network)
    assert len(log_of(cast.member("ume"))) == len(told()) == 1
    staff_fails(cast, "ume", 1, NEVER_SEEN)
    assert len(log_of(cast.member("ume"))) == len(told()) == 1


def test_an_id_that_nobody_has_is_locked_without_a_word(cast: Cast) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="いずれか"):
            sessions.log_in_staff(visitor(), "nobody001", "not the password", "000000")
    with pytest.raises(TooMany):
        sessions.log_in_staff(visitor(), "nobody001", "not the password", "000000")
    assert AuditEntry.select().where(AuditEntry.action == "login.locked").count() == 0
    assert told() == []


def test_after_the_lock_is_over_another_one_is_told_again(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    fails(cast, "jun", secret, 5)
    for _ in range(5):
        assert not types(cast, "jun", "abcdef", minutes=31)
    assert len(log_of(cast.member("jun"))) == len(told()) == 2


# ── the lock taken away ──


def test_only_a_lock_is_unlocked(cast: Cast) -> None:
    mistypes(cast, "jun", 4)
    with pytest.raises(SomeoneWasFaster):
        locks.unlock(cast.taro, cast.member("jun"))
    assert mistypes(cast, "jun", 1) == [TooMany], "the four tries count as before"
    locks.unlock(cast.taro, cast.member("jun"))
    with pytest.raises(SomeoneWasFaster):
        locks.unlock(cast.taro, cast.member("jun"))
    assert AuditEntry.select().where(AuditEntry.action == "member.unlocked").count() == 1


def test_the_sixth_of_a_day_waits_whoever_asks_and_wherever_the_person_works(cast: Cast) -> None:
    start = utc_now()
    for who, name in [("taro", "hanako"), ("jiro", "hanako_at_xyz"), ("kiku", "hanako"), ("dai", "hanako")]:
        mistypes(cast, "hanako", 5)
        locks.unlock(getattr(cast, who), cast.member(name))
    mistypes(cast, "hanako", 5)
    locks.unlock(cast.taro, cast.member("hanako"))
    mistypes(cast, "hanako", 5)
    for who, name in (("taro", "hanako"), ("jiro", "hanako_at_xyz"), ("dai", "hanako")):
        with pytest.raises(TooMany, match="1日に5回"):
            locks.unlock(getattr(cast, who), cast.member(name))
    assert locks.is_locked(cast.member("hanako"), utc_now())
    later = start + timedelta(days=1, minutes=1)
    throttle.clear("password", cast.member("hanako").user.uid)
    for _ in range(5):
        throttle.hit("password", cast.member("hanako").user.uid, later)
    locks.unlock(Actor(cast.member("taro"), at=later), cast.member("hanako"))
    assert not locks.is_locked(cast.member("hanako"), later)


def test_a_refused_unlock_of_what_is_not_locked_uses_up_nothing(cast: Cast) -> None:
    for _ in range(6):
        with pytest.raises(SomeoneWasFaster):
            locks.unlock(cast.taro, cast.member("jun"))
    mistypes(cast, "jun", 5)
    locks.unlock(cast.taro, cast.member("jun"))
    assert not locks.is_locked(cast.member("jun"), utc_now())


def test_a_days_wishes_that_are_used_up_count_as_a_lock_and_are_given_back(cast: Cast) -> None:
    jun, start = cast.member("jun"), utc_now()
    for number in range(10):
        assert not locks.is_locked(jun, start), number
        asked_code(jun, visitor(hours=-12 + number))
    assert locks.is_locked(jun, start)
    late = asked_code(jun, visitor())
    assert late.membership is None
    locks.unlock(cast.taro, jun)
    assert not locks.is_locked(jun, utc_now())
    assert asked_code(jun, visitor()).membership == jun


def test_unlocking_one_leaves_the_others_locked(cast: Cast) -> None:
    mistypes(cast, "jun", 5)
    mistypes(cast, "hanako", 5)
    locks.unlock(cast.taro, cast.member("jun"))
    found = locks.locked(list(cast.abc.members()), utc_now())
    assert found == {cast.member("hanako").id}


def test_nobody_who_has_left_is_unlocked(cast: Cast) -> None:
    mistypes(cast, "jun", 5)
    places.end(cast.taro, cast.member("jun"))
    with pytest.raises(Refused, match="終了しています"):
        locks.unlock(cast.taro, cast.member("jun"))
    assert locks.is_locked(cast.member("jun"), utc_now())


# ── what it costs to know ──


def many(cast: Cast, number: int) -> list[Membership]:
    """So many people of ABC商事, as a list shows them."""
    for slot in range(number - cast.abc.members().count()):
        user = User.create(name=f"試験　{slot}", mail=f"person{slot}@abc-shoji.example", is_initial_password=False)
        Membership.create(user=user, office=cast.abc, kind="staff", login_id=f"person{slot:04}", ready_at=utc_now())
    return list(cast.abc.members())


@pytest.mark.parametrize("number", [3, 30])
def test_who_is_locked_takes_two_queries_for_any_number(cast: Cast, number: int) -> None:
    members = many(cast, number)
    mistypes(cast, "jun", 5)
    secret, _ = enrols(cast.member("taro"))
    for network in STRANGERS[:3]:
        fails(cast, "taro", secret, 5, network)
    with statements() as run:
        found = locks.locked(members, utc_now())
    assert len(members) == number
    assert found == {cast.member("jun").id, cast.member("taro").id}
    assert [statement.split()[0] for statement in run] == ["SELECT"] * 2, run


def test_the_funds_people_too_take_two_queries(cast: Cast) -> None:
    staff_fails(cast, "ume", 5)
    members = list(Membership.at(None))
    with statements() as run:
        found = locks.locked(members, utc_now())
    assert (found, len(run)) == ({cast.member("ume").id}, 2)


# ── a wrong try tells nothing ──

WRONG = {"eight digits": "00000000", "six digits": "000000", "a recovery code": "ABCDE23456"}


def costs(cast: Cast, typed: str) -> dict[str, list[str]]:
    """The statements of a wrong try, by whose pair it is."""
    enrols(cast.member("taro"))
    asked_code(cast.member("jun"), visitor())
    pairs = {"nobody": "nobody001", "asked": "jun", "did not ask": "hanako", "authenticator": "taro"}
    found = {}
    for kind, name in pairs.items():
        with statements() as run, pytest.raises(Refused):
            sessions.pass_code(visitor(), cast.abc.contract_number, LOGIN_IDS.get(name, name), typed, BROWSER)
        found[kind] = [verb for verb in (statement.split()[0] for statement in run) if verb not in ENDS]
    return found


@pytest.mark.parametrize("typed", WRONG.values(), ids=WRONG)
def test_a_wrong_try_writes_as_often_for_everybody(cast: Cast, typed: str) -> None:
    """What takes long is what is written."""
    found = {kind: sum(verb in WRITES for verb in run) for kind, run in costs(cast, typed).items()}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("typed", WRONG.values(), ids=WRONG)
def test_a_wrong_try_costs_as_many_statements_for_everybody(cast: Cast, typed: str) -> None:
    found = {kind: len(run) for kind, run in costs(cast, typed).items()}
    assert len(set(found.values())) == 1, found
