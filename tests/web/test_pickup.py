"""受取要求 and ダウンロード of a statement by its office."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import pickups, vault
from models import Transfer
from tests.people import Browser, Cast, logged, state, statement, told

People = Callable[[str], Browser]


def acts(browser: Browser, transfer: Transfer, noun: str, **more: object) -> TestResponse:
    page = f"/files/{transfer.uid}"
    return browser.post(f"{page}/{noun}", page=page, **more)


def test_the_office_asks_for_it_and_sees_until_when(browser: People, cast: Cast) -> None:
    transfer, hanako = statement(cast, "delivered"), browser("hanako")
    assert transfer.receipt_number in hanako.get("/files/statements").text
    assert f"/files/{transfer.uid}/download" not in hanako.get(f"/files/{transfer.uid}").text
    assert acts(hanako, transfer, "pickup").status_code == 303
    assert (state(transfer), logged(transfer)[-1]) == ("requested", "statement.requested")
    assert "までダウンロードできます。" in hanako.get(f"/files/{transfer.uid}").text


def test_it_comes_as_a_zip_of_that_name_which_the_office_can_open(browser: People, cast: Cast, tmp_path: Path) -> None:
    transfer, hanako = statement(cast, "delivered"), browser("hanako")
    acts(hanako, transfer, "pickup")
    answer = acts(hanako, transfer, "download")
    assert answer.data == b"".join(vault.pieces(transfer.stored))
    assert answer.mimetype == "application/zip"
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"transfer-{transfer.receipt_number}.zip\"; filename*=UTF-8''{quote('決定通知書.zip')}"
    )
    packed = tmp_path / "it.zip"
    packed.write_bytes(answer.data)
    assert subprocess.run(["7zz", "t", f"-p{cast.archive_password}", packed], capture_output=True).returncode == 0


def test_the_fund_learns_who_took_it(app: Flask, browser: People, cast: Cast) -> None:
    transfer, hanako = statement(cast, "delivered"), browser("hanako")
    acts(hanako, transfer, "pickup")
    acts(hanako, transfer, "download").get_data()
    assert state(transfer) == "received"
    assert logged(transfer)[-2:] == ["statement.received", "transfer.sent_whole"]
    assert ("kiku@fund.example", "帳票がダウンロードされました") in told(app)


@pytest.mark.parametrize("steps", [[], ["pickup", "download"]])
def test_without_having_asked_there_is_no_download(browser: People, cast: Cast, steps: list[str]) -> None:
    transfer, taro = statement(cast, "delivered"), browser("taro")
    for step in steps:
        acts(taro, transfer, step).get_data()
    assert acts(taro, transfer, "download").status_code == 409


def test_it_is_asked_for_again_after_it_was_taken(browser: People, cast: Cast) -> None:
    transfer, taro = statement(cast, "delivered"), browser("taro")
    for step in ("pickup", "download", "pickup", "download"):
        assert acts(taro, transfer, step).status_code in (200, 303)
    assert logged(transfer).count("statement.received") == 2


def test_after_the_window_it_has_to_be_asked_for_again(browser: People, cast: Cast) -> None:
    transfer, taro = statement(cast, "delivered"), browser("taro")
    acts(taro, transfer, "pickup")
    Transfer.update(requested_at=utc_now() - timedelta(days=7)).where(Transfer.id == transfer.id).execute()
    assert acts(taro, transfer, "download").status_code == 409
    assert (state(transfer), logged(transfer)[-1]) == ("delivered", "statement.window_closed")
    assert acts(taro, transfer, "pickup").status_code == 303
    assert acts(taro, transfer, "download").status_code == 200


def test_the_worker_closes_the_window_as_well(browser: People, cast: Cast) -> None:
    transfer = statement(cast, "delivered")
    pickups.request_pickup(cast.taro, transfer)
    pickups.close_windows(utc_now() + timedelta(days=6, hours=23))
    assert state(transfer) == "requested"
    pickups.close_windows(utc_now() + timedelta(days=7, seconds=1))
    assert state(transfer) == "delivered"
    assert "受取要求" in browser("taro").get(f"/files/{transfer.uid}").text


def test_a_filing_is_not_asked_for(browser: People, cast: Cast) -> None:
    transfer = statement(cast, "approved")
    assert browser("taro").post(f"/files/{transfer.uid}/pickup", page="/files/").status_code == 404
    assert state(transfer) == "approved"


@pytest.mark.parametrize(("word", "noun"), [("request_pickup", "pickup"), ("download", "download")])
def test_each_step_takes_its_word(browser: People, cast: Cast, word: str, noun: str) -> None:
    transfer, member = statement(cast, "delivered"), cast.member("jun")
    pickups.request_pickup(cast.taro, transfer)
    before = state(transfer)
    member.grants.where(member.grants.model.word == word).get().delete_instance()
    assert acts(browser("jun"), transfer, noun).status_code == 403
    assert state(transfer) == before


def test_htmx_gets_the_row_that_can_now_be_downloaded(browser: People, cast: Cast) -> None:
    transfer = statement(cast, "delivered")
    answer = acts(browser("taro"), transfer, "pickup", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert f"/files/{transfer.uid}/download" in answer.text
    assert "hx-post" not in answer.text.split("/download", 1)[1].split("</form>", 1)[0], "a file is not for htmx"


def test_the_name_of_the_funds_clerk_stays_in_the_fund(browser: People, cast: Cast) -> None:
    transfer = statement(cast, "delivered")
    page = browser("taro").get(f"/files/{transfer.uid}").text
    assert "基金　菊" not in page
    assert "kikinKiku" not in page
