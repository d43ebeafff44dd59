"""`flask vpn resend`: a VPN server that is new, or has lost what it knew, is told of every device once more."""

from typing import Any

import pytest
from click.testing import Result
from flask import Flask

from exchange import activations, devices, vpn, vpn_orders
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused
from models import Device
from tests.exchange.activating import accepted, fresh, mailed, run_vpn, sends, slot
from tests.exchange.codes import built
from tests.exchange.offices import said
from tests.exchange.vpn_server import VpnServer
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("app", "empty_outbox")


def resend(app: Flask) -> Result:
    return app.test_cli_runner().invoke(args=["vpn", "resend"])


def test_a_server_that_lost_all_it_knew_is_told_once_more(app: Any, cast: Cast, server: VpnServer) -> None:
    first, second = accepted(cast, 1), accepted(cast, 2)
    run_vpn(app)
    devices.stop(cast.dai, slot(cast.xyz, 1), "紛失")
    run_vpn(app)
    server.users, server.calls = {}, []
    told = vpn_orders.resend(command_line())
    assert (told.let_in, told.shut_out, told.waiting) == (1, 1, 0)
    run_vpn(app)
    assert server.users == {vpn.user_name(second.device): second.installer.certificate}
    assert sorted(server.calls) == [("admit", vpn.user_name(second.device)), ("shut_out", vpn.user_name(first.device))]
    assert said("vpn.settled")[-2:] == [{"slot": 2, "is_on": True}, {"slot": 1, "is_on": False}]
    assert len(mailed("device_activated")) == 2


def test_what_waits_is_not_forgotten_over_it(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    told = vpn_orders.resend(command_line())
    assert (told.let_in, told.shut_out, told.waiting) == (0, 0, 1)
    run_vpn(app)
    assert (fresh(request).state, len(server.users)) == ("activated", 1)


def test_a_pc_with_a_certificate_that_nobody_knows_stays_as_it_is(app: Any, cast: Cast, server: VpnServer) -> None:
    active = Device.select().where(Device.state == "active").count()
    told = vpn_orders.resend(command_line())
    assert (told.let_in, told.shut_out, told.unknown, active > 0) == (0, 0, active, True)
    run_vpn(app)
    assert server.calls == []


def test_a_code_that_waits_for_the_desk_lets_nobody_in(app: Any, cast: Cast, server: VpnServer) -> None:
    request = sends(built(cast.xyz, 2))
    server.users[vpn.user_name(request.device)] = "from before the backup"
    assert vpn_orders.resend(command_line()).shut_out == 1
    run_vpn(app)
    assert (server.users, fresh(request).state) == ({}, "waiting")


def test_people_who_look_after_the_server_are_not_told_of_everything(cast: Cast) -> None:
    vpn.configure(vpn.Manual())
    with pytest.raises(Refused, match="VPN側の作業"):
        vpn_orders.resend(command_line())


@pytest.mark.parametrize("name", ["kiku", "jiro"])
def test_only_whoever_activates_tells_the_server_of_everything(cast: Cast, server: VpnServer, name: str) -> None:
    with pytest.raises(Forbidden):
        vpn_orders.resend(getattr(cast, name))


def test_the_command_asks_for_everything_and_says_how_much(app: Flask, cast: Cast) -> None:
    activations.accept(cast.dai, sends(built(cast.xyz, 2)))
    devices.stop(cast.dai, slot(cast.abc, 1), "紛失")
    vpn_orders.complete_by_hand(cast.dai, vpn_orders.waiting().get())
    left = Device.select().where(Device.state == "active").count() - 1
    refused = resend(app)
    assert (refused.exit_code, "VPN側の作業" in refused.output) == (1, True)
    vpn.configure(VpnServer())
    done = resend(app)
    assert (done.exit_code, "接続の許可 1台、接続の停止 1台" in done.output) == (0, True)
    assert f"{left}台" in done.output
    again = resend(app)
    assert "接続の許可 0台、接続の停止 0台" in again.output
    assert "反映を待っている端末: 2台" in again.output
