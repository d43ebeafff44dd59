"""The job that builds ordered installers: one for each slot, with its own id, key and certificate, into the vault.

An order says which slot is to get one, whatever its device is doing: one whose PC gives way to another is at work
meanwhile. It is void once the slot has an installer, was stopped after it was ordered, or may not be used any more.
"""

import logging
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from database import db, new_uid, utc_now
from equipment import Installer, InstallerOrder
from exchange import audit, certificates, jobs, kits, scans, sealing, vault, vpn
from exchange.actors import Actor, system
from models import Device, Job, Office

JOB = "installers"
KEY_BYTES = 32

# A requested slot waits for the desk's answer to its confirmation code, an active one is at work and a stopped one must
# not look like one that was never used: an installer lies beside them, but only the device's own verbs move them.
MOVED_BY_INSTALLERS = ("vacant", "issued", "downloaded")

Report = Callable[[int, int], None]

log = logging.getLogger("todoke.installers")


@dataclass(frozen=True)
class Progress:
    """How far an office's installers are. `state`, `done` and `total`: of those that were ordered together, as
    _job.html shows them; `waiting` and `failed`: ids of devices; `again_at`: when it is tried again after a failure.
    """

    state: str
    done: int
    total: int
    waiting: frozenset[int]
    failed: frozenset[int]
    again_at: datetime | None

    @property
    def is_under_way(self) -> bool:
        return bool(self.waiting)


# ── ordering ──


def order(actor: Actor, office: Office, slots: Iterable[Device]) -> None:
    """An installer for each of these slots of the office that has none. Nothing at all where this server can't build
    any. Asked again it tries at once. Called by verbs; in their transaction, if they have one.
    """
    if kits.why_not():
        return
    with db.atomic():
        _order(actor, office.id, list(slots))


def order_for(actor: Actor, offices: Iterable[Office]) -> None:
    """As `order`, for every slot of these offices that no PC has been set up in yet."""
    _order_all(actor, Device.select().where(Device.office << list(offices), Device.state << MOVED_BY_INSTALLERS))


def order_lacking(actor: Actor, offices: Iterable[Office]) -> int:
    """As `order`, for every slot of these offices that waits for one; for how many."""
    return _order_all(actor, Device.select().where(Device.office << list(offices), Device.id << lacking()))


def lacking() -> Any:
    """Ids of the slots that wait for an installer which nobody has made or ordered: no PC has been set up in them yet,
    or another is to take them. One whose installer was taken away and withdrawn since doesn't wait for another.
    """
    waits = (Device.state == "vacant") | ((Device.state == "active") & Device.replaced_at.is_null(False))
    there = Installer.select(Installer.device).where(Installer.withdrawn_at.is_null())
    ordered = InstallerOrder.select(InstallerOrder.device).where(InstallerOrder.state == "waiting")
    return Device.select(Device.id).where(waits, Device.id.not_in(there), Device.id.not_in(ordered))


def lacking_at(offices: Iterable[Office]) -> set[int]:
    """Those of these offices."""
    return {device.id for device in lacking().where(Device.office << list(offices))}


def _order_all(actor: Actor, slots: Any) -> int:
    """`slots`: a query, asked inside the transaction; how many it found."""
    if kits.why_not():
        return 0
    by_office: dict[int, list[Device]] = {}
    with db.atomic():
        for device in slots.order_by(Device.slot):
            by_office.setdefault(device.office_id, []).append(device)
        for office_id, found in by_office.items():
            _order(actor, office_id, found)
    return sum(map(len, by_office.values()))


def _order(actor: Actor, office_id: int, slots: list[Device]) -> None:
    there = Installer.select(Installer.device).where(Installer.device << slots, Installer.withdrawn_at.is_null())
    have = {one.device_id for one in there}
    wanting = [device for device in slots if device.id not in have]
    waiting = InstallerOrder.select().where(InstallerOrder.device << wanting, InstallerOrder.state == "waiting")
    known = {one.device_id for one in waiting}
    for device in wanting:
        if device.id not in known:
            InstallerOrder.create(device=device, ordered_by=actor.membership, ordered_at=actor.at)
    if wanting:
        jobs.enqueue(JOB, str(office_id))


def void(device: Device) -> None:
    """It has an installer, or needs none any more. Called by verbs, inside their transaction."""
    _end(InstallerOrder.device == device, "void")


# ── building ──


def make(office_id: int, report: Report) -> None:
    """Build what is ordered for the office; after a crash it goes on with the rest. One that fails doesn't keep the
    others from being built; then BuildFailed, for the job to come again. Unusable when this server can build none.
    """
    failed: kits.BuildFailed | None = None
    tried: list[int] = []
    while (next_one := _next(office_id, tried)) is not None:
        tried.append(next_one.id)
        done, total = _count(office_id)
        report(min(done, total - 1), total)
        try:
            _make_one(next_one)
        except kits.BuildFailed as error:
            log.warning("no installer for device %s: %s", next_one.device.uid, error)
            failed = error
    if failed is not None:
        raise failed


