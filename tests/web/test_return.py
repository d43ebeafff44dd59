"""差戻し and 取消 on the web."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from tests.people import Browser, Cast, filing, logged, mails, state, told

People = Callable[[str], Browser]
REASON = "生年月日が違います"


def returns(browser: Browser, uid: str, reason: str = REASON) -> int:
    return browser.post(f"/files/{uid}/return", {"reason": reason}).status_code


@pytest.mark.parametrize("step", ["uploaded", "approved"])
def test_a_filing_goes_back_with_its_reason(browser: People, cast: Cast, step: str) -> None:
    transfer = filing(cast, step)
    assert returns(browser("taro"), transfer.uid) == 303
    assert state(transfer) == "returned"
    assert list(transfer.timeline())[-1].details == {"before": step, "after": "returned", "reason": REASON}
    assert REASON in browser("hanako").get(f"/files/{transfer.uid}").text


def test_the_uploader_is_told_without_the_reason(app: Flask, browser: People, cast: Cast, instance: Path) -> None:
    returns(browser("taro"), filing(cast).uid)
    assert ("hanako@sr-office.example", "届書の差戻しのお知らせ") in told(app)
    assert all(REASON not in mail["body"] for mail in mails(instance / "mail"))


@pytest.mark.parametrize("reason", ["", "   ", "あ" * 501])
def test_without_a_fitting_reason_nothing_moves(browser: People, cast: Cast, reason: str) -> None:
    transfer = filing(cast)
    assert returns(browser("taro"), transfer.uid, reason) == 422
    assert state(transfer) == "uploaded"


@pytest.mark.parametrize("step", ["delivered", "returned", "cancelled", "completed"])
def test_it_is_too_late_in_words(browser: People, cast: Cast, step: str) -> None:
    transfer = filing(cast, step)
    assert returns(browser("taro"), transfer.uid) == 409
    assert state(transfer) == step


def test_the_consultant_neither_sees_the_form_nor_sends_it(browser: People, cast: Cast) -> None:
    transfer, hanako = filing(cast), browser("hanako")
    assert hanako.get(f"/files/{transfer.uid}/return").status_code == 403
    answer = hanako.post(f"/files/{transfer.uid}/return", {"reason": REASON}, page="/files/")
    assert answer.status_code == 403
    assert state(transfer) == "uploaded"


def test_a_reason_is_shown_as_it_was_typed_and_does_nothing(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    returns(browser("taro"), transfer.uid, "<script>alert(1)</script>\n二行目")
    page = browser("hanako").get(f"/files/{transfer.uid}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("step", ["uploaded", "approved"])
def test_ones_own_filing_is_cancelled(browser: People, cast: Cast, step: str) -> None:
    transfer = filing(cast, step)
    page = f"/files/{transfer.uid}"
    assert browser("hanako").post(f"{page}/cancellation", page=page).status_code == 303
    assert state(transfer) == "cancelled"
    assert logged(transfer)[-1] == "filing.cancelled"


def test_another_persons_filing_takes_the_word_to_approve_as_well(browser: People, cast: Cast) -> None:
    transfer = filing(cast, by="taro")
    page = f"/files/{transfer.uid}"
    answer = browser("hanako").post(f"{page}/cancellation", page=page)
    assert answer.status_code == 403
    assert "「承認」の権限も必要です" in answer.text
    assert browser("jun").post(f"{page}/cancellation", page=page).status_code == 303


def test_what_is_delivered_is_not_cancelled(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    page = f"/files/{transfer.uid}"
    assert browser("taro").post(f"{page}/cancellation", page=page).status_code == 409
    assert state(transfer) == "delivered"


def test_htmx_gets_the_row_of_the_cancelled(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    page = f"/files/{transfer.uid}"
    answer = browser("hanako").post(f"{page}/cancellation", page=page, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "取り消しました。" in answer.text
