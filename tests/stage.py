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
from blueprints import auth, counters
from database import db, today, utc_now
from equipment import Handover, Installer
from exchange import (
    archive_passwords,
    documents,
    intake,
    invitations,
    letters,
    onetime,
    people,
    pickups,
    registration_file,
    registrations,
    sessions,
    vault,
    visits,
    vpn_orders,
)
from exchange.actors import Actor, command_line
from exchange.permissions import FUND_WORDS, OFFICE_WORDS
from exchange.registration_file import RegistrationFile, Row
from models import Device, Grant, Membership, Office, StoredObject, Transfer, User
from papers import Document, Letter, LetterBatch
from tests.exchange import activating
from tests.exchange.codes import built
from tests.people import Browser, Cast, aes_zip, filing, inspect, statement, uploads

FOREIGN_PASSWORD = "Foreign#Archive#2026"
ONE_WORD = tuple(f"only_{word}" for word in OFFICE_WORDS)
FUND_ONE_WORD = tuple(f"fund_{word}" for word in ("staff", "register", "publish", "audit", "settings"))
OVER = ("disabled", "ended", "invited", "closed")
# Whoever still owes a page of the first login: the office's, the own one, somebody else's, the authenticator's.
GATED = ("jiro", "fresh", "hanako_at_xyz", "newcomer")
OF_ABC = ("taro", "jun", "hanako", "wordless", *ONE_WORD)  # hanako works at XYZ工業 as well
OF_FUND = ("kiku", "ume", "clerk", *FUND_ONE_WORD)
OF_DESK = ("dai", "desk_unlock")
KEYS = ("key_abc", "key_xyz")  # strangers who have opened the download counter of ABC商事, of XYZ工業
SENDERS = ("sends_abc", "sends_xyz")  # strangers who have opened the counter for confirmation codes
PRINCIPALS = ("stranger", *KEYS, *SENDERS, "code_passed", *GATED, *OF_ABC, *OF_FUND, *OF_DESK, *OVER)
ONE_OF_EACH = (
    *("stranger", "key_abc", "sends_abc", "code_passed", *GATED, "taro", "hanako", "wordless"),
    *("kiku", "clerk", "fund_staff", "fund_register", "dai", "disabled"),
)
A_FEW = ("stranger", "key_abc", "fresh", "taro", "kiku", "dai")
MISSING = "0" * 32  # an id that nothing has

# The document whose state lets the act succeed; "filing uploaded" for the others.
DOCUMENTS = {
    "files.pickup": "statement delivered",
    "files.move/delivery": "filing approved",
    "files.move/recall": "filing delivered",
    "inbox.detail": "filing delivered",
    **dict.fromkeys(("inbox.inspection", "inbox.rescan"), "filing delivered"),
    "inbox.move/opening": "filing delivered",
    "inbox.move/completion": "filing received",
    "inbox.reject": "filing received",
    "inbox.download": "filing received",
    "inbox.open_entry": "filing received",
    "statements.move/delivery": "statement approved",
    "statements.move/recall": "statement delivered",
}

# What is done to a file of registrations; the rest of that room is about one that was filed online.
ON_FILES = ("file", "correct", "leave_out", "register", "discard")

# Rooms whose pages are about a person.
ABOUT = {"users": "target", "account": "invited"}


