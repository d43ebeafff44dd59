"""What is said and kept when something came too late, broke, or was asked for before the login."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from database import db, utc_now
from exchange import inspections, jobs, pickups, transfers
from exchange.actors import system
from exchange.errors import SomeoneWasFaster
from models import Job, StoredObject
from tests.people import Browser, Cast, filing, mails, run_jobs, statement


def test_a_login_leads_back_only_to_pages_that_this_person_may_read(app: Flask, cast: Cast) -> None:
    stranger = Browser(app)
    for path in ("/admin/statements/new/%0d%0aX", "/admin/statements/new/a%3Fb", "/files/upload"):
        stranger.get(path)
        with stranger.client.session_transaction() as cookie:
            assert "next" not in cookie


def test_a_recall_pressed_twice_does_not_claim_that_somebody_opened_it(cast: Cast) -> None:
    paper = filing(cast, "delivered")
    transfers.recall(cast.taro, paper)
    with pytest.raises(SomeoneWasFaster) as refused:
        transfers.recall(cast.taro, paper)
    assert "開いたあと" not in refused.value.message


def test_a_recall_after_the_fund_opened_it_says_so(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster, match="開いたあとは引き戻せません"):
        transfers.recall(cast.taro, filing(cast, "received"))


def test_a_copy_that_cannot_be_opened_is_not_logged_as_handed_out(cast: Cast) -> None:
    paper = filing(cast, "received")
    with db.atomic():
        StoredObject.update(sha256="0" * 64).where(StoredObject.id == paper.stored_id).execute()
    before = len(paper.timeline())
    with pytest.raises(Exception, match="not the one of this transfer"):
        pickups.copy(cast.kiku, pickups.Transfer.get_by_id(paper.id))
    assert len(paper.timeline()) == before


def test_a_worker_that_lost_its_lease_ends_nobodys_waiting(app: Flask, cast: Cast) -> None:
    ended: list[str] = []

    def slow(job: jobs.Running) -> None:
        Job.update(lease="another worker's").where(Job.id == row.id).execute()
        raise ValueError

    with db.atomic():
        row = jobs.enqueue("slow", "1")
        Job.update(tries=len(jobs.BACK_OFF)).where(Job.id == row.id).execute()
    jobs.run_one({"slow": slow}, utc_now(), {"slow": ended.append})
    assert ended == []
    assert Job.get_by_id(row.id).state == "running"


def test_an_inspection_that_could_not_be_done_tells_its_clerk_where_to_look(
    cast: Cast, app: Flask, instance: Path
) -> None:
    paper = statement(cast)
    db.execute_sql("UPDATE inspection SET state = 'running' WHERE transfer_id = ?", (paper.id,))
    inspections.give_up(system(), paper.id)
    assert paper.inspections.get().state == "failed"
    run_jobs(app)
    bodies = [mail["body"] for mail in mails(instance / "mail") if "帳票の検査で不備" in mail["subject"]]
    assert len(bodies) == 1
    assert f"/admin/statements/{paper.uid}" in bodies[0]
    assert "/files/" not in bodies[0]


def test_a_missing_style_sheet_leaves_no_connection_open(app: Flask) -> None:
    def asks() -> tuple[int, bool]:
        return Browser(app).get("/static/nothing.css").status_code, db.is_closed()

    with ThreadPoolExecutor(1) as threads:  # a thread has a connection of its own
        assert threads.submit(asks).result() == (404, True)
