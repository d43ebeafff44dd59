"""The PCs of an office: how many there may be, what becomes of them with its contract, and what is read about them."""

from collections.abc import Callable
from typing import Any

import pytest

from database import db, utc_now
from equipment import ActivationRequest, Installer, InstallerOrder, VpnOrder
from exchange import audit, contracts, devices, handovers, installer_making, installers, inventory, overview, sessions
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster
from models import Device, LoginSession, Office
from tests.exchange.offices import said
from tests.exchange.slots import asked, at_counter, in_state, logs_in_from, on_pc, place, slot
from tests.people import Cast

REASON = "紛失・盗難：電車の中で"

pytestmark = pytest.mark.usefixtures("app")


# ── 利用台数 ──


def resizes(cast: Cast, limit: int) -> bool:
    office = cast.abc
    return contracts.change_devices(cast.kiku, office, limit, "変更届", office.device_limit, is_agreed=True)


@pytest.mark.parametrize("state", ["issued", "downloaded", "requested", "active"])
def test_a_pc_in_hand_stands_in_the_way_of_a_smaller_limit(cast: Cast, state: str) -> None:
    in_state(cast.abc, state, 3)
    with pytest.raises(Refused, match=r"端末 03 .*先に.*停止してください"):
        resizes(cast, 2)
    assert cast.abc.device_limit == 3


def test_a_stopped_device_beyond_the_limit_stays_for_the_records_alone(cast: Cast) -> None:
    devices.stop(cast.dai, slot(cast.abc, 3), REASON)
    assert resizes(cast, 2)
    assert slot(cast.abc, 3).state == "stopped"
    assert [one.device.slot for one in inventory.of(cast.abc)] == [1, 2]
    assert [one.device.slot for one in installers.slots(cast.abc)] == [1, 2]
    with pytest.raises(Refused, match="利用台数に入っていません"):
        devices.replace(cast.dai, slot(cast.abc, 3), "故障")


def test_it_comes_back_with_a_larger_limit(cast: Cast) -> None:
    devices.stop(cast.dai, slot(cast.abc, 3), REASON)
    resizes(cast, 2)
    resizes(cast, 3)
    assert [one.device.state for one in inventory.of(cast.abc)] == ["active", "active", "stopped"]
    devices.replace(cast.dai, slot(cast.abc, 3), "入れ替え")
    assert slot(cast.abc, 3).state == "vacant"


def test_a_slot_that_once_had_a_pc_is_not_forgotten(cast: Cast) -> None:
    devices.stop(cast.dai, slot(cast.abc, 3), REASON)
    devices.replace(cast.dai, slot(cast.abc, 3), "故障")
    assert slot(cast.abc, 3).state == "vacant"
    assert resizes(cast, 2)
    assert slot(cast.abc, 3).state == "stopped"


# ── the end of a contract ──


def test_the_end_of_a_contract_ends_its_tunnels_and_empties_its_counter(cast: Cast) -> None:
    bound, lies = on_pc(slot(cast.abc, 1)), at_counter(in_state(cast.abc, "issued", 3))
    session = logs_in_from(slot(cast.abc, 2), cast.member("hanako_at_xyz"))
    contracts.close(cast.kiku, cast.abc, "脱退", contracts.under_way_seen([]))
    assert {one.state for one in cast.abc.devices} == {"stopped"}
    assert Installer.get_by_id(bound.id).unbound_at is not None
    assert Installer.get_by_id(lies.id).withdrawn_at is not None
    assert LoginSession.get_by_id(session.id).ended_at is not None
    orders = VpnOrder.select().where(VpnOrder.state == "waiting").order_by(VpnOrder.id)
    assert [(one.device.slot, one.is_on) for one in orders] == [(1, False), (2, False), (3, False)]
    assert [facts["reason"] for facts in said("device.stopped")] == ["契約の終了"] * 3


