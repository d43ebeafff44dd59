"""At the download counter, for the tests of its rules."""

from datetime import UTC, datetime

import pytest

from exchange import counter, credentials, visits
from exchange.actors import Actor
from exchange.errors import Refused
from models import AuditEntry, Office
from papers import Visit

NOON = datetime(2026, 11, 24, 3, tzinfo=UTC)  # in Japan
NOBODY = "7654321-87654321"  # no office's contract number


def stranger(at: datetime = NOON, address: str = "192.0.2.50") -> Actor:
    return Actor(address=address, at=at.astimezone(UTC), label="ダウンロードの窓口")


def with_key(office: Office, key: str | None, number: str = "") -> Office:
    """As if the office had got a letter with that key."""
    columns = {"download_key_hash": credentials.hash_secret(key) if key else None}
    if number:
        columns["contract_number"] = number
    Office.update(columns).where(Office.id == office.id).execute()
    return Office.get_by_id(office.id)


def opens(office: Office, password: str, at: datetime = NOON, **where: str) -> Visit:
    token = counter.open_counter(stranger(at, **where), office.contract_number, password)
    visit = visits.find(token, "download", at.astimezone(UTC))
    assert visit is not None
    return visit


def sentence(number: str, password: str, at: datetime = NOON, **where: str) -> str:
    """What the counter says when it refuses."""
    with pytest.raises(Refused) as refused:
        counter.open_counter(stranger(at, **where), number, password)
    return refused.value.message


def entries(action: str = "download") -> list[tuple[str, str, Office | None]]:
    found = AuditEntry.select().where(AuditEntry.action.startswith(action)).order_by(AuditEntry.number)
    return [(entry.action, entry.details.get("why", ""), entry.office) for entry in found]
