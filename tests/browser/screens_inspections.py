"""The list of screens, continued: what inspections and scans for malware leave behind, seen from either side.

`{quarantined delivered filing}` stands for its id. Rescans are to be seen only where a clamd is installed.
"""

from pathlib import Path

from playwright.sync_api import Page

from database import db
from exchange import settings
from tests import clamd
from tests.browser.gallery import Gallery, Steps
from tests.browser.screens_people import Screen


def held(path: str) -> Steps:
    """A page while the fund lets nothing pass that was not scanned."""

    def steps(page: Page, gallery: Gallery) -> None:
        with db.connection_context(), db.atomic():
            settings.put("unscanned", "refuse")
        page.goto(path.format_map(gallery.uids))
        with db.connection_context(), db.atomic():
            settings.put("unscanned", "warn")

    return steps


def decided_by_two(page: Page, gallery: Gallery) -> None:
    """The settings, where somebody else has decided on macros since the page was opened."""
    page.goto("/admin/settings/")
    with db.connection_context(), db.atomic():
        settings.put("macro", "ignore")
    page.get_by_label("マクロを含むファイル").select_option("refuse")
    page.locator("#main").get_by_role("button", name="保存", exact=True).click()
    page.locator("#macro-error").wait_for()
    with db.connection_context(), db.atomic():
        settings.put("macro", "warn")


SCANNED: dict[str, Screen] = {
    "settings-table-error": ("busy", "kiku", decided_by_two),
    "scanned-filing": ("busy", "taro", "/files/{scanned uploaded filing}"),
    "scanned-filing-inbox": ("busy", "kiku", "/admin/inbox/{scanned delivered filing}"),
    "scanned-filing-opened": ("busy", "kiku", "/admin/inbox/{scanned received filing}"),
    "scanned-many-files": ("busy", "taro", "/files/{many files}"),
    "unscanned-filing": ("busy", "taro", "/files/{unscanned filing}"),
    "unscanned-filing-inbox": ("busy", "kiku", "/admin/inbox/{unscanned delivered filing}"),
    "unscanned-statement": ("busy", "kiku", "/admin/statements/{unscanned statement}"),
    "held-filing": ("busy", "taro", held("/files/{unscanned filing}")),
    "held-filing-inbox": ("busy", "kiku", held("/admin/inbox/{unscanned delivered filing}")),
    "held-statement": ("busy", "kiku", held("/admin/statements/{unscanned statement}")),
}
INFECTED: dict[str, Screen] = {
    **{
        f"quarantined-filing-{state}": ("busy", "taro", f"/files/{{quarantined {state} filing}}")
        for state in ("uploaded", "delivered", "received")
    },
    "quarantined-filing-sender": ("busy", "hanako", "/files/{quarantined uploaded filing}"),
    **{
        f"quarantined-filing-{state}-fund": ("busy", "kiku", f"/admin/inbox/{{quarantined {state} filing}}")
        for state in ("delivered", "received")
    },
    **{
        f"quarantined-statement-{state}-fund": ("busy", "kiku", f"/admin/statements/{{quarantined {state} statement}}")
        for state in ("uploaded", "delivered", "received")
    },
    **{
        f"quarantined-statement-{state}": ("busy", "taro", f"/files/{{quarantined {state} statement}}")
        for state in ("delivered", "received")
    },
    "filings-unusable": ("busy", "taro", "/files/?state=unusable"),
    "filings-quarantined": ("busy", "taro", "/files/?state=quarantined"),
    "inbox-received": ("busy", "kiku", "/admin/inbox/?state=received"),
}
RESCANS: dict[str, Screen] = {
    "rescan-waiting": ("busy", "taro", "/files/{rescan waiting}"),
    "rescan-running": ("busy", "taro", "/files/{rescan running}"),
    "rescan-running-inbox": ("busy", "kiku", "/admin/inbox/{rescan running}"),
    "rescan-again": ("busy", "taro", "/files/{rescan again}"),
}
SCREENS: dict[str, Screen] = {**SCANNED, **INFECTED, **(RESCANS if Path(clamd.PROGRAM).exists() else {})}
