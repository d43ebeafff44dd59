"""What the counter of /activate tells an office of its PCs and of codes that were sent before."""

import io
import re
from collections.abc import Callable

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from equipment import ActivationRequest
from exchange import activations, counter, devices
from models import Device
from tests.exchange.codes import built, code
from tests.markup import Page
from tests.people import Browser, Cast

People = Callable[[str], Browser]
FORM, UPLOAD, RECEIPT = "/activate/", "/activate/request", "/activate/receipt"
SHOWN = {"AB", "SOUMU"}  # of the office's name, of the PC's


def inside(browser: Browser, cast: Cast) -> Browser:
    made = cast.made["offices"][0]
    password = counter.this_month(utc_now()) + made["download_key"]
    pair = {"contract_number": made["contract_number"], "download_password": password}
    assert browser.post(FORM, pair).location == UPLOAD
    return browser


def sends(browser: Browser, data: bytes) -> TestResponse:
    answer = browser.post(
        UPLOAD, {"file": (io.BytesIO(data), "確認コード(02A3F9).txt")}, content_type="multipart/form-data"
    )
    assert answer.location == RECEIPT
    return answer


def line(page: str, slot: int = 2) -> str:
    return page.partition(f'<th scope="row">端末 {slot:02d}')[2].partition("</tr>")[0]


def faults(app: Flask, page: str) -> list[str]:
    found = Page(page).faults(app.url_map.bind("127.0.0.1"))
    return [fault for fault in found if fault.removeprefix("English: ") not in SHOWN]


# ── the receipt ──


def test_a_code_that_is_sent_again_keeps_its_number_and_says_so(app: Flask, browser: People, cast: Cast) -> None:
    stranger, data, pages = inside(browser(""), cast), code(built(cast.abc, 2)), []
    for _ in range(2):
        sends(stranger, data)
        pages.append(stranger.get(RECEIPT).text)
    assert ActivationRequest.select().count() == 1
    words = "この確認コードは、すでに受け付けています。受付番号は変わりません。"
    assert [words in page for page in pages] == [False, True]
    assert faults(app, pages[1]) == []


def test_a_newer_code_names_the_one_before_and_that_one_says_why(app: Flask, browser: People, cast: Cast) -> None:
    one, first_pc, second_pc = built(cast.abc, 2), inside(browser(""), cast), inside(browser(""), cast)
    for stranger in (first_pc, second_pc):
        sends(stranger, code(one))
    first, second = ActivationRequest.select().order_by(ActivationRequest.id)
    page, before = second_pc.get(RECEIPT).text, first_pc.get(RECEIPT).text
    assert faults(app, page) == []
    assert f"前の受付（<code>{first.receipt_number}</code>）に代わって受け付けました。" in page
    assert f"理由：新しい確認コード（受付番号 {second.receipt_number}）が届いたため。" in before
    assert "代わって" not in before


@pytest.mark.parametrize(("verb", "words"), [("stop", "端末の停止のため"), ("replace", "PCの入れ替えのため")])
def test_the_receipt_says_why_nothing_came_of_it(browser: People, cast: Cast, verb: str, words: str) -> None:
    stranger = inside(browser(""), cast)
    sends(stranger, code(built(cast.abc, 2)))
    getattr(devices, verb)(cast.taro, Device.in_slot(cast.abc, 2), "故障")
    assert f"理由：{words}。" in stranger.get(RECEIPT).text


# ── the office's PCs below the form ──


def test_what_came_back_is_told_with_its_reason_until_it_is_sent_again(app: Flask, browser: People, cast: Cast) -> None:
    stranger, data = inside(browser(""), cast), code(built(cast.abc, 2))
    sends(stranger, data)
    activations.send_back(cast.dai, ActivationRequest.get(), "経理のPCではありませんか")
    page = stranger.get(UPLOAD).text
    assert faults(app, page) == []
    for words in ("差戻し", "理由：経理のPCではありませんか", "もう一度「インストール確認」を実行"):
        assert words in line(page)
    sends(stranger, data)
    assert "受付済み" in line(stranger.get(UPLOAD).text)


def test_a_slot_that_was_stopped_or_replaced_since_has_nothing_to_mend(browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    for number, verb in ((2, devices.stop), (3, devices.replace)):
        sends(stranger, code(built(cast.abc, number)))
        newest = ActivationRequest.select().order_by(ActivationRequest.id.desc()).get()
        activations.send_back(cast.dai, newest, "取り違え")
        assert "差戻し" in line(stranger.get(UPLOAD).text, number)
        verb(cast.taro, Device.in_slot(cast.abc, number), "故障")
        assert "差戻し" not in line(stranger.get(UPLOAD).text, number)


def test_a_pc_that_gives_way_is_told_as_one_that_waits(app: Flask, browser: People, cast: Cast) -> None:
    stranger = inside(browser(""), cast)
    assert "有効化済み" in line(stranger.get(UPLOAD).text)
    devices.replace(cast.taro, Device.in_slot(cast.abc, 2), "故障")
    waits = line(stranger.get(UPLOAD).text)
    assert "入れ替え待ち" in waits
    assert "新しいパソコンにインストールしたあと、確認コードを送信します" in waits
    sends(stranger, code(built(cast.abc, 2, state="active")))
    page = stranger.get(UPLOAD).text
    assert faults(app, page) == []
    chip = re.search(r"td-chip[^>]*>([^<]*)<", line(page))
    assert chip is not None
    assert chip[1] == "入れ替えの受付済み"
    assert "いまのパソコンを使えます" in line(page)
