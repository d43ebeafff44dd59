"""A third office beside those of the demonstration, and the people of several offices."""

from typing import Any

from exchange import people, registrations
from exchange.actors import Actor, command_line
from exchange.permissions import CONSULTANT_WORDS
from exchange.registration_file import RegistrationFile, Row
from models import AuditEntry, Device, Membership, Office
from tests.people import LOGIN_IDS, Cast


def third_office() -> Office:
    """QRS物産: registered, its one device active, its people not yet come."""
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
    return office


def admin_of(office: Office) -> Actor:
    return Actor(Membership.get(Membership.office == office, Membership.kind == "office_admin"))


def link(cast: Cast, actor: Actor, own_id: str = "srHanako3", words: Any = CONSULTANT_WORDS) -> Membership:
    """That admin asks Hanako of ABC商事."""
    return people.link(actor, cast.abc.contract_number, LOGIN_IDS["hanako"], own_id, words)


def said(action: str) -> list[dict[str, Any]]:
    """The facts of every entry of that action, oldest first."""
    return [entry.details for entry in AuditEntry.select().where(AuditEntry.action == action)]
