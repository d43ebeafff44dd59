"""The PCs of an office: slots, which of them may connect, and how one is stopped or gives way to another."""

from database import db
from equipment import ActivationRequest, Handover, Installer, VpnOrder
from exchange import (
    audit,
    installer_making,
    installers,
    marks,
    normalise,
    outbox,
    permissions,
    reasons,
    vpn,
    vpn_orders,
)
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from models import Device, LoginSession, Membership, Office

ACTIVATABLE = ("vacant", "issued", "downloaded", "requested", "stopped")
IN_HAND = ("issued", "downloaded", "requested", "active")  # that somebody has, or is about to have
REPLACEABLE = ("downloaded", "requested", "active", "stopped")

STOPPED = "この端末は、すでに停止しています。"
NEVER_USED = "この端末は、まだ使われていません。停止するものはありません。"
STILL_NEW = "この端末のインストーラーは、まだダウンロードされていません。入れ替えなくても、そのまま新しいPCで使えます。"
NOT_REPLACED = (
    "この端末のPCの入れ替えは、すでに終わっているか、取りやめられています。画面を開き直して確かめてください。"
)
HANDED_OVER = (
    "端末01（管理者用）は、管理者の引継ぎの手続き中です。手続き中に有効化したPCは、後任の方のPCとみなします。"
    "管理者のPCの入れ替えを変えるときは、先に、管理者か基金事務局が「管理者の引継ぎ」の画面で引継ぎを取り下げてください。"
)
BEYOND_LIMIT = "この端末は、いまの利用台数に入っていません。使うときは、先に利用台数の変更を届け出てください。"
CLOSED = "この事業所の契約は、すでに終了しています。"
BY_CODE_ALONE = (
    "VPNサーバーへは自動で反映されるため、確認コードなしでは有効化できません。「インストーラー」の画面でインストーラーを"
    "作成し、事業所に、そのPCの確認コードを送信してもらってください。"
)
MOVED_ON = "この端末の状態が、画面を開いたあとに変わっています。画面を開き直して、いまの状態を確かめてください。"


def make_slots(office: Office) -> None:
    """One vacant slot for each PC the office may use; slot 1 is the admin's.

    Called by verbs, inside their transaction.
    """
    for slot in range(1, office.device_limit + 1):
        Device.create(office=office, slot=slot)


def set_limit(office: Office, limit: int) -> list[int]:
    """As many slots as the office may have PCs now. Called by verbs, inside their transaction.

    Slots beyond the limit that nobody ever used go. One that was stopped stays for the records and is shown no more;
    when the limit grows again it can be used again. If a PC is, or is about to be, in one of them, nothing changes, and
    the answer is the slots in the way; otherwise it is empty.
    """
    beyond = list(Device.select().where(Device.office == office, Device.slot > limit).order_by(Device.slot))
    refused = [device.slot for device in beyond if device.state in IN_HAND]
    if refused:
        return refused
    for device in beyond:
        if device.state == "vacant":
            _forget(device)
    there = {device.slot for device in Device.select(Device.slot).where(Device.office == office)}
    for slot in range(1, limit + 1):
        if slot not in there:
            Device.create(office=office, slot=slot)
    Office.update(device_limit=limit).where(Office.id == office.id).execute()
    office.device_limit = limit
    return []


def _forget(device: Device) -> None:
    """A vacant slot goes; one that records name becomes a stopped one."""
    was_used = device.activated_at or device.stopped_at
    if was_used or any(rows.select().where(rows.device == device).exists() for rows in (ActivationRequest, VpnOrder)):
        Device.update(state="stopped", replaced_at=None).where(Device.id == device.id).execute()
        return
    Installer.delete().where(Installer.device == device).execute()  # withdrawn and erased ones
    Device.delete().where(Device.id == device.id).execute()


def activate(actor: Actor, device: Device) -> None:
    """有効化 without a confirmation code: from now on the office's people can log in from this PC.

    Refused where the VPN server is driven from here: it would not be told which certificate to let in.
    """
    permissions.require(actor, "activate")
    if vpn.provider().is_automatic:
        raise Refused(BY_CODE_ALONE)
    with db.atomic():
        is_due = (Device.state << ACTIVATABLE) | Device.replaced_at.is_null(False)
        changed = Device.update(state="active", activated_at=actor.at, stopped_at=None, replaced_at=None).where(
            Device.id == device.id, is_due
        )
        if changed.execute() != 1:
            raise SomeoneWasFaster("この端末はすでに有効化されています。")
        void_requests(actor, device)
        unbind(actor, device)
        vpn_orders.by_hand(actor, device, is_on=True)
        audit.record(actor, "device.activated", device.uid, device.office, slot=device.slot)
        outbox.device_activated(device)
    device.state = "active"


