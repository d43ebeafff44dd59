"""Fixtures for the rules alone."""

import pytest

from models import Mail
from tests.people import Cast


@pytest.fixture
def empty_outbox(cast: Cast) -> None:
    """As if the demonstration's making had mailed nobody."""
    Mail.delete().execute()
