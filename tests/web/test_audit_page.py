"""操作の記録: who sees what on the page, how it is narrowed down, and the file for Excel."""

import csv
import io
import logging
import re
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from exchange import audit, calendar, permissions, pickups
from exchange.actors import Actor
from models import AuditEntry, Transfer
from tests.markup import Page
from tests.people import Browser, Cast, filing, statement

People = Callable[[str], Browser]
PAGE = "/admin/audit/"


def rows(answer: TestResponse) -> list[str]:
    """The text of each row of the table."""
    table = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    plain = [re.sub(r"<[^>]+>|\s+", " ", row) for row in table.split("</tr>")]
    return [" ".join(row.split()) for row in plain if row.strip()]


def saves(browser: Browser, **asked: str) -> TestResponse:
    return browser.post(f"{PAGE}csv", asked, page=PAGE)


def table(answer: TestResponse) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


# ── the list ──


def test_the_admin_reads_what_happened_in_the_office(browser: People, cast: Cast) -> None:
    paper = filing(cast, "rejected")
    first, *_, uploaded = rows(browser("taro").get(PAGE, query_string={"action": "filing"}))
    assert re.search(f"不受理 届書 {paper.receipt_number} 理由：生年月日が違います 基金事務局$", first)
    assert re.search(r"登録 届書 [\d-]+ 216 バイト 丙山 花子（利用者C）（srHanako1） 192\.0\.2\.10$", uploaded)


def test_the_fund_reads_of_an_office_the_name_and_not_where_it_came_from(browser: People, cast: Cast) -> None:
    filing(cast, "approved")
    first = rows(browser("kiku").get(PAGE))[0]
    assert first.endswith("承認 届書 ABC商事 00101 " + Transfer.get().receipt_number + " ABC商事 甲野 太郎（利用者A）")


def test_the_desk_reads_that_it_was_returned_but_not_why(browser: People, cast: Cast) -> None:
    filing(cast, "returned")
    answer = browser("dai").get(PAGE)
    assert "差戻し 届書" in rows(answer)[0]
    assert "生年月日" not in answer.text
    assert "生年月日" not in saves(browser("dai")).data.decode()
    assert "生年月日" in browser("kiku").get(PAGE).text


@pytest.mark.parametrize("name", ["jun", "hanako", "ume", ""])
def test_nobody_else_comes_in(browser: People, name: str) -> None:
    wanted = 403 if name else 303
    assert browser(name).get(PAGE).status_code == wanted
    assert browser(name).client.post(f"{PAGE}csv").status_code == wanted


def test_a_statement_on_the_funds_desk_is_nowhere_to_be_seen(browser: People, cast: Cast) -> None:
    before = len(rows(browser("taro").get(PAGE)))
    paper = statement(cast, "approved")
    list(pickups.copy(cast.kiku, paper))
    answer = browser("taro").get(PAGE)
    assert len(rows(answer)) == before
    assert paper.receipt_number not in answer.text + saves(browser("taro")).text


def test_the_page_keeps_the_rules_of_the_markup(app: Flask, browser: People, cast: Cast) -> None:
    filing(cast, "completed")
    statement(cast, "delivered")
    for name in ("taro", "kiku", "dai"):
        for asked in ({}, {"q": "いない人"}, {"since": "いつか"}):
            page = browser(name).get(PAGE, query_string=asked).text
            assert Page(page).faults(app.url_map.bind("127.0.0.1")) == []


# ── what it is about ──


@pytest.mark.parametrize(
    ("name", "state", "room"),
    [
        ("taro", "uploaded", "/files/"),
        ("kiku", "received", "/admin/inbox/"),
        ("kiku", "uploaded", ""),
        ("dai", "received", ""),
    ],
)
def test_a_document_is_linked_where_the_person_may_open_it(
    browser: People, cast: Cast, name: str, state: str, room: str
) -> None:
    paper = filing(cast, state)
    answer = browser(name).get(PAGE)
    assert paper.receipt_number in answer.text
    links = set(re.findall(r'href="([^"]+)"><code>', answer.text))
    assert links == ({f"{room}{paper.uid}"} if room else set())
    assert all(browser(name).get(link).status_code == 200 for link in links)


