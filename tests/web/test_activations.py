"""The desk's queue: what waits for its 有効化, how it is decided, and what is to be done on the VPN server."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from equipment import ActivationRequest, VpnOrder
from exchange import activations, calendar, devices
from models import AuditEntry, Device, Grant, Mail
from tests.exchange.activating import fresh, mailed, sends
from tests.exchange.codes import CERTIFICATE, Pc, built
from tests.exchange.vpn_server import VpnServer
from tests.markup import Page
from tests.people import Browser, Cast

People = Callable[[str], Browser]
LIST = "/admin/activations/"
ORDERS, HISTORY = f"{LIST}?state=orders", f"{LIST}?state=history"
HTMX = {"HX-Request": "true"}
COUNTS = ("a-count", "a-total", "settling")  # above and below the list, redrawn with a row
SHOWN = {"SOUMU", "KEIRI", "NOTE", "BEGIN", "CERTIFICATE", "END", "MIIB"}


@pytest.fixture(autouse=True)
def _only_what_the_test_sends(app: Flask) -> None:
    Mail.delete().execute()


def sent(cast: Cast, slot: int = 2, at: datetime | None = None, **pc: str) -> ActivationRequest:
    return sends(built(cast.abc, slot), Pc(**pc), at=at)


def url_of(request: ActivationRequest) -> str:
    return f"{LIST}{request.uid}"


def accepts(browser: Browser, request: ActivationRequest, part: str = "", **more: Any) -> TestResponse:
    url = f"{url_of(request)}/acceptance{'?part=row' if part else ''}"
    return browser.post(url, page=LIST, **more)


def sends_back(browser: Browser, request: ActivationRequest, reason: str, part: str = "", **more: Any) -> TestResponse:
    url = f"{url_of(request)}/return{'?part=row' if part else ''}"
    return browser.post(url, {"reason": reason}, page=LIST, **more)


def faults(app: Flask, page: str, is_fragment: bool = False) -> list[str]:
    read, adapter = Page(page), app.url_map.bind("127.0.0.1")
    found = read.fragment_faults(adapter, COUNTS) if is_fragment else read.faults(adapter)
    return [fault for fault in found if fault.removeprefix("English: ") not in SHOWN]


def fragment(app: Flask, answer: TestResponse) -> str:
    """A row as htmx gets it: a fragment, and a whole one."""
    assert "<!doctype" not in answer.text
    assert faults(app, f"<table><tbody>{answer.text}</tbody></table>", is_fragment=True) == []
    return answer.text


# ── what waits ──


def test_the_oldest_request_stands_first_with_all_that_is_to_be_known(app: Flask, browser: People, cast: Cast) -> None:
    newer = sent(cast, 2, computer="SOUMU-PC07")
    older = sent(cast, 3, at=utc_now() - timedelta(days=1), computer="KEIRI-NOTE-02", adapter="")
    page = browser("dai").get(LIST).text
    assert faults(app, page) == []
    assert page.index(older.receipt_number) < page.index(newer.receipt_number)
    for words in (
        *(cast.abc.name, "端末 02", "SOUMU-PC07", f"{cast.abc.contract_number}.02", "5項目とも合格", "2件"),
        *("インストーラーの署名が一致し、書き換えられていない", "要確認：", "ネットワークアダプターの番号"),
        *("VPNサーバーで登録を済ませてください", "有効化", "差戻し"),
    ):
        assert words in page
    assert page.count(">受付</span>") == 2


def days_ago(days: int) -> datetime:
    """A moment so many business days back."""
    at = utc_now()
    while calendar.add_business_days(calendar.day(at), days) > calendar.day(utc_now()):
        at -= timedelta(days=1)
    return at


@pytest.mark.parametrize("days", [0, 1, 2, 3, 7])
def test_the_clock_counts_business_days(browser: People, cast: Cast, days: int) -> None:
    one, today = sent(cast, at=days_ago(days)), calendar.day(utc_now())
    due_on = calendar.add_business_days(calendar.day(one.requested_at), 2)
    page = browser("dai").get(LIST).text
    assert f"{due_on:%Y/%m/%d}</span>" in page.replace(" まで", "")
    assert (f"受付から{days}営業日目" if days else "受付した当日") in page
    assert ("今日まで" in page) is (due_on == today)
    assert ("期限を過ぎています" in page) is (due_on < today)


def test_an_empty_queue_says_so(app: Flask, browser: People) -> None:
    dai = browser("dai")
    for page, words in (
        (LIST, "有効化を待っている端末はありません。"),
        (ORDERS, "VPNサーバーでの作業を待っている端末はありません。"),
        (HISTORY, "終わったリクエストはまだありません。"),
        (f"{HISTORY}&q=ABC", "「ABC」に当てはまるリクエストはありません。"),
    ):
        shown = dai.get(page).text
        assert words in shown
        assert faults(app, shown) == []


def test_the_start_page_leads_to_lists_of_the_length_that_it_tells(browser: People, cast: Cast) -> None:
    for slot in (2, 3):
        sent(cast, slot)
    devices.stop(cast.dai, Device.in_slot(cast.abc, 1), "紛失")
    dai = browser("dai")
    start = dai.get("/").text
    for url, what, count in (
        (LIST, "有効化を待っている端末", 2),
        (ORDERS, "VPNサーバーでの作業を待っている端末", 1),
    ):
        card = re.search(rf'<a class="td-card td-wait" href="{re.escape(url)}">(.*?)</a>', start, re.DOTALL)[1]
        assert what in card
        assert f">{count}<small>台" in card
        assert re.search(rf"<small[^>]*>{count}件</small>", dai.get(url).text)
    assert '<a href="/admin/activations/"' in start


# ── 有効化 ──


def test_a_press_activates_where_people_look_after_the_vpn_server(app: Flask, browser: People, cast: Cast) -> None:
    one, dai = sent(cast, computer="SOUMU-PC07"), browser("dai")
    answer = accepts(dai, one)
    assert (answer.status_code, answer.location) == (303, url_of(one))
    page = dai.get(url_of(one)).text
    assert faults(app, page) == []
    assert "有効化しました。" in page
    assert ">有効化済</span>" in page
    assert Device.in_slot(cast.abc, 2).state == "active"
    assert mailed("device_activated") == [cast.member("taro").user.mail]
    assert one.receipt_number not in dai.get(LIST).text
    assert one.receipt_number in dai.get(HISTORY).text


def test_htmx_gets_the_row_alone(app: Flask, browser: People, cast: Cast) -> None:
    one, dai = sent(cast), browser("dai")
    answer = accepts(dai, one, part="row", headers=HTMX)
    assert answer.status_code == 200
    row = fragment(app, answer)
    assert f'id="a-{one.uid}"' in row
    assert "有効化済" in row
    assert "hx-trigger" not in row


def test_the_page_tells_what_must_be_done_on_the_vpn_server_first(browser: People, cast: Cast) -> None:
    page = browser("dai").get(url_of(sent(cast))).text
    for words in (f"{cast.abc.contract_number}.02", "固有証明書認証", CERTIFICATE.splitlines()[1], 'id="vpn-user"'):
        assert words in page


def test_a_second_press_says_that_it_is_done(browser: People, cast: Cast) -> None:
    one, dai = sent(cast), browser("dai")
    token = dai.csrf(LIST)
    for status in (303, 409):
        answer = dai.client.post(f"{url_of(one)}/acceptance", data={"csrf_token": token})
        assert answer.status_code == status
    assert "すでに有効化されています" in answer.text


# ── 差戻し ──


def test_a_request_goes_back_with_its_reason(app: Flask, browser: People, cast: Cast) -> None:
    one, dai = sent(cast), browser("dai")
    answer = sends_back(dai, one, "ほかのPCではありませんか")
    assert (answer.status_code, answer.location) == (303, url_of(one))
    page = dai.get(url_of(one)).text
    assert faults(app, page) == []
    assert "理由：ほかのPCではありませんか" in page
    assert mailed("device_returned") == [cast.member("taro").user.mail]
    assert Device.in_slot(cast.abc, 2).state == "downloaded"


def test_in_the_row_as_well(app: Flask, browser: People, cast: Cast) -> None:
    one, dai = sent(cast), browser("dai")
    row = fragment(app, sends_back(dai, one, "取り違え", part="row", headers=HTMX))
    assert ">差戻し</span>" in row
    assert "取り違え" in row


@pytest.mark.parametrize(("reason", "words"), [(" ", "差戻しの理由を入力してください"), ("あ" * 301, "300文字まで")])
@pytest.mark.parametrize("part", ["", "row"])
def test_without_a_reason_nothing_goes_back(
    app: Flask, browser: People, cast: Cast, reason: str, words: str, part: str
) -> None:
    one, dai = sent(cast), browser("dai")
    answer = sends_back(dai, one, reason, part=part, headers=HTMX if part else {})
    assert answer.status_code == 422
    assert re.search(rf'id="reason-{one.uid}-error"[^>]*>＊{words}|＊[^<]*{words}', answer.text)
    if part:
        assert re.search(r'<details class="td-details" open>', fragment(app, answer))
    else:
        assert faults(app, answer.text) == []
    assert fresh(one).state == "waiting"


# ── history ──


def test_the_history_is_searched_and_has_pages(app: Flask, browser: People, cast: Cast) -> None:
    first, *_ = [sent(cast, computer=f"SOUMU-PC{number:02d}") for number in range(53)]
    dai = browser("dai")
    shown = dai.get(HISTORY).text
    assert faults(app, shown) == []
    assert "<small>52件</small>" in shown
    assert "1／2ページ" in shown
    last = dai.get(re.search(r'href="([^"]+)" rel="next"', shown)[1].replace("&amp;", "&")).text
    assert last.count("<tr id=") == 2
    for search in ("SOUMU-PC00", first.receipt_number):
        found = dai.get(LIST, query_string={"state": "history", "q": search}).text
        assert found.count("<tr id=") == 1
        assert "SOUMU-PC00" in found
    assert dai.get(LIST, query_string={"state": "history", "q": "%"}).text.count("<tr id=") == 0


def test_the_page_of_a_request_has_its_timeline(browser: People, cast: Cast) -> None:
    one = sent(cast)
    activations.accept(cast.dai, one)
    page = browser("dai").get(url_of(one)).text
    timeline = page[page.index("<h2>経過</h2>") :]
    assert timeline.index("確認コードの受付") < timeline.index("有効化の承認") < timeline.rindex("有効化")
    assert "VPNサーバーへの反映" in page
    assert "203.0.113.7" in timeline


# ── what is to be done on the VPN server ──


def test_a_stopped_pc_is_told_until_somebody_says_that_the_server_knows(
    app: Flask, browser: People, cast: Cast
) -> None:
    devices.stop(cast.dai, Device.in_slot(cast.abc, 2), "紛失")
    order, dai = VpnOrder.get(VpnOrder.state == "waiting"), browser("dai")
    page = dai.get(ORDERS).text
    assert faults(app, page) == []
    for words in ("VPN側で停止してください", f"{cast.abc.contract_number}.02", "VPNサーバーで停止しました"):
        assert words in page
    answer = dai.post(f"{LIST}orders/{order.uid}/completion", page=ORDERS)
    assert (answer.status_code, answer.location) == (303, ORDERS)
    assert "済んだものとして記録しました" in dai.get(ORDERS).text
    assert fresh(order).state == "done"
    assert AuditEntry.select().where(AuditEntry.action == "vpn.settled").count() == 1
    token = dai.csrf(LIST)
    again = dai.client.post(f"{LIST}orders/{order.uid}/completion", data={"csrf_token": token})
    assert again.status_code == 409


def test_nothing_is_pressed_for_a_server_that_is_driven_from_here(
    app: Flask, browser: People, cast: Cast, server: VpnServer
) -> None:
    devices.stop(cast.dai, Device.in_slot(cast.abc, 2), "紛失")
    dai = browser("dai")
    page = dai.get(ORDERS).text
    assert faults(app, page) == []
    assert "自動で反映されます" in page
    assert "停止しました" not in page
    assert "VPNサーバーでの作業" not in dai.get("/").text
    assert (
        dai.post(f"{LIST}orders/{VpnOrder.get(VpnOrder.state == 'waiting').uid}/completion", page=ORDERS).status_code
        == 422
    )


# ── who ──


def test_without_the_word_one_sees_and_presses_nothing(browser: People, cast: Cast) -> None:
    one = sent(cast)
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word == "activate").execute()
    dai = browser("dai")
    for page in (LIST, url_of(one)):
        shown = dai.get(page)
        assert shown.status_code == 200
        assert "/acceptance" not in shown.text
        assert "/return" not in shown.text
    assert accepts(dai, one).status_code == 403
    assert sends_back(dai, one, "理由").status_code == 403
    assert fresh(one).state == "waiting"


def test_who_may_stop_devices_may_say_that_the_server_knows(browser: People, cast: Cast) -> None:
    devices.stop(cast.dai, Device.in_slot(cast.abc, 2), "紛失")
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word == "activate").execute()
    dai = browser("dai")
    assert "VPNサーバーで停止しました" in dai.get(ORDERS).text
    assert (
        dai.post(f"{LIST}orders/{VpnOrder.get(VpnOrder.state == 'waiting').uid}/completion", page=ORDERS).status_code
        == 303
    )


def test_a_get_decides_nothing(browser: People, cast: Cast) -> None:
    one, dai = sent(cast), browser("dai")
    for act in ("acceptance", "return"):
        assert dai.get(f"{url_of(one)}/{act}").status_code == 405
    assert dai.get(f"{LIST}orders/{'0' * 32}/completion").status_code == 405
    assert fresh(one).state == "waiting"


@pytest.mark.parametrize("act", ["acceptance", "return"])
def test_nothing_is_decided_without_the_pages_token(browser: People, cast: Cast, act: str) -> None:
    one, dai = sent(cast), browser("dai")
    assert dai.client.post(f"{url_of(one)}/{act}", data={"reason": "理由"}).status_code == 400
    assert fresh(one).state == "waiting"
