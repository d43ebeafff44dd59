"""What people want to know of a 確認コード besides its state: what its 有効化 changes, why it came to nothing, and
whether it went back to an office that has not answered yet.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from equipment import ActivationRequest, Handover, Installer
from exchange import handovers
from models import AuditEntry, Device, Office

# What ended a device's open request, as its entry in the log → the same in short.
ENDS = {
    "device.stopped": "stopped",
    "device.replaced": "replaced",
    "device.kept": "kept",
    "device.activated": "by_hand",
}


@dataclass(frozen=True)
class Change:
    """What an 有効化 changes besides, or has changed. `handover`: the 管理者 is another from then on; `is_swap`: the PC
    that is at work until then is cut off, which was set up with `outgoing` (None: nobody knows with what) at `since`.
    """

    handover: Handover | None = None
    is_swap: bool = False
    outgoing: Installer | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class End:
    """Why a request is void: newer (with that one), one of ENDS, or, of old ones, unknown."""

    why: str
    newer: ActivationRequest | None = None


def changes(requests: Iterable[ActivationRequest]) -> dict[int, Change]:
    """Request's id → what it changes, of those that are open or activated."""
    concerned = [one for one in requests if one.is_open or one.state == "activated"]
    bound = {one.device_id: one for one in _bound([one.device_id for one in concerned if one.is_open])}
    done = _done([one.device.office_id for one in concerned if not one.is_open])
    found = {}
    for one in concerned:
        if one.is_open:
            found[one.id] = _before(one, bound.get(one.device_id))
        elif one.device.is_admins:
            found[one.id] = Change(done.get((one.device.office_id, one.activated_at)))
    return found


def _before(request: ActivationRequest, outgoing: Installer | None) -> Change:
    device = request.device
    handover = handovers.planned_with(device, request.installer)
    is_same_pc = outgoing is not None and outgoing.machine_id == request.machine_id
    if device.state != "active" or is_same_pc:
        return Change(handover)
    return Change(handover, True, outgoing, device.activated_at)


def _bound(device_ids: list[int]) -> Any:
    return Installer.bound().where(Installer.device << device_ids)


def _done(office_ids: list[int]) -> dict[tuple[int, datetime], Handover]:
    planned = Handover.select().where(Handover.kind == "planned", Handover.state == "done")
    return {(one.office_id, one.ended_at): one for one in planned.where(Handover.office << office_ids)}


def ends(requests: Iterable[ActivationRequest]) -> dict[int, End]:
    """Request's id → why it came to nothing, of those that are void."""
    void = [one for one in requests if one.state == "void"]
    devices = [one.device_id for one in void]
    voided = AuditEntry.select(AuditEntry.subject, AuditEntry.at).where(
        AuditEntry.action == "device.voided", AuditEntry.subject << [one.uid for one in void]
    )
    moments = {entry.subject: entry.at for entry in voided}
    later = ActivationRequest.select().where(ActivationRequest.device << devices)
    newer = {(one.device_id, one.requested_at): one for one in later.order_by(ActivationRequest.id)}
    deeds = AuditEntry.select(AuditEntry.subject, AuditEntry.at, AuditEntry.action).where(
        AuditEntry.action << list(ENDS), AuditEntry.subject << [one.device.uid for one in void]
    )
    whys = {(entry.subject, entry.at): ENDS[entry.action] for entry in deeds}
    found = {}
    for one in void:
        at = moments.get(one.uid) or one.decided_at
        after = newer.get((one.device_id, at))
        is_newer = after is not None and after != one
        why = "newer" if is_newer else whys.get((one.device.uid, at), "unknown")
        found[one.id] = End(why, after if is_newer else None)
    return found


def end_of(request: ActivationRequest) -> End | None:
    return ends([request]).get(request.id)


def taken_over_from(request: ActivationRequest) -> ActivationRequest | None:
    """The one that waited for the same device until this one came."""
    before = ActivationRequest.select().where(
        ActivationRequest.device == request.device_id,
        ActivationRequest.state == "void",
        ActivationRequest.id < request.id,
        ActivationRequest.decided_at == request.requested_at,
    )
    return before.order_by(ActivationRequest.id.desc()).first()


def sent_back(office: Office) -> dict[int, ActivationRequest]:
    """Device's id → the request that was sent back and has had no answer: no newer code, no 停止, no other way to an
    有効化, no other installer since.
    """
    newest = ActivationRequest.select(fn.MAX(ActivationRequest.id)).group_by(ActivationRequest.device)
    returned = (
        ActivationRequest.select(ActivationRequest, Device).join(Device).switch(ActivationRequest).join(Installer)
    )
    returned = returned.where(
        ActivationRequest.id << newest, ActivationRequest.state == "returned", Device.office == office
    )
    since = (Installer.withdrawn_at, Device.activated_at, Device.stopped_at, Device.replaced_at)
    for moment in since:
        returned = returned.where(moment.is_null() | (moment <= ActivationRequest.decided_at))
    return {one.device_id: one for one in returned}
