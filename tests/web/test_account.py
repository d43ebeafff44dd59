"""/admin/account: what everybody sees and changes of himself."""

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network

import pyotp
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange.permissions import WORDS
from models import AuditEntry, LoginSession, Membership, User
from tests.markup import Page
from tests.people import Browser, Cast, told
from tests.web.steps import a_minute_passes, code_in_mail, logs_in, logs_in_as_staff, passes_code, types_password

People = Callable[[str], Browser]
PAGE, PROFILE, PASSWORD = "/admin/account/", "/admin/account/profile", "/admin/account/password"
NEW = "三つの 川と 二つの 山"


def changes(browser: Browser, **other: str) -> TestResponse:
    form = {"name": "甲野　太郎", "kana": "コウノ　タロウ", "mail": "taro@abc-shoji.example"}
    return browser.post(PROFILE, {**form, **other}, page=PAGE)


def changes_password(browser: Browser, current: str, **other: str) -> TestResponse:
    return browser.post(PASSWORD, {"current": current, "password": NEW, "password_again": NEW, **other})


def user_of(name: str, cast: Cast) -> User:
    return User.get_by_id(cast.member(name).user_id)


def typed_long_ago() -> None:
    """Eleven minutes since everybody's login password."""
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()


# ── the page ──


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "kiku", "ume", "dai"])
def test_everybody_finds_himself(browser: People, cast: Cast, name: str) -> None:
    member, page = cast.member(name), browser(name).get(PAGE).text
    assert member.login_id in page
    assert member.user.name in page
    assert member.user.mail in page
    others = {row.user.mail for row in Membership.select().join(User)} - {member.user.mail}
    assert not any(mail in page for mail in others)


@pytest.mark.parametrize("name", ["taro", "hanako", "ume", "dai"])
def test_the_own_words_can_be_read_and_not_ticked(browser: People, cast: Cast, name: str) -> None:
    member, page = cast.member(name), browser(name).get(PAGE).text
    rows = dict(re.findall(r'<tr><th scope="row">([^<]+)</th><td data-label="あなた"><span[^>]*>(あり|なし)<', page))
    table = WORDS[member.kind]
    assert rows == {label: "あり" if word in member.words() else "なし" for word, (label, _) in table.items()}
    assert all(explanation in page for _, explanation in table.values())
    assert 'type="checkbox"' not in page


def test_who_works_for_several_offices_sees_which(browser: People, cast: Cast) -> None:
    hanako, taro = browser("hanako").get(PAGE).text, browser("taro").get(PAGE).text
    assert cast.xyz.contract_number in hanako
    assert "この事業所" in hanako
    assert "担当している事業所" not in taro


# ── names ──