# ── 停止 ──


def stop(actor: Actor, device: Device, reason: str) -> None:
    """停止, by the office's 管理者, the desk or, in an emergency, the fund: nothing of this slot comes in any more,
    whatever has happened since the page was opened. SomeoneWasFaster when it is stopped already.
    """
    reason = _allowed(actor, device, reason, "devices", "register")
    with db.atomic():
        now = _now(device, None, {"stopped": STOPPED})
        if now.state == "vacant":
            raise Refused(NEVER_USED)
        halt(actor, now, reason)
        outbox.device_stopped(actor, now, are_sessions_over(now))
    device.state = "stopped"


def halt(actor: Actor, device: Device, reason: str) -> None:
    """What every end of a PC has in common: its state, its installers, its open request, its sessions, its way through
    the VPN. Called by verbs, inside their transaction; SomeoneWasFaster when there is nothing to stop any more.
    """
    stopped = Device.update(state="stopped", stopped_at=actor.at, replaced_at=None)
    if stopped.where(Device.id == device.id, Device.state << IN_HAND).execute() != 1:
        raise SomeoneWasFaster(STOPPED)
    void_requests(actor, device)
    installer_making.void(device)
    installers.take_away(actor, device)
    unbind(actor, device)
    end_sessions(actor, device)
    newest = vpn_orders.newest(device.id)
    if device.state == "active" or (newest is not None and newest.is_on):
        vpn_orders.ask(actor, device, is_on=False)
    audit.record(actor, "device.stopped", device.uid, device.office, slot=device.slot, reason=reason)


def halt_all(actor: Actor, office: Office, reason: str) -> None:
    """At the end of a contract: every PC is out, and nothing lies at the counter. Inside the verb's transaction."""
    for device in Device.select(Device, Office).join(Office).where(Device.office == office).order_by(Device.slot):
        if device.state in IN_HAND:
            halt(actor, device, reason)
        else:
            installer_making.void(device)
            installers.take_away(actor, device)


def void_requests(actor: Actor, device: Device) -> bool:
    """The open confirmation code of the device ends, and the device is where it was before; whether it had been
    accepted and the VPN server asked for it.

    Called by verbs, inside their transaction.
    """
    now = ActivationRequest.open_of(device)
    if now is None:
        return False
    decided = {"decided_at": actor.at, "decided_by": actor.membership} if now.state == "waiting" else {}
    voided = ActivationRequest.update(state="void", **decided)
    voided.where(ActivationRequest.id == now.id, ActivationRequest.state == now.state).execute()
    facts = {"slot": device.slot, "receipt_number": now.receipt_number}
    audit.record(actor, "device.voided", now.uid, device.office, **facts)
    put_back(now)
    return now.state == "settling"


def put_back(request: ActivationRequest) -> None:
    """The device is where it was before the request; one at work, whose next PC it was, stays so. Called by verbs,
    inside their transaction.
    """
    at_counter = Installer.get_or_none(Installer.device == request.device_id, Installer.withdrawn_at.is_null())
    state = "issued" if at_counter is not None else "vacant"
    if (at_counter or request.installer).fetched_at is not None:
        state = "downloaded"
    if "stopped" in request.notes:
        state = "stopped"
    Device.update(state=state).where(Device.id == request.device_id, Device.state == "requested").execute()


def unbind(actor: Actor, device: Device) -> None:
    """The PC in the slot is no longer the one. Called by verbs, inside their transaction."""
    Installer.update(unbound_at=actor.at).where(
        Installer.device == device, Installer.bound_at.is_null(False), Installer.unbound_at.is_null()
    ).execute()


def end_sessions(actor: Actor, device: Device, why: str = "device") -> None:
    """Whoever is logged in from this PC is out and, where none of the office's is active any more, whoever of its
    people came from a PC that nobody knows. Called by verbs, inside their transaction.
    """
    is_out = LoginSession.device == device
    if not device.office.has_active_device():
        theirs = Membership.select(Membership.id).where(Membership.office == device.office_id)
        is_out |= LoginSession.device.is_null() & (LoginSession.membership << theirs)
    LoginSession.update(ended_at=actor.at, ended_because=why).where(is_out, LoginSession.ended_at.is_null()).execute()


def are_sessions_over(device: Device) -> bool:
    """Whether nobody who came from a stopped PC is still logged in: where the VPN server can't be asked, a session
    tells its PC only by the office's having no other.
    """
    return vpn.provider().is_automatic or not device.office.has_active_device()


# ── 入れ替え ──


