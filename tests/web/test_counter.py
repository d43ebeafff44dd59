"""/download from the form to the last file, as an office's people use it without login."""

import io
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from equipment import Installer
from exchange import counter, devices, settings, vault, visits
from models import AuditEntry, Device, Office
from papers import Document, DocumentOffice, Visit
from tests.markup import Page
from tests.people import Browser, Cast
from tests.web.steps import ends_by_letter, ends_by_time

People = Callable[[str], Browser]
FORM, LIST = "/download/", "/download/list"
SHOWN_OF_NAME = {"AB"}
MANUAL, PROGRAM = b"%PDF-1.7 manual" + bytes(200_000), b"MZ program" + bytes(100_000)


def pair(cast: Cast, office: int = 0, **typed: str) -> dict[str, str]:
    """What an office's letter tells, with this month in front of the key."""
    made = cast.made["offices"][office]
    password = counter.this_month(utc_now()) + made["download_key"]
    return {"contract_number": made["contract_number"], "download_password": password, **typed}


def sends(browser: Browser, typed: dict[str, str]) -> TestResponse:
    return browser.post(FORM, typed)


def inside(browser: Browser, cast: Cast, office: int = 0) -> Browser:
    assert sends(browser, pair(cast, office)).location == LIST
    return browser


def published(label: str, *offices: Office, scan: dict[str, str] | None = None) -> Document:
    document = Document.create(
        label=label,
        edition_on=date(2023, 9, 25),
        file_name=f"電子連携サービス・{label}(20230925).pdf",
        stored=vault.receive(io.BytesIO(MANUAL)).keep(),
        is_for_all=not offices,
        scan=scan,
    )
    for office in offices:
        DocumentOffice.create(document=document, office=office)
    return document


def installed(office: Office, slot: int) -> Installer:
    stored = vault.receive(io.BytesIO(PROGRAM)).keep()
    return Installer.create(device=Device.in_slot(office, slot), stored=stored)


def faults(app: Flask, page: str) -> list[str]:
    found = Page(page).faults(app.url_map.bind("127.0.0.1"))
    return [fault for fault in found if fault.removeprefix("English: ") not in SHOWN_OF_NAME]


# ── the form ──


def test_the_form_has_the_words_of_the_guide_and_keeps_the_rules(app: Flask, browser: People) -> None:
    page = browser("").get(FORM).text
    assert faults(app, page) == []
    for words in ("契約番号", "半角数字・ハイフン 最大30文字", "ダウンロードパスワード", "送信"):
        assert words in page
    assert "半角英数・14文字（年月6桁＋ダウンロードキー8桁）" in page
    assert "202404XdiV12r" in page
    assert f"「{counter.this_month(utc_now())}」で始まります" in page


def test_whoever_has_the_letter_sees_the_list(browser: People, cast: Cast) -> None:
    answer = sends(browser(""), pair(cast))
    assert (answer.status_code, answer.location) == (303, LIST)


def test_full_width_and_spaces_are_put_right(browser: People, cast: Cast) -> None:
    wide = {key: "　".join(chr(ord(letter) + 0xFEE0) for letter in value) for key, value in pair(cast).items()}
    assert sends(browser(""), wide).location == LIST


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"contract_number": ""}, "契約番号を入力してください"),
        ({"contract_number": "ABC商事"}, "数字とハイフンだけ"),
        ({"contract_number": "1" * 31}, "30文字まで"),
        ({"contract_number": "1" * 200}, "契約番号が長すぎます"),
        ({"download_password": ""}, "ダウンロードパスワードを入力してください"),
        ({"download_password": "AbcdeFgh"}, "今は8文字でした"),
        ({"download_password": "2026年11月AbcdeFgh"}, "英字と数字だけ"),
        ({"download_password": "AbcdeFgh202611"}, "先頭の6文字"),
    ],
)
def test_a_slip_is_told_at_its_field_and_costs_no_try(
    app: Flask, browser: People, cast: Cast, typed: dict[str, str], words: str
) -> None:
    answer = sends(browser(""), pair(cast, **typed))
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert re.search(f'id="{next(iter(typed))}-error"[^>]*>＊[^<]*{words}', answer.text)
    assert AuditEntry.select().where(AuditEntry.action.startswith("download")).count() == 0