@dataclass
class Stage:
    """`members`: principals, and those whom an act can be about: `target` (ABC商事), `rei` (the admin of UVW商会, an
    office that has invited Hanako), `other_invited`. `transfers`: "filing uploaded" … → row; `foreign`: the same words
    → a row of the other office or not yet visible.
    """

    app: Flask
    cast: Cast
    members: dict[str, Membership] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    foreign: dict[str, Transfer] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)  # room or route → what it is about, if neither of these

    def browser(self, name: str) -> Browser:
        """That principal's browser. The sessions of those whose time is over began before it was."""
        if name == "stranger":
            return Browser(self.app)
        if name in (*KEYS, *SENDERS):
            office = self.cast.abc if name.endswith("abc") else self.cast.xyz
            return self._at_counter(office, "download" if name in KEYS else "activate")
        if name == "code_passed":
            return self._code_passed()
        return Browser(self.app, self.members[name])

    def _code_passed(self) -> Browser:
        browser, taro = Browser(self.app), self.members["taro"]
        with browser.client.session_transaction() as cookie:
            cookie[auth.CODE_TOKEN] = sessions._start(Actor(taro, address="127.0.0.1"), taro, "code")
        return browser

    def _at_counter(self, office: Office, purpose: str) -> Browser:
        browser = Browser(self.app)
        with db.atomic():
            actor = Actor(address="127.0.0.1", label=counters.LABELS[purpose])
            token = visits.begin(actor, purpose, office)
        with browser.client.session_transaction() as cookie:
            cookie[counters._key(purpose)] = token
        return browser

    def holds(self, name: str, word: str) -> bool:
        """Whether that principal holds the word, or is the 管理者 of an office if the word is "admin"."""
        if name not in self.members:
            return False
        return self.members[name].kind == "office_admin" if word == "admin" else word in self.members[name].words()


@contextmanager
def opened(staged: tuple[Path, dict], folder: Path, **config: Any) -> Iterator[Stage]:
    """A stage in its own copy of the installation, for tests that share one."""
    shutil.copytree(staged[0], folder)
    # Nothing is built on a stage; with or without makensis on the machine its pages say the same.
    app = create_app({"INSTANCE": folder, "TESTING": True, "MAKENSIS": "true", **config})
    with db.connection_context():
        yield build(app, Cast(staged[1]))
    db.close()


def build(app: Flask, cast: Cast) -> Stage:
    stage = Stage(app, cast)
    members = stage.members
    for name in ("taro", "jun", "hanako", "jiro", "hanako_at_xyz", "kiku", "ume", "dai"):
        members[name] = cast.member(name)
    members["wordless"] = _member(cast.abc, "staff", "noWords01")
    for word in OFFICE_WORDS:
        members[f"only_{word}"] = _member(cast.abc, "staff", f"only{word.title()}01", word)
    members["fresh"] = _at_first_login(_member(cast.abc, "staff", "fresh0001", *OFFICE_WORDS))
    members["disabled"] = _member(cast.abc, "staff", "disabled1", *OFFICE_WORDS)
    members["ended"] = _member(cast.abc, "staff", "ended0001", *OFFICE_WORDS)
    members["target"] = _with_authenticator(_member(cast.abc, "staff", "target001", "upload"))
    _add_funds_people(stage)
    members["closed"] = _foreign_admin("00103", "QRS物産株式会社", "qrsSabu01")
    members["rei"] = _foreign_admin("00104", "UVW商会株式会社", "uvwReiko1")
    members["invited"] = _invite(stage, "hanako", "srHanako9")
    members["other_invited"] = _invite(stage, "other_consultant", "srOther09")
    _add_transfers(stage)
    stage.others["letters"] = printable(stage.cast)
    _add_registrations(stage)
    stage.others["invitations"] = invitations.invite(cast.kiku, "案内先株式会社", "soumu@invited.example")
    _add_offers(stage)
    _add_activations(stage)
    taro, target = members["taro"], members["target"]
    stage.others["handovers"] = Handover.create(
        office=cast.abc, kind="planned", predecessor=taro, successor=target, asked_by=taro
    )
    Device.update(replaced_at=utc_now()).where(Device.office == cast.abc, Device.slot << (1, 2)).execute()
    for slot in range(4, 40):  # room for another user
        Device.create(office=cast.abc, slot=slot, state="active")
    return stage


