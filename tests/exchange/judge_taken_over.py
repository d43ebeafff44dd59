"""The judge's program as an archive would have it that makes the judge run its own code: exchange/judge_process.py, but
where the archive is read, everything is tried that a judge must not be able to do. What came of it is told in the
names of the entries. The password says where to try.
"""

import ctypes
import io
import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from exchange import archives, judge_process
from exchange.zip_findings import Entry, Inspection

DONE = "done"
GET_DUMPABLE, GET_NO_NEW_PRIVS = 3, 39
_LIBC = ctypes.CDLL(None)
_inspect = archives.inspect


def tries(at: dict[str, Any]) -> dict[str, str]:
    """What was tried → `done`, or the error. at: "folder" with files a, b and c, "database", "other_port", "abstract"
    and "server", a process.
    """
    folder = Path(at["folder"])
    acts: dict[str, Callable[[], object]] = {
        "read what everybody may": lambda: Path("/etc/passwd").read_bytes(),
        "read the database": lambda: Path(at["database"]).read_bytes(),
        "read what its parent knows": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "list a folder": lambda: os.listdir(folder),
        "write into a file": lambda: (folder / "a").open("r+b").close(),
        "make a file": lambda: (folder / "new").touch(),
        "make a folder": lambda: (folder / "folder").mkdir(),
        "make a link": lambda: (folder / "link").symlink_to("a"),
        "cut a file": lambda: os.truncate(folder / "a", 0),
        "rename a file": lambda: (folder / "b").rename(folder / "d"),
        "remove a file": lambda: (folder / "c").unlink(),
        "run a program": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "signal the server": lambda: os.kill(at["server"], 0),
        "connect to another port": lambda: _connect(socket.AF_INET, ("127.0.0.1", at["other_port"])),
        "listen on a port": lambda: _listen(),
        "connect to an abstract socket": lambda: _connect(socket.AF_UNIX, at["abstract"]),
    }
    return {name: _outcome(act) for name, act in acts.items()}


def _connect(family: int, address: Any) -> None:
    with socket.socket(family) as line:
        line.connect(address)


def _listen() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))


def _outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return DONE


def _attack(stream: Any, password: str, *rest: Any) -> Inspection:
    with suppress(ValueError):  # that of the first archive, by which the program tries itself
        at = json.loads(password)
        found = {
            **tries(at),
            "connect to clamd": _outcome(lambda: _connect(socket.AF_INET, ("127.0.0.1", at["port"]))),
            "dumpable": str(_LIBC.prctl(GET_DUMPABLE, 0, 0, 0, 0)),
            "no new privileges": str(_LIBC.prctl(GET_NO_NEW_PRIVS, 0, 0, 0, 0)),
        }
        entries = tuple(Entry(f"{name}: {outcome}", 0, "none", "") for name, outcome in found.items())
        return Inspection("accept", (), entries)
    assert isinstance(stream, io.BytesIO)
    return _inspect(stream, password, *rest)


if __name__ == "__main__":
    archives.inspect = _attack
    judge_process._main()
