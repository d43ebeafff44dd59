"""The PCs of an office: who stops and replaces them, and what ends with them."""

from collections.abc import Callable
from typing import Any

import pytest

from database import db
from equipment import ActivationRequest, Installer, InstallerOrder, VpnOrder
from exchange import activations, audit, devices, installers, permissions, reasons
from exchange.actors import Actor, command_line, system
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import Device, LoginSession, Mail
from tests.exchange.activating import at_counter as at_the_counter
from tests.exchange.activating import sends
from tests.exchange.codes import built
from tests.exchange.offices import said
from tests.exchange.slots import asked, at_counter, in_state, logs_in_from, on_pc, slot
from tests.people import Cast, in_vault

REASON = "紛失・盗難：電車の中で"

pytestmark = pytest.mark.usefixtures("app")


# ── who may ──


@pytest.mark.parametrize("act", [devices.stop, devices.replace])
@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "ume"])
def test_nobody_but_the_offices_manager_and_the_desk(
    cast: Cast, name: str, act: Callable[[Actor, Device, str], None]
) -> None:
    with pytest.raises(Forbidden):
        act(getattr(cast, name), slot(cast.abc), REASON)
    assert slot(cast.abc).state == "active"
    assert len(said("permission.refused")) == 1


@pytest.mark.parametrize("act", [devices.stop, devices.replace])
def test_somebody_of_the_desk_without_the_word_may_not(cast: Cast, act: Callable[[Actor, Device, str], None]) -> None:
    permissions.assign(command_line(), cast.member("dai"), "devices", False)
    with pytest.raises(Forbidden):
        act(cast.dai, slot(cast.abc), REASON)
    assert slot(cast.abc).state == "active"


def test_the_fund_stops_a_device_in_an_emergency_and_replaces_none(cast: Cast) -> None:
    with pytest.raises(Forbidden, match="「職員の管理」を担当する方"):
        devices.replace(cast.kiku, slot(cast.abc), REASON)
    devices.stop(cast.kiku, slot(cast.abc), REASON)
    assert slot(cast.abc).state == "stopped"
    assert Mail.get(Mail.kind == "device_stopped").facts["by"] == "基金事務局"


@pytest.mark.parametrize("name", ["taro", "dai"])
def test_the_manager_and_the_desk_stop_a_device(cast: Cast, name: str) -> None:
    devices.stop(getattr(cast, name), slot(cast.abc), REASON)
    assert slot(cast.abc).state == "stopped"
    assert slot(cast.abc).stopped_at is not None
    assert said("device.stopped") == [{"slot": 2, "reason": REASON}]


@pytest.mark.parametrize("act", [devices.stop, devices.replace])
@pytest.mark.parametrize("reason", ["", " 　", "あ" * (reasons.LONGEST + 1)])
def test_a_reason_is_needed(cast: Cast, act: Callable[[Actor, Device, str], None], reason: str) -> None:
    with pytest.raises(Refused, match="理由を1～300文字"):
        act(cast.taro, slot(cast.abc), reason)
    assert slot(cast.abc).state == "active"


# ── what ends with a device ──


def test_a_stopped_device_takes_everything_with_it(cast: Cast) -> None:
    device = slot(cast.abc)
    bound = on_pc(device)
    request = asked(device)
    session = logs_in_from(device, cast.member("hanako"))
    devices.stop(cast.taro, device, REASON)
    assert Installer.get_by_id(bound.id).unbound_at is not None
    newest = Installer.get_by_id(request.installer_id)
    assert newest.withdrawn_at is not None
    assert newest.stored.sealed_key is None
    assert ActivationRequest.get_by_id(request.id).state == "void"
    ended = LoginSession.get_by_id(session.id)
    assert (ended.ended_at is not None, ended.ended_because) == (True, "device")
    order = VpnOrder.get(VpnOrder.state == "waiting")
    assert (order.device, order.is_on) == (device, False)


def test_what_lay_in_the_vault_for_it_is_erased(app: Any, cast: Cast) -> None:
    device = in_state(cast.abc, "issued")
    before = in_vault(app)
    at_counter(device)
    assert len(in_vault(app)) == len(before) + 1
    devices.stop(cast.taro, device, REASON)
    assert in_vault(app) == before


