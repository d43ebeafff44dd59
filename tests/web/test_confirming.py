"""The login password again, before whoever sits at the PC changes an account or a permission."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from blueprints import confirming
from database import db, utc_now
from exchange import onetime, sessions
from models import AuditEntry, LoginSession
from tests.markup import Page
from tests.people import Browser, Cast, told
from tests.processes import some
from tests.stage import method
from tests.test_routes import contents
from tests.web.sensitive import ACCOUNT, DEEDS, Deed
from tests.web.steps import a_minute_passes

People = Callable[[str], Browser]
QUESTION = "ログインパスワードの確認"
WRONG = "ログインパスワードが正しくありません"
# Posts of these rooms that ask nothing: the old password is a field of its own, the answer to an invitation takes
# nothing away, and at the first login the initial password has just been typed.
# Lead to a page with a secret, or to a form with a file, which the question could not carry.
ONLY_A_PAGE = {"account.open_totp", "documents.open", "installers.open"}
FREE = {"account.change_password", "account.answer", "account.register"}


@dataclass
class Desk:
    """A PC at which somebody has left a sensitive form open."""

    cast: Cast
    browser: Browser
    deed: Deed
    token: str

    def sends(self, **more: Any) -> TestResponse:
        return self.browser.client.post(self.deed.url, data={"csrf_token": self.token, **self.deed.form}, **more)

    def answers(self, page: TestResponse, password: str) -> TestResponse:
        """The question's form as it came, with a password typed into it."""
        fields = dict(hidden(page.text))
        return self.browser.client.post(action(page.text), data={**fields, "confirm_password": password})

    @property
    def password(self) -> str:
        return self.cast.secrets(self.deed.name)["password"]


@pytest.fixture
def desk(app: Flask, browser: People, cast: Cast) -> Callable[[str], Desk]:
    """`desk("users.permit")`: Jun has an authenticator, and everything is ready for that act."""
    secret, jun = onetime.new_totp_secret(), cast.member("jun").user
    with db.atomic():
        assert onetime.set_totp(jun, secret, onetime.totp_now(secret, utc_now()), utc_now())
    browsers = {name: browser(name) for name in ("taro", "jun", "kiku", "dai")}

    def make(endpoint: str) -> Desk:
        deed = DEEDS[endpoint](cast, browsers["taro"])
        person = browsers[deed.name]
        return Desk(cast, person, deed, person.csrf(deed.page))

    return make


def hidden(page: str) -> list[tuple[str, str]]:
    """The name and value of every field that the question's form carries, as a browser would send them."""
    form = page.partition('<form class="td-form"')[2].partition("</form>")[0]
    found = re.findall(r'<input [^>]*?name="([^"]+)"[^>]*?value="([^"]*)"', form)
    return [(unescape(name), unescape(value)) for name, value in found if name != "confirm_password"]


def action(page: str) -> str:
    return re.search(r'<form class="td-form" method="post" action="([^"]+)"', page)[1]


def typed(ago: timedelta) -> None:
    """So long ago everybody typed the password."""
    LoginSession.update(confirmed_at=utc_now() - ago).execute()


STALE, FRESH = timedelta(minutes=10, seconds=1), timedelta(minutes=9, seconds=50)


# ── which acts ──


def test_every_act_named_exists_and_is_a_post(app: Flask) -> None:
    verbs: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        verbs.setdefault(rule.endpoint, set()).add(method(rule))
    assert {endpoint: verbs.get(endpoint) for endpoint in confirming.SENSITIVE} == dict.fromkeys(
        confirming.SENSITIVE, {"POST"}
    )
    assert set(DEEDS) == set(confirming.SENSITIVE)


def test_no_post_about_an_account_or_a_permission_is_forgotten(app: Flask) -> None:
    posts = {rule.endpoint for rule in app.url_map.iter_rules() if method(rule) == "POST"}
    theirs = {endpoint for endpoint in posts if endpoint.startswith(("account.", "users.", "settings."))}
    assert theirs - {*confirming.SENSITIVE} == FREE
    assert "office.change" in confirming.SENSITIVE


# ── when ──


