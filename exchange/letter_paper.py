"""The page of a 管理者情報登録完了のお知らせ: from its facts to a PDF of one A4 sheet, and many of them in one file.

The pages are set by a process of its own, fed and read through pipes: the library takes much memory and a second to
load, which neither the site nor the worker should carry, and nothing of a letter is named on a command line or written
to a file.
"""

import contextlib
import importlib
import io
import json
import logging
import math
import os
import resource
import select
import struct
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exchange import normalise, qr
from exchange.errors import Unusable

EDITION = "2026年11月版"
SIZES = (9.5, 9.2, 8.9, 8.6, 8.2, 7.8, 7.4, 7.0, 6.6, 6.2, 5.8, 5.4)  # points: the largest that leaves one page
WINDOW_SIZES = (11.5, 11.0, 10.5, 10.0, 9.5, 9.0, 8.5, 8.0, 7.5, 7.0, 6.5, 6.0, 5.5, 5.0)
PAGE_WIDTH, SIDE, TOP = 210, 18, 13  # mm: of the sheet, its margins left and right, its first line
WINDOW_PADDING = 3, 2  # mm at each side, above and below
POINT = 25.4 / 72  # mm
WINDOW_LINE = 1.3  # line height of the address
SENDER_NEEDS = 60  # mm beside the window; with less, the sender stands under it
GROUP = 4  # characters of a key that are read together
PRESS = "exchange.letter_paper"
PAGE_SECONDS, BIND_SECONDS = 60, 180  # for an answer, and of the processor for the work on it
MEMORY = 2**30  # bytes
PIECE = 2**20  # bytes read at once
NOT_INSTALLED = (
    "お知らせのPDFを作る部品がサーバーにないため、発行できません。サーバーの管理者に、"
    "requirements.txt の weasyprint と、Debian の libpango-1.0-0・libpangoft2-1.0-0・libharfbuzz-subset0・"
    "fonts-ipaexfont の導入を依頼してください。"
)

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "templates" / "letters"


