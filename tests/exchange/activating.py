"""What the tests of 有効化 share: an office at its counter, and the two kinds of VPN servers."""

from datetime import datetime
from typing import Any

import work
from database import db, utc_now
from equipment import ActivationRequest, Installer
from exchange import activations, jobs, visits
from exchange.actors import Actor
from models import Device, Mail, Office
from papers import Visit
from tests.exchange.codes import Built, Pc, built, code
from tests.people import Cast

ADDRESS = "203.0.113.7"


def at_counter(at: datetime | None = None) -> Actor:
    return Actor(address=ADDRESS, label="確認コードの窓口", at=at or utc_now())


def visit_of(office: Office, at: datetime | None = None) -> Visit:
    with db.atomic():
        token = visits.begin(at_counter(at), "activate", office)
    found = visits.find(token, "activate", at or utc_now())
    assert found is not None
    return found


def sends(built: Built, pc: Pc | None = None, at: datetime | None = None, **changed: Any) -> ActivationRequest:
    """Somebody of the installer's office sends the confirmation code of that PC."""
    office = Installer.get_by_id(built.installer.id).device.office
    return activations.request(at_counter(at), visit_of(office, at), code(built, pc, **changed))


def slot(office: Office, number: int) -> Device:
    device = Device.in_slot(office, number)
    assert device is not None
    return device


def fresh(row: Any) -> Any:
    return type(row).get_by_id(row.id)


def mailed(kind: str) -> list[str]:
    """Addresses that got such a mail, in order."""
    return [mail.to_address for mail in Mail.select().where(Mail.kind == kind).order_by(Mail.id)]


def run_vpn(app: Any) -> None:
    """What the loop of the VPN does, until nothing is due."""
    kinds = {"vpn": work.handlers(app)["vpn"]}
    while jobs.run_one(kinds, utc_now()):
        pass


def accepted(cast: Cast, number: int = 2) -> ActivationRequest:
    request = sends(built(cast.xyz, number))
    activations.accept(cast.dai, request)
    return request
