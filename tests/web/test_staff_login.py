"""/admin/login: the fund's people with password and authenticator."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
from flask import Flask

from database import utc_now
from models import AuditEntry, Mail, Membership, User
from tests.people import Browser, Cast, told
from tests.web.steps import logs_in_as_staff, totp

People = Callable[[str], Browser]
WRONG = "のいずれかが正しくありません"


@pytest.mark.parametrize(
    ("name", "work"), [("kiku", "/admin/inbox/"), ("ume", "/admin/inbox/"), ("dai", "/admin/desk/")]
)
def test_each_comes_in_and_finds_the_way_to_his_work(browser: People, cast: Cast, name: str, work: str) -> None:
    person = browser("")
    assert logs_in_as_staff(cast, person, name).location == "/"
    landed = person.get("/")
    assert (landed.status_code, "ホーム</h1>" in landed.text) == (200, True)
    assert f'<a href="{work}">' in landed.text
    assert person.get(work).status_code == 200
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.membership) == ("login.succeeded", cast.member(name))


@pytest.mark.parametrize(
    "other",
    [{"password": "not the one"}, {"code": ""}, {"code": "000000"}, {"code": "abcdef"}, {"login_id": "nobody001"}],
)
def test_every_wrong_reason_has_the_same_answer(browser: People, cast: Cast, other: dict[str, str]) -> None:
    answer = logs_in_as_staff(cast, browser(""), "kiku", **other)
    assert answer.status_code == 422
    assert WRONG in answer.text


@pytest.mark.parametrize("field", ["login_id", "password"])
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
    for url in (
        *("/admin/", "/admin/inbox/", "/admin/statements/new", "/admin/status/", "/admin/desk/"),
        *("/admin/settings/", "/admin/offices/"),
    ):
        assert browser("").get(url).location == "/admin/login"


# ── a recovery code instead of the lost phone's ──


def test_a_recovery_code_opens_the_door_once_and_is_told(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    page = kiku.post("/admin/account/recovery-codes", page="/admin/account/").text
    codes = re.findall(r"<code>([2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5})</code>", page)
    assert len(codes) == 8
    assert logs_in_as_staff(cast, browser(""), "kiku", code=codes[0].lower()).location == "/"
    again = logs_in_as_staff(cast, browser(""), "kiku", code=codes[0])
    assert (again.status_code, WRONG in again.text) == (422, True)
    entry = AuditEntry.get(AuditEntry.action == "login.recovered")
    assert entry.details == {"left": 7}
    assert codes[0] not in str(entry.__data__)
    waiting = Mail.get(Mail.kind == "account_changed", Mail.to_user == cast.member("kiku").user)
    assert any("回復コード" in line["what"] for line in waiting.facts["lines"])
    assert codes[0] not in str(waiting.facts)


def test_nobody_elses_recovery_code_does(browser: People, cast: Cast) -> None:
    page = browser("ume").post("/admin/account/recovery-codes", page="/admin/account/").text
    code = re.search(r"<code>([2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5})</code>", page)[1]
    assert logs_in_as_staff(cast, browser(""), "kiku", code=code).status_code == 422
    assert logs_in_as_staff(cast, browser(""), "ume", code=code).status_code == 303


def test_without_an_authenticator_an_initial_password_is_needed(browser: People, cast: Cast) -> None:
    """A row that has lost its authenticator opens no door with a password of its own."""
    User.update(totp_sealed=None).where(User.id == cast.member("kiku").user_id).execute()
    for code in ("", "000000", "123456"):
        assert logs_in_as_staff(cast, browser(""), "kiku", code=code).status_code == 422


def test_the_status_page_says_what_is_missing_on_the_box(browser: People, cast: Cast, demo_file: Path) -> None:
    demo_file.unlink()
    page = browser("kiku").get("/admin/status/").text
    assert all(setting in page for setting in ("VPN_NETWORKS", "STAFF_NETWORKS", "MAIL_SERVER"))
    assert "どこからでもログイン画面に届きます" in page
