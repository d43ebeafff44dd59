"""利用期限: the last day of a place, in Japan; who sets it, and what happens when it is over."""

from datetime import date, datetime, timedelta

import pytest

from database import utc_now
from exchange import calendar, people, permissions, places, sessions
from exchange.actors import Actor, command_line, system
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Mail, Membership
from tests.exchange.logins import enrols, open_session, second_step, third_step
from tests.people import LOGIN_IDS, Cast

NEW_PASSWORD = "amber-violin-7-harbour"
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("empty_outbox")


def today() -> date:
    return calendar.day(utc_now())


def actions() -> list[str]:
    wanted = ("member.limited", "member.ended")
    return [row.action for row in AuditEntry.select().where(AuditEntry.action << wanted).order_by(AuditEntry.number)]


def is_over(cast: Cast, name: str) -> None:
    """As if the last day of that place had been yesterday."""
    Membership.update(ends_on=today() - DAY).where(Membership.login_id == LOGIN_IDS[name]).execute()


def colleague(cast: Cast) -> Membership:
    """A clerk with 職員 who has finished the first login."""
    facts = ("fund", "kikinRan1", "基金　蘭", "ran@fund.example")
    member = people.add_staff(cast.kiku, *facts, ("staff",)).membership
    enrols(member)
    people.register_user(Actor(member), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    return member


def test_a_last_day_is_set_moved_and_taken_back_and_each_is_logged(cast: Cast) -> None:
    days: list[date | None] = [None, today() + DAY, today(), None]
    for before, after in zip(days, days[1:], strict=False):
        assert places.limit(cast.taro, cast.member("jun"), after, before)
        assert cast.member("jun").ends_on == after
    assert not places.limit(cast.taro, cast.member("jun"), None, None)
    assert actions() == ["member.limited"] * 3
    entry = AuditEntry.get(AuditEntry.action == "member.limited")
    assert entry.details == {"login_id": LOGIN_IDS["jun"], "before": "", "after": f"{today() + DAY:%Y/%m/%d}"}
    assert len(Mail.get(Mail.kind == "account_changed").facts["lines"]) == 3


def test_two_pages_do_not_overwrite_each_others_day(cast: Cast) -> None:
    places.limit(cast.taro, cast.member("jun"), today() + DAY, None)
    with pytest.raises(SomeoneWasFaster):
        places.limit(cast.taro, cast.member("jun"), today() + 2 * DAY, None)
    assert cast.member("jun").ends_on == today() + DAY


def test_a_day_that_is_over_is_refused(cast: Cast) -> None:
    with pytest.raises(Refused, match="利用期限"):
        places.limit(cast.taro, cast.member("jun"), today() - DAY, None)
    assert cast.member("jun").ends_on is None


def test_on_the_last_day_one_still_works(cast: Cast) -> None:
    places.limit(cast.taro, cast.member("jun"), today(), None)
    assert third_step(cast, "jun")
    assert permissions.may(Actor(cast.member("jun")), "upload")


def test_after_it_cookie_code_password_and_words_are_dead_without_the_worker(cast: Cast) -> None:
    token, _ = open_session(cast.member("jun"))
    passed = second_step(cast, "jun")
    is_over(cast, "jun")
    assert sessions.resume(token, "in", utc_now()) == sessions.Ended("ended")
    assert Membership.at_door(cast.abc.contract_number, LOGIN_IDS["jun"]) is None
    assert permissions.held(Actor(cast.member("jun"))) == frozenset()
    assert passed.membership == cast.member("jun")
    with pytest.raises(Refused):
        sessions.pass_password(Actor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])


def test_a_clerk_whose_day_is_over_does_not_come_in(cast: Cast) -> None:
    assert Membership.staff_at_door(LOGIN_IDS["ume"]) is not None
    is_over(cast, "ume")
    assert Membership.staff_at_door(LOGIN_IDS["ume"]) is None


def test_the_worker_ends_what_is_over_once_and_nothing_else(cast: Cast) -> None:
    places.limit(cast.taro, cast.member("hanako"), today(), None)
    is_over(cast, "jun")
    for _ in range(2):
        places.end_over(utc_now())
    left = {name: cast.member(name).ended_at is not None for name in ("jun", "hanako", "hanako_at_xyz")}
    assert left == {"jun": True, "hanako": False, "hanako_at_xyz": False}
    entry = AuditEntry.get(AuditEntry.action == "member.ended")
    assert (entry.who, entry.subject) == (system().who, cast.member("jun").uid)
    assert actions() == ["member.limited", "member.ended"]
    places.end_over(utc_now() + DAY)
    assert cast.member("hanako").ended_at is not None


def test_the_day_is_that_of_japan(cast: Cast) -> None:
    """Half past midnight in Tokyo is still yesterday in UTC."""
    last = date(2031, 5, 26)
    Membership.update(ends_on=last).where(Membership.login_id == LOGIN_IDS["jun"]).execute()
    evening = datetime.fromisoformat("2031-05-26T23:59:00+09:00")
    places.end_over(evening)
    assert cast.member("jun").ended_at is None
    places.end_over(evening + timedelta(minutes=31))
    assert cast.member("jun").ended_at == evening + timedelta(minutes=31)


def test_what_nobody_can_end_has_no_last_day_either(cast: Cast) -> None:
    for actor, name in ((cast.taro, "taro"), (cast.kiku, "kiku")):
        with pytest.raises(Refused):
            places.limit(actor, cast.member(name), today() + DAY, None)
    assert (cast.member("taro").ends_on, cast.member("kiku").ends_on, actions()) == (None, None, [])


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "ume", "dai"])
def test_nobody_but_the_own_admin_sets_a_day(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        places.limit(getattr(cast, name), cast.member("hanako"), today() + DAY, None)
    assert cast.member("hanako").ends_on is None


def test_who_has_left_gets_no_day(cast: Cast) -> None:
    as_shown = cast.member("jun")
    places.end(cast.taro, cast.member("jun"))
    with pytest.raises(Refused, match="終了|すでに変更"):
        places.limit(cast.taro, as_shown, today() + DAY, None)
    assert cast.member("jun").ends_on is None


def test_the_funds_people_have_no_last_day(cast: Cast) -> None:
    """Otherwise the last one with 職員 could be gone over night."""
    for actor, name in ((cast.kiku, "ume"), (cast.kiku, "dai"), (command_line(), "ume")):
        with pytest.raises(Refused, match="職員"):
            places.limit(actor, cast.member(name), today() + DAY, None)
    assert (cast.member("ume").ends_on, cast.member("dai").ends_on, actions()) == (None, None, [])


def test_a_colleague_with_a_last_day_would_not_be_enough_to_keep_the_funds_people_managed(cast: Cast) -> None:
    """Whatever way it came into the row."""
    other = colleague(cast)
    Membership.update(ends_on=today() + DAY).where(Membership.id == other.id).execute()
    with pytest.raises(Refused, match="職員"):
        permissions.assign(cast.kiku, cast.member("kiku"), "staff", False)
    assert permissions.may(cast.kiku, "staff")
