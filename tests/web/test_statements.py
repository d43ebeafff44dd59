"""帳票 on the fund's side: making, checking, delivering, calling back."""

import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from exchange import pickups, settings, vault
from models import Office, Transfer
from tests.people import Browser, Cast, in_vault, inspect, logged, run_jobs, state, statement, told

People = Callable[[str], Browser]
ATTACHED = {"決定通知書　甲野.pdf": b"%PDF-1.7\n" + bytes(100_000), "内訳.csv": "氏名\r\n甲野\r\n".encode("cp932")}


def prepares(browser: Browser, cast: Cast, files: dict[str, bytes] | None = None, **fields: Any) -> TestResponse:
    url = f"/admin/statements/new/{cast.abc.uid}"
    form = {"kind": "decision", "period": "", "note": "", "title": "", "token": browser.field(url, "token"), **fields}
    chosen = [(io.BytesIO(data), name) for name, data in (ATTACHED if files is None else files).items()]
    return browser.post(url, {**form, "file": chosen or [(io.BytesIO(), "")]}, content_type="multipart/form-data")


def newest() -> Transfer:
    return Transfer.select().order_by(Transfer.id.desc()).get()


def acts(browser: Browser, transfer: Transfer, noun: str) -> TestResponse:
    page = f"/admin/statements/{transfer.uid}"
    return browser.post(f"{page}/{noun}", page=page)


