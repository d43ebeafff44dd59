"""有効化 (guide §4-1): an office sends the 確認コード of a PC, the desk looks at it, the VPN server lets the PC in."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from database import db, utc_now
from equipment import ActivationRequest, Installer, VpnOrder
from exchange import (
    activation_checks,
    audit,
    calendar,
    devices,
    handovers,
    outbox,
    permissions,
    reasons,
    settings,
    throttle,
    vault,
    visits,
    vpn,
    vpn_orders,
)
from exchange.activation_checks import Rejected
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import Device, Office
from papers import Visit

PROMISED_DAYS = 2  # business days until the desk has looked at it
NEW_STATES = ("vacant", "issued", "downloaded", "stopped")  # of a device that a request makes a requested one

OVER = {
    "settling": "この申請は、すでに承認されています。VPNサーバーへの反映が終わると、有効になります。",
    "activated": "この申請は、すでに有効化されています。",
    "returned": "この申請は、すでに差し戻されています。",
    "void": "この申請は、新しい申請に替わったか、端末の停止や入れ替えにより取り消されています。",
}
CROWDED = "確認コードが短い時間に何度も送信されたため、受け付けを止めています。1時間ほど待ってから送信してください。"
CROWDED_TODAY = (
    "この事業所の確認コードが1日に何度も送信されたため、受け付けを止めています。"
    "明日もう一度送信するか、お急ぎのときは電子連携サービス事務局へご連絡ください。"
)
CLOSED = "この事業所の契約は終了しているため、有効化できません。"
MOVED_ON = "この端末のインストーラーが、画面を開いたあとに替わっています。画面を開き直して確かめてください。"
HAS_CODE = (
    "この端末のインストーラーは、サーバーで作られたものです。"
    "確認コードが届いてから、「端末の有効化」の画面で有効化してください。"
)
NOT_FETCHED = (
    "この端末のインストーラーは、まだダウンロードされていません。事業所がインストールしてから、有効化してください。"
)
RENEWED = (
    "この確認コードのあとに、新しいインストーラーが用意されたか、いまのものが取り下げられました。"
    "新しいインストーラーをインストールし直し、新しい確認コードを送信してください。"
)


@dataclass(frozen=True)
class Clock:
    """How long a request has waited: whole business days since the day it came, and the day it is promised for."""

    days: int
    due_on: date
    is_late: bool


# ── the office's side ──


def request(actor: Actor, visit: Visit, data: bytes) -> ActivationRequest:
    """有効化の申請 with the bytes of a confirmation code. One that still waits for the same device is replaced; the
    same code of the same PC once more is the same request.

    Rejected (logged) says what is wrong with the code; Refused when the visit is over; TooMany.
    """
    if not throttle.hit("activate", f"{visit.office_id} {throttle.network(actor.address)}", actor.at):
        raise TooMany(CROWDED)
    if not throttle.hit("activate_total", str(visit.office_id), actor.at):
        raise TooMany(CROWDED_TODAY)
    try:
        with db.atomic():
            visits.still(visit, actor.at)
            return _request(actor, Office.get_by_id(visit.office_id), data)
    except Rejected as rejected:
        with db.atomic():
            audit.record(actor, "device.refused", rejected.subject, visit.office, why=rejected.why)
        raise


def _request(actor: Actor, office: Office, data: bytes) -> ActivationRequest:
    found = activation_checks.look_at(office, data)
    device = found.device
    before = ActivationRequest.open_of(device)  # it waits: a settling one was rejected
    if before is not None and _is_same(before, found):
        return before
    devices.void_requests(actor, device)
    notes = found.notes + (["stopped"] if before is not None and "stopped" in before.notes else [])
    Device.update(state="requested").where(Device.id == device.id, Device.state << NEW_STATES).execute()
    confirmation = found.confirmation
    made = ActivationRequest.create(
        receipt_number=activation_checks.new_receipt_number(actor.at),
        device=device,
        installer=found.installer,
        code=confirmation.code,
        machine_id=confirmation.machine,
        computer_name=confirmation.computer,
        adapter=confirmation.adapter,
        volume=confirmation.volume,
        notes=sorted(set(notes)),
        address=actor.address,
        requested_at=actor.at,
    )
    facts = {"slot": device.slot, "receipt_number": made.receipt_number, "code": made.code}
    audit.record(actor, "device.requested", made.uid, office, **facts)
    is_automatic = not made.notes and settings.get("auto_activate") and vpn.provider().is_automatic
    if before is None:  # whoever is told of one that waits is not told of each that takes its place
        outbox.device_requested(made, is_desk_told=not is_automatic)
    if is_automatic:
        _accept(system(actor.at), made, is_automatic=True)
    return ActivationRequest.get_by_id(made.id)


def _is_same(before: ActivationRequest, found: activation_checks.Found) -> bool:
    """The form was sent twice."""
    sent = (found.installer, found.confirmation.code, found.confirmation.machine)
    return (before.installer, before.code, before.machine_id) == sent


# ── the desk's side ──


def waiting() -> Any:
    """Requests that somebody or the VPN server is still to do something about, oldest first, with device and office."""
    is_open = ActivationRequest.state << ActivationRequest.OPEN
    return _with_devices().where(is_open).order_by(ActivationRequest.requested_at)


def history(search: str = "") -> Any:
    """Requests that are over, the newest decision first. `search`: part of the office's name or contract number, of the
    receipt number or of the PC's name.
    """
    query = _with_devices().where(ActivationRequest.state.not_in(ActivationRequest.OPEN))
    if search:
        columns = (Office.name, Office.contract_number, ActivationRequest.receipt_number)
        found = (column.contains(search) for column in (*columns, ActivationRequest.computer_name))
        query = query.where(reduce(or_, found))
    return query.order_by(ActivationRequest.decided_at.desc(), ActivationRequest.id.desc())


def among(uids: Collection[str]) -> Any:
    """These requests, with device and office."""
    return _with_devices().where(ActivationRequest.uid << list(uids)).order_by(ActivationRequest.id)


def _with_devices() -> Any:
    query = ActivationRequest.select(ActivationRequest, Installer, Device, Office).join(Installer)
    return query.switch(ActivationRequest).join(Device).join(Office)


def clock(request: ActivationRequest, at: datetime) -> Clock:
    came_on, today = calendar.day(request.requested_at), calendar.day(at)
    days = sum(calendar.is_business_day(came_on + timedelta(days=n + 1)) for n in range((today - came_on).days))
    due_on = calendar.add_business_days(came_on, PROMISED_DAYS)
    return Clock(days, due_on, today > due_on)


def accept(actor: Actor, request: ActivationRequest) -> None:
    """有効化 by the desk. Under a VPN server that people look after: it has let the PC in there, and says so."""
    permissions.require(actor, "activate")
    with db.atomic():
        _accept(actor, request, is_automatic=False)
    request.state = ActivationRequest.get_by_id(request.id).state


def _accept(actor: Actor, request: ActivationRequest, is_automatic: bool) -> None:
    now = ActivationRequest.get_by_id(request.id)
    is_by_hand = not vpn.provider().is_automatic
    # Accepted while the VPN server was driven from here, which it no longer is: somebody has to say that it knows.
    is_again = now.state == "settling" and is_by_hand
    if now.state != "waiting" and not is_again:
        raise SomeoneWasFaster(OVER[now.state])
    problem = _problem(now)
    if problem is not None:
        raise Refused(f"{problem}この申請は「差戻し」で事業所へ返してください。")
    if not is_again:
        _decide(now, "settling", actor, "waiting", is_automatic=is_automatic)
        facts = {"slot": now.device.slot, "receipt_number": now.receipt_number, "is_automatic": is_automatic}
        audit.record(actor, "device.accepted", now.uid, now.device.office, **facts)
    order = vpn_orders.ask(actor, now.device, True, now.installer)
    if is_by_hand and vpn_orders.done(actor, order):
        _finish(actor, order)


def send_back(actor: Actor, request: ActivationRequest, reason: str) -> None:
    """差戻し: the office reads why, and may send a confirmation code of the same installer again."""
    permissions.require(actor, "activate")
    reason = reasons.given(reason, "事業所の管理者にメールで伝わります。")
    with db.atomic():
        now = ActivationRequest.get_by_id(request.id)
        if now.state != "waiting":
            raise SomeoneWasFaster(OVER[now.state])
        _return(actor, now, reason)
    request.state = "returned"


def by_hand(actor: Actor, device: Device, seen: str | None = None) -> None:
    """有効化 without a confirmation code, after the VPN account was set up by hand: by the desk, of a PC whose
    installer was made elsewhere; by the command line of any.

    `seen`: uid of the installer that the desk's page showed; SomeoneWasFaster when it is another one now.
    """
    permissions.require(actor, "activate")
    with db.atomic():
        now = Installer.get_or_none(Installer.device == device, Installer.withdrawn_at.is_null())
        if seen is not None:
            _require_by_hand(now, seen)
        if now is None or now.is_built:
            devices.activate(actor, device)
            return
        if (problem := handovers.why_not_yet(device, now)) is not None:
            raise Refused(problem)
        devices.activate(actor, device)
        _bind(actor, device, now)


def _require_by_hand(now: Installer | None, seen: str) -> None:
    if now is None or now.uid != seen:
        raise SomeoneWasFaster(MOVED_ON)
    if now.is_built:
        raise Refused(HAS_CODE)
    if now.fetched_at is None:
        raise Refused(NOT_FETCHED)


# ── the VPN server's part ──


def settle(actor: Actor, device_id: int) -> None:
    """The job "vpn": carry out what counts for a device, and finish its 有効化 once the server has done its part.

    A silent server is no failure of the job: the order goes on waiting, and chase asks again.
    """
    order = vpn_orders.newest(device_id)
    if order is None or not vpn.provider().is_automatic:
        return
    try:
        vpn_orders.carry_out(order)
    except vpn.Unreachable:
        vpn_orders.failed(order, _later(actor).at)
        return
    actor = _later(actor)
    with db.atomic():
        if vpn_orders.done(actor, order):
            if order.is_on:
                _finish(actor, order)
        elif vpn_orders.newest(device_id) != order:
            vpn_orders.repeat(device_id)


def _later(actor: Actor) -> Actor:
    """When the server has answered, not when it was asked."""
    return replace(actor, at=max(actor.at, utc_now()))


def _finish(actor: Actor, order: VpnOrder) -> None:
    """The PC is bound and the device active; the one it takes the place of is out. Inside a transaction, once."""
    now = ActivationRequest.get_or_none(
        ActivationRequest.device == order.device_id,
        ActivationRequest.installer == order.installer_id,
        ActivationRequest.state == "settling",
    )
    if now is None:
        return
    device, installer = Device.get_by_id(now.device_id), Installer.get_by_id(now.installer_id)
    problem = _problem(now)
    if problem is not None:
        _return(actor, now, problem)
        vpn_orders.take_back(actor, device)
        return
    is_active = {"state": "active", "activated_at": actor.at, "stopped_at": None, "replaced_at": None}
    Device.update(**is_active).where(Device.id == device.id).execute()
    _move(now, "settling", state="activated", activated_at=actor.at)
    audit.record(actor, "device.activated", now.uid, device.office, slot=device.slot)
    outbox.device_activated(device, now.computer_name)
    _bind(actor, device, installer, machine_id=now.machine_id, computer_name=now.computer_name)


def _bind(actor: Actor, device: Device, installer: Installer, **pc: str) -> None:
    """The installer is in force on this PC and lies at the counter no more; the PC before it is out, and so may be the
    管理者 whose it was. Inside a transaction.
    """
    devices.unbind(actor, device)
    devices.end_sessions(actor, device)
    Installer.update(bound_at=actor.at, withdrawn_at=actor.at, **pc).where(Installer.id == installer.id).execute()
    vault.erase(installer.stored)
    handovers.complete(actor, Device.get_by_id(device.id))


def _problem(request: ActivationRequest) -> str | None:
    """Why the PC can't be bound as things are now, for the desk and for the office."""
    device = request.device
    if device.office.is_closed:
        return CLOSED
    if request.installer.withdrawn_at is not None:
        return RENEWED
    return handovers.why_not_yet(device, request.installer) or activation_checks.taken(
        device, request.machine_id, is_with_accepted=True
    )


def _return(actor: Actor, request: ActivationRequest, reason: str) -> None:
    _decide(request, "returned", actor, request.state, reason=reason)
    devices.put_back(request)
    device = request.device
    facts = {"slot": device.slot, "receipt_number": request.receipt_number, "reason": reason}
    audit.record(actor, "device.returned", request.uid, device.office, **facts)
    outbox.device_returned(ActivationRequest.get_by_id(request.id))


def _decide(request: ActivationRequest, state: str, actor: Actor, before: str, **more: Any) -> None:
    _move(request, before, state=state, decided_at=actor.at, decided_by=actor.membership, **more)


def _move(request: ActivationRequest, before: str, **columns: Any) -> None:
    moved = ActivationRequest.update(**columns)
    if moved.where(ActivationRequest.id == request.id, ActivationRequest.state == before).execute() != 1:
        raise SomeoneWasFaster(OVER[ActivationRequest.get_by_id(request.id).state])
