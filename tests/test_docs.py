"""What an operator can set, run or make is written down, and what is written down exists."""

import hashlib
import re
from pathlib import Path

import click
from flask import Flask

from app import DEFAULTS

ROOT = Path(__file__).resolve().parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
FLASKS_OWN = {"run", "shell", "routes"}


def first_column(text: str, pattern: str) -> set[str]:
    """What stands in backquotes in the first cell of table rows and matches the pattern whole."""
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell) if re.fullmatch(pattern, name)}


def test_every_configuration_key_is_described_with_its_default() -> None:
    described = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`]*)` \|", OPERATIONS, re.MULTILINE))
    as_written = {key: f'"{value}"' if value == "" else str(value) for key, value in DEFAULTS.items()}
    assert described == as_written


def test_every_command_is_described_and_every_described_command_exists(app: Flask) -> None:
    described = {re.sub(r"( [A-Z_]+)+$", "", name) for name in first_column(OPERATIONS, r"flask .+")}
    assert described == {f"flask {name}" for name in command_names(app.cli)}


def test_every_make_target_is_described_and_every_described_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))
    assert first_column(README, r"make .+") == {f"make {name}" for name in targets}


def test_every_installed_package_stands_in_the_list_of_third_parties() -> None:
    pinned = re.findall(r"^([A-Za-z][\w-]*)==([\w.]+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    listed = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8").lower()
    missing = [f"{name} {version}" for name, version in pinned if f"{name} {version}".lower() not in listed]
    assert len(pinned) > 15
    assert missing == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def command_names(group: click.Group, prefix: str = "") -> set[str]:
    """`setup`, `audit verify` …: the commands of a group and of the groups in it, without Flask's own."""
    names: set[str] = set()
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            names |= command_names(command, f"{prefix}{name} ")
        elif prefix or name not in FLASKS_OWN:
            names.add(f"{prefix}{name}")
    return names


def test_every_vendored_file_is_the_one_that_was_published() -> None:
    folder = ROOT / "static" / "vendor"
    told = dict(
        re.findall(r"^  (?:file|licence) +(\S+) .*\n +sha256 ([0-9a-f]{64})$", (folder / "README").read_text(), re.M)
    )
    found = {path for path in folder.rglob("*") if path.is_file() and path.name != "README"}
    assert {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found} == told
