"""The inspection job: what it finds decides, it can be run again, and who waits is told."""

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

import work
from database import db, utc_now
from exchange import archives, inspections, jobs, scanner, settings, transfers, vault
from exchange.actors import system
from exchange.errors import Refused
from models import AuditEntry, Inspection, Job, Mail, Transfer
from tests.clamd import Odd, hangs, says
from tests.exchange.judges import Once, kill
from tests.exchange.scanning import CLEAN, inspected
from tests.people import Cast, aes_zip, inspect, statement, uploads


def told(transfer: Transfer) -> list[str]:
    return sorted({mail.kind for mail in Mail.select().where(Mail.transfer == transfer)})


def codes(transfer: Transfer) -> list[str]:
    return [finding["code"] for finding in transfer.inspection.findings]


def zipcrypto(folder: Path, password: str) -> bytes:
    """What the ZIP function of many programs makes: the old, weak encryption."""
    (folder / "data.csv").write_bytes(b"a,b\r\n" * 50)
    subprocess.run(["zip", "-q", "-P", password, "weak.zip", "data.csv"], cwd=folder, check=True)
    return (folder / "weak.zip").read_bytes()


def test_a_good_archive_passes_and_the_approvers_are_told(cast: Cast) -> None:
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, {"a.csv": b"x", "添付/b.csv": b"yy"})))
    row = transfer.inspection
    assert (row.state, row.is_over, row.findings) == ("passed", True, [])
    assert [(entry["name"], entry["size"]) for entry in row.entries] == [("a.csv", 1), ("添付/b.csv", 2)]
    assert told(transfer) == ["approval_wanted"]
    entry = list(transfer.timeline())[-1]
    assert (entry.action, entry.details, entry.who) == (
        *("filing.inspected", {"verdict": "accept", "codes": [], "scan": ""}, "システム"),
    )


def test_an_archive_with_another_password_fails_and_the_uploader_is_told(cast: Cast) -> None:
    transfer = inspect(uploads(cast.hanako, aes_zip("another-password-42")))
    assert (transfer.inspection.state, codes(transfer)) == ("failed", ["WRONG_PASSWORD"])
    assert told(transfer) == ["inspection_failed"]
    with pytest.raises(Refused, match="検査"):
        transfers.approve(cast.taro, transfer)


@pytest.mark.parametrize("data", [b"", b"not a ZIP", b"PK\x03\x04", "氏名,番号\r\n".encode("cp932")])
def test_what_is_no_archive_fails(cast: Cast, data: bytes) -> None:
    transfer = inspect(uploads(cast.hanako, data))
    assert transfer.inspection.state == "failed"
    assert set(codes(transfer)) <= {"NOT_ZIP", "DAMAGED", "EMPTY_ARCHIVE", "EMPTY_FILE"}


def test_weak_encryption_is_warned_of_and_can_be_approved(cast: Cast, tmp_path: Path) -> None:
    transfer = inspect(uploads(cast.hanako, zipcrypto(tmp_path, cast.archive_password)))
    assert (transfer.inspection.state, codes(transfer)) == ("warned", ["ZIPCRYPTO"])
    transfers.approve(cast.taro, transfer)
    assert transfer.state == "approved"


def test_weak_encryption_fails_where_the_fund_refuses_it(cast: Cast, tmp_path: Path) -> None:
    with db.atomic():
        settings.put("zipcrypto", "refuse")
    transfer = inspect(uploads(cast.hanako, zipcrypto(tmp_path, cast.archive_password)))
    assert transfer.inspection.state == "failed"
    assert told(transfer) == ["inspection_failed"]


@pytest.mark.parametrize(
    ("decision", "state", "found"),
    [("refuse", "failed", ["EMPTY_FILE"]), ("warn", "warned", ["EMPTY_FILE"]), ("ignore", "passed", [])],
)
def test_the_fund_decides_what_a_finding_does(cast: Cast, decision: str, state: str, found: list[str]) -> None:
    with db.atomic():
        settings.put("empty_file", decision)
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, {"a.csv": b""})))
    assert (transfer.inspection.state, codes(transfer)) == (state, found)


def test_each_check_has_its_decision_and_where_none_was_made_the_judges_own(cast: Cast) -> None:
    assert inspections.policy() == archives.DEFAULTS


def test_inspecting_again_changes_and_tells_nothing(cast: Cast) -> None:
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
    before = (Mail.select().count(), AuditEntry.select().count())
    inspect(transfer)
    assert (Mail.select().count(), AuditEntry.select().count()) == before


def test_an_inspection_that_was_cut_off_is_done_again(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    Inspection.update(state="running").where(Inspection.transfer == transfer).execute()
    assert inspect(transfer).inspection.state == "passed"


def test_a_slow_worker_does_not_reopen_what_another_has_concluded(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))

    def other_worker(done: int, total: int) -> None:
        Inspection.update(state="warned").where(Inspection.transfer == transfer).execute()

    inspections.run(system(), transfer.id, archives.Limits(), other_worker)
    assert transfer.inspection.state == "warned"
    assert told(transfer) == []


