"""What a page says while a file is inspected and after it."""

import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from models import Inspection, Job, Transfer
from tests.people import Browser, Cast, aes_zip, filing, run_jobs, statement, uploads

People = Callable[[str], Browser]
HTMX = {"HX-Request": "true"}


def fragment(browser: Browser, transfer: Transfer) -> TestResponse:
    answer = browser.get(f"/files/{transfer.uid}/inspection", headers=HTMX)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    return answer


def put(transfer: Transfer, **columns: object) -> None:
    Inspection.update(**columns).where(Inspection.transfer == transfer).execute()


@pytest.mark.parametrize("step", ["waiting", "running"])
def test_the_page_asks_again_by_itself_until_it_is_over(browser: People, cast: Cast, step: str) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    put(transfer, state=step)
    answer = fragment(browser("hanako"), transfer)
    assert f'hx-get="/files/{transfer.uid}/inspection?seen={step}-"' in answer.text
    assert 'hx-trigger="every 1s"' in answer.text
    assert "HX-Refresh" not in answer.headers
    assert 'href=""' in answer.text, "without scripts there is a link to look again"


def test_progress_is_shown_as_n_of_m(browser: People, cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    put(transfer, state="running")
    Job.update(state="running", done=1_200_000, total=5_000_000).where(Job.subject == str(transfer.id)).execute()
    answer = fragment(browser("hanako"), transfer)
    assert 'max="5000000" value="1200000"' in answer.text
    assert re.search(r"処理しています（[^）]*1\.2[^）]*5\.0 MB", answer.text)


def test_once_over_it_asks_no_more_and_the_page_is_drawn_anew(app: Flask, browser: People, cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    run_jobs(app)
    answer = fragment(browser("hanako"), transfer)
    assert "hx-trigger" not in answer.text
    assert answer.headers["HX-Refresh"] == "true"
    assert "不備は見つかりませんでした。" in answer.text
    assert "資格取得届.csv" in answer.text


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("passed", "検査済"),
        ("warned", "確かめていただきたいことが1件あります"),
        ("failed", "不備があるため、承認できません"),
        ("quarantined", ">隔離</span>"),
    ],
)
def test_each_outcome_is_told_in_words(browser: People, cast: Cast, state: str, words: str) -> None:
    transfer = filing(cast)
    put(transfer, state=state, findings=[{"code": "ZIPCRYPTO", "message": "次からはAES-256を。", "entry": "甲.csv"}])
    text = fragment(browser("taro"), transfer).text
    assert words in text
    assert "次からはAES-256を。（甲.csv）" in text
    can_approve = f"/files/{transfer.uid}/approval" in browser("taro").get(f"/files/{transfer.uid}").text
    assert can_approve == (state in ("passed", "warned"))


def test_a_name_out_of_the_archive_is_text_and_no_markup(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    put(transfer, entries=[{"name": "<img src=x>.csv", "size": 1, "method": "AES-256", "sha256": "0"}])
    assert "<img" not in fragment(browser("taro"), transfer).text


def test_the_funds_clerk_sees_it_on_the_statement(browser: People, cast: Cast) -> None:
    transfer = statement(cast)
    answer = browser("kiku").get(f"/admin/statements/{transfer.uid}/inspection", headers=HTMX)
    assert answer.headers["HX-Refresh"] == "true"
    assert "決定通知書.pdf" in answer.text


def test_without_htmx_no_answer_asks_for_a_new_page(browser: People, cast: Cast) -> None:
    answer = browser("taro").get(f"/files/{filing(cast).uid}/inspection")
    assert "HX-Refresh" not in answer.headers
