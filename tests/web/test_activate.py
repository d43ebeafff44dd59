"""/activate from the form to the receipt, as an office's people use it without login."""

import io
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from equipment import ActivationRequest
from exchange import calendar, counter, visits
from models import AuditEntry, Device, Mail
from papers import Visit
from tests.exchange.codes import Pc, as_file, built, code
from tests.markup import Page
from tests.people import Browser, Cast, told
from tests.web.steps import ends_by_letter, ends_by_time

People = Callable[[str], Browser]
FORM, UPLOAD, RECEIPT = "/activate/", "/activate/request", "/activate/receipt"
SHOWN = {"AB", "SOUMU"}  # of the office's name, of the PC's


def pair(cast: Cast, office: int = 0, **typed: str) -> dict[str, str]:
    """What an office's letter tells, with this month in front of the key."""
    made = cast.made["offices"][office]
    password = counter.this_month(utc_now()) + made["download_key"]
    return {"contract_number": made["contract_number"], "download_password": password, **typed}


def inside(browser: Browser, cast: Cast, office: int = 0) -> Browser:
    answer = browser.post(FORM, pair(cast, office))
    assert (answer.status_code, answer.location) == (303, UPLOAD)
    return browser


def sends(
    browser: Browser, data: bytes | None, name: str = "確認コード(02A3F9).txt", page: str = UPLOAD
) -> TestResponse:
    """Choose a file and press リクエスト送信; `data` None: without a file."""
    file = (io.BytesIO(data or b""), name if data is not None else "")
    return browser.post(UPLOAD, {"file": file}, page=page, content_type="multipart/form-data")


def faults(app: Flask, page: str) -> list[str]:
    found = Page(page).faults(app.url_map.bind("127.0.0.1"))
    return [fault for fault in found if fault.removeprefix("English: ") not in SHOWN]


def error(answer: TestResponse) -> str:
    """What stands at the field."""
    found = re.search(r'id="file-error"[^>]*>＊([^<]*)', answer.text)
    assert found, answer.text
    return found[1]


def entries(action: str) -> list[str]:
    found = AuditEntry.select().where(AuditEntry.action.startswith(action)).order_by(AuditEntry.number)
    return [f"{entry.action} {entry.details.get('why', '')}".strip() for entry in found]


# ── the way in ──


def test_the_form_has_the_words_of_the_guide_and_keeps_the_rules(app: Flask, browser: People) -> None:
    page = browser("").get(FORM).text
    assert faults(app, page) == []
    for words in ("契約番号", "半角数字・ハイフン 最大30文字", "ダウンロードパスワード", "送信", "インストール確認"):
        assert words in page


def test_whoever_has_the_letter_sees_the_upload_page(app: Flask, browser: People, cast: Cast) -> None:
    page = inside(browser(""), cast).get(UPLOAD).text
    assert faults(app, page) == []
    for words in (
        *("VPN接続アカウント有効化アップロード画面", "デスクトップ上に作成された確認コードを選択してください。"),
        *(
            "リクエスト送信",
            "AB＊＊＊株式会社",
            cast.abc.contract_number,
            "約16KB（16,384バイト）",
            "戻る",
            "有効化済み",
        ),
    ):
        assert words in page
    assert cast.abc.name not in page
    assert 'enctype="multipart/form-data"' in page
    assert entries("activate") == ["activate.opened"]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"contract_number": ""}, "契約番号を入力してください"),
        ({"contract_number": "ABC商事"}, "数字とハイフンだけ"),
        ({"download_password": ""}, "ダウンロードパスワードを入力してください"),
        ({"download_password": "AbcdeFgh"}, "今は8文字でした"),
    ],
)
def test_a_slip_is_told_at_its_field_and_costs_no_try(
    browser: People, cast: Cast, typed: dict[str, str], words: str
) -> None:
    answer = browser("").post(FORM, pair(cast, **typed))
    assert answer.status_code == 422
    assert re.search(f'id="{next(iter(typed))}-error"[^>]*>＊[^<]*{words}', answer.text)
    assert entries("activate") == []