def test_names_are_put_right_and_kept(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert changes(taro, kana="ｵﾂﾉ たろう", name="乙野  太郎").location == PAGE
    assert "登録内容を変更しました" in taro.get(PAGE).text
    user = user_of("taro", cast)
    assert (user.kana, user.name) == ("オツノ　タロウ", "乙野　太郎")
    entry = AuditEntry.get(AuditEntry.action == "user.changed")
    assert entry.details["login_id"] == "abcTaro01"


WRONG = {
    "no kana": ({"kana": ""}, "ユーザ名(カナ)を入力してください"),
    "kanji as kana": ({"kana": "甲野　太郎"}, "全角カタカナ"),
    "no name": ({"name": " "}, "ユーザ名(漢字)を入力してください"),
    "long name": ({"name": "甲" * 51}, "50文字まで"),
    "no mail": ({"mail": "taro"}, "メールアドレスの形が正しくありません"),
    "a header": ({"mail": "a@b.example\r\nBcc: c@d.example"}, "メールアドレスの形が正しくありません"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_told_and_changes_nothing(browser: People, cast: Cast, wrong: str) -> None:
    other, words = WRONG[wrong]
    before = user_of("taro", cast).__data__
    answer = changes(browser("taro"), **other)
    assert answer.status_code == 422
    assert words in answer.text
    assert "最近のログイン" in answer.text
    assert user_of("taro", cast).__data__ == before


def test_nothing_else_of_the_person_can_be_sent_along(browser: People, cast: Cast) -> None:
    before = cast.member("hanako")
    form = {"name": "丙山　花子", "kana": "ヘイヤマ　ハナコ", "mail": before.user.mail}
    more = {"kind": "office_admin", "login_id": "newId0001", "uid": cast.member("taro").uid, "password_hash": "x"}
    browser("hanako").post(PROFILE, {**form, **more, "is_initial_password": "y"}, page=PAGE)
    after = cast.member("hanako")
    assert (after.kind, after.login_id, after.user.name) == (before.kind, before.login_id, "丙山　花子")
    assert after.user.password_hash == before.user.password_hash
    assert user_of("taro", cast).name == "甲野　太郎（利用者A）"


def test_the_funds_people_need_no_kana(browser: People, cast: Cast) -> None:
    form = {"name": "基金　菊", "kana": "", "mail": "kiku@fund.example"}
    assert browser("kiku").post(PROFILE, form, page=PAGE).status_code == 303
    assert user_of("kiku", cast).name == "基金　菊"


# ── the address ──


def test_a_changed_address_waits_for_its_code_and_the_old_one_is_told(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert changes(taro, mail="new@abc-shoji.example").status_code == 303
    user = user_of("taro", cast)
    assert (user.mail, user.pending_mail) == ("taro@abc-shoji.example", "new@abc-shoji.example")
    page = taro.get(PAGE).text
    assert "ne**@abc-shoji.example" in page
    assert 'href="/auth/mail"' in page
    assert "taro@abc-shoji.example" in {to for to, _ in told(app, "メールアドレスの変更")}
    code = code_in_mail(app, "new@abc-shoji.example", "メールアドレスの確認")
    assert taro.post("/auth/mail", {"code": code}).status_code == 303
    user = user_of("taro", cast)
    assert (user.mail, user.pending_mail) == ("new@abc-shoji.example", None)
    assert "ne**@" not in taro.get(PAGE).text


def test_a_clerk_of_the_fund_confirms_his_address_as_well(app: Flask, browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    kiku.post(PROFILE, {"name": "基金　菊", "kana": "", "mail": "new@fund.example"}, page=PAGE)
    code = code_in_mail(app, "new@fund.example", "メールアドレスの確認")
    assert kiku.get("/auth/mail").status_code == 200
    assert kiku.post("/auth/mail", {"code": code}).status_code == 303
    assert user_of("kiku", cast).mail == "new@fund.example"


def test_another_change_meanwhile_lets_the_new_address_wait_on(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    changes(taro, mail="new@abc-shoji.example")
    shown = re.search(r'<input[^>]*name="mail"[^>]*value="([^"]*)"', taro.get(PAGE).text)[1]
    changes(taro, name="乙野　太郎", mail=shown)
    assert user_of("taro", cast).pending_mail == "new@abc-shoji.example"
    changes(taro, name="乙野　太郎")
    assert user_of("taro", cast).pending_mail is None


def test_nothing_changed_is_told_as_well(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert changes(taro, name="甲野　太郎（利用者A）").status_code == 303
    assert "変更はありませんでした" in taro.get(PAGE).text
    assert AuditEntry.select().where(AuditEntry.action == "user.changed").count() == 0


def test_the_fund_confirms_from_its_own_network(app: Flask, browser: People, cast: Cast) -> None:
    app.config["VPN_NETWORKS"] = [ip_network("10.8.0.0/16")]
    kiku, taro = browser("kiku"), browser("taro")
    for name in ("kiku", "taro"):
        User.update(pending_mail="new@fund.example").where(User.id == cast.member(name).user_id).execute()
    assert kiku.get("/auth/mail").status_code == 200
    assert taro.get("/auth/mail").status_code == 403


# ── the password typed again ──


def test_an_act_long_after_the_password_asks_for_it_and_then_does_what_was_typed(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    taro.get(PAGE)
    typed_long_ago()
    answer = changes(taro, name="乙野　太郎")
    assert "ログインパスワードの確認" in answer.text
    assert user_of("taro", cast).name == "甲野　太郎（利用者A）"
    carried = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))
    assert carried["name"] == "乙野　太郎"
    action = re.search(r'<form class="td-form" method="post" action="([^"]+)"', answer.text)[1]
    refused = taro.client.post(action, data={**carried, "confirm_password": "not the one"})
    assert refused.status_code == 422
    assert user_of("taro", cast).name == "甲野　太郎（利用者A）"
    done = taro.client.post(action, data={**carried, "confirm_password": cast.secrets("taro")["password"]})
    assert done.status_code == 303
    assert user_of("taro", cast).name == "乙野　太郎"


@pytest.mark.parametrize("url", [PROFILE, "/admin/account/totp/removal", "/admin/account/recovery-codes"])
def test_every_such_act_asks(browser: People, url: str) -> None:
    taro = browser("taro")
    taro.get(PAGE)
    typed_long_ago()
    assert "ログインパスワードの確認" in taro.post(url, page=PAGE).text


# ── the password ──


def test_a_new_password_ends_the_other_screens_and_not_this_one(app: Flask, browser: People, cast: Cast) -> None:
    here, there, old = browser("taro"), browser("taro"), cast.secrets("taro")["password"]
    before = here.client.get_cookie("todoke")
    assert changes_password(here, old).location == PAGE
    assert here.client.get_cookie("todoke") != before
    assert "ほかに開いていたログイン中の画面は、すべて終了しました" in here.get(PAGE).text
    assert there.get("/files/").location == "/auth/ended?why=password"
    assert AuditEntry.select().where(AuditEntry.action == "password.changed").count() == 1
    again = browser("")
    passes_code(app, cast, again, "taro")
    assert types_password(again, "abcTaro01", old).status_code == 422
    assert types_password(again, "abcTaro01", NEW).status_code == 303


WRONG_PASSWORDS = {
    "typed differently": ({"password_again": "another one"}, "入力が違います"),
    "too short": ({"password": "短い合言葉", "password_again": "短い合言葉"}, "12文字以上"),
    "own id": ({"password": "abcTaro01-and-more", "password_again": "abcTaro01-and-more"}, "ユーザーID・氏名"),
    "empty": ({"password": "", "password_again": ""}, "新しいログインパスワードを入力してください"),
    "current forgotten": ({"current": ""}, "今のログインパスワードを入力してください"),
    "current wrong": ({"current": "not the one"}, "今のログインパスワード"),
}


@pytest.mark.parametrize("wrong", WRONG_PASSWORDS)
def test_a_password_that_does_not_fit_is_told_and_not_shown(browser: People, cast: Cast, wrong: str) -> None:
    other, words = WRONG_PASSWORDS[wrong]
    before = user_of("taro", cast).password_hash
    taro = browser("taro")
    answer = changes_password(taro, **{"current": cast.secrets("taro")["password"], **other})
    assert answer.status_code == 422
    assert words in answer.text
    assert NEW not in answer.text
    assert user_of("taro", cast).password_hash == before
    assert taro.get(PAGE).status_code == 200


def test_guessing_the_current_password_is_stopped(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    statuses = [changes_password(taro, "not the one").status_code for _ in range(6)]
    assert statuses[0] == 422
    assert statuses[-1] in (303, 429)
    assert changes_password(taro, cast.secrets("taro")["password"]).status_code != 200
    assert user_of("taro", cast).is_initial_password is False


def test_a_clerk_changes_his_password_too(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    assert changes_password(kiku, cast.secrets("kiku")["password"]).location == PAGE
    assert logs_in_as_staff(cast, browser(""), "kiku").status_code == 422


# ── the markup of pages that only a form leads to ──


def test_every_answer_keeps_the_rules_of_the_markup(app: Flask, browser: People, cast: Cast) -> None:
    taro, adapter = browser("taro"), app.url_map.bind("127.0.0.1")
    answers = [changes(taro, mail="no mail"), changes_password(taro, "not the one")]
    answers.append(taro.post("/admin/account/totp", {"code": "000000"}))
    secret = re.search(r'id="totp-secret">([A-Z2-7 ]+)<', answers[-1].text)[1].replace(" ", "")
    answers.append(taro.post("/admin/account/totp", {"code": pyotp.TOTP(secret).at(utc_now())}))
    answers.append(taro.post("/admin/account/recovery-codes", page=PAGE))
    changes(taro, mail="new@abc-shoji.example")
    answers += [taro.get(PAGE), taro.get("/auth/mail")]
    typed_long_ago()
    answers += [changes(taro), taro.post(PROFILE, {"confirm_password": "not the one"}, page=PAGE)]
    assert [answer.status_code for answer in answers] == [422, 422, 422, 200, 200, 200, 200, 200, 422]
    assert [Page(answer.text).faults(adapter) for answer in answers] == [[]] * 9


# ── the last logins ──


def lines(page: str) -> list[tuple[str, str]]:
    """(result, device and address) of the table, newest first."""
    cells = r'data-label="結果"><span[^>]*>([^<]+)<.*?data-label="端末・接続元">([^<]*)<'
    return re.findall(cells, page, re.DOTALL)


def test_the_last_logins_tell_what_went_right_and_wrong(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    types_password(taro, "abcTaro01", "not the one")
    types_password(taro, "abcTaro01", cast.secrets("taro")["password"])
    page = taro.get(PAGE).text
    assert lines(page)[:2] == [("ログイン", "127.0.0.1"), ("パスワード誤り", "127.0.0.1")]
    assert "すぐにログインパスワードを変更し" in page


def test_nobody_sees_the_logins_of_another(app: Flask, browser: People, cast: Cast) -> None:
    logs_in(app, cast, browser(""), "taro")
    assert lines(browser("jun").get(PAGE).text) == []
    assert "まだ記録がありません" in browser("jun").get(PAGE).text


def test_only_the_last_ten_are_shown(app: Flask, browser: People, cast: Cast) -> None:
    for _ in range(11):
        a_minute_passes()
        logs_in_as_staff(cast, browser(""), "kiku", password="not the one")
    assert lines(browser("kiku").get(PAGE).text) == [("入力の誤り", "127.0.0.1")] * 10
