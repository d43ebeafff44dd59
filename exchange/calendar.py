"""Time in Japan: what people read and what days and months are counted by."""

from datetime import date, datetime

from database import JST


def japan(at: datetime) -> datetime:
    """The same moment on a clock in Japan."""
    return at.astimezone(JST)


def day(at: datetime) -> date:
    """The day it is then in Japan."""
    return japan(at).date()
