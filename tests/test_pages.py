"""Every page as every kind of person: the rules of the markup, in Japanese, also when something went wrong."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response
from werkzeug.exceptions import default_exceptions
from werkzeug.routing import Rule

from exchange import accounts
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany, Unusable
from exchange.permissions import OFFICE_WORDS
from exchange.vault import TooLarge
from models import Membership, Office
from tests import stage as staging
from tests.markup import Page
from tests.people import Browser
from tests.stage import Stage, address, method, routes


@pytest.fixture(scope="module")
def stage(staged: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staging.opened(staged, tmp_path_factory.mktemp("pages") / "instance") as stage:
        yield stage


def faults(stage: Stage, answer: Response) -> list[str]:
    return Page(answer.get_data(as_text=True)).faults(stage.app.url_map.bind("127.0.0.1"))


def is_page(answer: Response) -> bool:
    return answer.mimetype == "text/html" and answer.status_code != 303


@pytest.mark.parametrize("name", [*staging.ONE_OF_EACH[:-1], "rei"])
def test_every_page_keeps_the_rules(stage: Stage, name: str) -> None:
    browser, seen, wrong = stage.browser(name), 0, []
    for route, rule in routes(stage.app).items():
        if method(rule) != "GET" or route.endswith(".inspection"):
            continue
        for what, uid in pages_of(stage, route, rule):
            with browser.get(address(stage, route, rule, uid)) as answer:
                if is_page(answer):
                    seen += 1
                    wrong += [f"{route} {what}: {answer.status_code}"] if answer.status_code >= 500 else []
                    wrong += [f"{route} {what}: {fault}" for fault in faults(stage, answer)]
    assert wrong == []
    assert seen > 5


def pages_of(stage: Stage, route: str, rule: Rule) -> list[tuple[str, str | None]]:
    """(what it is about, its uid) of each page that a route has."""
    if "uid" in rule.arguments:
        room = route.partition(".")[0]
        rows = stage.members if room in staging.ABOUT else stage.transfers
        found = next((name for name in (route, room) if name in stage.others), None)
        rows = {found: stage.others[found]} if found else rows
        return [(what, row.uid) for what, row in rows.items()]
    if "office_uid" in rule.arguments:
        return [(office.name, office.uid) for office in Office.select()]
    return [("", None)]


@pytest.mark.parametrize("name", ["taro", "hanako", "kiku"])
def test_every_fragment_keeps_them_as_well(stage: Stage, name: str) -> None:
    browser, wrong, adapter = stage.browser(name), [], stage.app.url_map.bind("127.0.0.1")
    room = "/admin/statements" if name == "kiku" else "/files"
    documents = [row for key, row in stage.transfers.items() if room == "/files" or key.startswith("statement")]
    for document in documents:
        answer = browser.get(f"{room}/{document.uid}/inspection", headers={"HX-Request": "true"})
        if answer.status_code == 200:
            page = Page(answer.text)
            assert page.headings == 0
            wrong += page.fragment_faults(adapter)
    assert wrong == []


@pytest.mark.parametrize("htmx", [True, False])
@pytest.mark.parametrize("granted", ["y", ""])
def test_every_box_of_a_permission_keeps_them(stage: Stage, granted: str, htmx: bool) -> None:
    taro, page = stage.browser("taro"), f"/admin/users/{stage.members['target'].uid}"
    adapter, headers = stage.app.url_map.bind("127.0.0.1"), {"HX-Request": "true"} if htmx else {}
    for word in OFFICE_WORDS:
        answer = taro.post(f"{page}/permissions/{word}", {"granted": granted}, page=page, headers=headers)
        assert answer.status_code == (200 if htmx else 303)
        box = Page(answer.text) if htmx else None
        assert box is None or (box.headings, box.fragment_faults(adapter)) == (0, [])


# What is shown once, as an answer to a form.
ONCE = {
    "/admin/users/new": {
        **{"kind": "staff", "login_id": "newOne001", "name": "試験　四郎", "kana": "シケン　シロウ"},
        **{"mail": "four@abc-shoji.example", "preset": "consultant"},
    },
    "/admin/users/{target}/password": {"seen": "{seen}"},
}


@pytest.mark.parametrize("form", ONCE)
def test_a_page_that_is_shown_once_keeps_them(stage: Stage, form: str) -> None:
    target = Membership.by_uid(stage.members["target"].uid)
    typed = {name: value.format(seen=accounts.seen(target)) for name, value in ONCE[form].items()}
    answer = stage.browser("taro").post(form.format(target=target.uid), typed, page="/admin/account/")
    assert answer.status_code == 200
    assert faults(stage, answer) == []


FORMS = {
    "/onetime/": "stranger",
    "/auth/": "stranger",
    "/auth/password": "code_passed",
    "/admin/login": "stranger",
    "/files/upload": "taro",
    "/admin/office/registration": "jiro",
    "/admin/statements/new/{office}": "kiku",
    "/files/{filing}/return": "taro",
    "/admin/inbox/{received}/rejection": "kiku",
    "/admin/user/registration": "fresh",
    "/admin/account/password": "jun",
    "/admin/account/profile": "kiku",
    "/admin/account/totp": "newcomer",
    "/admin/users/new": "taro",
    "/admin/users/link": "taro",
    "/admin/users/{target}/profile": "taro",
    "/download/": "stranger",
    "/activate/": "stranger",
    "/activate/request": "sends_abc",
    "/admin/activations/{activation}/return": "dai",
    "/registration/opening": "stranger",
    "/admin/registrations/": "kiku",
    "/admin/registrations/{filed}/return": "kiku",
    "/admin/invitations/": "kiku",
    "/admin/letters/addresses": "kiku",
    "/admin/letters/{batch}/confirmation": "kiku",
    "/admin/documents/new": "kiku",
    "/admin/contracts/{office}": "kiku",
    "/admin/contracts/{office}/devices": "kiku",
    "/admin/contracts/{office}/reissue": "kiku",
    "/admin/contracts/{office}/closing": "kiku",
    "/admin/installers/{office}/1": "dai",
}
# What is done to something on a page; the others have a page of their own.
ACTS = ("rejection", "profile", "opening", "return", "confirmation", "devices", "reissue", "closing", "1")


def stands_on(url: str) -> str:
    """The page with the form."""
    above, _, act = url.rpartition("/")
    if act not in ACTS or above.startswith("/files/"):
        return url
    return f"{above}/" if above in ("/admin/account", "/registration") else above


@pytest.mark.parametrize("form", FORMS)
def test_a_form_sent_empty_says_what_is_wrong_at_each_field(stage: Stage, form: str) -> None:
    url = form.format(
        office=stage.cast.abc.uid,
        filing=stage.transfers["filing uploaded"].uid,
        received=stage.transfers["filing received"].uid,
        target=stage.members["target"].uid,
        filed=stage.others["registrations"].uid,
        batch=stage.others["letters"].uid,
        activation=stage.others["activations"].uid,
    )
    answer = stage.browser(FORMS[form]).post(url, page=stands_on(url))
    assert answer.status_code == 422
    assert faults(stage, answer) == []
    assert "入力内容に誤りが" in answer.text
    assert 'aria-invalid="true"' in answer.text


@pytest.mark.parametrize("form", ["/files/upload", "/admin/statements/new/{office}"])
def test_a_kind_that_is_not_offered_is_refused_in_japanese(stage: Stage, form: str) -> None:
    browser, url = stage.browser(FORMS[form]), form.format(office=stage.cast.abc.uid)
    answer = browser.post(url, {"kind": "nothing", "token": ""})
    assert answer.status_code == 422
    assert faults(stage, answer) == []


def test_a_form_keeps_what_was_typed(stage: Stage) -> None:
    answer = stage.browser("taro").post("/files/upload", {"note": "四月分です", "period": "2026年4月"})
    assert "四月分です" in answer.text
    assert "2026-04" in answer.text or "2026年4月" in answer.text


# ── when something went wrong ──

REFUSALS = [Refused, Forbidden, SomeoneWasFaster, TooMany, TooLarge, Unusable]
STATUSES = [400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 501, 503]


def error_answer(app: Flask, browser: Browser, error: Exception) -> Response:
    """The page for an error that is raised in the middle of a request of that browser."""
    cookies = "; ".join(f"{cookie.key}={cookie.value}" for cookie in browser.client._cookies.values())
    with app.test_request_context("/", headers={"Cookie": cookies}):
        app.preprocess_request()
        return app.finalize_request(app.handle_user_exception(error), from_error_handler=True)


@pytest.mark.parametrize("name", ["stranger", "taro", "kiku", "jiro"])
@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_has_a_page_with_its_sentence(stage: Stage, name: str, kind: type[Refused]) -> None:
    answer = error_answer(stage.app, stage.browser(name), kind("この決まりに合いません。"))
    assert answer.status_code == kind.status
    assert faults(stage, answer) == []
    assert "この決まりに合いません。" in answer.get_data(as_text=True) or kind is Unusable


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_has_a_page_in_japanese_with_the_number_of_the_request(stage: Stage, status: int) -> None:
    answer = error_answer(stage.app, stage.browser("taro"), default_exceptions[status]())
    assert answer.status_code == status
    assert faults(stage, answer) == []
    assert re.search(
        r"お問い合わせの際は、この番号をお伝えください：<code>[0-9a-f]{12}</code>", answer.get_data(as_text=True)
    )


def test_what_nobody_expected_says_nothing_of_its_cause(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    answer = error_answer(stage.app, stage.browser("taro"), ValueError("基金の秘密"))
    assert answer.status_code == 500
    assert faults(stage, answer) == []
    assert "基金の秘密" not in answer.get_data(as_text=True)
