"""Who gets which answer from which route: the whole address book (answers.txt) against every kind of person."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from database import db
from models import ALL
from tests import stage as staging
from tests.people import Browser
from tests.stage import MISSING, Stage, address, method, routes

ADDRESSES = Path(__file__).with_name("routes.txt")
ANSWERS = Path(__file__).with_name("answers.txt")
COLUMNS = ("words", "out", "jiro", "wait", "office", "fund", "desk", "over")

# What the columns cannot say.
EXCEPTIONS = {
    ("auth.password", "code_passed"): "200",
    ("auth.log_in", "code_passed"): "422",
    ("files.move/cancellation", "only_cancel"): "403",  # another person's filing takes 承認 as well
    ("admin.index", "clerk"): ">status.index",  # the one page of the fund that takes no word
    ("office.register", "taro"): "409",  # it is done; the others of the office are not its admin
}

PAIR = {"contract_number": "1234567-12345678", "login_id": "nobody001"}
WORDS = "Kawa-no-Nagare-7"
FORMS: dict[str, dict[str, Any]] = {
    "onetime.request_code": PAIR,
    "auth.identify": PAIR,
    "auth.log_in": {"login_id": "abcTaro01", "password": "not the one"},
    "auth.confirm_mail": {"code": "00000000"},
    "admin.log_in": {"login_id": "kikinKiku", "password": "not the one", "code": "000000"},
    "files.send_back": {"reason": "生年月日が違います"},
    "files.selection": {"verb": "approval"},
    "inbox.reject": {"reason": "押印がありません"},
    "office.register": {"archive_password": WORDS, "archive_password_again": WORDS, "understood": "y"},
    "office.test_archive": {"archive_password": WORDS, "archive_password_again": WORDS},
    "office.register_user": {
        "name": "甲野　太郎",
        "kana": "コウノ　タロウ",
        "mail": "new@abc-shoji.example",
        "password": WORDS,
        "password_again": WORDS,
    },
}


class Undo(Exception):
    """Takes back what a request did."""


@pytest.fixture(scope="module")
def stage(staged: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One stage for the whole file, since every request is undone. The CSRF check has a file of its own."""
    folder = tmp_path_factory.mktemp("routes") / "instance"
    with staging.opened(staged, folder, WTF_CSRF_ENABLED=False) as stage:
        yield stage


@pytest.fixture(scope="module")
def browsers(stage: Stage) -> dict[str, Browser]:
    """Everybody's, opened while all of them could still log in."""
    opened = {name: stage.browser(name) for name in staging.PRINCIPALS}
    staging.close_doors(stage)
    return opened