def test_a_statement_is_linked_for_both_sides_once_it_is_delivered(browser: People, cast: Cast) -> None:
    paper = statement(cast, "delivered")
    assert f'href="/files/{paper.uid}"' in browser("taro").get(PAGE).text
    assert f'href="/admin/statements/{paper.uid}"' in browser("kiku").get(PAGE).text


def test_whoever_reads_the_record_only_gets_no_links_to_documents(browser: People, cast: Cast) -> None:
    paper = filing(cast, "received")
    for word in ("receive", "prepare", "check", "send"):
        permissions.assign(cast.kiku, cast.member("ume"), word, False)
    permissions.assign(cast.kiku, cast.member("ume"), "audit", True)
    answer = browser("ume").get(PAGE)
    assert paper.receipt_number in answer.text
    assert paper.uid not in answer.text


# ── narrowing it down ──


def test_the_filters_narrow_the_list_and_stay_filled_in(browser: People, cast: Cast) -> None:
    filing(cast, "approved")
    jun = cast.member("jun")
    asked = {
        "q": "サーバーの管理者",
        "member": jun.uid,
        "action": "people",
        "since": "R2.4.1",
        "until": "2099年12月31日",
    }
    answer = browser("taro").get(PAGE, query_string=asked)
    assert len(rows(answer)) == 1
    assert "利用者の追加 利用者と権限 ユーザーID abcJun001（担当者）" in rows(answer)[0]
    for words in (
        'value="サーバーの管理者"',
        f'selected value="{jun.uid}"',
        'selected value="people"',
        'value="R2.4.1"',
    ):
        assert words in answer.text


def test_the_fund_looks_for_an_office_and_for_any_of_its_people(browser: People, cast: Cast) -> None:
    filing(cast, "approved")
    assert all(" XYZ工業" in row for row in rows(browser("kiku").get(PAGE, query_string={"office": "00102"})))
    answer = browser("kiku").get(PAGE, query_string={"member": cast.member("taro").uid})
    assert re.search(r"<option selected[^>]*>ABC商事 甲野　太郎（利用者A）（abcTaro01）</option>", answer.text)
    assert "承認 届書" in rows(answer)[0]


def test_an_office_has_no_filter_for_offices_and_none_for_others_people(browser: People, cast: Cast) -> None:
    assert 'name="office"' not in browser("taro").get(PAGE).text
    answer = browser("taro").get(PAGE, query_string={"member": cast.member("kiku").uid})
    assert answer.status_code == 422
    assert "基金　菊" not in answer.text


def test_the_name_of_somebody_who_has_not_accepted_yet_is_not_told(browser: People, cast: Cast) -> None:
    invited = cast.member("hanako_at_xyz")
    type(invited).update(invited_at=utc_now()).where(type(invited).id == invited.id).execute()
    answer = browser("kiku").get(PAGE, query_string={"member": invited.uid})
    assert "（srHanako2）　承諾待ち</option>" in answer.text
    assert not re.search("<option[^>]*>[^<]*丙山", answer.text)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "きのう"}, "since"),
        ({"until": "2026/02/30"}, "until"),
        ({"since": "2026/04/02", "until": "2026/04/01"}, "until"),
        ({"q": "あ" * 101}, "q"),
        ({"action": "nothing"}, "action"),
    ],
)
def test_a_question_that_cannot_be_asked_shows_no_list(browser: People, asked: dict[str, str], field: str) -> None:
    answer = browser("kiku").get(PAGE, query_string=asked)
    assert answer.status_code == 422
    assert rows(answer) == []
    assert re.search(rf'aria-describedby="{field}-error"[^>]*\bid="{field}"', answer.text)
    assert f'id="{field}-error"' in answer.text
    assert saves(browser("kiku"), **asked).status_code == 422


def test_nothing_found_says_so_and_leads_back(browser: People) -> None:
    answer = browser("taro").get(PAGE, query_string={"q": "いない人"})
    assert "この条件に当てはまる記録はありません。" in answer.text
    assert f'href="{PAGE}">すべて表示' in answer.text
    assert "CSVで保存" not in answer.text


