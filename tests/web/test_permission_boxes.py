"""The seven boxes: one word at a time or all at once, with and without JavaScript."""

from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from exchange.permissions import CONSULTANT_WORDS, OFFICE_WORDS
from models import AuditEntry, Membership
from tests.markup import Page
from tests.people import Browser, Cast

People = Callable[[str], Browser]
HTMX = {"HX-Request": "true"}


def page_of(cast: Cast, name: str) -> str:
    return f"/admin/users/{cast.member(name).uid}"


def ticks(browser: Browser, page: str, word: str, is_ticked: bool, **more: dict[str, str]) -> TestResponse:
    form = {"granted": "y"} if is_ticked else {}
    return browser.post(f"{page}/permissions/{word}", form, page=page, **more)


def changes() -> list[AuditEntry]:
    return list(AuditEntry.select().where(AuditEntry.action == "permissions.changed").order_by(AuditEntry.number))


def test_there_is_a_box_for_every_word_with_what_it_means(browser: People, cast: Cast) -> None:
    page = browser("taro").get(page_of(cast, "hanako")).text
    for word, (label, explanation) in OFFICE_WORDS.items():
        box = page[page.index(f'id="granted-{word}"') :].partition("</form>")[0]
        assert label in box
        assert explanation in box
        assert (" checked" in box.partition(">")[0]) == (word in CONSULTANT_WORDS)


@pytest.mark.parametrize("word", OFFICE_WORDS)
def test_a_box_is_cleared_and_ticked_without_javascript(browser: People, cast: Cast, word: str) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    answer = ticks(taro, page, word, is_ticked=False)
    assert (answer.status_code, answer.location) == (303, f"{page}#p-{word}")
    assert cast.member("jun").words() == OFFICE_WORDS.keys() - {word}
    assert f"「{OFFICE_WORDS[word][0]}」：外しました。" in taro.get(page).text
    assert ticks(taro, page, word, is_ticked=True).status_code == 303
    assert cast.member("jun").words() == OFFICE_WORDS.keys()
    assert [entry.details["login_id"] for entry in changes()] == ["abcJun001"] * 2


def test_sent_twice_it_is_logged_once_and_said_so(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "hanako")
    for said in ("「承認」：付与しました。", "「承認」：すでに付与されています。"):
        ticks(taro, page, "approve", is_ticked=True)
        assert said in taro.get(page).text
    assert len(changes()) == 1


def test_htmx_gets_the_very_box_that_the_page_includes(app: Flask, browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "hanako")
    answer = ticks(taro, page, "approve", is_ticked=True, headers=HTMX)
    assert answer.status_code == 200
    assert answer.text.count("<form") == 1
    assert 'id="p-approve"' in answer.text
    assert 'data-announce="承認：付与しています。付与しました。"' in answer.text
    fragment = Page(answer.text)
    assert fragment.fragment_faults(app.url_map.bind("127.0.0.1")) == []
    assert "付与しました。" in fragment.text
    again = ticks(taro, page, "approve", is_ticked=True, headers=HTMX)
    assert "すでに付与されています。" in again.text


def test_a_refusal_draws_the_box_as_the_database_has_it(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    taro.post(f"{page}/ending", page=page)
    answer = ticks(taro, page, "upload", is_ticked=False, headers=HTMX)
    assert answer.status_code == 422
    assert "＊利用が終了した方の権限は変更できません。" in answer.text
    assert " checked" in answer.text


@pytest.mark.parametrize("word", ["staff", "register", "unlock", "nothing"])
def test_a_word_that_such_a_person_cannot_hold_is_not_there(browser: People, cast: Cast, word: str) -> None:
    assert ticks(browser("taro"), page_of(cast, "jun"), word, is_ticked=True).status_code == 404
    assert cast.member("jun").words() == OFFICE_WORDS.keys()


@pytest.mark.parametrize("name", ["jun", "hanako", "kiku", "dai"])
def test_nobody_else_ticks_anything(browser: People, cast: Cast, name: str) -> None:
    page = page_of(cast, "hanako")
    answer = browser(name).post(f"{page}/permissions/approve", {"granted": "y"}, page="/")
    assert answer.status_code == 403
    assert "approve" not in cast.member("hanako").words()


def test_the_word_counts_at_the_next_request_of_its_holder(browser: People, cast: Cast) -> None:
    taro, jun = browser("taro"), browser("jun")
    assert jun.get("/files/upload").status_code == 200
    ticks(taro, page_of(cast, "jun"), "upload", is_ticked=False)
    assert jun.get("/files/upload").status_code == 403


@pytest.mark.parametrize(
    ("preset", "words"), [("all", OFFICE_WORDS.keys()), ("consultant", set(CONSULTANT_WORDS)), ("none", set())]
)
def test_a_preset_sets_all_seven(browser: People, cast: Cast, preset: str, words: set[str]) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    answer = taro.post(f"{page}/permissions", {"preset": preset}, page=page)
    assert (answer.status_code, answer.location) == (303, f"{page}#permissions")
    assert cast.member("jun").words() == words
    assert len(changes()) == (0 if preset == "all" else 1)


@pytest.mark.parametrize("preset", ["", "everything"])
def test_a_preset_that_does_not_exist_is_refused_in_words(browser: People, cast: Cast, preset: str) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    answer = taro.post(f"{page}/permissions", {"preset": preset}, page=page)
    assert answer.status_code == 422
    assert "権限の組み合わせが選ばれていません" in answer.text
    assert cast.member("jun").words() == OFFICE_WORDS.keys()


def test_a_get_changes_no_box(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    assert taro.get(f"{page}/permissions/upload").status_code == 405
    assert taro.get(f"{page}/permissions").status_code == 405
    assert Membership.get_by_id(cast.member("jun").id).words() == OFFICE_WORDS.keys()
