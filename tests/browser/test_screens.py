"""Every state of every screen: fits a narrow window, breaks no rule of accessibility, and is kept as a picture.

The pictures go to $TODOKE_PICTURES, or into pytest's temporary folder.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page

from database import db
from models import Office
from tests import clamd
from tests.browser import gallery as rooms
from tests.browser import site as sites
from tests.browser.gallery import Gallery
from tests.browser.gallery_people import furnish_people
from tests.browser.screens import SCREENS
from tests.browser.screens_people import Screen
from tests.browser.watch import Watch
from tests.processes import some

LOOKED_AT = some(SCREENS, 7)
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}

# A few pages are broken on purpose; Chromium notes their answer in its console.
ANSWERED = "Failed to load resource: the server responded with a status of "
EXPECTED = {
    "error-500": f"{ANSWERED}500",
    **dict.fromkeys(("closed", "closed-visitor", "closed-sent"), f"{ANSWERED}503"),
}
PRINTED = (
    *("filing-filing-delivered", "statement-received-fund", "filings-many", "matrix", "audit"),
    *("user-password", "recovery-codes"),
)


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> Iterator[Gallery]:
    folder = tmp_path_factory.mktemp("gallery")
    quiet = {"TODOKE_RUN_JOBS": "false", "TODOKE_MAX_FILE_BYTES": "1000000"}
    with ExitStack() as running:
        scanner = running.enter_context(clamd.running(folder / "clamd")) if Path(clamd.PROGRAM).exists() else ""
        busy = running.enter_context(sites.running(folder / "busy", **quiet, TODOKE_CLAMD=scanner))
        fresh = running.enter_context(sites.running(folder / "fresh", **quiet))
        bare = running.enter_context(sites.running(folder / "bare", is_demo=False, **quiet))
        gallery = Gallery(busy, fresh, bare)
        gallery.cookies |= rooms.furnish_fresh(fresh.instance, fresh.made)
        # Last, so that the rules in this process stay on the installation that steps may still change.
        gallery.uids, cookies = rooms.furnish_busy(busy.instance, busy.made, folder, furnish_people, scanner)
        gallery.cookies |= cookies
        with db.connection_context():
            gallery.uids["abc"] = Office.get(Office.office_number == "00101").uid
        yield gallery


@dataclass
class Seen:
    """What was found on one screen. `overflow`: (content, window) widths where the content is wider."""

    overflow: list[tuple[int, int]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def see(furnished: Gallery, chromium: Chromium, pictures: Path) -> Callable[[str], Seen]:
    """`see("inbox")`: goes there once, looks at it wide and narrow, and keeps the pictures."""
    seen: dict[str, Seen] = {}

    def look(name: str) -> Seen:
        if name not in seen:
            with visited(chromium, furnished, name) as page:
                seen[name] = looked_at(page, pictures / name)
        return seen[name]

    return look


@contextmanager
def visited(chromium: Chromium, furnished: Gallery, name: str, screens: dict[str, Screen] = SCREENS) -> Iterator[Page]:
    """The page in that state, at a desk's width; nothing untoward may have happened on the way."""
    place, who, where = screens[name]
    base = furnished.site(place).base
    look = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo", "viewport": WIDE, "reduced_motion": "reduce"}
    context = chromium.new_context(base_url=base, **look)
    watch = Watch(context, base, EXPECTED.get(name))
    if who:
        context.add_cookies([{"name": "todoke", "value": furnished.cookies[place, who], "url": base}])
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    if isinstance(where, str):
        page.goto(where.format_map(furnished.uids))
    else:
        where(page, furnished)
    page.wait_for_load_state("load")
    yield page
    context.close()
    watch.assert_clean()


def looked_at(page: Page, picture: Path) -> Seen:
    seen = Seen()
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        content, window = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
        if content > window:
            seen.overflow.append((content, window))
        page.screenshot(path=f"{picture}-{size['width']}.png", full_page=True)
    if AXE.exists():
        page.set_viewport_size(WIDE)
        seen.violations = serious_violations(page)
    return seen


def serious_violations(page: Page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [
        f"{rule['impact']} {rule['id']}: {node['html'][:160]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_screen_fits_a_wide_and_a_narrow_window(name: str, see: Callable[[str], Seen]) -> None:
    assert see(name).overflow == []


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_screen_breaks_no_serious_rule_of_accessibility(name: str, see: Callable[[str], Seen]) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not fetched")
    assert see(name).violations == []


@pytest.mark.parametrize("name", PRINTED)
def test_a_page_prints_without_the_frame_and_says_when(
    name: str, furnished: Gallery, chromium: Chromium, pictures: Path
) -> None:
    with visited(chromium, furnished, name) as page:
        page.emulate_media(media="print")
        page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
        page.set_viewport_size({"width": 794, "height": 1123})
        page.screenshot(path=pictures / f"{name}-print.png", full_page=True)
        assert page.get_by_role("navigation", name="メニュー").count() == 0
        assert page.get_by_role("button").count() == 0
        assert "印刷日時 20" in page.locator("#main").inner_text()


@pytest.mark.parametrize("name", ["matrix-small", "matrix", "staff-matrix"])
def test_the_matrix_is_printed_on_a4_across(name: str, furnished: Gallery, chromium: Chromium, pictures: Path) -> None:
    assert set(sheets(name, furnished, chromium, pictures)) == {(842, 595)}


def test_the_matrix_of_a_small_office_is_one_sheet(furnished: Gallery, chromium: Chromium, pictures: Path) -> None:
    assert len(sheets("matrix-small", furnished, chromium, pictures)) == 1


def test_the_page_for_an_offices_network_is_one_sheet(furnished: Gallery, chromium: Chromium, pictures: Path) -> None:
    assert sheets("help-network", furnished, chromium, pictures) == [(595, 842)]


def sheets(
    name: str, furnished: Gallery, chromium: Chromium, pictures: Path, screens: dict[str, Screen] = SCREENS
) -> list[tuple[int, int]]:
    """Width and height in points of each sheet of paper that a screen is printed on."""
    with visited(chromium, furnished, name, screens) as page:
        paper = page.pdf(path=pictures / f"{name}.pdf", prefer_css_page_size=True)
    boxes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", paper)
    return [(round(float(width)), round(float(height))) for width, height in boxes]
