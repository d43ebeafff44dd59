"""Large files through the real server: what they cost in memory, and that nothing of them is ever on the disk in clear.

64 MB by default, 1 GB with TODOKE_SOAK=1.
"""

import contextlib
import hashlib
import http.client
import os
import re
import select
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pyotp
import pytest

from exchange import archives
from tests.browser import site as sites
from tests.browser.site import Site
from tests.exchange.judges import children
from tests.people import LOGIN_IDS

MB = 2**20
SIZE = (1024 if os.environ.get("TODOKE_SOAK") else 64) * MB
ALLOWED = 64 * MB  # over what the server takes when idle
JUDGE = 96 * MB  # a process that judges, all of it
PIECE = 64 * 1024
MARKER = b"<<hisomeru-meibo:" + os.urandom(12).hex().encode() + b">>"
# Doesn't shrink, and has the marker in every piece, so that any piece left in clear is found.
BLOCK = b"".join(MARKER + os.urandom(PIECE - len(MARKER)) for _ in range(16))
BOUNDARY = "todoke-memory-test"
PATIENCE = 300 if os.environ.get("TODOKE_SOAK") else 60


def plaintext() -> Iterator[bytes]:
    for _ in range(SIZE // len(BLOCK)):
        yield BLOCK


@dataclass
class Visitor:
    """A browser reduced to its cookie and its forms; bodies are sent and read in pieces."""

    site: Site
    cookie: str = ""
    page: str = ""

    def get(self, path: str) -> str:
        return self._follow("GET", path)

    def sends(self, path: str, form: dict[str, str]) -> str:
        """An ordinary form of the page it is on."""
        body = urlencode({"csrf_token": self.hidden("csrf_token"), **form}).encode()
        return self._follow("POST", path, [body], {"Content-Type": "application/x-www-form-urlencoded"}, len(body))

    def uploads(self, path: str, fields: dict[str, str], name: str, size: int, pieces: Iterator[bytes]) -> str:
        """A form with a file as its last field."""
        fields = {"csrf_token": self.hidden("csrf_token"), "token": self.hidden("token"), **fields}
        start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
        head = "".join(f'{start}name="{key}"\r\n\r\n{value}\r\n' for key, value in fields.items())
        head += f'{start}name="file"; filename="{name}"\r\n\r\n'
        tail = f"\r\n--{BOUNDARY}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

        def body() -> Iterator[bytes]:
            yield head.encode()
            yield from pieces
            yield tail

        return self._follow("POST", path, body(), kind, len(head.encode()) + size + len(tail))

    def saves(self, path: str, consume: Callable[[bytes], object]) -> int:
        """A form whose answer is a file: its size, its pieces handed on."""
        body = urlencode({"csrf_token": self.hidden("csrf_token")}).encode()
        answer = self._ask("POST", path, [body], {"Content-Type": "application/x-www-form-urlencoded"}, len(body))
        assert answer.status == 200, answer.read(2000)
        size = 0
        while piece := answer.read(PIECE):
            consume(piece)
            size += len(piece)
        return size

    def hidden(self, name: str) -> str:
        found = re.search(rf'name="{name}"[^>]*value="([^"]+)"', self.page)
        assert found, f"no field {name} on this page"
        return found[1]

    def waits_for(self, path: str, words: str, meanwhile: Callable[[], object]) -> None:
        """Asks again until a page says it; what paces the questions is the wait for the server's end."""
        until = time.monotonic() + PATIENCE
        ends = select.poll()
        ends.register(self.site.pidfd, select.POLLIN)
        while self.get(path) and words not in self.page:
            assert time.monotonic() < until, f"{path} does not say {words}"
            assert not ends.poll(100), self.site.log()[-3000:]
            meanwhile()

    def _follow(self, method: str, path: str, body: object = None, headers: dict | None = None, size: int = 0) -> str:
        answer = self._ask(method, path, body, headers, size)
        while answer.status == 303:
            answer.read()
            path = urlsplit(answer.headers["Location"]).path
            answer = self._ask("GET", path)
        self.page = answer.read().decode()
        assert answer.status == 200, (path, answer.status, re.findall("<h1>.*?</h1>", self.page))
        return path

    def _ask(
        self, method: str, path: str, body: object = None, headers: dict | None = None, size: int = 0
    ) -> http.client.HTTPResponse:
        line = http.client.HTTPConnection(urlsplit(self.site.base).netloc, timeout=PATIENCE)
        more = {"Cookie": self.cookie, "Referer": self.site.base + "/", **(headers or {})}
        if size:
            more["Content-Length"] = str(size)
        line.request(method, path, body, more)
        answer = line.getresponse()
        for told in answer.headers.get_all("Set-Cookie") or []:
            if told.startswith("todoke="):
                self.cookie = told.partition(";")[0]
        return answer


@dataclass
class Watch:
    """The memory and folders of the server, and of the processes that judge for it, while something is going on."""

    site: Site
    found: list[str] = field(default_factory=list)
    judges: int = 0  # bytes that one of them took at its worst, all of its program included

    def __post_init__(self) -> None:
        self.idle = self._memory("VmRSS", self.site.pid)
        Path(f"/proc/{self.site.pid}/clear_refs").write_text("5")  # VmHWM begins anew

    def peak(self) -> int:
        """Bytes over idle at the worst moment so far."""
        return self._memory("VmHWM", self.site.pid) - self.idle

    def looks_at_judges(self) -> None:
        rooms = children(self.site.pid)
        for process in [*rooms, *(judge for one in rooms for judge in children(one))]:
            with contextlib.suppress(OSError, TypeError):  # it has ended
                self.judges = max(self.judges, self._memory("VmHWM", process))
                self._looks_for_nameless(process)

    def looks_for(self, *secrets: bytes) -> None:
        """Notes every file in the site's folder, TMPDIR included, that holds one of them; and files without a name."""
        for path in self.site.folder.rglob("*"):
            if path.is_file() and any(_holds(path, secret) for secret in secrets):
                self.found.append(str(path))
        self._looks_for_nameless(self.site.pid)

    def _looks_for_nameless(self, process: int) -> None:
        for link in Path(f"/proc/{process}/fd").iterdir():
            target = os.readlink(link) if link.is_symlink() else ""
            if target.startswith("/") and target.endswith("(deleted)"):
                self.found.append(target)

    def _memory(self, what: str, process: int) -> int:
        status = Path(f"/proc/{process}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024


def _holds(path: Path, secret: bytes) -> bool:
    kept = b""
    with path.open("rb") as stream:
        while piece := stream.read(MB):
            if secret in kept + piece:
                return True
            kept = piece[-len(secret) :]
    return False


def looking_half_way(pieces: Iterator[bytes], watch: Watch, secrets: tuple[bytes, ...], size: int) -> Iterator[bytes]:
    sent = 0
    for piece in pieces:
        yield piece
        if sent < size // 2 <= sent + len(piece):
            watch.looks_for(*secrets)
        sent += len(piece)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    limits = {"TODOKE_MAX_FILE_BYTES": str(2 * SIZE), "TODOKE_MAX_UNPACKED_BYTES": str(2 * SIZE)}
    with sites.running(tmp_path_factory.mktemp("memory"), **limits) as site:
        yield site


@pytest.fixture(scope="module")
def taro(site: Site) -> Visitor:
    """利用者A, logged in with the code from his mail."""
    visitor, me = Visitor(site), site.user(LOGIN_IDS["taro"])
    who = {"contract_number": site.office(me["login_id"])["contract_number"], "login_id": me["login_id"]}
    visitor.get("/onetime/")
    visitor.sends("/onetime/", who)
    code = _code(visitor)
    visitor.get("/auth/")
    visitor.sends("/auth/", who)
    visitor.sends("/auth/code", {"code": code})
    visitor.sends("/auth/password", {"login_id": me["login_id"], "password": me["password"]})
    return visitor


@pytest.fixture(scope="module")
def kiku(site: Site) -> Visitor:
    """A fund clerk, logged in."""
    visitor, me = Visitor(site), site.user(LOGIN_IDS["kiku"])
    visitor.get("/admin/login")
    code = pyotp.TOTP(me["totp_secret"]).now()
    visitor.sends("/admin/login", {"login_id": me["login_id"], "password": me["password"], "code": code})
    return visitor


def _code(visitor: Visitor) -> str:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        visitor.get("/demo/mail")
        found = re.search(r'href="(/demo/mail/[^"]+)">[^<]*ワンタイムパスワード', visitor.page)
        if found:
            visitor.get(found[1])
            return re.search(r"\b\d{8}\b", visitor.page)[0]
    raise AssertionError("no mail has come")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Path:
    """A password ZIP whose only entry is not shrunk: what is left in clear of it could be read."""
    path = tmp_path_factory.mktemp("sender") / "大きな届書.zip"
    password = site.office(LOGIN_IDS["taro"])["archive_password"]
    with path.open("wb") as out, archives.Packer(out, password, level=0) as packer, packer.open("明細.dat") as entry:
        for piece in plaintext():
            entry.write(piece)
    return path


def pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece


def test_the_watch_finds_what_lies_in_clear_anywhere_in_the_folder(site: Site) -> None:
    left = site.temporary / "left behind"
    left.write_bytes(b"x" * (MB - 5) + MARKER)  # over the border between two reads
    watch = Watch(site)
    watch.looks_for(MARKER)
    left.unlink()
    assert watch.found == [str(left)]


def test_a_large_filing_passes_in_constant_memory_and_never_in_clear(
    site: Site, taro: Visitor, kiku: Visitor, archive: Path, record_property: Callable[[str, object], None]
) -> None:
    size = archive.stat().st_size
    with archive.open("rb") as stream:
        stream.seek(size // 2)
        ciphertext = stream.read(48)  # the sender's own ZIP is not to be found either: the vault encrypts it again
    secrets = (MARKER, ciphertext)
    taro.get("/files/upload")
    kiku.get("/admin/inbox/")
    watch = Watch(site)

    sent = looking_half_way(pieces_of(archive), watch, secrets, size)
    page = taro.uploads("/files/upload", {"kind": "acquisition"}, archive.name, size, sent)
    record_property("upload, MB over idle", round(watch.peak() / MB, 1))
    taro.waits_for(page, "検査済", watch.looks_at_judges)
    record_property("with its inspection, MB over idle", round(watch.peak() / MB, 1))
    watch.looks_for(*secrets)
    taro.sends(f"{page}/approved-delivery", {})

    opened = "/admin/inbox/" + page.rpartition("/")[2]
    kiku.get(opened)
    kiku.sends(f"{opened}/opening", {})
    whole, entry = hashlib.sha256(), hashlib.sha256()
    assert kiku.saves(f"{opened}/download", whole.update) == size
    assert kiku.saves(f"{opened}/entries/0", entry.update) == SIZE
    assert whole.digest() == _digest(pieces_of(archive))
    assert entry.digest() == _digest(plaintext())
    watch.looks_for(*secrets)
    record_property("with the downloads, MB over idle", round(watch.peak() / MB, 1))
    record_property("its judge, MB", round(watch.judges / MB, 1))
    record_property("size of the file, MB", SIZE // MB)
    record_property("idle, MB", round(watch.idle / MB, 1))
    assert watch.found == []
    assert watch.peak() <= ALLOWED
    assert 0 < watch.judges <= JUDGE


def test_a_large_statement_is_packed_in_constant_memory_and_never_in_clear(
    site: Site, taro: Visitor, kiku: Visitor, record_property: Callable[[str, object], None]
) -> None:
    kiku.get("/admin/statements/new")
    form = re.search(r'href="(/admin/statements/new/\w+)"', kiku.page)[1]
    kiku.get(form)
    watch = Watch(site)

    sent = looking_half_way(plaintext(), watch, (MARKER,), SIZE)
    page = kiku.uploads(form, {"kind": "decision"}, "明細.dat", SIZE, sent)
    kiku.waits_for(page, "検査済", watch.looks_at_judges)
    kiku.sends(f"{page}/approved-delivery", {})
    watch.looks_for(MARKER)
    uid = page.rpartition("/")[2]
    taro.get(f"/files/{uid}")
    taro.sends(f"/files/{uid}/pickup", {})
    assert taro.saves(f"/files/{uid}/download", lambda piece: None) > SIZE
    watch.looks_for(MARKER)
    record_property("packing, inspection and download, MB over idle", round(watch.peak() / MB, 1))
    assert watch.found == []
    assert watch.peak() <= ALLOWED
    assert 0 < watch.judges <= JUDGE


def _digest(pieces: Iterator[bytes]) -> bytes:
    whole = hashlib.sha256()
    for piece in pieces:
        whole.update(piece)
    return whole.digest()