def _next(office_id: int, tried: list[int]) -> InstallerOrder | None:
    found = _waiting(office_id).where(InstallerOrder.id.not_in(tried))
    return found.order_by(Device.slot).first()


def _waiting(office_id: int) -> Any:
    found = InstallerOrder.select(InstallerOrder, Device, Office).join(Device).join(Office)
    return found.where(Office.id == office_id, InstallerOrder.state == "waiting")


def _count(office_id: int) -> tuple[int, int]:
    """(built, ordered) since the oldest of those that wait was ordered; right after a restart too."""
    since = _waiting(office_id).select(fn.MIN(InstallerOrder.ordered_at)).scalar()
    together = InstallerOrder.select().join(Device).where(Device.office == office_id, InstallerOrder.state != "void")
    if since is None:
        return 0, 0
    together = together.where(InstallerOrder.ordered_at >= since)
    return together.where(InstallerOrder.state == "built").count(), together.count()


def _make_one(wanted: InstallerOrder) -> None:
    if not _is_wanted(wanted):
        _end(InstallerOrder.id == wanted.id, "void")
        return
    device, uid, key = wanted.device, new_uid(), secrets.token_bytes(KEY_BYTES)
    user = vpn.user_name(device)
    pair = certificates.client(user)
    facts = (device.office.contract_number, device.label, uid, key, user, pair)
    program = kits.build(kits.Kit(*facts, built_at=utc_now()))
    with vault.Receiving() as receiving:
        receiving.write(program)
        stored = receiving.finish()
    with db.atomic():
        kept = stored.keep()
        if not _is_wanted(wanted):
            _end(InstallerOrder.id == wanted.id, "void")
            vault.erase(kept)
            return
        actor = Actor(wanted.ordered_by, at=utc_now()) if wanted.ordered_by else system()
        sealed = {"key_sealed": sealing.seal(key, f"installer/{uid}"), "certificate": pair.certificate_pem}
        installer = Installer.create(
            uid=uid, device=device, stored=kept, uploaded_by=actor.membership, uploaded_at=actor.at, **sealed
        )
        move(device, "issued")
        _end(InstallerOrder.id == wanted.id, "built")
        audit.record(actor, "installer.built", uid, device.office, slot=device.slot, sha256=stored.sha256)
        scans.ask_installer(installer)


def _is_wanted(wanted: InstallerOrder) -> bool:
    """Whether it still waits, for a slot that may have an installer and has none."""
    now = _waiting(wanted.device.office_id).where(InstallerOrder.id == wanted.id).first()
    if now is None:
        return False
    device, office = now.device, now.device.office
    was_stopped = device.stopped_at is not None and device.stopped_at > now.ordered_at
    has_one = Installer.select().where(Installer.device == device, Installer.withdrawn_at.is_null()).exists()
    return not (office.is_closed or device.slot > office.device_limit or was_stopped or has_one)


def move(device: Device, state: str) -> None:
    """What an installer makes of its slot. Called by verbs, inside their transaction."""
    Device.update(state=state).where(Device.id == device.id, Device.state << MOVED_BY_INSTALLERS).execute()
    device.state = Device.select(Device.state).where(Device.id == device.id).scalar()


def give_up(actor: Actor, office_id: int) -> None:
    """The job has failed for good: nobody waits for it any longer, unless a newer one is to try again."""
    if Job.select().where(Job.kind == JOB, Job.subject == str(office_id), Job.state << jobs.LIVE).exists():
        return
    with db.atomic():
        for one in list(_waiting(office_id).order_by(Device.slot)):
            _end(InstallerOrder.id == one.id, "failed")
            audit.record(actor, "installer.failed", one.device.uid, one.device.office, slot=one.device.slot)


def _end(which: Any, state: str) -> None:
    InstallerOrder.update(state=state).where(which, InstallerOrder.state == "waiting").execute()


# ── what a page shows ──


def progress(office: Office) -> Progress:
    newest = {one.device_id: one.state for one in InstallerOrder.of(office)}
    job = Job.latest(JOB, str(office.id))
    is_again = job is not None and job.state == "waiting" and job.error
    return Progress(
        job.state if job is not None and job.state in jobs.LIVE else "waiting",
        *_count(office.id),
        waiting=frozenset(device for device, state in newest.items() if state == "waiting"),
        failed=frozenset(device for device, state in newest.items() if state == "failed"),
        again_at=job.due_at if job is not None and is_again else None,
    )
