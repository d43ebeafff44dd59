"""認証アプリ: enrolled, used instead of the mail, given up, lost; and its codes of last resort."""

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import accounts
from models import AuditEntry, OneTimePassword, RecoveryCode, User
from tests.people import Browser, Cast, told
from tests.web.steps import (
    a_minute_passes,
    asks,
    code_in_mail,
    identifies,
    logs_in,
    logs_in_as_staff,
    pair,
    passes_code,
    types_code,
    types_password,
)

People = Callable[[str], Browser]
ACCOUNT, TOTP, RENEWAL = "/admin/account/", "/admin/account/totp", "/admin/account/recovery-codes"
REMOVAL = "/admin/account/totp/removal"
CODE = re.compile(r"<code>([2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5})</code>")
MAILED = "ワンタイムパスワードのお知らせ"


def secret_on(page: str) -> str:
    return re.search(r'id="totp-secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")


def shown_by(secret: str, steps: int = 0) -> str:
    """What the app shows, now or so many half minutes later; one that is a step early is taken as well."""
    return pyotp.TOTP(secret).at(utc_now() + timedelta(seconds=30 * steps))


def enrols(browser: Browser) -> tuple[str, list[str]]:
    """(secret, recovery codes)"""
    secret = secret_on(browser.get(TOTP).text)
    answer = browser.post(TOTP, {"code": shown_by(secret), "before": browser.field(TOTP, "before")})
    assert answer.status_code == 200
    return secret, CODE.findall(answer.text)


def arrives(cast: Cast, browser: Browser, name: str, code: str) -> TestResponse:
    """The first two steps of the login, without asking for a mail."""
    a_minute_passes()
    identifies(browser, pair(cast, name))
    return types_code(browser, code)


def has_totp(cast: Cast, name: str) -> bool:
    return User.get_by_id(cast.member(name).user_id).has_totp


# ── enrolment ──


def test_the_page_shows_one_secret_as_picture_and_as_letters(browser: People) -> None:
    taro = browser("taro")
    page = taro.get(TOTP).text
    assert re.search(r'<svg class="td-qr" viewBox="0 0 (\d+) \1"[^>]*><path d="M[^"]{500,}"/></svg>', page)
    assert re.search(r'id="totp-secret">([A-Z2-7]{4} )+[A-Z2-7]{4}<', page)
    assert secret_on(taro.get(TOTP).text) == secret_on(page)
    assert secret_on(browser("jun").get(TOTP).text) != secret_on(page)


def test_a_wrong_code_enrols_nothing_and_keeps_the_secret(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    secret = secret_on(taro.get(TOTP).text)
    for typed, words in (("", "入力してください"), ("000000", "6桁の数字が違います"), ("abc", "6桁の数字が違います")):
        answer = taro.post(TOTP, {"code": typed})
        assert answer.status_code == 422
        assert words in answer.text
        assert secret_on(answer.text) == secret
    assert not has_totp(cast, "taro")
    assert RecoveryCode.select().where(RecoveryCode.user == cast.member("taro").user).count() == 0


def test_a_right_code_enrols_and_shows_eight_recovery_codes_once(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    secret, codes = enrols(taro)
    assert has_totp(cast, "taro")
    assert len(set(codes)) == 8
    page = taro.get(ACCOUNT).text
    assert "残り8個" in page
    assert secret not in page
    assert not CODE.search(page)
    assert secret_on(taro.get(TOTP).text) != secret
    assert AuditEntry.select().where(AuditEntry.action == "totp.enrolled").count() == 1
    rows = str([row.__data__ for row in [*RecoveryCode.select(), *User.select(), *AuditEntry.select()]])
    assert not any(kept in rows for kept in (secret, *codes, *(code.replace("-", "") for code in codes)))


def test_the_other_screens_are_over_when_it_is_enrolled(browser: People) -> None:
    here, there = browser("taro"), browser("taro")
    enrols(here)
    assert here.get("/files/").status_code == 200
    assert there.get("/files/").status_code == 303


def test_another_phone_takes_the_place_of_the_first(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    first, old = enrols(taro)
    second, new = enrols(taro)
    assert first != second
    assert set(old).isdisjoint(new)
    assert arrives(cast, browser(""), "taro", shown_by(first, 1)).status_code == 422
    assert arrives(cast, browser(""), "taro", old[0]).status_code == 422
    assert arrives(cast, browser(""), "taro", shown_by(second, 1)).status_code == 303


# ── login ──


def test_the_app_takes_the_place_of_the_mail(app: Flask, browser: People, cast: Cast) -> None:
    secret, _ = enrols(browser("taro"))
    taro = browser("")
    assert arrives(cast, taro, "taro", shown_by(secret, 1)).location == "/auth/password"
    assert types_password(taro, "abcTaro01", cast.secrets("taro")["password"]).status_code == 303
    assert taro.get("/files/").status_code == 200
    assert told(app, MAILED) == set()


def test_the_apps_code_counts_once(browser: People, cast: Cast) -> None:
    secret, _ = enrols(browser("taro"))
    code = shown_by(secret, 1)
    assert arrives(cast, browser(""), "taro", code).status_code == 303
    assert arrives(cast, browser(""), "taro", code).status_code == 422


def test_whoever_asks_for_a_mail_is_told_to_use_the_app(app: Flask, browser: People, cast: Cast) -> None:
    enrols(browser("taro"))
    stranger = browser("")
    asks(stranger, pair(cast, "taro"))
    subject = "ワンタイムパスワードは認証アプリでご確認ください"
    assert told(app, "ワンタイムパスワード") == {("taro@abc-shoji.example", subject)}


def test_no_page_tells_who_uses_an_app(app: Flask, browser: People, cast: Cast) -> None:
    enrols(browser("taro"))
    pages = []
    for name in ("taro", "jun"):
        stranger, who = browser(""), pair(cast, name)
        a_minute_passes()
        seen = [asks(stranger, who), identifies(stranger, who), stranger.get("/auth/code"), types_code(stranger, "1")]
        seen += [types_code(stranger, "123456"), types_code(stranger, "ABCDE-23456")]
        pages.append([(answer.status_code, answer.location, plain(answer, who["login_id"])) for answer in seen])
    assert pages[0] == pages[1]


def plain(answer: TestResponse, login_id: str) -> str:
    return re.sub(r'value="[^"]{40,}"|"X-CSRFToken": "[^"]*"', "", answer.text.replace(login_id, ""))


def test_wrong_codes_of_the_app_are_counted(browser: People, cast: Cast) -> None:
    secret, codes = enrols(browser("taro"))
    stranger = browser("")
    identifies(stranger, pair(cast, "taro"))
    for _ in range(5):
        assert types_code(stranger, "000000").status_code == 422
    assert types_code(stranger, shown_by(secret, 1)).status_code == 422
    assert types_code(stranger, codes[0]).status_code == 422


# ── recovery codes ──


@pytest.mark.parametrize("written", [str, str.lower, lambda code: f" {code.replace('-', ' ')} "])
def test_a_recovery_code_opens_the_door_once(
    app: Flask, browser: People, cast: Cast, written: Callable[[str], str]
) -> None:
    _, codes = enrols(browser("taro"))
    taro = browser("")
    assert arrives(cast, taro, "taro", written(codes[3])).location == "/auth/password"
    types_password(taro, "abcTaro01", cast.secrets("taro")["password"])
    page = taro.get(ACCOUNT).text
    assert "残り7個" in page
    assert "回復コードでログイン" in page
    assert arrives(cast, browser(""), "taro", codes[3]).status_code == 422


def test_nobody_elses_recovery_code_helps(browser: People, cast: Cast) -> None:
    _, codes = enrols(browser("jun"))
    enrols(browser("taro"))
    assert arrives(cast, browser(""), "taro", codes[0]).status_code == 422
    assert arrives(cast, browser(""), "hanako", codes[0]).status_code == 422


def test_new_recovery_codes_void_the_old_ones(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    _, old = enrols(taro)
    new = CODE.findall(taro.post(RENEWAL, page=ACCOUNT).text)
    assert len(set(new) - set(old)) == 8
    assert arrives(cast, browser(""), "taro", old[0]).status_code == 422
    assert arrives(cast, browser(""), "taro", new[0]).status_code == 303


def test_who_runs_short_of_them_is_told(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    enrols(taro)
    mine = RecoveryCode.user == cast.member("taro").user
    kept = RecoveryCode.select().where(mine).limit(2)
    RecoveryCode.update(used_at=utc_now()).where(mine, RecoveryCode.id.not_in(kept)).execute()
    assert "回復コードの残りが少なくなりました" in taro.get(ACCOUNT).text
    RecoveryCode.update(used_at=utc_now()).execute()
    assert "使える回復コードがありません" in taro.get(ACCOUNT).text


def test_without_an_app_there_are_none(browser: People) -> None:
    answer = browser("taro").post(RENEWAL, page=ACCOUNT)
    assert answer.status_code == 422
    assert RecoveryCode.select().join(User).where(User.totp_sealed.is_null()).count() == 0


# ── given up and lost ──


def test_who_gives_it_up_gets_mails_again(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    secret, codes = enrols(taro)
    assert taro.post(REMOVAL, page=ACCOUNT).location == ACCOUNT
    assert "認証アプリをやめました" in taro.get(ACCOUNT).text
    assert not has_totp(cast, "taro")
    for code in (shown_by(secret, 1), codes[0]):
        assert arrives(cast, browser(""), "taro", code).status_code == 422
    assert logs_in(app, cast, browser(""), "taro").status_code == 303


def test_given_up_twice_it_is_told(browser: People) -> None:
    taro = browser("taro")
    enrols(taro)
    assert [taro.post(REMOVAL, page=ACCOUNT).status_code for _ in range(2)] == [303, 409]


def test_the_admin_helps_who_has_lost_phone_and_codes(app: Flask, browser: People, cast: Cast) -> None:
    jun = browser("jun")
    secret, codes = enrols(jun)
    accounts.drop_totp(cast.taro, cast.member("jun"))
    assert jun.get("/files/").status_code == 303
    for code in (shown_by(secret, 1), codes[0]):
        assert arrives(cast, browser(""), "jun", code).status_code == 422
    assert logs_in(app, cast, browser(""), "jun").status_code == 303


def test_the_funds_people_cannot_do_without(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    assert "認証アプリをやめる" not in kiku.get(ACCOUNT).text
    assert kiku.post(REMOVAL, page=ACCOUNT).status_code == 422
    assert has_totp(cast, "kiku")


def test_a_clerk_with_a_new_phone_enrols_it_and_gets_in_with_a_recovery_code(browser: People, cast: Cast) -> None:
    secret, codes = enrols(browser("kiku"))
    assert logs_in_as_staff(cast, browser(""), "kiku").status_code == 422
    assert logs_in_as_staff(cast, browser(""), "kiku", code=shown_by(secret, 1)).status_code == 303
    assert logs_in_as_staff(cast, browser(""), "kiku", code=codes[0]).status_code == 303
    assert logs_in_as_staff(cast, browser(""), "kiku", code=codes[0]).status_code == 422


def test_a_mail_that_was_on_its_way_opens_nothing_any_more(app: Flask, browser: People, cast: Cast) -> None:
    here, stranger = browser("taro"), browser("")
    asks(stranger, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    enrols(here)
    identifies(stranger, pair(cast, "taro"))
    assert types_code(stranger, code).status_code == 422
    assert OneTimePassword.select().where(OneTimePassword.counter == 0, OneTimePassword.purpose == "login").count() == 0
    with pytest.raises(AssertionError):
        passes_code(app, cast, browser(""), "taro")
