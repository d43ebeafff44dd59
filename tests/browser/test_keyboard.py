"""The main jobs with the keyboard alone: every stop of the Tab key is visible, and nothing needs a mouse."""

from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import expect

from tests.browser.hands import Hands
from tests.browser.site import Site
from tests.people import aes_zip


@pytest.mark.parametrize("name", ["taro"])
def test_an_office_logs_in_uploads_and_delivers_without_a_mouse(
    name: str, site: Site, sits_down: Callable, tmp_path: Path
) -> None:
    taro = sits_down(site, name)
    hands = Hands(taro)
    taro.goes_to("/onetime/")
    hands.types("契約番号", taro.me["contract_number"])
    hands.types("ユーザーID", taro.me["login_id"])
    taro.page.keyboard.press("Enter")
    taro.sees_heading("ワンタイムパスワード・発行受付")
    code = taro.reads_code(taro.receipt_number())
    hands.follows("電子連携サービス・認証画面")
    taro.sees_heading("認証")
    hands.types("契約番号", taro.me["contract_number"])
    hands.types("ユーザーID", taro.me["login_id"])
    taro.page.keyboard.press("Enter")
    taro.sees_heading("ワンタイムパスワードの確認")
    expect(taro.main.get_by_label("ワンタイムパスワード")).to_be_focused()
    taro.page.keyboard.type(code + "\n")
    taro.sees_heading("ログイン")
    hands.types("ユーザーID", taro.me["login_id"])
    hands.types("ログインパスワード", taro.me["password"] + "\n")

    taro.sees_heading("ホーム")
    hands.follows("届書の送信")
    taro.sees_heading("届書の送信")
    hands.follows("アップロード")
    taro.sees_heading("届書のアップロード")
    hands.reaches("種類")
    taro.page.keyboard.press("ArrowDown")
    hands.reaches("送るファイル")
    file = tmp_path / "届書.zip"
    file.write_bytes(aes_zip(taro.archive_password))
    taro.page.locator("input:focus").set_input_files(file)  # the dialog that Enter opens is the system's own
    hands.presses("アップロード")
    taro.sees("アップロードしました。")
    taro.waits_for_inspection("検査済")
    hands.presses("承認して配信")
    taro.sees_state("配信済")
    assert any("基金事務局へ配信します" in question for question in taro.was_asked)


def test_a_clerk_opens_a_filing_without_a_mouse(site: Site, sits_down: Callable, tmp_path: Path) -> None:
    taro, kiku = sits_down(site, "taro"), sits_down(site, "kiku")
    file = tmp_path / "届書.zip"
    file.write_bytes(aes_zip(taro.archive_password))
    taro.logs_in()
    taro.uploads(file)
    taro.waits_for_inspection("検査済")
    taro.presses("承認して配信")
    taro.sees_state("配信済")

    hands = Hands(kiku)
    kiku.goes_to("/admin/login")
    hands.types("ユーザーID", kiku.me["login_id"])
    hands.types("ログインパスワード", kiku.me["password"])
    hands.types("ワンタイムパスワード", pyotp.TOTP(kiku.me["totp_secret"]).now() + "\n")
    kiku.sees_heading("ホーム")
    hands.follows("受信箱（届書）")
    kiku.sees_heading("受信箱（届書）")
    hands.reaches("資格取得届", "A")
    kiku.page.keyboard.press("Enter")
    kiku.sees_heading("届書：資格取得届")
    hands.presses("受領して開く")
    kiku.sees_state("受領済")
    hands.reaches("開く", "BUTTON")
    with kiku.page.expect_download() as waiting:
        kiku.page.keyboard.press("Space")
    assert waiting.value.suggested_filename == "資格取得届.csv"


def test_after_a_move_in_a_row_the_keyboard_stays_in_that_row(site: Site, sits_down: Callable, tmp_path: Path) -> None:
    taro = sits_down(site, "taro")
    file = tmp_path / "届書.zip"
    file.write_bytes(aes_zip(taro.archive_password))
    taro.logs_in()
    number = taro.uploads(file)
    taro.waits_for_inspection("検査済")
    taro.chooses("届書の送信")
    taro.sees_heading("届書の送信")
    taro.row(number).get_by_role("button", name="承認", exact=True).focus()
    taro.page.keyboard.press("Enter")
    expect(taro.row(number)).to_contain_text("配信待ち")
    expect(taro.row(number).get_by_role("link").first).to_be_focused()
    expect(taro.page.locator("#td-live")).to_contain_text(f"受付番号 {number}：配信待ち")