@pytest.mark.parametrize("typed", [{"contract_number": "7654321-87654321"}, {"download_password": "202611HgfedcbA"}])
def test_a_wrong_pair_is_told_without_saying_which_part(
    app: Flask, browser: People, cast: Cast, typed: dict[str, str]
) -> None:
    answer = sends(browser(""), pair(cast, **typed))
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert "契約番号またはダウンロードパスワードが正しくありません" in answer.text
    assert 'aria-invalid="true"' not in answer.text
    assert "もう一度入力してください" in answer.text


def test_a_password_that_was_typed_comes_back_on_no_page(browser: People, cast: Cast) -> None:
    for typed in ({"contract_number": "7654321-87654321"}, {"contract_number": ""}, {"download_password": "AbcdeFgh"}):
        sent = pair(cast, **typed)
        assert sent["download_password"] not in sends(browser(""), sent).text
    assert pair(cast)["contract_number"] in sends(browser(""), pair(cast, download_password="")).text


def test_a_closed_counter_says_until_when(app: Flask, browser: People, cast: Cast) -> None:
    stranger = browser("")
    for _ in range(10):
        answer = sends(stranger, pair(cast, download_password="202611HgfedcbA"))
    assert answer.status_code == 429
    assert faults(app, answer.text) == []
    assert re.search(r"\d+月\d+日 \d\d:\d\d まで止めています", answer.text)
    assert sends(stranger, pair(cast)).status_code == 429


# ── the list ──


def test_the_list_shows_what_there_is_and_keeps_the_rules(app: Flask, browser: People, cast: Cast) -> None:
    document = published("操作マニュアル")
    installer = installed(cast.abc, 1)
    page = inside(browser(""), cast).get(LIST).text
    number = cast.abc.contract_number
    assert faults(app, page) == []
    assert "AB＊＊＊株式会社" in page
    assert cast.abc.name not in page
    for words in ("内容", "ファイル", "サイズ", "登録日", "ダウンロード"):
        assert re.search(f'<th scope="col"[^>]*>{words}</th>', page)
    for words in (
        *("操作マニュアル(2023/09/25)", "電子連携サービス・操作マニュアル(20230925).pdf", f"{len(MANUAL):,} バイト"),
        *("インストーラー(1台目用)(管理者用)", f"setup.{number}.01.exe", f"{len(PROGRAM):,} バイト", "未ダウンロード"),
        *("インストーラー(2台目用)", f"setup.{number}.02.exe", "有効化済み", "未検査", "SmartScreen", "戻る"),
        *("お知らせの宛名と違うときは", document.stored.sha256, installer.stored.sha256),
    ):
        assert words in page
    assert page.count(">↓</button>") == 2
    assert 'aria-label="操作マニュアル(2023/09/25)をダウンロード"' in page
    assert 'aria-label="インストーラー(1台目用)(管理者用)をダウンロード"' in page


def test_the_scanners_true_result_is_shown(browser: People, cast: Cast) -> None:
    seen = {"engine": "ClamAV 1.4", "signatures_at": "2026-11-22T03:00:00+00:00", "at": "2026-11-23T02:30:00+00:00"}
    published("操作マニュアル", scan={**seen, "verdict": "clean"})
    published("手順書", scan={**seen, "verdict": "found", "found": ["Win.Test-1"]})
    page = inside(browser(""), cast).get(LIST).text
    told = "2026/11/23 11:30 に ClamAV 1.4（定義ファイル 2026/11/22）で検査："
    assert f"{told}異常は見つかりませんでした" in page
    assert f"{told}ウイルスが見つかりました：Win.Test-1" in page
    assert "未検査</p>" not in page


@pytest.mark.parametrize(
    ("why", "words"), [("unreachable", "つながりません"), ("too_big", "大きすぎて"), ("broken", "終わりまで答えません")]
)
def test_what_could_not_be_scanned_says_why_and_is_offered(browser: People, cast: Cast, why: str, words: str) -> None:
    scan = {"engine": "", "signatures_at": "", "at": "2026-11-23T02:30:00+00:00", "found": []}
    published("操作マニュアル", scan={**scan, "verdict": "not_scanned", "why": why})
    page = inside(browser(""), cast).get(LIST).text
    assert re.search(rf"ウイルス検査：未検査（[^）]*{words}", page)
    assert 'aria-label="操作マニュアル(2023/09/25)をダウンロード"' in page


