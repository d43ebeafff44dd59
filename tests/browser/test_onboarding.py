"""An office is invited, files, is registered, gets its letter, and fetches with its key what lies ready for it."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Locator, expect

from database import today, utc_now
from exchange import counter
from tests import pdf
from tests.browser import site as sites
from tests.browser.people import MAIL_ROUNDS, Clerk, Person
from tests.browser.site import Site
from tests.exchange.registration_corpus import HEADING, lines
from tests.pdf import needs_readers

OFFICE, MAIL = "川辺商会株式会社", "soumu@kawabe.example"
FILED = {
    "事業所番号": "００７７７",
    "事業所名(※顧客入力)": OFFICE,
    "氏名1(漢字)": "川辺 花",
    "氏名1(カナ)": "ｶﾜﾍﾞﾊﾅ",
    "メールアドレス1": "hana@kawabe.example",
    "ユーザーID": "kawabeHana",
    "郵便番号": "1000001",
    "住所": "東京都千代田区千代田1-1\n川辺ビル 3階",
}
INSTALLER = b"MZ\x90\x00" + bytes(range(256)) * 300
MANUAL = b"%PDF-1.7\n" + b"\x00\xff" * 20_000 + b"\n%%EOF\n"
LINK = re.compile(r"http\S+/registration/#(\S+)")
NUMBER = re.compile(r"契約番号 +([\d-]{10,})")
KEY = re.compile(r"ダウンロードキー※ +(\w{4}) ?(\w{4})\b")

ZIP_PASSWORD = "Todoke-2024-Kikin"
DAY = f"{today():%Y/%m/%d}"
GOOD = f"{DAY},00811,岩井 一郎,イワイ イチロウ,ichiro@iwai.example,iwaiIchiro,岩井製作所,2"
NO_SPACE = f"{DAY},00812,大野 二葉,オオノフタバ,futaba@ono.example,onoFutaba,大野運輸株式会社,1"
TOO_MANY = f"{DAY},00813,木村 三奈,キムラ ミナ,mina@kimura.example,kimuraMina,木村電設,4"


@pytest.fixture
def site(tmp_path: Path, chromium: Chromium) -> Iterator[Site]:
    """On a server that builds no installers: the desk uploads them."""
    with sites.running(tmp_path / "site", TODOKE_MAKENSIS="") as site:
        yield site
        assert "Traceback" not in site.log(), site.log()[-3000:]


@pytest.fixture
def comes_by(opened: Callable) -> Callable[..., Person]:
    """`comes_by(site)`: somebody without a login, at a browser of their own."""
    return lambda site, **more: Person(opened(site, **more), {})


# ── from the invitation to the fetched installer ──


def is_invited(kiku: Clerk, office: Person) -> None:
    """By the fund; the office reads its mail and follows the link."""
    kiku.chooses("届出受付")
    kiku.chooses("オンライン登録届を案内する")
    kiku.types("事業所名", OFFICE)
    kiku.types("メールアドレス", MAIL)
    kiku.presses("招待コードを送る")
    kiku.sees(f"{OFFICE}（{MAIL}）へ、招待コードをメールで送ります。")
    expect(kiku.row(OFFICE)).to_contain_text("未使用")
    link, code = mailed_link(office)
    office.goes_to(link)
    office.sees("メールのリンクから招待コードを読み取りました")
    expect(office.box("招待コード")).to_have_value(code)
    assert office.page.url.endswith("/registration/"), "the code is not left in the address"
    office.presses("入力画面を開く")


def mailed_link(office: Person) -> tuple[str, str]:
    """The link of the invitation at the demonstration's mailbox, and the code at its end."""
    for _ in range(MAIL_ROUNDS):
        office.goes_to("/demo/mail")
        mail = office.row(MAIL).filter(has_text="電子連携管理者登録届のご案内")
        if mail.count():
            mail.get_by_role("link").click()
            found = LINK.search(office.main.locator(".td-mail").inner_text())
            assert found
            return found[0], found[1]
    raise AssertionError("no invitation has come")


def files(office: Person) -> str:
    """What was mistyped is said at its field, and the rest stands as it was typed; the receipt number."""
    office.sees_heading("電子連携管理者登録届の入力")
    expect(office.box("入力日")).to_have_value(DAY)
    for label, words in FILED.items():
        office.types(label, words)
    office.box("2台").check()
    office.presses("確認")
    expect(office.main.locator("#error-summary")).to_contain_text("姓と名の間にスペースが必要です")
    expect(office.box("氏名1(カナ)")).to_have_attribute("aria-invalid", "true")
    expect(office.box("住所")).to_have_value(FILED["住所"])
    expect(office.box("2台")).to_be_checked()
    office.types("氏名1(カナ)", "ｶﾜﾍﾞ ﾊﾅ")
    office.presses("確認")
    office.sees_heading("電子連携管理者登録届の確認")
    office.sees("カワベ　ハナ")
    office.sees("まだ提出されていません。")
    office.presses("提出")
    office.sees_heading("電子連携管理者登録届の受付")
    return office.receipt_number()


