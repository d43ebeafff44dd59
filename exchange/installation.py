"""An installation on the disk: its folder, keys, database and vault, opened together by the site, the commands and
the tests.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playhouse.migrations import Runner

from database import db, open_database
from exchange import audit, postman, sealing, vault
from exchange.errors import NotConfigured

DATABASE = "exchange.sqlite"
CHECKPOINTS = "checkpoints.jsonl"
DEMO = "demo.json"
MIGRATIONS = Path(__file__).parent.parent / "migrations"


def open_installation(folder: Path, post: postman.Post, may_be_outdated: bool = False) -> sealing.Keys:
    """Make what a first start needs, refuse what is not whole, and point every module at its part.

    NotConfigured when the keys of an existing database are missing, or migrations are due (except for `flask migrate`).
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        database = folder / DATABASE
        is_new = not database.exists()
        if is_new and vault.has_objects(folder / "vault"):
            raise NotConfigured(f"{database} is missing, but its documents are there; put it back from the backup")
        keys = sealing.load_keys(folder / "keys", may_make=is_new)
        if is_new:
            os.close(os.open(database, os.O_WRONLY | os.O_CREAT, 0o600))
        open_database(str(database))
        if is_new:
            migrate()
        elif not may_be_outdated:
            _require_migrated()
        vault.configure(folder / "vault")
    audit.configure(folder / CHECKPOINTS)
    postman.configure(post)
    return keys


def migrate() -> list[str]:
    """Apply what is due; returns the names applied."""
    with db.connection_context():
        return Runner(db, directory=str(MIGRATIONS)).up()


def _require_migrated() -> None:
    with db.connection_context():
        due = [row.name for row in Runner(db, directory=str(MIGRATIONS)).status() if not row.applied]
    if due:
        raise NotConfigured(f"the database is older than the program: run `flask migrate` ({', '.join(due)})")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two processes that start at once must not both make the keys."""
    with open(os.open(folder / ".start", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
