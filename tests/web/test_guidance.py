"""What a person reads so that the next step is the right one: who is next, what is asked before, what to do again."""

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db
from exchange import settings
from models import Grant, Inspection, Transfer
from tests.exchange.scanning import inspected
from tests.people import Browser, Cast, aes_zip, filing, inspect, mails, run_jobs, state, statement, uploads
from tests.web.steps import logs_in, logs_in_as_staff, passes_code, types_password

People = Callable[[str], Browser]
UNDONE = "ログインが終わっていたため、操作は行われていません。"
OFFICE = "/admin/office/registration"


def chooses(browser: Browser, verb: str, *chosen: Transfer, at: str = "", **more: str) -> TestResponse:
    form = {"verb": verb, "uid": [transfer.uid for transfer in chosen], **more}
    return browser.post(f"/files/selection{at}", form, page="/files/upload")


# ── who is next ──


def test_the_uploader_reads_that_the_approver_is_next(browser: People, cast: Cast) -> None:
    waiting = uploads(cast.hanako, aes_zip(cast.archive_password))
    hanako = browser("hanako")
    assert "いま検査しています。次は、事業所の承認者が" in hanako.get(f"/files/{waiting.uid}").text
    inspect(waiting)
    page = hanako.get(f"/files/{waiting.uid}").text
    assert "アップロードできました。次は、事業所の承認者が承認・配信します。このままお待ちください。" in page
    assert "「承認して配信」を押すと、基金に届きます。" in browser("taro").get(f"/files/{waiting.uid}").text


def test_a_filing_with_faults_says_so_instead_of_waiting_for_its_approval(browser: People, cast: Cast) -> None:
    transfer, hanako = inspect(uploads(cast.hanako, aes_zip("Wrong-Password-26"))), browser("hanako")
    for page in (hanako.get("/files/").text, hanako.get(f"/files/{transfer.uid}").text):
        assert "要修正（検査で不備）" in page
    assert "「取消」で取り下げてから、直したものを新しくアップロードしてください。" in page


def test_whoever_sent_it_back_is_not_warned_but_the_uploader_is(browser: People, cast: Cast) -> None:
    page = f"/files/{filing(cast, 'returned').uid}"
    assert "注意</span>差し戻されました" in browser("hanako").get(page).text
    assert "お知らせ</span>差し戻した届書です" in browser("taro").get(page).text


def test_after_a_rejection_the_office_is_led_to_a_new_upload(app: Flask, browser: People, cast: Cast) -> None:
    page = browser("hanako").get(f"/files/{filing(cast, 'rejected').uid}").text
    assert "直したものを、新しくアップロードしてください。" in page
    assert re.search(r'href="/files/upload">直した届書をアップロード<', page)
    run_jobs(app)
    (mail,) = {
        m["body"] for m in mails(Path(app.instance_path) / "mail") if "不受理" in m["subject"] and "太郎" in m["body"]
    }
    assert "直したものを、新しくアップロードしてください。" in mail


def test_an_upload_in_place_of_a_returned_one_begins_with_what_that_said(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "returned")
    page = browser("hanako").get(f"/files/upload?replaces={transfer.uid}").text
    assert re.search(r'<option selected value="acquisition"', page)
    assert 'value="2026-11"' in page


def test_a_refused_upload_says_that_the_file_is_to_be_chosen_again(browser: People, cast: Cast) -> None:
    hanako = browser("hanako")
    for headers, is_told in (({}, True), ({"X-Requested-With": "todoke-upload"}, False)):
        file = (io.BytesIO(aes_zip(cast.archive_password)), "届書.zip")
        answer = hanako.post("/files/upload", {"kind": "", "file": file}, headers=headers)
        assert answer.status_code == 422
        assert ("ファイルはもう一度選んでください。" in answer.text) == is_told


def test_the_mail_to_the_approver_says_whose_filing_it_is_and_of_which_month(app: Flask, cast: Cast) -> None:
    filing(cast)
    run_jobs(app)
    (body,) = {
        m["body"] for m in mails(Path(app.instance_path) / "mail") if "承認待ち" in m["subject"] and "太郎" in m["body"]
    }
    assert "対象年月　2026/11" in body
    assert "登録した人　丙山　花子" in body.replace(cast.member("hanako").user.name, "丙山　花子")
    assert "ワンタイムパスワードを受け取ってから、VPN接続をして\nログインし" in body


# ── what is asked before ──


def test_a_button_asks_with_kind_and_number(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "approved")
    what = f"「{transfer.kind.name}」（受付番号 {transfer.receipt_number}）"
    page = browser("taro").get(f"/files/{transfer.uid}").text
    assert f"{what}を、基金事務局へ配信します。よろしいですか。" in page
    assert f"{what}を取り消します。元に戻せません。よろしいですか。" in page


