"""Where files go: whoever may not send them is told so before a byte of them is read."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from exchange.errors import Forbidden
from models import Grant
from tests.people import Browser, Cast
from tests.stage import MISSING

WORDS = {
    "documents.publish": ("kiku", {}),
    "letters.import_addresses": ("kiku", {}),
    "registrations.receive": ("kiku", {}),
    "installers.upload": ("dai", {"office_uid": MISSING, "slot": 1}),
}


@pytest.mark.parametrize("endpoint", WORDS)
def test_the_sink_itself_asks_for_the_permission(
    app: Flask, cast: Cast, browser: Callable[[str], Browser], endpoint: str
) -> None:
    name, values = WORDS[endpoint]
    make_sink: Any = app.view_functions[endpoint].make_sink  # type: ignore[attr-defined]
    person = browser(name)
    Grant.delete().where(Grant.membership == cast.member(name)).execute()
    with person.client:
        person.get("/")  # whose request stays until the block ends
        with pytest.raises(Forbidden):
            make_sink(**values)
