"""Installers: one for each device slot, and what they make of the slot."""

from typing import Any

import pytest

from database import db, utc_now
from equipment import Installer
from exchange import devices, installers, vault, visits
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Device, Office, StoredObject
from papers import Visit
from tests.people import Cast, in_vault

EXE = b"MZ\x90\x00" + b"installer of slot one"
STRANGER = Actor(address="203.0.113.7", label="ダウンロードの窓口")

pytestmark = pytest.mark.usefixtures("app")


def slot(office: Office, number: int = 2) -> Device:
    device = Device.in_slot(office, number)
    assert device is not None
    return device


def vacant(office: Office, number: int = 2) -> Device:
    Device.update(state="vacant").where(Device.office == office, Device.slot == number).execute()
    return slot(office, number)


def uploads(actor: Actor, device: Device, data: bytes = EXE, seen: str | None = None) -> Installer:
    """`seen` None: the page was opened just now."""
    if seen is None:
        here = installers.current(device.office).get(device.slot)
        seen = here.uid if here else ""
    with installers.Program() as file:
        file.write(data)
        return installers.upload(actor, device, file, seen)


def withdraws(actor: Actor, device: Device) -> None:
    installers.withdraw(actor, device, installers.current(device.office)[device.slot].uid)


def visit_of(office: Office) -> Visit:
    with db.atomic():
        token = visits.begin(STRANGER, "download", office)
    found = visits.find(token, "download", utc_now())
    assert found is not None
    return found


def fetches(office: Office, number: int = 2, installer: Installer | None = None) -> bytes:
    installer = installer or installers.current(office)[number]
    return b"".join(installers.fetched(STRANGER, visit_of(office), installer))


def logged() -> list[tuple[str, Any]]:
    told = AuditEntry.select().where(AuditEntry.action.startswith("installer.")).order_by(AuditEntry.number)
    return [(entry.action, entry.details["slot"]) for entry in told]


def test_ninety_slots_are_read_in_as_many_queries_as_two(cast: Cast) -> None:
    counts = []
    for slots in (range(1, 3), range(3, 91)):
        for number in slots:
            Device.get_or_create(office=cast.xyz, slot=number)
        seen: list[str] = []
        db.connection().set_trace_callback(seen.append)
        assert all(one.why_not is None or one.device.state == "active" for one in installers.slots(cast.xyz))
        db.connection().set_trace_callback(None)
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_an_installer_is_uploaded_fetched_and_withdrawn(cast: Cast) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    assert slot(cast.xyz).state == "issued"
    assert fetches(cast.xyz) == EXE
    assert slot(cast.xyz).state == "downloaded"
    withdraws(cast.dai, device)
    assert installers.current(cast.xyz) == {}
    assert logged() == [("installer.uploaded", 2), ("installer.fetched", 2), ("installer.withdrawn", 2)]


@pytest.mark.parametrize("end", ["letter", "contract", "time"])
def test_a_visit_that_ended_meanwhile_gets_nothing(cast: Cast, end: str) -> None:
    installer, visit = uploads(cast.dai, vacant(cast.xyz)), visit_of(cast.xyz)
    actor = Actor(address=STRANGER.address, label=STRANGER.label, at=utc_now())
    if end == "letter":
        visits.end_of(cast.xyz, utc_now())
    elif end == "contract":
        Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    else:
        actor = Actor(label=STRANGER.label, at=utc_now() + visits.LIVES["download"])
    with pytest.raises(Refused, match="窓口は閉じています"):
        installers.fetched(actor, visit, installer)
    assert logged() == [("installer.uploaded", 2)]
    assert slot(cast.xyz).state == "issued"


def test_its_name_is_that_of_the_guide(cast: Cast) -> None:
    assert installers.file_name(Office(contract_number="916237-0000021"), 1) == "setup.916237-0000021.01.exe"
    names = [one.file_name for one in installers.slots(cast.xyz)]
    assert names == [f"setup.{cast.xyz.contract_number}.{number:02d}.exe" for number in (1, 2)]


def test_what_the_counter_asks_for_holds_size_and_hash(cast: Cast) -> None:
    uploads(cast.dai, vacant(cast.xyz))
    found = installers.current(cast.xyz)
    assert list(found) == [2]
    assert (found[2].stored.size, len(found[2].stored.sha256), found[2].scan) == (len(EXE), 64, None)
    assert installers.current(cast.abc) == {}


def test_every_slot_is_shown_with_and_without_an_installer(cast: Cast) -> None:
    installer = uploads(cast.dai, vacant(cast.xyz))
    assert [(one.device.slot, one.installer) for one in installers.slots(cast.xyz)] == [
        (1, None),
        (2, installer),
    ]