def test_what_the_inspection_warned_of_is_asked_about_before_it_goes_on(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    finding = {"code": "EMPTY_FILE", "message": "空です。", "entry": "a.csv", "severity": "warn"}
    inspected(transfer, state="warned", findings=[finding])
    page = browser("taro").get(f"/files/{transfer.uid}").text
    assert page.count("検査で注意が1件あります。検査の結果を読みましたか。") == 2  # 承認, 承認して配信
    assert "アップロードできましたが、検査で注意が1件あります。" in browser("hanako").get(f"/files/{transfer.uid}").text


def test_a_rejection_asks_with_the_office_and_the_number(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "received")
    page = browser("kiku").get(f"/admin/inbox/{transfer.uid}").text
    assert re.search(rf'data-confirm="ABC商事[^"]*{transfer.receipt_number}[^"]*不受理にします。元に戻せません。', page)


def test_the_buttons_for_many_ask_with_verb_number_and_destination(browser: People, cast: Cast) -> None:
    filing(cast)
    page, fund = browser("taro").get("/files/").text, settings.get("fund_name")
    assert f'{{}}件を承認して、{fund}へ配信します。よろしいですか。"' in page
    assert 'data-confirm="「注意あり」のものは、検査の結果を読んでから選んでください。' in page
    assert 'data-confirm="{}件を取り消します。元に戻せません。よろしいですか。"' in page


def test_the_archive_password_asks_whether_it_is_noted_down(browser: People) -> None:
    page = browser("jiro").get(OFFICE).text
    assert "後から変更も表示もできません。控えましたか。" in page


# ── what is kept ──


@pytest.mark.parametrize("reason", ["", " 　 ", "あ" * 501])
def test_a_refused_return_of_many_keeps_the_ticks_and_the_reason(browser: People, cast: Cast, reason: str) -> None:
    first, second = filing(cast), filing(cast)
    answer = chooses(browser("taro"), "return", first, at="?state=uploaded", reason=reason)
    assert (answer.status_code, state(first)) == (422, "uploaded")
    assert answer.text.count("差戻しの理由") < 8
    assert re.findall(r'value="(\w{32})"[^>]* checked', answer.text) == [first.uid]
    assert second.uid in answer.text
    assert reason.strip() in answer.text
    assert 'action="/files/selection?state=uploaded"' in answer.text


def test_many_moves_lead_back_to_the_same_place_in_the_list(browser: People, cast: Cast) -> None:
    answer = chooses(browser("taro"), "approval", filing(cast), at="?state=uploaded&page=1")
    assert answer.location == "/files/?state=uploaded&page=1"


def test_a_refused_registration_still_shows_the_same_proposal(browser: People) -> None:
    jiro = browser("jiro")
    first = jiro.field(OFFICE, "suggestion")
    typed = {"suggestion": first, "archive_password": first, "archive_password_again": first}
    answer = jiro.post(OFFICE, typed)
    assert f'id="suggestion">{first}<' in answer.text
    assert "圧縮パスワードを、もう一度入力してください。" in answer.text
    forged = jiro.post(OFFICE, {"suggestion": "aaaa"})
    assert 'id="suggestion">aaaa<' not in forged.text


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("令和8年4月", "2026-04"),
        ("R8.4", "2026-04"),
        ("R8/4", "2026-04"),
        ("２０２６年１２月", "2026-12"),
        ("202604", "2026-04"),
    ],
)
def test_a_month_may_be_written_in_any_common_way(browser: People, cast: Cast, typed: str, kept: str) -> None:
    hanako = browser("hanako")
    answer = hanako.post("/files/upload", {"kind": "", "period": typed})
    assert f'value="{kept}"' in answer.text


@pytest.mark.parametrize("typed", ["2026-13", "2026-00", "2026/4/1", "令和8年", "4月", "R0.4"])
def test_what_is_no_month_is_refused_in_the_words_of_the_field(browser: People, typed: str) -> None:
    answer = browser("hanako").post("/files/upload", {"period": typed})
    assert "対象年月は 2026/04 または 令和8年4月 のように" in answer.text


# ── the door ──


def test_an_act_without_a_login_is_told_as_undone(browser: People, cast: Cast) -> None:
    transfer, stranger = filing(cast), browser("")
    url = f"/files/{transfer.uid}/approval"
    assert stranger.post(url, page="/auth/").location == "/auth/"
    assert UNDONE in stranger.get("/auth/").text
    assert UNDONE not in stranger.get("/auth/").text
    stranger.post("/auth/logout", page="/auth/")
    assert UNDONE not in stranger.get("/auth/").text


def test_an_act_after_a_newer_login_is_told_as_undone(browser: People, cast: Cast, app: Flask) -> None:
    old, transfer = browser("taro"), filing(cast)
    token = old.csrf("/files/")
    logs_in(app, cast, browser(""), "taro")
    answer = old.client.post(f"/files/{transfer.uid}/approval", data={"csrf_token": token})
    page = old.get(answer.location).text
    assert UNDONE in page
    assert "心当たりがないときは、すぐに管理者または" in page