def test_nothing_is_stopped_or_replaced_behind_a_contract(cast: Cast) -> None:
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    for act in (devices.stop, devices.replace):
        with pytest.raises(SomeoneWasFaster, match="契約は、すでに終了"):
            act(cast.dai, slot(cast.abc), REASON)
    assert slot(cast.abc).state == "active"


# ── what the office reads ──


def test_the_inventory_tells_which_pc_and_who_was_last_at_work(cast: Cast) -> None:
    device = slot(cast.abc)
    on_pc(device, "KEIRI-PC")
    jun = Actor(cast.member("jun"), device, "192.0.2.10")
    sessions._let_in(jun, cast.member("jun"))
    now = place(cast.abc)
    assert now.computer_name == "KEIRI-PC"
    assert now.login is not None
    assert now.login.membership == cast.member("jun")
    assert now.step == "at_work"
    assert place(cast.abc, 3).login is None


def test_each_state_says_what_comes_next(cast: Cast) -> None:
    found = {}
    for state in ("vacant", "issued", "downloaded", "requested", "active", "stopped"):
        device = in_state(cast.abc, state)
        Installer.delete().where(Installer.device == device).execute()
        if state in ("issued", "downloaded"):
            at_counter(device, fetched_at=utc_now() if state == "downloaded" else None)
        found[state] = place(cast.abc).step
    assert found == {
        "vacant": "no_installer",
        "issued": "fetch",
        "downloaded": "install",
        "requested": "checking",
        "active": "at_work",
        "stopped": "stopped",
    }


def test_an_installer_in_the_making_is_told(cast: Cast) -> None:
    InstallerOrder.create(device=in_state(cast.abc, "vacant"))
    assert place(cast.abc).step == "building"


def test_the_way_of_the_next_pc_is_told_beside_the_one_at_work(cast: Cast) -> None:
    device = slot(cast.abc)
    devices.replace(cast.taro, device, "入れ替え")
    steps = [place(cast.abc).step]
    installer = at_counter(device)
    steps.append(place(cast.abc).step)
    Installer.update(fetched_at=utc_now()).where(Installer.id == installer.id).execute()
    steps.append(place(cast.abc).step)
    request = asked(device, installer=installer)
    steps.append(place(cast.abc).step)
    ActivationRequest.update(state="settling").where(ActivationRequest.id == request.id).execute()
    steps.append(place(cast.abc).step)
    ActivationRequest.update(state="activated").where(ActivationRequest.id == request.id).execute()
    Device.update(replaced_at=None).where(Device.id == device.id).execute()
    steps.append(place(cast.abc).step)
    assert steps[0] in ("swap_building", "swap_no_installer")
    assert steps[1:] == ["swap_fetch", "swap_install", "swap_checking", "swap_settling", "at_work"]


def test_the_inventory_takes_as_many_queries_for_many_as_for_one(cast: Cast) -> None:
    counts = []
    for slots in (range(1, 4), range(4, 40)):
        for number in slots:
            device = Device.in_slot(cast.abc, number) or Device.create(office=cast.abc, slot=number, state="active")
            on_pc(device)
            sessions._let_in(Actor(cast.member("jun"), device), cast.member("jun"))
        counts.append(_queries(lambda office=cast.abc: inventory.of(office)))
    assert counts[0] == counts[1]


def test_one_slot_is_read_alone(cast: Cast) -> None:
    on_pc(slot(cast.abc), "KEIRI-PC")
    assert inventory.place(slot(cast.abc)) == place(cast.abc)


def test_a_planned_handover_is_told_at_the_slot_that_it_waits_for(cast: Cast) -> None:
    found = handovers.nominate(cast.taro, cast.abc, cast.member("jun")).handover
    first, second = place(cast.abc, 1), place(cast.abc, 2)
    assert (first.handover, second.handover) == (found, None)
    assert (first.can_replace, first.can_call_off, first.can_stop) == (False, False, True)
    handovers.withdraw(cast.taro, found)
    assert place(cast.abc, 1).can_replace


# ── what the fund reads about all of them ──


def labels(search: str = "", state: str = "") -> list[str]:
    return [f"{one.office.name} {one.label}" for one in inventory.everywhere(search, state)]