def test_attachments_become_one_zip_that_the_office_can_open(
    app: Flask, browser: People, cast: Cast, tmp_path: Path
) -> None:
    answer = prepares(browser("ume"), cast, title="四月分 決定通知書")
    transfer = newest()
    assert (answer.status_code, answer.location) == (303, f"/admin/statements/{transfer.uid}")
    assert (transfer.direction, transfer.state, transfer.office) == ("statement", "uploaded", cast.abc)
    assert transfer.file_name == "四月分 決定通知書.zip"
    packed = tmp_path / "packed.zip"
    packed.write_bytes(b"".join(vault.pieces(transfer.stored)))
    out = tmp_path / "out"
    subprocess.run(["7zz", "x", f"-p{cast.archive_password}", f"-o{out}", packed], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == ATTACHED
    run_jobs(app)
    assert logged(transfer) == ["statement.uploaded", "statement.inspected"]
    assert transfer.inspection.state == "passed"


def test_its_plaintext_never_lies_on_the_disk(app: Flask, browser: People, cast: Cast, instance: Path) -> None:
    marker = b"MARKER-0123456789-MARKER" * 4000
    prepares(browser("kiku"), cast, {"a.txt": marker})
    run_jobs(app)
    assert newest().inspection.state == "passed"
    for path in instance.rglob("*"):
        assert not path.is_file() or b"MARKER-0123456789" not in path.read_bytes(), path


def test_without_a_title_it_is_called_after_its_kind(browser: People, cast: Cast) -> None:
    prepares(browser("kiku"), cast)
    transfer = newest()
    assert transfer.file_name == f"{transfer.kind.name}.zip"


@pytest.mark.parametrize(("title", "name"), [("../../a", "a.zip"), ("a\r\nb", "a  b.zip"), ("x" * 81, None)])
def test_a_title_is_a_plain_name(browser: People, cast: Cast, title: str, name: str | None) -> None:
    answer = prepares(browser("kiku"), cast, title=title)
    if name is None:
        assert answer.status_code == 422
        assert Transfer.select().count() == 0
    else:
        assert newest().file_name == name


def test_without_an_attachment_nothing_is_made(app: Flask, browser: People, cast: Cast) -> None:
    answer = prepares(browser("kiku"), cast, {})
    assert answer.status_code == 422
    assert "1つ以上選んでください" in answer.text
    assert in_vault(app) == []


def test_two_attachments_of_one_name_are_told_apart_or_refused(app: Flask, browser: People, cast: Cast) -> None:
    kiku, url = browser("kiku"), f"/admin/statements/new/{cast.abc.uid}"
    twice = [(io.BytesIO(b"one"), "a.pdf"), (io.BytesIO(b"two"), "a.pdf")]
    form = {"kind": "decision", "token": kiku.field(url, "token"), "file": twice}
    answer = kiku.post(url, form, content_type="multipart/form-data")
    assert answer.status_code in (303, 422)
    if answer.status_code == 303:
        run_jobs(app)
        assert len({entry["name"] for entry in newest().inspection.entries}) == 2
    else:
        assert in_vault(app) == []


def test_too_much_is_refused_with_the_limit_in_words(app: Flask, browser: People, cast: Cast) -> None:
    app.config["MAX_FILE_BYTES"] = 1000
    answer = prepares(browser("kiku"), cast, {"a.bin": bytes(range(256)) * 100})
    assert answer.status_code in (413, 303)
    app.config["MAX_FILE_BYTES"] = 100
    answer = prepares(browser("kiku"), cast, {"a.bin": bytes(range(256)) * 100})
    assert answer.status_code == 413
    assert "100 バイトまで" in answer.text


def test_a_form_sent_twice_acts_once(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    token = kiku.field(f"/admin/statements/new/{cast.abc.uid}", "token")
    locations = {prepares(kiku, cast, token=token).location for _ in range(2)}
    assert len(locations) == 1
    assert Transfer.select().count() == 1


def test_without_the_csrf_token_nothing_stays(app: Flask, browser: People, cast: Cast) -> None:
    form = {"kind": "decision", "token": "t", "file": (io.BytesIO(b"x" * 70_000), "a.pdf")}
    answer = browser("kiku").client.post(
        f"/admin/statements/new/{cast.abc.uid}", data=form, content_type="multipart/form-data"
    )
    assert answer.status_code == 400
    assert in_vault(app) == []


def test_an_office_without_archive_password_cannot_be_sent_to(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    offices = kiku.get("/admin/statements/new").text
    assert f"/admin/statements/new/{cast.abc.uid}" in offices
    assert f"/admin/statements/new/{cast.xyz.uid}" not in offices
    assert "初回登録が未完了のため、送れません" in offices
    form = {"kind": "decision", "file": (io.BytesIO(b"x"), "a.pdf")}
    url = f"/admin/statements/new/{cast.xyz.uid}"
    answer = kiku.post(url, form, page="/admin/inbox/", content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "初回登録が済んでいない" in answer.text


def test_offices_are_searched_as_text(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    assert cast.abc.uid in kiku.get("/admin/statements/new?q=ABC").text
    assert cast.abc.uid in kiku.get(f"/admin/statements/new?q={cast.abc.contract_number}").text
    for odd in ("%25", "_", "' OR 1=1 --", "<b>"):
        page = kiku.get("/admin/statements/new", query_string={"q": odd}).text
        assert "<b>" not in page
        assert cast.abc.uid not in page


def test_the_receiver_stands_large_beside_the_button(browser: People, cast: Cast) -> None:
    page = browser("kiku").get(f"/admin/statements/{statement(cast, 'approved').uid}").text
    assert '<p class="td-big">ABC商事株式会社</p>' in page
    assert "ABC商事株式会社へ配信します。よろしいですか。" in page


def test_it_is_checked_and_delivered(app: Flask, browser: People, cast: Cast) -> None:
    transfer, ume, hanako = statement(cast), browser("ume"), browser("hanako")
    assert hanako.get(f"/files/{transfer.uid}").status_code == 404
    assert acts(ume, transfer, "approval").status_code == 303
    assert hanako.get(f"/files/{transfer.uid}").status_code == 404
    assert acts(ume, transfer, "delivery").status_code == 303
    assert logged(transfer)[-2:] == ["statement.approved", "statement.delivered"]
    assert hanako.get(f"/files/{transfer.uid}").status_code == 200
    told_of = {to for to, what in told(app) if what == "帳票配信のお知らせ"}
    assert told_of == {"taro@abc-shoji.example", "jun@abc-shoji.example", "hanako@sr-office.example"}


def test_checking_and_delivering_is_one_button(browser: People, cast: Cast) -> None:
    transfer = statement(cast)
    assert acts(browser("kiku"), transfer, "approved-delivery").status_code == 303
    assert state(transfer) == "delivered"
    assert acts(browser("ume"), transfer, "approved-delivery").status_code == 409


def test_where_the_fund_wants_a_second_clerk_the_maker_does_not_check(browser: People, cast: Cast) -> None:
    with db.atomic():
        settings.put("statement_second_clerk", True)
    transfer = statement(cast, by="kiku")
    page = browser("kiku").get(f"/admin/statements/{transfer.uid}").text
    assert "/approval" not in page
    for noun in ("approval", "approved-delivery"):
        answer = acts(browser("kiku"), transfer, noun)
        assert answer.status_code == 403
        assert "ほかの承認者に依頼してください" in answer.text
    assert state(transfer) == "uploaded"
    assert acts(browser("ume"), transfer, "approval").status_code == 303


@pytest.mark.parametrize("step", ["uploaded", "approved"])
def test_it_is_cancelled_before_it_is_delivered(browser: People, cast: Cast, step: str) -> None:
    transfer = statement(cast, step)
    assert acts(browser("ume"), transfer, "cancellation").status_code == 303
    assert (state(transfer), logged(transfer)[-1]) == ("cancelled", "statement.cancelled")


def test_what_is_delivered_is_not_cancelled_but_called_back(app: Flask, browser: People, cast: Cast) -> None:
    transfer, kiku = statement(cast, "delivered"), browser("kiku")
    assert acts(kiku, transfer, "cancellation").status_code == 409
    assert acts(kiku, transfer, "recall").status_code == 303
    assert state(transfer) == "approved"
    assert browser("taro").get(f"/files/{transfer.uid}").status_code == 404
    assert ("taro@abc-shoji.example", "配信が引き戻されました") in told(app)


def test_what_is_asked_for_is_still_called_back_and_what_is_taken_is_not(browser: People, cast: Cast) -> None:
    asked, taken, kiku = statement(cast, "delivered"), statement(cast, "delivered"), browser("kiku")
    for transfer in (asked, taken):
        pickups.request_pickup(cast.taro, transfer)
    list(pickups.download(cast.taro, taken))
    assert acts(kiku, asked, "recall").status_code == 303
    assert acts(kiku, taken, "recall").status_code == 409
    assert (state(asked), state(taken)) == ("approved", "received")


def test_the_clerk_checks_the_zip_itself(browser: People, cast: Cast) -> None:
    transfer = statement(cast)
    answer = acts(browser("ume"), transfer, "download")
    assert answer.data == b"".join(vault.pieces(transfer.stored))
    assert logged(transfer)[-2:] == ["statement.downloaded", "transfer.sent_whole"]


def test_the_clerk_sees_who_has_read_it(browser: People, cast: Cast) -> None:
    transfer, kiku = statement(cast, "delivered"), browser("kiku")
    assert "まだ受け取られていません。" in kiku.get(f"/admin/statements/{transfer.uid}").text
    pickups.request_pickup(cast.hanako, transfer)
    list(pickups.download(cast.hanako, transfer))
    page = kiku.get(f"/admin/statements/{transfer.uid}").text
    assert "まだ受け取られていません。" not in page
    assert "受取済" in page


def test_a_filing_is_no_statement(browser: People, cast: Cast) -> None:
    transfer = inspect(statement(cast))
    assert browser("kiku").get(f"/admin/inbox/{transfer.uid}").status_code == 404


def test_without_the_words_nothing_moves(browser: People, cast: Cast) -> None:
    transfer, member = statement(cast), cast.member("ume")
    for grant in member.grants:
        grant.delete_instance()
    ume = browser("ume")
    assert ume.get(f"/admin/statements/new/{cast.abc.uid}").status_code == 403
    for noun in ("approval", "delivery", "approved-delivery", "cancellation", "recall", "download"):
        assert acts(ume, transfer, noun).status_code == 403
    assert state(transfer) == "uploaded"


def test_a_closed_office_is_not_sent_to(browser: People, cast: Cast) -> None:
    kiku, url = browser("kiku"), f"/admin/statements/new/{cast.abc.uid}"
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    assert cast.abc.uid not in kiku.get("/admin/statements/new").text
    assert kiku.get(url).status_code == 404
    form = {"kind": "decision", "token": "t", "file": (io.BytesIO(b"x"), "a.pdf")}
    answer = kiku.post(url, form, page="/admin/inbox/", content_type="multipart/form-data")
    assert answer.status_code == 404
    assert Transfer.select().count() == 0
