"""A scan for malware done again while somebody looks at the page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import expect

from exchange import rescans
from models import Job, Transfer
from tests.browser import site as sites
from tests.browser.site import Site
from tests.exchange.scanning import CLEAN, FOUND, aged, inspected
from tests.people import Cast, filing

AGAIN, UNDER_WAY = "ウイルス検査をやり直す", "ウイルス検査をやり直しています"


@pytest.fixture
def site(instance: Path, chromium: Chromium) -> Iterator[Site]:
    """The site with a scanner, where nobody does any jobs."""
    nobody = str(instance / "nobody")
    with sites.running(instance.parent, TODOKE_RUN_JOBS="false", TODOKE_CLAMD=nobody) as site:
        yield site
        assert "Traceback" not in site.log(), site.log()[-3000:]


def ends(transfer: Transfer, **columns: Any) -> None:
    """As the job does, in one go."""
    inspected(transfer, **columns)
    Job.update(state="done").where(Job.kind == rescans.KIND).execute()


def test_the_page_follows_a_rescan_and_keeps_what_is_being_typed(cast: Cast, site: Site, sits_down: Callable) -> None:
    transfer = aged(filing(cast, "received"), days=1)
    kiku = sits_down(site, "kiku")
    kiku.logs_in()
    kiku.goes_to(f"/admin/inbox/{transfer.uid}")
    kiku.presses(AGAIN)
    result = kiku.main.locator("#inspection")
    expect(result).to_contain_text(UNDER_WAY)

    kiku.chooses("不受理")
    reason = kiku.main.get_by_label("不受理の理由")
    reason.fill("押印がありません")
    Job.update(state="running", done=1_200_000, total=5_000_000).where(Job.kind == rescans.KIND).execute()
    expect(result).to_contain_text("1.2／5.0 MB")
    ends(transfer, scan={**CLEAN, "at": "2026-11-21T00:00:00+00:00"})
    expect(result).to_contain_text("2026/11/21 09:00 に")
    expect(result).not_to_contain_text(UNDER_WAY)
    expect(reason).to_have_value("押印がありません")

    kiku.presses(AGAIN)
    expect(result).to_contain_text(UNDER_WAY)
    ends(transfer, scan=FOUND, state="quarantined")
    kiku.sees("ウイルスが見つかったため、隔離しました")
    expect(kiku.main.get_by_role("button", name="ZIPをダウンロード")).to_have_count(0)
