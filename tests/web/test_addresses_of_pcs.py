"""One PC has one address, however it is spelt; and an address that another PC's tunnel has got is another PC."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from database import utc_now
from exchange import sessions
from models import AuditEntry, Device, LoginSession
from tests.people import Browser, Cast
from tests.tunnels import Tunnels, standing_in
from tests.web.steps import logs_in

People = Callable[[str], Browser]
AT_ABC = "10.8.0.1"
CLOTHED = f"::ffff:{AT_ABC}"


@pytest.fixture
def tunnels(cast: Cast) -> Iterator[Tunnels]:
    with standing_in() as tunnels:
        tunnels.connect(Device.in_slot(cast.abc, 1), AT_ABC)
        yield tunnels


def at(browser: Browser, address: str) -> Browser:
    browser.client.environ_base["REMOTE_ADDR"] = address
    return browser


def time_passes() -> None:
    """Enough for the next request to count as a touch."""
    LoginSession.update(seen_at=utc_now() - 2 * sessions.TOUCH_EVERY).execute()


@pytest.fixture
def taro(app: Flask, browser: People, cast: Cast, tunnels: Tunnels) -> Browser:
    taro = at(browser(""), AT_ABC)
    assert logs_in(app, cast, taro, "taro").location == "/"
    tunnels.asked.clear()
    return taro


def test_an_address_in_ipv6_clothes_is_the_tunnels(app: Flask, browser: People, cast: Cast, tunnels: Tunnels) -> None:
    taro = at(browser(""), CLOTHED)
    assert logs_in(app, cast, taro, "taro").location == "/"
    assert set(tunnels.asked) == {AT_ABC}
    assert AuditEntry.get(AuditEntry.action == "login.succeeded").address == AT_ABC
    for address in (AT_ABC, CLOTHED, "::FFFF:0A08:0001"):
        assert at(taro, address).get("/files/").status_code == 200


def test_whoever_gets_the_address_next_does_not_get_the_session(taro: Browser, cast: Cast, tunnels: Tunnels) -> None:
    tunnels.connect(Device.in_slot(cast.xyz, 1), AT_ABC)
    time_passes()
    assert taro.get("/files/").location == "/auth/ended?why=device"
    assert LoginSession.select().where(LoginSession.ended_at.is_null()).count() == 0


@pytest.mark.parametrize("is_up", [True, False])
def test_an_answer_that_names_nobody_ends_nothing(taro: Browser, tunnels: Tunnels, is_up: bool) -> None:
    tunnels.users.clear()
    tunnels.is_up = is_up
    time_passes()
    assert taro.get("/files/").status_code == 200
    assert tunnels.asked == [AT_ABC]


def test_the_server_is_asked_once_in_a_while_not_at_each_page(taro: Browser, tunnels: Tunnels) -> None:
    for _ in range(3):
        taro.get("/files/")
    assert tunnels.asked == []
    time_passes()
    for _ in range(3):
        taro.get("/files/")
    assert tunnels.asked == [AT_ABC]


def test_of_two_requests_at_once_one_asks(taro: Browser, tunnels: Tunnels) -> None:
    time_passes()
    session = LoginSession.select().order_by(LoginSession.id.desc()).get()
    later = utc_now() + timedelta(seconds=1)
    for _ in range(2):
        sessions._touched(session, later)
        session.seen_at -= 2 * sessions.TOUCH_EVERY  # as the other one had read it
    assert tunnels.asked == [AT_ABC]