def test_the_fund_finds_a_pc_by_its_office_its_contract_and_its_own_name(cast: Cast) -> None:
    on_pc(slot(cast.abc), "KEIRI-PC")
    mine = [f"{cast.abc.name} 0{number}" for number in (1, 2, 3)]
    assert labels() == [*mine, *(f"{cast.xyz.name} 0{number}" for number in (1, 2))]
    assert labels("ABC") == labels(cast.abc.contract_number) == mine
    assert labels("keiri") == [mine[1]]
    assert labels("%") == []
    found = {one.label: one.bound for one in inventory.everywhere("ABC")}
    assert (found["01"], found["02"].computer_name) == (None, "KEIRI-PC")


def test_the_fund_narrows_the_list_by_state(cast: Cast) -> None:
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    in_state(cast.abc, "stopped", 3)
    assert labels("ABC", "stopped") == [f"{cast.abc.name} 03"]
    assert labels("ABC", inventory.SWAP) == [f"{cast.abc.name} 02"]
    assert labels("ABC", "active") == [f"{cast.abc.name} 01", f"{cast.abc.name} 02"]
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    assert labels("ABC") == []


def test_the_newest_login_is_told_whatever_was_done_since(cast: Cast) -> None:
    device = slot(cast.abc)
    for name in ("hanako", "jun"):
        sessions._let_in(Actor(cast.member(name), device), cast.member(name))
    with db.atomic():
        audit.record(Actor(cast.member("jun"), device), "logout.done", why="logout")
    assert inventory.last_logins([device, slot(cast.abc, 3)])[device.id].membership == cast.member("jun")


def _queries(act: Callable[[], Any]) -> int:
    seen: list[str] = []
    db.connection().set_trace_callback(seen.append)
    try:
        act()
    finally:
        db.connection().set_trace_callback(None)
    return len(seen)


# ── whose tunnel it is ──


def test_the_name_at_the_vpn_server_leads_to_the_active_device(cast: Cast) -> None:
    name = f"{cast.abc.contract_number}.02"
    assert devices.by_vpn_user(name) == slot(cast.abc)
    in_state(cast.abc, "stopped")
    assert devices.by_vpn_user(name) is None


@pytest.mark.parametrize(
    "name", ["", ".", "{}", "{}.", "{}.2", "{}.002", "{}.９９", "{}.0x", "1.01", "{}.99", " {}.02"]
)
def test_any_other_name_leads_nowhere(cast: Cast, name: str) -> None:
    assert devices.by_vpn_user(name.format(cast.abc.contract_number)) is None


def test_a_closed_office_has_no_devices_at_the_vpn_server(cast: Cast) -> None:
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    assert devices.by_vpn_user(f"{cast.abc.contract_number}.02") is None


def test_sessions_end_inside_the_verb_that_ends_them(cast: Cast) -> None:
    session = logs_in_from(slot(cast.abc), cast.member("jun"))
    with db.atomic():
        devices.end_sessions(system(), slot(cast.abc), "device")
    assert LoginSession.get_by_id(session.id).ended_because == "device"


# ── who waits for an installer ──


def test_the_desk_learns_of_a_next_pc_that_has_no_installer(cast: Cast) -> None:
    device = slot(cast.abc)
    assert cast.abc not in overview.without_installer()
    devices.replace(cast.taro, device, "入れ替え")
    InstallerOrder.delete().execute()  # as where the server can't build any
    assert installer_making.lacking_at([cast.abc]) == {device.id}
    assert cast.abc in overview.without_installer()
    at_counter(device)
    assert installer_making.lacking_at([cast.abc]) == set()


def test_a_next_pc_whose_installer_is_being_made_waits_for_nobody(cast: Cast) -> None:
    device = slot(cast.abc)
    devices.replace(cast.taro, device, "入れ替え")
    if not InstallerOrder.select().where(InstallerOrder.device == device).exists():
        InstallerOrder.create(device=device)
    assert installer_making.lacking_at([cast.abc]) == set()
