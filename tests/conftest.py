"""Fixtures: one installation with its cast, made once and copied for each test."""

import json
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from flask import Flask, Response

from app import create_app, move_to
from database import db
from exchange import installation
from tests.clamd import clamd  # noqa: F401 — a fixture
from tests.exchange.vpn_server import server  # noqa: F401 — a fixture
from tests.people import Browser, Cast
from tests.wine import machine, pc  # noqa: F401 — fixtures


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A demonstration as `flask demo` makes it; never opened again, only copied."""
    folder = tmp_path_factory.mktemp("staged") / "instance"
    made = create_app({"INSTANCE": folder}).test_cli_runner().invoke(args=["demo", "--json"])
    assert made.exit_code == 0, made.output
    db.close()
    return folder, json.loads(made.output)


@pytest.fixture
def instance(staged: tuple[Path, dict], tmp_path: Path) -> Path:
    """The folder of this test's installation."""
    folder = tmp_path / "instance"
    shutil.copytree(staged[0], folder)
    return folder


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The site, made once for all tests of a process: its routes and templates take longer to make than most tests."""
    return create_app({"INSTANCE": tmp_path_factory.mktemp("site"), "TESTING": True, "MAKENSIS": ""})


@pytest.fixture
def app(shared_app: Flask, instance: Path) -> Iterator[Flask]:
    """The site on a fresh copy, with the database open for the test itself; it writes mails to instance/mail.

    It builds no installers, as on a machine without makensis: tests that are about them take the site with it.
    """
    config = deepcopy(dict(shared_app.config))
    move_to(shared_app, instance)
    with db.connection_context():
        yield shared_app
    db.close()
    shared_app.config.clear()
    shared_app.config.update(config)


@pytest.fixture
def cast(app: Flask, staged: tuple[Path, dict]) -> Cast:
    return Cast(staged[1])


@pytest.fixture
def browser(app: Flask, cast: Cast) -> Callable[[str], Browser]:
    """`browser("taro")`: Taro's browser, logged in; `browser("")`: a stranger's."""
    return lambda name: Browser(app, cast.member(name) if name else None)


@pytest.fixture
def heard(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The headers and texts of every answer from now on, whoever asked."""
    texts: list[str] = []

    def listen(response: Response) -> Response:
        texts.append(str(response.headers))
        if not response.is_streamed and response.mimetype.startswith("text/"):
            texts.append(response.get_data(as_text=True))
        return response

    monkeypatch.setitem(app.after_request_funcs, None, [*app.after_request_funcs[None], listen])
    return texts


@pytest.fixture
def demo_file(instance: Path) -> Path:
    return instance / installation.DEMO