@pytest.mark.parametrize(
    ("ago", "is_fresh"), [((9, 59), True), ((10, 0), False), ((10, 1), False), ((0, 0), True), ((90, 0), False)]
)
def test_ten_minutes_are_counted_to_the_second(browser: People, ago: tuple[int, int], is_fresh: bool) -> None:
    browser("taro")
    row, now = LoginSession.get(), utc_now()
    row.confirmed_at = now - timedelta(minutes=ago[0], seconds=ago[1])
    assert sessions.is_fresh(row, now) is is_fresh


def test_a_session_that_never_saw_the_password_is_not_fresh(browser: People) -> None:
    browser("taro")
    row = LoginSession.get()
    row.confirmed_at = None
    assert not sessions.is_fresh(row, utc_now())


@pytest.mark.parametrize("endpoint", some(sorted(DEEDS), 3))
def test_within_ten_minutes_nobody_is_asked(desk: Callable[[str], Desk], endpoint: str) -> None:
    here = desk(endpoint)
    before = contents()
    typed(FRESH)
    answer = here.sends()
    assert answer.status_code in (200, 303)
    assert QUESTION not in answer.text
    assert (contents() == before) == (endpoint in ONLY_A_PAGE)


@pytest.mark.parametrize("endpoint", some(sorted(DEEDS), 3))
def test_later_the_password_is_asked_before_anything_is_done_and_then_it_is(
    app: Flask, desk: Callable[[str], Desk], endpoint: str
) -> None:
    here = desk(endpoint)
    before = contents()
    typed(STALE)
    page = here.sends()
    assert page.status_code == 200
    assert QUESTION in page.text
    assert Page(page.text).faults(app.url_map.bind("127.0.0.1")) == []
    assert action(page.text) == here.deed.url
    assert here.deed.form.items() <= dict(hidden(page.text)).items()
    assert contents() == before
    done = here.answers(page, here.password)
    assert done.status_code in (200, 303)
    assert QUESTION not in done.text
    assert (contents() == before) == (endpoint in ONLY_A_PAGE)
    actions = [entry.action for entry in AuditEntry.select()]
    assert actions.count("password.confirmed") == 1


