"""Device slots in any state, and what may be in them: installers, a PC, a confirmation code, somebody at work."""

from typing import Any

from database import new_uid, utc_now
from equipment import ActivationRequest, Installer
from exchange import inventory, sessions, vault
from exchange.actors import Actor
from models import Device, LoginSession, Membership, Office, StoredObject


def slot(office: Office, number: int = 2) -> Device:
    device = Device.in_slot(office, number)
    assert device is not None
    return device


def in_state(office: Office, state: str, number: int = 2) -> Device:
    moments = {"activated_at": None} if state == "vacant" else {}
    Device.update(state=state, **moments).where(Device.office == office, Device.slot == number).execute()
    return slot(office, number)


def stored(data: bytes = b"MZ of this PC") -> StoredObject:
    with vault.Receiving() as receiving:
        receiving.write(data)
        return receiving.finish().keep()


def at_counter(device: Device, **columns: Any) -> Installer:
    """An installer that lies at the counter."""
    return Installer.create(device=device, stored=stored(device.uid.encode()), **columns)


def on_pc(device: Device, name: str = "SOUMU-PC2", **columns: Any) -> Installer:
    """What the PC in the slot was set up with."""
    at = utc_now()
    columns |= {"certificate": "PEM", "machine_id": new_uid(), "computer_name": name}
    return Installer.create(device=device, stored=stored(), bound_at=at, withdrawn_at=at, **columns)


def asked(device: Device, state: str = "waiting", installer: Installer | None = None) -> ActivationRequest:
    """A confirmation code that the office has sent."""
    return ActivationRequest.create(
        receipt_number=f"V-{new_uid()[:8]}",
        device=device,
        installer=installer or at_counter(device, fetched_at=utc_now(), certificate="PEM"),
        state=state,
        code="02A3F9",
        machine_id=new_uid(),
        computer_name="SOUMU-PC9",
        address="203.0.113.7",
    )


def logs_in_from(device: Device, member: Membership) -> LoginSession:
    actor = Actor(member, device, "192.0.2.10")
    token = sessions._start(actor, member, "in")
    return LoginSession.get(LoginSession.token_hash == sessions._hash(token))


def place(office: Office, number: int = 2) -> inventory.Place:
    return next(one for one in inventory.of(office) if one.device.slot == number)
