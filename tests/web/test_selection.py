"""One move for every ticked row: each stands for itself."""

import re
from collections.abc import Callable

import pytest
from werkzeug.test import TestResponse

from models import Inspection, Transfer
from tests.markup import Page
from tests.people import Browser, Cast, filing, state

People = Callable[[str], Browser]


def chooses(browser: Browser, verb: str, *chosen: Transfer | str, **more: str) -> TestResponse:
    uids = [getattr(one, "uid", one) for one in chosen]
    return browser.post("/files/selection", {"verb": verb, "uid": uids, **more}, page="/files/upload")


def test_every_ticked_row_moves_and_the_rest_stays(browser: People, cast: Cast) -> None:
    taro, (first, second, third) = browser("taro"), [filing(cast) for _ in range(3)]
    answer = chooses(taro, "approval", first, second)
    assert (answer.status_code, answer.location) == (303, "/files/")
    assert [state(one) for one in (first, second, third)] == ["approved", "approved", "uploaded"]


def test_what_could_not_be_done_is_said_by_its_number(browser: People, cast: Cast) -> None:
    taro, done, late, again = browser("taro"), filing(cast), filing(cast, "delivered"), filing(cast, "approved")
    chooses(taro, "approval", done, late, again)
    page = taro.get("/files/").text
    assert [state(one) for one in (done, late, again)] == ["approved", "delivered", "approved"]
    assert f"{done.receipt_number}：承認しました。" in page
    for refused in (late, again):
        assert re.search(rf"<li>{refused.receipt_number}：[^<]*最新の状態を確認してください", page)
    assert "選んだ3件のうち、1件を承認しました。2件はできませんでした。" in page
    assert page.partition("<main")[2].partition("td-trouble")[0].count('<div class="td-notice ') == 1


def test_what_is_approved_already_is_only_delivered(browser: People, cast: Cast) -> None:
    taro, fresh, approved = browser("taro"), filing(cast), filing(cast, "approved")
    chooses(taro, "approved-delivery", fresh, approved)
    assert [state(one) for one in (fresh, approved)] == ["delivered", "delivered"]
    page = taro.get("/files/").text
    assert "2件を承認して配信しました。" in page
    assert f"<li>{approved.receipt_number}：配信しました。</li>" in page


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("approval", "uploaded", "approved"),
        ("delivery", "approved", "delivered"),
        ("approved-delivery", "uploaded", "delivered"),
        ("cancellation", "approved", "cancelled"),
        ("return", "uploaded", "returned"),
    ],
)
def test_each_bulk_move_does_what_its_button_says(
    browser: People, cast: Cast, verb: str, before: str, after: str
) -> None:
    transfer = filing(cast, before)
    chooses(browser("taro"), verb, transfer, reason="押印がありません")
    assert state(transfer) == after


def test_a_return_without_a_reason_moves_nothing(browser: People, cast: Cast) -> None:
    taro, transfer = browser("taro"), filing(cast)
    answer = chooses(taro, "return", transfer)
    assert answer.status_code == 422
    assert state(transfer) == "uploaded"
    assert 'id="reason-error"' in answer.text
    assert Page(answer.text).faults(taro.client.application.url_map.bind("127.0.0.1")) == []


def test_no_row_is_told_as_no_row(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert chooses(taro, "approval").status_code == 303
    assert "行が選ばれていません" in taro.get("/files/").text


@pytest.mark.parametrize("verb", ["", "recall", "pickup", "opening", "receive", "approve", "__init__"])
def test_another_verb_is_refused(browser: People, cast: Cast, verb: str) -> None:
    transfer = filing(cast, "delivered")
    assert chooses(browser("taro"), verb, transfer).status_code == 422
    assert state(transfer) == "delivered"


def test_a_row_of_nobody_stops_the_whole_before_it_began(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    assert chooses(browser("taro"), "approval", transfer, "0" * 32).status_code == 404
    assert state(transfer) == "uploaded"


def test_the_consultant_is_refused_row_by_row(browser: People, cast: Cast) -> None:
    hanako, transfer = browser("hanako"), filing(cast)
    chooses(hanako, "approval", transfer)
    assert state(transfer) == "uploaded"
    page = hanako.get("/files/").text
    assert "「承認」の権限がないため" in page
    assert 'value="approval"' not in page


def test_a_row_ticked_twice_moves_once(browser: People, cast: Cast) -> None:
    taro, transfer = browser("taro"), filing(cast)
    chooses(taro, "approval", transfer, transfer)
    assert "最新の状態を確認してください" not in taro.get("/files/").text


def test_a_whole_page_of_rows_fits_into_one_answer(browser: People, cast: Cast) -> None:
    first, taro = filing(cast), browser("taro")
    row = Transfer.select().where(Transfer.id == first.id).dicts().get()
    numbers = [f"20261123-{number * 7919:07d}" for number in range(49)]
    for number in numbers:
        made = Transfer.create(**{**row, "id": None, "uid": number, "token": number, "receipt_number": number})
        Inspection.create(transfer=made, state="failed")
    answer = chooses(taro, "approval", *Transfer.select())
    assert answer.status_code == 303
    assert len(answer.headers["Set-Cookie"]) < 4000, "a browser drops a longer one, and the session with it"
    page = taro.get("/files/").text
    assert all(number in page for number in numbers)
