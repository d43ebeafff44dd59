"""What the desk sees of a 有効化 while the VPN server, driven from here, is still to do its part."""

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from database import utc_now
from equipment import ActivationRequest
from exchange import activations, vpn, vpn_orders
from models import Mail
from tests.exchange.activating import fresh, mailed
from tests.exchange.codes import CERTIFICATE
from tests.exchange.vpn_server import VpnServer
from tests.people import Browser, Cast, run_jobs
from tests.web.test_activations import HTMX, LIST, accepts, faults, fragment, sent, url_of

People = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def _only_what_the_test_sends(app: Flask) -> None:
    Mail.delete().execute()


def test_the_row_asks_until_the_server_has_done_its_part(
    app: Flask, browser: People, cast: Cast, server: VpnServer
) -> None:
    one, dai = sent(cast), browser("dai")
    assert "VPNサーバーで登録を済ませてください" not in dai.get(LIST).text
    assert "hx-trigger" not in dai.get(LIST).text
    row = fragment(app, accepts(dai, one, part="row", headers=HTMX))
    assert "反映待ち" in row
    assert f'<input type="hidden" name="settling" value="{one.uid}">' in row
    waiting = asks(dai, poll_of(row), one)
    assert "VPNサーバーへ反映しています" in waiting
    assert "<tr" not in waiting
    assert faults(app, waiting, is_fragment=True) == []
    run_jobs(app)
    assert server.users == {f"{cast.abc.contract_number}.02": CERTIFICATE}
    over = asks(dai, poll_of(waiting), one)
    assert f'<hx-partial hx-target="#a-{one.uid}"' in over
    assert "有効化済" in over
    assert "hx-trigger" not in over


def poll_of(page: str) -> str:
    """The address that is asked each two seconds: one for the whole page."""
    (found,) = re.findall(r'hx-get="([^"]+)" hx-trigger="every 2s" hx-target="#settling"', page)
    return found


def asks(browser: Browser, poll: str, *named: ActivationRequest) -> str:
    """What a list gets that names these rows as settling."""
    part = dict([poll.partition("?")[2].split("=")])
    return browser.get(LIST, query_string={**part, "settling": [one.uid for one in named]}, headers=HTMX).text


def test_a_list_asks_once_for_all_its_rows(app: Flask, browser: People, cast: Cast, server: VpnServer) -> None:
    first, second, dai = sent(cast, 1), sent(cast, 2), browser("dai")
    for one in (first, second):
        accepts(dai, one, part="row", headers=HTMX)
    page = dai.get(LIST).text
    assert faults(app, page) == []
    assert page.count('name="settling"') == 2
    activations.settle(cast.dai, second.device_id)
    half = asks(dai, poll_of(page), first, second)
    assert [f"#a-{one.uid}" in half for one in (first, second)] == [False, True]
    run_jobs(app)
    over = asks(dai, poll_of(half), first)
    assert f"#a-{first.uid}" in over
    assert "hx-trigger" not in over


def test_one_query_finds_what_all_the_rows_wait_for(browser: People, cast: Cast, server: VpnServer) -> None:
    dai = browser("dai")
    for slot in (1, 2):
        accepts(dai, sent(cast, slot))
    few = queries(lambda: dai.get(LIST))
    accepts(dai, sent(cast, 3))
    assert queries(lambda: dai.get(LIST)) == few > 0


def queries(act: Callable[[], Any]) -> int:
    """How many the database is asked meanwhile about what the VPN server shall do."""
    asked = []
    log = logging.getLogger("peewee")
    handler = logging.Handler()
    handler.emit = asked.append  # type: ignore[method-assign]
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    act()
    log.setLevel(logging.NOTSET)
    log.removeHandler(handler)
    return sum('FROM "vpn_order"' in record.getMessage() for record in asked)


def test_the_page_of_a_request_is_drawn_anew_once_the_server_has_done_its_part(
    app: Flask, browser: People, cast: Cast, server: VpnServer
) -> None:
    one, dai = sent(cast), browser("dai")
    page = accepts(dai, one, follow_redirects=True).text
    assert faults(app, page) == []
    poll = poll_of(page)
    waiting = dai.get(poll, headers=HTMX)
    assert "HX-Refresh" not in waiting.headers
    assert faults(app, waiting.text, is_fragment=True) == []
    run_jobs(app)
    assert dai.get(poll, headers=HTMX).headers["HX-Refresh"] == "true"


def test_a_silent_server_is_told_and_nothing_is_lost(
    app: Flask, browser: People, cast: Cast, server: VpnServer
) -> None:
    one, dai = sent(cast), browser("dai")
    server.is_on = False
    accepts(dai, one)
    activations.settle(cast.dai, one.device_id)
    for page in (LIST, url_of(one)):
        shown = dai.get(page).text
        assert faults(app, shown) == []
        assert "VPNサーバーが応答していません" in shown
    assert fresh(one).state == "settling"
    server.is_on = True
    vpn_orders.chase(utc_now())
    run_jobs(app)
    assert fresh(one).state == "activated"
    assert len(mailed("device_activated")) == 1


def test_what_was_accepted_before_people_took_over_the_server_can_be_pressed_again(
    browser: People, cast: Cast, server: VpnServer
) -> None:
    one, dai = sent(cast), browser("dai")
    accepts(dai, one)
    vpn.configure(vpn.Manual())
    assert "/acceptance?part=row" in dai.get(LIST).text
    accepts(dai, one)
    assert fresh(one).state == "activated"