def test_other_devices_and_their_sessions_go_on(cast: Cast) -> None:
    other = logs_in_from(slot(cast.abc, 3), cast.member("jun"))
    elsewhere = on_pc(slot(cast.abc, 3))
    devices.stop(cast.taro, slot(cast.abc), REASON)
    assert LoginSession.get_by_id(other.id).ended_at is None
    assert Installer.get_by_id(elsewhere.id).unbound_at is None
    assert [one.state for one in cast.abc.devices.order_by(Device.slot)] == ["active", "stopped", "active"]


def test_the_session_of_a_consultant_at_another_office_ends_with_the_pc_it_came_from(cast: Cast) -> None:
    session = logs_in_from(slot(cast.abc), cast.member("hanako_at_xyz"))
    devices.stop(cast.taro, slot(cast.abc), REASON)
    assert LoginSession.get_by_id(session.id).ended_because == "device"


def test_nobody_loses_his_place_with_a_device(cast: Cast) -> None:
    before = cast.abc.members().count()
    for number in (1, 2, 3):
        devices.stop(cast.dai, slot(cast.abc, number), REASON)
    assert cast.abc.members().count() == before


def test_the_pc_can_be_bound_again_elsewhere(cast: Cast) -> None:
    bound = on_pc(slot(cast.abc))
    devices.stop(cast.taro, slot(cast.abc), REASON)
    again = on_pc(slot(cast.abc, 3))
    Installer.update(machine_id=bound.machine_id).where(Installer.id == again.id).execute()
    assert [one.device.slot for one in Installer.bound()] == [3]


def test_the_vpn_server_is_not_asked_about_a_pc_that_it_never_let_in(cast: Cast) -> None:
    device = in_state(cast.xyz, "downloaded", 2)
    devices.stop(cast.dai, device, REASON)
    assert VpnOrder.select().where(VpnOrder.device == device).count() == 0


def test_the_vpn_server_is_asked_when_it_was_about_to_let_the_pc_in(cast: Cast) -> None:
    device = in_state(cast.xyz, "requested", 2)
    request = asked(device, "settling")
    VpnOrder.create(device=device, installer=request.installer, is_on=True)
    devices.stop(cast.dai, device, REASON)
    orders = [
        (one.is_on, one.state) for one in VpnOrder.select().where(VpnOrder.device == device).order_by(VpnOrder.id)
    ]
    assert orders == [(True, "void"), (False, "waiting")]


def test_a_device_is_stopped_once(cast: Cast) -> None:
    devices.stop(cast.taro, slot(cast.abc), REASON)
    with pytest.raises(SomeoneWasFaster, match="すでに停止"):
        devices.stop(cast.dai, slot(cast.abc), "二度目")
    assert said("device.stopped") == [{"slot": 2, "reason": REASON}]


def test_a_slot_that_nobody_uses_has_nothing_to_stop(cast: Cast) -> None:
    with pytest.raises(Refused, match="まだ使われていません"):
        devices.stop(cast.dai, slot(cast.xyz, 2), REASON)
    assert slot(cast.xyz, 2).state == "vacant"


def test_nobody_replaces_a_pc_that_the_page_did_not_show(cast: Cast) -> None:
    device = slot(cast.abc)
    shown = devices.seen(device)
    with db.atomic():
        devices.halt(cast.dai, device, "前のPC")
    devices.activate(cast.dai, device)  # another PC by now
    with pytest.raises(SomeoneWasFaster, match="画面を開き直して"):
        devices.replace(cast.taro, device, REASON, shown)
    assert slot(cast.abc).replaced_at is None
    devices.replace(cast.taro, device, REASON, devices.seen(slot(cast.abc)))
    assert slot(cast.abc).replaced_at is not None


def test_what_strangers_send_to_the_counter_changes_no_form(cast: Cast) -> None:
    """Whoever has the download key could keep a form from being taken."""
    device = slot(cast.abc)
    shown = devices.seen(device)
    with db.atomic():
        audit.record(at_the_counter(), "device.refused", device.uid, cast.abc, why="signature")
        audit.record(system(), "vpn.settled", device.uid, cast.abc, slot=2, is_on=True)
    assert devices.seen(slot(cast.abc)) == shown
    devices.replace(cast.taro, device, REASON, shown)
    assert slot(cast.abc).replaced_at is not None


