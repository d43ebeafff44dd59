"""The process in which archives are judged; this file is its program, exchange/judging.py the other side.

It stays, with everything imported, and forks a judge for each archive: a process that knows one object's open file
and its key, nothing else of the installation, with little memory, little time and no right to write. Before it reads
a byte of the archive it walls itself off (walls.py): whatever the archive makes of it can open no other file. What a
judge may know comes over its own line and passes by this process, which therefore holds no secret between two archives
and gives each judge none but its own.

Python imports some of itself when it is first needed. Behind the walls it can't, so `_prepare` asks for it beforehand.

Control, on descriptor 0: a message for each archive, with the judge's end of its line and the object's file.
A line: the question as one JSON line (see judging.judge); then, one JSON object a line, {"done", "total"} while it
works, {"malware": its name, "entry", "scan": as far as it has come} as soon as some is found, and at last
{"inspection", "scan"}, {"error": a class} or, from this process, {"ended": exit code or -signal}.

What this process has to say on descriptor 2 (that it can't start) is seen by its parent's operator; a judge is silent.
"""

import codecs
import ctypes
import gc
import io
import ipaddress
import json
import os
import resource
import select
import signal
import socket
import time
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from exchange import archives, scanner, walls
from exchange.vault_reader import READ, Reader

LINE, NOWHERE, ERRORS, FILE = 0, 1, 2, 3  # descriptors of a judge
TELL_EVERY = 0.1  # seconds
NICE = 10  # a page that somebody waits for comes first
GRACE = 5  # seconds of the processor between the signal that names the limit and the one that only kills
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
CODECS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp932", "ascii", "idna")  # of archives, and of clamd's host
NO_MEMORY = b'{"error": "MemoryError"}\n'  # made beforehand: there may be none left to make it
_LIBC = ctypes.CDLL(None, use_errno=True)


def serve(control: socket.socket) -> None:
    """Fork judges until the other side has gone; each goes with this process."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    judges: dict[int, tuple[int, int]] = {}  # descriptor of a judge's end → its process and its line
    while True:
        ready, _ = poll.poll()[0]  # one at a time: the next may be about a descriptor that this one closes
        if ready == control.fileno():
            asked, received, _, _ = socket.recv_fds(control, 1, 2)
            if not asked:
                return
            line, file = received
            process = _fork(line, file)
            os.close(file)
            ended = os.pidfd_open(process)
            judges[ended] = process, line
            poll.register(ended, select.POLLIN)
            poll.register(line, 0)  # its other end closed
        elif ready in judges:
            process, line = judges.pop(ready)
            _tell_end(line, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
            with suppress(KeyError):  # nobody listened any longer
                poll.unregister(line)
            poll.unregister(ready)
            os.close(ready)
            os.close(line)
        else:
            poll.unregister(ready)
            for process, line in judges.values():
                if line == ready:
                    os.kill(process, signal.SIGKILL)  # not waited for yet, so the number is still its own


def _tell_end(line: int, code: int) -> None:
    said = json.dumps({"ended": code}).encode()
    with socket.socket(fileno=os.dup(line)) as open_line, suppress(OSError):
        # A new line, as its last one may have been cut off; whoever doesn't listen won't hold up the others.
        open_line.send(b"\n" + said + b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _fork(line: int, file: int) -> int:
    parent = os.getpid()
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        os.dup2(line, LINE)
        os.dup2(NOWHERE, ERRORS)
        os.dup2(file, FILE)
        os.closerange(FILE + 1, os.sysconf("SC_OPEN_MAX"))  # the lines and files of others
        _confine(parent)
        _judge()
        code = 0
    finally:
        os._exit(code)


def _confine(parent: int) -> None:
    """Nothing to write, and no life without the process that has forked it."""
    _set(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))
    os.nice(NICE)


def _set(option: int, value: int) -> None:
    if _LIBC.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _limit(kind: int, value: int, grace: int = 0) -> None:
    """At most so much, or what the machine's operator allows where that is less."""
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        value, grace = min(value, most), min(grace, max(most - value, 0))
    resource.setrlimit(kind, (value, value + grace))


