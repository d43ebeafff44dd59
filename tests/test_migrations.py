"""The migrations make the database that the files of rows describe, and stay as they were when those move on."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest
from playhouse.migrations import Runner

import database
import equipment
from database import PRAGMAS, db
from exchange import installation
from exchange.errors import NotConfigured
from models import DocumentKind
from tests.people import Cast
from tests.processes import post

ROOT = Path(__file__).resolve().parent.parent
Schema = dict[str, tuple[str, list[str]]]


def schema_of(database: peewee.SqliteDatabase, but: str = "") -> Schema:
    """Each table with its statement and those of its indexes, without regard to line breaks."""
    rows = database.execute_sql(
        "SELECT tbl_name, type, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY name"
    ).fetchall()
    plain = [(table, kind, re.sub(r"(?<=\() | (?=[),])", "", " ".join(sql.split()))) for table, kind, sql in rows]
    tables = {table: sql for table, kind, sql in plain if kind == "table" and table != but}
    return {
        table: (sql, [one for of, kind, one in plain if of == table and kind != "table"])
        for table, sql in tables.items()
    }


@pytest.fixture
def created(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    """A database made from the models themselves."""
    database = peewee.SqliteDatabase(tmp_path / "created.sqlite")
    with database.bind_ctx(equipment.ALL), database.connection_context():
        database.create_tables(equipment.ALL)
        yield database
    database.close()


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[peewee.SqliteDatabase]:
    """A database made by the migrations."""
    database = peewee.SqliteDatabase(tmp_path / "migrated.sqlite")
    with database.connection_context():
        Runner(database, directory=str(ROOT / "migrations")).up()
        yield database
    database.close()


def history_of(database: peewee.SqliteDatabase) -> str:
    """The table in which the migrations keep what was applied."""
    (extra,) = set(database.get_tables()) - {model._meta.table_name for model in equipment.ALL}
    return extra


def test_the_migrations_make_exactly_what_the_models_describe(
    created: peewee.SqliteDatabase, migrated: peewee.SqliteDatabase
) -> None:
    assert schema_of(migrated, but=history_of(migrated)) == schema_of(created)


def test_a_column_without_its_migration_would_be_noticed(tmp_path: Path, migrated: peewee.SqliteDatabase) -> None:
    """With a copy of models.py that knows one column more."""
    source = (
        (ROOT / "models.py")
        .read_text()
        .replace("    file_name = CharField()\n", "    file_name = CharField()\n    colour = CharField(null=True)\n")
    )
    (tmp_path / "models.py").write_text(source)
    for name in ("database.py", "papers.py", "equipment.py"):
        shutil.copy(ROOT / name, tmp_path)
    make = (
        "import database, equipment, sys; database.open_database(sys.argv[1]); database.db.create_tables(equipment.ALL)"
    )
    subprocess.run([sys.executable, "-c", make, tmp_path / "copy.sqlite"], cwd=tmp_path, check=True, timeout=30)
    copy = peewee.SqliteDatabase(tmp_path / "copy.sqlite")
    with copy.connection_context():
        described = schema_of(copy)
    made = schema_of(migrated, but=history_of(migrated))
    assert [table for table in described if described[table] != made[table]] == ["transfer"]


def test_migrations_do_not_import_our_own_code() -> None:
    files = sorted((ROOT / "migrations").glob("*.py"))
    assert files
    for file in files:
        nodes = ast.walk(ast.parse(file.read_text()))
        names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
        assert names <= {"peewee"}, file.name
        text = file.read_text()
        assert "from models" not in text
        assert "from exchange" not in text


def test_every_table_of_the_models_is_in_all() -> None:
    assert set(database.Record.__subclasses__()) == set(equipment.ALL)


def test_a_new_installation_offers_the_kinds_of_the_guide(cast: Cast) -> None:
    filings = [kind.name for kind in DocumentKind.offered("filing")]
    assert filings[:2] == ["資格取得届", "資格喪失届"]
    assert (len(filings), DocumentKind.offered("statement").count()) == (11, 11)


def test_migrating_again_does_nothing(cast: Cast) -> None:
    runner = Runner(db, directory=str(ROOT / "migrations"))
    assert all(row.applied for row in runner.status())
    assert list(runner.up()) == []


def test_a_database_older_than_the_program_is_refused_until_it_is_migrated(instance: Path) -> None:
    older = peewee.SqliteDatabase(instance / "exchange.sqlite")
    with older.connection_context():
        older.execute_sql(f'DELETE FROM "{history_of(older)}"')
    with pytest.raises(NotConfigured, match="flask migrate"):
        installation.open_installation(instance, post())
    assert installation.open_installation(instance, post(), may_be_outdated=True).sealing


def test_the_command_brings_an_older_database_up_to_date(tmp_path: Path) -> None:
    """The real command: it starts the site before it can migrate, and the site must not refuse it for that."""
    folder, first = tmp_path / "instance", tmp_path / "migrations"
    installation.open_installation(folder, post())
    database.db.close()
    for file in folder.glob("exchange.sqlite*"):
        file.unlink()
    first.mkdir()
    shutil.copy(ROOT / "migrations" / "0001_initial.py", first)
    older = peewee.SqliteDatabase(folder / "exchange.sqlite")
    with older.connection_context():
        Runner(older, directory=str(first)).up()
    answers = [
        subprocess.run(
            [sys.executable, "-m", "flask", "migrate"],
            cwd=ROOT,
            env={**os.environ, "TODOKE_INSTANCE": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        for _ in range(2)
    ]
    assert [answer.returncode for answer in answers] == [0, 0], answers[0].stderr
    assert "0002_people" in answers[0].stdout
    assert answers[1].stdout.strip() == "nothing to do"


def test_the_database_is_opened_for_safety(cast: Cast) -> None:
    pragmas = {name: db.execute_sql(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
    assert pragmas == {
        "busy_timeout": 20_000,
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "secure_delete": 1,
        "trusted_schema": 0,
    }
    assert (Path(db.database).stat().st_mode & 0o777) == 0o600
