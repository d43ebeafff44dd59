"""The mailed one-time password and the authenticator's code: who it works for, how often, how long."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import onetime, throttle
from exchange.actors import Actor
from models import AuditEntry, Job, Mail, Membership, OneTimePassword, User
from tests.people import LOGIN_IDS, Cast
from tests.processes import IS_SOAK, together

BROWSER = "the browser that asked"
pytestmark = pytest.mark.usefixtures("empty_outbox")

PROCESSES, GUESSES = (32, 20) if IS_SOAK else (8, 5)


def stranger(at: datetime | None = None, address: str = "192.0.2.7") -> Actor:
    return Actor(address=address, at=at or utc_now())


def ask(cast: Cast, name: str, at: datetime | None = None, address: str = "192.0.2.7") -> OneTimePassword:
    """Ask for a code as that person would; the row it made."""
    number = cast.abc.contract_number if name not in ("jiro", "hanako_at_xyz") else cast.xyz.contract_number
    asked = onetime.ask(stranger(at, address), number, LOGIN_IDS[name], BROWSER)
    return OneTimePassword.get(OneTimePassword.number == asked.number)


def tries(cast: Cast, name: str, typed: str, at: datetime | None = None, browser: str = BROWSER, **more: str) -> bool:
    return onetime.is_accepted(stranger(at), cast.member(name), typed, browser, **more)


def wrong(code: OneTimePassword) -> str:
    return f"{(int(onetime.code_of(code)) + 1) % 10**8:08d}"


def test_a_code_works_once(cast: Cast) -> None:
    code = onetime.code_of(ask(cast, "jun"))
    assert (len(code), code.isdigit()) == (8, True)
    assert [tries(cast, "jun", code) for _ in range(3)] == [True, False, False]


def test_a_code_works_from_another_browser_too(cast: Cast) -> None:
    """It is asked for before the VPN and typed after it, perhaps on another PC."""
    assert tries(cast, "jun", onetime.code_of(ask(cast, "jun")), browser="")


def test_a_code_ends_with_its_lifetime(cast: Cast) -> None:
    now = utc_now()
    code = ask(cast, "jun", now)
    typed, end = onetime.code_of(code), now + timedelta(minutes=10)
    assert code.expires_at == end
    assert not tries(cast, "jun", typed, end)
    assert tries(cast, "jun", typed, end - timedelta(microseconds=1))


def test_a_clock_that_was_set_back_by_more_than_a_minute_ends_a_code(cast: Cast) -> None:
    now = utc_now()
    typed = onetime.code_of(ask(cast, "jun", now))
    assert not tries(cast, "jun", typed, now - timedelta(seconds=61))
    assert tries(cast, "jun", typed, now - timedelta(seconds=60))


def test_only_the_newest_code_works(cast: Cast) -> None:
    now = utc_now()
    first = onetime.code_of(ask(cast, "jun", now))
    second = onetime.code_of(ask(cast, "jun", now + timedelta(seconds=61)))
    later = now + timedelta(seconds=70)
    assert not tries(cast, "jun", first, later)
    assert tries(cast, "jun", second, later)


def test_asking_again_within_a_minute_leaves_the_first_code_in_force(cast: Cast) -> None:
    now = utc_now()
    first = onetime.code_of(ask(cast, "jun", now))
    again = onetime.ask(stranger(now), cast.abc.contract_number, LOGIN_IDS["jun"], BROWSER)
    assert again.is_again
    assert tries(cast, "jun", first, now)


@pytest.mark.parametrize("name", ["taro", "hanako", "hanako_at_xyz", "kiku"])
def test_one_persons_code_is_nothing_for_another(cast: Cast, name: str) -> None:
    typed = onetime.code_of(ask(cast, "jun"))
    assert not tries(cast, name, typed)
    assert tries(cast, "jun", typed)


def test_a_code_for_one_contract_is_nothing_at_another(cast: Cast) -> None:
    """The same person, two offices."""
    typed = onetime.code_of(ask(cast, "hanako"))
    ask(cast, "hanako_at_xyz")
    assert not tries(cast, "hanako_at_xyz", typed)


def test_a_login_code_does_not_confirm_an_address(cast: Cast) -> None:
    typed = onetime.code_of(ask(cast, "jun"))
    assert not tries(cast, "jun", typed, purpose="mail")
    assert tries(cast, "jun", typed)


def test_nobody_is_accepted_with_anything(cast: Cast) -> None:
    assert not onetime.is_accepted(stranger(), None, "00000000", BROWSER)


def test_what_is_not_a_code_is_refused_without_a_fuss(cast: Cast) -> None:
    ask(cast, "jun")
    assert not any(tries(cast, "jun", typed) for typed in ("", "1234567", "１２３４５６７８", "x" * 1000, "\x00"))


def test_five_wrong_codes_from_the_own_browser_end_it_and_a_stranger_has_only_three(cast: Cast) -> None:
    code = ask(cast, "jun")
    typed, bad = onetime.code_of(code), wrong(code)
    assert not any(tries(cast, "jun", bad, browser="a stranger's") for _ in range(9))
    assert not tries(cast, "jun", typed, browser="a stranger's")
    assert not any(tries(cast, "jun", bad) for _ in range(4))
    row = OneTimePassword.get_by_id(code.id)
    assert (row.tries_own, row.tries_other) == (4, 3)
    assert tries(cast, "jun", typed), "the stranger's guesses don't burn the person's own"


def test_after_five_wrong_codes_the_right_one_is_refused(cast: Cast) -> None:
    code = ask(cast, "jun")
    assert not any(tries(cast, "jun", wrong(code)) for _ in range(5))
    assert not tries(cast, "jun", onetime.code_of(code))


def test_a_hundred_wrong_codes_in_a_day_close_the_door_even_for_a_new_code(cast: Cast) -> None:
    now = utc_now()
    for _ in range(100):
        throttle.hit("code_failures", str(cast.member("jun").id), now)
    typed = onetime.code_of(ask(cast, "jun", now))
    assert not tries(cast, "jun", typed, now)
    assert tries(cast, "taro", onetime.code_of(ask(cast, "taro", now)), now)


# ── how many mails ──


def sent(cast: Cast, name: str, moments: list[datetime], address: str = "192.0.2.7") -> list[bool]:
    """For each moment, whether asking then mails a code."""
    before, mailed = Mail.select().count(), []
    for moment in moments:
        asked = onetime.ask(stranger(moment, address), cast.abc.contract_number, LOGIN_IDS[name], BROWSER)
        row = OneTimePassword.get_or_none(OneTimePassword.number == asked.number)
        if row is not None:
            onetime.mail_code(stranger(moment), row.id)
        mailed.append(Mail.select().count() > before)
        before = Mail.select().count()
    return mailed


def test_three_codes_in_a_quarter_of_an_hour(cast: Cast) -> None:
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    moments = [start + timedelta(minutes=minutes) for minutes in (0, 2, 4, 6, 12, 19, 21)]
    assert sent(cast, "jun", moments) == [True, True, True, False, False, True, True]


def test_ten_codes_a_day(cast: Cast) -> None:
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    moments = [start + timedelta(minutes=16 * step) for step in range(12)]
    assert sent(cast, "jun", moments) == [True] * 10 + [False] * 2
    assert sent(cast, "jun", [moments[9] + timedelta(days=1)]) == [True]


def test_thirty_codes_an_hour_for_one_network_and_none_for_its_neighbour(cast: Cast) -> None:
    now = utc_now()
    for number in range(30):
        onetime.ask(stranger(now, f"2001:db8::{number:x}"), "0000000-00000000", f"nobody{number:04}", "")
    assert sent(cast, "jun", [now], "2001:db8::ffff:1") == [False]
    assert sent(cast, "taro", [now], "2001:db8:0:1::1") == [True]


def test_one_network_cannot_use_up_what_the_whole_site_may_send(cast: Cast) -> None:
    now = utc_now()
    for number in range(320):
        onetime.ask(stranger(now, "198.51.100.1"), "0000000-00000000", f"nobody{number:04}", "")
    assert sent(cast, "jun", [now]) == [True]


def test_three_hundred_codes_an_hour_for_the_whole_site(cast: Cast) -> None:
    now = utc_now()
    with db.atomic():
        for _ in range(300):
            throttle.hit("code_total", "", now)
    assert sent(cast, "jun", [now]) == [False]
    assert sent(cast, "jun", [now + timedelta(hours=1)]) == [True]


# ── nothing tells whether a pair exists ──


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL statements run within."""
    run: list[str] = []
    db.connection().set_trace_callback(run.append)
    try:
        yield run
    finally:
        db.connection().set_trace_callback(None)