def test_a_file_with_malware_is_shown_as_being_looked_at_and_not_handed_out(
    app: Flask, browser: People, cast: Cast
) -> None:
    scan = {"engine": "ClamAV 1.4", "signatures_at": "", "at": "2026-11-23T02:30:00+00:00", "found": ["Win.Test-1"]}
    document, installer = published("操作マニュアル"), installed(cast.abc, 1)
    stranger = inside(browser(""), cast)
    assert stranger.get(LIST).text.count("↓</button>") == 2
    for row in (document, installer):
        type(row).update(scan={**scan, "verdict": "found"}).where(type(row).id == row.id).execute()
    page = stranger.get(LIST).text
    assert faults(app, page.replace("Win.Test-1", "")) == [], "malware has English names"
    assert "↓</button>" not in page
    assert page.count("点検中</span>") == page.count("お渡しを止めて点検しています") == 2
    for url in (f"/download/documents/{document.uid}", "/download/installers/1"):
        answer = stranger.post(url, page=LIST)
        assert (answer.status_code, "お渡しを止めて点検しています" in answer.text) == (422, True)


def test_the_tip_is_the_funds_and_may_be_empty(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    assert settings.DECLARED["download_tip"].default in stranger.get(LIST).text
    for tip in ("記録媒体は<b>基金</b>が貸します。", ""):
        with db.atomic():
            settings.put("download_tip", tip)
        page = stranger.get(LIST).text
        assert settings.DECLARED["download_tip"].default not in page
        assert ("&lt;b&gt;基金" in page) is bool(tip)
        assert "<li></li>" not in page


def test_the_files_come_whole_with_their_japanese_names(browser: People, cast: Cast) -> None:
    document = published("操作マニュアル")
    installed(cast.abc, 2)
    stranger = inside(browser(""), cast)
    paper = stranger.post(f"/download/documents/{document.uid}", page=LIST)
    assert (paper.status_code, paper.data) == (200, MANUAL)
    assert paper.headers["Content-Length"] == str(len(MANUAL))
    assert paper.headers["Content-Disposition"] == (
        'attachment; filename="document-20230925.pdf"; '
        f"filename*=UTF-8''{quote('電子連携サービス・操作マニュアル(20230925).pdf')}"
    )
    program = stranger.post("/download/installers/2", page=LIST)
    assert (program.status_code, program.data) == (200, PROGRAM)
    assert f"setup.{cast.abc.contract_number}.02.exe" in program.headers["Content-Disposition"]
    for answer in (paper, program):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
    assert stranger.get(LIST).text.count("ダウンロード済</span>") == 2
    assert Device.in_slot(cast.abc, 2).state == "active", "an installer moves no device that is at work"


def test_an_installer_that_is_not_there_yet_is_a_sentence(browser: People, cast: Cast) -> None:
    answer = inside(browser(""), cast, office=1).post("/download/installers/2", page=LIST)
    assert answer.status_code == 422
    assert "準備中です" in answer.text


@pytest.mark.parametrize(
    ("state", "chip", "words"),
    [
        ("active", "td-chip--done", "有効化済み"),
        ("stopped", "td-chip--off", "停止中"),
        ("vacant", "td-chip--wait", "準備中"),
    ],
)
def test_a_slot_without_installer_says_how_it_stands(
    app: Flask, browser: People, cast: Cast, state: str, chip: str, words: str
) -> None:
    Device.update(state=state).where(Device.office == cast.abc, Device.slot == 2).execute()
    stranger = inside(browser(""), cast)
    page = stranger.get(LIST).text
    assert faults(app, page) == []
    line = re.search(r"インストーラー\(2台目用\)(.*?)</tr>", page, re.DOTALL)[1]
    assert f'<span class="td-chip {chip}">{words}</span>' in line
    assert "↓</button>" not in line
    refused = stranger.post("/download/installers/2", page=LIST).text
    assert words in refused
    assert [counter.AGAIN in text for text in (page, refused)] == [state == "stopped"] * 2


def test_a_slot_whose_next_pc_has_no_installer_yet_is_being_prepared(browser: People, cast: Cast) -> None:
    devices.replace(cast.taro, Device.in_slot(cast.abc, 2), "入れ替え")
    stranger = inside(browser(""), cast)
    assert "準備中</span>" in re.search(r"インストーラー\(2台目用\)(.*?)</tr>", stranger.get(LIST).text, re.DOTALL)[1]
    assert "準備中です" in stranger.post("/download/installers/2", page=LIST).text


def test_an_active_slot_whose_next_installer_lies_there_offers_it(browser: People, cast: Cast) -> None:
    installed(cast.abc, 2)
    assert Device.in_slot(cast.abc, 2).state == "active"
    assert 'aria-label="インストーラー(2台目用)をダウンロード"' in inside(browser(""), cast).get(LIST).text


# ── nothing else ──


def test_the_counter_knows_nothing_of_other_offices(browser: People, cast: Cast) -> None:
    theirs = published("XYZ工業だけの案内", cast.xyz)
    gone = published("前の案内")
    Document.update(withdrawn_at=utc_now()).where(Document.id == gone.id).execute()
    installed(cast.xyz, 1)
    stranger = inside(browser(""), cast)
    assert "XYZ" not in stranger.get(LIST).text
    for what in (f"documents/{theirs.uid}", f"documents/{gone.uid}", f"documents/{'0' * 32}", "documents/1"):
        assert stranger.post(f"/download/{what}", page=LIST).status_code == 404
    assert stranger.post("/download/installers/4", page=LIST).status_code == 404
    assert stranger.post("/download/installers/0", page=LIST).status_code == 404
    assert stranger.post("/download/installers/1", page=LIST).status_code == 422, "not the other office's"
    assert AuditEntry.select().where(AuditEntry.action.contains(".fetched")).count() == 0


def test_a_visit_opens_no_page_of_those_who_log_in(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    for page, entrance in (("/files/", "/auth/"), ("/admin/office/", "/auth/"), ("/admin/desk/", "/admin/login")):
        answer = stranger.get(page)
        assert (answer.status_code, answer.location) == (303, entrance)


@pytest.mark.parametrize("name", ["taro", "kiku", "dai"])
def test_a_login_opens_no_list(browser: People, cast: Cast, name: str) -> None:
    document, person = published("操作マニュアル"), browser(name)
    installed(cast.abc, 1)
    assert person.get(LIST).location == FORM
    for what in (f"documents/{document.uid}", "installers/1"):
        assert person.post(f"/download/{what}", page=FORM).location == FORM
    assert AuditEntry.select().where(AuditEntry.action.contains(".fetched")).count() == 0


def test_a_visit_for_another_purpose_opens_no_list(browser: People, cast: Cast) -> None:
    stranger = browser("")
    with db.atomic():
        token = visits.begin(cast.kiku, "registration", cast.abc)
    with stranger.client.session_transaction() as cookie:
        cookie["visit_download"] = cookie["visit_registration"] = token
    assert stranger.get(LIST).location == FORM


# ── the end of a visit ──


def ends_by_button(stranger: Browser, cast: Cast) -> None:
    assert stranger.post("/download/leave", page=LIST).location == FORM


@pytest.mark.parametrize("end", [ends_by_button, ends_by_time, ends_by_letter])
def test_after_its_end_nothing_is_shown_or_handed_out(
    browser: People, cast: Cast, end: Callable[[Browser, Cast], None]
) -> None:
    document, stranger = published("操作マニュアル"), inside(browser(""), cast)
    end(stranger, cast)
    assert stranger.get(LIST).location == FORM
    assert stranger.post(f"/download/documents/{document.uid}", page=FORM).location == FORM
    assert "窓口は閉じています" in stranger.get(FORM).text


def test_a_copied_cookie_is_worth_nothing_after_the_button(browser: People, cast: Cast) -> None:
    stranger, other = inside(browser(""), cast), browser("")
    other.client._cookies = stranger.client._cookies.copy()
    assert other.get(LIST).status_code == 200
    ends_by_button(stranger, cast)
    assert other.get(LIST).location == FORM


def test_another_office_at_the_same_pc_takes_the_place_of_the_first(browser: People, cast: Cast) -> None:
    stranger = inside(inside(browser(""), cast), cast, office=1)
    assert "XY＊＊＊株式会社" in stranger.get(LIST).text
    assert Visit.select().where(Visit.ended_at.is_null()).count() == 1


def test_a_get_fetches_nothing_and_ends_nothing(browser: People, cast: Cast) -> None:
    document, stranger = published("操作マニュアル"), inside(browser(""), cast)
    for what in (f"documents/{document.uid}", "installers/1", "leave"):
        assert stranger.get(f"/download/{what}").status_code == 405
    assert stranger.get(LIST).status_code == 200


@pytest.mark.parametrize("what", ["", "documents/x", "installers/1", "leave"])
def test_nothing_is_done_without_the_pages_token(browser: People, cast: Cast, what: str) -> None:
    stranger = inside(browser(""), cast)
    assert stranger.client.post(f"/download/{what}", data=pair(cast)).status_code == 400
    assert stranger.get(LIST).status_code == 200
