"""/admin/status: what a clerk reads out on the phone."""

from collections.abc import Callable

import pytest

from database import utc_now
from exchange import calendar, clock
from tests.people import Browser


@pytest.mark.parametrize(("is_kept", "word"), [(True, "動作中"), (False, "未確認"), (None, "未確認")])
def test_the_page_tells_the_servers_time_and_whether_it_is_kept(
    browser: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch, is_kept: bool | None, word: str
) -> None:
    monkeypatch.setattr(clock, "is_kept", lambda: is_kept)
    page = browser("kiku").get("/admin/status/").text
    assert f"{calendar.japan(utc_now()):%Y/%m/%d}" in page
    assert f"時刻合わせ {word}" in page


def test_this_machine_says_how_its_clock_is_kept() -> None:
    assert clock.is_kept() in (True, False, None)
