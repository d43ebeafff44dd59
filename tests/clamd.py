"""A real clamd with one signature of our own, nothing of a scanned file on the disk; and peers that are no clamd."""

import contextlib
import os
import select
import shutil
import socket
import socketserver
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = shutil.which("clamd") or "/usr/sbin/clamd"
SKIPPED = "clamd (Debian package clamav-daemon) is not installed"
PATIENCE = 30  # seconds for its start
MEMORY = Path("/dev/shm")

needs_clamd = pytest.mark.skipif(not Path(PROGRAM).exists(), reason=SKIPPED)

# The harmless test file of all scanners, in parts: whole, it would have this very file quarantined.
# Joined only when it runs: of a sum the compiler would write the whole into its file.
_SIGNED = b"".join([b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-", b"FILE!"])
EICAR = b"".join([b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$", _SIGNED, b"$H+H*"])
NAME = "Test.EICAR.UNOFFICIAL"  # as clamd calls it: no signature of its makers


@pytest.fixture(scope="session")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a clamd that knows EICAR."""
    if not Path(PROGRAM).exists():
        pytest.skip(SKIPPED)
    with running(tmp_path_factory.mktemp("clamd")) as address:
        yield address


@contextmanager
def running(folder: Path, signatures: Mapping[str, bytes] | None = None, **options: object) -> Iterator[str]:
    """A clamd of its own until the block ends: the path of its socket.

    signatures: what it knows besides EICAR, by name (each ends in .UNOFFICIAL when found). options: lines of its
    configuration, such as StreamMaxLength="1M".
    """
    known = {"Test.EICAR": _SIGNED, **(signatures or {})}
    base = folder / "db"
    base.mkdir(parents=True)
    lines = [f"{name}:0:*:{wanted.hex()}\n" for name, wanted in known.items()]
    (base / "ours.ndb").write_text("".join(lines), encoding="ascii")
    # The path of a socket has room for 107 bytes only; what clamd scans lies in its temporary folder meanwhile.
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None, prefix="clamd-") as short:
        address = f"{short}/s"
        settings = {
            "DatabaseDirectory": base,
            "LocalSocket": address,
            "TemporaryDirectory": short,
            "Foreground": "yes",
            "LogFile": folder / "clamd.log",
            "StreamMaxLength": "600M",
            "MaxFileSize": "600M",
            "MaxScanSize": "600M",
            "AlertExceedsMax": "yes",
            **options,
        }
        configuration = folder / "clamd.conf"
        text = "".join(f"{name} {value}\n" for name, value in settings.items())
        configuration.write_text(text, encoding="utf-8")
        with _process(configuration, address):
            yield address


@contextmanager
def _process(configuration: Path, address: str) -> Iterator[None]:
    """As systemd starts it, on a socket that is there already: whoever connects waits until it is ready."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen(200)
        started = subprocess.Popen(
            ["/bin/sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -c "$1" 3<&0 </dev/null', PROGRAM, configuration],
            stdin=listening,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        assert _answers(address), f"clamd does not answer; see {configuration.parent}"
        yield
    finally:
        started.kill()
        started.wait()


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(PATIENCE)
        try:
            line.connect(address)
            line.sendall(b"zPING\0")
            return line.recv(16) == b"PONG\0"
        except OSError:
            return False


Talk = Callable[[socket.socket], None]
VERSION = b"ClamAV 1.4.6/27800/Fri Nov 20 08:26:00 2026\0"


class Odd:
    """Something on a port of this machine that is not quite a clamd; `connections` counts who came.

    It tells its version, and does with the bytes of a file what `at_file` says, with its whole stream read or not.
    """

    def __init__(self, at_file: Talk, version: bytes = VERSION, is_patient: bool = True) -> None:
        self.connections = 0
        self.address = ""
        self._at_file, self._version, self._is_patient = at_file, version, is_patient

    @contextmanager
    def listening(self) -> Iterator["Odd"]:
        odd = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                odd.connections += 1
                with contextlib.suppress(OSError):
                    odd._talk(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False  # one that hangs until its visitor has gone is no test's affair

        with Server(("127.0.0.1", 0), Handler) as server:
            self.address = f"127.0.0.1:{server.server_address[1]}"
            thread = threading.Thread(target=lambda: server.serve_forever(0.01))
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _talk(self, line: socket.socket) -> None:
        word = b""
        while not word.endswith(b"\0"):
            word += line.recv(1)
        if word == b"zVERSION\0":
            line.sendall(self._version)
            return
        if self._is_patient:
            whole = line.makefile("rb")
            while size := int.from_bytes(whole.read(4), "big"):
                whole.read(size)
        self._at_file(line)


def says(answer: bytes) -> Talk:
    return lambda line: line.sendall(answer)


def hangs(line: socket.socket) -> None:
    """Says nothing until the other side has gone."""
    line.recv(1)


def stalls(line: socket.socket) -> None:
    """Takes no bytes any more, and stays for a second: longer than whoever is not patient waits."""
    poller = select.poll()
    poller.register(line, select.POLLRDHUP)
    poller.poll(1000)


def drips(line: socket.socket) -> None:
    """A letter now and then, and never the last."""
    while not select.select([line], [], [], 0.02)[0]:
        line.sendall(b"s")
