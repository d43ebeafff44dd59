"""The installer of each device slot: built by the server or uploaded by the desk, fetched by the office at the download
counter.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from database import db
from equipment import ActivationRequest, Installer
from exchange import audit, installer_making, kits, permissions, scans, vault, visits
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.recognised import Recognised
from models import Device, Office, StoredObject
from papers import Visit

LARGEST = 100 * 2**20  # bytes

CHANGED = "この端末のインストーラーは、ほかの画面ですでに変更されています。画面を開き直して確かめてください。"

ASKED = (
    "この端末の確認コードを受け付けています。インストーラーを作り直すと、その確認コードは使えなくなります。"
    "先に、有効化の受付で有効化するか、差し戻してください。"
)
IN_USE = (
    "使用中または停止した端末のインストーラーは、ここでは作れません。PCを替えるときや、もう一度使うときは、"
    "端末の画面の「入れ替え」から始めてください。"
)


class Program(Recognised):
    BEGINNING = b"MZ"
    LARGEST = LARGEST
    OTHER_KIND = (
        "登録できるのはWindowsの実行ファイル（.exe）だけです。この端末のために作られたファイルを選んでください。"
    )
    TOO_LARGE = (
        f"ファイルが大きすぎます。インストーラーは {LARGEST:,} バイトまでです。正しいファイルかどうか確かめてください。"
    )


@dataclass(frozen=True)
class Slot:
    """A device slot with its current installer, if there is one. `why_not`: why the server builds none for it now."""

    device: Device
    installer: Installer | None
    file_name: str
    why_not: str | None


def file_name(office: Office, slot: int) -> str:
    """setup.916237-0000021.01.exe"""
    return f"setup.{office.contract_number}.{slot:02d}.exe"


def current(office: Office) -> dict[int, Installer]:
    """Slot → its installer, with `device` and `stored`; slots without one are missing."""
    found = (
        Installer.select(Installer, Device, StoredObject)
        .join(Device)
        .switch(Installer)
        .join(StoredObject)
        .where(Device.office == office, Installer.withdrawn_at.is_null())
        .order_by(Device.slot)
    )
    return {installer.device.slot: installer for installer in found}


def slots(office: Office) -> list[Slot]:
    """Every slot of the office, the admin's first, in as many queries for ninety slots as for one."""
    installers = current(office)
    devices = Device.of([office])[office.id]
    open_ones = ActivationRequest.select(ActivationRequest.device).where(
        ActivationRequest.state << ActivationRequest.OPEN, ActivationRequest.device << devices
    )
    asked = {one.device_id for one in open_ones}
    return [
        Slot(
            device,
            installers.get(device.slot),
            file_name(office, device.slot),
            why_not_built(office, device, device.id in asked),
        )
        for device in devices
    ]


def fetched(actor: Actor, visit: Visit, installer: Installer) -> Iterator[bytes]:
    """A visitor takes the installer away: logged for the office, the slot is downloaded, and its bytes.

    SomeoneWasFaster when it was withdrawn or replaced meanwhile; Refused when the visit is over or it is withheld.
    """
    device = installer.device
    if device.office_id != visit.office_id:
        raise ValueError("another office's installer")  # the counter's loader asks current(visit.office)
    stored = StoredObject.get_by_id(installer.stored_id)
    gone = SomeoneWasFaster(
        "このインストーラーは、新しいものに替わったか、取り下げられました。一覧を開き直してください。"
    )
    if stored.sealed_key is None:
        raise gone
    vault.open_stream(stored).close()  # what can't be opened must not count as fetched
    with db.atomic():
        visits.still(visit, actor.at)
        now = Installer.get_by_id(installer.id)
        if now.withdrawn_at is not None:
            raise gone
        scans.require_clean(now)
        if now.fetched_at is None:  # the first time counts; the audit has them all
            Installer.update(fetched_at=actor.at).where(Installer.id == now.id).execute()
        Device.update(state="downloaded").where(Device.id == device.id, Device.state == "issued").execute()
        facts = {"slot": device.slot, "sha256": stored.sha256}
        audit.record(actor, "installer.fetched", installer.uid, visit.office, **facts)
    return vault.pieces(stored)


