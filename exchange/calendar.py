"""Time in Japan: what people read, what days and months are counted by, and on which days an office works."""

from datetime import date, datetime, timedelta

import jpholiday

from database import JST


def japan(at: datetime) -> datetime:
    """The same moment on a clock in Japan."""
    return at.astimezone(JST)


def day(at: datetime) -> date:
    """The day it is then in Japan."""
    return japan(at).date()


def is_business_day(on: date) -> bool:
    """Monday to Friday, but neither a public holiday nor one of the days 12/29 to 1/3, on which offices are closed."""
    is_year_end = (on.month, on.day) >= (12, 29) or (on.month, on.day) <= (1, 3)
    return on.weekday() < 5 and not is_year_end and not jpholiday.is_holiday(on)


def add_business_days(on: date, count: int) -> date:
    """The count-th business day after a day, whether or not that day is one itself."""
    while count:
        on += timedelta(days=1)
        count -= is_business_day(on)
    return on