def test_the_next_page_keeps_what_was_asked(browser: People, cast: Cast) -> None:
    with db.atomic():
        for _ in range(60):
            audit.record(cast.taro, "password.changed")
    asked = {
        "q": "太郎",
        "action": "people",
        "since": "2020/01/01",
        "until": "2099/12/31",
        "member": cast.member("taro").uid,
    }
    first = browser("taro").get(PAGE, query_string=asked)
    assert len(rows(first)) == 50
    link = re.search(r'href="([^"]+)" rel="next"', first.text)
    assert link
    second = browser("taro").get(link[1].replace("&amp;", "&"))
    assert 10 <= len(rows(second)) < 50
    assert all("太郎" in row for row in rows(second))


def test_a_page_of_fifty_takes_no_more_queries_than_one_of_ten(
    browser: People, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    def asks(**asked: str) -> tuple[int, int]:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, "peewee"):
            listed = rows(kiku.get(PAGE, query_string=asked))
        return len(listed), len([one for one in caplog.records if one.name == "peewee"])

    kiku = browser("kiku")
    for _ in range(8):
        filing(cast, "completed")
    few, many = asks(q="サーバーの管理者"), asks()
    assert few[0] < 20
    assert many[0] == 50
    assert many[1] <= few[1] + 1  # the documents


# ── the file ──


def test_the_file_is_named_after_the_day_and_opens_in_excel(browser: People, cast: Cast) -> None:
    paper = filing(cast, "approved")
    answer = saves(browser("taro"), action="filing")
    day = f"{calendar.day(utc_now()):%Y%m%d}"
    assert unquote(answer.headers["Content-Disposition"]).endswith(f"UTF-8''操作の記録_{day}.csv")
    assert answer.mimetype == "text/csv"
    assert answer.data.startswith(b"\xef\xbb\xbf")
    heads, newest, *_ = table(answer)
    assert heads == ["日時", "種類", "操作", "受付番号", "内容", "SHA-256", "だれが", "端末", "接続元"]
    assert newest[1:4] == ["届書", "承認", paper.receipt_number]
    assert newest[-3:] == ["甲野　太郎（利用者A）（abcTaro01）", "", "192.0.2.10"]
    assert [row[2] for row in table(answer)[1:]] == ["承認", "検査", "登録"]


def test_the_funds_file_has_numbers_and_offices(browser: People, cast: Cast) -> None:
    paper = filing(cast, "uploaded")
    heads, *lines = table(saves(browser("kiku"), action="filing"))
    assert heads[:3] == ["番号", "事業所番号", "事業所"]
    assert lines[-1][1:3] == ["00101", "ABC商事株式会社"]
    assert lines[-1][heads.index("SHA-256")] == paper.sha256


def test_saving_is_logged_with_what_was_asked_for(browser: People) -> None:
    answer = saves(browser("taro"), action="login", since="2026/04/01")
    logged = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (logged.action, logged.who) == ("audit.exported", "甲野　太郎（利用者A）（abcTaro01）")
    assert logged.details == {"entries": len(table(answer)) - 1, "filters": {"action": "login", "since": "2026-04-01"}}
    assert "CSVの保存 操作の記録 0件（種類「ログイン」、期間 2026/04/01～）" in rows(browser("taro").get(PAGE))[0]


def test_what_looks_like_a_formula_is_only_text_in_the_file(browser: People, cast: Cast) -> None:
    member = cast.member("taro")
    member.user.name = "=HYPERLINK(1)"
    with db.atomic():
        audit.record(Actor(member, address="192.0.2.10"), "password.changed")
    assert table(saves(browser("taro"), action="people"))[1][6] == "'=HYPERLINK(1)（abcTaro01）"


def test_too_many_for_a_file_are_refused_on_the_page(
    browser: People, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.trail.EXPORT_LARGEST", 3)
    answer = saves(browser("taro"), action="people")
    assert answer.status_code == 422
    assert "一度に保存できるのは3件までです。期間を短くして" in answer.text
    assert 'selected value="people"' in answer.text
    assert "期間を短くしてください" in browser("taro").get(PAGE).text


def test_the_file_is_not_given_away_without_the_token_of_the_page(browser: People) -> None:
    assert browser("taro").client.post(f"{PAGE}csv").status_code == 400