@dataclass(frozen=True)
class Window:
    """Where the envelope shows the address, in mm from the sheet's upper left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Facts:
    """What stands on one letter. `address`: in lines. `base_url` ends without a slash."""

    office_name: str
    postal_code: str
    address: str
    fund_name: str
    fund_contact: str
    service_name: str
    credential_line: str
    issued_on: date
    entered_on: date
    admin_name: str
    admin_kana: str
    admin_mail: str
    device_limit: int
    contract_number: str
    base_url: str
    download_key: str
    login_id: str
    initial_password: str
    last_day: date
    is_reissue: bool = False  # another letter went out before
    is_set_up: bool = False  # the office works already: PCs and 圧縮パスワード stay as they are


class PressFailed(Exception):
    """The process that sets the pages gave none; its text is a class of error, never a part of a letter."""


# ── from facts to a page ──


def as_html(facts: Facts) -> str:
    """The letter as a page without sizes and without any address that would be fetched."""
    pages = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    issued = facts.issued_on
    return pages.get_template("letter.html").render(
        asdict(facts)
        | {
            "issued_on": normalise.era(issued),
            "entered_on": normalise.era(facts.entered_on),
            "last_day": normalise.era(facts.last_day),
            "address_lines": facts.address.splitlines(),
            "download_key": _groups(facts.download_key),
            "initial_password": _groups(facts.initial_password),
            "password_length": len("YYYYMM") + len(facts.download_key),
            "example_year": issued.year,
            "example_month": issued.month,
            "example_prefix": f"{issued:%Y%m}",
            "qr": qr.squares(f"{facts.base_url}/download/"),
            "edition": EDITION,
        }
    )


def sheets(facts: Facts, window: Window) -> list[str]:
    """The style of what depends on the letter, one sheet for each size of its text, the largest first."""
    right = window.left + window.width
    is_beside = PAGE_WIDTH - SIDE - right >= SENDER_NEEDS
    inset, top = (right + 5 - SIDE, TOP) if is_beside else (0, window.top + window.height + 2)
    placed = (
        f".window {{ left: {window.left - SIDE}mm; top: {window.top}mm; width: {window.width}mm;"
        f" height: {window.height}mm; font-size: {window_size(facts, window)}pt }}"
        f" header {{ padding: {top}mm 0 0 {inset}mm; min-height: {window.top + window.height + 1}mm }}"
    )
    return [f"{placed} body {{ font-size: {size}pt }}" for size in SIZES]


def window_size(facts: Facts, window: Window) -> float:
    """Points in which the address fits into the window."""
    wide, high = window.width - 2 * WINDOW_PADDING[0], window.height - 2 * WINDOW_PADDING[1]
    lines = [*facts.address.splitlines(), f"{facts.office_name}　御中"]
    lines += ["〒"] if facts.postal_code else []
    for size in WINDOW_SIZES:
        fitting = int(wide / (size * POINT))  # full-width characters of a line
        count = sum(max(1, -(-_width(line) // fitting)) for line in lines)
        if (count * WINDOW_LINE + 0.5) * size * POINT <= high:
            return size
    return WINDOW_SIZES[-1]


def _width(line: str) -> int:
    """In full-width characters; what is narrow counts two thirds."""
    wide = sum(1 for one in line if unicodedata.east_asian_width(one) in "WFA")
    return wide + -(-2 * (len(line) - wide) // 3)


def _groups(key: str) -> list[str]:
    return [key[start : start + GROUP] for start in range(0, len(key), GROUP)]


# ── the press, seen from the site ──

_has_worked = [False]
log = logging.getLogger("todoke.letters")


def require_press() -> None:
    """Unusable, with what to install, when no page can be set on this machine; asked again until it can."""
    if _has_worked[0]:
        return
    try:
        with Press() as press:
            press.ask({"html": "<p>", "sheets": [""]})
            press.page()
    except PressFailed as failed:
        log.warning("no letter can be made: %s", failed)
        raise Unusable(NOT_INSTALLED) from failed
    _has_worked[0] = True


class Press:
    """The process that sets pages, started when the first one is asked for and ended with the context."""

    def __init__(self, patience: float = PAGE_SECONDS) -> None:
        """`patience`: seconds to wait for one page."""
        self._process: subprocess.Popen[bytes] | None = None
        self._patience = patience

    def begin(self, facts: Facts, window: Window) -> None:
        """Have a letter set; the caller may do other work before it takes the page."""
        style = (FOLDER / "letter.css").read_text(encoding="utf-8")
        self.ask({"html": as_html(facts), "sheets": [style + sheet for sheet in sheets(facts, window)]})

    def ask(self, what: Mapping[str, Any]) -> None:
        self._process = self._process or _start("set")
        _send(self._process, json.dumps(what).encode(), self._patience)

    def page(self) -> bytes:
        """The PDF of the letter that was begun first; PressFailed when it doesn't become one page."""
        assert self._process is not None  # a letter was begun
        return _answer(self._process, self._patience)

    def __enter__(self) -> "Press":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None:
            _end(self._process)


def bind(pages: Iterable[Iterable[bytes]], out: Any, patience: float = BIND_SECONDS) -> None:
    """One PDF from many, each given in pieces; written to `out`. `patience`: seconds to wait for it."""
    process = _start("bind")
    try:
        for page in pages:
            _send(process, b"".join(page), patience)
        _send(process, b"", patience)
        out.write(_answer(process, patience))
    finally:
        _end(process)


def _start(task: str) -> subprocess.Popen[bytes]:
    # Its own words go nowhere: the library quotes the page in what it complains about.
    process = subprocess.Popen(  # noqa: S603 — this program, a fixed word
        [sys.executable, "-m", PRESS, task],
        bufsize=0,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)  # a process that hangs must not hang this one
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # it died before it had read everything
                log.warning("the press ended early")
    process.kill()
    process.wait()


# ── what goes through the pipes: length, bytes; an answer begins with + or, followed by the class of an error, - ──


def _packed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _get(pipe: IO[bytes]) -> bytes:
    """The next piece; empty at the end."""
    head = pipe.read(4)
    return pipe.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""