def test_asking_costs_the_same_for_every_kind_of_pair(cast: Cast) -> None:
    Membership.update(disabled_at=utc_now()).where(Membership.id == cast.member("hanako").id).execute()
    abc, start = cast.abc.contract_number, utc_now()
    for step in range(3):
        ask(cast, "taro", start - timedelta(minutes=10 - 2 * step))
    pairs = {
        "unknown contract": ("0000000-00000000", "abcJun001"),
        "unknown user": (abc, "nobody001"),
        "disabled user": (abc, LOGIN_IDS["hanako"]),
        "budget used up": (abc, LOGIN_IDS["taro"]),
        "known": (abc, LOGIN_IDS["jun"]),
    }
    costs, answers = {}, {}
    for kind, pair in pairs.items():
        with statements() as run:
            asked = onetime.ask(stranger(start), *pair, BROWSER)
        costs[kind] = [statement.split()[0] for statement in run]
        answers[kind] = (len(asked.number), asked.minutes, asked.is_again)
    assert all(cost == costs["known"] for cost in costs.values()), costs
    assert len(costs["known"]) > 5
    assert set(answers.values()) == {(6, 10, False)}


def test_asking_leaves_the_same_rows_for_every_kind_of_pair(cast: Cast) -> None:
    for login_id in ("nobody001", LOGIN_IDS["jun"]):
        onetime.ask(stranger(), cast.abc.contract_number, login_id, BROWSER)
    assert OneTimePassword.select().count() == 2
    assert Job.select().where(Job.kind == "mail_code").count() == 2
    sent_facts = [
        entry.details["is_sent"] for entry in AuditEntry.select().where(AuditEntry.action == "code.requested")
    ]
    assert sent_facts == [False, True]