@cache
def answers() -> dict[str, dict[str, str]]:
    """Route (with its noun) → column → answer."""
    lines = [line.split() for line in ANSWERS.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    assert lines.pop(0) == ["route", *COLUMNS]
    return {route: dict(zip(COLUMNS, cells, strict=True)) for route, *cells in lines}


def ask(browser: Browser, route: str, rule: Rule, url: str) -> TestResponse:
    """One request, whose traces in the database and in the cookies are taken back."""
    cookies = browser.client._cookies.copy()
    try:
        with db.atomic():
            answer = browser.client.open(url, method=method(rule), data=dict(FORMS.get(route, {})))
            assert answer.data is not None
            answer.close()
            raise Undo
    except Undo:
        browser.client._cookies = cookies
    return answer


def shape(stage: Stage, answer: TestResponse) -> str:
    """The answer as answers.txt writes it."""
    if answer.status_code != 303:
        return str(answer.status_code)
    endpoint, _ = stage.app.url_map.bind("127.0.0.1").match(answer.location.partition("?")[0])
    return f">{endpoint}"


def expected(stage: Stage, route: str, name: str) -> str:
    if (route, name) in EXCEPTIONS:
        return EXCEPTIONS[route, name]
    row = answers()[route]
    columns = {"stranger": "out", "code_passed": "out", "jiro": "jiro", "hanako_at_xyz": "wait", "dai": "desk"}
    columns |= dict.fromkeys(staging.OF_ABC, "office") | dict.fromkeys(staging.OF_FUND, "fund")
    column = columns.get(name, "over")
    words = row["words"]
    if words == "-" or column not in ("office", "fund"):
        return row[column]
    enough = any if "|" in words else all
    return row[column] if enough(stage.holds(name, word) for word in re.split(r"[+|]", words)) else "403"


def test_every_route_stands_in_the_table(stage: Stage) -> None:
    assert set(routes(stage.app)) == set(answers()), "say in tests/answers.txt who gets which answer"


def test_the_address_book_is_the_one_that_letters_and_bookmarks_rely_on(stage: Stage) -> None:
    rules = sorted((rule.rule, method(rule)) for rule in stage.app.url_map.iter_rules())
    assert [f"{verb:<4} {path}" for path, verb in rules] == ADDRESSES.read_text(encoding="utf-8").splitlines()


def test_no_endpoint_both_reads_and_writes(stage: Stage) -> None:
    mixed = [rule.rule for rule in stage.app.url_map.iter_rules() if {"GET", "POST"} <= rule.methods]
    other = [rule.rule for rule in stage.app.url_map.iter_rules() if rule.methods - {"GET", "HEAD", "OPTIONS", "POST"}]
    assert mixed + other == []


@pytest.mark.parametrize("name", staging.PRINCIPALS)
def test_everybody_gets_the_answer_of_the_table(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    wrong = [
        f"{method(rule)} {route}: {seen} instead of {wanted}"
        for route, rule in routes(stage.app).items()
        if (seen := shape(stage, ask(browsers[name], route, rule, address(stage, route, rule))))
        != (wanted := expected(stage, route, name))
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "wordless", "only_approve", "kiku", "clerk", "dai"])
def test_what_one_may_not_know_of_is_like_what_does_not_exist(
    stage: Stage, browsers: dict[str, Browser], name: str
) -> None:
    documents, foreign = stage.transfers, stage.foreign
    unknown = {
        "files": [foreign["filing"], foreign["statement"], documents["statement uploaded"]],
        "inbox": [documents["filing uploaded"], foreign["filing"], documents["statement delivered"]],
        "statements": [documents["filing delivered"], foreign["filing"]],
    }
    for route, rule in routes(stage.app).items():
        if "uid" not in rule.arguments:
            continue
        missing = ask(browsers[name], route, rule, address(stage, route, rule, MISSING))
        assert missing.status_code in {404, 403 if expected(stage, route, name) == "403" else 404}, route
        for document in unknown[route.partition(".")[0]]:
            answer = ask(browsers[name], route, rule, address(stage, route, rule, document.uid))
            assert (answer.status_code, plain(answer)) == (missing.status_code, plain(missing)), route


def test_no_office_is_known_by_another_id_than_its_own(stage: Stage, browsers: dict[str, Browser]) -> None:
    for route in ("statements.form", "statements.prepare"):
        rule = routes(stage.app)[route]
        for uid in (MISSING, stage.transfers["filing uploaded"].uid, stage.cast.abc.contract_number):
            assert ask(browsers["kiku"], route, rule, address(stage, route, rule, uid)).status_code == 404


@pytest.mark.parametrize("name", staging.ONE_OF_EACH)
def test_a_get_changes_nothing_but_audit_and_sessions(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    before = contents()
    for route, rule in routes(stage.app).items():
        for uid in [None, MISSING, *(row.uid for row in stage.transfers.values() if "uid" in rule.arguments)]:
            if method(rule) == "GET":
                with browsers[name].get(address(stage, route, rule, uid)) as answer:
                    assert answer.status_code < 500
    assert contents() == before


@pytest.mark.parametrize("name", ["stranger", "jiro", "taro", "kiku", "dai"])
def test_no_other_method_gets_anything(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    by_path: dict[str, set[str]] = {}
    for rule in stage.app.url_map.iter_rules():
        by_path.setdefault(rule.rule, set()).add(method(rule))
    for route, rule in routes(stage.app).items():
        for verb in {"GET", "POST", "PUT", "DELETE", "PATCH"} - by_path[rule.rule]:
            answer = browsers[name].client.open(address(stage, route, rule), method=verb)
            # GET /files/selection is a document of that name for whoever may see documents
            assert answer.status_code == 405 or (route == "files.selection" and answer.status_code in (303, 403, 404))


def contents() -> dict[str, list[tuple]]:
    """Every row of every table that a GET must leave alone."""
    tables = {model._meta.table_name: model for model in ALL}
    del tables["audit_entry"], tables["login_session"]
    return {name: list(model.select().order_by(model._meta.primary_key).tuples()) for name, model in tables.items()}


def plain(answer: TestResponse) -> str:
    """A page without what differs from one request to the next."""
    token = r'name="csrf_token" value="[^"]*"|"X-CSRFToken": "[^"]*"'
    return re.sub(rf'<code>[0-9a-f]{{12}}</code>|data-seconds-left="\d+"|{token}', "", answer.text)
