"""Networks of their own on this machine, for tests that need some; root needed."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 15  # seconds until a test gives up on a command
_numbers = itertools.count(1)


def run(*command: object, check: bool = True, **more: Any) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, check=check, capture_output=True, text=True, timeout=PATIENCE, **more)


@contextmanager
def network_namespace(name: str) -> Iterator[str]:
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "del", name, check=False)


def unique(word: str) -> str:
    return f"{word}{os.getpid()}n{next(_numbers)}"
