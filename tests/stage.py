"""Everybody and everything at once: a principal of each kind, and a document in each state, of the own office and of a
foreign one.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app import create_app
from blueprints import auth
from database import db, utc_now
from exchange import archive_passwords, pickups, registrations, sessions
from exchange.actors import Actor, command_line
from exchange.permissions import OFFICE_WORDS
from exchange.registration_file import RegistrationFile, Row
from models import Device, Grant, Membership, Office, Transfer, User
from tests.people import Browser, Cast, aes_zip, filing, inspect, statement, uploads

FOREIGN_PASSWORD = "Foreign#Archive#2026"
ONE_WORD = tuple(f"only_{word}" for word in OFFICE_WORDS)
OVER = ("disabled", "ended", "closed")
GATED = ("jiro", "hanako_at_xyz")
OF_ABC = ("taro", "jun", "hanako", "wordless", *ONE_WORD)
OF_FUND = ("kiku", "ume", "clerk")
PRINCIPALS = ("stranger", "code_passed", *GATED, *OF_ABC, *OF_FUND, "dai", *OVER)
ONE_OF_EACH = ("stranger", "code_passed", *GATED, "taro", "hanako", "wordless", "kiku", "clerk", "dai", "disabled")
MISSING = "0" * 32  # an id that nothing has

# The document whose state lets the act succeed; "filing uploaded" for the others.
DOCUMENTS = {
    "files.pickup": "statement delivered",
    "files.move/delivery": "filing approved",
    "files.move/recall": "filing delivered",
    "inbox.detail": "filing delivered",
    "inbox.move/opening": "filing delivered",
    "inbox.move/completion": "filing received",
    "inbox.reject": "filing received",
    "inbox.download": "filing received",
    "inbox.open_entry": "filing received",
    "statements.move/delivery": "statement approved",
    "statements.move/recall": "statement delivered",
}


@dataclass
class Stage:
    """`transfers`: "filing uploaded" … → row; `foreign`: the same words → a row of the other office or not yet
    visible.
    """

    app: Flask
    cast: Cast
    members: dict[str, Membership] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    foreign: dict[str, Transfer] = field(default_factory=dict)

    def browser(self, name: str) -> Browser:
        """That principal's browser. The sessions of those whose time is over began before it was."""
        if name == "stranger":
            return Browser(self.app)
        if name == "code_passed":
            return self._code_passed()
        return Browser(self.app, self.members[name])

    def _code_passed(self) -> Browser:
        browser, taro = Browser(self.app), self.members["taro"]
        with browser.client.session_transaction() as cookie:
            cookie[auth.CODE_TOKEN] = sessions._start(Actor(taro, address="127.0.0.1"), taro, "code")
        return browser

    def holds(self, name: str, word: str) -> bool:
        return name in self.members and word in self.members[name].words()


@contextmanager
def opened(staged: tuple[Path, dict], folder: Path, **config: Any) -> Iterator[Stage]:
    """A stage in its own copy of the installation, for tests that share one."""
    shutil.copytree(staged[0], folder)
    app = create_app({"INSTANCE": folder, "TESTING": True, **config})
    with db.connection_context():
        yield build(app, Cast(staged[1]))
    db.close()


def build(app: Flask, cast: Cast) -> Stage:
    stage = Stage(app, cast)
    for name in ("taro", "jun", "hanako", "jiro", "hanako_at_xyz", "kiku", "ume", "dai"):
        stage.members[name] = cast.member(name)
    stage.members["wordless"] = _member(cast.abc, "staff", "noWords01")
    for word in OFFICE_WORDS:
        stage.members[f"only_{word}"] = _member(cast.abc, "staff", f"only{word.title()}", word)
    stage.members["clerk"] = _member(None, "fund", "clerkNo01")
    stage.members["disabled"] = _member(cast.abc, "staff", "disabled1", *OFFICE_WORDS)
    stage.members["ended"] = _member(cast.abc, "staff", "ended0001", *OFFICE_WORDS)
    _add_foreign_office(stage)
    _add_transfers(stage)
    return stage


