"""People come, get their permissions, work, and go again: an office's own, a consultant of two offices, a clerk."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.people import Clerk, OfficeUser
from tests.browser.site import Site
from tests.people import aes_zip

NEW_PASSWORD = "nanatsu-no-umi-wo-wataru"
HINOTO = {
    "ユーザーID": "abcHinoto1",
    "ユーザ名(カナ)": "ひのと　りか",
    "ユーザ名(漢字)": "丁野　里香",
    "メールアドレス": "rika@abc-shoji.example",
}
MOMO = {"ユーザーID": "kikinMomo1", "ユーザ名(漢字)": "基金　桃", "メールアドレス": "momo@fund.example"}


@pytest.fixture
def zipped(tmp_path: Path) -> Callable[[str, str], Path]:
    """`zipped("届書.zip", password)`: a filing on the PC."""

    def make(name: str, password: str) -> Path:
        file = tmp_path / name
        file.write_bytes(aes_zip(password))
        return file

    return make


def menu(person: OfficeUser | Clerk) -> list[str]:
    return person.page.get_by_role("navigation", name="メニュー").get_by_role("link").all_inner_texts()


def test_a_new_person_logs_in_with_the_printed_password_and_uses_a_box_at_once(
    site: Site, sits_down: Callable, zipped: Callable
) -> None:
    taro = sits_down(site, "taro")
    taro.logs_in()
    taro.chooses("利用者情報修正(ユーザ)")
    sheet = taro.adds("担当者", HINOTO)
    taro.goes_to("/admin/users/")
    expect(taro.row(HINOTO["ユーザーID"])).to_contain_text("ログイン待ち")

    rika = sits_down(site, sheet)
    rika.logs_in()
    expect(rika.box("ユーザ名(カナ)")).to_have_value("ヒノト　リカ")
    rika.registers(NEW_PASSWORD)
    rika.sees_heading("電子連携サービスの初期設定は完了しました")
    rika.goes_to("/files/upload")
    rika.is_refused()

    # A tick at the admin's PC, and the next click of the new person succeeds.
    taro.goes_to("/admin/users/")
    expect(taro.row(HINOTO["ユーザーID"])).to_contain_text("利用中")
    taro.row(HINOTO["ユーザーID"]).get_by_role("link", name="修正").click()
    taro.sees_heading("丁野　里香")
    taro.box("アップロード").click()
    taro.sees("付与しました。")
    expect(taro.box("アップロード")).to_be_checked()
    archive_password = taro.archive_password
    rika.uploads(zipped("届書.zip", archive_password))
    rika.waits_for_inspection("検査済")
    assert not rika.can_press("承認")

    # The form stands filled in when the permission goes.
    rika.fills_in_upload(zipped("もう一つ.zip", archive_password))
    taro.box("アップロード").click()
    taro.sees("外しました。")
    rika.presses("アップロード")
    rika.is_refused()
    rika.sees("「アップロード」の権限がない")


def begins(jiro: OfficeUser) -> None:
    """The first day at XYZ工業; the place that the demonstration gave the consultant there is ended."""
    jiro.logs_in()
    jiro.sets_up_office("XYZ工業")
    jiro.registers(NEW_PASSWORD)
    jiro.goes_to("/")
    ends(jiro, "srHanako2")


def asks_for(jiro: OfficeUser, consultant: dict[str, Any], own_login_id: str) -> None:
    jiro.chooses("利用者情報修正(ユーザ)")
    jiro.chooses("ほかの事業所の社労士・税理士に依頼する")
    jiro.types("先方の契約番号", consultant["contract_number"])
    jiro.types("先方でのユーザーID", consultant["login_id"])
    jiro.types("この事業所でのユーザーID", own_login_id)
    jiro.box("社労士（承認・配信を除く）").check()
    jiro.presses("依頼する")
    jiro.sees(f"{own_login_id} の方に依頼しました。")


def ends(jiro: OfficeUser, login_id: str) -> None:
    jiro.chooses("利用者情報修正(ユーザ)")
    jiro.row(login_id).get_by_role("link", name="修正").click()
    jiro.chooses("利用の終了")
    jiro.presses("利用を終了する")
    jiro.sees("利用を終了しました。")


def test_a_consultant_is_asked_accepts_works_for_two_offices_and_is_let_go(
    site: Site, sits_down: Callable, zipped: Callable
) -> None:
    jiro, hanako = sits_down(site, "jiro"), sits_down(site, "hanako")
    begins(jiro)
    asks_for(jiro, hanako.me, "srHanako3")
    expect(jiro.row("srHanako3")).to_contain_text("承諾待ち")
    expect(jiro.row("srHanako3")).not_to_contain_text("花子")

    # The question comes with the next login, and names the office.
    hanako.logs_in()
    hanako.sees_heading("事業所からの依頼")
    hanako.sees("XYZ工業株式会社")
    expect(hanako.page.get_by_label("切り替える事業所")).to_have_count(0)
    hanako.presses("承諾")
    hanako.sees("XYZ工業 の依頼を承諾しました。")

    at_abc = hanako.uploads(zipped("ABC商事の届書.zip", hanako.archive_password))
    hanako.switches_to("XYZ工業")
    hanako.sees_heading("ホーム")
    at_xyz = hanako.uploads(zipped("XYZ工業の届書.zip", jiro.archive_password))
    hanako.waits_for_inspection("検査済")
    hanako.switches_to("ABC商事")

    # One list over both; what lies at the other office opens there.
    hanako.chooses("すべての事業所の一覧")
    hanako.sees_heading("すべての事業所の一覧")
    expect(hanako.row(at_abc)).to_contain_text("ABC商事")
    expect(hanako.row(at_abc).get_by_role("link", name="開く")).to_be_visible()
    expect(hanako.row(at_xyz)).to_contain_text("XYZ工業")
    hanako.row(at_xyz).get_by_role("button", name="切り替えて開く").click()
    hanako.sees_heading("届書：資格取得届")
    assert hanako.receipt_number() == at_xyz
    hanako.works_for("XYZ工業")

    ends(jiro, "srHanako3")
    hanako.chooses("届書の送信")
    hanako.sees_heading("ログインが終了しました")


def test_a_new_clerk_enrols_chooses_a_password_and_reaches_what_the_words_allow(
    site: Site, sits_down: Callable
) -> None:
    kiku = sits_down(site, "kiku")
    kiku.logs_in()
    kiku.chooses("職員の管理")
    momo = sits_down(site, kiku.adds("基金事務局", MOMO))
    kiku.chooses("控えたので次へ")
    kiku.sees_heading("基金　桃")

    # The first login: no code, then the authenticator, and only then a password of one's own.
    momo.logs_in_with("")
    app, codes = momo.enrols()
    assert len(set(codes)) == 8
    expect(momo.page.get_by_role("navigation", name="メニュー")).to_have_count(0)
    momo.chooses("控えたので次へ")
    momo.registers(NEW_PASSWORD)
    momo.sees_heading("ホーム")
    assert menu(momo) == ["ホーム", "ご自身の登録", "稼働状況"]
    momo.goes_to("/admin/inbox/")
    momo.is_refused()

    kiku.box("受領").click()
    kiku.sees("付与しました。")
    momo.goes_to("/")
    assert menu(momo) == ["ホーム", "受信箱（届書）", "ご自身の登録", "稼働状況"]
    momo.chooses("受信箱（届書）")
    momo.sees_heading("受信箱（届書）")
    for closed in ("/admin/statements/", "/admin/users/", "/admin/settings/", "/admin/audit/"):
        momo.goes_to(closed)
        momo.is_refused()

    momo.logs_out()
    momo.logs_in_with(app.shows(later=1))
    momo.sees_heading("ホーム")