def replace(actor: Actor, device: Device, reason: str, seen: str | None = None) -> None:
    """PC入替, by the office's 管理者 or the desk: the same slot gets a new installer, for another PC.

    A PC at work stays until the new one is activated; a stopped slot comes to life again. `seen`: what the form
    carries; SomeoneWasFaster when the device has moved on since.
    """
    reason = _allowed(actor, device, reason, "devices")
    with db.atomic():
        now = _now(device, seen, {"vacant": NEVER_USED, "issued": STILL_NEW})
        if now.state not in REPLACEABLE:
            raise SomeoneWasFaster(MOVED_ON)
        if now.slot > now.office.device_limit:
            raise Refused(BEYOND_LIMIT)
        _require_not_handed_over(now)
        give_way(actor, now, reason)
        outbox.device_replaced(actor, now)
    device.state = Device.get_by_id(device.id).state


def give_way(actor: Actor, device: Device, reason: str) -> None:
    """Another PC is to take the slot: a new installer is ordered, and one at work stays until that is activated.

    Called by verbs, inside their transaction.
    """
    if void_requests(actor, device):
        vpn_orders.take_back(actor, device)
    # One at work stays so; the installer makes any other an issued one.
    state = "active" if device.state == "active" else "vacant"
    Device.update(state=state, replaced_at=actor.at).where(Device.id == device.id).execute()
    installers.renew(actor, device)
    audit.record(actor, "device.replaced", device.uid, device.office, slot=device.slot, reason=reason)


def call_off(actor: Actor, device: Device, seen: str | None = None) -> None:
    """入れ替えの取りやめ, by the office's 管理者 or the desk: the PC that is at work stays. `seen` as in `replace`."""
    _require_may(actor, device, "devices")
    with db.atomic():
        now = _now(device, seen, dict.fromkeys(ACTIVATABLE, NOT_REPLACED))
        if now.replaced_at is None:
            raise SomeoneWasFaster(NOT_REPLACED)
        _require_not_handed_over(now)
        keep(actor, now)
        outbox.device_kept(actor, now)


def keep(actor: Actor, device: Device) -> None:
    """The PC at work stays: nothing comes of the one that was to take its slot. Called by verbs, inside their
    transaction.
    """
    if void_requests(actor, device):
        vpn_orders.take_back(actor, device)
    installer_making.void(device)
    installers.take_away(actor, device)
    Device.update(replaced_at=None).where(Device.id == device.id).execute()
    audit.record(actor, "device.kept", device.uid, device.office, slot=device.slot)


def _require_not_handed_over(device: Device) -> None:
    """The next PC of slot 1 is the successor's, from the nomination until it is done or taken back."""
    if device.is_admins and (handover := Handover.open_at(device.office)) is not None and handover.is_planned:
        raise Refused(HANDED_OVER)


# ── questions ──


def by_vpn_user(name: str) -> Device | None:
    """The active device of an open contract that connects under this name."""
    contract, _, label = name.rpartition(".")
    if not contract or not (len(label) == 2 and normalise.is_digits(label)):
        return None
    return (
        Device.select(Device, Office)
        .join(Office)
        .where(Office.contract_number == contract, Office.closed_at.is_null())
        .where(Device.slot == int(label), Device.state == "active")
        .first()
    )


def spoken(device: Device) -> str:
    """01（管理者用）　PC「SOUMU-PC1」, as a question about it names it."""
    bound = Installer.bound().where(Installer.device == device).first()
    name = bound.computer_name if bound else ""
    return device.label + ("（管理者用）" if device.is_admins else "") + (f"　PC「{name}」" if name else "")


def seen(device: Device) -> str:
    """What a form about the device carries, so that nobody replaces a PC that he has not seen."""
    return marks.of(device.uid, device.state, device.activated_at, device.stopped_at, device.replaced_at)


def _allowed(actor: Actor, device: Device, typed: str, *words: str) -> str:
    """The tidy reason, from somebody who may."""
    _require_may(actor, device, *words)
    return reasons.given(typed)


def _require_may(actor: Actor, device: Device, *words: str) -> None:
    """The office's own 管理者, or one with one of the words at the fund."""
    if actor.office is not None:
        permissions.require_admin(actor, device.office)
    elif not any(permissions.may(actor, word) for word in words):
        permissions.refuse(actor, words[0])


def _now(device: Device, before: str | None, not_in: dict[str, str]) -> Device:
    """The device as it is. Inside the verb's transaction. `not_in`: state → why the verb can't be done in it."""
    now = Device.select(Device, Office).join(Office).where(Device.id == device.id).first()
    if now is None:  # the limit was lowered meanwhile
        raise SomeoneWasFaster(MOVED_ON)
    if now.office.is_closed:
        raise SomeoneWasFaster(CLOSED)
    if now.state in not_in:
        raise SomeoneWasFaster(not_in[now.state])
    if before is not None and before != seen(now):
        raise SomeoneWasFaster(MOVED_ON)
    return now
