"""Fixtures for the rules alone."""

from pathlib import Path

import pytest

from exchange import scanner
from models import Mail, Office
from tests.exchange.offices import third_office
from tests.people import Cast


@pytest.fixture
def empty_outbox(cast: Cast) -> None:
    """As if the demonstration's making had mailed nobody."""
    Mail.delete().execute()


@pytest.fixture
def qrs(cast: Cast) -> Office:
    """A third office, with an address and no letter yet."""
    office = third_office()
    Office.update(postal_code="100-0002", address="東京都千代田区皇居外苑1-1").where(Office.id == office.id).execute()
    return Office.get_by_id(office.id)


@pytest.fixture
def clamd_at_work(cast: Cast, clamd: str) -> str:
    """The installation scans with a real clamd."""
    scanner.configure(clamd)
    return clamd


@pytest.fixture
def nobody_scans(cast: Cast, tmp_path: Path) -> str:
    """A scanner is configured, and doesn't answer."""
    address = str(tmp_path / "nobody")
    scanner.configure(address)
    return address