def test_a_wrong_pair_is_told_without_saying_which_part(app: Flask, browser: People, cast: Cast) -> None:
    for typed in ({"contract_number": "7654321-87654321"}, {"download_password": "202611HgfedcbA"}):
        answer = browser("").post(FORM, pair(cast, **typed))
        assert answer.status_code == 422
        assert faults(app, answer.text) == []
        assert "契約番号またはダウンロードパスワードが正しくありません" in answer.text
        assert 'aria-invalid="true"' not in answer.text
    assert entries("activate") == ["activate.refused key", "activate.refused key"]


@pytest.mark.parametrize("order", [(FORM, "/download/"), ("/download/", FORM)])
def test_guesses_at_both_counters_are_counted_together(browser: People, cast: Cast, order: tuple[str, str]) -> None:
    stranger, wrong = browser(""), pair(cast, download_password="202611HgfedcbA")
    for number in range(10):
        answer = stranger.post(order[number % 2], wrong)
    assert answer.status_code == 429
    assert re.search(r"\d+月\d+日 \d\d:\d\d まで止めています", answer.text)
    assert [stranger.post(door, pair(cast)).status_code for door in order] == [429, 429]


def test_the_manager_is_told_which_counter_was_opened(app: Flask, browser: People, cast: Cast) -> None:
    inside(browser(""), cast)
    manager = cast.member("taro").user.mail
    assert (manager, "確認コードを送信する窓口が開かれました") in told(app, "窓口")
    inside(browser(""), cast)
    browser("").post("/download/", pair(cast))
    assert Mail.select().where(Mail.kind == "counter_opened").count() == 1, "he knows this network"