@pytest.mark.parametrize("name", ["kiku", "ume", "taro", "hanako"])
def test_only_the_desk_hands_installers_out(cast: Cast, name: str) -> None:
    device = vacant(cast.abc)
    installer = uploads(cast.dai, device)
    with pytest.raises(Forbidden):
        uploads(getattr(cast, name), device, EXE + b"2")
    with pytest.raises(Forbidden):
        installers.withdraw(getattr(cast, name), device, installer.uid)
    assert installers.current(cast.abc)[2] == installer


# ── replacing ──


def test_a_replaced_installer_is_erased_with_the_upload_of_the_new_one(app: Any, cast: Cast) -> None:
    device = vacant(cast.xyz)
    first = uploads(cast.dai, device)
    second = uploads(cast.dai, device, EXE + b"2")
    assert installers.current(cast.xyz) == {2: second}
    old = StoredObject.get_by_id(first.stored_id)
    assert (old.sealed_key, old.erased_at is None) == (None, False)
    assert in_vault(app) == [second.stored.uid]
    assert fetches(cast.xyz) == EXE + b"2"


def test_after_a_replacement_the_slot_waits_for_its_download_again(cast: Cast) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    fetches(cast.xyz)
    uploads(cast.dai, device, EXE + b"2")
    assert slot(cast.xyz).state == "issued"


def test_a_withdrawn_installer_is_erased(app: Any, cast: Cast) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    withdraws(cast.dai, device)
    assert in_vault(app) == []
    assert StoredObject.select().where(StoredObject.sealed_key.is_null(False)).count() == 0


def test_withdrawn_before_anybody_fetched_it_the_slot_is_vacant_again(cast: Cast) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    withdraws(cast.dai, device)
    assert slot(cast.xyz).state == "vacant"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_once_something_was_fetched_the_slot_is_never_vacant_again(cast: Cast, is_replaced: bool) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    fetches(cast.xyz)
    if is_replaced:
        uploads(cast.dai, device, EXE + b"2")
    withdraws(cast.dai, device)
    assert slot(cast.xyz).state == "downloaded"


@pytest.mark.parametrize("state", ["requested", "active", "stopped"])
def test_a_device_in_use_keeps_its_state_whatever_happens_to_installers(cast: Cast, state: str) -> None:
    device = vacant(cast.xyz)
    Device.update(state=state).where(Device.id == device.id).execute()
    uploads(cast.dai, device)
    assert fetches(cast.xyz) == EXE
    uploads(cast.dai, device, EXE + b"2")
    withdraws(cast.dai, device)
    assert slot(cast.xyz).state == state


# ── at once ──


def test_a_stale_page_replaces_nothing(cast: Cast) -> None:
    device = vacant(cast.xyz)
    first = uploads(cast.dai, device)
    for seen in ("", "0" * 32):
        with pytest.raises(SomeoneWasFaster):
            uploads(cast.dai, device, EXE + b"2", seen)
    second = uploads(cast.dai, device, EXE + b"2")
    with pytest.raises(SomeoneWasFaster):
        uploads(cast.dai, device, EXE + b"3", first.uid)
    assert installers.current(cast.xyz) == {2: second}


def test_a_stale_page_withdraws_nothing(cast: Cast) -> None:
    device = vacant(cast.xyz)
    first = uploads(cast.dai, device)
    second = uploads(cast.dai, device, EXE + b"2")
    with pytest.raises(SomeoneWasFaster):
        installers.withdraw(cast.dai, device, first.uid)
    assert installers.current(cast.xyz) == {2: second}


def test_of_two_withdrawals_the_second_is_told(cast: Cast) -> None:
    device = vacant(cast.xyz)
    installer = uploads(cast.dai, device)
    installers.withdraw(cast.dai, device, installer.uid)
    for seen in (installer.uid, ""):
        with pytest.raises(SomeoneWasFaster):
            installers.withdraw(cast.dai, device, seen)
    assert [action for action, _ in logged()] == ["installer.uploaded", "installer.withdrawn"]


def test_a_form_sent_twice_acts_once(cast: Cast) -> None:
    device = vacant(cast.xyz)
    first = uploads(cast.dai, device, seen="")
    assert uploads(cast.dai, device, seen="") == first
    assert logged() == [("installer.uploaded", 2)]


# ── at the counter ──


def test_the_first_fetch_is_kept_and_each_is_logged(cast: Cast) -> None:
    uploads(cast.dai, vacant(cast.xyz))
    fetches(cast.xyz)
    first = installers.current(cast.xyz)[2].fetched_at
    later = Actor(address="203.0.113.8")
    assert b"".join(installers.fetched(later, visit_of(cast.xyz), installers.current(cast.xyz)[2])) == EXE
    assert installers.current(cast.xyz)[2].fetched_at == first
    assert [action for action, _ in logged()].count("installer.fetched") == 2
    entry = AuditEntry.select().where(AuditEntry.action == "installer.fetched").get()
    assert (entry.office, entry.membership, entry.address) == (cast.xyz, None, "203.0.113.7")


