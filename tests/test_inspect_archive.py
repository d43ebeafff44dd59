"""`flask inspect-archive` where a scanner for malware is configured."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from app import create_app
from exchange import scanner
from tests.clamd import EICAR, NAME
from tests.exchange.archive_writer import CSV, PASSWORD, Item, made


@pytest.fixture
def infected(tmp_path: Path) -> Path:
    path = tmp_path / "届書.zip"
    path.write_bytes(made(Item("a.csv", EICAR), Item("b.txt", EICAR, "ZipCrypto"), Item("c.csv", CSV)))
    return path


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    scanner.configure("")


def inspected(tmp_path: Path, clamd: str, archive: Path) -> Result:
    app: Flask = create_app({"INSTANCE": tmp_path / "instance", "CLAMD": clamd})
    return app.test_cli_runner().invoke(args=["inspect-archive", str(archive), "--password", PASSWORD, "--json"])


def test_malware_is_found_in_both_ciphers_and_not_beside_it(tmp_path: Path, clamd: str, infected: Path) -> None:
    done = inspected(tmp_path, clamd, infected)
    told = json.loads(done.output)
    assert (done.exit_code, told["verdict"]) == (1, "reject")
    found = {(one["code"], one["entry"]) for one in told["findings"]}
    assert found == {("MALWARE", "a.csv"), ("MALWARE", "b.txt"), ("ZIPCRYPTO", "b.txt")}
    assert all(NAME in one["message"] for one in told["findings"] if one["code"] == "MALWARE")
    assert set(told) == {"file", "verdict", "findings", "entries"}


def test_a_scanner_that_is_away_is_a_warning(tmp_path: Path, infected: Path) -> None:
    done = inspected(tmp_path, str(tmp_path / "nobody"), infected)
    told = json.loads(done.output)
    assert (done.exit_code, told["verdict"]) == (0, "warn")
    assert {one["code"] for one in told["findings"]} == {"NOT_SCANNED", "ZIPCRYPTO"}


def test_without_a_scanner_nothing_is_said_of_one(tmp_path: Path, infected: Path) -> None:
    told = json.loads(inspected(tmp_path, "", infected).output)
    assert [one["code"] for one in told["findings"]] == ["ZIPCRYPTO"]
