"""What waits while offices are on their way to the first login: for the fund's people and for the desk."""

from datetime import timedelta
from typing import Any

from database import utc_now
from exchange import intake, letters, overview, permissions, progress, settings
from exchange.actors import Actor
from models import Device, Office
from papers import Intake, Invitation, Letter, LetterBatch, Registration
from tests.exchange.test_overview import give_every_slot_its_installer, waits
from tests.people import Cast


def print_run(cast: Cast, state: str, hours: int = 5, **columns: Any) -> LetterBatch:
    """A batch with a letter to XYZ, whose PDF is erased in so many hours."""
    batch = LetterBatch.create(state=state, expires_at=utc_now() + timedelta(hours=hours), **columns)
    Letter.create(batch=batch, office=cast.xyz, position=1, issued_at=utc_now())
    return batch


def found_of(cast: Cast, name: str) -> dict[str, overview.Waiting]:
    member = cast.member(name)
    return {wait.key: wait for wait in overview.waiting(member, permissions.held(Actor(member)), utc_now())}


def test_filed_registrations_wait_for_whoever_registers(cast: Cast) -> None:
    invitation = Invitation.create(
        token_hash="x", mail="soumu@abc.example", office_name="山川商店", expires_at=utc_now() + timedelta(days=7)
    )
    Registration.create(invitation=invitation, receipt_number="K20261123-0000001")
    for state in ("open", "open", "registered", "discarded"):
        file = Intake.create(file_name="届.csv", state=state, token=f"{state}{Intake.select().count()}")
        Registration.create(intake=file, state=state)
    assert waits(cast, "kiku") == {"filed_online": 1, "filed_in_file": 2}
    assert (len(intake.waiting_online()), len(intake.open_files())) == (1, 2)
    assert waits(cast, "ume") == waits(cast, "taro") == {}


def test_an_office_without_a_letter_waits_for_one(cast: Cast) -> None:
    Office.update(download_key_hash=None).where(Office.id == cast.xyz.id).execute()
    assert waits(cast, "kiku") == {"letters": letters.due().count()} == {"letters": 1}
    assert waits(cast, "ume") == {}


def test_letters_wait_until_they_are_told_as_posted(cast: Cast) -> None:
    print_run(cast, "waiting")
    print_run(cast, "printed", downloaded_at=utc_now())
    print_run(cast, "erased")
    assert "prints" not in waits(cast, "kiku")
    print_run(cast, "erased", -20, downloaded_at=utc_now())
    assert (found_of(cast, "kiku")["prints"].count, found_of(cast, "kiku")["prints"].until) == (1, None)
    print_run(cast, "ready", -1)
    first, _later = print_run(cast, "ready", 3), print_run(cast, "ready", 9, downloaded_at=utc_now())
    assert (found_of(cast, "kiku")["prints"].count, found_of(cast, "kiku")["prints"].until) == (4, first.expires_at)
    assert "prints" not in waits(cast, "ume")


def test_letters_that_are_erased_and_void_wait_no_more(cast: Cast) -> None:
    batch = print_run(cast, "erased", -20, downloaded_at=utc_now())
    Letter.update(voided_at=utc_now()).where(Letter.batch == batch).execute()
    assert "prints" not in waits(cast, "kiku")


def test_a_stuck_office_is_told_to_whoever_registers_or_audits(cast: Cast) -> None:
    stuck = settings.get("stuck_days") + 1
    member, later = cast.member("kiku"), utc_now() + timedelta(days=stuck)
    count = sum(one.is_stuck for one in progress.under_way(later))
    assert count > 0
    for word in ("register", "audit"):
        told = {wait.key: wait.count for wait in overview.waiting(member, frozenset([word]), later)}
        assert told["stuck"] == count
    assert overview.waiting(member, frozenset(["prepare", "receive"]), later) == []
    assert "stuck" not in {wait.key for wait in overview.waiting(cast.member("dai"), frozenset(["audit"]), later)}


def test_the_desk_is_told_of_offices_with_a_slot_without_installer(cast: Cast) -> None:
    give_every_slot_its_installer()
    Device.update(state="vacant").where(Device.office == cast.xyz).execute()
    assert waits(cast, "dai") == {"installers": 1}
    assert [office.id for office in overview.without_installer()] == [cast.xyz.id]
    assert list(overview.without_installer("ABC")) == []
    assert waits(cast, "kiku") == {}
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    assert waits(cast, "dai") == {}