def close_doors(stage: Stage) -> None:
    """Disable, end and close what OVER names; their browsers must have been opened before."""
    members = stage.members
    Membership.update(disabled_at=utc_now()).where(Membership.id == members["disabled"].id).execute()
    Membership.update(ended_at=utc_now()).where(Membership.id == members["ended"].id).execute()
    Office.update(closed_at=utc_now()).where(Office.id == members["closed"].office_id).execute()


def _member(office: Office | None, kind: str, login_id: str, *words: str) -> Membership:
    user = User.create(
        name=f"試験　{login_id}",
        kana="シケン　ハナ",
        mail=f"{login_id.lower()}@abc-shoji.example",
        password_set_at=utc_now(),
        is_initial_password=False,
    )
    member = Membership.create(user=user, office=office, login_id=login_id, kind=kind, ready_at=utc_now())
    for word in words:
        Grant.create(membership=member, word=word)
    return member


def _add_foreign_office(stage: Stage) -> None:
    """QRS物産: settled like ABC商事, with documents that nobody else may know of; `closed` is its admin."""
    values: dict[str, Any] = {
        "entered_on": "2026-04-01",
        "office_number": "00103",
        "name": "己原　三郎",
        "kana": "ツチハラ　サブロウ",
        "mail": "saburo@qrs-bussan.example",
        "login_id": "qrsSabu01",
        "office_name": "QRS物産株式会社",
        "device_limit": 1,
    }
    (office,) = registrations.register(command_line(), [RegistrationFile((Row(2, values),))])
    Device.update(state="active").where(Device.office == office).execute()
    admin = office.members().get()
    User.update(is_initial_password=False).where(User.id == admin.user_id).execute()
    Membership.update(ready_at=utc_now()).where(Membership.id == admin.id).execute()
    archive_passwords.keep(command_line(), office, FOREIGN_PASSWORD, version=1)
    stage.members["closed"] = Membership.get_by_id(admin.id)


def _add_transfers(stage: Stage) -> None:
    cast, own, foreign = stage.cast, stage.transfers, stage.foreign
    for state in ("uploaded", "approved", "delivered", "received", "completed", "rejected", "returned", "cancelled"):
        own[f"filing {state}"] = filing(cast, state)
    for state in ("uploaded", "approved", "delivered"):
        own[f"statement {state}"] = statement(cast, state)
    own["statement requested"] = statement(cast, "delivered")
    pickups.request_pickup(cast.taro, own["statement requested"])
    foreign["filing"] = inspect(uploads(Actor(stage.members["closed"]), aes_zip(FOREIGN_PASSWORD)))
    foreign["statement"] = statement(cast, "delivered")
    Transfer.update(office=foreign["filing"].office).where(Transfer.id == foreign["statement"].id).execute()


def routes(app: Flask) -> dict[str, Rule]:
    """`endpoint` or `endpoint/noun` → rule, for every rule there is."""
    found = {}
    for rule in app.url_map.iter_rules():
        nouns = re.search(r"<any\((.*)\):noun>", rule.rule)
        names = [f"/{noun}" for noun in re.findall(r"[\w-]+", nouns[1])] if nouns else [""]
        found.update({rule.endpoint + name: rule for name in names})
    return found


def method(rule: Rule) -> str:
    return "POST" if "POST" in rule.methods else "GET"


def address(stage: Stage, route: str, rule: Rule, uid: str | None = None) -> str:
    """Where the route is, about the document that suits it or about `uid`."""
    default = "statement uploaded" if route.startswith("statements.") else "filing uploaded"
    values = {
        "uid": uid or stage.transfers[DOCUMENTS.get(route, default)].uid,
        "office_uid": uid or stage.cast.abc.uid,
        "noun": route.partition("/")[2],
        "number": 0,
        "name": "20261123-000000-000000-00000000.eml",
        "filename": "app.css",
    }
    wanted = {name: values[name] for name in rule.arguments}
    return stage.app.url_map.bind("127.0.0.1").build(rule.endpoint, wanted, method(rule))
