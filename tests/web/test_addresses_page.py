"""住所の取り込み: a CSV of addresses, brought in as a whole or sent back with the lines that are wrong."""

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.exchange.offices import third_office
from tests.people import Browser, Cast
from tests.web.test_letters import ADDRESSES, ROOM, faults, table

People = Callable[[str], Browser]
HEADINGS = "事業所番号,郵便番号,住所\r\n"
FILLED_IN = HEADINGS + "00101,1000001,東京都千代田区千代田1-1\r\n00102,2310001,神奈川県横浜市中区新港2-2\r\n"


def brings(browser: Browser, data: bytes, name: str = "住所.csv") -> TestResponse:
    parts = [("csrf_token", "", browser.csrf(ADDRESSES).encode()), ("file", f'; filename="{name}"', data)]
    heads = [f'--cut\r\nContent-Disposition: form-data; name="{field}"{more}\r\n\r\n' for field, more, _ in parts]
    body = b"".join(head.encode() + part[2] + b"\r\n" for head, part in zip(heads, parts, strict=True))
    kind = "multipart/form-data; boundary=cut"
    return browser.client.post(ADDRESSES, data=body + b"--cut--\r\n", content_type=kind)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
def test_addresses_are_brought_in_and_counted(app: Flask, cast: Cast, browser: People, encoding: str) -> None:
    kiku = browser("kiku")
    answer = brings(kiku, (FILLED_IN + "00101,,\r\n").encode(encoding))
    assert (answer.status_code, answer.location) == (303, ADDRESSES)
    page = kiku.get(ADDRESSES)
    assert "2件の事業所の住所を登録しました。空欄の1行は読み飛ばしました。" in page.text
    assert "住所の登録がない事業所はありません" in page.text
    assert faults(app, page) == []
    assert (cast.abc.postal_code, cast.xyz.address) == ("100-0001", "神奈川県横浜市中区新港2-2")
    brings(kiku, FILLED_IN.encode(encoding))
    assert "0件の事業所の住所を登録しました。同じ住所が登録済みの2件はそのままです。" in kiku.get(ADDRESSES).text


def test_wrong_lines_are_listed_with_their_numbers_and_nothing_is_written(
    app: Flask, cast: Cast, browser: People
) -> None:
    wrong = "99999,1000001,東京都\r\n00103,12,=1+1\r\n"
    third_office()
    answer = brings(browser("kiku"), (FILLED_IN + wrong).encode())
    assert answer.status_code == 422
    assert "誤りが3件あるため、1件も登録していません" in answer.text
    lines = re.findall(r'<th scope="row"[^>]*>(\d+)行目</th><td>(.*?)</td>', unescape(answer.text))
    assert [line for line, _ in lines] == ["4", "5", "5"]
    assert "99999" in lines[0][1]
    assert faults(app, answer) == []
    assert (cast.abc.address, cast.xyz.address) == ("", "")


def test_of_very_many_wrong_lines_the_first_are_shown(browser: People) -> None:
    answer = brings(browser("kiku"), (HEADINGS + "99999,1000001,東京都\r\n" * 150).encode())
    assert answer.text.count("行目</th>") == 100
    assert "ほかに50件あります" in answer.text


def test_no_file_is_said_at_its_field(app: Flask, browser: People) -> None:
    answer = brings(browser("kiku"), b"", "")
    assert answer.status_code == 422
    assert "ファイルが選ばれていません" in answer.text
    assert faults(app, answer) == []


@pytest.mark.parametrize(("size", "status"), [(2**20 + 1, 422), (2 * 2**20, 413)])
def test_a_file_that_is_too_large(app: Flask, browser: People, size: int, status: int) -> None:
    answer = brings(browser("kiku"), b"x" * size)
    assert answer.status_code == status
    assert "大きすぎます" in answer.text
    assert faults(app, answer) == []


def test_an_address_that_is_no_html(app: Flask, browser: People) -> None:
    third_office()
    kiku = browser("kiku")
    brings(kiku, (HEADINGS + "00103,1000001,<b>東京都</b>\r\n").encode())
    answer = kiku.get(ROOM)
    assert "&lt;b&gt;東京都&lt;/b&gt;" in answer.text
    assert faults(app, answer) == []
    assert brings(kiku, (HEADINGS + "<b>1</b>,1000001,東京都\r\n").encode()).text.count("<b>") == 0


def test_the_form_lists_the_offices_without_an_address(browser: People) -> None:
    answer = browser("kiku").post(f"{ADDRESSES}/form", page=ADDRESSES)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert [row[0] for row in table(answer)] == ["事業所番号", "00101", "00102"]
