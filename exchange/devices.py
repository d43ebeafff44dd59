"""The PCs of an office: slots, and which of them may connect."""

from database import db
from exchange import audit, outbox, permissions
from exchange.actors import Actor
from exchange.errors import SomeoneWasFaster
from models import Device, Office
from papers import Installer

ACTIVATABLE = ("vacant", "issued", "downloaded", "requested", "stopped")


def make_slots(office: Office) -> None:
    """One vacant slot for each PC the office may use; slot 1 is the admin's.

    Called by verbs, inside their transaction.
    """
    for slot in range(1, office.device_limit + 1):
        Device.create(office=office, slot=slot)


def set_limit(office: Office, limit: int) -> list[int]:
    """As many slots as the office may have PCs now. Called by verbs, inside their transaction.

    Slots beyond the limit that are still vacant go. If one of them is not, nothing changes, and the answer is the slots
    in the way; otherwise it is empty.
    """
    beyond = list(Device.select().where(Device.office == office, Device.slot > limit).order_by(Device.slot))
    refused = [device.slot for device in beyond if device.state != "vacant"]
    if refused:
        return refused
    gone = [device.id for device in beyond]
    # A vacant slot has never been in use: all that names it is installers that were withdrawn and erased.
    Installer.delete().where(Installer.device << gone).execute()
    Device.delete().where(Device.id << gone).execute()
    there = {device.slot for device in Device.select(Device.slot).where(Device.office == office)}
    for slot in range(1, limit + 1):
        if slot not in there:
            Device.create(office=office, slot=slot)
    Office.update(device_limit=limit).where(Office.id == office.id).execute()
    office.device_limit = limit
    return []


def activate(actor: Actor, device: Device) -> None:
    """有効化: from now on the office's people can log in from this PC."""
    permissions.require(actor, "activate")
    with db.atomic():
        changed = Device.update(state="active", activated_at=actor.at, stopped_at=None).where(
            Device.id == device.id, Device.state << ACTIVATABLE
        )
        if changed.execute() != 1:
            raise SomeoneWasFaster("この端末はすでに有効化されています。")
        audit.record(actor, "device.activated", device.uid, device.office, slot=device.slot)
        outbox.device_activated(device)
    device.state = "active"
