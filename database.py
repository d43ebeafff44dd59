"""The one connection of a process, and the kinds of columns that its rows use."""

import json
import secrets
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from peewee import DateTimeField, Model, SqliteDatabase, TextField

JST = ZoneInfo("Asia/Tokyo")

# BEGIN IMMEDIATE for every transaction: with a plain BEGIN two writers that read first lose with "database is locked".
db = SqliteDatabase(None, lock_type="IMMEDIATE")

# busy_timeout stands first, so that the others already wait for a lock.
PRAGMAS = {
    "busy_timeout": 20_000,
    "journal_mode": "wal",
    "synchronous": "full",
    "foreign_keys": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
}


def open_database(path: str) -> None:
    """Point the one database of the process at a file; connections are made per thread when first used."""
    db.init(path, pragmas=PRAGMAS)


def new_uid() -> str:
    """A name for URLs: 128 random bits in hex, saying nothing."""
    return secrets.token_hex(16)


def utc_now() -> datetime:
    return datetime.now(UTC)


def today() -> date:
    """The day it is now in Japan."""
    return datetime.now(JST).date()


class MomentField(DateTimeField):
    """Aware datetimes in Python; in the database UTC text, `YYYY-MM-DD HH:MM:SS.ffffff`: text order is time order."""

    FORMAT = "%Y-%m-%d %H:%M:%S.%f"

    def db_value(self, value: datetime | None) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        return value.astimezone(UTC).strftime(self.FORMAT)

    def python_value(self, value: str | None) -> datetime | None:
        if value is None or isinstance(value, datetime):
            return value
        return datetime.strptime(value, self.FORMAT).replace(tzinfo=UTC)


class JSONTextField(TextField):
    """Plain JSON data kept as text."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)


class Record(Model):
    class Meta:
        database = db
        legacy_table_names = False
