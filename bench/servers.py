"""Starts what is measured: a demo site of ours, the same behind nginx, and the references.

Each is on loopback and keeps its files in a folder of its own.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30


class Site(NamedTuple):
    """A site that answers: its address, its folder, the people of `flask demo`, the process whose memory counts."""

    base: str
    instance: Path
    people: dict[str, Any]
    pid: int

    def person(self, word: str) -> tuple[str, dict[str, Any]]:
        """(contract number, person) of somebody in the first office who holds the permission."""
        office = self.people["offices"][0]
        return office["contract_number"], next(user for user in office["users"] if word in user["permissions"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int, until: float, process: subprocess.Popen[bytes]) -> bool:
    """Waits for the first HTTP answer of 200 on `/`; False if the process ended or time is up."""
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as line:
            line.settimeout(START_SECONDS)
            line.sendall(f"GET / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            if b" 200 " in line.recv(64):
                return True
        time.sleep(0.005)
    return False


@contextlib.contextmanager
def started(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own; the whole group is ended at exit."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def must_answer(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    if not answers(port, time.monotonic() + START_SECONDS, process):
        raise RuntimeError(f"no answer on port {port}:\n{log.read_text(errors='replace')[-2000:]}")


def environment(folder: Path, port: int, **more: str) -> dict[str, str]:
    """For a site in `folder`: nothing of the caller's TODOKE_* leaks in, temporary files stay where they count."""
    own = {key: value for key, value in os.environ.items() if not key.startswith(("TODOKE_", "FLASK_"))}
    temporary = folder / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    base = {"TODOKE_INSTANCE": str(folder / "instance"), "TODOKE_BASE_URL": f"http://127.0.0.1:{port}"}
    return own | base | {"TMPDIR": str(temporary), "PYTHONUNBUFFERED": "1"} | more


def flask(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", "app", *arguments]


def seed(env: dict[str, str]) -> dict[str, Any]:
    """`flask demo --json` in the folder the environment names."""
    run = subprocess.run(flask("demo", "--json"), cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if run.returncode:
        raise RuntimeError(f"flask demo failed:\n{run.stdout}{run.stderr}")
    people: dict[str, Any] = json.loads(run.stdout)
    return people


@contextlib.contextmanager
def demo_site(folder: Path, **more: str) -> Iterator[Site]:
    """`flask demo` and `flask run`, as `make demo` does it."""
    port = free_port()
    env = environment(folder, port, **more)
    people = seed(env)
    log = folder / "flask.log"
    with started(flask("run", "--port", str(port)), env, log) as process:
        must_answer(port, process, log)
        yield Site(f"http://127.0.0.1:{port}", folder / "instance", people, process.pid)


@contextlib.contextmanager
def deployed_site(folder: Path, **more: str) -> Iterator[Site]:
    """The stack of deploy/: nginx in front of gunicorn, the jobs in `flask worker`."""
    port, inner = free_port(), free_port()
    env = environment(folder, port, TODOKE_RUN_JOBS="false", TODOKE_PROXY_HOPS="1", **more)
    people = seed(env)
    site = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    # The file of deploy/ as it is, but for what belongs to a real machine: name, certificates, ports, the size limit.
    local = {"443 ssl;": f"127.0.0.1:{port};", "127.0.0.1:8000": f"127.0.0.1:{inner}", "210m": "0"}
    for was, now in local.items():
        site = site.replace(was, now)
    site = "\n".join(line for line in site.splitlines() if not line.strip().startswith(("ssl_", "server_name")))
    gunicorn = [sys.executable, "-m", "gunicorn", "-c", "deploy/gunicorn.conf.py", "-b", f"127.0.0.1:{inner}"]
    log = folder / "deployed.log"
    with (
        started([*gunicorn, "app:create_app()"], env, log) as application,
        started(flask("worker"), env, log),
        nginx(folder / "nginx", site) as front,
    ):
        must_answer(port, front, log)
        yield Site(f"http://127.0.0.1:{port}", folder / "instance", people, application.pid)


@contextlib.contextmanager
def nginx(folder: Path, site: str) -> Iterator[subprocess.Popen[bytes]]:
    """nginx in the foreground with `site` inside its http block, all its files in `folder`."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    folder.mkdir(parents=True)
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{name}_temp_path {folder}/{name};\n" for name in kept)
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\nworker_processes 2;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\nsendfile on;\n{places}{site}\n}}\n",
        encoding="utf-8",
    )
    command = [program, "-e", f"{folder}/error.log", "-p", str(folder), "-c", f"{folder}/nginx.conf"]
    with started(command, dict(os.environ), folder / "out.log") as process:
        yield process


@contextlib.contextmanager
def nginx_dav(folder: Path) -> Iterator[str]:
    """The reference for uploads: nginx stores what is PUT, nothing else. Gives its address."""
    port, store = free_port(), folder / "dav" / "store"
    site = (
        f"server {{ listen 127.0.0.1:{port}; root {store}; client_max_body_size 0; dav_methods PUT;\n"
        "location = / { return 200 'here'; } }"
    )
    with nginx(folder / "dav", site) as process:
        store.mkdir()
        must_answer(port, process, folder / "dav" / "error.log")
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def stock_flask(folder: Path) -> Iterator[str]:
    """The other reference: the shortest Flask site, saving what is uploaded with `.save()`, on the same server."""
    port = free_port()
    env = environment(folder, port) | {"STORE": str(folder)}
    command = [sys.executable, "-m", "flask", "--app", "bench/stock.py", "run", "--port", str(port)]
    with started(command, env, folder / "stock.log") as process:
        must_answer(port, process, folder / "stock.log")
        yield f"http://127.0.0.1:{port}"