def is_registered(kiku: Clerk, receipt_number: str) -> None:
    kiku.chooses("届出受付")
    kiku.row(receipt_number).get_by_role("link").click()
    kiku.sees_heading(f"登録届：{OFFICE}")
    kiku.sees("元の値：００７７７")
    kiku.presses("この事業所を登録する")
    kiku.sees(f"{OFFICE} を登録しました。契約番号は")


def gets_its_letter(kiku: Clerk) -> str:
    """Ordered, made, saved and confirmed; the words on its paper."""
    kiku.chooses("お知らせの発行へ")
    row = kiku.row(OFFICE)
    expect(row).to_contain_text("〒100-0001")
    row.get_by_role("checkbox").check()
    expect(kiku.main.locator("[data-select-count]")).to_have_text("1")
    kiku.presses("お知らせを発行")
    kiku.sees("お知らせ1通の作成を始めました。")

    # The page comes to tell by itself that the letter is made.
    expect(kiku.main.get_by_role("button", name="PDFを保存")).to_be_visible()
    name, letter = kiku.saves("PDFを保存")
    assert name == f"お知らせ_{today():%Y%m%d}_1通.pdf"
    kiku.presses("印刷を確認しました")
    kiku.sees("印刷を確認しました。PDFは消去され、もう開くことはできません。")
    assert not kiku.can_press("PDFを保存")
    return pdf.text(letter)


def opens_the_counter(office: Person, letter: str) -> str:
    """With what stands on the letter; the contract number."""
    number, key = NUMBER.search(letter), KEY.search(letter)
    assert number
    assert key
    office.goes_to("/download/")
    office.types("契約番号", number[1])
    office.types("ダウンロードパスワード", f"{counter.this_month(utc_now())}{key[1]}{key[2]}")
    office.presses("送信")
    office.sees_heading("ダウンロードリスト")
    return number[1]


def uploads_installer(dai: Clerk, file: Path) -> None:
    """For the first of the office's PCs."""
    dai.chooses("事業所と端末")
    dai.row(OFFICE).get_by_role("link", name="インストーラー").click()
    dai.sees_heading(f"インストーラー：{OFFICE}")
    panel = dai.main.get_by_role("region", name="端末 01")
    panel.locator("input[type=file]").set_input_files(file)
    dai.presses("端末 01 に登録")
    dai.sees("端末 01 のインストーラーを登録しました。")
    expect(panel).to_contain_text("インストーラー発行済")


def publishes(kiku: Clerk, label: str, file: Path) -> None:
    kiku.chooses("手順書の掲載")
    kiku.chooses("手順書を掲載")
    kiku.types("名称", label)
    kiku.types("版の日付", DAY)
    kiku.main.locator("input[type=file]").set_input_files(file)
    kiku.presses("掲載")
    kiku.sees(f"「{label}({DAY})」を掲載しました。")


def fetches(office: Person, number: str) -> None:
    """Both that lie there by now, byte by byte, and then leaves."""
    office.chooses("一覧を新しくする")
    expect(office.row("準備中")).to_have_count(1)
    for line, name, content in (
        ("1台目用", f"setup.{number}.01.exe", INSTALLER),
        ("VPNインストール手順書", f"電子連携サービス・VPNインストール手順書({today():%Y%m%d}).pdf", MANUAL),
    ):
        row = office.row(line)
        button = row.get_by_role("button", name="をダウンロード").get_attribute("aria-label")
        assert office.saves(button, row) == (name, content)
    office.chooses("一覧を新しくする")
    expect(office.row("ダウンロード済")).to_have_count(2)
    office.presses("戻る")
    office.goes_to("/download/list")
    office.sees_heading("ダウンロード")


def sees_how_far(kiku: Clerk) -> None:
    """Who has fetched the manual, on whose page she is, and which steps the office has behind it."""
    kiku.goes_to(kiku.page.url)
    expect(kiku.row(OFFICE)).to_be_visible()
    kiku.chooses("導入の進み具合")
    kiku.row(OFFICE).get_by_role("link").click()
    kiku.sees_heading(f"{OFFICE} の導入の進み具合")
    for label in ("1　届出受付", "2　登録", "3　お知らせ発送", "4　ダウンロード"):
        expect(step(kiku, label)).to_contain_text(re.compile(f"済.*{DAY}", re.DOTALL))
    expect(step(kiku, "5　確認コード")).to_contain_text("次の段階")


def step(person: Person, label: str) -> Locator:
    heading = person.page.get_by_role("rowheader", name=label, exact=True)
    return person.main.get_by_role("row").filter(has=heading)


