"""The fund's clerks and the filings that have arrived: opening, reading, finishing."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from flask import Flask

from exchange import scanner, transfers, vault
from models import Transfer
from tests.exchange.scanning import TOO_BIG, UNREACHABLE, decide, inspected
from tests.people import Browser, Cast, aes_zip, filing, inspect, logged, mails, state, told, uploads

People = Callable[[str], Browser]
FILES = {
    "資格取得届.csv": "氏名\r\n甲野\r\n".encode("cp932"),
    "添付/診断書.pdf": b"%PDF-1.7\n" + bytes(range(256)) * 800,
}


def delivered(cast: Cast, files: dict[str, bytes] | None = None) -> Transfer:
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, files or FILES)))
    transfers.approve_and_deliver(cast.taro, transfer)
    return transfer


def opens(browser: Browser, transfer: Transfer) -> int:
    page = f"/admin/inbox/{transfer.uid}"
    return browser.post(f"{page}/opening", page=page).status_code


def test_before_it_is_opened_only_its_outside_is_seen(browser: People, cast: Cast) -> None:
    transfer, kiku = delivered(cast), browser("kiku")
    page = kiku.get(f"/admin/inbox/{transfer.uid}").text
    assert "開くと受領済になり、事業所へ通知されます" in page
    assert "資格取得届.csv" not in page
    assert f"/admin/inbox/{transfer.uid}/entries/" not in page
    for act in ("download", "entries/0"):
        answer = kiku.post(f"/admin/inbox/{transfer.uid}/{act}", page=f"/admin/inbox/{transfer.uid}")
        assert answer.status_code == 422
        assert "先に「受領して開く」を押してください" in answer.text
    assert state(transfer) == "delivered"


def test_opening_receives_it_and_tells_the_office(app: Flask, browser: People, cast: Cast) -> None:
    transfer, kiku = delivered(cast), browser("kiku")
    assert opens(kiku, transfer) == 303
    assert state(transfer) == "received"
    assert logged(transfer)[-1] == "filing.received"
    opened = {to for to, what in told(app) if what == "届書が受領されました"}
    assert opened == {"hanako@sr-office.example", "taro@abc-shoji.example"}
    assert "資格取得届.csv" in kiku.get(f"/admin/inbox/{transfer.uid}").text
    assert "受領済" in browser("hanako").get(f"/files/{transfer.uid}").text


def test_two_clerks_cannot_both_be_the_first(browser: People, cast: Cast) -> None:
    transfer = delivered(cast)
    assert opens(browser("kiku"), transfer) == 303
    answer = browser("ume").post(f"/admin/inbox/{transfer.uid}/opening", page=f"/admin/inbox/{transfer.uid}")
    assert answer.status_code == 409
    assert "基金　菊" in answer.text
    assert logged(transfer).count("filing.received") == 1


def test_the_zip_comes_out_as_it_was_sent(browser: People, cast: Cast) -> None:
    transfer, ume = filing(cast, "received"), browser("ume")
    answer = ume.post(f"/admin/inbox/{transfer.uid}/download", page=f"/admin/inbox/{transfer.uid}")
    assert answer.data == b"".join(vault.pieces(transfer.stored))
    assert hashlib.sha256(answer.data).hexdigest() == transfer.sha256
    assert quote("届書.zip") in answer.headers["Content-Disposition"]
    assert logged(transfer)[-2:] == ["filing.downloaded", "transfer.sent_whole"]


@pytest.mark.parametrize(
    ("name", "kept"), [("届書.hta", "届書.hta.zip"), ("届書.ZIP. ", "届書.ZIP"), ("届書.zip.exe", "届書.zip.exe.zip")]
)
def test_what_comes_out_is_called_a_zip_whatever_its_name_was(
    browser: People, cast: Cast, name: str, kept: str
) -> None:
    transfer = filing(cast, "received")
    Transfer.update(file_name=name).where(Transfer.id == transfer.id).execute()
    answer = browser("ume").post(f"/admin/inbox/{transfer.uid}/download", page=f"/admin/inbox/{transfer.uid}")
    assert answer.headers["Content-Disposition"].endswith(f"filename*=UTF-8''{quote(kept)}")


def test_each_file_in_it_comes_out_decrypted(browser: People, cast: Cast) -> None:
    transfer, kiku = delivered(cast), browser("kiku")
    opens(kiku, transfer)
    for number, (name, content) in enumerate(FILES.items()):
        answer = kiku.post(f"/admin/inbox/{transfer.uid}/entries/{number}", page=f"/admin/inbox/{transfer.uid}")
        assert answer.data == content
        assert answer.mimetype == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == (
            f"attachment; filename=\"entry-{number}\"; filename*=UTF-8''{quote(name.rpartition('/')[2])}"
        )
        entry = list(transfer.timeline())[-1]
        assert entry.details == {"entry_number": number, "entry_sha256": hashlib.sha256(content).hexdigest()}


def test_a_file_that_is_not_in_it_is_refused(browser: People, cast: Cast) -> None:
    transfer = filing(cast, "received")
    answer = browser("kiku").post(f"/admin/inbox/{transfer.uid}/entries/7", page=f"/admin/inbox/{transfer.uid}")
    assert answer.status_code == 422
    assert "ZIPの中にありません" in answer.text


def test_it_is_completed_and_the_office_told(app: Flask, browser: People, cast: Cast) -> None:
    transfer, kiku = filing(cast, "received"), browser("kiku")
    page = f"/admin/inbox/{transfer.uid}"
    assert kiku.post(f"{page}/completion", page=page).status_code == 303
    assert state(transfer) == "completed"
    assert logged(transfer)[-1] == "filing.completed"
    assert ("hanako@sr-office.example", "届書の処理が完了しました") in told(app)
    assert kiku.post(f"{page}/completion", page=page).status_code == 409


def test_it_is_rejected_with_a_reason_that_only_the_page_tells(
    app: Flask, browser: People, cast: Cast, instance: Path
) -> None:
    transfer, reason = filing(cast, "received"), "三枚目に押印がありません"
    page = f"/admin/inbox/{transfer.uid}"
    answer = browser("kiku").post(f"{page}/rejection", {"reason": reason}, page=page)
    assert (answer.status_code, state(transfer)) == (303, "rejected")
    assert reason in browser("hanako").get(f"/files/{transfer.uid}").text
    assert ("hanako@sr-office.example", "届書が不受理となりました") in told(app)
    assert all(reason not in mail["body"] for mail in mails(instance / "mail"))


@pytest.mark.parametrize("reason", ["", "  ", "あ" * 501])
def test_without_a_fitting_reason_it_is_not_rejected(browser: People, cast: Cast, reason: str) -> None:
    transfer = filing(cast, "received")
    page = f"/admin/inbox/{transfer.uid}"
    answer = browser("kiku").post(f"{page}/rejection", {"reason": reason}, page=page)
    assert (answer.status_code, state(transfer)) == (422, "received")


@pytest.mark.parametrize("act", ["completion", "rejection"])
def test_what_is_not_opened_is_neither_completed_nor_rejected(browser: People, cast: Cast, act: str) -> None:
    transfer = delivered(cast)
    page = f"/admin/inbox/{transfer.uid}"
    answer = browser("kiku").post(f"{page}/{act}", {"reason": "理由です"}, page=page)
    assert (answer.status_code, state(transfer)) == (409, "delivered")


def test_without_the_word_a_clerk_has_nothing_to_do_with_filings(browser: People, cast: Cast) -> None:
    transfer, received = delivered(cast), filing(cast, "received")
    for grant in cast.member("ume").grants.where(cast.member("ume").grants.model.word == "receive"):
        grant.delete_instance()
    ume = browser("ume")
    assert opens(ume, transfer) == 403
    page = f"/admin/inbox/{received.uid}"
    assert ume.get(page).status_code == 403
    assert ume.get("/admin/inbox/").status_code == 403
    for act in ("completion", "rejection", "download", "entries/0"):
        assert ume.post(f"{page}/{act}", {"reason": "理由です"}, page=page).status_code == 403
    assert (state(transfer), state(received)) == ("delivered", "received")


def test_the_desk_sees_no_document(browser: People, cast: Cast) -> None:
    transfer, dai = filing(cast, "received"), browser("dai")
    for url in ("/admin/inbox/", f"/admin/inbox/{transfer.uid}", "/admin/statements/", f"/files/{transfer.uid}"):
        assert dai.get(url).status_code == 403
    assert transfer.receipt_number not in dai.get("/admin/desk/").text


def test_the_list_is_narrowed_by_state_and_by_page(browser: People, cast: Cast) -> None:
    new, finished, kiku = delivered(cast), filing(cast, "completed"), browser("kiku")
    page = kiku.get("/admin/inbox/?state=completed&page=99&_external=1&endpoint=x").text
    assert finished.receipt_number in page
    assert new.receipt_number not in page
    for odd in ("?state=nothing", "?page=0", "?page=-5", "?page=x", "?page=" + "9" * 30):
        assert kiku.get(f"/admin/inbox/{odd}").status_code == 200


@pytest.mark.parametrize(
    ("scan", "advice"),
    [(UNREACHABLE, "受領だけは、いまでもできます。"), (TOO_BIG, "「受領して開く」のあと「不受理」にして")],
)
def test_what_nobody_has_scanned_can_be_received_and_refused_where_the_fund_wants_no_such_bytes(
    browser: People, cast: Cast, scan: dict[str, str], advice: str
) -> None:
    transfer, kiku = inspected(delivered(cast), state="warned", scan=scan), browser("kiku")
    scanner.configure("/nowhere/clamd")
    decide(unscanned="refuse")
    page = kiku.get(f"/admin/inbox/{transfer.uid}").text
    moves = page.partition('id="moves-title"')[2].partition("</section>")[0]
    assert advice in moves
    assert "開くと受領済になり" not in page
    assert opens(kiku, transfer) == 303
    page = kiku.get(f"/admin/inbox/{transfer.uid}").text
    assert [f"/{what}" in page for what in ("entries/", "download", "rejection")] == [False, False, True]
    answer = kiku.post(f"/admin/inbox/{transfer.uid}/download", page=f"/admin/inbox/{transfer.uid}")
    assert (answer.status_code, "ZIPも、その中のファイルも開けません" in answer.text) == (422, True)
