"""アップロード on the web: from the form into the vault, or nothing at all."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from exchange import vault
from models import AuditEntry, Transfer
from tests.people import Browser, Cast, aes_zip, filing, in_vault, inspect, logged, run_jobs, state, told

People = Callable[[str], Browser]
FORM = "/files/upload"


def sends(browser: Browser, data: bytes | None, name: str = "届書.zip", **fields: Any) -> TestResponse:
    """Fill in the form and send it; `data` None: no file chosen."""
    form = {"kind": "acquisition", "period": "2026/11", "note": "", "token": browser.field(FORM, "token"), **fields}
    file = (io.BytesIO(data or b""), name if data is not None else "")
    return browser.post(FORM, {**form, "file": file}, content_type="multipart/form-data")


def newest() -> Transfer:
    return Transfer.select().order_by(Transfer.id.desc()).get()


def test_the_consultant_uploads_and_is_led_to_the_new_filing(app: Flask, browser: People, cast: Cast) -> None:
    data = aes_zip(cast.archive_password)
    answer = sends(browser("hanako"), data)
    transfer = newest()
    assert (answer.status_code, answer.location) == (303, f"/files/{transfer.uid}")
    assert (transfer.state, transfer.period, transfer.size) == ("uploaded", "2026-11", len(data))
    assert transfer.uploaded_by.login_id == "srHanako1"
    assert b"".join(vault.pieces(transfer.stored)) == data
    run_jobs(app)
    assert logged(transfer) == ["filing.uploaded", "filing.inspected"]


def test_the_page_tells_the_receipt_number(browser: People, cast: Cast) -> None:
    hanako = browser("hanako")
    page = hanako.get(sends(hanako, aes_zip(cast.archive_password)).location)
    assert f"受付番号は {newest().receipt_number} です" in page.text


def test_those_who_approve_and_want_mail_are_told_after_the_inspection(app: Flask, browser: People, cast: Cast) -> None:
    sends(browser("hanako"), aes_zip(cast.archive_password))
    wanted = "届書の承認待ちのお知らせ"
    assert told(app, wanted) == {("taro@abc-shoji.example", wanted), ("jun@abc-shoji.example", wanted)}


def test_a_zip_with_another_password_is_taken_but_never_approved(app: Flask, browser: People, cast: Cast) -> None:
    sends(browser("hanako"), aes_zip("Another-Password-1"))
    transfer, taro = newest(), browser("taro")
    found = "届書の検査で不備が見つかりました"
    assert told(app, found) == {("hanako@sr-office.example", found)}
    answer = taro.post(f"/files/{transfer.uid}/approval", page=f"/files/{transfer.uid}")
    assert answer.status_code == 422
    assert state(transfer) == "uploaded"


def test_without_a_file_the_form_says_so_and_keeps_what_was_typed(app: Flask, browser: People) -> None:
    answer = sends(browser("hanako"), None, note="四月分です")
    assert answer.status_code == 422
    assert "ファイルが選ばれていません" in answer.text
    assert "四月分です" in answer.text
    assert in_vault(app) == []


def test_what_is_no_zip_is_refused_by_its_field_and_what_was_typed_is_kept(app: Flask, browser: People) -> None:
    answer = sends(browser("hanako"), b"%PDF-1.7 and no ZIP", "届書.pdf", note="四月分です")
    assert answer.status_code == 422
    said = re.search(r'<p class="td-error" id="file-error">(.*?)</p>', answer.text, re.S)
    assert said is not None
    assert "ZIPにしていないファイルは送れません。まだ何も登録していません。" in said[1]
    assert "四月分です" in answer.text
    assert (Transfer.select().count(), in_vault(app)) == (0, [])


@pytest.mark.parametrize("field", [{"kind": "decision"}, {"kind": ""}, {"period": "13月"}, {"note": "あ" * 501}])
def test_what_does_not_fit_is_refused_and_leaves_nothing(app: Flask, browser: People, field: dict[str, str]) -> None:
    answer = sends(browser("hanako"), b"PK", **field)
    assert answer.status_code == 422
    assert "入力内容に誤りが1件あります" in answer.text
    assert Transfer.select().count() == 0
    assert in_vault(app) == []


def test_a_file_over_the_limit_is_refused_with_the_limit_in_words(app: Flask, browser: People) -> None:
    app.config["MAX_FILE_BYTES"] = 1000
    answer = sends(browser("hanako"), b"x" * 1001)
    assert answer.status_code == 413
    assert "1,000 バイトまで" in answer.text
    assert in_vault(app) == []


def test_a_file_far_over_the_limit_is_not_even_read(app: Flask, browser: People) -> None:
    app.config["MAX_FILE_BYTES"] = 1000
    answer = sends(browser("hanako"), b"x" * 400_000)
    assert answer.status_code == 413
    assert "ファイルが大きすぎます" in answer.text
    assert in_vault(app) == []


def test_a_form_sent_twice_acts_once(browser: People, cast: Cast) -> None:
    hanako, data = browser("hanako"), aes_zip(cast.archive_password)
    token = hanako.field(FORM, "token")
    first, second = (sends(hanako, data, token=token) for _ in range(2))
    assert first.location == second.location
    assert Transfer.select().count() == 1
    assert logged(newest()) == ["filing.uploaded"]


def test_another_person_cannot_act_with_that_token(browser: People, cast: Cast) -> None:
    data, token = aes_zip(cast.archive_password), "0123456789abcdef"
    sends(browser("hanako"), data, token=token)
    answer = sends(browser("taro"), data, token=token)
    assert answer.status_code == 422
    assert Transfer.select().count() == 1


NAMES = {
    "届書（4月分）.zip": "届書（4月分）.zip",
    "ﾄﾄﾞｹ.ZIP": "ﾄﾄﾞｹ.ZIP",
    "か\u3099.zip": "が.zip",
    "C:/Users/hanako/届書.zip": "届書.zip",
    "../../etc/passwd": "passwd",
    "a\u202egpj.zip": "agpj.zip",
    "x\u200b\ufeff\x7f.zip": "x.zip",
    "  届書 .zip": "届書 .zip",
    "あ" * 300 + ".zip": "あ" * 196 + ".zip",
    "名前だけ": "名前だけ",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_keeps_its_own_name_without_folders_and_hidden_characters(
    browser: People, cast: Cast, name: str
) -> None:
    assert sends(browser("hanako"), aes_zip(cast.archive_password), name).status_code == 303
    assert newest().file_name == NAMES[name]


def test_a_name_with_a_line_break_makes_no_header(browser: People, cast: Cast) -> None:
    hanako = browser("hanako")
    sends(hanako, aes_zip(cast.archive_password), 'a"\r\nSet-Cookie: x=y\r\n.zip')
    transfer = inspect(newest())
    assert not set(transfer.file_name) & set("\r\n")
    answer = hanako.post(f"/files/{transfer.uid}/download", page=f"/files/{transfer.uid}")
    assert answer.status_code == 200
    assert "x=y" not in answer.headers.get("Set-Cookie", "")


def test_fields_that_the_form_does_not_have_are_ignored(browser: People, cast: Cast) -> None:
    forged = {
        "office": cast.xyz.id,
        "office_id": cast.xyz.id,
        "state": "delivered",
        "uploaded_by": cast.member("taro").id,
    }
    assert sends(browser("hanako"), aes_zip(cast.archive_password), **forged).status_code == 303
    transfer = newest()
    assert (transfer.office, transfer.state, transfer.uploaded_by.login_id) == (cast.abc, "uploaded", "srHanako1")


def test_a_second_file_is_passed_over(app: Flask, browser: People, cast: Cast) -> None:
    hanako, first = browser("hanako"), aes_zip(cast.archive_password)
    files = [(io.BytesIO(first), "届書.zip"), (io.BytesIO(b"second"), "別.zip")]
    form = {"kind": "acquisition", "token": hanako.field(FORM, "token"), "file": files}
    assert hanako.post(FORM, form, content_type="multipart/form-data").status_code == 303
    assert b"".join(vault.pieces(newest().stored)) == first
    assert len(in_vault(app)) == 1


def test_without_the_csrf_token_nothing_stays_in_the_vault(app: Flask, browser: People) -> None:
    hanako = browser("hanako")
    form = {"kind": "acquisition", "token": "t", "file": (io.BytesIO(b"x" * 70_000), "届書.zip")}
    answer = hanako.client.post(FORM, data=form, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert in_vault(app) == []
    assert Transfer.select().count() == 0


def test_a_browser_that_goes_away_midway_leaves_nothing(app: Flask, browser: People) -> None:
    hanako = browser("hanako")
    body = (
        f'--cut\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{hanako.csrf(FORM)}\r\n'
        '--cut\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    ).encode() + b"x" * 100_000
    answer = hanako.client.post(
        FORM,
        input_stream=io.BytesIO(body),
        content_type="multipart/form-data; boundary=cut",
        headers={"Content-Length": str(len(body) + 50_000)},
    )
    assert answer.status_code == 400
    assert in_vault(app) == []
    assert Transfer.select().count() == 0


def test_a_page_that_takes_no_files_refuses_one(app: Flask) -> None:
    stranger = Browser(app)
    answer = stranger.post("/onetime/", {"file": (io.BytesIO(b"x" * 10), "a.zip")}, content_type="multipart/form-data")
    assert answer.status_code == 400
    assert in_vault(app) == []


def test_without_the_word_not_a_byte_is_taken(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    form = {"file": (io.BytesIO(b"x" * 70_000), "届書.zip")}
    assert kiku.client.post(FORM, data=form, content_type="multipart/form-data").status_code == 403
    assert browser("").client.post(FORM, data={}).location == "/auth/"
    assert in_vault(app) == []


def test_a_returned_filing_is_replaced(browser: People, cast: Cast) -> None:
    returned, hanako = filing(cast, "returned"), browser("hanako")
    detail = hanako.get(f"/files/{returned.uid}").text
    assert f"/files/upload?replaces={returned.uid}" in detail
    assert "生年月日が違います" in hanako.get(f"{FORM}?replaces={returned.uid}").text
    assert sends(hanako, aes_zip(cast.archive_password), replaces=returned.uid).status_code == 303
    assert newest().replaces == returned
    entry = AuditEntry.select().where(AuditEntry.action == "filing.uploaded").order_by(AuditEntry.number.desc()).get()
    assert entry.details["replaces"] == returned.receipt_number
    assert "新しいものが登録されています" in hanako.get(f"/files/{returned.uid}").text


@pytest.mark.parametrize("step", ["uploaded", "completed", "rejected"])
def test_only_a_returned_filing_can_be_replaced(browser: People, cast: Cast, step: str) -> None:
    other, hanako = filing(cast, step), browser("hanako")
    assert "再アップロード" not in hanako.get(f"/files/{other.uid}").text
    assert sends(hanako, aes_zip(cast.archive_password), replaces=other.uid).status_code == 409
    assert Transfer.select().count() == 1


def test_nobody_replaces_what_is_not_of_the_office(browser: People, cast: Cast) -> None:
    hanako = browser("hanako")
    assert hanako.get(f"{FORM}?replaces={'0' * 32}").status_code == 404
    assert sends(hanako, aes_zip(cast.archive_password), replaces="0" * 32).status_code == 404
    assert Transfer.select().count() == 0


def test_on_a_full_disk_nothing_is_taken_and_the_rest_goes_on(
    app: Flask, browser: People, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    transfer, taro = filing(cast), browser("taro")
    kept = in_vault(app)
    monkeypatch.setattr(vault, "KEEP_FREE", (1.0, 2**62))  # more than any disk has
    answer = sends(taro, aes_zip(cast.archive_password))
    assert answer.status_code == 507
    assert "保存する場所が足りません" in answer.text
    assert (in_vault(app), Transfer.select().count()) == (kept, 1)
    page = f"/files/{transfer.uid}"
    assert taro.post(f"{page}/download", page=page).status_code == 200
    assert taro.post(f"{page}/approval", page=page).status_code == 303
