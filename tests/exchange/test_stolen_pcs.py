"""What no PC gets without anybody looking at it, and how often an office's counter makes noise."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from database import db, utc_now
from equipment import ActivationRequest
from exchange import activations, devices, settings
from exchange.actors import Actor, system
from exchange.errors import TooMany
from models import Device, Mail
from tests.exchange.activating import fresh, mailed, sends, slot, visit_of
from tests.exchange.codes import Pc, built, code
from tests.exchange.handing_over import admins, nominates, opens_emergency, second_clerk
from tests.people import LOGIN_IDS, Cast
from tests.tunnels import standing_in

pytestmark = pytest.mark.usefixtures("empty_outbox")


@pytest.fixture(autouse=True)
def _automatic(cast: Cast) -> Iterator[None]:
    with standing_in():
        with db.atomic():
            settings.put("auto_activate", True)
        yield


def at_work(cast: Cast, number: int = 2) -> Pc:
    """A PC that came in by itself."""
    pc = Pc()
    request = sends(built(cast.abc, number), pc)
    activations.settle(system(), slot(cast.abc, number).id)
    assert fresh(request).state == "activated"
    return pc


@pytest.mark.parametrize("number", [2, 3])
def test_a_stolen_pc_does_not_come_back_by_itself_in_any_slot(cast: Cast, number: int) -> None:
    pc = at_work(cast)
    devices.stop(cast.dai, slot(cast.abc, 2), "盗難")
    devices.replace(cast.dai, slot(cast.abc, 2), "代わりのPC")
    request = sends(built(cast.abc, number), pc)
    assert (request.state, request.notes, request.is_automatic) == ("waiting", ["stopped_pc"], False)


def test_a_pc_that_was_set_up_anew_does(cast: Cast) -> None:
    pc = at_work(cast)
    devices.replace(cast.dai, slot(cast.abc, 2), "インストールのやり直し")
    request = sends(built(cast.abc, 2, "active"), pc)
    assert (request.notes, request.is_automatic) == ([], True)


def test_a_pc_in_place_of_one_that_nobody_knows_is_looked_at(cast: Cast) -> None:
    Device.update(state="active").where(Device.id == slot(cast.abc, 2).id).execute()
    request = sends(built(cast.abc, 2, "active"), Pc())
    assert (request.state, request.notes) == ("waiting", ["other_pc"])


def test_no_admin_changes_without_anybody_looking(cast: Cast) -> None:
    at_work(cast, 1)
    nominates(cast)
    pc_of_jun = sends(built(cast.abc, 1, "active"), Pc())
    assert (pc_of_jun.state, pc_of_jun.notes) == ("waiting", ["handover", "other_pc"])
    assert admins(cast.abc) == [LOGIN_IDS["taro"]]


def test_nor_while_the_fund_is_about_to_change_him(cast: Cast) -> None:
    second_clerk(cast)
    opens_emergency(cast)
    assert "handover" in sends(built(cast.abc, 1), Pc()).notes
    assert sends(built(cast.abc, 2), Pc()).is_automatic


# ── noise ──


def test_one_that_takes_the_place_of_another_is_told_to_nobody(cast: Cast) -> None:
    made = built(cast.abc, 2)
    for name in ("PC-A", "PC-B", "PC-C"):
        sends(made, Pc(adapter="", computer=name))
    assert mailed("device_requested") == ["taro@abc-shoji.example"]
    assert len(mailed("device_waiting")) == 1
    assert [one.computer_name for one in activations.waiting()] == ["PC-C"]


def test_from_however_many_addresses_an_office_sends_120_a_day(cast: Cast) -> None:
    made, visit, at = built(cast.abc, 2), visit_of(cast.abc), utc_now()
    codes = [code(made, Pc(adapter=""), code=f"02{number:04X}") for number in range(121)]
    for number, data in enumerate(codes[:120]):
        activations.request(Actor(address=f"203.0.113.{number}", at=at), visit, data)
    with pytest.raises(TooMany, match="明日もう一度"):
        activations.request(Actor(address="198.51.100.7", at=at), visit, codes[120])
    assert ActivationRequest.select().count() == 120
    assert Mail.select().where(Mail.kind == "device_requested").count() == 1
    assert sends(built(cast.xyz, 2), at=at).state
    assert sends(made, Pc(adapter=""), at=at + timedelta(days=1)).state == "waiting"
