"""有効化: a code comes, the desk looks at it, the PC is bound. The VPN server is in people's hands here."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from database import utc_now
from equipment import ActivationRequest, Installer, VpnOrder
from exchange import activations, devices, settings, vpn, vpn_orders
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Device, LoginSession, Mail, Membership, StoredObject
from tests.exchange.activating import fresh, mailed, sends, slot
from tests.exchange.codes import Built, Pc, built
from tests.exchange.offices import said
from tests.people import LOGIN_IDS, Cast, in_vault, told
from tests.processes import together

pytestmark = pytest.mark.usefixtures("app", "empty_outbox")


@pytest.fixture(autouse=True)
def _by_hand(app: Any) -> None:
    vpn.configure(vpn.Manual())


@pytest.fixture
def desk(cast: Cast) -> str:
    return cast.member("dai").user.mail


@pytest.fixture
def admin(cast: Cast) -> str:
    return cast.member("jiro").user.mail


def logged_in(cast: Cast, device: Device, name: str = "jiro") -> LoginSession:
    token, member = f"{name} {device.id}", cast.member(name)
    return LoginSession.create(token_hash=token, membership=member, device=device, stage="in", address="10.0.0.1")


# ── a request comes ──


def test_a_request_waits_for_the_desk_and_both_are_told(cast: Cast, desk: str, admin: str) -> None:
    pc = Pc(computer="総務-PC1")
    request = sends(built(cast.xyz, 2), pc)
    assert (request.state, request.machine_id, request.computer_name) == ("waiting", pc.machine, "総務-PC1")
    assert (request.code, request.address, request.is_automatic) == ("02A3F9", "203.0.113.7", False)
    assert slot(cast.xyz, 2).state == "requested"
    assert said("device.requested") == [{"slot": 2, "receipt_number": request.receipt_number, "code": "02A3F9"}]
    assert (mailed("device_waiting"), mailed("device_requested")) == ([desk], [admin])


def test_its_receipt_number_is_a_day_in_japan_and_seven_digits(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2), at=datetime(2027, 1, 5, 23, 30, tzinfo=UTC))
    assert request.receipt_number[:10] == "V20270106-"
    assert len(request.receipt_number) == 17


def test_the_same_code_sent_twice_is_the_same_request(cast: Cast, desk: str, admin: str) -> None:
    made, pc = built(cast.xyz, 2), Pc()
    first, again = sends(made, pc), sends(made, pc)
    assert (again.id, fresh(first).state, len(said("device.requested"))) == (first.id, "waiting", 1)
    assert (mailed("device_waiting"), mailed("device_requested")) == ([desk], [admin])
    assert sends(made, pc, code="02B7C1").id != first.id


def ended_by_a_newer_one(cast: Cast, made: Built) -> None:
    sends(made)


def ended_by_stopping(cast: Cast, made: Built) -> None:
    devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")


def ended_by_replacing(cast: Cast, made: Built) -> None:
    devices.replace(cast.dai, slot(cast.xyz, 2), "故障")


def ended_by_hand(cast: Cast, made: Built) -> None:
    activations.by_hand(command_line(), slot(cast.xyz, 2))


@pytest.mark.parametrize("end", [ended_by_a_newer_one, ended_by_stopping, ended_by_replacing, ended_by_hand])
def test_a_request_tells_that_it_came_to_nothing(cast: Cast, end: Callable[[Cast, Built], None]) -> None:
    made = built(cast.xyz, 2)
    request = sends(made)
    end(cast, made)
    assert fresh(request).state == "void"
    assert [entry.action for entry in request.timeline()] == ["device.requested", "device.voided"]
    assert said("device.voided") == [{"slot": 2, "receipt_number": request.receipt_number}]


@pytest.mark.parametrize("state", ["vacant", "issued", "downloaded", "stopped"])
def test_a_slot_nobody_works_in_becomes_a_requested_one(cast: Cast, state: str) -> None:
    sends(built(cast.xyz, 2, state=state))
    assert slot(cast.xyz, 2).state == "requested"


def test_a_second_request_takes_the_place_of_the_first(cast: Cast) -> None:
    made = built(cast.xyz, 2)
    first, second = sends(made), sends(made)
    assert (fresh(first).state, fresh(second).state) == ("void", "waiting")
    assert first.receipt_number != second.receipt_number
    assert [one.id for one in activations.waiting()] == [second.id]
    with pytest.raises(SomeoneWasFaster, match="新しい申請に替わった"):
        activations.accept(cast.dai, first)


def test_mails_say_no_more_than_they_need(app: Any, cast: Cast) -> None:
    request = sends(built(cast.xyz, 2), Pc(computer="KEIRI-7"))
    activations.send_back(cast.dai, request, "PCの名前をお確かめください")
    activations.accept(cast.dai, sends(Built(request.installer, _key_of(request)), Pc(computer="KEIRI-7")))
    subjects = {subject for _, subject in told(app)}
    assert {"確認コードの受付のお知らせ", "確認コードが届きました", "確認コードの差戻しのお知らせ"} < subjects
    texts = "".join(path.read_bytes().decode() for path in (Path(app.instance_path) / "mail").glob("*.eml"))
    for secret in (request.machine_id, request.installer.uid, request.installer.certificate):
        assert secret not in texts


def _key_of(request: ActivationRequest) -> bytes:
    return activations.activation_checks.key_of(request.installer)


# ── the desk accepts ──


def test_the_desk_activates_in_one_act_when_people_look_after_the_vpn_server(app: Any, cast: Cast, admin: str) -> None:
    made, pc = built(cast.xyz, 2), Pc()
    request = sends(made, pc)
    activations.accept(cast.dai, request)
    assert (request.state, fresh(request).decided_by, slot(cast.xyz, 2).state) == (
        "activated",
        cast.member("dai"),
        "active",
    )
    installer = fresh(made.installer)
    assert (installer.machine_id, installer.bound_at, installer.unbound_at) == (
        pc.machine,
        installer.withdrawn_at,
        None,
    )
    assert StoredObject.get_by_id(installer.stored_id).sealed_key is None
    assert in_vault(app) == []
    order = VpnOrder.get(VpnOrder.device == request.device)
    assert (order.state, order.is_on, order.done_by) == ("done", True, cast.member("dai"))
    assert said("device.accepted") == [{"slot": 2, "receipt_number": request.receipt_number, "is_automatic": False}]
    assert (said("vpn.settled"), said("device.activated")[-1]) == ([{"slot": 2, "is_on": True}], {"slot": 2})
    assert mailed("device_activated") == [admin]


@pytest.mark.parametrize("name", ["kiku", "ume", "jiro", "hanako"])
def test_only_the_desk_decides(cast: Cast, name: str) -> None:
    request = sends(built(cast.xyz, 2))
    with pytest.raises(Forbidden):
        activations.accept(getattr(cast, name), request)
    with pytest.raises(Forbidden):
        activations.send_back(getattr(cast, name), request, "理由")
    assert fresh(request).state == "waiting"


def test_the_next_pc_takes_the_place_of_the_one_at_work(cast: Cast) -> None:
    old = built(cast.xyz, 2)
    activations.accept(cast.dai, sends(old))
    here, elsewhere = logged_in(cast, slot(cast.xyz, 2)), logged_in(cast, slot(cast.xyz, 1))
    new = built(cast.xyz, 2, state="active")
    request = sends(new)
    assert (slot(cast.xyz, 2).state, fresh(old.installer).unbound_at, fresh(here).ended_at) == ("active", None, None)
    activations.accept(cast.dai, request)
    assert fresh(old.installer).unbound_at is not None
    assert [one.id for one in Installer.bound().where(Installer.device == request.device)] == [new.installer.id]
    assert (fresh(here).ended_because, fresh(elsewhere).ended_at) == ("device", None)


def test_the_same_pc_comes_again_with_a_new_installer(cast: Cast) -> None:
    pc = Pc()
    activations.accept(cast.dai, sends(built(cast.xyz, 2), pc))
    activations.accept(cast.dai, sends(built(cast.xyz, 2, state="active"), pc))
    assert Installer.bound().where(Installer.machine_id == pc.machine).count() == 1


def test_what_was_accepted_is_not_accepted_again(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    again = fresh(request)
    activations.accept(cast.dai, request)
    with pytest.raises(SomeoneWasFaster, match="すでに有効化されています"):
        activations.accept(cast.dai, again)
    with pytest.raises(SomeoneWasFaster, match="すでに有効化されています"):
        activations.send_back(cast.dai, again, "理由")
    assert len(mailed("device_activated")) == 1


def accepts(uid: str) -> str:
    vpn.configure(vpn.Manual())
    actor = Actor(Membership.get(Membership.login_id == LOGIN_IDS["dai"]))
    activations.accept(actor, ActivationRequest.get(ActivationRequest.uid == uid))
    return "done"


def test_of_two_desks_at_once_one_activates(instance: Path, cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    answers = together(instance, [(accepts, request.uid), (accepts, request.uid)])
    assert sorted(answers) == ["SomeoneWasFaster", "done"]
    assert (len(mailed("device_activated")), len(said("vpn.settled"))) == (1, 1)


def test_two_requests_of_one_pc_are_not_both_accepted(cast: Cast) -> None:
    pc = Pc()
    first, second = sends(built(cast.xyz, 1), pc), sends(built(cast.xyz, 2), pc)
    activations.accept(cast.dai, first)
    with pytest.raises(Refused, match="すでに端末 01 として登録されています.*「差戻し」"):
        activations.accept(cast.dai, second)
    assert (fresh(second).state, slot(cast.xyz, 2).state) == ("waiting", "requested")


def test_a_code_whose_installer_was_renewed_is_not_accepted(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    built(cast.xyz, 2)
    with pytest.raises(Refused, match="新しいインストーラー.*「差戻し」"):
        activations.accept(cast.dai, request)
    assert vpn_orders.newest(request.device_id) is None


def test_without_a_driven_vpn_server_nothing_is_activated_by_itself(cast: Cast) -> None:
    settings.put("auto_activate", True)
    assert sends(built(cast.xyz, 2)).state == "waiting"


# ── the desk sends back ──


def test_what_is_sent_back_can_be_sent_again_with_the_same_installer(cast: Cast, admin: str) -> None:
    made = built(cast.xyz, 2)
    request = sends(made)
    activations.send_back(cast.dai, request, "  管理者のPCでお試しください ")
    assert (request.state, fresh(request).reason) == ("returned", "管理者のPCでお試しください")
    assert slot(cast.xyz, 2).state == "downloaded"
    assert mailed("device_returned") == [admin]
    assert Mail.get(Mail.kind == "device_returned").facts["reason"] == "管理者のPCでお試しください"
    activations.accept(cast.dai, sends(made))
    assert slot(cast.xyz, 2).state == "active"


@pytest.mark.parametrize(("before", "after"), [("stopped", "stopped"), ("active", "active"), ("vacant", "downloaded")])
def test_a_device_is_afterwards_what_it_was_before(cast: Cast, before: str, after: str) -> None:
    made = built(cast.xyz, 2, state=before)
    sends(made)
    activations.send_back(cast.dai, sends(made), "理由")
    assert slot(cast.xyz, 2).state == after


@pytest.mark.parametrize("reason", ["", " 　\n", "あ" * 301])
def test_a_reason_is_needed_and_not_endless(cast: Cast, reason: str) -> None:
    request = sends(built(cast.xyz, 2))
    with pytest.raises(Refused, match="理由を1～300文字"):
        activations.send_back(cast.dai, request, reason)
    assert fresh(request).state == "waiting"


# ── a device ends while its request is open ──


def test_a_stopped_device_takes_its_request_with_it(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    devices.stop(cast.dai, slot(cast.xyz, 2), "紛失")
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("void", "stopped")
    with pytest.raises(SomeoneWasFaster, match="端末の停止"):
        activations.accept(cast.dai, request)


def test_a_request_ends_and_its_device_is_where_it_was(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    with activations.db.atomic():
        assert not devices.void_requests(cast.dai, slot(cast.xyz, 2))
        assert not devices.void_requests(cast.dai, slot(cast.xyz, 1))
    assert (fresh(request).state, slot(cast.xyz, 2).state) == ("void", "downloaded")
    assert vpn_orders.newest(request.device_id) is None


@pytest.mark.parametrize("end", ["returned", "void"])
def test_a_slot_whose_installer_nobody_fetched_is_an_issued_one_again(cast: Cast, end: str) -> None:
    made = built(cast.xyz, 2, state="issued")
    Installer.update(fetched_at=None).where(Installer.id == made.installer.id).execute()
    request = sends(made)
    if end == "returned":
        activations.send_back(cast.dai, request, "理由")
    else:
        with activations.db.atomic():
            devices.void_requests(cast.dai, slot(cast.xyz, 2))
    assert (fresh(request).state, slot(cast.xyz, 2).state) == (end, "issued")


# ── the queue ──


def test_the_queue_is_oldest_first_and_the_history_newest_first(cast: Cast) -> None:
    now = utc_now()
    late, early = sends(built(cast.xyz, 2), at=now), sends(built(cast.abc, 2), at=now - timedelta(minutes=1))
    assert [one.id for one in activations.waiting()] == [early.id, late.id]
    activations.send_back(cast.dai, early, "理由")
    activations.accept(cast.dai, late)
    assert [one.id for one in activations.history()] == [late.id, early.id]
    assert [one.id for one in activations.history(cast.abc.name)] == [early.id]
    assert [one.id for one in activations.history(late.receipt_number)] == [late.id]
    assert list(activations.waiting()) == []


@pytest.mark.parametrize(
    ("came", "now", "days", "due_on", "is_late"),
    [
        ("2026-11-24", "2026-11-24", 0, "2026-11-26", False),  # a Tuesday after a public holiday
        ("2026-11-24", "2026-11-26", 2, "2026-11-26", False),
        ("2026-11-24", "2026-11-27", 3, "2026-11-26", True),
        ("2026-11-20", "2026-11-24", 1, "2026-11-25", False),  # over a weekend and a public holiday
        ("2026-11-21", "2026-11-24", 1, "2026-11-25", False),
        ("2026-12-28", "2027-01-04", 1, "2027-01-05", False),  # over the end of the year
    ],
)
def test_the_clock_counts_business_days(came: str, now: str, days: int, due_on: str, is_late: bool) -> None:
    request = ActivationRequest(requested_at=datetime.fromisoformat(f"{came}T03:00:00+00:00"))
    clock = activations.clock(request, datetime.fromisoformat(f"{now}T08:00:00+00:00"))
    assert clock == activations.Clock(days, date.fromisoformat(due_on), is_late)


def test_the_timeline_of_a_request_tells_all_of_it(cast: Cast) -> None:
    request = sends(built(cast.xyz, 2))
    activations.accept(cast.dai, request)
    assert [entry.action for entry in request.timeline()] == [
        *("device.requested", "device.accepted", "device.activated")
    ]
    about = AuditEntry.about(slot(cast.xyz, 2).uid)
    assert [entry.action for entry in about] == ["vpn.settled"]
    assert vpn_orders.waiting().count() == 0