def _judge() -> None:
    line = socket.socket(fileno=LINE)
    with line.makefile("rb") as question:
        asked = json.loads(question.readline())
    asked["clamd"], port = _found(asked["clamd"])
    walls.shut(port)
    _limit(resource.RLIMIT_CPU, asked["seconds"], GRACE)
    _limit(resource.RLIMIT_AS, asked["memory"])
    try:
        said = json.dumps(_answer(asked, line.sendall)).encode() + b"\n"
    except MemoryError:
        said = NO_MEMORY
    except BaseException as error:  # its class is told, its text may hold what is in the archive
        said = json.dumps({"error": type(error).__name__}).encode() + b"\n"
    line.sendall(said)


def _found(clamd: str) -> tuple[str, int | None]:
    """Where clamd is, in numbers, as no name can be looked up behind the walls; and its port where it has one.

    A name may stand for several addresses, so the one that answers is taken. When none does, the name stays: whoever
    looks for it finds nobody.
    """
    if not clamd or clamd.startswith("/"):
        return clamd, None
    host, _, port = clamd.rpartition(":")
    with suppress(ValueError):
        ipaddress.ip_address(host.strip("[]"))
        return clamd, int(port)
    address = host, int(port)
    with suppress(OSError, ValueError), socket.create_connection(address, scanner.CONNECT_SECONDS) as reached:
        host = f"[{reached.getpeername()[0]}]"
    return f"{host}:{port}", int(port)


def _answer(asked: dict[str, Any], send: Callable[[bytes], object]) -> dict[str, Any]:
    scanning = scanner.Scanner(asked["clamd"], _hit(send)) if asked["clamd"] else None
    key = b64decode(asked["key"])
    with io.BufferedReader(Reader(os.fdopen(FILE, "rb"), key, asked["size"]), READ) as stream:
        inspection = archives.inspect(
            stream,
            asked["password"],
            archives.Limits(**asked["limits"]),
            asked["policy"],
            [scanning.reader] if scanning else [],
            _telling(send),
        )
    return {"inspection": asdict(inspection), "scan": scanning.result() if scanning else None}


def _hit(send: Callable[[bytes], object]) -> Callable[[str, str, scanner.Scan], None]:
    """Malware is told at once: whatever ends the judge, it isn't forgotten."""

    def tell(entry: str, malware: str, scan: scanner.Scan) -> None:
        send(json.dumps({"malware": malware, "entry": entry, "scan": scan}).encode() + b"\n")

    return tell


def _telling(send: Callable[[bytes], object]) -> Callable[[int, int], None]:
    told_at = [0.0]

    def tell(done: int, total: int) -> None:
        now = time.monotonic()
        if done >= total or now - told_at[0] >= TELL_EVERY:
            told_at[0] = now
            send(json.dumps({"done": done, "total": total}).encode() + b"\n")

    return tell


def _prepare() -> None:
    """What is imported late, or read from a file at its first use, is there for every judge."""
    archives.inspect(io.BytesIO(archives.proof_archive("-")), "-")
    for name in CODECS:
        codecs.lookup(name)
    ctypes.CFUNCTYPE(None)(lambda: None)  # libarchive calls back: whether memory may be run, libffi asks the system
    datetime.strptime("Fri Nov 20 17:26:00 2026", "%a %b %d %H:%M:%S %Y").astimezone()  # and the zone of the machine


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # it is told to stop by the end of whoever has started it
        signal.signal(number, signal.SIG_IGN)
    _set(PR_SET_DUMPABLE, 0)  # nor can anybody look into its judges, who inherit it
    _prepare()
    gc.collect()
    gc.freeze()  # what is shared with the judges stays shared
    with socket.socket(fileno=LINE) as control:
        serve(control)


if __name__ == "__main__":
    _main()