def test_progress_ends_at_the_whole(cast: Cast) -> None:
    transfer, seen = uploads(cast.hanako, aes_zip(cast.archive_password)), []
    inspections.run(system(), transfer.id, archives.Limits(), lambda done, total: seen.append((done, total)))
    assert seen[-1] == (transfer.size, transfer.size)


def test_changed_bytes_in_the_vault_are_no_verdict_but_an_error(cast: Cast, instance: Path) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    path = instance / "vault" / "objects" / transfer.stored.uid
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(vault.sealing.Unsealable):
        inspect(transfer)
    assert not transfer.inspection.is_over


def test_an_inspection_whose_process_dies_is_no_verdict_and_comes_up_again(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))

    def run(job: jobs.Running) -> None:
        inspections.run(system(), int(job.subject), archives.Limits(), Once(kill))

    with Odd(hangs).listening() as odd:  # so that the process is still there to be killed
        scanner.configure(odd.address)
        assert jobs.run_one({"inspect": run}, utc_now())
    job = transfer.inspection.job
    assert (job.state, job.error, job.tries) == ("waiting", "Died", 1)
    assert (transfer.inspection.state, told(transfer)) == ("running", [])


def test_a_small_archive_is_inspected_while_another_takes_its_time(app: Flask, cast: Cast) -> None:
    """Its scanner leaves the first one waiting until the second one is through."""
    small_is_through, stop, first = threading.Event(), threading.Event(), threading.Lock()

    def at_file(line: socket.socket) -> None:
        if first.acquire(blocking=False):
            small_is_through.wait(20)
        else:
            small_is_through.set()
        line.sendall(b"stream: OK\0")

    both = [uploads(cast.hanako, aes_zip(cast.archive_password)) for _ in range(2)]
    with Odd(at_file).listening() as odd:
        scanner.configure(odd.address)
        worker = threading.Thread(target=work.run, args=(app, stop))
        worker.start()
        assert small_is_through.wait(20)
        stop.set()
        worker.join(30)
    assert [transfer.inspection.state for transfer in both] == ["passed", "passed"]
    assert [transfer.inspection.scan["engine"] for transfer in both] == ["ClamAV 1.4.6"] * 2
    assert list(both[0].timeline())[-1].details["scan"] == "ClamAV 1.4.6　定義ファイル 2026/11/20"


def test_an_inspection_that_could_not_be_done_ends_in_words_and_its_uploader_is_told(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    inspections.give_up(system(), transfer.id)
    assert (transfer.inspection.state, codes(transfer)) == ("failed", ["NOT_SCANNED"])
    assert told(transfer) == ["inspection_failed"]
    inspections.give_up(system(), transfer.id)
    assert Mail.select().where(Mail.transfer == transfer).count() == 1


def test_giving_up_does_not_undo_a_verdict(cast: Cast) -> None:
    transfer = inspect(uploads(cast.hanako, aes_zip(cast.archive_password)))
    inspections.give_up(system(), transfer.id)
    assert transfer.inspection.state == "passed"


def test_a_cancelled_filing_asks_nobody_to_approve_it(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    transfers.cancel(cast.hanako, transfer)
    assert inspect(transfer).inspection.state == "passed"
    assert told(transfer) == []


def run_while(transfer: Transfer, act: Callable[[Transfer], None]) -> None:
    """Inspect it while somebody does something with it."""
    acts = [act]

    def progress(done: int, total: int) -> None:
        if acts:
            acts.pop()(Transfer.get_by_id(transfer.id))

    inspections.run(system(), transfer.id, archives.Limits(), progress)
    assert not acts


@pytest.mark.parametrize(("password", "state"), [("", "passed"), ("another-password-42", "failed")])
def test_a_filing_that_is_cancelled_while_it_is_inspected_mails_nobody(cast: Cast, password: str, state: str) -> None:
    transfer = uploads(cast.hanako, aes_zip(password or cast.archive_password))
    run_while(transfer, lambda fresh: transfers.cancel(cast.hanako, fresh))
    assert (transfer.inspection.state, told(transfer)) == (state, [])


def test_a_filing_that_is_sent_back_while_it_is_inspected_tells_of_that_alone(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip("another-password-42"))
    run_while(transfer, lambda fresh: transfers.send_back(cast.taro, fresh, "生年月日が違います"))
    assert (transfer.inspection.state, told(transfer)) == ("failed", ["sent_back"])


def test_a_virus_in_what_was_delivered_meanwhile_is_told_to_the_fund_too(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))

    def other_run(fresh: Transfer) -> None:
        transfers.approve(cast.taro, inspected(fresh, state="passed", scan=CLEAN, finished_at=utc_now()))
        transfers.deliver(cast.taro, Transfer.get_by_id(fresh.id))

    with Odd(says(b"stream: Test.Virus FOUND\0")).listening() as odd:
        scanner.configure(odd.address)
        run_while(transfer, other_run)
    assert transfer.inspection.state == "quarantined"
    assert {"quarantined", "quarantined_at_fund"} <= set(told(transfer))


def test_a_statement_is_inspected_like_a_filing_and_nobody_is_mailed(cast: Cast) -> None:
    paper = statement(cast)
    assert paper.inspection.state == "passed"
    assert told(paper) == []
    assert Job.latest("inspect", str(paper.id)) is not None
