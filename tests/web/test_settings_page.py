"""/admin/settings: the fund's clerks decide, and the notice that everybody reads."""

import json
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db
from exchange import settings
from exchange.settings import DECLARED
from models import AuditEntry, Grant
from tests.markup import Page
from tests.people import Browser, Cast

People = Callable[[str], Browser]
PAGE = "/admin/settings/"
OTHER = {
    "service_name": "届書の窓口",
    "fund_name": "みらい企業年金基金",
    "fund_contact": "業務課 電話 00-0000-0000",
    "credential_line": "指定番号 第1号",
    "notice": "年末年始は休業します。\n1月4日から受け付けます。",
    "notice_kind": "warning",
    "code_minutes": 20,
    "password_length": 16,
    "pickup_days": 14,
    "statement_second_clerk": True,
    **dict.fromkeys(("zipcrypto", "weak_aes", "unscanned"), "refuse"),
    **dict.fromkeys(("program", "wrong_type", "nested"), "warn"),
    **dict.fromkeys(("macro", "encrypted_inside", "empty_file", "my_number", "other_office"), "ignore"),
    "rescan_days": 30,
    "stuck_days": 10,
    "auto_activate": True,
    "hours_limited": True,
    "hours_from": 9,
    "hours_to": 18,
    "download_tip": "ファイルは基金が貸す記録媒体で移してください。",
    "vpn_host": "vpn.inside.example",
    "vpn_ports": "TCP 443、TCP 992",
    "terms_text": "第1条 利用できる人\n第2条 禁止すること",
    "envelope_left": 22,
    "envelope_top": 14,
    "envelope_width": 88,
    "envelope_height": 40,
}


def form(**typed: Any) -> dict[str, Any]:
    """The whole form as a browser sends it from a page opened now, with some fields changed."""
    now = settings.every()
    fields = {**{key: str(value) for key, value in now.items()}, **typed}
    for key, value in now.items():
        if value is False and key not in typed:
            del fields[key]  # a box without a tick is not sent
    return {**fields, **{f"was_{key}": json.dumps(value) for key, value in now.items()}}


def saves(browser: Browser, **typed: Any) -> TestResponse:
    return browser.post(PAGE, form(**typed))


def decided(key: str, value: Any) -> None:
    with db.atomic():
        settings.put(key, value)


def entries() -> list[dict[str, Any]]:
    found = AuditEntry.select().where(AuditEntry.action == "settings.changed").order_by(AuditEntry.number)
    return [entry.details["changed"] for entry in found]


# ── the form ──


def test_the_page_shows_every_setting_with_its_words_and_limits(browser: People) -> None:
    page = unescape(browser("kiku").get(PAGE).text)
    for declared in DECLARED.values():
        assert declared.label in page
        assert declared.explanation in page
        assert f"{declared.group}</h2>" in page
    assert "5～30分（初期値は10分）" in page
    assert "400文字まで" in page


def test_every_setting_has_a_value_to_try() -> None:
    assert OTHER.keys() == DECLARED.keys()
    assert all(OTHER[key] != declared.default for key, declared in DECLARED.items())


@pytest.mark.parametrize("key", DECLARED)
def test_a_clerk_changes_each_setting_and_reads_which(browser: People, key: str) -> None:
    kiku, before = browser("kiku"), settings.every()
    answer = saves(kiku, **{key: str(OTHER[key])})
    url, _, anchor = answer.location.partition("#")
    assert (answer.status_code, url.partition("?")[0]) == (303, PAGE)
    assert settings.every() == {**before, key: OTHER[key]}
    assert entries() == [{key: [before[key], OTHER[key]]}]
    page = kiku.get(url).text
    said = f"「{DECLARED[key].label}」を変更しました。"
    assert said in page.partition('<form class="td-form"')[0]
    group = page.partition(f'<section id="{anchor}"')[2].partition("</section>")[0]
    assert said in group, "he is led to what he has saved, and reads it there"
    assert f'name="{key}"' in group
    assert said not in kiku.get(url).text


def test_a_clerk_changes_all_of_them_at_once_and_takes_it_back(browser: People) -> None:
    kiku, before = browser("kiku"), settings.every()
    saves(kiku, **{key: str(value) for key, value in OTHER.items()})
    assert settings.every() == OTHER
    back = {key: str(value) for key, value in before.items() if value is not False}
    unticked = {key for key, value in before.items() if value is False}
    sent = {key: value for key, value in form(**back).items() if key not in unticked}
    assert kiku.post(PAGE, sent).status_code == 303
    assert settings.every() == before
    assert len(entries()) == 2


