"""The cast of every test: the guide's three users and their neighbours, in an installation copied for each test."""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import work
from database import utc_now
from exchange import archives, arrivals, inspections, jobs, postman, sessions, statements, transfers, vault
from exchange.actors import Actor, system
from models import FILING, STATEMENT, DocumentKind, Membership, Office, Transfer

LOGIN_IDS = {
    "taro": "abcTaro01",  # 利用者A: office admin of ABC商事, every word
    "jun": "abcJun001",  # 利用者B: staff of ABC商事, every word
    "hanako": "srHanako1",  # 利用者C: consultant at ABC商事, all but approve and deliver
    "jiro": "xyzJiro01",  # office admin of XYZ工業, has not logged in yet
    "hanako_at_xyz": "srHanako2",  # 利用者C's place in XYZ工業
    "kiku": "kikinKiku",  # fund clerk, every word
    "ume": "kikinUme1",  # fund clerk: prepare, check, send, receive
    "dai": "deskDai01",  # service desk
}
FIRST_LOGIN_OPEN = ("jiro", "hanako_at_xyz")


@dataclass
class Cast:
    """Everybody by first name, and the secrets of the demonstration they come from."""

    made: dict[str, Any]

    def member(self, name: str) -> Membership:
        return Membership.get(Membership.login_id == LOGIN_IDS[name])

    def __getattr__(self, name: str) -> Actor:
        """`cast.taro`: the person as an actor, now."""
        return Actor(self.member(name), address="192.0.2.10")

    @property
    def abc(self) -> Office:
        return Office.get(Office.office_number == "00101")

    @property
    def xyz(self) -> Office:
        return Office.get(Office.office_number == "00102")

    @property
    def archive_password(self) -> str:
        return self.made["offices"][0]["archive_password"]

    def secrets(self, name: str) -> dict[str, Any]:
        """What `flask demo --json` tells of that person: password, totp_secret …"""
        users = [user for office in self.made["offices"] for user in office["users"]]
        return next(one for one in [*users, *self.made["staff"]] if one["login_id"] == LOGIN_IDS[name])


def aes_zip(password: str, files: dict[str, bytes] | None = None) -> bytes:
    """A small AES-256 ZIP; tests of the judge itself make theirs with other programs."""
    out = io.BytesIO()
    with archives.Packer(out, password) as packer:
        for name, content in (files or {"資格取得届.csv": "氏名\r\n甲野\r\n".encode("cp932")}).items():
            with packer.open(name) as entry:
                entry.write(content)
    return out.getvalue()


def received(data: bytes) -> vault.Receiving:
    receiving = vault.Receiving()
    receiving.write(data)
    return receiving


def uploads(actor: Actor, data: bytes, name: str = "届書.zip", token: str = "", **more: Any) -> Transfer:
    """A filing of the actor's office, not yet inspected."""
    kind = DocumentKind.named(FILING, "acquisition")
    slip = arrivals.Slip(kind, name, "2026-11", "", token or utc_now().isoformat())
    with received(data) as receiving:
        return arrivals.upload(actor, receiving, slip, **more)


def inspect(transfer: Transfer) -> Transfer:
    inspections.run(system(), transfer.id, archives.Limits(), lambda done, total: None)
    return transfer


def filing(cast: Cast, state: str = "uploaded", by: str = "hanako") -> Transfer:
    """An inspected filing of ABC商事, moved to a state by verbs alone."""
    transfer = inspect(uploads(getattr(cast, by), aes_zip(cast.archive_password)))
    steps = {
        "uploaded": [],
        "approved": ["approve"],
        "delivered": ["approve", "deliver"],
        "received": ["approve", "deliver", "receive"],
        "completed": ["approve", "deliver", "receive", "complete"],
        "rejected": ["approve", "deliver", "receive", "reject"],
        "returned": ["send_back"],
        "cancelled": ["cancel"],
    }[state]
    for step in steps:
        actor = cast.kiku if step in ("receive", "complete", "reject") else cast.taro
        reason = ["生年月日が違います"] if step in ("send_back", "reject") else []
        getattr(transfers, step)(actor, transfer, *reason)
    return transfer


def statement(cast: Cast, state: str = "uploaded", by: str = "kiku") -> Transfer:
    """An inspected statement for ABC商事, moved to uploaded, approved or delivered."""
    packing = statements.Packing(cast.abc)
    with packing.open("決定通知書.pdf") as entry:
        entry.write(b"%PDF-1.7\n%%EOF\n")
    kind = DocumentKind.named(STATEMENT, "decision")
    slip = arrivals.Slip(kind, "決定通知書.zip", "", "", utc_now().isoformat())
    transfer = inspect(statements.prepare(getattr(cast, by), packing, slip))
    for step in {"uploaded": (), "approved": ("approve",), "delivered": ("approve", "deliver")}[state]:
        getattr(transfers, step)(cast.kiku, transfer)
    return transfer


def run_jobs(app: Flask) -> None:
    """What the worker would do, until nothing is due: inspections, codes, mails."""
    handlers, chores = work.handlers(app), work.chores()
    while jobs.run_one(handlers, utc_now()) | chores():
        pass


class Browser:
    """A person's browser without JavaScript: keeps cookies, takes the CSRF token from the page it is on."""

    def __init__(self, app: Flask, member: Membership | None = None) -> None:
        self.client: FlaskClient = app.test_client()
        if member is not None:
            token = sessions._start(Actor(member, address="127.0.0.1"), member, "in")
            with self.client.session_transaction() as cookie:
                cookie["_user_id"] = token

    def get(self, url: str, **more: Any) -> TestResponse:
        return self.client.get(url, **more)

    def post(self, url: str, data: dict[str, Any] | None = None, page: str | None = None, **more: Any) -> TestResponse:
        """Send a form; `page` is where it stands, if its own URL has no page."""
        return self.client.post(url, data={"csrf_token": self.csrf(page or url), **(data or {})}, **more)

    def csrf(self, page: str) -> str:
        return self.field(page, "csrf_token")

    def field(self, page: str, name: str) -> str:
        """The value of a hidden field on a page."""
        html = self.client.get(page, follow_redirects=True).text
        found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', html) or re.search(
            rf'value="([^"]*)"[^>]*name="{name}"', html
        )
        assert found, f"{page} has no field {name}"
        return found[1]


def mails(folder: Path) -> list[dict[str, Any]]:
    """The .eml files of a demonstration, newest first."""
    return [postman.read_eml(folder / name) for name in postman.eml_names(folder)]


def told(app: Flask, subject: str = "") -> set[tuple[str, str]]:
    """Who has been mailed what (address, subject without the service's name), after the worker has done its work; only
    mails of that subject, if told one.
    """
    run_jobs(app)
    sent = mails(Path(app.instance_path) / "mail")
    pairs = {(mail["to"], mail["subject"].partition("】")[2]) for mail in sent}
    return {(to, what) for to, what in pairs if subject in what}


def logged(transfer: Transfer) -> list[str]:
    """The actions in the audit about a transfer, oldest first."""
    return [entry.action for entry in transfer.timeline()]


def state(transfer: Transfer) -> str:
    return Transfer.get_by_id(transfer.id).state


def in_vault(app: Flask) -> list[str]:
    """Every file that lies in the vault, finished or not."""
    return sorted(path.name for path in (Path(app.instance_path) / "vault").rglob("*") if path.is_file())
