"""What pages say so that nobody does the wrong thing: whom an act is about, what changed meanwhile, what comes next."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from werkzeug.test import TestResponse

from database import utc_now
from exchange import accounts, people
from models import Membership, User
from tests.people import LOGIN_IDS, Browser, Cast
from tests.web.test_confirming import STALE, action, hidden, typed
from tests.web.test_totp import ACCOUNT, CODE, TOTP, arrives, has_totp, secret_on, shown_by

People = Callable[[str], Browser]
INDEX = "/admin/users/"
NEW = "new@abc-shoji.example"
QUESTION = "ログインパスワードの確認"


def page_of(cast: Cast, name: str) -> str:
    return f"{INDEX}{cast.member(name).uid}"


def main(answer: TestResponse) -> str:
    """What is on the page between its head and its foot, as it is read; without what only a script shows."""
    inner = answer.text.partition("<main")[2].partition("</main>")[0]
    inner = re.sub(r'<div id="td-trouble"[^>]* hidden>.*?</div>\s*</div>', "", inner, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", inner)))


def question(person: Browser, url: str, form: dict[str, str], page: str) -> list[tuple[str, str]]:
    """What the question says of the act for which the password is asked."""
    typed(STALE)
    answer = person.post(url, form, page=page)
    assert (answer.status_code, QUESTION in answer.text) == (200, True)
    facts = answer.text.partition('<dl class="td-facts">')[2].partition("</dl>")[0]
    return [(unescape(term), unescape(told)) for term, told in re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", facts)]


def profile(cast: Cast, who: str, **other: str) -> dict[str, str]:
    user = cast.member(who).user
    return {"name": user.name, "kana": user.kana, "mail": user.mail, **other}


# ── the question names what is going to be done ──


def test_the_question_about_an_address_names_the_person_and_the_new_one(browser: People, cast: Cast) -> None:
    page, user = page_of(cast, "jun"), cast.member("jun").user
    told = question(browser("taro"), f"{page}/profile", profile(cast, "jun", mail=NEW), page)
    assert told[:2] == [("操作", "氏名・メールアドレスの変更"), ("対象の方", f"{user.name}（{LOGIN_IDS['jun']}）")]
    assert ("メールアドレス", NEW) in told


def test_the_question_about_the_own_address_names_it(browser: People, cast: Cast) -> None:
    told = question(browser("jun"), f"{ACCOUNT}profile", profile(cast, "jun", mail=NEW), ACCOUNT)
    assert told[0] == ("操作", "ご自身の氏名・メールアドレスの変更")
    assert ("メールアドレス", NEW) in told


@pytest.mark.parametrize(("form", "words"), [({"granted": "y"}, "「承認」を付与する"), ({}, "「承認」を外す")])
def test_the_question_about_a_box_names_the_word_and_which_way(
    browser: People, cast: Cast, form: dict[str, str], words: str
) -> None:
    page = page_of(cast, "hanako")
    told = question(browser("taro"), f"{page}/permissions/approve", form, page)
    assert told[0] == ("操作", "権限の変更")
    assert LOGIN_IDS["hanako"] in dict(told)["対象の方"]
    assert dict(told)["権限"] == words


@pytest.mark.parametrize(
    ("act", "form", "words"),
    [
        ("suspension", {}, "利用停止"),
        ("ending", {}, "利用の終了"),
        ("unlocking", {}, "ログイン停止の解除"),
        ("password", {"seen": "0"}, "初期パスワードの再発行"),
        ("totp-removal", {}, "認証アプリの解除"),
        ("limit", {"ends_on": "2099/03/31", "before": ""}, "利用期限の変更"),
    ],
)
def test_the_question_about_an_act_names_the_act_and_the_person(
    browser: People, cast: Cast, act: str, form: dict[str, str], words: str
) -> None:
    page = page_of(cast, "jun")
    told = dict(question(browser("taro"), f"{page}/{act}", form, page))
    assert (told["操作"], LOGIN_IDS["jun"] in told["対象の方"]) == (words, True)
    assert told.get("利用期限") == form.get("ends_on")


def test_the_question_about_a_new_person_names_who_comes(browser: People) -> None:
    form = {"kind": "staff", "login_id": "abcSora01", "name": "庚野　空", "kana": "カノエノ　ソラ", "mail": NEW}
    told = question(browser("taro"), f"{INDEX}new", {**form, "preset": "all"}, f"{INDEX}new")
    assert told[0] == ("操作", "追加")
    assert {("氏名", "庚野　空"), ("メールアドレス", NEW), ("ユーザーID", "abcSora01")} <= set(told)


def test_the_question_never_names_whoever_has_not_agreed_yet(browser: People, cast: Cast) -> None:
    user = User.create(name="岡田　光", mail="hikaru@sr-office.example", is_initial_password=False)
    Membership.create(user=user, office=cast.xyz, kind="consultant", login_id="srHikaru1", ready_at=utc_now())
    asked = people.link(cast.taro, cast.xyz.contract_number, "srHikaru1", "srHikaru2", ())
    page = f"{INDEX}{asked.uid}"
    told = dict(question(browser("taro"), f"{page}/ending", {}, page))
    assert (told["対象の方"], user.name in str(told)) == ("srHikaru2", False)


# ── the authenticator ──


def test_reloading_the_recovery_codes_leads_to_the_account_which_says_what_to_do(browser: People) -> None:
    taro = browser("taro")
    form = {"code": shown_by(secret_on(taro.get(TOTP).text)), "before": taro.field(TOTP, "before")}
    token = taro.csrf(TOTP)
    first, again = (taro.client.post(TOTP, data={"csrf_token": token, **form}) for _ in range(2))
    assert (first.status_code, len(CODE.findall(first.text))) == (200, 8)
    assert (again.status_code, again.location) == (303, f"{ACCOUNT}#totp")
    page = taro.get(ACCOUNT)
    assert "回復コードを控えていないときは、「回復コードを作り直す」" in main(page)
    assert "残り8個" in main(page)


def test_a_reload_does_not_take_the_codes_away(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    form = {"code": shown_by(secret_on(taro.get(TOTP).text)), "before": taro.field(TOTP, "before")}
    token = taro.csrf(TOTP)
    codes = CODE.findall(taro.client.post(TOTP, data={"csrf_token": token, **form}).text)
    taro.client.post(TOTP, data={"csrf_token": token, **form})
    assert arrives(cast, browser(""), "taro", codes[0]).location == "/auth/password"


def test_the_page_with_the_secret_opens_only_behind_the_password(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert taro.get(TOTP).status_code == 200
    token = taro.csrf(ACCOUNT)
    typed(STALE)
    turned_away = taro.get(TOTP)
    assert (turned_away.status_code, turned_away.location) == (303, f"{ACCOUNT}#totp")
    asked = taro.client.post(f"{TOTP}/opening", data={"csrf_token": token})
    assert QUESTION in asked.text
    answer = {**dict(hidden(asked.text)), "confirm_password": cast.secrets("taro")["password"]}
    opened = taro.client.post(action(asked.text), data=answer)
    assert (opened.status_code, opened.location) == (303, TOTP)
    assert secret_on(taro.get(TOTP).text)


def test_the_account_page_leads_there_by_a_button_that_asks(browser: People) -> None:
    taro = browser("taro")
    assert f'action="{TOTP}/opening"' in taro.get(ACCOUNT).text
    assert f'href="{TOTP}"' not in taro.get(ACCOUNT).text


def test_another_password_is_another_secret(browser: People, cast: Cast) -> None:
    """Whoever has seen the one that was offered before enrols nothing after it."""
    taro = browser("taro")
    old, new = secret_on(taro.get(TOTP).text), "amber-violin-7-harbour"
    form = {"current": cast.secrets("taro")["password"], "password": new, "password_again": new}
    assert taro.post(f"{ACCOUNT}password", form).status_code == 303
    assert secret_on(taro.get(TOTP).text) != old
    before = taro.field(TOTP, "before")
    assert taro.post(TOTP, {"code": shown_by(old), "before": before}).status_code == 422
    assert not has_totp(cast, "taro")


# ── a page that has been overtaken ──


def test_an_overtaken_page_about_another_person_overwrites_nothing(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    before, jun = taro.field(page, "before"), cast.member("jun").user
    accounts.change_profile(cast.jun, cast.member("jun"), "乙川　淳", jun.kana, "own@abc-shoji.example")
    form = {"name": jun.name, "kana": jun.kana, "mail": NEW, "before": before}
    for _ in range(2):
        answer = taro.post(f"{page}/profile", form, page=page)
        assert answer.status_code == 409
        assert "別の画面ですでに変更されています" in main(answer)
        assert NEW in answer.text
    jun = cast.member("jun").user
    assert (jun.name, jun.mail, jun.pending_mail) == ("乙川　淳", jun.mail, "own@abc-shoji.example")


def test_an_overtaken_page_about_oneself_overwrites_nothing(browser: People, cast: Cast) -> None:
    jun, user = browser("jun"), cast.member("jun").user
    before = jun.field(ACCOUNT, "before")
    accounts.change_profile(cast.taro, cast.member("jun"), "乙川　淳", user.kana, user.mail)
    answer = jun.post(
        f"{ACCOUNT}profile", {**profile(cast, "jun", name="乙川　純", mail=NEW), "before": before}, ACCOUNT
    )
    assert answer.status_code == 409
    assert "別の画面ですでに変更されています" in main(answer)
    user = cast.member("jun").user
    assert (user.name, user.pending_mail) == ("乙川　淳", None)


def test_a_page_opened_anew_goes_through(browser: People, cast: Cast) -> None:
    taro, page, jun = browser("taro"), page_of(cast, "jun"), cast.member("jun").user
    accounts.change_profile(cast.jun, cast.member("jun"), "乙川　淳", jun.kana, jun.mail)
    form = {**profile(cast, "jun", name="乙川　絢"), "before": taro.field(page, "before")}
    assert taro.post(f"{page}/profile", form, page=page).status_code == 303
    assert cast.member("jun").user.name == "乙川　絢"