def _add_offers(stage: Stage) -> None:
    """At the download counters: a document for every office, and for each of two its own, with an installer."""
    abc, xyz = stage.cast.abc, stage.cast.xyz
    stage.others["documents"] = _document(stage, "操作マニュアル")
    stage.others["download.document"] = _document(stage, "ABC商事の手順書", abc)
    stage.others["foreign document"] = _document(stage, "XYZ工業の手順書", xyz)
    for office in (abc, xyz):
        stored = _stored(b"MZ of " + office.uid.encode())
        installer = Installer.create(device=Device.in_slot(office, 1), stored=stored, uploaded_at=utc_now())
        stage.others.setdefault("installer", installer)
    again = {"device": Device.in_slot(abc, 2), "stored": _stored(b"MZ made elsewhere")}
    stage.others["activations.by_hand"] = Installer.create(**again, uploaded_at=utc_now(), fetched_at=utc_now())


def _add_activations(stage: Stage) -> None:
    """A confirmation code that waits for the desk, and a PC that the VPN server is to shut out."""
    xyz = stage.cast.xyz
    stage.others["activations"] = activating.sends(built(xyz, 2))
    with db.atomic():
        stage.others["activations.complete"] = vpn_orders.ask(stage.cast.dai, Device.in_slot(xyz, 1), is_on=False)


def _document(stage: Stage, label: str, *offices: Office) -> Document:
    with documents.Pdf() as file:
        file.write(b"%PDF-1.7 " + label.encode())
        return documents.publish(stage.cast.kiku, file, documents.Slip(label, today(), offices or None))


def _stored(data: bytes) -> StoredObject:
    with vault.Receiving() as receiving:
        receiving.write(data)
        return receiving.finish().keep()


def close_doors(stage: Stage) -> None:
    """Disable, end and close what OVER names (the invited has never been in); their browsers must have been opened
    before.
    """
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


def _at_first_login(member: Membership) -> Membership:
    User.update(is_initial_password=True).where(User.id == member.user_id).execute()
    Membership.update(ready_at=None).where(Membership.id == member.id).execute()
    return Membership.get_by_id(member.id)


def _with_authenticator(member: Membership) -> Membership:
    """With an authenticator that nobody has in hand."""
    secret, at = onetime.new_totp_secret(), utc_now()
    assert onetime.set_totp(member.user, secret, onetime.totp_now(secret, at), at)
    return Membership.get_by_id(member.id)


def _add_funds_people(stage: Stage) -> None:
    """And one of the desk's. `clerk` holds no word at all; `newcomer` has no authenticator yet."""
    stage.members["desk_unlock"] = _with_authenticator(_member(None, "desk", "deskUnlock1", "unlock"))
    for name in ("clerk", *FUND_ONE_WORD):
        words = name.partition("_")[2:] if name != "clerk" else ()
        stage.members[name] = _with_authenticator(_member(None, "fund", name.replace("_", "") + "01", *words))
    stage.members["newcomer"] = _at_first_login(_member(None, "fund", "newcomer1", *FUND_WORDS))


def _foreign_admin(number: str, name: str, login_id: str) -> Membership:
    """The admin of an office settled like ABC商事, of whose people and documents nobody else may know."""
    values: dict[str, Any] = {
        "entered_on": "2026-04-01",
        "office_number": number,
        "name": f"己原　{login_id}",
        "kana": "ツチハラ　サブロウ",
        "mail": f"{login_id.lower()}@{number}.example",
        "login_id": login_id,
        "office_name": name,
        "device_limit": 1,
    }
    (office,) = registrations.register(command_line(), [RegistrationFile((Row(2, values),))])
    Device.update(state="active").where(Device.office == office).execute()
    admin = office.members().get()
    User.update(is_initial_password=False).where(User.id == admin.user_id).execute()
    Membership.update(ready_at=utc_now()).where(Membership.id == admin.id).execute()
    archive_passwords.keep(command_line(), office, FOREIGN_PASSWORD, version=1)
    return Membership.get_by_id(admin.id)


