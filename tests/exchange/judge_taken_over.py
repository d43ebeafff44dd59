"""The judge's program as an archive would have it that makes the judge run its own code: exchange/judge_process.py, but
where the archive is read, everything is tried that a judge must not be able to do. What came of it is told in the
names of the entries. The password says where to try.
"""

import ctypes
import io
import json
import os
import resource
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from exchange import archives, judge_process
from exchange.zip_findings import Entry, Inspection

DONE = "done"
GET_DUMPABLE, GET_NO_NEW_PRIVS = 3, 39
SET_PDEATHSIG, CLONE_FILES, IPC_PRIVATE, IPC_RMID, MSG_FASTOPEN, IPPROTO_MPTCP = 1, 0x400, 0, 0, 0x20000000, 262
_LIBC = ctypes.CDLL(None, use_errno=True)
_inspect = archives.inspect


def tries(at: dict[str, Any]) -> dict[str, str]:
    """What was tried → `done`, or the error. at: "folder" with files a, b and c, "database", "other_port", "abstract"
    and "server", a process.
    """
    acts = {**_files(Path(at["folder"]), Path(at["database"])), **_processes(at["server"]), **_lines(at)}
    return {name: _outcome(act) for name, act in acts.items()}


def _files(folder: Path, database: Path) -> dict[str, Callable[[], object]]:
    return {
        "read what everybody may": lambda: Path("/etc/passwd").read_bytes(),
        "read the database": lambda: database.read_bytes(),
        "read what its parent knows": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "list a folder": lambda: os.listdir(folder),
        "write into a file": lambda: (folder / "a").open("r+b").close(),
        "make a file": lambda: (folder / "new").touch(),
        "make a folder": lambda: (folder / "folder").mkdir(),
        "make a link": lambda: (folder / "link").symlink_to("a"),
        "cut a file": lambda: os.truncate(folder / "a", 0),
        "change a file's mode": lambda: (folder / "a").chmod(0o666),
        "change a file's owner": lambda: os.chown(folder / "a", os.getuid(), os.getgid()),
        "change a file's times": lambda: os.utime(folder / "a", (1, 1)),
        "change a file's attributes": lambda: os.setxattr(folder / "a", "user.todoke", b"x"),
        "rename a file": lambda: (folder / "b").rename(folder / "d"),
        "remove a file": lambda: (folder / "c").unlink(),
    }


def _processes(server: int) -> dict[str, Callable[[], object]]:
    nice = os.getpriority(os.PRIO_PROCESS, server)
    processors = os.sched_getaffinity(server)
    return {
        "run a program": lambda: os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0),
        "become a program": _become,
        "fork": _fork,
        "outlive its parent": lambda: _called(_LIBC.prctl(SET_PDEATHSIG, 0, 0, 0, 0)),
        "signal its parent": lambda: os.kill(os.getppid(), 0),
        "signal the server": lambda: os.kill(server, 0),
        "read the server's limits": lambda: resource.prlimit(server, resource.RLIMIT_NOFILE),
        "set the server's priority": lambda: os.setpriority(os.PRIO_PROCESS, server, nice),
        "set the server's processors": lambda: os.sched_setaffinity(server, processors),
        "set the server's scheduling": lambda: os.sched_setscheduler(server, os.SCHED_OTHER, os.sched_param(0)),
        "reach into memory": lambda: _called(_LIBC.process_vm_readv(os.getpid(), None, 0, None, 0, 0)),
        "leave shared memory": _share,
        "unshare": lambda: _called(_LIBC.unshare(CLONE_FILES)),
    }


def _lines(at: dict[str, Any]) -> dict[str, Callable[[], object]]:
    other = "127.0.0.1", at["other_port"]
    return {
        "connect to another port": lambda: _connect(socket.AF_INET, other),
        "connect at once with data": lambda: _send_first(other),
        "connect by MPTCP": lambda: _connect(socket.AF_INET, other, IPPROTO_MPTCP),
        "connect to an abstract socket": lambda: _connect(socket.AF_UNIX, at["abstract"]),
        "bind a port": _bind,
        "listen without a port": _listen,
        "make a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "make a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    }


def _called(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return result


def _become() -> None:
    with suppress(FileNotFoundError):  # had there been one, this process would be it
        os.execve("/nowhere", ["nowhere"], {})


def _fork() -> None:
    process = os.fork()
    if not process:
        os._exit(0)
    os.waitpid(process, 0)


def _share() -> None:
    memory = _called(_LIBC.shmget(IPC_PRIVATE, 4096, 0o600))
    _called(_LIBC.shmctl(memory, IPC_RMID, None))


def _start_a_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def _connect(family: int, address: Any, protocol: int = 0) -> None:
    with socket.socket(family, socket.SOCK_STREAM, protocol) as line:
        line.connect(address)


def _send_first(address: Any) -> None:
    with socket.socket() as line:
        line.sendto(b"x", MSG_FASTOPEN, address)


def _bind() -> None:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))


def _listen() -> None:
    with socket.socket() as line:
        line.listen()


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
            "start a thread": _outcome(_start_a_thread),
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
