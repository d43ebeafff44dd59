"""P12: `flask run` shows its first page within 1.5 s; an idle web process and a worker stay under 300 MB together."""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import goals, servers
from bench.visitor import Visitor
from bench.watching import resident, wait_until_quiet

ROUNDS = 5
REFERENCE = "the shortest Flask site"


def run() -> Iterator[goals.Line]:
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as name:
        folder = Path(name)
        servers.seed(servers.environment(folder, servers.free_port()))
        seconds = goals.rounds(ROUNDS, {"ours": _ours(folder), "stock": _stock(folder)})
        ours, stock = seconds["ours"], seconds["stock"]
        title = "P12 flask run, first page"
        yield goals.Line(title, ours, "s", REFERENCE, stock, ours / stock, "<= 1.5 s", ours <= 1.5)
        yield goals.at_most("P12 web and worker idle, resident", _idle(folder) / 1e6, "MB", 300)


def _ours(folder: Path) -> Callable[[], float]:
    def measure() -> float:
        port = servers.free_port()
        return _first_page(servers.flask("run", "--port", str(port)), servers.environment(folder, port), port, folder)

    return measure


def _stock(folder: Path) -> Callable[[], float]:
    def measure() -> float:
        port = servers.free_port()
        command = [*servers.flask()[:3], "--app", "bench/stock.py", "run", "--port", str(port)]
        return _first_page(command, servers.environment(folder, port), port, folder)

    return measure


def _first_page(command: list[str], env: dict[str, str], port: int, folder: Path) -> float:
    """Seconds from the start of the process to its first 200."""
    log = folder / "start.log"
    before = time.perf_counter()
    with servers.started(command, env, log) as process:
        servers.must_answer(port, process, log)
        return time.perf_counter() - before


def _idle(folder: Path) -> int:
    """Resident bytes of `flask run` without jobs, after one page, plus `flask worker`."""
    port = servers.free_port()
    env = servers.environment(folder, port, TODOKE_RUN_JOBS="false")
    log = folder / "idle.log"
    run, worker = servers.flask("run", "--port", str(port)), servers.flask("worker")
    with servers.started(run, env, log) as web, servers.started(worker, env, log) as jobs:
        servers.must_answer(port, web, log)
        Visitor(f"http://127.0.0.1:{port}").get("/auth/")
        for process in (web, jobs):
            wait_until_quiet(process.pid)
        if jobs.poll() is not None:
            raise RuntimeError(f"flask worker ended:\n{log.read_text(errors='replace')[-2000:]}")
        return resident(web.pid) + resident(jobs.pid)