def test_a_job_that_runs_twice_mails_once_and_a_spent_code_not_at_all(cast: Cast) -> None:
    code = ask(cast, "jun")
    for _ in range(2):
        onetime.mail_code(stranger(), code.id)
    assert Mail.select().count() == 1
    spent = ask(cast, "taro")
    assert tries(cast, "taro", onetime.code_of(spent))
    onetime.mail_code(stranger(), spent.id)
    onetime.mail_code(stranger(), 999_999)
    assert Mail.select().count() == 1


def test_the_job_mails_the_code_to_those_who_exist_only(cast: Cast) -> None:
    unknown = onetime.ask(stranger(), cast.abc.contract_number, "nobody001", BROWSER)
    for row in (ask(cast, "jun"), OneTimePassword.get(OneTimePassword.number == unknown.number)):
        onetime.mail_code(stranger(), row.id)
    assert [mail.to_user.mail for mail in Mail.select()] == ["jun@abc-shoji.example"]


def test_a_code_that_is_over_is_not_mailed(cast: Cast) -> None:
    code = ask(cast, "jun")
    onetime.mail_code(stranger(code.expires_at), code.id)
    assert Mail.select().count() == 0


def test_an_address_to_be_confirmed_gets_a_code_of_its_own(cast: Cast) -> None:
    User.update(pending_mail="jun.new@abc-shoji.example").where(User.id == cast.member("jun").user_id).execute()
    onetime.mail_code(stranger(), ask(cast, "jun").id)
    login, mail = Mail.select().order_by(Mail.id)
    assert (login.kind, mail.to_address) == ("one_time_password", "jun.new@abc-shoji.example")
    assert login.to_address in (None, "jun@abc-shoji.example")
    assert onetime.code_of(login.code) != onetime.code_of(mail.code)
    assert tries(cast, "jun", onetime.code_of(mail.code), browser="", purpose="mail")


