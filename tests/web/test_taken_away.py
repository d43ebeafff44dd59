"""What is taken away is gone with the very next request: a permission, a password, a place."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from exchange.permissions import FUND_WORDS, OFFICE_WORDS
from models import AuditEntry, LoginSession, Transfer
from tests.people import Browser, Cast, aes_zip, filing, inspect, state, statement, told, uploads
from tests.web.steps import (
    a_minute_passes,
    asks,
    code_in_mail,
    identifies,
    logs_in,
    logs_in_as_staff,
    pair,
    passes_code,
    totp,
    types_code,
    types_password,
)

People = Callable[[str], Browser]


def decides(manager: Browser, cast: Cast, name: str, word: str, is_held: bool) -> None:
    page = f"/admin/users/{cast.member(name).uid}"
    answer = manager.post(f"{page}/permissions/{word}", {"granted": "y"} if is_held else {}, page=page)
    assert answer.status_code == 303


def acts(manager: Browser, cast: Cast, name: str, act: str) -> TestResponse:
    """Press the button of that act on the person's page, with all that its form carries."""
    page = f"/admin/users/{cast.member(name).uid}"
    html = manager.get(page).text
    form = re.search(rf'<form[^>]*action="{page}/{act}".*?</form>', html, re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0])) if form else {}
    return manager.post(f"{page}/{act}", fields, page="/admin/account/")


# ── permissions ──


@dataclass(frozen=True)
class Tried:
    """Something that Jun tries: how it is answered when he may, and the state it leads to."""

    send: Callable[[Browser], TestResponse]
    document: Transfer | None
    status: int
    after: str


def move(act: str, document: Transfer, status: int, after: str) -> Tried:
    url = f"/files/{document.uid}/{act}"
    return Tried(lambda jun: jun.post(url, page="/admin/account/"), document, status, after)


def sends_a_file(cast: Cast) -> Callable[[Browser], TestResponse]:
    def send(jun: Browser) -> TestResponse:
        file = (io.BytesIO(aes_zip(cast.archive_password)), "届書.zip")
        form = {"kind": "acquisition", "token": "0" * 32, "file": file}
        return jun.post("/files/upload", form, page="/admin/account/", content_type="multipart/form-data")

    return send


TRIES: dict[str, Callable[[Cast], Tried]] = {
    "upload": lambda cast: Tried(sends_a_file(cast), None, 303, ""),
    "cancel": lambda cast: move("cancellation", filing(cast, by="jun"), 303, "cancelled"),
    "approve": lambda cast: move("approval", filing(cast), 303, "approved"),
    "deliver": lambda cast: move("delivery", filing(cast, "approved"), 303, "delivered"),
    "request_pickup": lambda cast: move("pickup", statement(cast, "delivered"), 303, "requested"),
    "download": lambda cast: move("download", filing(cast), 200, "uploaded"),
}


@pytest.mark.parametrize("word", TRIES)
def test_a_word_taken_away_is_refused_at_the_very_next_request_and_given_back_it_works(
    browser: People, cast: Cast, word: str
) -> None:
    tried, taro, jun = TRIES[word](cast), browser("taro"), browser("jun")
    before = tried.document and state(tried.document)
    assert jun.get("/files/").status_code == 200
    decides(taro, cast, "jun", word, is_held=False)
    count = Transfer.select().count()
    refused = tried.send(jun)
    assert refused.status_code == 403
    assert "の権限がない" in refused.text
    assert (tried.document and state(tried.document), Transfer.select().count()) == (before, count)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.details, entry.membership) == (
        *("permission.refused", {"word": word}),
        cast.member("jun"),
    )
    decides(taro, cast, "jun", word, is_held=True)
    answer = tried.send(jun)
    assert answer.status_code == tried.status
    assert tried.document is None or state(tried.document) == tried.after


def test_every_word_of_an_office_is_tried(cast: Cast) -> None:
    assert {*TRIES, "mail_notice"} == set(OFFICE_WORDS)


