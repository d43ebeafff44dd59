"""Asking for a one-time password: one answer for everybody."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from database import utc_now
from models import AuditEntry, Mail, Membership, OneTimePassword, Throttle
from tests.people import Browser, Cast, run_jobs, told
from tests.web.steps import a_minute_passes, asks, code_in_mail, pair

People = Callable[[str], Browser]
NUMBER = r'<code id="receipt-number">(\w+)</code>'


def answer_to(browser: Browser, who: dict[str, str]) -> tuple[int, str, str]:
    """Status of the form, address and text of the page after it, without what differs between any two pages."""
    sent = asks(browser, who)
    page = browser.get("/onetime/receipt").text
    plain = re.sub(NUMBER, "", re.sub(r'name="csrf_token" value="[^"]*"|"X-CSRFToken": "[^"]*"', "", page))
    return sent.status_code, sent.location, plain


def test_the_code_comes_by_mail_with_the_number_of_the_page(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    assert asks(taro, pair(cast, "taro")).location == "/onetime/receipt"
    page = taro.get("/onetime/receipt").text
    number = re.search(NUMBER, page)[1]
    run_jobs(app)
    subject = "ワンタイムパスワードのお知らせ"
    assert told(app, subject) == {("taro@abc-shoji.example", subject)}
    code = code_in_mail(app, "taro@abc-shoji.example")
    assert OneTimePassword.get().number == number
    assert code not in page
    assert "10分間、1回だけ" in page


def test_known_unknown_disabled_and_over_budget_look_the_same(browser: People, cast: Cast) -> None:
    Membership.update(disabled_at=utc_now()).where(Membership.id == cast.member("jun").id).execute()
    known = pair(cast, "taro")
    wishes = {
        "known": known,
        "over budget": known,
        "unknown contract": {**known, "contract_number": "9999999-99999999"},
        "unknown user": {**known, "login_id": "nobody001"},
        "another office's user": pair(cast, "jiro", cast.abc),
        "disabled": pair(cast, "jun"),
        "staff": pair(cast, "kiku"),
    }
    answers = {what: answer_to(browser(""), who) for what, who in wishes.items()}
    assert len(set(answers.values())) == 1, answers.keys()
    assert len({len(text) for _, _, text in answers.values()}) == 1


def test_only_the_known_are_mailed_and_only_once_a_minute(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    for who in (pair(cast, "taro"), pair(cast, "taro"), {**pair(cast, "taro"), "login_id": "nobody001"}):
        asks(taro, who)
    run_jobs(app)
    assert Mail.select().where(Mail.kind == "one_time_password").count() == 1
    entries = AuditEntry.select().where(AuditEntry.action == "code.requested")
    assert [entry.details["is_sent"] for entry in entries] == [True, False, False]


def test_three_in_a_quarter_of_an_hour_and_no_more(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    for _ in range(5):
        asks(taro, pair(cast, "taro"))
        Throttle.delete().where(Throttle.kind == "code_again").execute()
        run_jobs(app)
    assert Mail.select().where(Mail.kind == "one_time_password").count() == 3


def test_width_hyphens_and_spaces_refuse_nobody(app: Flask, browser: People, cast: Cast) -> None:
    who = pair(cast, "taro")
    wide = str.maketrans("0123456789-", "０１２３４５６７８９－")
    asks(
        browser(""),
        {"contract_number": f" {who['contract_number'].translate(wide)} ", "login_id": "ａｂｃＴａｒｏ０１"},
    )
    assert code_in_mail(app, "taro@abc-shoji.example")


@pytest.mark.parametrize("field", ["contract_number", "login_id"])
def test_an_empty_or_endless_field_is_told(browser: People, cast: Cast, field: str) -> None:
    for typed in ("", "x" * 65):
        answer = asks(browser(""), {**pair(cast, "taro"), field: typed})
        assert answer.status_code == 422
        assert f'id="{field}-error"' in answer.text
    assert OneTimePassword.select().count() == 0


def test_the_receipt_is_nothing_without_a_wish(browser: People) -> None:
    assert browser("").get("/onetime/receipt").location == "/onetime/"


def test_pressed_twice_the_page_keeps_the_number_of_the_mail(browser: People, cast: Cast) -> None:
    taro, numbers = browser(""), []
    for _ in range(2):
        asks(taro, pair(cast, "taro"))
        numbers.append(re.search(NUMBER, taro.get("/onetime/receipt").text)[1])
    a_minute_passes()
    asks(taro, pair(cast, "taro"))
    numbers.append(re.search(NUMBER, taro.get("/onetime/receipt").text)[1])
    assert numbers[0] == numbers[1] != numbers[2]


def test_the_newest_code_is_the_only_one(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    run_jobs(app)
    a_minute_passes()
    asks(taro, pair(cast, "taro"))
    assert [code.counter for code in OneTimePassword.select().order_by(OneTimePassword.id)] == [1, 0]
