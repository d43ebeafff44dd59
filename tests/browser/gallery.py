"""An installation in which every state of every screen is to be found, and how each is reached."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Page

from app import create_app
from blueprints import auth
from database import db, utc_now
from exchange import pickups, sessions, transfers
from exchange.actors import Actor
from models import Device, Inspection, Job, LoginSession, Membership, Transfer, User
from tests.browser.gallery_inspections import furnish_inspections
from tests.browser.site import Site
from tests.people import Browser, Cast, aes_zip, filing, inspect, run_jobs, statement, uploads

MANY = 55  # more than one page of a list
LONG_NAME = (
    "令和八年十一月分_被保険者資格取得届及び基準給与変更届一式_本社及び全国各支店分_再提出版_最終確認済み_差し替え.zip"
)
HEAVY = "A" * 1_200_000


@dataclass
class Gallery:
    """`busy`: everything has happened; `fresh`: nothing yet. `cookies`: (site, person) → the cookie of a session."""

    busy: Site
    fresh: Site
    bare: Site
    uids: dict[str, str] = field(default_factory=dict)
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)

    def site(self, name: str) -> Site:
        return {"busy": self.busy, "fresh": self.fresh, "bare": self.bare}[name]


Furnish = Callable[[Cast], dict[str, str]]


def furnish_busy(
    folder: Path, made: dict[str, Any], work: Path, people: Furnish, clamd: str = ""
) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """Fill an installation by the verbs themselves: (name of a document or of a person's place → uid, cookies)."""
    app, cast = create_app({"INSTANCE": folder, "TESTING": True, "CLAMD": clamd}), Cast(made)
    with db.connection_context():
        uids = {**_filings(cast, work), **_statements(cast), **people(cast)}
        for _ in range(MANY):
            inspect(uploads(cast.jun, aes_zip(cast.archive_password)))
        User.update(pending_mail="hanako.heiyama@sr-office.example").where(
            User.id == cast.member("hanako").user
        ).execute()
        run_jobs(app)
        uids |= _inspections(cast) | furnish_inspections(cast, work, clamd)
        names = ("taro", "jun", "hanako", "kiku", "ume", "dai", "momo", "aoi")
        cookies = {("busy", name): _cookie(app, Membership.by_uid(uids[name])) for name in names}
        cookies["busy", "late"] = _late(app, cast.member("jun"))
        cookies["busy", "code passed"] = _code_passed(app, cast.member("taro"))
    db.close()
    return uids, cookies


def furnish_fresh(folder: Path, made: dict[str, Any]) -> dict[tuple[str, str], str]:
    app, cast = create_app({"INSTANCE": folder, "TESTING": True}), Cast(made)
    with db.connection_context():
        names = ("taro", "kiku", "jiro", "hanako_at_xyz")
        cookies = {("fresh", name): _cookie(app, cast.member(name)) for name in names}
        cookies["fresh", "hanako_at_abc"] = _cookie(app, cast.member("hanako"))
        cookies["fresh", "code passed"] = _code_passed(app, cast.member("jiro"))
        # The way to the second page of the first login, and an office without an active PC.
        Device.update(state="stopped").where(Device.office == cast.xyz).execute()
        # And one whose active PCs are as many as its people.
        Device.update(state="stopped").where(Device.office == cast.abc, Device.slot == 3).execute()
    db.close()
    return cookies


def _filings(cast: Cast, work: Path) -> dict[str, str]:
    states = ("uploaded", "approved", "delivered", "received", "completed", "rejected", "returned", "cancelled")
    made = {f"filing {state}": filing(cast, state) for state in states}
    made["own filing"] = filing(cast, "uploaded", by="taro")
    made["taken filing"] = filing(cast, "uploaded")
    made["replaced filing"] = filing(cast, "returned")
    inspect(uploads(cast.hanako, aes_zip(cast.archive_password), LONG_NAME, replaces=made["replaced filing"]))
    made["failed filing"] = inspect(uploads(cast.hanako, aes_zip("Wrong-Password-26")))
    made["warned filing"] = inspect(uploads(cast.hanako, _zipcrypto(work, cast.archive_password), "古い方式.zip"))
    return {name: transfer.uid for name, transfer in made.items()}


def _statements(cast: Cast) -> dict[str, str]:
    made = {f"statement {state}": statement(cast, state) for state in ("uploaded", "approved", "delivered")}
    for state in ("requested", "received"):
        made[f"statement {state}"] = statement(cast, "delivered")
        pickups.request_pickup(cast.taro, made[f"statement {state}"])
    for _ in pickups.download(cast.taro, made["statement received"]):
        pass
    return {name: transfer.uid for name, transfer in made.items()}


def _inspections(cast: Cast) -> dict[str, str]:
    """Two that are never over, as no worker runs here."""
    waiting, running = (uploads(cast.hanako, aes_zip(cast.archive_password)) for _ in range(2))
    Inspection.update(state="running").where(Inspection.transfer == running).execute()
    Job.update(state="running", done=1_234_567, total=4_000_000).where(
        Job.kind == "inspect", Job.subject == str(running.id)
    ).execute()
    return {"waiting filing": waiting.uid, "running filing": running.uid}


def _zipcrypto(work: Path, password: str) -> bytes:
    (work / "届書.csv").write_bytes("氏名\r\n".encode("cp932"))
    subprocess.run(["zip", "-q", "-P", password, "old.zip", "届書.csv"], cwd=work, check=True)
    return (work / "old.zip").read_bytes()


def _cookie(app: Flask, member: Membership) -> str:
    return _value_of(Browser(app, member))


def _late(app: Flask, member: Membership) -> str:
    """A session in its last ten minutes."""
    browser = Browser(app, member)
    newest = LoginSession.select().order_by(LoginSession.id.desc()).first()
    LoginSession.update(started_at=utc_now() - timedelta(minutes=81)).where(LoginSession.id == newest.id).execute()
    return _value_of(browser)


def _code_passed(app: Flask, member: Membership) -> str:
    browser = Browser(app)
    actor = Actor(member, address="127.0.0.1")
    with browser.client.session_transaction() as cookie:
        cookie[auth.CODE_TOKEN] = sessions._start(actor, member, "code")
    return _value_of(browser)


def _value_of(browser: Browser) -> str:
    cookie = browser.client.get_cookie("todoke")
    assert cookie is not None
    return cookie.value


# ── how the states that need a hand are reached: `steps(page, gallery)` ──

Steps = Callable[[Page, Gallery], Any]


def press(path: str, button: str, **typed: str) -> Steps:
    """Open a page, type into fields by their label, press a button."""

    def steps(page: Page, gallery: Gallery) -> None:
        page.goto(path.format_map(gallery.uids))
        for label, words in typed.items():
            page.locator("#main").get_by_label(label, exact=True).fill(words)
        page.locator("#main").get_by_role("button", name=button, exact=True).first.click()

    return steps


def code_step(page: Page, gallery: Gallery) -> None:
    office = gallery.busy.made["offices"][0]
    page.goto("/auth/")
    page.get_by_label("契約番号").fill(office["contract_number"])
    page.get_by_label("ユーザーID").fill("abcTaro01")
    page.get_by_role("button", name="次へ").click()


def wrong_code(page: Page, gallery: Gallery) -> None:
    code_step(page, gallery)
    page.get_by_label("ワンタイムパスワード").fill("12345678")
    page.get_by_role("button", name="次へ").click()


def no_device(page: Page, gallery: Gallery) -> None:
    jiro = gallery.fresh.user("xyzJiro01")
    page.goto("/auth/password")
    page.get_by_label("ユーザーID").fill(jiro["login_id"])
    page.get_by_label("ログインパスワード", exact=True).fill(jiro["password"])
    page.get_by_role("button", name="ログイン", exact=True).click()


def someone_was_faster(page: Page, gallery: Gallery) -> None:
    uid = gallery.uids["taken filing"]
    page.goto(f"/files/{uid}")
    with db.connection_context():
        transfer = Transfer.get(Transfer.uid == uid)
        if transfer.state == "uploaded":
            transfers.approve(Cast(gallery.busy.made).jun, transfer)
    _send_anyway(page, f"/files/{uid}/approval")


def stale_form(page: Page, _: Gallery) -> None:
    page.goto("/onetime/")
    page.evaluate("document.querySelector('[name=csrf_token]').value = 'old'")
    page.get_by_role("button", name="送信").click()


def too_large(page: Page, gallery: Gallery) -> None:
    """Past the check in the page, as a browser without scripts would send it."""
    page.goto("/files/upload")
    page.locator("form[data-upload]").evaluate("form => form.removeAttribute('data-upload')")
    page.get_by_label("種類").select_option(index=1)
    page.locator("input[type=file]").set_input_files(
        {"name": "届書.zip", "mimeType": "application/zip", "buffer": HEAVY.encode()}
    )
    page.locator("#main").get_by_role("button", name="アップロード", exact=True).click()


def chosen_file(page: Page, _: Gallery) -> None:
    page.goto("/files/upload")
    page.locator("input[type=file]").set_input_files(
        {"name": LONG_NAME, "mimeType": "application/zip", "buffer": b"PK"}
    )


def files_to_pack(page: Page, _: Gallery) -> None:
    page.goto("/files/upload")
    names = [LONG_NAME.replace(".zip", ".pdf"), "空のファイル.csv"]
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "", "buffer": content} for name, content in zip(names, (b"%PDF", b""), strict=True)]
    )


