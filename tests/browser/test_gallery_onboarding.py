"""Every state of every screen of onboarding: fits a narrow window and breaks no rule of accessibility.

The pictures go where those of test_screens.py go.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium

from tests.browser import gallery_onboarding as rooms
from tests.browser import site as sites
from tests.browser.gallery import Gallery
from tests.browser.screens_onboarding import ONBOARDING
from tests.browser.test_screens import AXE, Seen, looked_at, visited
from tests.processes import some

SCREENS = some(ONBOARDING, 8)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[Gallery]:
    folder = tmp_path_factory.mktemp("onboarding")
    with ExitStack() as running:
        still = {"TODOKE_RUN_JOBS": "false", "TODOKE_MAKENSIS": ""}  # the desk uploads what nobody builds
        busy, fresh = (running.enter_context(sites.running(folder / name, **still)) for name in ("busy", "fresh"))
        gallery = Gallery(busy, fresh, bare=fresh)
        gallery.cookies |= rooms.furnish_fresh(fresh.instance, fresh.made)
        # Last, so that the rules in this process stay on the installation that steps may still change.
        gallery.uids, cookies = rooms.furnish_busy(busy.instance, busy.made)
        gallery.cookies |= cookies
        yield gallery


@pytest.fixture(scope="module")
def see(furnished: Gallery, chromium: Chromium, pictures: Path) -> Callable[[str], Seen]:
    """`see("letters-ready")`: goes there once, looks at it wide and narrow, and keeps the pictures."""
    seen: dict[str, Seen] = {}

    def look(name: str) -> Seen:
        if name not in seen:
            with visited(chromium, furnished, name, ONBOARDING) as page:
                seen[name] = looked_at(page, pictures / name)
        return seen[name]

    return look


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_of_onboarding_fits_a_wide_and_a_narrow_window(name: str, see: Callable[[str], Seen]) -> None:
    assert see(name).overflow == []


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_of_onboarding_breaks_no_serious_rule_of_accessibility(name: str, see: Callable[[str], Seen]) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not fetched")
    assert see(name).violations == []


def test_the_receipt_prints_as_a_copy_to_keep(furnished: Gallery, chromium: Chromium) -> None:
    with visited(chromium, furnished, "filing-receipt", ONBOARDING) as page:
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#main").get_by_role("button").count() == 0
        words = page.locator("#main").inner_text()
        assert "印刷日時 20" in words
        assert "K20" in words
        assert "サンプルビルディング北棟" in words
