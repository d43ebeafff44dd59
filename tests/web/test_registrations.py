"""届出受付 on the screen: upload, look, mend in place, register; and what came online."""

import io
import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import today
from exchange import intake, invitations
from exchange.actors import Actor
from models import AuditEntry, Membership, Office
from papers import Intake, Invitation, Registration
from tests.exchange.registration_corpus import HEADING, PASSWORD, form, lines, password_zip, record, workbook
from tests.markup import Page
from tests.people import Browser, Cast, told

People = Callable[[str], Browser]
INDEX = "/admin/registrations/"
DAY = f"{today():%Y/%m/%d}"
HTMX = {"HX-Request": "true"}


def row(number: str, **cells: str) -> str:
    return record(**{"A": DAY, "B": number, **cells})


def send(kiku: Browser, data: bytes, name: str = "登録届.csv", **fields: str) -> TestResponse:
    sent = {"token": kiku.field(INDEX, "token"), "password": "", **fields, "file": (io.BytesIO(data), name)}
    return kiku.post(INDEX, sent, content_type="multipart/form-data")


def brought(kiku: Browser, *rows: str) -> str:
    """The address of the page about a file with these rows."""
    answer = send(kiku, lines(HEADING, *rows).encode("cp932"))
    assert answer.status_code == 303, shown(answer.text)
    return answer.location


