"""Business days, by dates that were looked up in a calendar on paper."""

from datetime import UTC, date, datetime

import pytest

from exchange import calendar


def on(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "why"),
    [
        ("2026-11-21", "a Saturday"),
        ("2026-11-22", "a Sunday"),
        ("2026-11-23", "勤労感謝の日"),
        ("2026-05-06", "the substitute for 憲法記念日, which was a Sunday"),
        ("2027-03-22", "the substitute for 春分の日, which was a Sunday"),
        ("2026-09-22", "国民の休日, between 敬老の日 and 秋分の日"),
        ("2027-04-29", "昭和の日"),
        ("2027-05-03", "憲法記念日"),
        ("2027-05-04", "みどりの日"),
        ("2027-05-05", "こどもの日"),
        ("2027-10-11", "スポーツの日, a second Monday"),
        ("2026-12-29", "year end, a Tuesday"),
        ("2026-12-30", "year end"),
        ("2026-12-31", "year end"),
        ("2027-01-01", "元日"),
        ("2028-01-03", "the first days of the year, a Monday"),
        ("2029-01-02", "the first days of the year, a Tuesday"),
    ],
)
def test_nobody_works_then(day: str, why: str) -> None:
    assert not calendar.is_business_day(on(day)), why


@pytest.mark.parametrize(
    "day", ["2026-11-24", "2026-12-28", "2027-01-04", "2027-04-30", "2027-05-06", "2026-09-24", "2026-08-14"]
)
def test_everybody_works_then(day: str) -> None:
    assert calendar.is_business_day(on(day))


@pytest.mark.parametrize(
    ("start", "count", "end"),
    [
        ("2026-11-24", 1, "2026-11-25"),
        ("2026-11-20", 1, "2026-11-24"),  # Friday, over the weekend and 勤労感謝の日
        ("2026-11-21", 1, "2026-11-24"),  # from a Saturday
        ("2026-11-20", 2, "2026-11-25"),
        ("2027-04-28", 1, "2027-04-30"),  # over 昭和の日
        ("2027-04-28", 2, "2027-05-06"),  # over the whole Golden Week
        ("2027-04-30", 1, "2027-05-06"),
        ("2026-09-18", 1, "2026-09-24"),  # Saturday to Wednesday: 敬老の日, 国民の休日, 秋分の日
        ("2026-12-28", 1, "2027-01-04"),
        ("2026-12-28", 2, "2027-01-05"),
        ("2026-12-25", 2, "2027-01-04"),
        ("2026-12-31", 1, "2027-01-04"),
        ("2026-11-24", 0, "2026-11-24"),
    ],
)
def test_business_days_are_counted_from_the_day_after(start: str, count: int, end: str) -> None:
    assert calendar.add_business_days(on(start), count) == on(end)


def test_a_day_begins_at_midnight_in_japan() -> None:
    assert calendar.day(datetime(2026, 11, 23, 14, 59, 59, tzinfo=UTC)) == on("2026-11-23")
    assert calendar.day(datetime(2026, 11, 23, 15, 0, 0, tzinfo=UTC)) == on("2026-11-24")
