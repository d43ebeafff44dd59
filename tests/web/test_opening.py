"""What the page of a document carries for 「開いて保存」: a small ZIP that proves the 圧縮パスワード, and for whom."""

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange import archive_passwords, pickups
from models import Inspection, Transfer
from tests.people import Browser, Cast, aes_zip, filing, inspect, statement, uploads
from tests.test_secrets import forms_of

People = Callable[[str], Browser]
NEWER = "Kaede-Yama-2027"


def requested(cast: Cast) -> Transfer:
    transfer = statement(cast, "delivered")
    pickups.request_pickup(cast.taro, transfer)
    return transfer


def page_of(browser: Browser, transfer: Transfer) -> str:
    answer = browser.get(f"/files/{transfer.uid}")
    assert answer.status_code == 200
    return answer.text


def archive_in(page: str) -> bytes:
    """The small ZIP; nothing when the page has no 「開いて保存」."""
    found = re.search(r'data-test-archive="([^"]+)"', page)
    assert (found is not None) == ('id="open"' in page) == ("js/open.js" in page)
    return base64.b64decode(found[1]) if found else b""


def opens(archive: bytes, password: str, folder: Path) -> bool:
    """Whether 7zz opens it with this password."""
    (folder / "it.zip").write_bytes(archive)
    return subprocess.run(["7zz", "t", f"-p{password}", "it.zip"], cwd=folder, capture_output=True).returncode == 0


def loses(cast: Cast, name: str, word: str) -> None:
    grants = cast.member(name).grants
    grants.where(grants.model.word == word).get().delete_instance()


def test_a_requested_statement_brings_an_aes_zip_that_its_password_opens(
    browser: People, cast: Cast, tmp_path: Path
) -> None:
    archive = archive_in(page_of(browser("hanako"), requested(cast)))
    assert opens(archive, cast.archive_password, tmp_path)
    assert not opens(archive, "Wrong-Password-26", tmp_path)
    assert b"\x03" in archive[archive.index(b"\x01\x99\x07\x00") :][:9], "AES-256"


def test_it_is_the_password_with_which_this_very_document_was_made(browser: People, cast: Cast, tmp_path: Path) -> None:
    transfer = requested(cast)
    archive_passwords.keep(cast.taro, cast.abc, NEWER, 2)
    archive = archive_in(page_of(browser("taro"), transfer))
    assert opens(archive, cast.archive_password, tmp_path)
    assert not opens(archive, NEWER, tmp_path)
    assert opens(archive_in(page_of(browser("taro"), requested(cast))), NEWER, tmp_path)


def test_each_visit_gets_another_one(browser: People, cast: Cast) -> None:
    transfer, taro = requested(cast), browser("taro")
    archives = {archive_in(page_of(taro, transfer)) for _ in range(3)}
    assert len(archives) == 3


def test_the_password_itself_is_nowhere_in_the_page(browser: People, cast: Cast) -> None:
    answer = browser("taro").get(f"/files/{requested(cast).uid}")
    given = str(answer.headers).encode() + answer.data
    assert archive_in(answer.text)
    assert [form for form in forms_of(cast.archive_password) if form in given] == []


def test_only_a_statement_that_was_asked_for_has_it(browser: People, cast: Cast) -> None:
    transfer, taro = statement(cast, "delivered"), browser("taro")
    assert archive_in(page_of(taro, transfer)) == b""
    pickups.request_pickup(cast.taro, transfer)
    assert archive_in(page_of(taro, transfer))
    for _ in pickups.download(cast.taro, transfer):
        pass
    assert archive_in(page_of(taro, transfer)) == b""


def test_only_those_who_may_download_get_it(browser: People, cast: Cast) -> None:
    transfer, sent = requested(cast), filing(cast)
    assert archive_in(page_of(browser("jun"), transfer))
    assert archive_in(page_of(browser("jun"), sent))
    loses(cast, "jun", "download")
    assert archive_in(page_of(browser("jun"), transfer)) == b""
    assert archive_in(page_of(browser("jun"), sent)) == b""


@pytest.mark.parametrize("address", ["/files/statements", "/files/everywhere?direction=statement", "/files/", "/"])
def test_no_list_carries_it(browser: People, cast: Cast, address: str) -> None:
    requested(cast)
    filing(cast)
    assert archive_in(browser("hanako").get(address, follow_redirects=True).text) == b""


def test_the_offices_own_filing_has_it_once_its_zip_was_found_good(browser: People, cast: Cast, tmp_path: Path) -> None:
    taro, waiting = browser("taro"), uploads(cast.hanako, aes_zip(cast.archive_password))
    assert archive_in(page_of(taro, waiting)) == b""
    assert opens(archive_in(page_of(taro, inspect(waiting))), cast.archive_password, tmp_path)
    locked = inspect(uploads(cast.hanako, aes_zip("Wrong-Password-26")))
    assert archive_in(page_of(taro, locked)) == b""


@pytest.mark.parametrize("make", [requested, filing])
def test_nothing_that_was_quarantined_can_be_opened(browser: People, cast: Cast, make: Callable) -> None:
    transfer = make(cast)
    Inspection.update(state="quarantined").where(Inspection.transfer == transfer).execute()
    assert archive_in(page_of(browser("taro"), transfer)) == b""


def test_what_is_typed_there_belongs_to_nothing_that_a_form_sends(browser: People, cast: Cast) -> None:
    page = page_of(browser("taro"), requested(cast))
    (field,) = re.findall(r'<input[^>]*id="open-password"[^>]*>', page)
    assert 'type="password"' in field
    assert 'autocomplete="off"' in field
    assert " name=" not in field
    assert "この欄の内容は送信されません。" in page


def test_without_scripts_the_section_is_hidden_and_the_download_stands(browser: People, cast: Cast) -> None:
    transfer = requested(cast)
    page = page_of(browser("taro"), transfer)
    (section,) = re.findall(r'<section id="open"[^>]*>', page)
    assert re.search(r"\shidden\s", section)
    outside = page.replace(page[page.index(section) : page.index("</section>", page.index(section))], "")
    assert f'action="/files/{transfer.uid}/download"' in outside
    assert ">ダウンロード</button>" in outside
