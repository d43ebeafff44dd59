"""Fixtures for the rules alone."""

import pytest

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
