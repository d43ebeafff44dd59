"""deploy/nginx.conf against the routes: the site's forms get through, and no file is laid on the disk on its way."""

import re
from pathlib import Path

from flask import Flask

from blueprints.uploads import FORM_SLACK
from exchange import addresses, registration_file
from tests.stage import about_nothing, method

CONF = Path(__file__).resolve().parent.parent / "deploy" / "nginx.conf"
SIZES = {"m": 2**20, "k": 2**10}
IN_MEMORY = {"letters.import_addresses": addresses.FILE_BYTES, "registrations.receive": registration_file.FILE_BYTES}


def locations() -> list[tuple[str, str]]:
    """(regular expression, or the beginning of a path; what stands inside) of each location, as nginx asks them."""
    found = re.findall(r"location (~ )?(\S+) \{\n(.*?)\n    \}", CONF.read_text(encoding="utf-8"), re.DOTALL)
    ordered = sorted(found, key=lambda one: not one[0])  # regular expressions go before beginnings
    return [(pattern if tilde else f"^{pattern}", inside) for tilde, pattern, inside in ordered]


def location_of(path: str) -> str:
    return next(inside for pattern, inside in locations() if re.search(pattern, path))


def size(inside: str, setting: str) -> int:
    """In bytes: of that location, or else of the whole site."""
    words = rf"\n *{setting} (\d+)([mk]);"
    said = re.search(words, f"\n{inside}") or re.search(words, CONF.read_text(encoding="utf-8"))
    assert said is not None
    return int(said[1]) * SIZES[said[2]]


def posts(app: Flask) -> dict[str, str]:
    """Endpoint → an address of it."""
    return {rule.endpoint: about_nothing(app, rule) for rule in app.url_map.iter_rules() if method(rule) == "POST"}


def test_every_form_that_takes_files_has_a_location_that_lets_them_through(app: Flask) -> None:
    takers = {name for name in posts(app) if hasattr(app.view_functions[name], "make_sink")}
    assert {"files.upload", "documents.publish", *IN_MEMORY} <= takers
    for name in takers:
        largest = IN_MEMORY.get(name, app.config["MAX_FILE_BYTES"]) + FORM_SLACK
        assert size(location_of(posts(app)[name]), "client_max_body_size") >= largest, name


def test_no_other_form_gets_more_than_a_megabyte(app: Flask) -> None:
    for name, path in posts(app).items():
        if not hasattr(app.view_functions[name], "make_sink"):
            assert size(location_of(path), "client_max_body_size") == 2**20, name


def test_no_body_is_laid_on_the_disk_of_the_server() -> None:
    for pattern, inside in locations():
        is_handed_through = "proxy_request_buffering off;" in inside
        fits = size(inside, "client_body_buffer_size") >= size(inside, "client_max_body_size")
        assert is_handed_through or fits, pattern