def test_the_manager_is_told_and_no_name_stands_in_the_mail(cast: Cast, empty_outbox: None) -> None:
    devices.stop(cast.dai, slot(cast.abc), "利用者 丙川花子さんの退職")
    mail = Mail.get(Mail.kind == "device_stopped")
    assert mail.to_user == cast.member("taro").user
    assert (mail.facts["slot"], mail.facts["by"]) == (2, "電子連携サービス事務局")
    assert "花子" not in str(mail.facts)


def test_a_stop_is_whole_or_not_at_all(cast: Cast) -> None:
    device = slot(cast.abc)
    bound, session = on_pc(device), logs_in_from(device, cast.member("jun"))
    with db.atomic() as transaction:
        devices.stop(cast.taro, device, REASON)
        transaction.rollback()
    assert slot(cast.abc).state == "active"
    assert Installer.get_by_id(bound.id).unbound_at is None
    assert LoginSession.get_by_id(session.id).ended_at is None


# ── 入れ替え ──


def test_a_pc_at_work_stays_until_the_next_one_is_activated(cast: Cast) -> None:
    device = slot(cast.abc)
    bound, session = on_pc(device), logs_in_from(slot(cast.abc), cast.member("jun"))
    devices.replace(cast.taro, device, "入れ替え")
    assert slot(cast.abc).state == "active"
    assert Installer.get_by_id(bound.id).unbound_at is None
    assert LoginSession.get_by_id(session.id).ended_at is None
    assert VpnOrder.select().where(VpnOrder.device == device, VpnOrder.state == "waiting").count() == 0
    assert said("device.replaced") == [{"slot": 2, "reason": "入れ替え"}]


@pytest.mark.parametrize("state", ["stopped", "requested", "downloaded"])
def test_any_other_slot_begins_anew(cast: Cast, state: str) -> None:
    device = in_state(cast.abc, state)
    request = asked(device)
    devices.replace(cast.dai, device, "故障")
    assert slot(cast.abc).state == "vacant"  # until its installer is there
    assert ActivationRequest.get_by_id(request.id).state == "void"
    assert Installer.get_by_id(request.installer_id).withdrawn_at is not None
    assert 2 not in installers.current(cast.abc)


def test_an_installer_that_comes_makes_it_an_issued_one(cast: Cast) -> None:
    device = in_state(cast.abc, "stopped")
    devices.replace(cast.dai, device, "故障")
    with installers.Program() as file:
        file.write(b"MZ of the next PC")
        installers.upload(cast.dai, slot(cast.abc), file, "")
    assert slot(cast.abc).state == "issued"


def test_a_replacement_takes_back_what_the_vpn_server_was_asked(cast: Cast) -> None:
    device = slot(cast.abc)
    bound = on_pc(device)
    request = asked(device, "settling")
    VpnOrder.create(device=device, installer=request.installer, is_on=True)
    devices.replace(cast.taro, device, "入れ替え")
    order = VpnOrder.get(VpnOrder.device == device, VpnOrder.state == "waiting")
    assert (order.is_on, order.installer) == (True, bound)


@pytest.mark.parametrize(("state", "sentence"), [("vacant", "まだ使われていません"), ("issued", "そのまま新しいPCで")])
def test_what_no_pc_was_set_up_with_needs_no_replacement(cast: Cast, state: str, sentence: str) -> None:
    device = in_state(cast.abc, state)
    with pytest.raises(Refused, match=sentence):
        devices.replace(cast.taro, device, "入れ替え")
    assert said("device.replaced") == []


def test_the_form_sent_twice_replaces_once(cast: Cast) -> None:
    device = slot(cast.abc)
    shown = devices.seen(device)
    devices.replace(cast.taro, device, "入れ替え", shown)
    with pytest.raises(SomeoneWasFaster):
        devices.replace(cast.taro, device, "入れ替え", shown)
    assert len(said("device.replaced")) == 1