def _send(process: subprocess.Popen[bytes], data: bytes, patience: float) -> None:
    """PressFailed, and the process is ended, when it doesn't take the piece in time."""
    assert process.stdin is not None  # a pipe
    until, left = time.monotonic() + patience, memoryview(_packed(data))
    try:
        while left:
            _await(process, process.stdin, select.POLLOUT, until)
            left = left[os.write(process.stdin.fileno(), left) :]
    except OSError as error:
        raise PressFailed(type(error).__name__) from error


def _answer(process: subprocess.Popen[bytes], patience: float) -> bytes:
    """PressFailed when it tells an error, dies, or doesn't answer in time and is ended."""
    until = time.monotonic() + patience
    head = _receive(process, 4, until)
    answer = _receive(process, struct.unpack(">I", head)[0], until)
    if not answer.startswith(b"+"):
        raise PressFailed(answer[1:].decode())
    return answer[1:]


def _receive(process: subprocess.Popen[bytes], length: int, until: float) -> bytes:
    assert process.stdout is not None  # a pipe
    found = bytearray()
    while len(found) < length:
        _await(process, process.stdout, select.POLLIN, until)
        piece = os.read(process.stdout.fileno(), min(length - len(found), PIECE))
        if not piece:
            raise PressFailed("it died")
        found += piece
    return bytes(found)


def _await(process: subprocess.Popen[bytes], pipe: IO[bytes], event: int, until: float) -> None:
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0, until - time.monotonic()) * 1000):
        process.kill()
        raise PressFailed("it took too long")


# ── the press itself, in its own process ──


def _run(task: str) -> None:
    with contextlib.suppress(Exception):  # what is missing is told in the first answer
        importlib.import_module("pypdf" if task == "bind" else "weasyprint")
    for kind in (
        resource.RLIMIT_CORE,
        resource.RLIMIT_FSIZE,
    ):  # from here on no file takes a byte, not of a crash either
        resource.setrlimit(kind, (0, 0))
    _limit(resource.RLIMIT_AS, MEMORY)
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    if task == "bind":
        _reply(stdout, BIND_SECONDS, lambda: _bound(iter(lambda: _get(stdin), b"")))
        return
    while asked := _get(stdin):
        what = json.loads(asked)
        _reply(stdout, PAGE_SECONDS, lambda what=what: _set(what["html"], what["sheets"]))


def _limit(kind: int, value: int) -> None:
    """At most so much, or what the machine's operator allows where that is less."""
    most = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if most == resource.RLIM_INFINITY else min(value, most), most))


def _reply(stdout: IO[bytes], seconds: int, work: Any) -> None:
    """The answer to one question, or the end of this process when that takes more `seconds` of the processor."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime) + seconds)
    try:
        answer = b"+" + work()
    except BaseException as error:  # the library's fatal one is no Exception; whatever it is, the other side must know
        answer = b"-" + type(error).__name__.encode()
    stdout.write(_packed(answer))
    stdout.flush()


def _set(html: str, styles: list[str]) -> bytes:
    """The page in the first style that leaves it one page."""
    import weasyprint  # type: ignore[import-untyped]  # the site must start, and every other page work, where its libraries are missing
    from weasyprint.text.fonts import FontConfiguration  # type: ignore[import-untyped]
    from weasyprint.urls import URLFetcher  # type: ignore[import-untyped]

    class Nothing(URLFetcher):
        """Whatever a page names, it isn't fetched: no file, no host."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            raise ValueError("letters need nothing from elsewhere")

    fetcher, fonts = Nothing(fail_on_errors=True), FontConfiguration()
    page = weasyprint.HTML(string=html, url_fetcher=fetcher)
    for style in styles:
        sheet = weasyprint.CSS(string=style, url_fetcher=fetcher, font_config=fonts)
        document = page.render(stylesheets=[sheet], font_config=fonts)
        if len(document.pages) == 1:
            return document.write_pdf()
    raise OverflowError


def _bound(pages: Iterable[bytes]) -> bytes:
    import pypdf  # as above

    writer = pypdf.PdfWriter()
    for page in pages:
        writer.append(io.BytesIO(page), import_outline=False)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


if __name__ == "__main__":
    _run(sys.argv[1])
