"""The first login of a new office's admin: 利用者情報登録 twice, and only then the menu (guide §7)."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.site import Site

PASSWORD = "watashi-no-atarashii-kagi-7"


def test_a_new_admin_registers_the_office_and_himself(site: Site, sits_down: Callable, tmp_path: Path) -> None:
    jiro = sits_down(site, "jiro")
    jiro.logs_in()
    jiro.sees_heading("利用者情報登録(事業所)")
    expect(jiro.page.get_by_role("navigation", name="メニュー")).to_have_count(0)
    jiro.goes_to("/files/")
    jiro.sees_heading("利用者情報登録(事業所)")

    # What is missing is said; the test archive opens with the program of the PC.
    jiro.types("事業所略称", "XYZ工業")
    jiro.presses("確定")
    jiro.sees("入力内容に誤りが")
    jiro.types("事業所略称", "XYZ工業")
    jiro.presses("両方の欄に入れる")
    chosen = jiro.main.get_by_label("圧縮パスワード", exact=True).input_value()
    name, data = jiro.saves("お試しZIPをダウンロード")
    (tmp_path / "test.zip").write_bytes(data)
    subprocess.run(["7zz", "t", f"-p{chosen}", str(tmp_path / "test.zip")], check=True, capture_output=True)
    assert name == "お試し.zip"
    jiro.main.get_by_label("圧縮パスワードは後から変更できないことを確認しました").check()
    jiro.presses("確定")

    jiro.sees_heading("利用者情報登録(ユーザ)")
    expect(jiro.main.get_by_label("ユーザ名(漢字)")).to_have_value("戊田　次郎")
    jiro.types("ユーザ名(カナ)", "ﾎﾞﾀ ｼﾞﾛｳ")
    jiro.types("新しいログインパスワード", PASSWORD)
    jiro.types("新しいログインパスワード（確認）", PASSWORD)
    jiro.presses("登録")
    jiro.sees_heading("電子連携サービスの初期設定は完了しました")
    jiro.chooses("届書の送信へ")
    jiro.sees_heading("届書の送信")
    expect(jiro.page.locator(".td-person")).to_contain_text("XYZ工業")
    jiro.page.get_by_role("button", name="ログアウト").click()
    jiro.sees_heading("ログアウトしました")
    jiro.sees("VPNを切断してください")


def test_a_member_waits_until_the_admin_has_registered_the_office(site: Site, sits_down: Callable) -> None:
    hanako = sits_down(site, "hanako_at_xyz")
    hanako.logs_in()
    hanako.sees_heading("事業所の登録が終わっていません")
    expect(hanako.page.get_by_role("navigation", name="メニュー")).to_have_count(0)