def test_without_the_notice_the_next_mail_goes_to_the_others_only(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    for is_held in (False, True):
        decides(taro, cast, "jun", "mail_notice", is_held)
        before = told(app, "承認待ち")
        inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
        wanted = {to for to, _ in told(app, "承認待ち")}
        assert "taro@abc-shoji.example" in wanted
        assert ("jun@abc-shoji.example" in wanted) == is_held, before


def test_the_buttons_go_with_the_words(browser: People, cast: Cast) -> None:
    transfer, taro, jun = filing(cast), browser("taro"), browser("jun")
    approval = f'action="/files/{transfer.uid}/approval"'
    assert approval in jun.get(f"/files/{transfer.uid}").text
    decides(taro, cast, "jun", "approve", is_held=False)
    page = jun.get(f"/files/{transfer.uid}")
    assert (page.status_code, approval in page.text) == (200, False)


CLERKS = {
    **{"receive": "/admin/inbox/", "audit": "/admin/audit/"},
    **{"settings": "/admin/settings/", "staff": "/admin/users/"},
}


@pytest.mark.parametrize(("word", "page"), CLERKS.items())
def test_a_clerks_word_is_gone_as_quickly(browser: People, cast: Cast, word: str, page: str) -> None:
    kiku, ume = browser("kiku"), browser("ume")
    assert word in FUND_WORDS
    for is_held in (True, False, True):
        decides(kiku, cast, "ume", word, is_held)
        assert ume.get(page).status_code == (200 if is_held else 403)


# ── a place, and a password ──


@dataclass
class Open:
    """All that somebody may have in hand of Jun's when he is shut out."""

    inside: Browser
    at_the_password: Browser
    with_a_code: Browser
    code: str
    token: str


@pytest.fixture
def doors(app: Flask, browser: People, cast: Cast) -> Open:
    at_the_password, with_a_code, inside = browser(""), browser(""), browser("jun")
    passes_code(app, cast, at_the_password, "jun")
    a_minute_passes()
    asks(with_a_code, pair(cast, "jun"))
    identifies(with_a_code, pair(cast, "jun"))
    code = code_in_mail(app, "jun@abc-shoji.example")
    assert inside.get("/files/").status_code == 200
    return Open(inside, at_the_password, with_a_code, code, inside.csrf("/files/"))


SHUT = {"password": (200, "password"), "suspension": (303, "ended"), "ending": (303, "ended")}


@pytest.mark.parametrize("act", SHUT)
def test_the_old_cookie_is_led_out_at_the_very_next_request(browser: People, cast: Cast, doors: Open, act: str) -> None:
    status, why = SHUT[act]
    transfer = filing(cast)
    assert acts(browser("taro"), cast, "jun", act).status_code == status
    ended = f"/auth/ended?why={why}"
    sent = doors.inside.client.post(f"/files/{transfer.uid}/approval", data={"csrf_token": doors.token})
    assert (sent.status_code, sent.location) == (303, ended)
    assert state(transfer) == "uploaded"
    assert "操作は行われていません" in doors.inside.get(ended).text
    for url in ("/files/", f"/files/{transfer.uid}", "/admin/account/", "/auth/mail"):
        assert doors.inside.get(url).location == ended
    polled = doors.inside.get(f"/files/{transfer.uid}/inspection", headers={"HX-Request": "true"})
    assert polled.headers["HX-Redirect"] == ended
    assert doors.inside.get("/").location == ended
    assert doors.inside.get("/").status_code == 200  # said once more there, then it is a stranger's browser


@pytest.mark.parametrize("act", SHUT)
def test_a_code_and_a_password_in_hand_open_nothing(browser: People, cast: Cast, doors: Open, act: str) -> None:
    password = cast.secrets("jun")["password"]
    acts(browser("taro"), cast, "jun", act)
    assert types_code(doors.with_a_code, doors.code).status_code == 422
    late = doors.at_the_password.post("/auth/password", {"login_id": "abcJun001", "password": password}, page="/auth/")
    assert late.location == "/auth/"
    for browser_of_his in (doors.at_the_password, doors.with_a_code):
        assert browser_of_his.get("/files/").location in ("/auth/", "/auth/ended?why=ended", "/auth/ended?why=password")
    live = LoginSession.select().where(LoginSession.ended_at.is_null(), LoginSession.membership == cast.member("jun"))
    assert live.count() == 0


def test_after_a_reset_only_the_new_password_opens_and_only_the_first_page(
    app: Flask, browser: People, cast: Cast, doors: Open
) -> None:
    answer = acts(browser("taro"), cast, "jun", "password")
    old, shown = cast.secrets("jun")["password"], re.findall(r"<code[^>]*>([^<]{8,})</code>", answer.text)
    a_minute_passes()
    jun = browser("")
    passes_code(app, cast, jun, "jun")
    assert types_password(jun, "abcJun001", old).status_code == 422
    opened = [password for password in shown if types_password(jun, "abcJun001", password).location == "/"]
    assert len(opened) == 1
    assert jun.get("/files/").location == "/admin/user/registration"


@pytest.mark.parametrize("act", ["suspension", "ending"])
def test_whoever_is_stopped_is_mailed_no_code_and_told_nothing(
    app: Flask, browser: People, cast: Cast, doors: Open, act: str
) -> None:
    acts(browser("taro"), cast, "jun", act)
    a_minute_passes()
    told(app)
    before, jun = AuditEntry.select().count(), browser("")
    assert asks(jun, pair_of_jun(cast)).location == "/onetime/receipt"
    told(app)
    requested = AuditEntry.select().where(AuditEntry.number > before)
    assert [(entry.action, entry.details["is_sent"]) for entry in requested] == [("code.requested", False)]
    identifies(jun, pair_of_jun(cast))
    assert types_code(jun, doors.code).status_code == 422


def pair_of_jun(cast: Cast) -> dict[str, str]:
    return {"contract_number": cast.abc.contract_number, "login_id": "abcJun001"}


def test_resumed_he_logs_in_anew_and_nothing_old_comes_back(
    app: Flask, browser: People, cast: Cast, doors: Open
) -> None:
    taro = browser("taro")
    acts(taro, cast, "jun", "suspension")
    assert acts(taro, cast, "jun", "resumption").status_code == 303
    assert doors.inside.get("/files/").location == "/auth/ended?why=ended"
    assert types_code(doors.with_a_code, doors.code).status_code == 422
    assert doors.at_the_password.get("/auth/password").location == "/auth/"
    a_minute_passes()
    jun = browser("")
    assert logs_in(app, cast, jun, "jun").location == "/"
    assert jun.get("/files/upload").status_code == 200


def test_the_fund_helps_an_admin_who_is_locked_out(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert taro.get("/files/").status_code == 200
    assert acts(browser("kiku"), cast, "taro", "password").status_code == 200
    assert taro.get("/files/").location == "/auth/ended?why=password"
    again = browser("")
    passes_code(app, cast, again, "taro")
    assert types_password(again, "abcTaro01", cast.secrets("taro")["password"]).status_code == 422


# ── the fund's people ──


@pytest.mark.parametrize("act", SHUT)
def test_a_clerks_cookie_password_and_authenticator_are_dead(browser: People, cast: Cast, act: str) -> None:
    ume, (status, why) = browser("ume"), SHUT[act]
    assert ume.get("/admin/inbox/").status_code == 200
    code = totp(cast, "ume")
    assert acts(browser("kiku"), cast, "ume", act).status_code == status
    assert ume.get("/admin/inbox/").location == f"/auth/ended?why={why}"
    form = {"login_id": "kikinUme1", "password": cast.secrets("ume")["password"]}
    for typed in (code, ""):
        assert browser("").post("/admin/login", {**form, "code": typed}).status_code == 422


def test_a_reset_clerk_begins_again_at_the_authenticator(browser: People, cast: Cast) -> None:
    answer = acts(browser("kiku"), cast, "ume", "password")
    shown = re.findall(r"<code[^>]*>([^<]{8,})</code>", answer.text)
    form = {"login_id": "kikinUme1", "code": ""}
    opened = []
    for password in shown:
        later = browser("")
        if later.post("/admin/login", {**form, "password": password}).status_code == 303:
            opened.append(later)
    assert len(opened) == 1
    assert opened[0].get("/admin/inbox/").location in ("/admin/account/totp", "/admin/user/registration")


def test_nobody_else_is_shut_out_by_that(app: Flask, browser: People, cast: Cast, doors: Open) -> None:
    others = {name: browser(name) for name in ("taro", "hanako", "kiku", "dai")}
    acts(others["taro"], cast, "jun", "ending")
    for name, person in others.items():
        assert person.get("/admin/account/").status_code == 200, name
    assert logs_in_as_staff(cast, browser(""), "ume").status_code == 303
