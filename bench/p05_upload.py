"""P5: an upload, hashed, encrypted and synced, against nginx dav PUT and a stock Flask save; its memory and disk.

TODOKE_BENCH_MB is the size of the file in the rounds (500); memory and disk are watched on one of four times that size.
"""

import importlib.util
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench import goals
from bench.servers import Site, demo_site, deployed_site, nginx_dav, stock_flask
from bench.visitor import Multipart, Visitor
from bench.watching import Growth

MIB = 2**20
SIZE = int(os.environ.get("TODOKE_BENCH_MB", "500")) * MIB
ROUNDS = 5
LIMITS = {"TODOKE_MAX_FILE_BYTES": str(16 * 2**30)}


def run() -> Iterator[goals.Line]:
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as name:
        folder = Path(name)
        payload = folder / "payload.zip"
        _write_payload(payload)
        (folder / "ours").mkdir()
        with demo_site(folder / "ours", **LIMITS) as site:
            yield from _measured(folder, payload, site, "flask run")
        if importlib.util.find_spec("gunicorn"):
            (folder / "deployed").mkdir()
            with deployed_site(folder / "deployed", **LIMITS) as site:
                yield from _measured(folder, payload, site, "nginx + gunicorn")
        else:
            yield goals.not_measured("P5 upload, nginx + gunicorn", "gunicorn is not installed", "ratio >= 0.35")


def _measured(folder: Path, payload: Path, site: Site, stack: str) -> Iterator[goals.Line]:
    contract, person = site.person("upload")
    visitor = Visitor(site.base)
    visitor.logs_in(contract, person, site.instance / "mail")
    references = folder / stack.replace(" ", "-")
    references.mkdir()
    with nginx_dav(references) as dav, stock_flask(references) as stock:
        speeds = goals.rounds(
            ROUNDS,
            {
                "nginx": _speed(lambda: _put(dav, payload)),
                "stock": _speed(lambda: _post(stock, "/upload", {}, payload, {})),
                "ours": _speed(lambda: _upload(visitor, payload)),
            },
        )
    title = f"P5 upload, {stack}"
    yield goals.against(title, speeds["ours"], "MB/s", "nginx dav PUT", speeds["nginx"], 0.35)
    yield goals.against(title, speeds["ours"], "MB/s", "stock Flask .save()", speeds["stock"], 1.5)
    with Growth(site.pid, site.instance.parent) as growth:
        _upload(visitor, payload, repeat=4)
    size = f"{4 * SIZE / 2**30:.1f} GiB"
    yield goals.at_most(f"{title}, memory growth with {size}", growth.memory / MIB, "MiB", 16)
    yield goals.at_most(f"{title}, disk with {size}", growth.disk / (4 * SIZE), "x the file", 1.01)


def _write_payload(target: Path) -> None:
    """Random bytes behind the mark of a ZIP: nothing that could be compressed, nothing that is worth inspecting."""
    with target.open("wb") as file:
        file.write(b"PK\x03\x04")
        for _ in range(SIZE // MIB):
            file.write(os.urandom(MIB))
        file.truncate(SIZE)


def _speed(send: Callable[[], int]) -> Callable[[], float]:
    """Seconds around one sending, as MB/s."""

    def measure() -> float:
        before = time.perf_counter()
        size = send()
        return size / 1e6 / (time.perf_counter() - before)

    return measure


def _upload(visitor: Visitor, payload: Path, repeat: int = 1) -> int:
    fields = visitor.get("/files/upload").form("/files/upload")
    return _post(visitor.base, "/files/upload", fields, payload, visitor.headers(), repeat)


def _post(base: str, path: str, fields: dict[str, str], payload: Path, headers: dict[str, str], repeat: int = 1) -> int:
    form = Multipart.of(fields, "file", "bench.zip")
    typed = headers | {"Content-Type": form.content_type}
    return _send(base, f"POST {path}", typed, Body(form.head, payload, form.tail, repeat))


def _put(base: str, payload: Path) -> int:
    return _send(base, "PUT /stored", {}, Body(b"", payload, b"", 1))


class Body(NamedTuple):
    """What goes over the line: a head, the file (`repeat` times over, as one), a tail."""

    head: bytes
    payload: Path
    tail: bytes
    repeat: int


def _send(base: str, what: str, headers: dict[str, str], body: Body) -> int:
    """Sends the file with sendfile and waits for the answer; gives the bytes of the file."""
    parts = urlsplit(base)
    head, payload, tail, repeat = body
    size = payload.stat().st_size * repeat
    length = len(head) + size + len(tail)
    lines = {"Host": parts.netloc, "Connection": "close", "Content-Length": str(length)} | headers
    request = f"{what} HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in lines.items())
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as line, payload.open("rb") as file:
        line.settimeout(120)
        line.sendall(request.encode() + b"\r\n" + head)
        for _ in range(repeat):
            line.sendfile(file, 0)
        line.sendall(tail)
        answer = line.recv(65536)
        status = int(answer.split(b" ", 2)[1])
        while line.recv(65536):
            continue
    if status not in (200, 201, 204, 302, 303):
        raise RuntimeError(f"{what} at {base} answered {status}: {answer[:500]!r}")
    return size
