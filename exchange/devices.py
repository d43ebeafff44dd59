"""The PCs of an office: slots, and which of them may connect."""

from database import db
from exchange import audit, outbox, permissions
from exchange.actors import Actor
from exchange.errors import SomeoneWasFaster
from models import Device, Office

ACTIVATABLE = ("vacant", "issued", "downloaded", "requested", "stopped")


def make_slots(office: Office) -> None:
    """One vacant slot for each PC the office may use; slot 1 is the admin's.

    Called by verbs, inside their transaction.
    """
    for slot in range(1, office.device_limit + 1):
        Device.create(office=office, slot=slot)


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