def test_one_counters_visit_opens_no_other(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    assert stranger.get("/download/list").location == "/download/"
    with stranger.client.session_transaction() as cookie:
        cookie["visit_download"] = cookie["visit_activate"]
    assert stranger.get("/download/list").location == "/download/"
    for page, entrance in (("/files/", "/auth/"), ("/admin/activations/", "/admin/login")):
        assert stranger.get(page).location == entrance


@pytest.mark.parametrize("name", ["taro", "kiku", "dai"])
def test_a_login_opens_no_upload_page(browser: People, cast: Cast, name: str) -> None:
    person, data = browser(name), code(built(cast.abc, 2))
    assert [person.get(page).location for page in (UPLOAD, RECEIPT)] == [FORM, FORM]
    assert sends(person, data, page=FORM).location == FORM
    assert ActivationRequest.select().count() == 0


# ── リクエスト送信 ──


def test_a_confirmation_code_gets_its_receipt(app: Flask, browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    answer = sends(stranger, code(built(cast.abc, 2), Pc(computer="SOUMU-PC07")))
    assert (answer.status_code, answer.location) == (303, RECEIPT)
    page, sent = stranger.get(RECEIPT).text, ActivationRequest.get()
    assert faults(app, page) == []
    due_on = calendar.add_business_days(calendar.day(sent.requested_at), 2)
    for words in (
        *("確認コード(02A3F9).txt", "上記ファイルのVPN接続アカウントの有効化を受け付けました", "端末 02", "SOUMU-PC07"),
        *(f'<code id="receipt-number">{sent.receipt_number}</code>', f"{due_on:%Y/%m/%d}", "1～2営業日", "メール"),
        *("ワンタイムパスワード発行", "終了", "ほかの端末の確認コードを送信する"),
    ):
        assert words in page
    assert page.index("確認コード(02A3F9).txt") < page.index("上記ファイル")
    assert Device.in_slot(cast.abc, 2).state == "requested"
    assert "受付済み" in stranger.get(UPLOAD).text
    assert entries("device.requested") == ["device.requested"]
    assert AuditEntry.get(AuditEntry.action == "device.requested").office == cast.abc


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("name", ["確認コード(02A3F9).txt", "kakunin.dat", "Users/総務/新しい ファイル", "x" * 250])
def test_the_content_counts_whatever_the_file_is_called(browser: People, cast: Cast, encoding: str, name: str) -> None:
    stranger = inside(browser(""), cast)
    assert sends(stranger, code(built(cast.abc, 2), encoding=encoding), name).location == RECEIPT
    page = stranger.get(RECEIPT).text
    assert name.rpartition("/")[2][-100:] in page
    assert "Users" not in page


def test_several_pcs_are_sent_one_after_the_other(browser: People, cast: Cast) -> None:
    stranger, numbers = inside(browser(""), cast), []
    for slot in (1, 2):
        assert sends(stranger, code(built(cast.abc, slot))).location == RECEIPT
        page = stranger.get(RECEIPT).text
        assert f"端末 {slot:02d}" in page
        numbers += re.findall(r'id="receipt-number">([^<]+)<', page)
    assert len(set(numbers)) == 2
    assert ActivationRequest.select().where(ActivationRequest.state == "waiting").count() == 2


def test_sent_twice_it_has_one_receipt(browser: People, cast: Cast) -> None:
    stranger, data = inside(browser(""), cast), code(built(cast.abc, 2))
    for _ in range(2):
        assert sends(stranger, data).location == RECEIPT
        assert ActivationRequest.get().receipt_number in stranger.get(RECEIPT).text
    assert ActivationRequest.select().count() == 1


def test_of_two_pcs_for_one_slot_the_newer_one_waits(browser: People, cast: Cast) -> None:
    stranger, made = inside(browser(""), cast), built(cast.abc, 2)
    for pc in (Pc(), Pc()):
        assert sends(stranger, code(made, pc)).location == RECEIPT
    assert sorted(one.state for one in ActivationRequest.select()) == ["void", "waiting"]


def test_a_missing_file_is_told_at_the_field(app: Flask, browser: People, cast: Cast) -> None:
    answer = sends(inside(browser(""), cast), None)
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert "ファイルが選ばれていません" in error(answer)


@pytest.mark.parametrize("size", [16 * 1024 + 1, 400_000])
def test_a_larger_file_is_told_at_the_field(app: Flask, browser: People, cast: Cast, size: int) -> None:
    """Such as the installer, chosen by mistake."""
    answer = sends(inside(browser(""), cast), b"MZ" + bytes(size - 2), "setup.exe")
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert "ファイルが大きすぎます" in error(answer)


def test_the_largest_file_that_is_read_is_no_code_all_the_same(browser: People, cast: Cast) -> None:
    assert "大きすぎます" not in error(sends(inside(browser(""), cast), b"x" * (16 * 1024)))


def wrong_text(cast: Cast) -> bytes:
    return "議事録\r\n".encode("utf-8-sig")


def empty(cast: Cast) -> bytes:
    return b""


def other_office(cast: Cast) -> bytes:
    return code(built(cast.xyz, 1))


def changed(cast: Cast) -> bytes:
    return as_file(code(built(cast.abc, 2)).decode("utf-16").replace("SOUMU-PC01", "SOUMU-PC02"))


def withdrawn(cast: Cast) -> bytes:
    old = built(cast.abc, 2)
    built(cast.abc, 2)
    return code(old)


@pytest.mark.parametrize(
    ("make", "why", "words"),
    [
        (wrong_text, "form", "確認コードのファイルではありません"),
        (empty, "form", "ファイルが空です"),
        (other_office, "contract", "ほかの事業所"),
        (changed, "signature", "作られたあとで変わっています"),
        (withdrawn, "installer", "古いインストーラー"),
    ],
)
def test_a_refusal_says_at_the_field_what_is_wrong_and_what_to_do(
    app: Flask, browser: People, cast: Cast, make: Callable[[Cast], bytes], why: str, words: str
) -> None:
    answer = sends(inside(browser(""), cast), make(cast))
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert words in error(answer)
    assert re.search("ください|ご連絡", error(answer))
    assert "ファイルはもう一度選んでください" not in answer.text, "another one is to be chosen"
    assert entries("device.refused") == [f"device.refused {why}"]
    assert ActivationRequest.select().count() == 0


def test_the_receipt_follows_what_the_desk_does(app: Flask, browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    sends(stranger, code(built(cast.abc, 2)))
    for state, words in (
        ("settling", "受け付けました"),
        ("activated", "有効化は終わっています"),
        ("returned", "印鑑がありません"),
        ("void", "取り消されました"),
    ):
        ActivationRequest.update(state=state, reason="印鑑がありません").execute()
        page = stranger.get(RECEIPT).text
        assert words in page
        assert faults(app, page) == []
        assert ("まで（1～2営業日）" in page) is (state == "settling")


def test_without_a_request_there_is_no_receipt(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    assert stranger.get(RECEIPT).location == UPLOAD
    with stranger.client.session_transaction() as cookie:
        cookie["activate_sent"] = ["0" * 32, "確認コード.txt"]
    assert stranger.get(RECEIPT).location == UPLOAD


def test_another_office_at_the_same_pc_sees_no_receipt_of_the_first(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    sends(stranger, code(built(cast.abc, 2)))
    inside(stranger, cast, office=1)
    assert stranger.get(RECEIPT).location == UPLOAD
    assert "XY＊＊＊株式会社" in stranger.get(UPLOAD).text


# ── the end of a visit ──


def ends_by_button(stranger: Browser, cast: Cast) -> None:
    assert stranger.post("/activate/leave", page=UPLOAD).location == FORM


@pytest.mark.parametrize("end", [ends_by_button, ends_by_time, ends_by_letter])
def test_after_its_end_nothing_is_shown_or_taken(
    browser: People, cast: Cast, end: Callable[[Browser, Cast], None]
) -> None:
    stranger, data = inside(browser(""), cast), code(built(cast.abc, 2))
    end(stranger, cast)
    assert [stranger.get(page).location for page in (UPLOAD, RECEIPT)] == [FORM, FORM]
    assert sends(stranger, data, page=FORM).location == FORM
    assert "確認コードの窓口は閉じています" in stranger.get(FORM).text
    assert ActivationRequest.select().count() == 0


def test_a_visit_lasts_half_an_hour(browser: People, cast: Cast) -> None:
    inside(browser(""), cast)
    visit = Visit.get(Visit.purpose == "activate")
    lasts: timedelta = visit.expires_at - visit.started_at
    assert lasts == visits.LIVES["activate"] == timedelta(minutes=30)
    assert isinstance(visit.expires_at, datetime)


def test_nothing_is_done_without_the_pages_token(browser: People, cast: Cast) -> None:
    stranger, data = inside(browser(""), cast), code(built(cast.abc, 2))
    file = {"file": (io.BytesIO(data), "確認コード.txt")}
    assert stranger.client.post(UPLOAD, data=file, content_type="multipart/form-data").status_code == 400
    assert stranger.client.post("/activate/leave").status_code == 400
    assert stranger.get(UPLOAD).status_code == 200
    assert ActivationRequest.select().count() == 0


# ── where a clerk looks for it ──


@pytest.mark.parametrize("page", ["/", "/help/flow", "/help/faq"])
def test_the_way_here_stands_where_a_clerk_looks_for_it(browser: People, page: str) -> None:
    assert 'href="/activate/"' in browser("").get(page).text


def test_the_download_list_leads_here_after_installing(browser: People, cast: Cast) -> None:
    stranger = browser("")
    stranger.post("/download/", pair(cast))
    assert 'href="/activate/"' in stranger.get("/download/list").text
