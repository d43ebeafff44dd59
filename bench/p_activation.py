"""A PC's 有効化 with real parts: from the upload of the file that its installer wrote to somebody inside, within 60 s.

makensis and wine make that file, Chromium sends it and logs in through the tunnel of a real client of a real SoftEther
server. The desk presses 有効化 at once: what people do between two clicks is left out.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from bench import goals
from tests import softether, wine
from tests.browser import chromium, premises
from tests.browser.premises import Premises

LINE = "activation: confirmation code uploaded, accepted by the desk, tunnel up, logged in through it"
LIMIT = 60


def run() -> Iterator[goals.Line]:
    missing = _missing()
    if missing:
        yield goals.not_measured(LINE, missing, f"<= {LIMIT} s")
        return
    expect.set_options(timeout=chromium.PATIENCE)
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.flags())
        with wine.windows(folder / "wine") as windows, premises.opened(folder, browser, windows) as place:
            yield goals.at_most(LINE, _measured(place), "s", LIMIT)
        browser.close()


def _missing() -> str:
    programs = {"wine64": wine.WINE, "makensis": shutil.which("makensis"), "chromium": chromium.PROGRAM}
    lacking = [name for name, path in programs.items() if path is None or not Path(path).exists()]
    return softether.missing() or (f"not installed: {', '.join(lacking)}" if lacking else "")


def _measured(place: Premises) -> float:
    """Seconds, for the PC in a slot that was never used."""
    place.orders_first("xyz", 2)
    kit = place.sets_up("xyz", 2)
    began = time.monotonic()
    place.activates(kit)
    place.connects(kit)
    place.at_pc("jiro").logs_in()
    return time.monotonic() - began
