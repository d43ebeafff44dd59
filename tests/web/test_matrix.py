"""権限一覧表: who may do what, on paper, and how it came to be so."""

import re
from collections.abc import Callable
from typing import Any

from exchange import permissions, places
from exchange.permissions import CONSULTANT_WORDS, OFFICE_WORDS
from tests.people import Browser, Cast

People = Callable[[str], Browser]
URL = "/admin/users/matrix"


def cells(page: str, login_id: str) -> list[str]:
    row = next(row for row in page.split("<tr>") if f"<code>{login_id}</code>" in row)
    return re.findall(r'<span class="td-visually-hidden">(あり|なし)</span>', row)


def history(page: str) -> list[list[str]]:
    """Rows of the history as texts."""
    body = page.partition("権限の変更の履歴</h2>")[2]
    rows = body.split("<tr>")[2:]
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)] for row in rows
    ]


def test_everybody_stands_against_every_word(browser: People) -> None:
    page = browser("taro").get(URL).text
    assert all(label in page for label, _ in OFFICE_WORDS.values())
    assert cells(page, "abcTaro01") == ["あり"] * 7
    assert cells(page, "srHanako1") == ["あり" if word in CONSULTANT_WORDS else "なし" for word in OFFICE_WORDS]


def test_the_sheet_says_whose_it_is_and_of_which_day(browser: People, cast: Cast) -> None:
    page = browser("taro").get(URL).text
    assert cast.abc.name in page
    assert cast.abc.contract_number in page
    assert "現在" in page
    assert "data-print-time" in page
    assert "td-across" in page


def test_a_change_is_told_with_what_was_before(browser: People, cast: Cast) -> None:
    permissions.assign(cast.taro, cast.member("hanako"), "approve", True)
    places.suspend(cast.taro, cast.member("jun"))
    rows = history(browser("taro").get(URL).text)
    assert rows[0][1:] == [
        "乙川　純（利用者B）（abcJun001）",
        "利用停止",
        "－",
        "－",
        "甲野　太郎（利用者A）（abcTaro01）",
    ]
    _, whom, label, before, after, who = rows[1]
    assert (whom, label) == ("丙山　花子（利用者C）（srHanako1）", "権限の変更")
    assert before == "アップロード、取消、受取要求、ダウンロード、メール通知"
    assert after == "アップロード、取消、承認、受取要求、ダウンロード、メール通知"
    assert who == "甲野　太郎（利用者A）（abcTaro01）"
    assert [row[2] for row in rows[2:]] == ["利用者の追加"] * 2


def test_who_has_left_is_in_the_history_only(browser: People, cast: Cast) -> None:
    places.end(cast.taro, cast.member("jun"))
    page = browser("taro").get(URL).text
    assert "abcJun001" not in page.partition("権限の変更の履歴</h2>")[0]
    _, whom, label, before, after, _ = history(page)[0]
    assert (whom, label, after) == ("乙川　純（利用者B）（abcJun001）", "利用の終了", "なし")
    assert before == "、".join(label for label, _ in OFFICE_WORDS.values())


def test_another_office_is_on_no_sheet_of_ours(browser: People, cast: Cast) -> None:
    page = browser("taro").get(URL).text
    for name in ("jiro", "hanako_at_xyz", "kiku", "dai"):
        assert cast.member(name).login_id not in page


def test_the_fund_has_a_table_for_each_kind_of_its_words(browser: People) -> None:
    page: Any = browser("kiku").get(URL).text
    assert cells(page, "kikinKiku") == ["あり"] * len(permissions.FUND_WORDS)
    assert cells(page, "deskDai01") == ["あり"] * len(permissions.DESK_WORDS)
    assert "abcTaro01" not in page
    assert [row[2] for row in history(page)] == ["職員の追加"] * 3
