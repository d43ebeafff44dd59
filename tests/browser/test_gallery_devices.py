"""Every state of every screen of devices: fits a narrow window and breaks no rule of accessibility.

The pictures go where those of test_screens.py go.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium

from tests.browser import gallery_devices as rooms
from tests.browser import site as sites
from tests.browser.gallery_devices import BUSY, DRIVEN, Rooms
from tests.browser.screens_devices import SCREENS as ALL
from tests.browser.test_screens import AXE, Seen, looked_at, sheets, visited
from tests.processes import some

SCREENS = some(ALL, 9)


@pytest.fixture(scope="module")
def furnished(
    tmp_path_factory: pytest.TempPathFactory, staged: tuple[Path, dict], chromium: Chromium
) -> Iterator[Rooms]:
    folder = tmp_path_factory.mktemp("devices")
    with ExitStack() as running:

        def site(name: str, config: dict[str, str]) -> sites.Site:
            shutil.copytree(staged[0], folder / name / "instance")
            quiet = {f"TODOKE_{key}": json.dumps(value) for key, value in config.items()} | {"TODOKE_RUN_JOBS": "false"}
            one = running.enter_context(sites.running(folder / name, is_demo=False, **quiet))
            one.made = staged[1]
            return one

        fresh = site("fresh", BUSY)
        gallery = Rooms(site("busy", BUSY), fresh, bare=fresh, driven=site("driven", DRIVEN))
        rooms.furnish_fresh(gallery)
        rooms.furnish_driven(gallery)
        rooms.furnish_busy(gallery)
        yield gallery


@pytest.fixture(scope="module")
def see(furnished: Rooms, chromium: Chromium, pictures: Path) -> Callable[[str], Seen]:
    """`see("devices-many")`: goes there once, looks at it wide and narrow, and keeps the pictures."""
    seen: dict[str, Seen] = {}

    def look(name: str) -> Seen:
        if name not in seen:
            with visited(chromium, furnished, name, ALL) as page:
                seen[name] = looked_at(page, pictures / name)
        return seen[name]

    return look


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_of_devices_fits_a_wide_and_a_narrow_window(name: str, see: Callable[[str], Seen]) -> None:
    assert see(name).overflow == []


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_of_devices_breaks_no_serious_rule_of_accessibility(name: str, see: Callable[[str], Seen]) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not fetched")
    assert see(name).violations == []


def test_a_new_download_key_is_printed_on_one_sheet(furnished: Rooms, chromium: Chromium, pictures: Path) -> None:
    assert sheets("key-sheet", furnished, chromium, pictures, ALL) == [(595, 842)]