@needs_readers
def test_an_office_is_invited_registered_and_fetches_its_installer(
    site: Site, sits_down: Callable, comes_by: Callable, tmp_path: Path
) -> None:
    program, manual = tmp_path / "made-for-slot-1.exe", tmp_path / "vpn.pdf"
    program.write_bytes(INSTALLER)
    manual.write_bytes(MANUAL)
    kiku, dai, office = sits_down(site, "kiku"), sits_down(site, "dai"), comes_by(site)
    kiku.logs_in()
    is_invited(kiku, office)
    is_registered(kiku, files(office))
    number = opens_the_counter(office, gets_its_letter(kiku))

    # What lies there now: nothing yet, for an office that only its own people know again.
    office.sees("川辺＊＊株式会社")
    assert OFFICE not in office.page.content()
    expect(office.row("インストーラー")).to_have_count(2)
    expect(office.row("準備中")).to_have_count(2)

    dai.logs_in()
    uploads_installer(dai, program)
    publishes(kiku, "VPNインストール手順書", manual)
    fetches(office, number)
    sees_how_far(kiku)


# ── a file with mistakes ──


def zipped(folder: Path, *records: str) -> Path:
    """A CSV as Excel saves it, in a password ZIP as 7-Zip makes it."""
    (folder / "登録届.csv").write_bytes(lines(HEADING, *records).encode("cp932"))
    command = ["7zz", "a", "-tzip", "-mem=AES256", f"-p{ZIP_PASSWORD}", "登録届.zip", "登録届.csv"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder / "登録届.zip"


def brings_in(kiku: Clerk, file: Path) -> None:
    kiku.chooses("届出受付")
    kiku.main.locator("input[type=file]").set_input_files(file)
    kiku.types("ZIPのパスワード", ZIP_PASSWORD)
    kiku.presses("読み込んで確かめる")
    kiku.sees_heading(f"登録届のファイル：{file.name}")


def cell(row: Locator, label: str) -> Locator:
    return row.get_by_label(label, exact=True)


def saves_row(row: Locator) -> None:
    row.get_by_role("button", name="この行を保存").click()


def registers_all(kiku: Clerk, offices: list[str]) -> None:
    count = len(offices)
    kiku.presses(f"{count}件をすべて登録する")
    kiku.sees(f"{count}件の事業所を登録しました")
    expect(kiku.main.locator("tbody tr")).to_have_count(count)
    for office in offices:
        expect(kiku.row(office)).to_contain_text(re.compile(r"\d{6,}-\d{7,}"))


def test_mistakes_in_a_file_are_mended_where_they_stand(site: Site, sits_down: Callable, tmp_path: Path) -> None:
    kiku = sits_down(site, "kiku")
    kiku.logs_in()
    brings_in(kiku, zipped(tmp_path, GOOD, NO_SPACE, TOO_MANY))
    kiku.sees("誤りが2か所あるため、まだ登録できません")
    assert not kiku.can_press("3件をすべて登録する")
    page, second, third = kiku.page.url, kiku.row("3行目"), kiku.row("4行目")
    for row, label, sentence in (
        (second, "D　氏名1(カナ)", "姓と名の間にスペースが必要です"),
        (third, "H　電子連携サービス 利用予定台数", "最大3台です"),
    ):
        expect(cell(row, label)).to_have_attribute("aria-invalid", "true")
        expect(cell(row, label)).to_have_accessible_description(re.compile(sentence))

    # Saved while it is still wrong it stays open; a right one closes, and the page counts along.
    cell(second, "D　氏名1(カナ)").fill("大野 フタバ")
    saves_row(second)
    expect(second).to_contain_text("カタカナだけです")
    cell(second, "D　氏名1(カナ)").fill("オオノ フタバ")
    saves_row(second)
    expect(second.get_by_role("link", name="直す")).to_be_focused()
    expect(second).to_contain_text("オオノ　フタバ")
    kiku.sees("誤りが1か所あるため、まだ登録できません")
    cell(third, "H　電子連携サービス 利用予定台数").fill("3")
    saves_row(third)
    kiku.sees("3件をすべて登録する")
    assert kiku.page.url == page
    registers_all(kiku, ["岩井製作所", "大野運輸株式会社", "木村電設"])


def test_without_scripts_a_mistake_is_mended_as_well(site: Site, sits_down: Callable, tmp_path: Path) -> None:
    kiku = sits_down(site, "kiku", java_script_enabled=False)
    kiku.logs_in()
    brings_in(kiku, zipped(tmp_path, GOOD, NO_SPACE))
    kiku.sees("誤りが1か所あるため、まだ登録できません")
    row = kiku.row("3行目")
    cell(row, "D　氏名1(カナ)").fill("オオノ フタバ")
    saves_row(row)
    kiku.sees("2件の届出")
    expect(row).to_contain_text("オオノ　フタバ")
    registers_all(kiku, ["岩井製作所", "大野運輸株式会社"])