def upload(actor: Actor, device: Device, file: Program | None, seen: str) -> Installer:
    """The installer of a slot; the one before it is withdrawn and its bytes are erased.

    `seen`: uid of the installer that the form showed, or empty; SomeoneWasFaster when it is another one now. The same
    form sent twice acts once.
    """
    permissions.require(actor, "devices")
    if file is None:
        raise Refused("ファイルが選ばれていません。この端末のインストーラーを選んでください。")
    file.require_kind()
    stored = file.finish()
    with db.atomic():
        before = _current_of(device)
        if before and before.stored.sha256 == stored.sha256 and before.uploaded_by == actor.membership:
            return before
        _require_seen(before, seen)
        _require_unique(device, stored.sha256)
        if before is not None:
            _end(actor, before)
        installer = Installer.create(
            device=device, stored=stored.keep(), uploaded_by=actor.membership, uploaded_at=actor.at
        )
        installer_making.void(device)
        installer_making.move(device, "issued")
        facts = {"slot": device.slot, "sha256": stored.sha256}
        audit.record(actor, "installer.uploaded", installer.uid, device.office, **facts)
        scans.ask_installer(installer)
    return installer


def withdraw(actor: Actor, device: Device, seen: str) -> None:
    """取り下げ: the installer goes from the counter and from the vault. `seen` as in `upload`."""
    permissions.require(actor, "devices")
    with db.atomic():
        _require_seen(_current_of(device), seen)
        if not take_away(actor, device):
            raise SomeoneWasFaster("この端末のインストーラーは、すでに取り下げられています。")
        was_fetched = Installer.select().where(Installer.device == device, Installer.fetched_at.is_null(False)).exists()
        installer_making.move(device, "downloaded" if was_fetched else "vacant")


def build(actor: Actor, device: Device, seen: str) -> None:
    """作成・作り直し: the server builds the slot's installer; the one before it is withdrawn and its bytes are erased.

    `seen` as in `upload`. Unusable where this server can build none; Refused while a PC is, or is about to be, at work
    in the slot.
    """
    permissions.require(actor, "devices")
    kits.require()
    with db.atomic():
        now = Device.select(Device, Office).join(Office).where(Device.id == device.id).first()
        if now is None:
            raise SomeoneWasFaster(CHANGED)
        _require_seen(_current_of(device), seen)
        is_asked = ActivationRequest.open_of(now) is not None
        if (problem := why_not_built(now.office, now, is_asked)) is not None:
            raise Refused(problem)
        renew(actor, now)


def build_missing(actor: Actor, offices: Iterable[Office]) -> int:
    """まとめて作成: the server builds an installer for every slot of these offices that waits for one; how many it will
    be. Unusable where this server can build none.
    """
    permissions.require(actor, "devices")
    kits.require()
    return installer_making.order_lacking(actor, offices)


def why_not_built(office: Office, device: Device, is_asked: bool) -> str | None:
    """Why no installer is built for a slot as it is, or None. `is_asked`: its confirmation code is being looked at."""
    if office.is_closed:
        return "契約が終了した事業所のインストーラーは作れません。"
    if is_asked:
        return ASKED
    if device.state in installer_making.MOVED_BY_INSTALLERS:
        return None
    # One at work keeps its PC until another is activated: that another is to take the slot, somebody has said.
    return None if device.replaced_at is not None else IN_USE


def renew(actor: Actor, device: Device) -> None:
    """The current installer, if there is one, is withdrawn and a new one is ordered. Inside the verb's transaction."""
    if take_away(actor, device):
        installer_making.move(device, "vacant")
    installer_making.order(actor, device.office, [device])


def take_away(actor: Actor, device: Device) -> bool:
    """What lies at the counter for the slot goes, with its bytes; False when nothing did. Called by verbs, inside their
    transaction.
    """
    installer = _current_of(device)
    if installer is None:
        return False
    _end(actor, installer)
    audit.record(actor, "installer.withdrawn", installer.uid, device.office, slot=device.slot)
    return True


def _current_of(device: Device) -> Installer | None:
    query = Installer.select(Installer, StoredObject).join(StoredObject)
    return query.where(Installer.device == device, Installer.withdrawn_at.is_null()).first()


def _require_seen(installer: Installer | None, seen: str) -> None:
    if (installer.uid if installer else "") != seen:
        raise SomeoneWasFaster(CHANGED)


def _require_unique(device: Device, sha256: str) -> None:
    """An installer is made for one PC: the same bytes in another slot are a slip of the hand."""
    elsewhere = (
        Installer.select(Installer, Device, Office)
        .join(Device)
        .join(Office)
        .switch(Installer)
        .join(StoredObject)
        .where(StoredObject.sha256 == sha256, Installer.device != device, Installer.withdrawn_at.is_null())
    )
    other = elsewhere.first()
    if other is not None:
        raise Refused(
            f"同じファイルが、{other.device.office.name} の端末 {other.device.label} に登録されています。"
            "インストーラーは端末ごとに違います。この端末のために作られたファイルを選んでください。"
        )


def _end(actor: Actor, installer: Installer) -> None:
    Installer.update(withdrawn_at=actor.at).where(Installer.id == installer.id).execute()
    vault.erase(installer.stored)