def shown(html: str) -> str:
    """A page's words as they are read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def faults(app: Flask, page: str) -> list[str]:
    return Page(page).faults(app.url_map.bind("127.0.0.1"))


def cells_of(uid: str) -> list[str]:
    return Registration.by_uid(uid).cells


def uid_at(line: int) -> str:
    return Registration.get(Registration.line == line).uid


def fields_of(page: str, uid: str) -> dict[str, str]:
    """What the form of one row would send."""
    part = page.partition(f'id="r-{uid}"')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', part)}


def mend(kiku: Browser, page: str, uid: str, headers: dict[str, str] | None = None, **cells: str) -> TestResponse:
    sent = {**fields_of(kiku.get(f"{page}?row={uid}").text, uid), **cells}
    return kiku.client.post(f"{page}/rows/{uid}", data=sent, headers=headers or {})


# ── the index ──


def test_an_empty_counter_says_what_to_do(app: Flask, browser: People) -> None:
    page = browser("kiku").get(INDEX).text
    assert "受付を待つ登録届はありません" in page
    assert faults(app, page) == []


def test_the_blank_form_is_saved_as_excel_opens_it(browser: People) -> None:
    answer = browser("kiku").get(INDEX + "form.csv")
    assert answer.data == b"\xef\xbb\xbf" + HEADING.encode() + b"\r\n"
    assert "filename*=UTF-8''%E9%9B%BB%E5%AD%90" in answer.headers["Content-Disposition"]


@pytest.mark.parametrize("name", ["ume", "dai", "taro"])
def test_without_the_word_there_is_no_counter(browser: People, name: str) -> None:
    assert browser(name).get(INDEX).status_code == 403


# ── a file ──


@pytest.mark.parametrize(
    ("data", "name", "password"),
    [
        (form(row("00301")), "届.csv", ""),
        (lines(HEADING, row("00301")).encode("cp932"), "届.csv", ""),
        (password_zip(lines(HEADING, row("00301")).encode("cp932")), "届.zip", PASSWORD),
        (workbook(A=DAY, B="00301"), "届.xlsx", ""),
        (password_zip(workbook(A=DAY, B="00301"), "届.xlsx"), "届.zip", PASSWORD),
    ],
    ids=["CSV", "CP932", "password ZIP", "XLSX", "XLSX in a password ZIP"],
)
def test_a_file_is_brought_looked_at_and_registered(
    app: Flask, browser: People, data: bytes, name: str, password: str
) -> None:
    kiku = browser("kiku")
    page = send(kiku, data, name, password=password).location
    html = kiku.get(page).text
    assert faults(app, html) == []
    assert "1件をすべて登録する" in shown(html)
    assert Office.select().where(Office.office_number == "00301").count() == 0
    answer = kiku.post(f"{page}/registration", {"seen": kiku.field(page, "seen")}, page=page)
    assert answer.location == page
    office = Office.get(Office.office_number == "00301")
    html = kiku.get(page).text
    assert office.contract_number in html
    assert "1件の事業所を登録しました" in html
    assert faults(app, html) == []


@pytest.mark.parametrize(
    ("data", "password", "sentence"),
    [
        (b"", "", "ファイルが空"),
        (lines(HEADING, row("1")).encode("euc_jp"), "", "文字コード"),
        (form(), "", "届出のデータがありません"),
        (password_zip(form(row("1"))), "", "パスワード付ZIPです"),
        (password_zip(form(row("1"))), "not this one", "このパスワードではZIPを開けません"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "", "このExcelブックは読めません"),
    ],
    ids=["empty", "EUC-JP", "no rows", "no password", "wrong password", "old Excel"],
)
def test_a_file_that_cannot_be_read_says_what_to_do_and_is_not_kept(
    app: Flask, browser: People, data: bytes, password: str, sentence: str
) -> None:
    answer = send(browser("kiku"), data, password=password)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "入力内容に誤りが1件あります" in answer.text
    assert faults(app, answer.text) == []
    assert password == "" or password not in answer.text
    assert Intake.select().count() == 0


def test_a_file_that_is_too_large_is_refused_without_being_held(browser: People) -> None:
    kiku = browser("kiku")
    token, csrf = kiku.field(INDEX, "token"), kiku.csrf(INDEX)
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("csrf_token", csrf), ("token", token), ("password", ""))
    ]
    head = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = "".join([*parts, head]).encode() + form(row("1")) + b"\r\n" * 2**19 + b"\r\n--x--\r\n"
    kind = "multipart/form-data; boundary=x"
    answer = kiku.client.post(INDEX, input_stream=io.BytesIO(body), content_type=kind, content_length=len(body))
    assert answer.status_code == 422
    assert "ファイルが大きすぎます" in answer.text
    assert Intake.select().count() == 0


def test_without_a_file_the_form_asks_for_one(browser: People) -> None:
    kiku = browser("kiku")
    sent = {"token": kiku.field(INDEX, "token"), "file": (io.BytesIO(), "")}
    answer = kiku.post(INDEX, sent, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "登録届のファイルを選んでください" in answer.text


def test_the_same_form_sent_twice_leads_to_the_same_file(browser: People) -> None:
    kiku = browser("kiku")
    token = kiku.field(INDEX, "token")
    first, second = (send(kiku, form(row("00301")), token=token).location for _ in range(2))
    assert first == second
    assert Intake.select().count() == 1


def test_every_error_stands_at_its_cell_and_what_was_evened_out_beside_what_came(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301", D="ｷｷﾝ ﾀﾛｳ"), row("00302", E="taro", H="9"), row("00101"))
    html = kiku.get(page).text
    words = shown(html)
    assert faults(app, html) == []
    assert "3件の届出 誤りのある行 2件" in words
    assert "誤りが3か所あるため、まだ登録できません" in words
    assert "元の値：ｷｷﾝ ﾀﾛｳ" in words
    part = html.partition(f'id="r-{uid_at(3)}"')[2].partition("</tr>")[0]
    assert re.findall(r'aria-invalid="true" aria-describedby="c-\w+-(\w)-note"', part) == ["E", "H"]
    assert "メールアドレス1の形が正しくありません" in part
    assert "すでに登録されています" in words
    assert "すべて登録する" not in words


def test_the_rows_with_errors_can_be_shown_alone(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"), row("00302", H="9"))
    html = kiku.get(f"{page}?shown=errors").text
    assert (uid_at(2) in html, uid_at(3) in html) == (False, True)
    assert faults(app, html) == []
    mend(kiku, page, uid_at(3), h="1")
    assert "誤りのある行はありません" in kiku.get(f"{page}?shown=errors").text


def test_a_row_is_mended_without_scripts_and_the_page_comes_back_at_it(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301", H="9"))
    uid = uid_at(2)
    answer = mend(kiku, page, uid, h="3")
    assert (answer.status_code, answer.location) == (303, f"{page}#r-{uid}")
    assert cells_of(uid)[7] == "3"
    assert "1件をすべて登録する" in shown(kiku.get(page).text)


def test_htmx_gets_the_row_and_the_summary(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301", H="9"), row("00302"))
    uid = uid_at(2)
    answer = mend(kiku, page, uid, HTMX, h="3")
    assert answer.status_code == 200
    assert answer.text.strip().startswith(f'<tr id="r-{uid}" data-announce="2行目：誤りはありません"')
    assert re.search(r'<hx-partial hx-target="#summary" hx-swap="outerHTML">\s*<section id="summary"', answer.text)
    assert "2件をすべて登録する" in answer.text
    assert uid_at(3) not in answer.text
    assert "<html" not in answer.text


def test_htmx_gets_the_other_row_whose_number_is_unique_now(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"), row("00301"))
    answer = mend(kiku, page, uid_at(2), HTMX, b="00302")
    rows = re.findall(r'<tr id="r-(\w+)"[^>]*?(hx-swap-oob)?(?:="true")? data-announce="([^"]*)"', answer.text)
    assert rows == [
        (uid_at(2), "", "2行目：誤りはありません"),
        (uid_at(3), "hx-swap-oob", "3行目：誤りはありません"),
    ]


def test_htmx_opens_one_row_for_mending(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"), row("00302"))
    uid = uid_at(3)
    html = kiku.get(f"{page}?row={uid}", headers=HTMX).text
    assert "data-focus" in html
    assert uid_at(2) not in html
    assert "summary" not in html
    assert kiku.get(f"{page}?row=nothing", headers=HTMX).status_code == 404


def test_of_two_clerks_the_later_sees_what_the_first_did(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301", H="9"))
    uid = uid_at(2)
    mine = fields_of(kiku.get(page).text, uid)
    mend(kiku, page, uid, h="1")
    answer = kiku.client.post(f"{page}/rows/{uid}", data={**mine, "h": "2"}, headers=HTMX)
    assert answer.status_code == 409
    assert "ほかの方が先に直しました" in answer.text
    assert fields_of(answer.text, uid)["h"] == "1"
    answer = kiku.client.post(f"{page}/rows/{uid}", data={**mine, "h": "2"})
    assert answer.status_code == 409
    assert cells_of(uid)[7] == "1"


def test_a_row_can_be_taken_out(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00101"), row("00301"))
    uid = uid_at(2)
    seen = fields_of(kiku.get(page).text, uid)["seen"]
    assert kiku.post(f"{page}/rows/{uid}/removal", {"seen": seen}, page=page).location == page
    html = shown(kiku.get(page).text)
    assert "2行目を取り除きました" in html
    assert "1件をすべて登録する" in html
    assert kiku.post(f"{page}/rows/{uid}/removal", {"seen": seen}, page=page).status_code == 404


def test_pressed_twice_the_file_is_registered_once(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"))
    seen = kiku.field(page, "seen")
    before = Office.select().count()
    for _ in range(2):
        assert kiku.post(f"{page}/registration", {"seen": seen}, page=page).location == page
    assert Office.select().count() == before + 1
    assert "すでに登録されたか、破棄されています" in kiku.get(page).text


def test_with_an_error_left_nothing_is_registered(browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"), row("00302", H="9"))
    before = Office.select().count()
    seen = intake.seen_of(intake.looked_through(Intake.get()))
    assert kiku.post(f"{page}/registration", {"seen": seen}, page=page).location == page
    assert "1件も登録していません" in kiku.get(page).text
    assert Office.select().count() == before


def test_a_discarded_file_is_blank_and_stands_in_the_history(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301"))
    assert "登録届.csv" in kiku.get(INDEX).text
    assert kiku.post(f"{page}/removal", page=page).location == INDEX
    html = kiku.get(page).text
    assert "このファイルは破棄しました" in html
    assert "00301" not in html
    assert faults(app, html) == []
    assert kiku.post(f"{page}/removal", page=INDEX).status_code == 409


def test_scripts_and_formulas_in_a_cell_stay_text(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    page = brought(kiku, row("00301", G='"<b>ABC</b>""\'"'), row("00302", G="=1+1"))
    html = kiku.get(page).text
    assert "<b>ABC" not in html
    assert "先頭に = + - @ やタブは使えません" in html
    assert faults(app, html) == []


def test_two_hundred_rows_two_of_them_mended_are_registered(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    rows = [row(f"{number:05}", C="髙﨑 花") for number in range(300, 500)]
    rows[56], rows[150] = row("00356", E="taro"), row("00450", D="基金 タロウ")
    data = password_zip(lines(HEADING, *rows).encode("cp932"))
    page = send(kiku, data, "届.zip", password=PASSWORD).location
    assert faults(app, kiku.get(page).text) == []
    mend(kiku, page, uid_at(58), HTMX, e="taro@office.example")
    mend(kiku, page, uid_at(152), HTMX, d="キキン タロウ")
    before = Office.select().count()
    kiku.post(f"{page}/registration", {"seen": kiku.field(page, "seen")}, page=page)
    assert Office.select().count() == before + 200
    assert Office.get(Office.office_number == "00499").members().get().user.name == "髙﨑　花"
    corrected = AuditEntry.select().where(AuditEntry.action == "registrations.corrected").order_by(AuditEntry.number)
    assert [entry.details for entry in corrected] == [{"line": 58, "columns": ["E"]}, {"line": 152, "columns": ["D"]}]


# ── online ──

CELLS = [DAY, "00777", "川辺 花", "ｶﾜﾍﾞ ﾊﾅ", "hana@kawabe.example", "kawabe777", "川辺商会", "2"]


@pytest.fixture
def online(cast: Cast) -> Registration:
    invitation = invitations.invite(cast.kiku, "川辺商会株式会社", "soumu@kawabe.example")
    stranger = Actor(address="192.0.2.77", label="登録届の窓口")
    invitations.open_form(stranger, invitations.code_of(invitation.uid))
    return intake.file_online(stranger, invitation, CELLS, "100-0001", "東京都千代田区千代田1-1\n川辺ビル")


def test_one_filed_online_waits_in_the_list_and_is_accepted(app: Flask, browser: People, online: Registration) -> None:
    kiku = browser("kiku")
    page = INDEX + online.uid
    html = kiku.get(INDEX).text
    assert f'href="{page}"' in html
    assert online.receipt_number in html
    html = kiku.get(page).text
    assert faults(app, html) == []
    for words in ("カワベ　ハナ", "元の値：ｶﾜﾍﾞ ﾊﾅ", "〒100-0001", "soumu@kawabe.example"):
        assert words in html
    assert kiku.post(f"{page}/acceptance", page=page).location == page
    office = Office.get(Office.office_number == "00777")
    assert (office.name, office.address) == ("川辺商会", "東京都千代田区千代田1-1\n川辺ビル")
    html = kiku.get(page).text
    assert office.contract_number in html
    assert faults(app, html) == []
    assert kiku.post(f"{page}/acceptance", page=page).status_code == 409
    assert Membership.select().where(Membership.office == office).count() == 1


def test_one_filed_online_is_sent_back_with_a_reason(app: Flask, browser: People, online: Registration) -> None:
    kiku = browser("kiku")
    page = INDEX + online.uid
    answer = kiku.post(f"{page}/return", {"reason": " 　"}, page=page)
    assert answer.status_code == 422
    assert "差戻しの理由を入力してください" in answer.text
    assert kiku.post(f"{page}/return", {"reason": "番号を確かめてください"}, page=page).location == page
    html = kiku.get(page).text
    assert "理由：番号を確かめてください" in html
    assert "理由は、事業所が開く入力画面に表示されます" in html
    assert faults(app, html) == []
    assert Invitation.select().where(Invitation.returned == online.invitation).count() == 1
    assert [to for to, _ in told(app, "登録届")].count("soumu@kawabe.example") >= 1


def test_one_whose_office_is_registered_already_can_only_be_sent_back(browser: People, online: Registration) -> None:
    kiku = browser("kiku")
    file = brought(kiku, row("00777"))
    kiku.post(f"{file}/registration", {"seen": kiku.field(file, "seen")}, page=file)
    page = INDEX + online.uid
    html = kiku.get(page).text
    assert "このままでは登録できません" in html
    assert "この事業所を登録する" not in html
    assert kiku.post(f"{page}/acceptance", page=page).status_code == 422


def test_a_row_of_a_file_is_no_online_registration(browser: People) -> None:
    kiku = browser("kiku")
    brought(kiku, row("00301"))
    assert kiku.get(INDEX + uid_at(2)).status_code == 404
