"""What the VPN server is asked to do: never forgotten while it is silent, never more than once to a person, and in the
end always what counts now.
"""

import threading
from datetime import timedelta
from typing import Any

import pytest

import work
from database import db, utc_now
from equipment import Installer, VpnOrder
from exchange import activations, devices, jobs, sealing, settings, vpn, vpn_orders
from exchange.actors import system
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import Job, Mail
from tests.exchange.activating import accepted, fresh, mailed, run_vpn, sends, slot
from tests.exchange.codes import Pc, built
from tests.exchange.offices import said
from tests.exchange.vpn_server import VpnServer
from tests.people import Cast, run_jobs, told

pytestmark = pytest.mark.usefixtures("app", "empty_outbox")


def live_jobs() -> int:
    return Job.select().where(Job.kind == "vpn", Job.state << ("waiting", "running")).count()


# ── the server does its part ──


def test_a_device_is_active_once_the_server_lets_it_in(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    assert (request.state, slot(cast.xyz, 2).state, server.calls) == ("settling", "requested", [])
    run_vpn(app)
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("activated", "active")
    assert server.users == {vpn.user_name(request.device): request.installer.certificate}
    order = vpn_orders.newest(request.device_id)
    assert order is not None
    assert (order.state, order.done_by, fresh(request.installer).bound_at) == (
        "done",
        None,
        fresh(request).activated_at,
    )
    assert said("vpn.settled") == [{"slot": 2, "is_on": True}]


def test_a_silent_server_loses_nothing_and_nobody_is_told_twice(app: Any, cast: Cast, server: VpnServer) -> None:
    server.is_on = False
    request = accepted(cast)
    run_vpn(app)
    order = vpn_orders.newest(request.device_id)
    assert order is not None
    assert (fresh(request).state, order.state, order.failed_at is not None) == ("settling", "waiting", True)
    assert (Job.latest("vpn", str(request.device_id)).state, live_jobs()) == ("done", 0)
    for _ in range(3):  # each minute
        vpn_orders.chase(utc_now())
        vpn_orders.chase(utc_now())
        assert live_jobs() == 1
        run_vpn(app)
    server.is_on = True
    vpn_orders.chase(utc_now())
    run_jobs(app)
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("activated", "active")
    assert server.users == {vpn.user_name(request.device): request.installer.certificate}
    assert (len(mailed("device_activated")), len(said("vpn.settled"))) == (1, 1)
    vpn_orders.chase(utc_now())
    assert live_jobs() == 0


def test_a_job_that_was_given_up_on_is_asked_for_again(cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    Job.update(state="failed").where(Job.kind == "vpn").execute()
    vpn_orders.chase(utc_now())
    assert live_jobs() == 1
    activations.settle(system(), request.device_id)
    assert fresh(request).state == "activated"


def test_the_same_job_run_again_changes_nothing(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    for _ in range(3):
        activations.settle(system(), request.device_id)
    assert (len(mailed("device_activated")), len(said("vpn.settled"))) == (1, 1)
    assert server.users == {vpn.user_name(request.device): request.installer.certificate}


def test_mails_go_out_while_the_server_takes_its_time(app: Any, cast: Cast, server: VpnServer) -> None:
    request, stop, seen = accepted(cast), threading.Event(), []

    def slow() -> None:
        """As long as anything waits to be mailed, at most ten seconds."""
        patience = threading.Event()
        for _ in range(200):
            seen.append(Mail.select().where(Mail.state == "waiting").count())
            if not seen[-1]:
                break
            patience.wait(0.05)
        stop.set()

    server.meanwhile = slow
    worker = threading.Thread(target=work.run, args=(app, stop))
    worker.start()
    worker.join(20)
    assert (worker.is_alive(), seen[-1], fresh(request).state) == (False, 0, "activated")


def test_mails_go_out_while_old_tunnels_are_asked_for(app: Any, cast: Cast, server: VpnServer) -> None:
    stop, seen = threading.Event(), []
    sends(built(cast.xyz, 2))

    class Slow(VpnServer):
        def end_older_than(self, age: timedelta) -> int:
            """As long as anything waits to be mailed, at most ten seconds."""
            patience = threading.Event()
            for _ in range(200):
                seen.append(Mail.select().where(Mail.state == "waiting").count())
                if not seen[-1]:
                    break
                patience.wait(0.05)
            stop.set()
            return 0

    vpn.configure(Slow())
    worker = threading.Thread(target=work.run, args=(app, stop))
    worker.start()
    worker.join(20)
    assert (worker.is_alive(), seen[0] > 0, seen[-1]) == (False, True, 0)


def test_the_minutes_chores_chase_orders(cast: Cast, server: VpnServer) -> None:
    accepted(cast)
    Job.delete().where(Job.kind == "vpn").execute()
    work.keep_house(utc_now())
    assert live_jobs() == 1


# ── something comes between ──


def test_a_device_that_is_stopped_while_it_is_let_in_ends_shut_out(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    server.meanwhile = lambda: devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")
    run_vpn(app)
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("void", "stopped")
    assert (server.users, server.calls[0][0], server.calls[-1][0]) == ({}, "admit", "shut_out")
    assert (mailed("device_activated"), live_jobs(), vpn_orders.waiting().count()) == ([], 0, 0)


def test_an_old_order_that_arrives_after_the_newest_is_undone(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)

    def stop_and_shut_out() -> None:
        """Another worker carries the stop out before this one's call has reached the server."""
        devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")
        activations.settle(system(), request.device_id)

    server.meanwhile = stop_and_shut_out
    activations.settle(system(), request.device_id)
    assert server.calls == [("shut_out", vpn.user_name(request.device)), ("admit", vpn.user_name(request.device))]
    run_vpn(app)
    assert (server.users, server.calls[-1][0]) == ({}, "shut_out")


def test_an_old_order_whose_answer_was_lost_is_undone(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)

    def stop_and_fall_silent() -> None:
        devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")
        activations.settle(system(), request.device_id)
        server.users[vpn.user_name(request.device)] = "let in, but the answer never came"
        server.is_on = False

    server.meanwhile = stop_and_fall_silent
    activations.settle(system(), request.device_id)
    run_vpn(app)
    assert server.users
    server.is_on = True
    vpn_orders.chase(utc_now())
    run_vpn(app)
    assert (server.users, vpn_orders.waiting().count()) == ({}, 0)


def test_a_worker_that_dies_after_the_call_leaves_it_to_the_next(app: Any, cast: Cast, server: VpnServer) -> None:
    request = accepted(cast)
    order = vpn_orders.newest(request.device_id)
    assert order is not None
    vpn_orders.carry_out(order)
    taken = jobs._take({"vpn": lambda job: None}, utc_now())
    assert (taken.subject, fresh(request).state) == (str(request.device_id), "settling")
    jobs.run_one({"vpn": work.handlers(app)["vpn"]}, utc_now() + jobs.LEASE + timedelta(seconds=1))
    assert (fresh(request).state, len(server.users), len(mailed("device_activated"))) == ("activated", 1, 1)


def test_a_pc_that_was_bound_elsewhere_meanwhile_is_sent_back_and_shut_out(
    app: Any, cast: Cast, server: VpnServer
) -> None:
    request = accepted(cast)
    other = built(cast.abc, 2).installer
    Installer.update(machine_id=request.machine_id, bound_at=utc_now()).where(Installer.id == other.id).execute()
    run_vpn(app)
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("returned", "downloaded")
    assert "ほかの事業所の端末として登録されています" in fresh(request).reason
    assert (server.users, mailed("device_activated"), len(mailed("device_returned"))) == ({}, [], 1)


def test_a_next_pc_that_does_not_come_leaves_the_old_one_in(app: Any, cast: Cast, server: VpnServer) -> None:
    first = accepted(cast)
    run_vpn(app)
    second = sends(built(cast.xyz, 2, state="active"))
    activations.accept(cast.dai, second)
    server.meanwhile = lambda: _void(cast)
    run_vpn(app)
    assert (fresh(second).state, slot(cast.xyz, 2).state) == ("void", "active")
    assert server.users == {vpn.user_name(first.device): first.installer.certificate}
    assert fresh(first.installer).unbound_at is None


def _void(cast: Cast) -> None:
    with db.atomic():
        assert devices.void_requests(cast.dai, slot(cast.xyz, 2))
        vpn_orders.take_back(cast.dai, slot(cast.xyz, 2))


# ── by itself ──


def test_a_code_without_notes_is_activated_by_itself_where_the_fund_allows_it(
    app: Any, cast: Cast, server: VpnServer
) -> None:
    settings.put("auto_activate", True)
    request = sends(built(cast.xyz, 2))
    assert (request.state, request.is_automatic, request.decided_by) == ("settling", True, None)
    run_vpn(app)
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("activated", "active")
    assert said("device.accepted")[0]["is_automatic"] is True
    assert len(told(app, "確認コードの受付のお知らせ")) == 1
    assert (mailed("device_waiting"), len(mailed("device_requested")), len(mailed("device_activated"))) == ([], 1, 1)


def test_a_code_with_notes_waits_for_the_desk_all_the_same(cast: Cast, server: VpnServer) -> None:
    settings.put("auto_activate", True)
    request = sends(built(cast.xyz, 2), Pc(adapter=""))
    assert (request.state, request.notes, len(mailed("device_waiting"))) == ("waiting", ["no_adapter"], 1)


def test_the_desk_decides_where_the_fund_has_allowed_nothing_else(cast: Cast, server: VpnServer) -> None:
    assert sends(built(cast.xyz, 2)).state == "waiting"


# ── people look after the server ──


def stopped_by_hand(cast: Cast) -> VpnOrder:
    """An order that waits for the desk: a device at work was stopped."""
    vpn.configure(vpn.Manual())
    accepted(cast)
    devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")
    return vpn_orders.waiting().get()


def test_the_desk_says_once_that_a_pc_is_shut_out(cast: Cast) -> None:
    order = stopped_by_hand(cast)
    assert (order.is_on, live_jobs()) == (False, 0)
    vpn_orders.complete_by_hand(cast.dai, order)
    assert (fresh(order).state, fresh(order).done_by) == ("done", cast.member("dai"))
    assert said("vpn.settled")[-1] == {"slot": 2, "is_on": False}
    with pytest.raises(SomeoneWasFaster, match="すでに確認済み"):
        vpn_orders.complete_by_hand(cast.dai, order)


@pytest.mark.parametrize("name", ["kiku", "jiro"])
def test_nobody_else_says_so(cast: Cast, name: str) -> None:
    order = stopped_by_hand(cast)
    with pytest.raises(Forbidden):
        vpn_orders.complete_by_hand(getattr(cast, name), order)
    assert fresh(order).state == "waiting"


def test_what_is_done_by_itself_is_not_said_by_people(cast: Cast, app: Any) -> None:
    order = stopped_by_hand(cast)
    vpn.configure(VpnServer())
    with pytest.raises(Refused, match="自動で反映"):
        vpn_orders.complete_by_hand(cast.dai, order)
    vpn_orders.chase(utc_now())
    run_vpn(app)
    assert (fresh(order).state, fresh(order).done_by) == ("done", None)


def test_after_the_server_went_into_peoples_hands_the_desk_activates_again(
    app: Any, cast: Cast, server: VpnServer
) -> None:
    server.is_on = False
    request = accepted(cast)
    vpn.configure(vpn.Manual())
    run_vpn(app)
    vpn_orders.chase(utc_now())
    assert (fresh(request).state, live_jobs()) == ("settling", 0)
    with pytest.raises(Refused, match="「有効化」を押してください"):
        vpn_orders.complete_by_hand(cast.dai, vpn_orders.waiting().get())
    activations.accept(cast.dai, request)
    assert (fresh(request).state, slot(cast.xyz, 2).state, len(said("device.accepted"))) == ("activated", "active", 1)


# ── orders ──


def test_an_order_belongs_into_the_transaction_it_follows_from(cast: Cast, server: VpnServer) -> None:
    with pytest.raises(RuntimeError):
        vpn_orders.ask(cast.dai, slot(cast.xyz, 2), is_on=False)


def test_the_newest_order_voids_the_one_that_waits(cast: Cast, server: VpnServer) -> None:
    device = slot(cast.xyz, 2)
    with db.atomic():
        first = vpn_orders.ask(cast.dai, device, True, built(cast.xyz, 2).installer)
        second = vpn_orders.ask(cast.dai, device, is_on=False)
        assert not vpn_orders.done(cast.dai, first)
    assert (fresh(first).state, vpn_orders.newest(device.id)) == ("void", second)


def test_who_was_let_in_by_hand_is_not_shut_out_by_an_older_order(app: Any, cast: Cast, server: VpnServer) -> None:
    device = slot(cast.xyz, 2)
    with db.atomic():
        order = vpn_orders.ask(cast.dai, device, is_on=False)
        vpn_orders.by_hand(cast.dai, device, is_on=True)
    run_vpn(app)
    assert (fresh(order).state, server.calls) == ("void", [])


def test_the_key_of_an_installer_is_read_from_its_own_row_only(cast: Cast) -> None:
    one, other = built(cast.xyz, 1), built(cast.xyz, 2)
    other.installer.key_sealed = one.installer.key_sealed
    with pytest.raises(sealing.Unsealable):
        activations.activation_checks.key_of(other.installer)
