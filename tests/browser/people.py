"""People at their browsers. Their steps are verbs; a test reads as what they do and see."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
from playwright.sync_api import BrowserContext, Dialog, Locator, Page, expect

from database import utc_now

MAIL_ROUNDS = 100  # looks at the mailbox before giving up
CODE = re.compile(r"\b\d{8}\b")


class Authenticator:
    """The app on a phone, once it knows the secret."""

    def __init__(self, secret: str) -> None:
        self.secret = "".join(secret.split())

    def shows(self, later: int = 0) -> str:
        """The six digits; of a later step, as each counts only once and nobody waits here for the next."""
        return pyotp.TOTP(self.secret).at(utc_now() + timedelta(seconds=30 * later))


class Person:
    """Somebody at a browser of their own. Questions the page asks are answered yes and remembered in `was_asked`.

    `me`: login_id, password, and what else is known of the person (see Site.user).
    """

    def __init__(self, context: BrowserContext, me: dict[str, Any]) -> None:
        self.context = context
        self.me = dict(me)
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
        self.clicks(self.main.get_by_role("button", name=button, exact=True).first)

    def clicks(self, found: Locator) -> None:
        """Once the page has loaded: before its scripts are at work, a button acts without asking."""
        found.wait_for()
        self.page.wait_for_load_state()
        found.click()

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
            self.clicks((place or self.main).get_by_role("button", name=button, exact=True).first)
        download = waiting.value
        return download.suggested_filename, Path(download.path()).read_bytes()

    def waits_for_inspection(self, verdict: str) -> None:
        """The page tells the verdict by itself; without scripts the person asks for it."""
        chip = self.main.locator("#inspection-title .td-chip")
        for _ in range(MAIL_ROUNDS):
            again = self.main.get_by_role("link", name="最新の状態を表示")
            if self._has_scripts() or again.count() == 0:
                break
            self.clicks(again.first)
        expect(chip).to_have_text(verdict)

    def receipt_number(self) -> str:
        return self.reads("receipt-number")

    def reads(self, id: str) -> str:
        return self.main.locator(f"#{id}").inner_text()

    def box(self, label: str) -> Locator:
        return self.main.get_by_label(label, exact=True)

    def logs_out(self) -> None:
        self.page.get_by_role("button", name="ログアウト").click()
        self.sees_heading("ログアウトしました")

    def is_refused(self) -> None:
        self.sees_heading("この操作はできません")

    def adds(self, kind: str, typed: dict[str, str]) -> dict[str, Any]:
        """追加 on the list of people: fields by their label; what the printed sheet says. Ends on that sheet."""
        self.chooses("追加")
        self.box(kind).check()
        for label, words in typed.items():
            self.types(label, words)
        if self.box("あとで選ぶ").count():
            self.box("あとで選ぶ").check()
        self.presses("追加")
        self.sees_heading("初期パスワードのお知らせ")
        sheet = {"login_id": self.reads("login-id"), "password": self.reads("password")}
        contract = self.main.locator("#contract")
        if contract.count():
            sheet["contract_number"] = contract.inner_text()
        return sheet | {"mail": typed["メールアドレス"]}

    def registers(self, password: str) -> None:
        """利用者情報登録(ユーザ), with a login password of one's own."""
        self.sees_heading("利用者情報登録(ユーザ)")
        self.types("新しいログインパスワード", password)
        self.types("新しいログインパスワード（確認）", password)
        self.presses("登録")
        self.me["password"] = password

    def enrols(self) -> tuple[Authenticator, list[str]]:
        """認証アプリの登録, from its page to that of the recovery codes: (the app, the codes)."""
        self.sees_heading("認証アプリの登録")
        expect(self.main.get_by_role("img", name="認証アプリに登録するQRコード")).to_be_visible()
        app = Authenticator(self.reads("totp-secret"))
        self.types("認証アプリの6桁", app.shows())
        self.presses("確認して登録")
        self.sees_heading("回復コード")
        return app, self.main.locator("#recovery-codes code").all_inner_texts()

    def _has_scripts(self) -> bool:
        return self.page.locator("html.td-js").count() > 0


class OfficeUser(Person):
    """An office's person, who comes in through the three steps."""

    @property
    def archive_password(self) -> str:
        return self.me["archive_password"]

    def logs_in(self) -> None:
        """From the front door to the first page inside."""
        self.goes_to("/")
        self.chooses_door("ワンタイムパスワード発行")
        self.says_who()
        self.presses("送信")
        self.sees_heading("ワンタイムパスワード・発行受付")
        code = self.reads_code(self.receipt_number())
        self.chooses("電子連携サービス・認証画面")
        self._comes_in(code)

    def logs_in_without_mail(self, code: str) -> None:
        """With a code of the authenticator, or one of those kept for when it is lost."""
        self.goes_to("/auth/")
        self._comes_in(code)

    def _comes_in(self, code: str) -> None:
        self.says_who()
        self.presses("次へ")
        self.types("ワンタイムパスワード", code)
        self.presses("次へ")
        self.types("ユーザーID", self.me["login_id"])
        self.types("ログインパスワード", self.me["password"])
        self.presses("ログイン")
        expect(self.page.get_by_role("button", name="ログアウト")).to_be_visible()

    def sets_up_office(self, short_name: str) -> None:
        """利用者情報登録(事業所), with the 圧縮パスワード that the page proposes."""
        self.types("事業所略称", short_name)
        self.presses("両方の欄に入れる")
        self.me["archive_password"] = self.box("圧縮パスワード").input_value()
        self.box("圧縮パスワードは後から変更できないことを確認しました").check()
        self.presses("確定")

    def switches_to(self, office: str) -> None:
        self.page.get_by_label("切り替える事業所").select_option(label=office)
        self.page.get_by_role("button", name="切替").click()
        self.works_for(office)

    def works_for(self, office: str) -> None:
        expect(self.page.locator(".td-person__office")).to_have_text(office)

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

    def says_who(self) -> None:
        self.types("契約番号", self.me["contract_number"])
        self.types("ユーザーID", self.me["login_id"])


class Clerk(Person):
    """One of the fund's people, who comes in with password and authenticator."""

    def logs_in(self) -> None:
        self.logs_in_with(Authenticator(self.me["totp_secret"]).shows())

    def logs_in_with(self, code: str) -> None:
        """`code`: of the authenticator, a recovery code, or nothing at the first login."""
        self.goes_to("/admin/login")
        self.types("ユーザーID", self.me["login_id"])
        self.types("ログインパスワード", self.me["password"])
        self.types("ワンタイムパスワード", code)
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
