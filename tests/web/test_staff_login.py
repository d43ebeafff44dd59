"""/admin/login: the fund's people with password and authenticator."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from flask import Flask

from database import utc_now
from models import AuditEntry, Membership
from tests.people import Browser, Cast, told
from tests.web.steps import logs_in_as_staff, totp

People = Callable[[str], Browser]
WRONG = "のいずれかが正しくありません"


@pytest.mark.parametrize(
    ("name", "home"), [("kiku", "/admin/inbox/"), ("ume", "/admin/inbox/"), ("dai", "/admin/desk/")]
)
def test_each_comes_in_and_lands_where_his_work_is(browser: People, cast: Cast, name: str, home: str) -> None:
    person = browser("")
    assert logs_in_as_staff(cast, person, name).location == "/"
    landed = person.get("/", follow_redirects=True)
    assert (landed.status_code, landed.request.path) == (200, home)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.membership) == ("login.succeeded", cast.member(name))


@pytest.mark.parametrize(
    "other", [{"password": "not the one"}, {"code": "000000"}, {"code": "abcdef"}, {"login_id": "nobody001"}]
)
def test_every_wrong_reason_has_the_same_answer(browser: People, cast: Cast, other: dict[str, str]) -> None:
    answer = logs_in_as_staff(cast, browser(""), "kiku", **other)
    assert answer.status_code == 422
    assert WRONG in answer.text


@pytest.mark.parametrize("field", ["login_id", "password", "code"])
def test_an_empty_field_is_told(browser: People, cast: Cast, field: str) -> None:
    answer = logs_in_as_staff(cast, browser(""), "kiku", **{field: ""})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_an_authenticator_code_counts_once(browser: People, cast: Cast) -> None:
    code = totp(cast, "kiku")
    assert logs_in_as_staff(cast, browser(""), "kiku", code=code).status_code == 303
    answer = logs_in_as_staff(cast, browser(""), "kiku", code=code)
    assert answer.status_code == 422
    assert WRONG in answer.text


def test_a_wrong_password_does_not_spend_the_code(browser: People, cast: Cast) -> None:
    code = totp(cast, "kiku")
    assert logs_in_as_staff(cast, browser(""), "kiku", code=code, password="wrong").status_code == 422
    assert logs_in_as_staff(cast, browser(""), "kiku", code=code).status_code == 303


def test_a_clock_may_be_one_step_off_and_no_more(browser: People, cast: Cast) -> None:
    generator = pyotp.TOTP(cast.secrets("kiku")["totp_secret"])
    for steps in (-3, 3):
        late = generator.at(utc_now() + timedelta(seconds=30 * steps))
        assert logs_in_as_staff(cast, browser(""), "kiku", code=late).status_code == 422
    near = generator.at(utc_now() + timedelta(seconds=30))
    assert logs_in_as_staff(cast, browser(""), "kiku", code=f" {near[:3]} {near[3:]} ").status_code == 303


def test_five_wrong_tries_lock_and_are_told(app: Flask, browser: People, cast: Cast) -> None:
    for _ in range(5):
        assert logs_in_as_staff(cast, browser(""), "kiku", password="wrong").status_code == 422
    answer = logs_in_as_staff(cast, browser(""), "kiku")
    assert answer.status_code == 429
    assert "30分間停止しています" in answer.text
    assert ("kiku@fund.example", "ログインの停止のお知らせ") in told(app)


def test_an_offices_person_does_not_come_in_here(browser: People, cast: Cast) -> None:
    form = {"login_id": "abcTaro01", "password": cast.secrets("taro")["password"], "code": "000000"}
    assert browser("").post("/admin/login", form).status_code == 422


def test_a_disabled_clerk_is_refused_like_any_other(browser: People, cast: Cast) -> None:
    Membership.update(disabled_at=utc_now()).where(Membership.id == cast.member("kiku").id).execute()
    answer = logs_in_as_staff(cast, browser(""), "kiku")
    assert answer.status_code == 422
    assert WRONG in answer.text


def test_the_login_gives_a_new_cookie_and_ends_the_older_session(browser: People, cast: Cast) -> None:
    old, new = browser("kiku"), browser("")
    new.get("/admin/login")
    before = new.client.get_cookie("todoke")
    logs_in_as_staff(cast, new, "kiku")
    assert before is None or before.value != new.client.get_cookie("todoke").value
    assert old.get("/admin/inbox/").location == "/auth/ended?why=newer"


def test_a_page_of_the_fund_leads_to_this_door(browser: People) -> None:
    for url in ("/admin/", "/admin/inbox/", "/admin/statements/new", "/admin/status/", "/admin/desk/"):
        assert browser("").get(url).location == "/admin/login"


def test_the_status_page_says_what_is_missing_on_the_box(browser: People, cast: Cast, demo_file: Path) -> None:
    demo_file.unlink()
    page = browser("kiku").get("/admin/status/").text
    assert all(setting in page for setting in ("VPN_NETWORKS", "STAFF_NETWORKS", "MAIL_SERVER"))
    assert "どこからでもログイン画面に届きます" in page
