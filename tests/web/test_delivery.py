"""配信, 承認して配信 and 引き戻し on the web."""

from collections.abc import Callable
from pathlib import Path

from flask import Flask

from exchange import transfers
from tests.people import Browser, Cast, filing, logged, state, told

People = Callable[[str], Browser]
ARRIVED, SENT, TAKEN_BACK = "届書が届きました", "届書を配信しました", "配信が引き戻されました"


def test_what_is_delivered_lies_in_the_funds_inbox(browser: People, cast: Cast) -> None:
    transfer, kiku = filing(cast, "approved"), browser("kiku")
    page = f"/files/{transfer.uid}"
    assert transfer.receipt_number not in kiku.get("/admin/inbox/").text
    answer = browser("taro").post(f"{page}/delivery", page=page)
    assert (answer.status_code, answer.location) == (303, page)
    assert state(transfer) == "delivered"
    assert transfer.receipt_number in kiku.get("/admin/inbox/").text


def test_both_sides_are_told_and_a_checkpoint_is_written(
    app: Flask, browser: People, cast: Cast, instance: Path
) -> None:
    transfer, file = filing(cast, "approved"), instance / "checkpoints.jsonl"
    before = file.stat().st_size if file.exists() else 0
    browser("taro").post(f"/files/{transfer.uid}/delivery", page=f"/files/{transfer.uid}")
    sent = told(app)
    assert {to for to, what in sent if what == ARRIVED} == {"kiku@fund.example", "ume@fund.example"}
    assert {to for to, what in sent if what == SENT} == {"taro@abc-shoji.example", "hanako@sr-office.example"}
    assert list(transfer.timeline())[-1].details["sha256"] == transfer.sha256
    assert file.stat().st_size > before


def test_approving_and_delivering_is_one_button_for_those_who_hold_both(browser: People, cast: Cast) -> None:
    transfer, taro = filing(cast), browser("taro")
    page = f"/files/{transfer.uid}"
    assert "承認して配信" in taro.get(page).text
    assert taro.post(f"{page}/approved-delivery", page=page).status_code == 303
    assert logged(transfer)[-2:] == ["filing.approved", "filing.delivered"]


def test_the_page_names_the_receiver_before_it_is_sent(browser: People, cast: Cast) -> None:
    page = f"/files/{filing(cast, 'approved').uid}"
    assert "配信の送り先" in browser("taro").get(page).text
    assert "基金事務局へ配信します。よろしいですか。" in browser("taro").get(page).text


def test_what_is_not_approved_is_not_delivered(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    page = f"/files/{transfer.uid}"
    assert browser("taro").post(f"{page}/delivery", page=page).status_code == 409
    assert state(transfer) == "uploaded"


def test_the_second_time_is_refused(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    page = f"/files/{transfer.uid}"
    for noun in ("delivery", "approved-delivery"):
        assert browser("jun").post(f"{page}/{noun}", page=page).status_code == 409
    assert logged(transfer).count("filing.delivered") == 1


def test_htmx_gets_the_row_of_the_delivery(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "approved")
    page = f"/files/{transfer.uid}"
    answer = browser("taro").post(f"{page}/delivery", page=page, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "配信済" in answer.text


def test_what_nobody_has_opened_is_called_back(app: Flask, browser: People, cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    page = f"/files/{transfer.uid}"
    assert browser("taro").post(f"{page}/recall", page=page).status_code == 303
    assert state(transfer) == "approved"
    assert logged(transfer)[-1] == "filing.recalled"
    assert {to for to, what in told(app) if what == TAKEN_BACK} == {"kiku@fund.example", "ume@fund.example"}
    assert browser("kiku").get(f"/admin/inbox/{transfer.uid}").status_code == 404


def test_what_the_fund_has_opened_stays(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    page, taro = f"/files/{transfer.uid}", browser("taro")
    assert f"{page}/recall" in taro.get(page).text
    transfers.receive(cast.kiku, transfer)
    assert taro.post(f"{page}/recall", page=page).status_code == 409
    assert state(transfer) == "received"


def test_the_office_is_not_told_the_name_of_the_funds_clerk(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "received")
    page = f"/files/{transfer.uid}"
    answer = browser("taro").post(f"{page}/recall", page=page)
    assert answer.status_code == 409
    assert "基金　菊" not in answer.text
    assert "基金　菊" not in browser("taro").get(page).text


def test_the_consultant_does_not_call_back(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    page = f"/files/{transfer.uid}"
    assert browser("hanako").post(f"{page}/recall", page=page).status_code == 403
    assert state(transfer) == "delivered"
