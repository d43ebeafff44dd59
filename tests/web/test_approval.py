"""承認, 配信 and 承認して配信 on the web."""

from collections.abc import Callable

import pytest
from flask import Flask

from models import AuditEntry, Office
from tests.people import Browser, Cast, aes_zip, filing, inspect, logged, state, told, uploads

People = Callable[[str], Browser]


def test_the_admin_approves_and_the_row_says_so(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    page = f"/files/{transfer.uid}"
    answer = browser("taro").post(f"{page}/approval", page=page)
    assert (answer.status_code, answer.location) == (303, page)
    assert state(transfer) == "approved"
    assert logged(transfer)[-1] == "filing.approved"


def test_those_who_deliver_and_the_uploader_are_told(app: Flask, browser: People, cast: Cast) -> None:
    transfer, subject = filing(cast), "届書の配信待ちのお知らせ"
    browser("taro").post(f"/files/{transfer.uid}/approval", page=f"/files/{transfer.uid}")
    addresses = {to for to, what in told(app) if what == subject}
    assert addresses == {"taro@abc-shoji.example", "jun@abc-shoji.example", "hanako@sr-office.example"}


def test_the_consultant_can_neither_approve_nor_deliver_and_it_is_logged(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    hanako, page = browser("hanako"), f"/files/{transfer.uid}"
    for noun in ("approval", "delivery", "approved-delivery"):
        assert hanako.post(f"{page}/{noun}", page=page).status_code == 403
    assert state(transfer) == "uploaded"
    refusals = AuditEntry.select().where(AuditEntry.action == "permission.refused")
    assert [entry.membership.login_id for entry in refusals] == ["srHanako1"] * 3


def test_the_consultant_has_no_such_button(browser: People, cast: Cast) -> None:
    page = f"/files/{filing(cast).uid}"
    assert f"{page}/approval" in browser("taro").get(page).text
    seen = browser("hanako").get(page).text
    assert all(f"{page}/{noun}" not in seen for noun in ("approval", "delivery", "approved-delivery", "return"))
    assert f"{page}/cancellation" in seen


def test_nobody_else_knows_of_it(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    kiku, jiro = browser("kiku"), browser("jiro")
    assert kiku.post(f"/admin/inbox/{transfer.uid}/opening", page="/admin/inbox/").status_code == 404
    assert jiro.post(f"/files/{transfer.uid}/approval", page="/").location == "/admin/office/registration"
    assert state(transfer) == "uploaded"


def test_a_stranger_is_sent_to_the_door(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    answer = browser("").client.post(f"/files/{transfer.uid}/approval")
    assert (answer.status_code, answer.location) == (303, "/auth/")


def test_a_get_does_not_approve(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    assert browser("taro").get(f"/files/{transfer.uid}/approval").status_code == 405
    assert state(transfer) == "uploaded"


def test_the_second_time_is_refused_in_words(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "approved")
    page = f"/files/{transfer.uid}"
    answer = browser("jun").post(f"{page}/approval", page=page)
    assert answer.status_code == 409
    assert "甲野" in answer.text
    assert logged(transfer).count("filing.approved") == 1


def test_nobody_approves_before_the_inspection_is_over(browser: People, cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    page = f"/files/{transfer.uid}"
    assert f"{page}/approval" not in browser("taro").get(page).text
    answer = browser("taro").post(f"{page}/approval", page=page)
    assert answer.status_code == 422
    assert "検査が終わっていない" in answer.text
    inspect(transfer)
    assert browser("taro").post(f"{page}/approval", page=page).status_code == 303


@pytest.mark.parametrize("noun", ["approval", "approved-delivery"])
def test_ones_own_is_approved_unless_the_office_forbids_it(browser: People, cast: Cast, noun: str) -> None:
    transfer = filing(cast, by="taro")
    page, taro = f"/files/{transfer.uid}", browser("taro")
    Office.update(forbids_self_approval=True).where(Office.id == cast.abc.id).execute()
    assert f"{page}/{noun}" not in taro.get(page).text
    answer = taro.post(f"{page}/{noun}", page=page)
    assert answer.status_code == 403
    assert "本人が登録したものは承認できない設定です" in answer.text
    assert state(transfer) == "uploaded"
    Office.update(forbids_self_approval=False).where(Office.id == cast.abc.id).execute()
    assert taro.post(f"{page}/{noun}", page=page).status_code == 303


def test_htmx_gets_the_row_back(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    page = f"/files/{transfer.uid}"
    answer = browser("taro").post(f"{page}/approval", page=page, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert f't-{transfer.uid}"' in answer.text
    assert "承認しました。" in answer.text


def test_htmx_gets_the_refusal_into_the_row(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "approved")
    page = f"/files/{transfer.uid}"
    answer = browser("jun").post(f"{page}/approval", page=page, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "<html" not in answer.text
    assert 'role="alert"' in answer.text
    assert "甲野" in answer.text


def test_htmx_is_led_to_the_door_when_the_session_is_over(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    answer = browser("").client.post(f"/files/{transfer.uid}/approval", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (200, "/auth/")