def test_once_typed_it_counts_for_the_next_ten_minutes(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    here.answers(here.sends(), here.password)
    again = here.sends()
    assert again.status_code == 303
    typed(STALE)
    assert QUESTION in here.sends().text


def test_it_counts_only_where_it_was_typed(desk: Callable[[str], Desk], browser: People) -> None:
    here = desk("users.permit")
    typed(STALE)
    other = browser("taro")  # at another PC, where he has just logged in
    url = here.deed.url
    assert other.post(url, page=ACCOUNT).status_code == 303
    assert QUESTION in here.sends().text


def test_reading_and_the_daily_work_ask_nothing(browser: People, cast: Cast) -> None:
    taro, jun = browser("taro"), cast.member("jun")
    typed(STALE)
    for url in (ACCOUNT, "/admin/users/", f"/admin/users/{jun.uid}", "/admin/users/new", "/admin/audit/", "/files/"):
        answer = taro.get(url)
        assert (answer.status_code, QUESTION in answer.text) == (200, False)
    assert taro.post("/files/selection", {"verb": "approval"}, page="/files/").status_code == 303


# ── with the wrong one ──


@pytest.mark.parametrize("endpoint", some(sorted(DEEDS), 3))
def test_a_wrong_password_does_nothing_and_is_asked_again(desk: Callable[[str], Desk], endpoint: str) -> None:
    here = desk(endpoint)
    typed(STALE)
    before, page = contents(), here.sends()
    again = here.answers(page, "not-the-right-one")
    assert again.status_code == 422
    assert WRONG in again.text
    assert "not-the-right-one" not in again.text
    kept = dict(hidden(again.text))
    assert {name: kept.get(name) for name in here.deed.form} == here.deed.form
    now = contents()
    assert {table for table in before if now[table] != before[table]} == {"throttle"}
    assert here.answers(again, here.password).status_code in (200, 303)
    assert contents() != now


@pytest.mark.parametrize("typed_in", ["", " "])
def test_an_empty_answer_is_none(desk: Callable[[str], Desk], typed_in: str) -> None:
    here = desk("users.permit")
    typed(STALE)
    answer = here.answers(here.sends(), typed_in)
    assert answer.status_code == 422
    assert QUESTION in answer.text
    assert "upload" in here.cast.member("jun").words()


def test_five_wrong_ones_lock_and_the_manager_is_told(app: Flask, desk: Callable[[str], Desk]) -> None:
    here = desk("account.renew_codes")
    typed(STALE)
    page = here.sends()
    statuses = [here.answers(page, "not-the-right-one").status_code for _ in range(5)]
    assert statuses == [422] * 4 + [429]
    locked = here.answers(page, here.password)
    assert locked.status_code == 429
    assert "30分間停止しています" in locked.text
    assert AuditEntry.select().where(AuditEntry.action == "recovery_codes.renewed").count() == 0
    assert ("taro@abc-shoji.example", "ログインの停止のお知らせ") in told(app)
    assert here.browser.get(ACCOUNT).status_code == 200  # the session goes on
    a_minute_passes()
    assert here.answers(page, here.password).status_code == 200


def test_another_persons_password_is_a_wrong_one(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    assert here.answers(here.sends(), here.cast.secrets("jun")["password"]).status_code == 422


def test_the_password_sent_at_once_is_as_good_as_asked_for(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    here.deed.form["confirm_password"] = "wrong"
    assert here.sends().status_code == 422
    here.deed.form["confirm_password"] = here.password
    assert here.sends().status_code == 303


# ── what the question carries ──


def test_the_answer_needs_its_own_token(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    here.sends()
    forged = here.browser.client.post(here.deed.url, data={"confirm_password": here.password})
    assert forged.status_code == 400
    assert "upload" in here.cast.member("jun").words()


def test_odd_values_come_through_as_they_were(desk: Callable[[str], Desk]) -> None:
    here, odd = desk("account.change_profile"), "\"><script>alert('1')</script>&amp; 　末尾 "
    typed(STALE)
    here.deed.form.update(name=odd, extra=["一", "二"])
    page = here.sends()
    assert "<script>alert" not in page.text
    carried = hidden(page.text)
    assert ("name", odd) in carried
    assert [value for name, value in carried if name == "extra"] == ["一", "二"]


def test_no_secret_stands_in_the_question(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    page = here.answers(here.sends(), "Canary-Typo-0099")
    assert "Canary-Typo-0099" not in page.text
    assert "confirm_password" not in dict(hidden(page.text))
    assert all("Canary" not in value for value in page.headers.values())


@pytest.mark.parametrize(
    "referer",
    [
        "https://evil.example/files/",
        "http://127.0.0.1//evil.example/",
        "http://localhost//evil.example/",
        "http://localhost/\\evil.example/",
        "http://[",
        "javascript:alert(1)",
        "x",
        "",
    ],
)
@pytest.mark.parametrize("through", ["referer", "back"])
def test_the_way_back_from_the_question_never_leads_outside(
    desk: Callable[[str], Desk], referer: str, through: str
) -> None:
    here = desk("users.permit")
    typed(STALE)
    if through == "referer":
        page = here.sends(headers={"Referer": referer})
    else:
        here.deed.form.update(back=referer.removeprefix("http://localhost"), confirm_password="wrong")
        page = here.sends()
    assert QUESTION in page.text
    links = re.findall(r'(?:href|value|action)="(/[^"]*|\w+:[^"]*)"', page.text)
    assert links
    assert all(re.match(r"/(?![/\\\s])|/$", unescape(link)) for link in links)


# ── others ──


def test_whoever_may_not_is_refused_without_being_asked(browser: People, cast: Cast) -> None:
    jun, before = browser("jun"), cast.member("hanako").words()
    token = jun.csrf(ACCOUNT)
    typed(STALE)
    answer = jun.client.post(f"/admin/users/{cast.member('hanako').uid}/permissions", data={"csrf_token": token})
    assert answer.status_code == 403
    assert cast.member("hanako").words() == before


def test_htmx_gets_the_same_question_in_place_of_the_whole_page(desk: Callable[[str], Desk]) -> None:
    here = desk("users.permit")
    typed(STALE)
    page = here.sends(headers={"HX-Request": "true", "HX-Target": "p-upload"})
    assert QUESTION in page.text
    # A box of one permission is no place for it.
    assert page.headers["HX-Retarget"] == "main"
    assert page.headers["HX-Reselect"] == "main"
    assert page.headers["HX-Reswap"] == "outerHTML"
    assert "upload" in here.cast.member("jun").words()
    done = here.answers(page, here.password)  # without htmx: the whole page comes
    assert done.location.startswith(f"/admin/users/{here.cast.member('jun').uid}")
    assert "upload" not in here.cast.member("jun").words()
