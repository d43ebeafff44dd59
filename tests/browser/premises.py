"""A whole service with real parts: the site, SoftEther's server, Windows for the installers, and one seat whose only
network is the tunnel that its connection file opens.
"""

import email
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from email import policy
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Locator

from database import utc_now
from exchange import counter
from tests.browser import site as sites
from tests.browser.chromium import PATIENCE, PROGRAM, flags
from tests.browser.people import Clerk, OfficeUser, Person
from tests.browser.site import Site
from tests.browser.watch import Watch
from tests.people import LOGIN_IDS
from tests.softether import Client, Server, until
from tests.wine import Windows

MACHINE = r"HKLM\Software\Microsoft\Cryptography"  # where Windows keeps what tells one PC from another
OFFICES = {"abc": "ABC商事株式会社", "xyz": "XYZ工業株式会社"}


@dataclass(frozen=True)
class Kit:
    """What an office then has of an installer: the connection file that it put on the PC, and the confirmation code
    that was made there. `user`: who the PC is to the VPN server.
    """

    office: str
    slot: int
    user: str
    vpn: Path
    code: Path

    @property
    def computer_name(self) -> str:
        return self.code.read_text("utf-16").split("|")[6]


class Premises:
    """`dai`, `kiku`: at their browsers, logged in. `inside`: the site's address for whoever has a tunnel."""

    def __init__(self, folder: Path, chromium: Chromium, windows: Windows, stack: ExitStack) -> None:
        self.folder, self.windows = folder, windows
        self.vpn = stack.enter_context(Server(folder / "vpn"))
        self._port = sites.free_port()
        self.inside = f"http://{self.vpn.box}:{self._port}"
        self._running = stack.enter_context(ExitStack())
        self.site: Site = self._start(is_demo=True)
        self._chromium = chromium
        self._watched: list[Watch] = []
        self._kits = 0
        self.dai = Clerk(self._opened(chromium, self.site.base), self.site.user(LOGIN_IDS["dai"]))
        self.kiku = Clerk(self._opened(chromium, self.site.base), self.site.user(LOGIN_IDS["kiku"]))
        self.pc = stack.enter_context(Client(folder / "pc"))
        self._on_pc = self._launch_on_pc()
        stack.callback(self._on_pc.close)
        self._connected: Kit | None = None

    def _start(self, is_demo: bool) -> Site:
        settings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in self._settings()}
        return self._running.enter_context(sites.running(self.folder / "site", is_demo, self._port, **settings))

    def _settings(self) -> Iterator[tuple[str, Any]]:
        yield from ((f"TODOKE_{key}", value) for key, value in self.vpn.settings.items())
        yield "TODOKE_VPN_BASE_URL", self.inside
        yield "TODOKE_STAFF_NETWORKS", ["127.0.0.0/8"]
        yield "FLASK_RUN_HOST", "0.0.0.0"

    def restart_site(self) -> None:
        """While nobody's page asks it anything."""
        self._running.close()
        self._start(is_demo=False)

    # ── people at their browsers ──

    def _launch_on_pc(self) -> Chromium:
        """A browser that has no network but the PC's."""
        program = self.folder / "chromium-on-pc"
        program.write_text(f'#!/bin/sh\nexec ip netns exec {self.pc.name} "{PROGRAM}" "$@"\n')
        program.chmod(0o700)
        # A browser takes plain HTTP for safe on the loopback alone, and says so of every other page.
        plain = f"--unsafely-treat-insecure-origin-as-secure={self.inside}"
        return self._chromium.browser_type.launch(executable_path=program, args=[*flags(self.vpn.box), plain])

    def _opened(self, browser: Chromium, base: str) -> BrowserContext:
        look = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo", "viewport": {"width": 1280, "height": 900}}
        context = browser.new_context(base_url=base, **look)
        context.set_default_timeout(PATIENCE)
        self._watched.append(Watch(context, base))
        return context

    def stranger(self) -> Person:
        """Somebody in the internet, without a login."""
        return Person(self._opened(self._chromium, self.site.base), {})

    def at_pc(self, who: str) -> OfficeUser:
        """At a browser of his own on the PC that has the tunnel."""
        return OfficeUser(self._opened(self._on_pc, self.inside), self.site.user(LOGIN_IDS[who]))

    def assert_clean(self) -> None:
        for watch in self._watched:
            watch.assert_clean()
        assert "Traceback" not in self.site.log(), self.site.log()[-3000:]

    def mails(self, address: str, *words: str) -> list[str]:
        """Texts of the mails to somebody that hold all these words."""
        found = []
        for file in sorted((self.site.instance / "mail").glob("*.eml")):
            mail = email.message_from_bytes(file.read_bytes(), policy=policy.default)
            body = mail.get_body(("plain",))
            text = f"{mail['Subject']}\n{body.get_content() if body else ''}"
            if address in str(mail["To"]) and all(word in text for word in words):
                found.append(text)
        return found

    def manager_of(self, office: str) -> str:
        """His mail address."""
        return self._made(office)["users"][0]["mail"]

    def _made(self, office: str) -> dict[str, Any]:
        return next(one for one in self.site.made["offices"] if one["office_name"] == OFFICES[office])

    def asked(self, question: str, *values: str) -> list[tuple[Any, ...]]:
        """What the database says, for what no page shows."""
        with closing(sqlite3.connect(self.site.instance / "exchange.sqlite", timeout=10)) as database:
            return database.execute(question, values).fetchall()

    def a_quarter_of_an_hour_passes(self) -> None:
        """For whoever has just had a one-time password: nobody gets the next one within the minute."""
        with closing(sqlite3.connect(self.site.instance / "exchange.sqlite", timeout=10)) as database, database:
            database.execute("DELETE FROM throttle WHERE kind IN ('code_again', 'code_quarter')")

    # ── a PC is set up ──

    def is_ready(self) -> None:
        """The fund has said where the VPN server is; the desk is there."""
        self.kiku.logs_in()
        self.kiku.chooses("基金の設定")
        self.kiku.types("VPNサーバーのアドレス", self.vpn.address)
        self.kiku.presses("保存")
        self.kiku.sees("「VPNサーバーのアドレス」を変更しました。")
        self.dai.logs_in()

    def orders_first(self, office: str, slot: int) -> None:
        """作成する, by the desk, for a slot that nobody has used."""
        self._desk_opens(office, "インストーラー")
        panel = self.dai.main.get_by_role("region", name=f"端末 {slot:02d}")
        self.dai.clicks(panel.get_by_role("button", name="作成する"))
        self.dai.sees(f"端末 {slot:02d} のインストーラーの作成を始めました。")

    def orders_another(self, office: str, slot: int) -> None:
        """PCの入れ替え, by the desk, of a slot whose PC is at work."""
        self.acts_on(office, slot, "入れ替える", "PCを入れ替える")
        self.dai.sees(f"端末 {slot:02d} のPCの入れ替えを受け付けました。")

    def acts_on(self, office: str, slot: int, summary: str, button: str) -> None:
        """The desk opens the form of a slot, gives a reason and presses its button."""
        self._desk_opens(office, "端末")
        form = self.dai.main.locator("section", has=self.dai.page.locator(f"#slot-{slot}")).locator("details")
        form = form.filter(has=self.dai.page.locator("summary", has_text=re.compile(f"{summary}$")))
        form.locator("summary").click()
        form.get_by_label("理由").fill("電話で依頼（デモ）")
        self.dai.clicks(form.get_by_role("button", name=re.compile(f"{button}$")))

    def _desk_opens(self, office: str, page: str) -> None:
        self.dai.chooses("事業所と端末")
        self.dai.row(OFFICES[office]).get_by_role("link", name=page, exact=True).click()

    def sets_up(self, office: str, slot: int) -> Kit:
        """The office fetches its installer, and sets a PC up with it that nobody has used before."""
        self._kits += 1
        folder = self.folder / f"kit{self._kits}"
        folder.mkdir()
        setup = self._fetches(office, slot, folder)
        self.windows.clear()
        machine = f"{self._kits:08x}-0000-4000-8000-{self._port:012x}"
        assert self.windows.run("reg", "add", MACHINE, "/v", "MachineGuid", "/d", machine, "/f", "/reg:64") == 0
        assert self.windows.install(setup) == 0
        code = self.windows.confirm()
        kept = [file.rename(folder / file.name) for file in (code, self.windows.folder / "renkei.vpn")]
        user = f"{self._made(office)['contract_number']}.{slot:02d}"
        return Kit(office, slot, user, vpn=kept[1], code=kept[0])

    def _fetches(self, office: str, slot: int, folder: Path) -> Path:
        """From the counter, once the job has built it."""
        visitor = self._at_counter("/download/", office)
        row = visitor.row(f"({slot}台目用)")

        def there() -> Locator | None:
            visitor.chooses("一覧を新しくする")
            button = row.get_by_role("button", name="をダウンロード")
            return button if button.count() else None

        label = until(there, "the installer").get_attribute("aria-label")
        name, program = visitor.saves(label, row)
        (folder / name).write_bytes(program)
        visitor.context.close()
        return folder / name

    def _at_counter(self, path: str, office: str) -> Person:
        """With what stands on the office's letter."""
        made, visitor = self._made(office), self.stranger()
        visitor.goes_to(path)
        visitor.types("契約番号", made["contract_number"])
        visitor.types("ダウンロードパスワード", f"{counter.this_month(utc_now())}{made['download_key']}")
        visitor.presses("送信")
        return visitor

    # ── and let in ──

    def sends_code(self, kit: Kit) -> str:
        """The very file that インストール確認 wrote; the receipt number."""
        visitor = self._at_counter("/activate/", kit.office)
        visitor.sees_heading("VPN接続アカウント有効化アップロード画面")
        visitor.main.locator("input[type=file]").set_input_files(kit.code)
        visitor.presses("リクエスト送信")
        visitor.sees("上記ファイルのVPN接続アカウントの有効化を受け付けました")
        number = visitor.receipt_number()
        visitor.context.close()
        return number

    def desk_accepts(self, number: str) -> None:
        """有効化, in the list of what waits."""
        self.dai.chooses("端末の有効化")
        self.dai.clicks(self.dai.row(number).get_by_role("button", name="有効化", exact=True))

    def is_told_of(self, kit: Kit) -> list[str]:
        """The mails that tell the manager of the PC's 有効化."""
        where = f"PCの名前　　{kit.computer_name}"
        return self.mails(self.manager_of(kit.office), "有効化完了", f"{kit.slot}台目", where)

    def activates(self, kit: Kit) -> None:
        """Until the manager has read that the PC may come in."""
        self.desk_accepts(self.sends_code(kit))
        until(lambda: self.is_told_of(kit), "the mail about the activation")

    def connects(self, kit: Kit) -> str:
        """The seat's PC is that PC, its tunnel is up; the address it was given."""
        if self._connected != kit or not self.pc.is_connected():
            self.pc.import_file(kit.vpn)
            self._connected = kit
            self.pc.connect()
        return self.pc.address

    def tunnels_of(self, user: str) -> list[str]:
        """What the VPN server says."""
        return [one["Name_str"] for one in self.vpn.rpc("EnumSession")["SessionList"] if one["Username_str"] == user]


@contextmanager
def opened(folder: Path, chromium: Chromium, windows: Windows) -> Iterator[Premises]:
    with ExitStack() as stack:
        premises = Premises(folder, chromium, windows, stack)
        premises.is_ready()
        yield premises
