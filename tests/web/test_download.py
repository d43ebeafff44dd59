"""The copy of a filing for its own office: ダウンロード of what was sent."""

from collections.abc import Callable
from urllib.parse import quote

import pytest

from database import db
from exchange import vault
from models import AuditEntry, StoredObject, Transfer
from tests.people import Browser, Cast, aes_zip, filing, inspect, logged, uploads

People = Callable[[str], Browser]


def test_the_office_gets_its_own_bytes_back(browser: People, cast: Cast) -> None:
    data = aes_zip(cast.archive_password, {"届書.csv": bytes(200_000)})
    transfer = inspect(uploads(cast.hanako, data, "四月分 届書.zip"))
    answer = browser("hanako").post(f"/files/{transfer.uid}/download", page=f"/files/{transfer.uid}")
    assert answer.status_code == 200
    assert answer.data == data
    assert answer.mimetype == "application/zip"
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Content-Disposition"] == (
        f"attachment; filename=\"transfer-{transfer.receipt_number}.zip\"; filename*=UTF-8''{quote('四月分 届書.zip')}"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"


def test_who_took_it_and_that_all_of_it_went_out_is_logged(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    browser("taro").post(f"/files/{transfer.uid}/download", page=f"/files/{transfer.uid}").get_data()
    assert logged(transfer)[-2:] == ["filing.downloaded", "transfer.sent_whole"]
    taken, sent = list(transfer.timeline())[-2:]
    assert taken.membership.login_id == "abcTaro01"
    assert sent.details == {"sha256": transfer.sha256, "bytes": transfer.size}


@pytest.mark.parametrize("step", ["uploaded", "delivered", "completed", "returned", "cancelled"])
def test_the_copy_is_there_in_every_state_and_moves_nothing(browser: People, cast: Cast, step: str) -> None:
    transfer = filing(cast, step)
    assert browser("taro").post(f"/files/{transfer.uid}/download", page=f"/files/{transfer.uid}").status_code == 200
    assert Transfer.get_by_id(transfer.id).state == step


def test_a_get_downloads_nothing(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    assert browser("taro").get(f"/files/{transfer.uid}/download").status_code == 405
    assert "filing.downloaded" not in logged(transfer)


def test_without_the_word_nothing_is_handed_out(browser: People, cast: Cast) -> None:
    transfer, member = filing(cast), cast.member("jun")
    member.grants.where(member.grants.model.word == "download").get().delete_instance()
    jun, page = browser("jun"), f"/files/{transfer.uid}"
    assert f"{page}/download" not in jun.get(page).text
    answer = jun.post(f"{page}/download", page=page)
    assert answer.status_code == 403
    assert "「ダウンロード」の権限がない" in answer.text
    assert AuditEntry.select().where(AuditEntry.action == "permission.refused").count() == 1


def test_a_document_whose_file_was_erased_is_an_error_and_not_an_empty_file(browser: People, cast: Cast) -> None:
    transfer, taro = filing(cast), browser("taro")
    with db.atomic():
        vault.erase(StoredObject.get_by_id(transfer.stored_id))
    taro.client.application.testing = False
    page = f"/files/{transfer.uid}"
    assert taro.post(f"{page}/download", page=page).status_code == 500
