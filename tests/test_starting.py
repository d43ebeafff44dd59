"""`flask run` and `flask worker` as they are started: from nothing, on a whole installation, not on half a one."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from app import create_app
from database import db
from exchange import jobs
from exchange.errors import NotConfigured
from models import Mail, Transfer
from tests.people import Cast, aes_zip, uploads

ROOT = Path(__file__).resolve().parent.parent


def test_an_older_database_is_refused_until_it_is_migrated(instance: Path) -> None:
    create_app({"INSTANCE": instance})
    with db.connection_context():
        db.execute_sql("DELETE FROM schema_migration")
    with pytest.raises(NotConfigured, match="flask migrate"):
        create_app({"INSTANCE": instance})
    assert create_app({"INSTANCE": instance}, may_be_outdated=True)


@pytest.mark.parametrize("key", ["sealing.key", "signing.key", "cookie.key"])
def test_a_database_without_its_keys_is_refused_and_no_new_key_made(instance: Path, key: str) -> None:
    (instance / "keys" / key).unlink()
    with pytest.raises(NotConfigured, match=key):
        create_app({"INSTANCE": instance})
    assert not (instance / "keys" / key).exists()


def test_the_refusal_to_start_is_a_sentence_on_the_terminal(instance: Path) -> None:
    shutil.rmtree(instance / "keys")
    started = flask(instance, "audit", "verify")
    assert started.returncode != 0
    assert "keys are missing" in started.stderr


def test_a_base_url_that_is_none_is_refused(tmp_path: Path) -> None:
    for wrong in ("todoke.example", "ftp://todoke.example", "https://"):
        with pytest.raises(NotConfigured, match="BASE_URL"):
            create_app({"INSTANCE": tmp_path / "x", "BASE_URL": wrong})


def environment(instance: Path | None) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("TODOKE_", "FLASK_"))}
    return {**plain, "TODOKE_INSTANCE": str(instance)} if instance else plain


def flask(instance: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flask", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment(instance), capture_output=True, text=True, timeout=60)


@contextmanager
def running(folder: Path, instance: Path | None, *arguments: str) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", "flask", *arguments],
        cwd=folder,
        env=environment(instance),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_answer(url: str, process: subprocess.Popen, seconds: float = 30) -> str:
    """The page, as soon as the server listens."""
    give_up = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except (URLError, ConnectionError):
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
    raise AssertionError(f"{url} gave no answer in {seconds} s")


def test_flask_run_in_a_bare_checkout_starts_the_site(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    checkout, port = tmp_path / "checkout", free_port()
    left_out = shutil.ignore_patterns("instance", "tests", ".*", "__pycache__", "bench", "docs")
    shutil.copytree(ROOT, checkout, ignore=left_out)
    began = time.monotonic()
    with running(checkout, None, "run", "--port", str(port)) as process:
        page = first_answer(f"http://127.0.0.1:{port}/", process)
        record_property("bare checkout, start to first page", f"{time.monotonic() - began:.1f} s")
    assert "まだ準備ができていません" in page
    assert (checkout / "instance" / "exchange.sqlite").exists()


def test_flask_run_does_the_workers_work_and_leaves_a_clean_database(instance: Path, cast: Cast) -> None:
    transfer, port = uploads(cast.hanako, aes_zip(cast.archive_password)), free_port()
    with running(ROOT, instance, "run", "--port", str(port)) as process:
        first_answer(f"http://127.0.0.1:{port}/healthz", process)
        assert waits_for(process, lambda: Transfer.get_by_id(transfer.id).inspection.state == "passed")


def test_the_worker_inspects_and_mails_and_stops_when_told(instance: Path, cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    told = Mail.select().where(Mail.kind == "approval_wanted", Mail.state == "sent")
    with running(ROOT, instance, "worker") as process:
        assert waits_for(process, lambda: told.count() == 2)
        process.terminate()
        assert process.wait(15) == 0
    assert Transfer.get_by_id(transfer.id).inspection.state == "passed"
    assert jobs.late(transfer.uploaded_at) == 0


def waits_for(process: subprocess.Popen, is_so: Callable[[], bool], seconds: float = 30) -> bool:
    """Ask the database until it is so; False when the process ended before."""
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if is_so():
            return True
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
            return is_so()
    return False
