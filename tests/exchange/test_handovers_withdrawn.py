"""A 引継ぎ that is under way or comes to nothing: whose PC slot 1 is meanwhile, and what is left of it after."""

from collections.abc import Callable
from typing import Any

import pytest

from database import db
from equipment import ActivationRequest, Handover, Installer, InstallerOrder, VpnOrder
from exchange import contracts, devices, handovers, places
from exchange.actors import command_line
from exchange.errors import Refused
from models import Device, Membership
from tests.exchange.activating import slot
from tests.exchange.handing_over import MIDORI, REASON, admins, nominates, opens_emergency
from tests.exchange.offices import said
from tests.exchange.slots import asked, in_state, on_pc
from tests.people import LOGIN_IDS, Cast, in_vault

pytestmark = pytest.mark.usefixtures("empty_outbox")


# ── meanwhile ──


@pytest.mark.parametrize("name", ["taro", "dai"])
@pytest.mark.parametrize("act", [devices.replace, lambda actor, device, _: devices.call_off(actor, device)])
def test_the_admins_pc_is_not_replaced_while_the_next_one_is_the_successors(
    cast: Cast, name: str, act: Callable[[Any, Device, str], None]
) -> None:
    handover = nominates(cast).handover
    since = slot(cast.abc, 1).replaced_at
    with pytest.raises(Refused, match="引継ぎを取り下げてください"):
        act(getattr(cast, name), slot(cast.abc, 1), "故障")
    assert slot(cast.abc, 1).replaced_at == since
    assert len(said("device.replaced")) == 1
    handovers.withdraw(cast.taro, handover)
    devices.replace(getattr(cast, name), slot(cast.abc, 1), "故障")
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_the_other_pcs_are_replaced_as_ever(cast: Cast) -> None:
    nominates(cast)
    devices.replace(cast.taro, slot(cast.abc, 2), "故障")
    assert slot(cast.abc, 2).replaced_at is not None


def test_an_emergency_keeps_nobody_from_replacing_his_pc(cast: Cast) -> None:
    opens_emergency(cast)
    devices.replace(cast.taro, slot(cast.abc, 1), "故障")
    assert slot(cast.abc, 1).replaced_at is not None


def test_a_lost_pc_is_stopped_also_meanwhile(cast: Cast) -> None:
    nominates(cast)
    devices.stop(cast.dai, slot(cast.abc, 1), "紛失")
    assert slot(cast.abc, 1).state == "stopped"


# ── taken back ──


def test_the_pc_at_work_stays_and_no_further_installer_is_made(app: Any, cast: Cast) -> None:
    device = slot(cast.abc, 1)
    bound, before = on_pc(device), in_vault(app)
    handover = nominates(cast).handover
    request = asked(device, "settling")
    InstallerOrder.create(device=device)
    VpnOrder.create(device=device, installer=request.installer, is_on=True)
    handovers.withdraw(cast.taro, handover)
    now = slot(cast.abc, 1)
    assert (now.state, now.replaced_at) == ("active", None)
    assert ActivationRequest.get_by_id(request.id).state == "void"
    assert Installer.get_by_id(request.installer_id).withdrawn_at is not None
    assert InstallerOrder.select().where(InstallerOrder.state == "waiting").count() == 0
    assert in_vault(app) == before
    assert VpnOrder.get(VpnOrder.device == device, VpnOrder.state == "waiting").installer == bound
    assert (said("device.kept"), len(said("device.replaced"))) == ([{"slot": 1}], 1)


@pytest.mark.parametrize("state", ["stopped", "downloaded"])
def test_where_no_pc_is_at_work_the_admin_gets_another_installer(cast: Cast, state: str) -> None:
    handover = nominates(cast).handover
    in_state(cast.abc, state, 1)
    handovers.withdraw(cast.taro, handover)
    assert slot(cast.abc, 1).state == "vacant"
    assert said("device.kept") == []
    assert said("device.replaced")[-1] == {"slot": 1, "reason": "管理者の引継ぎの取り下げ"}


def test_the_record_says_why_it_came_to_nothing(cast: Cast) -> None:
    handovers.withdraw(cast.kiku, nominates(cast, MIDORI).handover)
    nominates(cast)
    places.end(cast.taro, cast.member("jun"))
    handovers.nominate(
        cast.taro, cast.abc, handovers.NewPerson("abcShiro9", *("試験　四郎", "シケン　シロウ"), "s@a.example")
    )
    contracts.close(command_line(), cast.abc, REASON, contracts.under_way_seen(contracts.under_way(cast.abc)), True)
    assert [facts["why"] for facts in said("handover.withdrawn")] == ["withdrawn", "ended", "closed"]


# ── whose place was made for it ──


def test_a_place_that_was_made_for_it_ends_with_it_and_no_other(cast: Cast) -> None:
    nomination = nominates(cast, MIDORI)
    assert nomination.handover.is_newcomer
    assert [one.successor for one in Handover.newcomers()] == [nomination.newcomer.membership]
    handovers.withdraw(cast.taro, nomination.handover)
    assert list(Handover.newcomers()) == []
    again = nominates(cast).handover
    Membership.update(created_at=again.asked_at).where(Membership.id == again.successor_id).execute()
    assert not Handover.get_by_id(again.id).is_newcomer
    handovers.withdraw(cast.taro, again)
    assert cast.member("jun").state == "active"


# ── lists ──


def test_a_long_list_takes_as_many_queries_as_a_short_one(cast: Cast) -> None:
    counts = []
    for number in (1, 20):
        for _ in range(number):
            handovers.withdraw(cast.taro, nominates(cast).handover)
        for read in (lambda: list(handovers.listed()), lambda: handovers.of_office(cast.abc)):
            counts.append(_queries(lambda read=read: [names(one) for one in read()]))
    assert counts == [1, 2, 1, 2]  # the office itself is asked for


def names(handover: Handover) -> tuple[str, ...]:
    sides = (handover.predecessor, handover.successor)
    return (handover.office.name, *(side.login_id for side in sides), *(side.user.name for side in sides))


def _queries(act: Callable[[], Any]) -> int:
    seen: list[str] = []
    db.connection().set_trace_callback(seen.append)
    try:
        act()
    finally:
        db.connection().set_trace_callback(None)
    return len(seen)
