"""Who gets which answer from which route: the whole address book (answers.txt) against every kind of person."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from database import db, utc_now
from equipment import ALL
from exchange import accounts, calendar, devices, download_keys, intake
from models import Device, LoginSession, Membership
from tests import stage as staging
from tests.people import Browser
from tests.processes import IS_SOAK, some
from tests.stage import MISSING, Stage, address, method, routes

ADDRESSES = Path(__file__).with_name("routes.txt")
ANSWERS = Path(__file__).with_name("answers.txt")
COLUMNS = ("words", "out", "jiro", "fresh", "wait", "newcomer", "office", "fund", "desk", "over")

ACTS_ON_PEOPLE = (
    *("detail", "change_profile", "permit", "preset", "limit", "reset", "drop_totp"),
    *("move/suspension", "move/resumption", "move/ending", "move/unlocking"),
)

# What the columns cannot say.
EXCEPTIONS = {
    # Whoever holds a key is a stranger everywhere else; the document asked for is ABC商事's, the slot one of each.
    **{(route, name): "200" for route in ("download.list", "download.installer") for name in staging.KEYS},
    ("download.document", "key_abc"): "200",
    ("download.document", "key_xyz"): "404",
    **{("activate.upload", name): "200" for name in staging.SENDERS},
    **{("activate.request", name): "422" for name in staging.SENDERS},
    **{("activate.receipt", name): ">activate.upload" for name in staging.SENDERS},
    ("auth.password", "code_passed"): "200",
    ("auth.log_in", "code_passed"): "422",
    ("files.everywhere", "hanako"): "200",  # the only one with a second office
    ("files.move/cancellation", "only_cancel"): "403",  # another person's filing takes 承認 as well
    ("office.register", "taro"): "409",  # it is done; the others of the office are not its admin
    ("account.answer/acceptance", "hanako"): ">account.invitations",  # it is she who is asked
    ("account.answer/refusal", "hanako"): ">account.invitations",
    # 職員 manages the fund's own people; of an office's it knows nothing.
    **{(f"users.{act}", "fund_staff"): "404" for act in ACTS_ON_PEOPLE},
}

PAIR = {"contract_number": "1234567-12345678", "login_id": "nobody001"}
WORDS = "Kawa-no-Nagare-7"
PERSON = {"name": "試験　四郎", "kana": "シケン　シロウ", "mail": "new@abc-shoji.example"}
OWN_PASSWORD = {"password": WORDS, "password_again": WORDS}
FORMS: dict[str, dict[str, Any]] = {
    "onetime.request_code": PAIR,
    "auth.identify": PAIR,
    "auth.log_in": {"login_id": "abcTaro01", "password": "not the one"},
    "auth.confirm_mail": {"code": "00000000"},
    "auth.switch": {"place": MISSING},
    "admin.log_in": {"login_id": "kikinKiku", "password": "not the one", "code": "000000"},
    "files.send_back": {"reason": "生年月日が違います"},
    "files.selection": {"verb": "approval"},
    "inbox.reject": {"reason": "押印がありません"},
    "office.register": {"archive_password": WORDS, "archive_password_again": WORDS, "understood": "y"},
    "office.test_archive": {"archive_password": WORDS, "archive_password_again": WORDS},
    "office.change": {"short_name": "ABC", "was_short_name": "ABC商事", "was_forbidden": ""},
    "account.register": {**PERSON, **OWN_PASSWORD},
    "account.change_profile": PERSON,
    "account.change_password": {"current": "not the one", **OWN_PASSWORD},
    "account.enrol": {"code": "000000"},
    "registrations.send_back": {"reason": "事業所番号を確かめてください"},
    "activations.send_back": {"reason": "ほかのPCではありませんか"},
    "letters.confirm": {"dispatched_on": f"{calendar.day(utc_now()):%Y/%m/%d}"},
    **dict.fromkeys(("devices.stop", "devices.replace"), {"reason": "故障"}),
    "users.link": {**PAIR, "preset": "none"},
    "users.change_profile": PERSON,
    "users.permit": {"granted": "y"},
    "users.preset": {"preset": "none"},
    "handovers.nominate": {**PERSON, "successor": "new", "login_id": "newcomer9", "agreed": "y"},
    "handovers.open_emergency": {**PERSON, "successor": "new", "login_id": "newcomer9", "agreed": "y", "reason": "－"},
    "users.limit": {"ends_on": "2099-03-31", "before": ""},
}


def form(stage: Stage, route: str, name: str, about: Membership | None = None) -> dict[str, Any]:
    """What a principal sends to a route so that nothing but who he is decides about the answer."""
    if route == "users.add":
        is_fund = name in (*staging.OF_FUND, *staging.OF_DESK)
        return {**PERSON, "login_id": "newcomer9", "kind": "fund" if is_fund else "staff", "preset": "all"}
    if route == "office.renew_key":
        return {"seen": download_keys.seen(stage.cast.abc)}
    if route == "users.reset":
        return {"seen": accounts.seen(about or stage.members[staging.ABOUT["users"]])}
    if route in ("devices.replace", "devices.call_off"):
        return {**FORMS.get(route, {}), "seen": devices.seen(Device.in_slot(stage.cast.abc, 2))}
    if route in ("installers.build", "installers.withdraw"):
        return {"seen": stage.others["installer"].uid}
    if route == "activations.by_hand":
        return {"seen": stage.others[route].uid}
    if route in ("registrations.correct", "registrations.leave_out"):
        return {"seen": intake.looked_through(stage.others[route])[0].seen}
    return dict(FORMS.get(route, {}))


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


def ask(browser: Browser, rule: Rule, url: str, data: dict[str, Any]) -> TestResponse:
    """One request, whose traces in the database and in the cookies are taken back."""
    cookies = browser.client._cookies.copy()
    try:
        with db.atomic():
            answer = browser.client.open(url, method=method(rule), data=data)
            assert answer.data is not None
            answer.close()
            raise Undo
    except Undo:
        browser.client._cookies = cookies
    return answer


def asks(
    stage: Stage, browsers: dict[str, Browser], name: str, route: str, rule: Rule, uid: str | None = None
) -> TestResponse:
    """What that principal gets from the route, about what suits it or about `uid`."""
    return ask(browsers[name], rule, address(stage, route, rule, uid), form(stage, route, name))


def shape(stage: Stage, answer: TestResponse) -> str:
    """The answer as answers.txt writes it."""
    if answer.status_code != 303:
        return str(answer.status_code)
    endpoint, _ = stage.app.url_map.bind("127.0.0.1").match(re.split("[?#]", answer.location)[0])
    return f">{endpoint}"


COLUMN_OF = {
    **dict.fromkeys(("stranger", *staging.KEYS, *staging.SENDERS, "code_passed"), "out"),
    **{"jiro": "jiro", "fresh": "fresh", "hanako_at_xyz": "wait", "newcomer": "newcomer"},
    **dict.fromkeys(staging.OF_ABC, "office"),
    **dict.fromkeys(staging.OF_FUND, "fund"),
    **dict.fromkeys(staging.OF_DESK, "desk"),
    **dict.fromkeys(staging.OVER, "over"),
}


def expected(stage: Stage, route: str, name: str) -> str:
    if (route, name) in EXCEPTIONS:
        return EXCEPTIONS[route, name]
    row, column = answers()[route], COLUMN_OF[name]
    words = row["words"]
    if words == "-" or column not in ("office", "fund", "desk"):
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
        if (seen := shape(stage, asks(stage, browsers, name, route, rule))) != (wanted := expected(stage, route, name))
    ]
    assert wrong == []


@pytest.mark.parametrize(
    "name", ["taro", "jun", "hanako", "wordless", "only_approve", "kiku", "clerk", "fund_staff", "fund_audit", "dai"]
)
def test_what_one_may_not_know_of_is_like_what_does_not_exist(
    stage: Stage, browsers: dict[str, Browser], name: str
) -> None:
    documents, foreign, members = stage.transfers, stage.foreign, stage.members
    unknown = {
        "files": [foreign["filing"], foreign["statement"], documents["statement uploaded"]],
        "inbox": [documents["filing uploaded"], foreign["filing"], documents["statement delivered"]],
        "statements": [documents["filing delivered"], foreign["filing"]],
        "account": [members["other_invited"], members["target"], members["hanako"]],
        "users": [members[one] for one in OUT_OF_REACH.get(name, ())],
        "invitations": [documents["filing uploaded"]],
        "activations": [documents["filing uploaded"], stage.others["installer"]],
        "documents": [documents["filing uploaded"], members["target"]],
        "letters": [documents["filing uploaded"], stage.others["registrations"]],
        "registrations": [stage.others["row"], documents["filing uploaded"]],  # of a file, not filed online
    }
    for route, rule in routes(stage.app).items():
        if "uid" not in rule.arguments or route.startswith("download."):  # nothing is known there without a visit
            continue
        missing = asks(stage, browsers, name, route, rule, MISSING)
        assert missing.status_code in {404, 403 if expected(stage, route, name) == "403" else 404}, route
        for row in unknown.get(route.partition(".")[0], []):
            answer = asks(stage, browsers, name, route, rule, row.uid)
            assert (answer.status_code, plain(answer)) == (missing.status_code, plain(missing)), route


def test_a_key_fetches_what_lies_at_the_counter_of_its_own_office_and_no_other(
    stage: Stage, browsers: dict[str, Browser]
) -> None:
    for_all, abcs, xyzs = (stage.others[name] for name in ("documents", "download.document", "foreign document"))
    route, slots = "download.document", []
    sides = (("key_abc", stage.cast.abc, abcs, xyzs), ("key_xyz", stage.cast.xyz, xyzs, abcs))
    for name, office, own, foreign in sides:
        listed = browsers[name].get("/download/list").text
        assert [one.uid in listed for one in (for_all, own, foreign)] == [True, True, False]
        uids = (for_all.uid, own.uid, foreign.uid, MISSING)
        found = [asks(stage, browsers, name, route, routes(stage.app)[route], uid) for uid in uids]
        assert [answer.status_code for answer in found] == [200, 200, 404, 404]
        assert plain(found[2]) == plain(found[3])
        installer = browsers[name].client.post("/download/installers/1")
        assert installer.data == b"MZ of " + office.uid.encode()
        slots.append(browsers[name].client.post("/download/installers/20").status_code)
    # ABC商事 has a twentieth PC, whose installer isn't there yet; XYZ工業 has none.
    assert slots == [422, 404]


@pytest.mark.parametrize(("room", "holders"), [("download", staging.KEYS), ("activate", staging.SENDERS)])
def test_a_key_opens_one_counter_and_nothing_behind_the_login(
    stage: Stage, browsers: dict[str, Browser], room: str, holders: tuple[str, ...]
) -> None:
    wrong = []
    for route, rule in routes(stage.app).items():
        if route.startswith(f"{room}."):
            continue
        stranger, *keys = (asks(stage, browsers, name, route, rule) for name in ("stranger", *holders))
        seen = {(answer.status_code, answer.location, plain(answer)) for answer in keys}
        wrong += [route] if seen != {(stranger.status_code, stranger.location, plain(stranger))} else []
    assert wrong == []


@pytest.mark.parametrize("name", ["code_passed", *staging.OF_ABC, *staging.OF_FUND, *staging.OF_DESK])
def test_a_login_opens_no_download_counter(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    for route in ("download.list", "download.document", "download.installer"):
        answer = asks(stage, browsers, name, route, routes(stage.app)[route])
        assert (answer.status_code, answer.location) == (303, "/download/"), route
    for route in ("activate.upload", "activate.request", "activate.receipt"):
        answer = asks(stage, browsers, name, route, routes(stage.app)[route])
        assert (answer.status_code, answer.location) == (303, "/activate/"), route


@pytest.mark.parametrize("purpose", ["registration", "activate", "nothing"])
def test_a_token_opens_the_counter_that_it_was_given_at_alone(stage: Stage, purpose: str) -> None:
    browser = stage.browser("key_abc")
    with browser.client.session_transaction() as cookie:
        cookie[f"visit_{purpose}"] = cookie.pop("visit_download")
    assert browser.get("/download/list").location == "/download/"
    assert browser.client.post("/registration/confirmation").location == "/registration/"
    assert browser.get("/activate/request").location == "/activate/"


# Of whom they may not know, though the pages about people are theirs.
OUT_OF_REACH = {
    "taro": ("jiro", "hanako_at_xyz", "rei", "invited", "closed", "kiku", "clerk", "dai"),
    "fund_staff": ("taro", "target", "jiro", "rei", "invited"),
    "dai": ("kiku", "ume", "clerk", "fund_staff", "newcomer"),
}


def test_no_office_is_known_by_another_id_than_its_own(stage: Stage, browsers: dict[str, Browser]) -> None:
    closed = stage.members["closed"].office.uid
    rooms = ("statements.form", "statements.prepare", "offices.detail", "offices.matrix", "progress.office")
    rooms += ("handovers.emergency", "handovers.open_emergency")
    for route in (*rooms, *(f"contracts.{act}" for act in ("form", "correct", "change_devices", "reissue", "close"))):
        rule = routes(stage.app)[route]
        for uid in (MISSING, stage.transfers["filing uploaded"].uid, stage.cast.abc.contract_number):
            assert asks(stage, browsers, "kiku", route, rule, uid).status_code == 404
        over = asks(stage, browsers, "kiku", route, rule, closed)
        assert over.status_code == (200 if route == "offices.detail" else 404)  # which is kept to be read
    for route in ("installers.index", "installers.open", "installers.upload", "installers.withdraw"):
        for uid in (MISSING, closed, stage.cast.abc.contract_number):
            assert asks(stage, browsers, "dai", route, routes(stage.app)[route], uid).status_code == 404


@pytest.mark.parametrize("name", staging.ONE_OF_EACH if IS_SOAK else staging.A_FEW)
def test_a_get_changes_nothing_but_audit_and_sessions(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    before = contents()
    for route, rule in routes(stage.app).items():
        rows = [*stage.transfers.values(), *stage.members.values()] if "uid" in rule.arguments else []
        for uid in [None, MISSING, *(row.uid for row in rows)] if method(rule) == "GET" else []:
            with browsers[name].get(address(stage, route, rule, uid)) as answer:
                assert answer.status_code < 500, route
    assert contents() == before


@pytest.mark.parametrize("name", ["fresh", "newcomer", "taro", "hanako", "kiku", "dai"])
def test_a_page_that_is_shown_writes_nothing_at_all(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    LoginSession.update(seen_at=utc_now()).execute()  # nobody has been idle so long that it would be noted down
    shown = 0
    for route, rule in routes(stage.app).items():
        if method(rule) == "GET":
            before = contents(everything=True)
            with browsers[name].get(address(stage, route, rule)) as answer:
                is_shown = answer.status_code == 200
            shown += is_shown
            assert not is_shown or contents(everything=True) == before, route
    assert shown > 5


@pytest.mark.parametrize("name", some(["taro", "stranger", "jiro", "kiku", "dai"], 3))
def test_no_other_method_gets_anything(stage: Stage, browsers: dict[str, Browser], name: str) -> None:
    by_path: dict[str, set[str]] = {}
    for rule in stage.app.url_map.iter_rules():
        by_path.setdefault(rule.rule, set()).add(method(rule))
    for route, rule in routes(stage.app).items():
        for verb in {"GET", "POST", "PUT", "DELETE", "PATCH"} - by_path[rule.rule]:
            answer = browsers[name].client.open(address(stage, route, rule), method=verb)
            # GET /files/selection would be a document of that name, for whoever may see documents
            assert answer.status_code == 405 or (route == "files.selection" and answer.status_code in (303, 403, 404))


def contents(everything: bool = False) -> dict[str, list[tuple]]:
    """Every row of every table that a GET must leave alone; of those two as well that tell who came, if asked for."""
    tables = {model._meta.table_name: model for model in ALL}
    if not everything:
        del tables["audit_entry"], tables["login_session"]
    return {name: list(model.select().order_by(model._meta.primary_key).tuples()) for name, model in tables.items()}


def plain(answer: TestResponse) -> str:
    """A page without what differs from one request to the next."""
    token = r'name="csrf_token" value="[^"]*"|"X-CSRFToken": "[^"]*"'
    time_left = r'data-seconds-left="\d+"|<span data-session-minutes>\d+分</span>'
    return re.sub(rf"<code>[0-9a-f]{{12}}</code>|{time_left}|{token}", "", answer.text)
