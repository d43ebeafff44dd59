"""What is read about the PCs of an office, and of all of them: which PC, who was at work last, what comes next."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from peewee import JOIN

from equipment import ActivationRequest, Handover, Installer, InstallerOrder
from exchange import devices
from models import AuditEntry, Device, Office, StoredObject

SWAP = "swap"  # a filter beside the states: another PC is to take the slot


@dataclass(frozen=True)
class Place:
    """One slot of the office as the page shows it.

    `installer`: what lies at the counter; `bound`: what the PC in the slot was set up with; `request`: the confirmation
    code that is being looked at; `login`: the newest one from this PC, with who and when. `handover`: the planned one
    that waits for the next PC of this slot. `step`: what comes next, a key. `seen`: goes with the forms.
    """

    device: Device
    installer: Installer | None
    bound: Installer | None
    request: ActivationRequest | None
    login: AuditEntry | None
    handover: Handover | None
    step: str
    seen: str

    @property
    def computer_name(self) -> str:
        return self.bound.computer_name if self.bound else ""

    @property
    def can_stop(self) -> bool:
        return self.device.state in devices.IN_HAND

    @property
    def can_replace(self) -> bool:
        return self.device.state in devices.REPLACEABLE and self.handover is None

    @property
    def is_by_hand(self) -> bool:
        """Whether no confirmation code of its PC is taken: the installer it was set up with was made elsewhere."""
        one, device = self.installer, self.device
        is_due = device.state in devices.ACTIVATABLE or device.replaced_at is not None
        return is_due and one is not None and not one.is_built and one.fetched_at is not None

    @property
    def can_call_off(self) -> bool:
        return self.device.state == "active" and self.device.replaced_at is not None and self.handover is None


def of(office: Office) -> list[Place]:
    """Every slot of the office, the admin's first, in as many queries for ninety slots as for one."""
    return _places(office, Device.of([office])[office.id])


def place(device: Device) -> Place:
    """One slot alone."""
    return _places(device.office, [device])[0]


def _places(office: Office, slots: list[Device]) -> list[Place]:
    current = Installer.select(Installer, StoredObject).join(StoredObject).where(Installer.withdrawn_at.is_null())
    at_counter = {one.device_id: one for one in current.where(Installer.device << slots)}
    bound = {one.device_id: one for one in Installer.bound().where(Installer.device << slots)}
    open_ones = ActivationRequest.select().where(ActivationRequest.state << ActivationRequest.OPEN)
    requests = {one.device_id: one for one in open_ones.where(ActivationRequest.device << slots)}
    waiting = InstallerOrder.select().where(InstallerOrder.state == "waiting", InstallerOrder.device << slots)
    building = {one.device_id for one in waiting}
    logins, handover = last_logins(slots), Handover.open_at(office)
    planned = handover if handover is not None and handover.is_planned else None
    return [
        Place(
            device,
            at_counter.get(device.id),
            bound.get(device.id),
            requests.get(device.id),
            logins.get(device.id),
            planned if device.is_admins else None,
            _step(device, at_counter.get(device.id), requests.get(device.id), device.id in building),
            devices.seen(device),
        )
        for device in slots
    ]


def _step(device: Device, installer: Installer | None, request: ActivationRequest | None, is_building: bool) -> str:
    """What comes next: with "swap_" before it, for the PC that takes the place of one at work."""
    if device.state == "stopped":
        return "stopped"
    if device.state == "active" and device.replaced_at is None:
        return "at_work"
    if request is not None:
        step = "settling" if request.state == "settling" else "checking"
    elif device.state == "requested":
        step = "checking"
    elif installer is not None:
        step = "install" if installer.fetched_at else "fetch"
    else:
        step = "building" if is_building else "no_installer"
    return f"swap_{step}" if device.state == "active" else step


def last_logins(slots: Iterable[Device]) -> dict[int, AuditEntry]:
    """Device's id → the newest login from it."""
    # The newest entries from a PC are looked at until one is a login, rather than all that was ever done from it.
    newest = AuditEntry.select(AuditEntry.number).where(AuditEntry.device == Device.id)
    newest = newest.where(AuditEntry.action.concat("") == "login.succeeded").order_by(AuditEntry.number.desc()).limit(1)
    numbers = [number for (number,) in Device.select(newest).where(Device.id << list(slots)).tuples() if number]
    return {one.device_id: one for one in AuditEntry.with_people().where(AuditEntry.number << numbers)}


# ── of all offices ──


def everywhere(search: str = "", state: str = "") -> Any:
    """The slots of open offices with their offices and, as `bound`, what their PC was set up with; by office and slot.

    `search`: part of the office's name or number, of its contract number or of the PC's name; `state`: of the device,
    or SWAP.
    """
    is_bound = Installer.bound_at.is_null(False) & Installer.unbound_at.is_null()
    found = Device.select(Device, Office, Installer).join(Office).switch(Device)
    found = found.join(Installer, JOIN.LEFT_OUTER, on=((Installer.device == Device.id) & is_bound), attr="bound")
    found = found.where(Office.closed_at.is_null(), (Device.slot <= Office.device_limit) | (Device.state != "stopped"))
    if search:
        columns = (Office.name, Office.office_number, Office.contract_number, Installer.computer_name)
        is_found = columns[0].contains(search)
        for column in columns[1:]:
            is_found |= column.contains(search)
        found = found.where(is_found)
    if state == SWAP:
        found = found.where(Device.state == "active", Device.replaced_at.is_null(False))
    elif state:
        found = found.where(Device.state == state)
    return found.order_by(Office.office_number, Device.slot)
