"""The upload page carries what its script needs to make password ZIPs, and no more."""

import base64
import io
import re
from collections.abc import Callable

from flask import Flask

from exchange import archives
from tests.people import Browser, Cast

People = Callable[[str], Browser]


def proof(page: str) -> bytes:
    found = re.search(r'data-test-archive="([^"]+)"', page)
    return base64.b64decode(found[1]) if found else b""


def test_the_upload_page_carries_a_zip_that_only_the_archive_password_opens(browser: People, cast: Cast) -> None:
    page = browser("taro").get("/files/upload").text
    password = cast.made["offices"][0]["archive_password"]
    judged = archives.inspect(io.BytesIO(proof(page)), password)
    assert (judged.verdict, [entry.method for entry in judged.entries]) == ("accept", ["AES-256"])
    assert archives.inspect(io.BytesIO(proof(page)), password.swapcase()).verdict == "reject"
    assert password not in page


def test_every_visit_has_a_zip_of_its_own(browser: People) -> None:
    taro = browser("taro")
    assert len({proof(taro.get("/files/upload").text) for _ in range(3)}) == 3


def test_the_field_of_the_password_can_not_be_sent(browser: People) -> None:
    page = browser("taro").get("/files/upload").text
    field = re.search(r'<input[^>]*id="pack-password"[^>]*>', page)
    assert field is not None
    assert " name=" not in field[0]
    assert 'type="password" autocomplete="off"' in field[0]


def test_who_may_not_upload_gets_no_such_zip(browser: People, cast: Cast) -> None:
    boxes = f"/admin/users/{cast.member('jun').uid}"
    browser("taro").post(f"{boxes}/permissions/upload", {}, page=boxes)
    answer = browser("jun").get("/files/upload")
    assert (answer.status_code, proof(answer.text)) == (403, b"")


def test_only_pages_that_make_or_open_zips_load_the_library(browser: People) -> None:
    taro = browser("taro")
    assert "zipjs" in taro.get("/files/upload").text
    assert all("zipjs" not in taro.get(url).text for url in ("/", "/files/", "/files/statements", "/help/"))


def test_the_page_is_told_the_limits_of_the_server(app: Flask, browser: People) -> None:
    app.config |= {"MAX_FILE_BYTES": 1_234_567, "MAX_UNPACKED_BYTES": 7_654_321}
    page = browser("taro").get("/files/upload").text
    assert 'data-max-bytes="1234567"' in page
    assert 'data-max-unpacked="7654321"' in page
    assert f'data-max-entries="{archives.Limits.entries}"' in page


def test_without_scripts_the_page_takes_one_zip_and_says_how_to_make_it(browser: People) -> None:
    page = browser("hanako").get("/files/upload").text
    assert "ExcelやPDFなどのファイルは、そのままでは送れません。" in page
    assert re.search(r"<details[^>]* open>\s*<summary>圧縮パスワード付きZIPの作り方<", page)
    assert "書庫形式を「zip」、暗号化方式を「AES-256」にします。" in page
    assert " hidden" in re.search(r"<div data-pack[^>]*>", page)[0].split("data-test-archive")[0]
    assert [tag for tag in re.findall(r'<\w+ data-pack-can="yes"[^>]*>', page) if not tag.endswith(" hidden>")] == []
    assert " multiple" not in re.search(r'<input[^>]*type="file"[^>]*>', page)[0]