def wrong_archive_password(page: Page, gallery: Gallery) -> None:
    files_to_pack(page, gallery)
    page.locator("#pack-password").fill("まちがい")
    page.get_by_role("button", name="アップロード").click()
    page.get_by_text("圧縮パスワードが違います").wait_for()


def some_ticked(page: Page, _: Gallery) -> None:
    page.goto("/files/")
    for box in page.locator("[data-select-one]").all()[:3]:
        box.check()
    page.get_by_text("理由を書いて差戻し").click()


def row_message(page: Page, _: Gallery) -> None:
    page.goto("/files/?state=approved")
    page.locator("tbody tr").first.get_by_role("button", name="配信", exact=True).click()
    page.locator("tbody tr .td-sub[role=status]").wait_for()


def late_notice(page: Page, _: Gallery) -> None:
    page.goto("/files/statements")
    page.locator("#td-session-notes .td-notice").wait_for()


def newest_mail(page: Page, _: Gallery) -> None:
    page.goto("/demo/mail")
    page.locator("tbody tr").first.get_by_role("link").click()


def second_page_of_first_login(page: Page, gallery: Gallery) -> None:
    """Sets the office up on the way, so it comes last among the fresh site's screens."""
    page.goto("/admin/office/registration")
    if "office" in page.url:
        page.get_by_role("button", name="両方の欄に入れる").click()
        page.get_by_label("圧縮パスワードは後から変更できないことを確認しました").check()
        page.get_by_role("button", name="確定", exact=True).click()


def second_page_refused(page: Page, gallery: Gallery) -> None:
    second_page_of_first_login(page, gallery)
    page.get_by_role("button", name="登録", exact=True).click()


def first_login_done(page: Page, gallery: Gallery) -> None:
    second_page_of_first_login(page, gallery)
    if page.get_by_role("button", name="登録", exact=True).count():
        for label in ("新しいログインパスワード", "新しいログインパスワード（確認）"):
            page.get_by_label(label, exact=True).fill("nanatsu-no-umi-wo-wataru")
        page.get_by_role("button", name="登録", exact=True).click()
    page.goto("/admin/office/done")


def broken(page: Page, gallery: Gallery) -> None:
    """The site without its database."""
    for file in gallery.bare.instance.glob("exchange.sqlite*"):
        file.unlink()
    page.goto("/auth/")


def _send_anyway(page: Page, url: str) -> None:
    page.evaluate("url => { const f = document.forms[1]; f.action = url; f.removeAttribute('data-confirm'); }", url)
    page.locator("#moves form button").first.click()