def test_after_the_login_one_is_where_one_wanted_to_go(app: Flask, browser: People, cast: Cast) -> None:
    transfer, taro = filing(cast), browser("")
    assert taro.get(f"/files/{transfer.uid}").location == "/auth/"
    assert logs_in(app, cast, taro, "taro").location == f"/files/{transfer.uid}"


def test_a_page_of_others_is_not_gone_back_to(app: Flask, browser: People, cast: Cast) -> None:
    transfer, pc = filing(cast), browser("")
    pc.get(f"/files/{transfer.uid}")
    assert logs_in_as_staff(cast, pc, "kiku").location == "/"
    foreign, other = filing(cast, "delivered"), browser("")
    with db.atomic():
        Transfer.update(office=cast.xyz).where(Transfer.id == foreign.id).execute()
    other.get(f"/files/{foreign.uid}")
    assert logs_in(app, cast, other, "jun").location == "/"


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/nothing", "/auth/logout", "x" * 4000])
def test_only_a_page_of_ours_is_gone_to(browser: People, cast: Cast, path: str) -> None:
    kiku = browser("")
    with kiku.client.session_transaction() as cookie:
        cookie["next"] = path
    assert logs_in_as_staff(cast, kiku, "kiku").location == "/"


def test_the_third_step_knows_the_id_of_the_first_and_keeps_it(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    assert 'value="abcTaro01"' in taro.get("/auth/password").text
    answer = types_password(taro, "abcTaro01", "ｗｒｏｎｇ")
    assert 'value="abcTaro01"' in answer.text
    assert "全角文字が入力されています。半角に切り替えてください。" in answer.text
    assert "全角文字" not in types_password(taro, "abcTaro01", "wrong").text


# ── what the fund's people see ──


def test_a_clerk_sees_only_the_rooms_he_may_read(browser: People, cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("ume"), Grant.word == "receive").execute()
    ume = browser("ume")
    assert ume.get("/admin/", follow_redirects=True).request.path == "/"
    for page in ("/", "/admin/statements/"):
        html = ume.get(page).text
        assert "受信箱（届書）" not in html
        assert "帳票の配信" in html


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "kiku", "ume", "dai"])
def test_the_menu_leads_only_where_one_may_go(browser: People, name: str) -> None:
    person = browser(name)
    menu = person.get("/").text.partition('aria-label="メニュー"')[2].partition("</nav>")[0]
    pages = re.findall(r'<a href="([^"]+)"', menu)
    assert "/admin/account/" in pages
    assert {page: person.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    assert ("/admin/users/" in pages) == (name in ("taro", "kiku"))
    assert ("/admin/audit/" in pages) == (name in ("taro", "kiku", "dai"))
    assert ("/admin/settings/" in pages) == (name == "kiku")


def test_the_findings_of_an_unopened_filing_stay_with_the_office(browser: People, cast: Cast) -> None:
    transfer, kiku = filing(cast, "delivered"), browser("kiku")
    findings = [{"code": "ZIPCRYPTO", "message": "弱い暗号です。", "entry": "資格取得届.csv"}]
    Inspection.update(state="warned", findings=findings).where(Inspection.transfer == transfer).execute()
    page = f"/admin/inbox/{transfer.uid}"
    assert "弱い暗号です。" not in kiku.get(page).text
    kiku.post(f"{page}/opening", page=page)
    assert "弱い暗号です。" in kiku.get(page).text


@pytest.mark.parametrize(("is_second", "words"), [(True, "別の方が確かめて"), (False, "作成したものを確かめて")])
def test_the_lead_of_the_statements_is_true_for_the_setting(browser: People, is_second: bool, words: str) -> None:
    with db.atomic():
        settings.put("statement_second_clerk", is_second)
    assert words in browser("kiku").get("/admin/statements/").text


def test_the_fund_reads_who_asked_for_a_statement(browser: People, cast: Cast) -> None:
    transfer, taro = statement(cast, "delivered"), browser("taro")
    page = f"/admin/statements/{transfer.uid}"
    assert "まだ受け取られていません。" in browser("kiku").get(page).text
    taro.post(f"/files/{transfer.uid}/pickup", page="/files/statements")
    readers = browser("kiku").get(page).text.partition("受け取った方")[2].partition("</ul>")[0]
    assert re.search("受取要求.*ABC.*甲野", readers)


def test_a_file_without_encryption_says_so_in_japanese(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    entry = {"name": "届書.csv", "size": 1, "method": "none", "sha256": "0"}
    Inspection.update(entries=[entry]).where(Inspection.transfer == transfer).execute()
    assert 'data-label="暗号化">なし<' in browser("taro").get(f"/files/{transfer.uid}").text
