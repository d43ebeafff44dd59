"""When the service is open to offices, by dates that were looked up in a calendar on paper."""

from datetime import datetime
from typing import Any

import pytest

from database import JST, db
from exchange import fund, hours, settings
from exchange.errors import Refused
from models import AuditEntry
from tests.people import Cast


def jst(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=JST)


def limits(**decided: Any) -> None:
    with db.atomic():
        for key, value in {"hours_limited": True, **decided}.items():
            settings.put(key, value)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-24T07:59:59.999999", False),
        ("2026-11-24T08:00:00", True),
        ("2026-11-24T12:00:00", True),
        ("2026-11-24T19:59:59.999999", True),
        ("2026-11-24T20:00:00", False),
        ("2026-11-24T00:00:00", False),
        ("2026-11-21T12:00:00", False),  # a Saturday
        ("2026-11-22T12:00:00", False),  # a Sunday
        ("2026-11-23T12:00:00", False),  # 勤労感謝の日, a Monday
        ("2026-12-28T12:00:00", True),
        ("2026-12-29T12:00:00", False),
        ("2026-12-31T12:00:00", False),
        ("2027-01-01T12:00:00", False),
        ("2027-01-04T08:00:00", True),
    ],
)
def test_it_is_open_on_business_days_from_eight_to_eight(cast: Cast, moment: str, is_open: bool) -> None:
    limits()
    assert hours.now(jst(moment)).is_open == is_open


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-11-24T03:00:00", "2026-11-24T08:00:00"),
        ("2026-11-24T07:59:59", "2026-11-24T08:00:00"),
        ("2026-11-24T20:00:00", "2026-11-25T08:00:00"),
        ("2026-11-20T20:00:00", "2026-11-24T08:00:00"),  # Friday, over the weekend and 勤労感謝の日
        ("2026-11-23T12:00:00", "2026-11-24T08:00:00"),
        ("2027-04-30T20:00:00", "2027-05-06T08:00:00"),  # over the Golden Week
        ("2026-09-18T21:00:00", "2026-09-24T08:00:00"),  # Saturday to Wednesday: five days at a stretch
        ("2026-12-28T20:00:00", "2027-01-04T08:00:00"),
        ("2027-12-28T23:59:59", "2028-01-04T08:00:00"),  # 1/3 is a Monday
    ],
)
def test_a_closed_service_knows_its_next_opening(cast: Cast, moment: str, opening: str) -> None:
    limits()
    found = hours.now(jst(moment))
    assert (found.is_open, found.opens_at, found.closes_at) == (False, jst(opening), None)


def test_an_open_service_knows_when_it_closes(cast: Cast) -> None:
    limits()
    found = hours.now(jst("2026-11-24T08:00:00"))
    assert (found.opens_at, found.closes_at) == (None, jst("2026-11-24T20:00:00"))


@pytest.mark.parametrize("moment", ["2026-11-24T03:00:00", "2026-11-22T12:00:00", "2027-01-01T00:00:00"])
def test_without_limits_it_is_always_open(cast: Cast, moment: str) -> None:
    assert hours.now(jst(moment)) == hours.Hours(True)
    assert hours.spoken() == ""


def test_the_fund_decides_the_hours(cast: Cast) -> None:
    limits(hours_from=9, hours_to=24)
    moments = ("2026-11-24T08:59:59", "2026-11-24T09:00:00", "2026-11-24T23:59:59", "2026-11-25T00:00:00")
    assert [hours.now(jst(moment)).is_open for moment in moments] == [False, True, True, False]
    assert hours.spoken() == "平日 9:00～24:00"
    assert hours.spoken_closing(hours.now(jst("2026-11-24T10:00:00")).closes_at) == "24:00"


def test_people_read_the_next_opening_with_its_day_of_the_week(cast: Cast) -> None:
    limits(hours_from=0)
    assert hours.spoken_opening(hours.now(jst("2026-11-22T12:00:00")).opens_at) == "11月24日(火) 0:00"
    assert hours.spoken_opening(jst("2027-01-04T08:00:00")) == "1月4日(月) 8:00"
    assert hours.spoken_closing(jst("2026-11-24T20:00:00")) == "20:00"


@pytest.mark.parametrize("wanted", [{"hours_from": (8, 20)}, {"hours_to": (20, 8)}, {"hours_to": (20, 1)}])
def test_it_can_not_close_before_it_opens(cast: Cast, wanted: dict[str, tuple[int, int]]) -> None:
    with pytest.raises(Refused, match="閉じる時刻：開く時刻（.*）より後の時刻を"):
        fund.decide(cast.kiku, {"code_minutes": (10, 15), **wanted})
    now = settings.every()
    assert (now["hours_from"], now["hours_to"], now["code_minutes"]) == (8, 20, 10)
    assert not AuditEntry.select().where(AuditEntry.action == "settings.changed").exists()


def test_both_hours_can_be_moved_at_once(cast: Cast) -> None:
    assert fund.decide(cast.kiku, {"hours_from": (8, 21), "hours_to": (20, 23)}) == ["hours_from", "hours_to"]
