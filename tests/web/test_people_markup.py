"""The pages about people keep the rules of every page, in each state that a person can be in."""

from collections.abc import Callable

import pytest
from flask import Flask

from database import utc_now
from exchange import locks, people, permissions, places, throttle
from models import Membership, User
from tests.markup import Page
from tests.people import Browser, Cast

People = Callable[[str], Browser]


@pytest.fixture
def everybody(cast: Cast) -> dict[str, str]:
    """State → uid of somebody of ABC商事 who is in it."""
    taro, jun = cast.taro, cast.member("jun")
    places.end(taro, jun)
    found = {"active": cast.member("hanako").uid, "self": cast.member("taro").uid, "ended": jun.uid}
    for state, login_id in (("fresh", "freshOne1"), ("disabled", "stopOne01")):
        user = User.create(name="試験　花", mail=f"{login_id}@abc-shoji.example", password_set_at=utc_now())
        found[state] = Membership.create(user=user, office=cast.abc, kind="staff", login_id=login_id).uid
    places.suspend(taro, Membership.by_uid(found["disabled"]))
    user = User.create(name="辛島　律", mail="ritsu@sr-other.example", is_initial_password=False)
    Membership.create(user=user, office=cast.xyz, kind="consultant", login_id="srRitsu01")
    found["invited"] = people.link(taro, cast.xyz.contract_number, "srRitsu01", "srRitsu01", ()).uid
    locked = Membership.create(user=user, office=cast.abc, kind="staff", login_id="lockOne01", ready_at=utc_now())
    for _ in range(5):
        throttle.hit("password", locked.user.uid, utc_now())
    assert locks.is_locked(locked, utc_now())
    return {**found, "locked": locked.uid}


def faults(app: Flask, html: str) -> list[str]:
    return Page(html).faults(app.url_map.bind("127.0.0.1"))


@pytest.mark.parametrize("name", ["taro", "kiku", "dai"])
def test_everybodys_page_keeps_the_rules(
    app: Flask, browser: People, cast: Cast, everybody: dict[str, str], name: str
) -> None:
    viewer = browser(name)
    for state, uid in everybody.items():
        answer = viewer.get(f"/admin/users/{uid}")
        assert answer.status_code == 200, state
        assert faults(app, answer.text) == [], state


def test_the_lists_and_forms_keep_the_rules(app: Flask, browser: People, cast: Cast, everybody: dict[str, str]) -> None:
    office = f"/admin/offices/{cast.abc.uid}"
    pages = {
        "taro": ["/admin/users/", "/admin/users/new", "/admin/users/link", "/admin/users/matrix", "/admin/office/"],
        "hanako": ["/admin/office/"],
        "kiku": [
            "/admin/users/",
            "/admin/users/new",
            "/admin/users/matrix",
            "/admin/offices/",
            office,
            f"{office}/matrix",
        ],
        "dai": ["/admin/offices/", "/admin/offices/?q=ない", office, f"{office}/matrix", "/admin/desk/"],
    }
    for name, urls in pages.items():
        viewer = browser(name)
        for url in urls:
            answer = viewer.get(url)
            assert answer.status_code == 200, (name, url)
            assert faults(app, answer.text) == [], (name, url)


@pytest.mark.parametrize(
    ("name", "url"), [("taro", "/admin/users/new"), ("taro", "/admin/users/link"), ("kiku", "/admin/users/new")]
)
def test_a_form_sent_empty_says_what_is_wrong_at_each_field(app: Flask, browser: People, name: str, url: str) -> None:
    answer = browser(name).post(url)
    assert answer.status_code == 422
    assert faults(app, answer.text) == []
    assert "入力内容に誤りが" in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_the_page_with_an_initial_password_keeps_the_rules(app: Flask, browser: People, cast: Cast) -> None:
    for name, whom in (("taro", "jun"), ("kiku", "ume")):
        viewer, page = browser(name), f"/admin/users/{cast.member(whom).uid}"
        answer = viewer.post(f"{page}/password", {"seen": viewer.field(page, "seen")}, page=page)
        assert answer.status_code == 200
        # The password is a word of no language.
        assert [fault for fault in faults(app, answer.text) if not fault.startswith("English")] == []


def test_what_somebody_types_stays_text(app: Flask, browser: People, cast: Cast) -> None:
    name = "<b>太郎</b>　<script>"
    User.update(name=name, kana=name).where(User.id == cast.member("jun").user_id).execute()
    permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    for url in ("/admin/users/", f"/admin/users/{cast.member('jun').uid}", "/admin/users/matrix"):
        page = browser("taro").get(url).text
        assert "<b>" not in page
        assert "&lt;b&gt;太郎" in page
