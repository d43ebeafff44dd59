"""Several processes at once on one installation: what one process alone can't show.

A fork server that has imported the product already gives each process in milliseconds, with no thread and no open
database.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from database import db
from exchange import installation, invitations, onetime, postman

IS_SOAK = os.environ.get("TODOKE_SOAK") == "1"
PATIENCE = 60  # seconds until a test gives up on its processes
TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "mail"

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["app", "tests.processes"])


def some(everything: Iterable[str], one_of: int) -> list[str]:
    """All of them in a soak, otherwise one of so many: where each takes seconds."""
    return list(everything)[:: 1 if IS_SOAK else one_of]


def post(**more: Any) -> postman.Post:
    """An outbox without a server of its own; `more` as in postman.Post."""
    facts = {"base_url": "https://todoke.example", "sender": "todoke@todoke.example", "starttls": False, **more}
    codes = {"code_of": onetime.code_of, "invitation_code_of": invitations.code_of}
    return postman.Post(templates=TEMPLATES, **codes, **facts)


def together(instance: Path, works: list[tuple[Any, ...]]) -> list[Any]:
    """One process for each (function, arguments …): all open the installation, wait for each other, then work.

    The answers in order; a refusal answers with the name of its class. Functions stand at the top of their module.
    """
    barrier = CONTEXT.Barrier(len(works))
    lines = [CONTEXT.Pipe(duplex=False) for _ in works]
    processes = [
        CONTEXT.Process(target=_child, args=(instance, barrier, mouth, *work))
        for (_, mouth), work in zip(lines, works, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        return [_answer(ear) for ear, _ in lines]
    finally:
        for process, (ear, mouth) in zip(processes, lines, strict=True):
            end(process)
            ear.close()
            mouth.close()


@contextmanager
def alone(instance: Path, work: Callable[..., Any], *arguments: Any) -> Iterator[tuple[BaseProcess, Connection]]:
    """One process at work and the line it may `send` over (its first argument); killed when the block ends."""
    ear, mouth = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_lone_child, args=(instance, mouth, work, *arguments))
    process.start()
    mouth.close()
    try:
        yield process, ear
    finally:
        kill(process)
        ear.close()


def kill(process: BaseProcess) -> None:
    """kill -9, and wait until it is gone."""
    if process.is_alive() and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENCE)


def end(process: BaseProcess) -> None:
    process.join(PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _child(instance: Path, barrier: Barrier, line: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    try:
        installation.open_installation(instance, post())
        with db.connection_context():
            barrier.wait(PATIENCE)
            line.send(work(*arguments))
    except Exception as error:
        line.send(type(error).__name__)


def _lone_child(instance: Path, line: Connection, work: Callable[..., Any], *arguments: Any) -> None:
    installation.open_installation(instance, post())
    with db.connection_context():
        work(line, *arguments)


def _answer(ear: Connection) -> Any:
    if not ear.poll(PATIENCE):
        raise TimeoutError("a process gave no answer")
    return ear.recv()
