"""The first login of one of the fund's people: the authenticator, names and password, and nothing else before."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import accounts, people
from models import Membership, User
from tests.people import Browser, Cast
from tests.stage import about_nothing
from tests.web.test_totp import CODE, secret_on, shown_by

People = Callable[[str], Browser]
LOGIN_ID, MAIL, OWN = "kikinNew1", "shin@fund.example", "三つの 川と 二つの 山"
LOGIN, USER, TOTP = "/admin/login", "/admin/user/registration", "/admin/account/totp"


@pytest.fixture
def initial(cast: Cast) -> str:
    """The initial password of a clerk whom 基金 菊 has just added."""
    return people.add_staff(cast.kiku, "fund", LOGIN_ID, "基金　新", MAIL, ["receive"]).password


def logs_in(browser: Browser, password: str, code: str = "") -> TestResponse:
    return browser.post(LOGIN, {"login_id": LOGIN_ID, "password": password, "code": code})


def enrols(browser: Browser) -> tuple[str, list[str]]:
    """(secret, recovery codes)"""
    secret = secret_on(browser.get(TOTP).text)
    return secret, CODE.findall(browser.post(TOTP, {"code": shown_by(secret)}).text)


def registers(browser: Browser, **other: str) -> TestResponse:
    form = {"name": "基金　新", "kana": "", "mail": MAIL, "password": OWN, "password_again": OWN}
    return browser.post(USER, {**form, **other})


def clerk() -> Membership:
    return Membership.get(Membership.login_id == LOGIN_ID)


def open_pages(app: Flask, browser: Browser) -> set[str]:
    """The endpoints outside the entrances that a GET does get a page of."""
    entrances = ("onetime.", "auth.", "demo.", "admin.login", "home.healthz", "static")
    entrances += ("help.", "registration.", "download.", "activate.")
    inside = [rule for rule in app.url_map.iter_rules() if not rule.endpoint.startswith(entrances)]
    return {
        rule.endpoint
        for rule in inside
        if "GET" in rule.methods and browser.get(about_nothing(app, rule)).status_code == 200
    }


def test_all_of_the_first_day(app: Flask, browser: People, initial: str) -> None:
    shin = browser("")
    assert "はじめてのログインでは空欄のまま" in shin.get(LOGIN).text
    assert logs_in(shin, initial).status_code == 303
    assert open_pages(app, shin) == {"account.totp"}
    assert shin.get("/", follow_redirects=True).request.path == TOTP
    secret = secret_on(shin.get(TOTP).text)
    answer = shin.post(TOTP, {"code": shown_by(secret)})
    codes = CODE.findall(answer.text)
    assert len(set(codes)) == 8
    assert re.search(r'href="/">控えたので次へ<', answer.text)
    assert open_pages(app, shin) == {"account.registration"}
    page = shin.get("/", follow_redirects=True)
    assert page.request.path == USER
    assert "契約番号" not in page.text
    assert registers(shin).location == "/"
    assert shin.get("/admin/inbox/").status_code == 200
    again = browser("")
    assert logs_in(again, OWN, shown_by(secret, 1)).status_code == 303
    assert again.get("/admin/inbox/").status_code == 200
    assert logs_in(browser(""), OWN, codes[0]).status_code == 303


def test_no_post_gets_past_the_gate_either(browser: People, initial: str) -> None:
    shin = browser("")
    logs_in(shin, initial)
    urls = ("/admin/account/profile", "/admin/account/password", "/admin/account/recovery-codes")
    token = shin.csrf(TOTP)
    for url in (*urls, USER):
        assert shin.client.post(url, data={"csrf_token": token}).location == TOTP
    enrols(shin)
    token = shin.csrf(USER)
    for url in (*urls, TOTP):
        assert shin.client.post(url, data={"csrf_token": token}).location == USER


def test_who_stops_half_way_goes_on_where_he_stopped(browser: People, initial: str) -> None:
    logs_in(browser(""), initial)
    shin = browser("")
    logs_in(shin, initial)
    assert shin.get("/", follow_redirects=True).request.path == TOTP
    secret, _ = enrols(shin)
    later = browser("")
    assert logs_in(later, initial).status_code == 422
    assert logs_in(later, initial, shown_by(secret, 1)).status_code == 303
    assert later.get("/", follow_redirects=True).request.path == USER


def test_an_empty_code_helps_only_before_there_is_an_authenticator(browser: People, cast: Cast, initial: str) -> None:
    shin = browser("")
    logs_in(shin, initial)
    enrols(shin)
    registers(shin)
    assert logs_in(browser(""), OWN).status_code == 422
    assert logs_in(browser(""), initial).status_code == 422
    form = {"login_id": "kikinKiku", "password": cast.secrets("kiku")["password"], "code": ""}
    assert browser("").post(LOGIN, form).status_code == 422


WRONG = {
    "short password": ({"password": "短い合言葉", "password_again": "短い合言葉"}, "12文字以上"),
    "typed differently": ({"password_again": "another one"}, "入力が違います"),
    "own id": ({"password": f"{LOGIN_ID}-and-more", "password_again": f"{LOGIN_ID}-and-more"}, "ユーザーID・氏名"),
    "kanji as kana": ({"kana": "基金"}, "全角カタカナ"),
    "no mail": ({"mail": "shin"}, "メールアドレスの形が正しくありません"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_told(browser: People, initial: str, wrong: str) -> None:
    other, words = WRONG[wrong]
    shin = browser("")
    logs_in(shin, initial)
    enrols(shin)
    answer = registers(shin, **other)
    assert answer.status_code == 422
    assert words in answer.text
    assert OWN not in answer.text
    assert clerk().user.is_initial_password


def test_the_initial_password_lapses_after_thirty_days(browser: People, initial: str) -> None:
    long_ago = utc_now() - timedelta(days=31)
    User.update(password_set_at=long_ago).where(User.id == clerk().user_id).execute()
    answer = logs_in(browser(""), initial)
    assert answer.status_code == 422
    assert "30日" in answer.text


def test_a_lost_phone_means_a_new_initial_password_and_the_first_login_again(
    app: Flask, browser: People, cast: Cast, initial: str
) -> None:
    shin = browser("")
    logs_in(shin, initial)
    secret, codes = enrols(shin)
    registers(shin)
    second = accounts.reset_password(cast.kiku, clerk(), accounts.seen(clerk()))
    assert shin.get("/admin/inbox/").status_code == 303
    for password, code in ((OWN, shown_by(secret, 1)), (OWN, codes[0]), (OWN, ""), (initial, "")):
        assert logs_in(browser(""), password, code).status_code == 422
    later = browser("")
    assert logs_in(later, second).status_code == 303
    assert open_pages(app, later) == {"account.totp"}
