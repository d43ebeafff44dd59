"""The real site as a process: `flask demo` and `flask run` in a folder of their own, as `make demo` starts them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 30
FLASK = [sys.executable, "-m", "flask", "--app", "app"]


@dataclass
class Site:
    """A running site. `folder` holds the installation, the server's own TMPDIR and its log."""

    base: str
    folder: Path
    pid: int
    pidfd: int  # readable once the server has ended
    made: dict[str, Any] = field(repr=False)

    @property
    def instance(self) -> Path:
        return self.folder / "instance"

    @property
    def temporary(self) -> Path:
        return self.folder / "tmp"

    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def office(self, login_id: str) -> dict[str, Any]:
        """What the demonstration told of that person's office; {} for the fund's people."""
        found = (one for one in self.made["offices"] if any(user["login_id"] == login_id for user in one["users"]))
        return next(found, {})

    def user(self, login_id: str) -> dict[str, Any]:
        """login_id, password … of a person; of an office's also the office's contract_number and archive_password."""
        office = self.office(login_id)
        person = next(one for one in office.get("users", self.made["staff"]) if one["login_id"] == login_id)
        return person | {key: office[key] for key in ("contract_number", "archive_password") if key in office}


@contextlib.contextmanager
def running(folder: Path, is_demo: bool = True, port: int = 0, **settings: str) -> Iterator[Site]:
    """The site on `folder`/instance, a demonstration unless told otherwise. `settings`: TODOKE_… variables and those of
    Flask's own commands, nothing of the caller's.
    """
    port = port or free_port()
    (folder / "tmp").mkdir(parents=True, exist_ok=True)
    own = {key: value for key, value in os.environ.items() if not key.startswith(("TODOKE_", "FLASK_"))}
    base = f"http://127.0.0.1:{port}"
    environment = own | {
        "TODOKE_INSTANCE": str(folder / "instance"),
        "TODOKE_BASE_URL": base,
        "TMPDIR": str(folder / "tmp"),
        **settings,
    }
    # The demonstration's PCs are activated by hand, as a VPN server that people look after allows it.
    by_hand = {key: value for key, value in environment.items() if key != "TODOKE_VPN_PROVIDER"}
    made = _seed(by_hand) if is_demo else {}
    with (folder / "server.log").open("ab") as log:
        command = [*FLASK, "run", "--port", str(port)]
        # A group of its own, so that nothing it started outlives the test.
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    site = Site(base, folder, server.pid, os.pidfd_open(server.pid), made)
    try:
        _wait_for(port, server, site)
        yield site
    finally:
        _stop(server)
        os.close(site.pidfd)


def _seed(environment: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run([*FLASK, "demo", "--json"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, server: subprocess.Popen[bytes], site: Site) -> None:
    """Until somebody listens; the wait for the process's end is what paces the tries."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(0.02)
            break
    raise AssertionError(f"the server did not start:\n{site.log()[-3000:]}")


def _stop(server: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
