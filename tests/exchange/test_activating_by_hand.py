"""有効化 by the desk of a PC of which no confirmation code is taken: its installer was made elsewhere."""

from typing import Any

import pytest

from equipment import Installer
from exchange import activations, devices, vpn, vpn_orders
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import LoginSession
from tests.exchange.activating import fresh, mailed, sends, slot
from tests.exchange.codes import built
from tests.exchange.handing_over import admins, nominates
from tests.exchange.vpn_server import VpnServer
from tests.people import LOGIN_IDS, Cast, in_vault

pytestmark = pytest.mark.usefixtures("app", "empty_outbox")


@pytest.fixture(autouse=True)
def _by_hand(app: Any) -> None:
    vpn.configure(vpn.Manual())


def uploaded(cast: Cast, number: int = 2, state: str = "downloaded") -> Installer:
    """The office has fetched an installer that was made elsewhere."""
    made = built(cast.xyz, number, state)
    Installer.update(key_sealed=None, certificate=None).where(Installer.id == made.installer.id).execute()
    return fresh(made.installer)


def test_the_desk_activates_a_pc_with_an_uploaded_installer_without_a_code(app: Any, cast: Cast) -> None:
    installer = uploaded(cast)
    activations.by_hand(cast.dai, slot(cast.xyz, 2), installer.uid)
    assert (slot(cast.xyz, 2).state, mailed("device_activated")) == ("active", [cast.member("jiro").user.mail])
    assert [one.id for one in Installer.bound().where(Installer.device == installer.device)] == [installer.id]
    assert (fresh(installer).withdrawn_at is not None, in_vault(app)) == (True, [])
    order = vpn_orders.newest(installer.device_id)
    assert order is not None
    assert (order.state, order.is_on, order.done_by) == ("done", True, cast.member("dai"))


def test_the_next_pc_without_a_code_puts_the_one_at_work_out(cast: Cast) -> None:
    old = built(cast.xyz, 2)
    activations.accept(cast.dai, sends(old))
    devices.replace(cast.dai, slot(cast.xyz, 2), "故障")
    facts = {"token_hash": "here", "stage": "in", "address": "10.0.0.1"}
    here = LoginSession.create(membership=cast.member("jiro"), device=slot(cast.xyz, 2), **facts)
    installer = uploaded(cast, state="active")
    activations.by_hand(cast.dai, slot(cast.xyz, 2), installer.uid)
    assert (fresh(old.installer).unbound_at is not None, fresh(here).ended_because) == (True, "device")
    assert slot(cast.xyz, 2).replaced_at is None


def test_a_pc_at_work_is_not_activated_once_more(cast: Cast) -> None:
    installer = uploaded(cast, state="active")
    with pytest.raises(SomeoneWasFaster, match="すでに有効化されています"):
        activations.by_hand(cast.dai, slot(cast.xyz, 2), installer.uid)
    assert fresh(installer).withdrawn_at is None


def test_a_pc_that_can_send_its_code_is_not_activated_without(cast: Cast) -> None:
    made, other = built(cast.xyz, 2), uploaded(cast, 1)
    Installer.update(fetched_at=None).where(Installer.id == other.id).execute()
    for number, seen, words in ((2, made.installer.uid, "確認コードが届いてから"), (1, other.uid, "まだダウンロード")):
        with pytest.raises(Refused, match=words):
            activations.by_hand(cast.dai, slot(cast.xyz, number), seen)
    with pytest.raises(SomeoneWasFaster, match="開き直して"):
        activations.by_hand(cast.dai, slot(cast.xyz, 2), other.uid)
    assert (slot(cast.xyz, 2).state, mailed("device_activated")) == ("downloaded", [])


@pytest.mark.parametrize("name", ["kiku", "jiro"])
def test_nobody_but_the_desk_activates_without_a_code(cast: Cast, name: str) -> None:
    installer = uploaded(cast)
    with pytest.raises(Forbidden):
        activations.by_hand(getattr(cast, name), slot(cast.xyz, 2), installer.uid)


def test_nothing_is_activated_without_a_code_where_the_vpn_server_is_driven_from_here(cast: Cast) -> None:
    vpn.configure(VpnServer())
    installer = uploaded(cast)
    for actor, seen in ((cast.dai, installer.uid), (command_line(), None)):
        with pytest.raises(Refused, match="確認コードなしでは有効化できません.*インストーラーを作成"):
            activations.by_hand(actor, slot(cast.xyz, 2), seen)
    assert (slot(cast.xyz, 2).state, vpn_orders.newest(installer.device_id)) == ("downloaded", None)


def test_a_successors_pc_without_a_code_makes_him_the_manager(cast: Cast) -> None:
    nominates(cast)
    made = built(cast.abc, 1, "active").installer
    Installer.update(key_sealed=None, certificate=None).where(Installer.id == made.id).execute()
    activations.by_hand(cast.dai, slot(cast.abc, 1), made.uid)
    assert admins(cast.abc) == [LOGIN_IDS["jun"]]
