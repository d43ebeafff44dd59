"""The fund's own people, run by whoever holds 職員."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from exchange.permissions import DESK_WORDS, FUND_WORDS
from models import AuditEntry, Grant, Membership
from tests.people import Browser, Cast
from tests.web.test_users_page import row_of

People = Callable[[str], Browser]
INDEX, NEW = "/admin/users/", "/admin/users/new"


def adds(browser: Browser, **other: Any) -> TestResponse:
    form = {"kind": "fund", "login_id": "kikinRan1", "name": "基金　蘭", "mail": "ran@fund.example"}
    return browser.post(NEW, {**form, **other})


def page_of(cast: Cast, name: str) -> str:
    return f"{INDEX}{cast.member(name).uid}"


def test_the_list_counts_each_ones_own_words(browser: People, cast: Cast) -> None:
    page = browser("kiku").get(INDEX).text
    assert "<h1>職員の管理</h1>" in page
    assert f"{len(FUND_WORDS)}つ中{len(FUND_WORDS)}つ" in row_of(page, "kikinKiku")
    assert f"{len(FUND_WORDS)}つ中4つ" in row_of(page, "kikinUme1")
    assert f"{len(DESK_WORDS)}つ中{len(DESK_WORDS)}つ" in row_of(page, "deskDai01")
    assert "電子連携サービス事務局" in row_of(page, "deskDai01")
    assert "abcTaro01" not in page
    assert "/admin/users/link" not in page


def test_without_the_word_these_pages_are_shut(browser: People, cast: Cast) -> None:
    ume, dai = browser("ume"), browser("dai")
    for url in (INDEX, NEW, "/admin/users/matrix", "/admin/users/link"):
        assert ume.get(url).status_code == 403
        assert dai.get(url).status_code == 403
    assert adds(dai).status_code == 403
    Grant.create(membership=cast.member("ume"), word="register")  # may come into the room for the offices' people
    assert ume.get(INDEX).status_code == 403
    assert ume.get(page_of(cast, "kiku")).status_code == 404


@pytest.mark.parametrize("kind", ["fund", "desk"])
def test_a_new_colleague_gets_an_initial_password_and_no_word(browser: People, cast: Cast, kind: str) -> None:
    kiku = browser("kiku")
    answer = adds(kiku, kind=kind)
    assert answer.status_code == 200
    assert "/admin/login" in answer.text
    assert "空欄のまま" in answer.text
    found = re.search(r'id="password">([^<]+)<', answer.text)
    assert found
    member = Membership.get(Membership.login_id == "kikinRan1")
    assert (member.kind, member.office, member.words()) == (kind, None, frozenset())
    assert found[1] not in kiku.get(f"{INDEX}{member.uid}").text
    assert "ログイン待ち" in row_of(kiku.get(INDEX).text, "kikinRan1")
    assert adds(kiku, kind=kind).status_code == 422


@pytest.mark.parametrize("kind", ["", "office_admin", "staff"])
def test_nobody_of_an_office_is_added_here(browser: People, kind: str) -> None:
    answer = adds(browser("kiku"), kind=kind)
    assert answer.status_code == 422
    assert 'id="kind-error"' in answer.text


def test_each_kind_has_boxes_of_its_own(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    fund, desk = kiku.get(page_of(cast, "ume")).text, kiku.get(page_of(cast, "dai")).text
    assert all(f'id="p-{word}"' in fund for word in FUND_WORDS)
    assert all(f'id="p-{word}"' in desk for word in DESK_WORDS)
    assert 'id="p-unlock"' not in fund
    assert 'id="p-send"' not in desk
    assert 'value="consultant"' not in fund


def test_a_word_is_given_and_taken(browser: People, cast: Cast) -> None:
    kiku, page = browser("kiku"), page_of(cast, "ume")
    assert kiku.post(f"{page}/permissions/audit", {"granted": "y"}, page=page).status_code == 303
    assert "audit" in cast.member("ume").words()
    assert kiku.post(f"{page}/permissions/audit", page=page).status_code == 303
    assert "audit" not in cast.member("ume").words()
    assert kiku.post(f"{page}/permissions/upload", {"granted": "y"}, page=page).status_code == 404
    assert kiku.post(f"{page}/permissions", {"preset": "all"}, page=page).status_code == 422


@pytest.mark.parametrize("is_htmx", [False, True])
def test_the_last_one_with_that_word_keeps_it(browser: People, cast: Cast, is_htmx: bool) -> None:
    kiku, page = browser("kiku"), page_of(cast, "kiku")
    headers = {"HX-Request": "true"} if is_htmx else {}
    answer = kiku.post(f"{page}/permissions/staff", page=page, headers=headers)
    assert answer.status_code == 422
    assert "「職員」の権限を持つ方がほかにいなくなる" in answer.text
    assert ("<html" in answer.text) != is_htmx
    assert "staff" in cast.member("kiku").words()


def test_a_colleague_is_stopped_taken_up_and_ended(browser: People, cast: Cast) -> None:
    kiku, ume, page = browser("kiku"), browser("ume"), page_of(cast, "ume")
    for noun, action in (("suspension", "disabled"), ("resumption", "resumed"), ("ending", "ended")):
        assert kiku.post(f"{page}/{noun}", page=page).location == page
        newest = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
        assert (newest.action, newest.subject) == (f"member.{action}", cast_uid(page))
    assert ume.get("/admin/statements/").status_code == 303
    assert "利用が終了した方（1名）" in kiku.get(INDEX).text


def test_a_colleagues_profile_needs_no_kana(browser: People, cast: Cast) -> None:
    kiku, page = browser("kiku"), page_of(cast, "ume")
    form = {"name": "基金　梅子", "kana": "", "mail": "ume@fund.example"}
    assert kiku.post(f"{page}/profile", form, page=page).location == page
    assert cast.member("ume").user.name == "基金　梅子"


def test_a_lost_phone_is_helped_by_a_new_initial_password_only(browser: People, cast: Cast) -> None:
    kiku, page = browser("kiku"), page_of(cast, "ume")
    shown = kiku.get(page).text
    assert f"{page}/totp-removal" not in shown
    assert "認証アプリも登録し直す" in shown
    assert kiku.post(f"{page}/totp-removal", page=page).status_code in (403, 422)
    assert cast.member("ume").user.has_totp
    answer = kiku.post(f"{page}/password", {"seen": kiku.field(page, "seen")}, page=page)
    assert answer.status_code == 200
    assert not cast.member("ume").user.has_totp


def cast_uid(page: str) -> str:
    return page.rpartition("/")[2]
