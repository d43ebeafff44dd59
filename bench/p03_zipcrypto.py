"""P3: verifying ZipCrypto archives against `7zz t` and stock pyzipper, and what visitors notice of any verification.

Ours as in P2. Stock pyzipper reads an archive of 10 MB, as it takes a minute for 100. The site is `flask run` of the
demonstration with its jobs; idle and busy are measured in turn.
"""

import contextlib
import http.client
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pyzipper import ZipFile

from bench import goals, zips
from bench.p02_verify import against_seven, verify
from bench.servers import Site, demo_site
from bench.visitor import Multipart, Visitor

ROUNDS = 3
PAGES = 300  # of the login page, at least
GIVE_UP = 120  # seconds for an inspection
STOCK_SIZE = 10**7
SENT = {"ZipCrypto": (zips.NOISE, "50 MB"), "AES256": (zips.SMALL, zips.SMALL)}  # what visitors are disturbed with
SENT_SIZE = 5 * 10**7


def run() -> Iterator[goals.Line]:
    if zips.SEVEN is None:
        yield goals.not_measured("P3 verifying ZipCrypto", "7-Zip is not installed", "ratio >= 0.9 and >= 25")
        return
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as name:
        folder = Path(name)
        for kind in (zips.CSV, zips.PDFS, zips.NOISE, zips.SMALL):
            target = zips.archive(kind, "ZipCrypto", folder)
            yield against_seven(f"P3 verifying ZipCrypto, {kind}", target, 0.9)
        for kind in (zips.CSV, zips.NOISE):
            yield _against_stock(folder, kind)
        yield from _noticed(folder)


def _against_stock(folder: Path, kind: str) -> goals.Line:
    (folder / "stock").mkdir(exist_ok=True)
    target = zips.archive(kind, "ZipCrypto", folder / "stock", STOCK_SIZE)
    size = verify(target)
    seconds = goals.rounds(
        ROUNDS, {"stock": _seconds(lambda: _stock(target)), "ours": _seconds(lambda: verify(target))}
    )
    speeds = {name: size / 1e6 / value for name, value in seconds.items()}
    title = f"P3 verifying ZipCrypto, the first 10 MB of {kind}"
    return goals.against(title, speeds["ours"], "MB/s", "pyzipper", speeds["stock"], 25)


def _stock(target: Path) -> None:
    with ZipFile(target) as archive:
        archive.setpassword(zips.PASSWORD.encode())
        for name in archive.namelist():
            with archive.open(name) as entry:
                while entry.read(2**16):
                    pass


def _seconds(act: Callable[[], object]) -> Callable[[], float]:
    def measure() -> float:
        before = time.perf_counter()
        act()
        return time.perf_counter() - before

    return measure


def _noticed(folder: Path) -> Iterator[goals.Line]:
    (folder / "site").mkdir()
    (folder / "sent").mkdir()
    with demo_site(folder / "site") as site:
        contract, person = site.person("upload")
        visitor = Visitor(site.base)
        visitor.logs_in(contract, person, site.instance / "mail")
        password = site.people["offices"][0]["archive_password"]
        for method, (kind, what) in SENT.items():
            target = zips.archive(kind, method, folder / "sent", SENT_SIZE, password)
            p95s = goals.rounds(
                ROUNDS, {"idle": lambda: _p95(site), "busy": lambda target=target: _busy(site, visitor, target)}
            )
            ratio = p95s["busy"] / p95s["idle"]
            title = f"P3 login page, p95 while {method} is verified ({what})"
            yield goals.Line(title, p95s["busy"], "ms", "idle", p95s["idle"], ratio, "ratio <= 1.5", ratio <= 1.5)


def _busy(site: Site, visitor: Visitor, target: Path) -> float:
    """The p95 from the end of an upload to the end of its inspection; what follows that is not counted."""
    _upload(visitor, target)
    with contextlib.closing(sqlite3.connect(site.instance / "exchange.sqlite", timeout=60)) as rows:
        p95 = _p95(site, lambda: not rows.execute(_COUNT, ("waiting", "running")).fetchone()[0])
        if rows.execute(_COUNT, ("failed", "quarantined")).fetchone()[0]:
            raise RuntimeError(f"{target.name} was refused")
        return p95


_COUNT = "SELECT count(*) FROM inspection WHERE state IN (?, ?)"


def _p95(site: Site, is_over: Callable[[], bool] | None = None) -> float:
    """Milliseconds of the login page, asked for one after the other: PAGES times, or until it is over."""
    taken: list[float] = []
    until = time.monotonic() + GIVE_UP
    visitor = Visitor(site.base)
    while not is_over() if is_over else len(taken) < PAGES:
        before = time.perf_counter()
        visitor.get("/auth/")
        taken.append((time.perf_counter() - before) * 1000)
        if time.monotonic() > until:
            raise TimeoutError(f"an inspection is not over after {GIVE_UP} s")
    if len(taken) < 20:
        raise RuntimeError(f"the inspection was over after {len(taken)} pages: send more")
    return statistics.quantiles(taken, n=20)[-1]


def _upload(visitor: Visitor, target: Path) -> None:
    fields = visitor.get("/files/upload").form("/files/upload")
    form = Multipart.of(fields, "file", target.name)
    parts = urlsplit(visitor.base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=60)
    with contextlib.closing(connection):
        headers = visitor.headers() | {"Content-Type": form.content_type}
        connection.request("POST", "/files/upload", form.head + target.read_bytes() + form.tail, headers)
        answer = connection.getresponse()
        if answer.status not in (302, 303):
            raise RuntimeError(f"the upload was answered {answer.status}: {answer.read()[:500]!r}")
