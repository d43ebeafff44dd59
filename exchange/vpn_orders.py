"""What the VPN server shall do for a device: asked inside the verb's transaction, carried out after it, and repeated
until the server has done it.

The newest order that isn't void is what the server shall be like. Carrying one out twice does no harm; an old one that
was carried out too late is followed by the newest once more.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from database import db
from equipment import ActivationRequest, Installer, VpnOrder
from exchange import audit, jobs, permissions, vpn
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from models import Device, Job, Office

JOB = "vpn"

AUTOMATIC = "VPNサーバーへは自動で反映されます。確認の操作は要りません。反映が終わるまでお待ちください。"
DONE_BEFORE = "この作業は、すでに確認済みか、新しい作業に替わっています。一覧を開き直してください。"
BY_HAND = (
    "VPN_PROVIDER が manual のため、VPNサーバーへは人が登録します。「端末の有効化」の「VPN側の作業」と、"
    "各事業所の「端末」の画面を見て、VPNサーバーを直してください。"
)
PRESS_ACTIVATE = "この作業には、有効化の申請が付いています。申請の画面で「有効化」を押してください。"


def ask(actor: Actor, device: Device, is_on: bool, installer: Installer | None = None) -> VpnOrder:
    """The newest order counts: the one that still waits is void. Called by verbs, inside their transaction."""
    drop(device)
    order = VpnOrder.create(device=device, installer=installer, is_on=is_on, asked_at=actor.at)
    if vpn.provider().is_automatic:
        jobs.enqueue(JOB, str(device.id), actor.at)
    return order


def drop(device: Device) -> None:
    """What was asked and isn't done yet is void. Called by verbs, inside their transaction."""
    if not db.in_transaction():
        raise RuntimeError("an order belongs into the transaction of what it follows from")
    VpnOrder.update(state="void").where(VpnOrder.device == device, VpnOrder.state == "waiting").execute()


def by_hand(actor: Actor, device: Device, is_on: bool) -> None:
    """Somebody has seen to the VPN server himself: nothing that was asked before is carried out over it.

    Called by verbs, inside their transaction.
    """
    drop(device)
    VpnOrder.create(
        device=device, is_on=is_on, state="done", asked_at=actor.at, done_at=actor.at, done_by=actor.membership
    )


def take_back(actor: Actor, device: Device) -> None:
    """A PC that may have been let in already is not to be: the one that is bound comes back, or nobody.

    Called by verbs, inside their transaction.
    """
    bound = Installer.bound().where(Installer.device == device).first()
    is_on = bound is not None and bound.is_built and bound.device.state == "active"
    ask(actor, device, is_on, bound if is_on else None)


def newest(device_id: int) -> VpnOrder | None:
    """What counts for a device now, done or not."""
    mine = VpnOrder.select().where(VpnOrder.device == device_id, VpnOrder.state != "void")
    return mine.order_by(VpnOrder.id.desc()).first()


def newest_of(device_ids: Collection[int]) -> dict[int, VpnOrder]:
    """Device's id → what counts for it now, in one query."""
    newest = VpnOrder.select(fn.MAX(VpnOrder.id)).where(VpnOrder.device << device_ids, VpnOrder.state != "void")
    found = VpnOrder.select().where(VpnOrder.id << newest.group_by(VpnOrder.device))
    return {order.device_id: order for order in found}


def letting_in(installer_id: int) -> VpnOrder | None:
    """The newest order to let in the PC that was set up with an installer, done or not."""
    mine = VpnOrder.select().where(VpnOrder.installer == installer_id, VpnOrder.state != "void")
    return mine.order_by(VpnOrder.id.desc()).first()


def waiting() -> Any:
    """Orders that are not done yet, oldest first, with their devices and offices."""
    query = VpnOrder.select(VpnOrder, Device, Office).join(Device).join(Office)
    return query.where(VpnOrder.state == "waiting").order_by(VpnOrder.asked_at, VpnOrder.id)


def carry_out(order: VpnOrder) -> None:
    """Talk to the VPN server, outside any transaction. Unreachable when it is still to be done."""
    device = Device.get_by_id(order.device_id)
    user = vpn.user_name(device)
    if not order.is_on:
        vpn.provider().shut_out(user)
    elif order.installer is not None:  # without one it was let in by hand
        vpn.provider().admit(vpn.Account(user, device.office.name, order.installer.certificate))


