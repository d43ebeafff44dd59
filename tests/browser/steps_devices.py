"""How those states of devices are reached that need a hand: `steps(page, gallery)`."""

from playwright.sync_api import Page

from database import db, utc_now
from exchange import calendar, settings
from tests.browser.gallery import Gallery, Steps
from tests.browser.gallery_devices import Rooms


def sent(name: str) -> Steps:
    """That confirmation code is sent, and refused."""

    def steps(page: Page, gallery: Rooms) -> None:
        page.goto("/activate/request")
        file = {"name": "確認コード(06A3F9).txt", "mimeType": "text/plain", "buffer": gallery.codes[name]}
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_role("button", name="リクエスト送信").click()
        page.locator("#error-summary").wait_for()

    return steps


def row_error(page: Page, _: Gallery) -> None:
    """差戻し without a reason, in the list itself."""
    page.goto("/admin/activations/")
    row = page.locator("tbody tr").filter(has=page.get_by_role("button", name="有効化")).first
    row.get_by_text("差戻し", exact=False).first.click()
    row.get_by_role("button", name="差戻し").click()
    page.locator("tbody tr .td-error").first.wait_for()


def unfolded(path: str, summary: str) -> Steps:
    """A page with that part of it open."""

    def steps(page: Page, gallery: Gallery) -> None:
        page.goto(path.format_map(gallery.uids))
        page.locator("summary").get_by_text(summary, exact=True).click()

    return steps


def pressed(path: str, summary: str, button: str, **typed: str) -> Steps:
    """As `unfolded`, then its form is sent and comes back."""

    def steps(page: Page, gallery: Gallery) -> None:
        unfolded(path, summary)(page, gallery)
        part = page.locator("details[open]")
        for label, words in typed.items():
            part.get_by_label(label, exact=True).fill(words)
        part.get_by_role("button", name=button, exact=True).click()
        page.wait_for_load_state("load")

    return steps


def successor(path: str, who: str, **typed: str) -> Steps:
    """The form about a successor, filled in and sent; `who`: how the choice begins."""

    def steps(page: Page, gallery: Gallery) -> None:
        page.goto(path.format_map(gallery.uids))
        choice = page.get_by_role("radio", name=who)
        if choice.count():
            choice.check()
        for label, words in typed.items():
            page.locator("#main").get_by_label(label, exact=True).fill(words)
        page.get_by_role("button", name="内容を確かめる").click()
        page.wait_for_load_state("load")

    return steps


def newcomers_sheet(page: Page, gallery: Gallery) -> None:
    newcomer = {"ユーザーID": "abcMidori", "ユーザ名(カナ)": "カノエカワ　ミドリ", "ユーザ名(漢字)": "庚川　緑"}
    successor("/admin/handovers/", "新しい方を登録する", **newcomer, メールアドレス="midori@abc-shoji.example")(
        page, gallery
    )
    page.get_by_role("button", name="後任に指名する").click()
    page.wait_for_load_state("load")


def out_of_hours(path: str, button: str = "") -> Steps:
    """A page of the service while it is closed to offices; with a button: it closed while the page stood open."""

    def steps(page: Page, gallery: Gallery) -> None:
        if button:
            page.goto(path)
        hour = calendar.japan(utc_now()).hour
        opening = hour + 2 if hour < 22 else 0
        with db.connection_context():
            for name, value in (("hours_from", opening), ("hours_to", opening + 1), ("hours_limited", True)):
                settings.put(name, value)
        if button:
            page.locator("#main").get_by_role("button", name=button, exact=True).click()
            page.wait_for_load_state("load")
        else:
            page.goto(path)
        with db.connection_context():
            settings.put("hours_limited", False)

    return steps
