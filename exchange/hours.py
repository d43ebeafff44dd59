"""When the service is open to offices: on business days between two hours that the fund decides, or always."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from database import JST
from exchange import calendar, settings

WEEKDAYS = "月火水木金土日"
LONGEST_REST = 60  # days that are looked through for the next opening, more than any rest there is


@dataclass(frozen=True)
class Hours:
    """`opens_at`: the next opening, while closed; `closes_at`: the end of this day's hours, while open. Neither where
    hours are not limited.
    """

    is_open: bool
    opens_at: datetime | None = None
    closes_at: datetime | None = None


def now(at: datetime) -> Hours:
    """Whether offices may come in at that moment: from the first moment of the hour of opening to the last before the
    hour of closing.
    """
    decided = settings.every()
    if not decided["hours_limited"]:
        return Hours(True)
    first, last = decided["hours_from"], decided["hours_to"]
    opens, closes = (_at(calendar.day(at), hour) for hour in (first, last))
    if calendar.is_business_day(calendar.day(at)) and opens <= at < closes:
        return Hours(True, closes_at=closes)
    return Hours(False, opens_at=_next_opening(at, first))


def spoken() -> str:
    """平日 8:00～20:00, or empty where hours are not limited."""
    decided = settings.every()
    return f"平日 {decided['hours_from']}:00～{decided['hours_to']}:00" if decided["hours_limited"] else ""


def spoken_opening(at: datetime) -> str:
    """11月24日(火) 8:00"""
    local = calendar.japan(at)
    return f"{local.month}月{local.day}日({WEEKDAYS[local.weekday()]}) {local.hour}:00"


def spoken_closing(at: datetime) -> str:
    """20:00; the midnight that ends a day is 24:00."""
    return f"{calendar.japan(at).hour or 24}:00"


def _next_opening(at: datetime, hour: int) -> datetime | None:
    today = calendar.day(at)
    days = (today + timedelta(days=ahead) for ahead in range(LONGEST_REST))
    openings = (_at(day, hour) for day in days if calendar.is_business_day(day))
    return next((opening for opening in openings if opening > at), None)


def _at(day: date, hour: int) -> datetime:
    """That hour of a day in Japan; 24 is the midnight that ends it."""
    return datetime(day.year, day.month, day.day, tzinfo=JST) + timedelta(hours=hour)