def done(actor: Actor, order: VpnOrder) -> bool:
    """The server knows; False when the order was not the one that waits (any more). Called inside a transaction."""
    mine = VpnOrder.update(state="done", done_at=actor.at, done_by=actor.membership)
    if mine.where(VpnOrder.id == order.id, VpnOrder.state == "waiting").execute() != 1:
        return False
    device = Device.get_by_id(order.device_id)
    audit.record(actor, "vpn.settled", device.uid, device.office, slot=device.slot, is_on=order.is_on)
    return True


def failed(order: VpnOrder, at: datetime) -> None:
    """The server did not answer: whatever counts for the device has to be done (again)."""
    with db.atomic():
        if newest(order.device_id) == order:
            VpnOrder.update(state="waiting", failed_at=at, done_at=None, done_by=None).where(
                VpnOrder.id == order.id
            ).execute()
        else:
            repeat(order.device_id)


def repeat(device_id: int) -> None:
    """An older order may have reached the server after the newest: that one is done once more.

    Called inside a transaction.
    """
    order = newest(device_id)
    if order is not None:
        VpnOrder.update(state="waiting", done_at=None, done_by=None).where(VpnOrder.id == order.id).execute()
        jobs.enqueue(JOB, str(device_id))


def chase(now: datetime) -> None:
    """A job for every waiting order that has none: its last one found the server silent, or was given up on."""
    if not vpn.provider().is_automatic:
        return
    with db.atomic():
        live = {job.subject for job in Job.select(Job.subject).where(Job.kind == JOB, Job.state << jobs.LIVE)}
        for order in VpnOrder.select().where(VpnOrder.state == "waiting"):
            if str(order.device_id) not in live:
                jobs.enqueue(JOB, str(order.device_id), now)


@dataclass(frozen=True)
class Resent:
    """How many devices the VPN server is told of once more, to be let in or to be shut out. `waiting`: it is still to
    be told of them anyway; `unknown`: at work with a certificate that nobody here knows, so that it is told nothing.
    """

    let_in: int
    shut_out: int
    waiting: int
    unknown: int


def resend(actor: Actor) -> Resent:
    """All that counts is asked for once more: of a VPN server that is new here, or has lost its state, or has heard of
    more than the backup that was brought back.

    Refused where people look after the server.
    """
    permissions.require(actor, "activate")
    if not vpn.provider().is_automatic:
        raise Refused(BY_HAND)
    told = {True: 0, False: 0}
    with db.atomic():
        waits = VpnOrder.select(VpnOrder.device).where(VpnOrder.state == "waiting")
        bound = {one.device_id: one for one in Installer.bound() if one.is_built}
        of_others = Device.select(Device, Office).join(Office).where(Device.id.not_in(waits))
        at_work = list(of_others.where(Device.state == "active"))
        known = [device for device in at_work if device.id in bound]
        for device in (*known, *of_others.where(Device.state != "active", _may_be_known())):
            installer = bound[device.id] if device.state == "active" else None
            ask(actor, device, installer is not None, installer)
            told[installer is not None] += 1
    return Resent(told[True], told[False], waits.count() - sum(told.values()), len(at_work) - len(known))


def _may_be_known() -> Any:
    """Of a device: whether the VPN server may have heard of it."""
    with_key = Installer.select(Installer.device).where(Installer.certificate.is_null(False))
    return (Device.id << with_key) | (Device.id << VpnOrder.select(VpnOrder.device))


def complete_by_hand(actor: Actor, order: VpnOrder) -> None:
    """The desk has done it on a VPN server that people look after."""
    if order.is_on or not permissions.may(actor, "devices"):
        permissions.require(actor, "activate")
    if vpn.provider().is_automatic:
        raise Refused(AUTOMATIC)
    with db.atomic():
        settling = (ActivationRequest.device == order.device_id) & (ActivationRequest.state == "settling")
        if order.is_on and ActivationRequest.select().where(settling).exists():
            raise Refused(PRESS_ACTIVATE)
        if not done(actor, order):
            raise SomeoneWasFaster(DONE_BEFORE)