def test_codes_are_forgotten_a_day_after_their_end_though_a_mail_told_them(cast: Cast) -> None:
    code = ask(cast, "jun")
    onetime.mail_code(stranger(), code.id)
    onetime.sweep(code.expires_at + timedelta(hours=23))
    assert OneTimePassword.select().count() == 1
    onetime.sweep(code.expires_at + timedelta(days=1, seconds=1))
    assert (OneTimePassword.select().count(), Mail.select().count()) == (0, 1)


def test_neither_the_code_nor_its_hash_is_kept(cast: Cast, instance: Path) -> None:
    typed = onetime.code_of(ask(cast, "jun"))
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    assert typed.encode() not in (instance / "exchange.sqlite").read_bytes()


# ── at the same time ──


def guess(login_id: str, typed: str, times: int) -> int:
    member = Membership.get(Membership.login_id == login_id)
    return sum(onetime.is_accepted(stranger(), member, typed, BROWSER) for _ in range(times))


def test_of_many_guesses_in_many_processes_exactly_five_are_looked_at(cast: Cast, instance: Path) -> None:
    code = ask(cast, "jun")
    works = [(guess, LOGIN_IDS["jun"], wrong(code), GUESSES)] * PROCESSES
    assert sum(together(instance, works)) == 0
    row = OneTimePassword.get_by_id(code.id)
    failures = db.execute_sql("SELECT count FROM throttle WHERE kind = 'code_failures'").fetchone()[0]
    assert (row.tries_own, row.tries_other, failures) == (5, 0, 5)


def test_of_many_processes_with_the_right_code_one_comes_in(cast: Cast, instance: Path) -> None:
    typed = onetime.code_of(ask(cast, "jun"))
    assert sum(together(instance, [(guess, LOGIN_IDS["jun"], typed, 1)] * PROCESSES)) == 1


# ── the authenticator ──


def test_an_authenticator_code_counts_once_and_one_step_either_way(cast: Cast) -> None:
    secret, user = cast.secrets("kiku")["totp_secret"], cast.member("kiku").user
    noon = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def shown(ahead: int) -> str:
        return onetime.totp_now(secret, noon + timedelta(seconds=ahead))

    assert not onetime.is_totp_accepted(user, shown(-60), noon)
    assert not onetime.is_totp_accepted(user, shown(60), noon)
    assert onetime.is_totp_accepted(user, shown(-30), noon)
    assert not onetime.is_totp_accepted(user, shown(-30), noon), "used"
    assert onetime.is_totp_accepted(user, shown(30), noon)
    assert not onetime.is_totp_accepted(user, shown(0), noon), "older than the last one used"


def test_nobody_and_people_without_an_authenticator_are_refused(cast: Cast) -> None:
    now = utc_now()
    assert not onetime.is_totp_accepted(None, "000000", now)
    assert not onetime.is_totp_accepted(cast.member("jun").user, "000000", now)
    assert not onetime.is_totp_accepted(cast.member("kiku").user, "１２３４５６", now)


def use_step(secret: str, at: datetime) -> bool:
    user = Membership.get(Membership.login_id == LOGIN_IDS["kiku"]).user
    return onetime.is_totp_accepted(user, onetime.totp_now(secret, at), at)


def test_one_authenticator_code_lets_one_process_in(cast: Cast, instance: Path) -> None:
    works = [(use_step, cast.secrets("kiku")["totp_secret"], utc_now())] * 6
    assert sum(together(instance, works)) == 1