def test_the_form_as_it_came_changes_nothing(browser: People) -> None:
    kiku = browser("kiku")
    assert saves(kiku).status_code == 303
    assert "変更はありません。" in kiku.get(PAGE).text
    assert entries() == []


def test_full_width_digits_and_hidden_characters_are_no_reason_to_refuse(browser: People) -> None:
    saves(
        browser("kiku"), code_minutes=" １５ ", credential_line="指定\u200b番号\t１", notice="一行目 \r\n\r\n二行目\r\n"
    )
    now = settings.every()
    assert (now["code_minutes"], now["credential_line"]) == (15, "指定番号 １")
    assert now["notice"] == "一行目\n\n二行目"


@pytest.mark.parametrize(
    ("key", "typed", "words"),
    [
        ("fund_name", "", "空欄にはできません。"),
        ("service_name", "　", "空欄にはできません。"),
        ("password_length", "8", "12～64文字の範囲で、数字だけで入力してください。"),
        ("code_minutes", "十分", "5～30分の範囲で、数字だけで入力してください。"),
        ("code_minutes", "-5", "5～30分の範囲で"),
        ("pickup_days", "", "1～31日の範囲で"),
        ("pickup_days", "9" * 4000, "1～31日の範囲で"),
        ("fund_contact", "あ" * 201, "200文字までで入力してください。今は201文字あります。"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_field_and_nothing_typed_is_lost(
    browser: People, key: str, typed: str, words: str
) -> None:
    before = settings.every()
    answer = saves(browser("kiku"), **{"notice": "明日は\n休みです", "zipcrypto": "refuse", key: typed})
    page = unescape(answer.text)
    assert answer.status_code == 422
    assert "入力内容に誤りが1件あります" in page
    assert f'<a href="#{key}">{DECLARED[key].label}：{words}' in page
    assert "明日は\n休みです</textarea>" in page
    assert '<option selected value="refuse">' in page
    assert f'value="{typed.strip()}"' in page
    assert settings.every() == before


def test_a_choice_that_is_not_offered_is_refused_in_japanese(browser: People) -> None:
    answer = saves(browser("kiku"), zipcrypto="accept")
    assert answer.status_code == 422
    assert "表示されているものの中から選んでください。" in answer.text
    assert settings.get("zipcrypto") == "warn"


@pytest.mark.parametrize("was", [None, "", "{", "null", "[" * 100_000])
def test_a_form_that_does_not_say_what_it_showed_is_refused(browser: People, was: str | None) -> None:
    sent = form(pickup_days="14")
    sent.pop("was_pickup_days")
    answer = browser("kiku").post(PAGE, sent if was is None else {**sent, "was_pickup_days": was})
    assert answer.status_code == 422
    assert "画面を開き直してから、もう一度送信してください。" in answer.text
    assert settings.get("pickup_days") == 7


def test_what_is_decided_about_files_stands_in_one_table_with_its_defaults(browser: People) -> None:
    table = browser("kiku").get(PAGE).text.partition('<div class="td-decisions">')[2].partition("</section>")[0]
    choices = [key for key, one in DECLARED.items() if one.group == settings.INSPECTION and one.choices]
    assert re.findall(r'<select[^>]* id="(\w+)"', table) == choices
    told = re.findall(r"初期値は「([^」]+)」", table)
    assert told == [settings.spoken(key, DECLARED[key].default) for key in choices]


# ── two clerks ──


def test_the_second_of_two_clerks_reads_the_firsts_value_and_keeps_what_he_typed(browser: People, cast: Cast) -> None:
    kiku, stale = browser("kiku"), form(pickup_days="10", credential_line="指定番号 第2号")
    Grant.create(membership=cast.member("ume"), word="settings")
    assert saves(browser("ume"), pickup_days="14").status_code == 303
    answer = kiku.post(PAGE, stale)
    page = unescape(answer.text)
    assert answer.status_code == 409
    assert "画面を開いたあとに「14日」へ変更されています。" in page
    assert 'value="10"' in page
    assert 'value="指定番号 第2号"' in page
    assert settings.get("credential_line") == ""
    again = {**stale, "was_pickup_days": "14"}
    assert 'name="was_pickup_days" type="hidden" value="14"' in page
    assert kiku.post(PAGE, again).status_code == 303
    assert (settings.get("pickup_days"), settings.get("credential_line")) == (10, "指定番号 第2号")


def test_what_one_clerk_left_alone_stays_as_the_other_decided_it(browser: People) -> None:
    stale = form(pickup_days="10")
    decided("notice", "明日は休みです")
    assert browser("kiku").post(PAGE, stale).status_code == 303
    assert (settings.get("pickup_days"), settings.get("notice")) == (10, "明日は休みです")


def test_a_stale_page_comes_back_with_the_others_present_values(browser: People) -> None:
    stale = form(pickup_days="10")
    decided("pickup_days", 14)
    decided("notice", "明日は休みです")
    decided("statement_second_clerk", True)
    page = browser("kiku").post(PAGE, stale).text
    assert "明日は休みです</textarea>" in page
    assert 'checked id="statement_second_clerk"' in page
    assert "入力内容に誤りが1件あります" in page


def test_the_same_form_sent_twice_acts_once(browser: People) -> None:
    kiku, sent = browser("kiku"), form(pickup_days="10")
    assert [kiku.post(PAGE, sent).status_code for _ in range(2)] == [303, 303]
    assert "「受取要求からダウンロードできる日数」は、すでに入力された内容になっています。" in kiku.get(PAGE).text
    assert entries() == [{"pickup_days": [7, 10]}]


def test_the_page_keeps_the_rules_of_the_markup_whatever_it_answers(app: Flask, browser: People) -> None:
    kiku, stale = browser("kiku"), form(pickup_days="10")
    decided("pickup_days", 14)
    decided("notice", "明日は休みです\n\n明後日も休みです")
    answers = [kiku.get(PAGE), kiku.post(PAGE, {}), saves(kiku, fund_name=""), kiku.post(PAGE, stale)]
    assert [answer.status_code for answer in answers] == [200, 422, 422, 409]
    adapter = app.url_map.bind("127.0.0.1")
    assert [Page(answer.text).faults(adapter) for answer in answers] == [[], [], [], []]


# ── who may ──


@pytest.mark.parametrize("name", ["ume", "dai", "taro"])
def test_without_the_word_there_is_no_page_and_no_act(browser: People, name: str) -> None:
    person = browser(name)
    assert person.get(PAGE).status_code == 403
    own = "/files/" if name == "taro" else "/admin/"
    assert person.post(PAGE, form(pickup_days="10"), page=own).status_code == 403
    assert settings.get("pickup_days") == 7


def test_a_word_taken_away_counts_at_the_next_request(browser: People, cast: Cast) -> None:
    kiku, sent = browser("kiku"), form(pickup_days="10")
    token = kiku.csrf(PAGE)
    Grant.delete().where(Grant.membership == cast.member("kiku"), Grant.word == "settings").execute()
    assert kiku.client.post(PAGE, data={"csrf_token": token, **sent}).status_code == 403
    assert kiku.get(PAGE).status_code == 403
    assert settings.get("pickup_days") == 7


# ── the notice ──


@pytest.mark.parametrize("page", ["/", "/onetime/", "/auth/", "/admin/login", "/nothing"])
def test_the_notice_stands_on_the_pages_before_the_login(browser: People, page: str) -> None:
    decided("notice", "1月4日まで\n休業します。")
    html = browser("").get(page).text
    assert '<section class="td-notice td-notice--info' in html
    assert "1月4日まで\n休業します。" in html


@pytest.mark.parametrize(("name", "page"), [("taro", "/files/"), ("kiku", PAGE), ("dai", "/admin/desk/")])
def test_the_notice_stands_on_everybodys_pages(browser: People, name: str, page: str) -> None:
    decided("notice", "明日は停止します。")
    decided("notice_kind", "warning")
    html = browser(name).get(page).text.partition("<main")[0]
    assert "td-notice--warning" in html
    assert ">注意</p>" in html
    assert "明日は停止します。" in html


def test_without_a_notice_there_is_no_frame_for_it(browser: People) -> None:
    assert "td-announcement" not in browser("").get("/").text


def test_a_notice_is_text_and_never_markup(browser: People) -> None:
    script = "<script>alert(1)</script>\"'><b>"
    kiku = browser("kiku")
    assert saves(kiku, notice=script, fund_name=script).status_code == 303
    assert settings.get("notice") == script
    for html in (browser("").get("/auth/").text, kiku.get(PAGE).text, saves(kiku, notice=script * 20).text):
        assert "<script>alert" not in html
        assert "><b>" not in html
        assert "&lt;script&gt;alert(1)" in html
