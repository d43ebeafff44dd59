"""People at their browsers. Their steps are verbs; a test reads as what they do and see."""

import re
from pathlib import Path

import pyotp
from playwright.sync_api import BrowserContext, Dialog, Locator, Page, expect

from tests.browser.site import Site
from tests.people import LOGIN_IDS

MAIL_ROUNDS = 100  # looks at the mailbox before giving up
CODE = re.compile(r"\b\d{8}\b")


class Person:
    """Somebody at a browser of their own. Questions the page asks are answered yes and remembered in `was_asked`."""

    def __init__(self, context: BrowserContext, site: Site, name: str) -> None:
        self.site = site
        self.context = context
        self.me = site.user(LOGIN_IDS[name])
        self.was_asked: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("dialog", self._says_yes)

    def _says_yes(self, dialog: Dialog) -> None:
        self.was_asked.append(dialog.message)
        dialog.accept()

    @property
    def main(self) -> Locator:
        return self.page.locator("#main")

    def goes_to(self, path: str) -> None:
        self.page.goto(path)

    def chooses(self, link: str) -> None:
        self.page.get_by_role("link", name=link, exact=True).first.click()

    def presses(self, button: str) -> None:
        self.main.get_by_role("button", name=button, exact=True).first.click()

    def types(self, label: str, words: str) -> None:
        self.main.get_by_label(label, exact=True).fill(words)

    def sees(self, words: str | re.Pattern[str]) -> None:
        expect(self.main.get_by_text(words).first).to_be_visible()

    def sees_heading(self, words: str) -> None:
        """The page of this heading, with its style and scripts at work."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(words)
        self.page.wait_for_load_state("load")

    def sees_state(self, words: str) -> None:
        """The state among the facts of the open page."""
        expect(self.main.locator(".td-facts .td-chip").first).to_have_text(words)

    def can_press(self, button: str) -> bool:
        return self.main.get_by_role("button", name=button, exact=True).count() > 0

    def row(self, words: str) -> Locator:
        return self.main.locator("tbody tr").filter(has_text=words)

    def saves(self, button: str, place: Locator | None = None) -> tuple[str, bytes]:
        """Presses a button whose answer is a file: (the name the browser proposes, the bytes)."""
        with self.page.expect_download() as waiting:
            (place or self.main).get_by_role("button", name=button, exact=True).first.click()
        download = waiting.value
        return download.suggested_filename, Path(download.path()).read_bytes()

    def waits_for_inspection(self, verdict: str) -> None:
        """The page tells the verdict by itself; without scripts the person asks for it."""
        chip = self.main.locator("#inspection-title .td-chip")
        for _ in range(MAIL_ROUNDS):
            again = self.main.get_by_role("link", name="最新の状態を表示")
            if self._has_scripts() or again.count() == 0:
                break
            again.first.click()
        expect(chip).to_have_text(verdict)

    def receipt_number(self) -> str:
        return self.main.locator("#receipt-number").inner_text()

    def _has_scripts(self) -> bool:
        return self.page.locator("html.td-js").count() > 0


class OfficeUser(Person):
    """An office's person, who comes in through the three steps."""

    @property
    def contract_number(self) -> str:
        return self.site.office(self.me["login_id"])["contract_number"]

    @property
    def archive_password(self) -> str:
        return self.site.office(self.me["login_id"])["archive_password"]

    def logs_in(self) -> None:
        """From the front door to the first page inside."""
        self.goes_to("/")
        self.chooses_door("ワンタイムパスワード発行")
        self._says_who()
        self.presses("送信")
        self.sees_heading("ワンタイムパスワード・発行受付")
        code = self.reads_code(self.receipt_number())
        self.chooses("電子連携サービス・認証画面")
        self._says_who()
        self.presses("次へ")
        self.types("ワンタイムパスワード", code)
        self.presses("次へ")
        self.types("ユーザーID", self.me["login_id"])
        self.types("ログインパスワード", self.me["password"])
        self.presses("ログイン")
        expect(self.page.get_by_role("button", name="ログアウト")).to_be_visible()

    def chooses_door(self, words: str) -> None:
        self.main.get_by_role("link", name=re.compile(words)).first.click()

    def reads_code(self, receipt_number: str) -> str:
        """The one-time password of the mail that names the receipt number, at the demonstration's mailbox."""
        box = self.context.new_page()
        for _ in range(MAIL_ROUNDS):
            box.goto("/demo/mail")
            mails = box.locator("tbody tr").filter(has_text=self.me["mail"]).filter(has_text="ワンタイムパスワード")
            if mails.count():
                mails.first.get_by_role("link").click()
                body = box.locator(".td-mail").inner_text()
                if receipt_number in body:
                    break
        else:
            raise AssertionError("no mail with this receipt number has come")
        box.close()
        found = CODE.search(body)
        assert found, body
        return found[0]

    def receipt_number(self) -> str:
        return self.page.locator("#receipt-number").inner_text()

    def fills_in_upload(self, file: Path) -> None:
        """Everything on the upload page but the last button."""
        self.chooses("届書の送信")
        self.chooses("アップロード")
        self.sees_heading("届書のアップロード")
        self.main.get_by_label("種類").select_option(index=1)
        self.main.locator("input[type=file]").set_input_files(file)

    def uploads(self, file: Path) -> str:
        """Registers a filing; its receipt number."""
        self.fills_in_upload(file)
        self.presses("アップロード")
        self.sees("アップロードしました。")
        return self.receipt_number()

    def opens(self, receipt_number: str, among: str = "届書の送信") -> None:
        self.chooses(among)
        self.row(receipt_number).get_by_role("link").first.click()

    def _says_who(self) -> None:
        self.types("契約番号", self.contract_number)
        self.types("ユーザーID", self.me["login_id"])


class Clerk(Person):
    """One of the fund's people, who comes in with password and authenticator."""

    def logs_in(self) -> None:
        self.goes_to("/admin/login")
        self.types("ユーザーID", self.me["login_id"])
        self.types("ログインパスワード", self.me["password"])
        self.types("ワンタイムパスワード", pyotp.TOTP(self.me["totp_secret"]).now())
        self.presses("ログイン")
        expect(self.page.get_by_role("button", name="ログアウト")).to_be_visible()

    def opens(self, receipt_number: str, among: str = "受信箱（届書）") -> None:
        self.chooses(among)
        self.row(receipt_number).get_by_role("link").first.click()

    def prepares(self, office: str, files: list[Path], title: str) -> str:
        """Makes a statement for an office; its receipt number."""
        self.chooses("帳票の配信")
        self.chooses("帳票を作成")
        self.row(office).get_by_role("link", name="選ぶ").click()
        self.sees(office)
        self.main.get_by_label("種類").select_option(index=1)
        self.types("ファイル名", title)
        self.main.locator("input[type=file]").set_input_files(files)
        self.presses("作成")
        self.sees("帳票を作成しました。")
        return self.receipt_number()