def _invite(stage: Stage, name: str, own_login_id: str) -> Membership:
    """A place at UVW商会 that waits for the answer of a consultant of ABC商事."""
    if name not in stage.members:
        stage.members[name] = _member(stage.cast.abc, "consultant", "srOther01")
    home = stage.members[name]
    rei = Actor(stage.members["rei"])
    return people.link(rei, home.office.contract_number, home.login_id, own_login_id, ("upload",))


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


def printable(cast: Cast) -> LetterBatch:
    """A batch with the letter of XYZ工業, that a clerk has saved and not yet confirmed."""
    at = utc_now()
    times = {"ready_at": at, "downloaded_at": at, "expires_at": at + letters.PDF_KEPT}
    kiku, stored = cast.member("kiku"), _stored(b"%PDF-1.7\n%%EOF\n")
    batch = LetterBatch.create(state="ready", made_by=kiku, made_at=at, stored=stored, **times)
    Letter.create(batch=batch, office=cast.xyz, position=1, issued_at=at)
    return batch


def _add_registrations(stage: Stage) -> None:
    """A file with one row (`row`), and a registration that was filed online."""
    cells = [f"{today():%Y/%m/%d}", "00105", "試験 五郎", "シケン ゴロウ", "g@new.example", "shiken005", "五郎商会"]
    data = registration_file.blank_form() + ",".join([*cells, "1"]).encode()
    file = intake.receive(stage.cast.kiku, data, "登録届.csv", "", "token of the stage")
    stage.others.update(dict.fromkeys((f"registrations.{act}" for act in ON_FILES), file))
    stage.others["row"] = file.registrations.get()
    invitation = invitations.invite(stage.cast.kiku, "六郎商会", "soumu@filed.example")
    cells[1] = "00106"
    stage.others["registrations"] = intake.file_online(Actor(label="登録届の窓口"), invitation, [*cells, "1"], "", "")


def routes(app: Flask) -> dict[str, Rule]:
    """`endpoint` or `endpoint/noun` → rule, for every rule there is."""
    found = {}
    for rule in app.url_map.iter_rules():
        nouns = re.search(r"<any\((.*)\):(?:noun|name)>", rule.rule)
        names = [f"/{noun}" for noun in re.findall(r"[\w-]+", nouns[1])] if nouns else [""]
        found.update({rule.endpoint + name: rule for name in names})
    return found


def method(rule: Rule) -> str:
    return "POST" if "POST" in rule.methods else "GET"


def about_nothing(app: Flask, rule: Rule) -> str:
    """An address of that rule, with ids that nothing has."""
    values: dict[str, Any] = {name: 0 if f"int:{name}>" in rule.rule else MISSING for name in rule.arguments}
    values |= {name: word for word, name in re.findall(r"any\('([\w-]+)'.*\):(\w+)>", rule.rule)}
    return app.url_map.bind("127.0.0.1").build(rule.endpoint, values, method(rule))


def address(stage: Stage, route: str, rule: Rule, uid: str | None = None) -> str:
    """Where the route is, about the document or the person that suits it or about `uid`."""
    values = {
        "uid": uid or suitable(stage, route).uid,
        "office_uid": uid or stage.cast.abc.uid,
        "noun": route.partition("/")[2],
        "word": "cancel",
        "number": 0,
        "slot": 2 if route.startswith(("devices.", "activations.")) else 1,  # slot 1 of ABC商事 is being handed over
        "row_uid": stage.others["row"].uid,
        "name": route.partition("/")[2] or "20261123-000000-000000-00000000.eml",
        "filename": "app.css",
    }
    wanted = {name: values[name] for name in rule.arguments}
    return stage.app.url_map.bind("127.0.0.1").build(rule.endpoint, wanted, method(rule))


def suitable(stage: Stage, route: str) -> Any:
    """What the route is asked about unless told otherwise."""
    room = route.partition(".")[0]
    for name in (route, room):
        if name in stage.others:
            return stage.others[name]
    if room in ABOUT:
        return stage.members[ABOUT[room]]
    default = "statement uploaded" if room == "statements" else "filing uploaded"
    return stage.transfers[DOCUMENTS.get(route, default)]