def test_another_offices_installer_is_never_handed_out(cast: Cast) -> None:
    installer = uploads(cast.dai, vacant(cast.abc))
    with pytest.raises(ValueError, match="another office"):
        fetches(cast.xyz, installer=installer)
    assert Installer.get_by_id(installer.id).fetched_at is None


def test_what_was_withdrawn_or_replaced_meanwhile_is_not_handed_out(cast: Cast) -> None:
    device = vacant(cast.xyz)
    uploads(cast.dai, device)
    seen = installers.current(cast.xyz)[2]
    uploads(cast.dai, device, EXE + b"2")
    with pytest.raises(SomeoneWasFaster):
        fetches(cast.xyz, installer=seen)
    assert slot(cast.xyz).state == "issued"


def test_what_cannot_be_opened_does_not_count_as_fetched(app: Any, cast: Cast) -> None:
    installer = uploads(cast.dai, vacant(cast.xyz))
    vault._path(installer.stored.uid).unlink()
    with pytest.raises(FileNotFoundError):
        fetches(cast.xyz)
    assert slot(cast.xyz).state == "issued"
    assert ("installer.fetched", 2) not in logged()


# ── what is refused ──


@pytest.mark.parametrize("data", [b"", b"M", b"%PDF-1.7", b"PK\x03\x04", b"mz\x90", b"\x7fELF"])
def test_only_a_windows_program_is_taken(cast: Cast, data: bytes) -> None:
    device = vacant(cast.xyz)
    with pytest.raises(Refused, match="実行ファイル"):
        uploads(cast.dai, device, data)
    assert (Installer.select().count(), slot(cast.xyz).state) == (0, "vacant")


def test_one_file_is_never_the_installer_of_two_devices(cast: Cast) -> None:
    limited(cast.xyz, 3)
    uploads(cast.dai, vacant(cast.xyz))
    for device in (vacant(cast.xyz, 3), vacant(cast.abc, 1)):
        with pytest.raises(Refused, match="XYZ工業株式会社 の端末 02 に登録されています"):
            uploads(cast.dai, device)
    withdraws(cast.dai, slot(cast.xyz))
    assert uploads(cast.dai, slot(cast.xyz, 3)).device.slot == 3


def test_a_refused_upload_leaves_the_old_installer(cast: Cast) -> None:
    device = vacant(cast.xyz)
    installer = uploads(cast.dai, device)
    with pytest.raises(Refused):
        uploads(cast.dai, device, b"%PDF-1.7")
    with pytest.raises(Refused, match="選ばれていません"):
        installers.upload(cast.dai, device, None, installer.uid)
    assert fetches(cast.xyz) == EXE


def test_too_large_a_program_is_refused_with_the_limit() -> None:
    with installers.Program(10) as file, pytest.raises(vault.TooLarge, match="104,857,600 バイトまでです"):
        file.write(b"MZ" + b"x" * 9)
    assert installers.Program.LARGEST == 100 * 2**20


# ── how many devices an office may use ──


def limited(office: Office, limit: int) -> tuple[list[int], list[int]]:
    """The slots in the way, and the slots there are afterwards."""
    with db.atomic():
        refused = devices.set_limit(office, limit)
    return refused, [device.slot for device in Device.of([office])[office.id]]


def test_more_devices_are_more_vacant_slots(cast: Cast) -> None:
    assert limited(cast.xyz, 5) == ([], [1, 2, 3, 4, 5])
    assert (slot(cast.xyz, 5).state, Office.get_by_id(cast.xyz.id).device_limit) == ("vacant", 5)


def test_fewer_devices_take_vacant_slots_away(cast: Cast) -> None:
    vacant(cast.xyz)
    limited(cast.xyz, 3)
    assert limited(cast.xyz, 1) == ([], [1])
    assert limited(cast.xyz, 3) == ([], [1, 2, 3])


@pytest.mark.parametrize("state", ["issued", "downloaded", "requested", "active"])
def test_a_slot_that_is_not_vacant_stays_and_so_does_the_limit(cast: Cast, state: str) -> None:
    vacant(cast.xyz)
    limited(cast.xyz, 3)
    Device.update(state=state).where(Device.office == cast.xyz, Device.slot == 3).execute()
    assert limited(cast.xyz, 1) == ([3], [1, 2, 3])
    assert Office.get_by_id(cast.xyz.id).device_limit == 3


def test_a_slot_whose_installer_was_withdrawn_unfetched_can_go(cast: Cast) -> None:
    limited(cast.xyz, 3)
    device = vacant(cast.xyz, 3)
    uploads(cast.dai, device)
    assert limited(cast.xyz, 2)[0] == [3]
    withdraws(cast.dai, device)
    assert limited(cast.xyz, 2) == ([], [1, 2])
