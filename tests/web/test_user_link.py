"""A consultant of another office is asked to work for this one too; name and address stay hidden until the answer."""

from collections.abc import Callable
from typing import Any

import pytest
from werkzeug.test import TestResponse

from exchange import people
from exchange.actors import Actor
from exchange.permissions import CONSULTANT_WORDS
from models import Membership, User
from tests.people import Browser, Cast
from tests.web.test_users_page import row_of

People = Callable[[str], Browser]
URL, INDEX = "/admin/users/link", "/admin/users/"
NAME, MAIL = "辛島　律", "ritsu@sr-other.example"


@pytest.fixture
def ritsu(cast: Cast) -> Membership:
    """A consultant whom only XYZ工業 knows."""
    user = User.create(name=NAME, kana="カラシマ　リツ", mail=MAIL, is_initial_password=False)
    return Membership.create(user=user, office=cast.xyz, kind="consultant", login_id="srRitsu01")


def asks_for(browser: Browser, cast: Cast, login_id: str = "srRitsu01", **other: Any) -> TestResponse:
    form = {
        "contract_number": cast.xyz.contract_number,
        "login_id": login_id,
        "own_login_id": "",
        "preset": "consultant",
    }
    return browser.post(URL, {**form, **other})


def invited(cast: Cast) -> Membership:
    return Membership.get(Membership.office == cast.abc, Membership.invited_at.is_null(False))


def test_the_asked_one_has_no_name_here_before_the_answer(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    answer = asks_for(taro, cast)
    assert (answer.status_code, answer.location) == (303, INDEX)
    member = invited(cast)
    assert (member.login_id, member.words()) == ("srRitsu01", set(CONSULTANT_WORDS))
    pages = [taro.get(url).text for url in (INDEX, f"{INDEX}{member.uid}", "/admin/users/matrix")]
    for page in pages:
        assert NAME not in page
        assert "カラシマ" not in page
        assert MAIL not in page
        assert "srRitsu01" in page
    assert "承諾待ち" in row_of(pages[0], "srRitsu01")
    assert "/profile" not in pages[1]
    assert "/password" not in pages[1]


def test_after_the_answer_the_name_is_there(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    asks_for(taro, cast, own_login_id="ritsuAbc1")
    member = invited(cast)
    Membership.update(ready_at=member.created_at).where(Membership.id == ritsu.id).execute()
    people.answer(acting(ritsu), member, accepts=True)
    row = row_of(taro.get(INDEX).text, "ritsuAbc1")
    assert NAME in row
    assert "利用中" in row
    assert MAIL in taro.get(f"{INDEX}{member.uid}").text


def test_one_who_declined_stays_without_a_name(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    asks_for(taro, cast)
    member = invited(cast)
    people.answer(acting(ritsu), member, accepts=False)
    for url in (INDEX, f"{INDEX}{member.uid}", "/admin/users/matrix"):
        page = taro.get(url).text
        assert NAME not in page
        assert "srRitsu01" in page


def test_the_words_are_chosen_while_the_answer_is_awaited(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    asks_for(taro, cast, preset="none")
    page = f"{INDEX}{invited(cast).uid}"
    assert taro.post(f"{page}/permissions/upload", {"granted": "y"}, page=page).status_code == 303
    assert invited(cast).words() == {"upload"}


def test_the_wish_is_taken_back(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    asks_for(taro, cast)
    page = f"{INDEX}{invited(cast).uid}"
    shown = taro.get(page).text
    assert "依頼の取り下げ" in shown
    assert "利用の終了" not in shown
    answer = taro.post(f"{page}/ending", page=page)
    assert answer.location == page
    assert not list(ritsu.user.invitations())
    page = taro.get(page).text
    assert "依頼を取り下げました。" in page
    assert NAME not in page


@pytest.mark.parametrize(
    ("contract", "login_id"),
    [("xyz", "nobody001"), ("none", "srRitsu01"), ("xyz", "xyzJiro01"), ("abc", "srHanako1"), ("abc", "abcJun001")],
)
def test_whoever_cannot_be_asked_is_unknown_in_the_same_words(
    browser: People, cast: Cast, ritsu: Membership, contract: str, login_id: str
) -> None:
    number = {"xyz": cast.xyz.contract_number, "abc": cast.abc.contract_number, "none": "1234567-12345678"}[contract]
    answer = asks_for(browser("taro"), cast, login_id, contract_number=number)
    assert answer.status_code == 422
    assert "社労士・税理士として登録された方が見つかりません。" in answer.text
    assert not Membership.select().where(Membership.invited_at.is_null(False)).exists()


def test_asked_twice_there_is_one_wish(browser: People, cast: Cast, ritsu: Membership) -> None:
    taro = browser("taro")
    asks_for(taro, cast)
    again = asks_for(taro, cast)
    assert again.status_code == 422
    assert "承諾を待っているところ" in again.text


@pytest.mark.parametrize(("field", "typed"), [("own_login_id", "x-1"), ("login_id", ""), ("contract_number", "")])
def test_what_does_not_fit_is_said_at_its_field(
    browser: People, cast: Cast, ritsu: Membership, field: str, typed: str
) -> None:
    answer = asks_for(browser("taro"), cast, **{field: typed})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


@pytest.mark.parametrize("name", ["jun", "hanako", "kiku", "ume", "dai"])
def test_nobody_else_asks(browser: People, cast: Cast, ritsu: Membership, name: str) -> None:
    other = browser(name)
    assert other.get(URL).status_code == 403
    assert other.post(URL, {"login_id": "srRitsu01"}, page="/").status_code == 403


def acting(member: Membership) -> Any:
    return Actor(Membership.by_uid(member.uid), address="192.0.2.10")