def test_the_manager_is_told_of_a_replacement(cast: Cast, empty_outbox: None) -> None:
    devices.replace(cast.taro, slot(cast.abc), "故障")
    mail = Mail.get(Mail.kind == "device_replaced")
    assert mail.to_user == cast.member("taro").user
    assert {"slot": 2, "by": "事業所の管理者", "is_at_work": True}.items() <= mail.facts.items()


@pytest.mark.parametrize("end", ["stop", "by hand", "confirmation code"])
def test_a_replacement_is_over_with_the_next_pc_or_with_the_slot(cast: Cast, end: str) -> None:
    device = slot(cast.abc)
    assert device.replaced_at is None
    devices.replace(cast.taro, device, "入れ替え")
    assert slot(cast.abc).replaced_at is not None
    if end == "stop":
        devices.stop(cast.taro, device, REASON)
    elif end == "by hand":
        in_state(cast.abc, "downloaded")
        devices.activate(command_line(), device)
    else:
        activations.accept(cast.dai, sends(built(cast.abc, 2, "active")))
    assert slot(cast.abc).replaced_at is None


# ── 取りやめ ──


@pytest.mark.parametrize("name", ["taro", "dai"])
def test_a_replacement_is_called_off_and_the_pc_at_work_stays(app: Any, cast: Cast, name: str) -> None:
    device = slot(cast.abc)
    bound, before = on_pc(device), in_vault(app)
    session = logs_in_from(device, cast.member("jun"))
    devices.replace(cast.taro, device, "入れ替え")
    request = asked(device, "settling")
    order = InstallerOrder.create(device=device)
    VpnOrder.create(device=device, installer=request.installer, is_on=True)
    devices.call_off(getattr(cast, name), device)
    now = slot(cast.abc)
    assert (now.state, now.replaced_at) == ("active", None)
    assert ActivationRequest.get_by_id(request.id).state == "void"
    assert Installer.get_by_id(request.installer_id).withdrawn_at is not None
    assert InstallerOrder.get_by_id(order.id).state == "void"
    assert in_vault(app) == before
    assert Installer.get_by_id(bound.id).unbound_at is None
    assert LoginSession.get_by_id(session.id).ended_at is None
    waiting = VpnOrder.get(VpnOrder.device == device, VpnOrder.state == "waiting")
    assert (waiting.is_on, waiting.installer) == (True, bound)
    assert said("device.kept") == [{"slot": 2}]
    mail = Mail.get(Mail.kind == "device_kept")
    assert (mail.to_user, mail.facts["slot"]) == (cast.member("taro").user, 2)


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "kiku", "ume"])
def test_nobody_else_calls_it_off(cast: Cast, name: str) -> None:
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    with pytest.raises(Forbidden):
        devices.call_off(getattr(cast, name), slot(cast.abc))
    assert slot(cast.abc).replaced_at is not None


@pytest.mark.parametrize("state", ["active", "vacant", "stopped", "downloaded"])
def test_where_no_replacement_is_under_way_none_is_called_off(cast: Cast, state: str) -> None:
    with pytest.raises(SomeoneWasFaster, match="すでに終わっているか、取りやめられています"):
        devices.call_off(cast.taro, in_state(cast.abc, state))
    assert said("device.kept") == []


def test_a_replacement_of_a_pc_that_is_not_at_work_is_not_called_off(cast: Cast) -> None:
    devices.replace(cast.taro, in_state(cast.abc, "stopped"), "入れ替え")
    with pytest.raises(SomeoneWasFaster):
        devices.call_off(cast.taro, slot(cast.abc))
    assert slot(cast.abc).replaced_at is not None


def test_a_replacement_that_the_page_did_not_show_is_not_called_off(cast: Cast) -> None:
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    shown = devices.seen(slot(cast.abc))
    devices.replace(cast.dai, slot(cast.abc), "故障")
    with pytest.raises(SomeoneWasFaster, match="画面を開き直して"):
        devices.call_off(cast.taro, slot(cast.abc), shown)
    assert slot(cast.abc).replaced_at is not None


# ── by hand ──


def test_an_activation_by_hand_voids_the_code_that_waited(cast: Cast) -> None:
    device = in_state(cast.abc, "requested")
    request = asked(device)
    devices.activate(command_line(), device)
    assert slot(cast.abc).state == "active"
    assert ActivationRequest.get_by_id(request.id).state == "void"
