"""The forms about people, offices and settings: nothing can be sent along with them that they don't ask for, and what
their answers show once stands in no address.
"""

import re
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from database import db
from models import AuditEntry, Grant, Membership, Office, User
from tests import stage as staging
from tests.people import Browser
from tests.stage import Stage
from tests.test_routes import PERSON, WORDS, Undo, contents
from tests.web.test_settings_page import form as settings_form
from tests.web.test_totp import secret_on, shown_by

OWN_PASSWORD = {"password": WORDS, "password_again": WORDS}


@pytest.fixture(scope="module")
def stage(staged: tuple[Path, dict], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("forms") / "instance"
    with staging.opened(staged, folder, WTF_CSRF_ENABLED=False) as stage:
        yield stage


# ── mass assignment ──

# Who sends which form to where.
FORMS: dict[str, tuple[str, str, Callable[[], dict[str, Any]]]] = {
    "own profile": ("hanako", "/admin/account/profile", lambda: dict(PERSON)),
    "own profile at the fund": ("clerk", "/admin/account/profile", lambda: dict(PERSON)),
    "first registration": ("fresh", "/admin/user/registration", lambda: {**PERSON, **OWN_PASSWORD}),
    "another's profile": ("taro", "/admin/users/{target}/profile", lambda: dict(PERSON)),
    "a new user": (
        *("taro", "/admin/users/new"),
        lambda: {**PERSON, "kind": "staff", "login_id": "newOne001", "preset": "consultant"},
    ),
    "a new clerk": ("fund_staff", "/admin/users/new", lambda: {**PERSON, "kind": "desk", "login_id": "newOne001"}),
    "a box": ("taro", "/admin/users/{target}/permissions/download", lambda: {"granted": "y"}),
    "a preset": ("taro", "/admin/users/{target}/permissions", lambda: {"preset": "consultant"}),
    "a suspension": ("taro", "/admin/users/{target}/suspension", dict),
    "the office": (
        *("taro", "/admin/office/"),
        lambda: {"short_name": "ABC", "was_short_name": "ABC商事", "was_forbidden": "", "forbids_self_approval": "y"},
    ),
    "the settings": ("fund_settings", "/admin/settings/", lambda: settings_form(notice="六時に止まります")),
    "an acceptance": ("hanako", "/admin/account/invitations/{invited}/acceptance", dict),
}
KEYS = ("words", "permissions", "word", "granted", "actor", "member", "membership", "place", "schema_version")
RANDOM = {"uid", "password_hash", "token_hash", "seed_sealed", "number"}


def more(stage: Stage, form: dict[str, Any]) -> list[tuple[str, str]]:
    """Every column of a person, a place and an office, and what a permission is called, with tempting values."""
    columns = {name for model in (User, Membership, Office, Grant) for name in model._meta.columns}
    columns |= {field for model in (User, Membership, Office, Grant) for field in model._meta.fields}
    kiku, taro = stage.members["kiku"], stage.members["taro"]
    values = {
        **{"kind": "office_admin", "login_id": "abcTaro01", "office": str(stage.members["rei"].office_id)},
        **{"office_id": str(stage.members["rei"].office_id), "user": str(kiku.user_id), "user_id": str(kiku.user_id)},
        **{"id": str(taro.id), "uid": taro.uid, "member": taro.uid, "place": taro.uid, "device_limit": "99"},
        **{"mail": "thief@evil.example", "pending_mail": "thief@evil.example", "is_initial_password": ""},
        **{"contract_number": "1234567-12345678", "ready_at": "2026-01-01", "ended_at": "", "disabled_at": ""},
    }
    names = sorted((columns | set(KEYS)) - set(form))
    extra = [(name, values.get(name, "y")) for name in names]
    if "words" in names:
        extra += [("words", word) for word in ("approve", "deliver", "staff")]
    return extra


def effect(stage: Stage, name: str, url: str, data: list[tuple[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """Which rows a form leaves behind that were not there before, without what is random or a moment in it."""
    before = rows()
    try:
        with db.atomic():
            url = url.format(target=stage.members["target"].uid, invited=stage.members["invited"].uid)
            fields: dict[str, list[str]] = {}
            for key, value in data:
                fields.setdefault(key, []).append(value)
            answer = stage.browser(name).client.post(url, data=fields)
            assert answer.status_code in (200, 303), answer.text
            after = rows()
            raise Undo
    except Undo:
        return {table: [row for row in after[table] if row not in before[table]] for table in after}


def rows() -> dict[str, list[dict[str, Any]]]:
    found = {}
    for model in (User, Membership, Office, Grant):
        plain = [name for name in model._meta.sorted_field_names if name not in RANDOM and not name.endswith("_at")]
        moments = [name for name in model._meta.sorted_field_names if name.endswith("_at")]
        found[model.__name__] = [
            {**{name: row[name] for name in plain}, **{name: row[name] is not None for name in moments}}
            for row in model.select().dicts()
        ]
    return found


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_is_not_asked_for_has_any_effect(stage: Stage, form: str) -> None:
    name, url, fill = FORMS[form]
    asked_for = fill()
    alone = effect(stage, name, url, list(asked_for.items()))
    together = effect(stage, name, url, [*asked_for.items(), *more(stage, asked_for)])
    assert together == alone
    assert any(alone.values()) or form == "the settings"


@pytest.mark.parametrize("kind", ["office_admin", "fund", "desk", "", "staff,office_admin", "Staff"])
def test_nobody_is_added_as_what_the_form_does_not_offer(stage: Stage, kind: str) -> None:
    before = contents()
    form = {**PERSON, "kind": kind, "login_id": "newOne001", "preset": "all"}
    assert stage.browser("taro").client.post("/admin/users/new", data=form).status_code == 422
    for staff_kind in ("office_admin", "staff", "consultant"):
        form = {**PERSON, "kind": staff_kind, "login_id": "newOne001"}
        assert stage.browser("fund_staff").client.post("/admin/users/new", data=form).status_code == 422
    assert contents() == before


@pytest.mark.parametrize("preset", ["everything", "", "ALL", "upload", "staff"])
def test_a_preset_that_does_not_exist_gives_nothing(stage: Stage, preset: str) -> None:
    before, uid = contents(), stage.members["target"].uid
    taro = stage.browser("taro").client
    assert taro.post(f"/admin/users/{uid}/permissions", data={"preset": preset}).status_code == 422
    form = {**PERSON, "kind": "staff", "login_id": "newOne001", "preset": preset}
    assert taro.post("/admin/users/new", data=form).status_code == 422
    link = {"contract_number": "1234567-12345678", "login_id": "srHanako1", "preset": preset}
    assert taro.post("/admin/users/link", data=link).status_code == 422
    assert contents() == before


def test_a_clerk_gets_no_word_by_an_offices_preset(stage: Stage) -> None:
    uid, kiku = stage.members["clerk"].uid, stage.browser("fund_staff").client
    for preset in ("all", "consultant"):
        assert kiku.post(f"/admin/users/{uid}/permissions", data={"preset": preset}).status_code == 422
    assert stage.members["clerk"].words() == frozenset()


# ── what is shown once ──


def secrets_in(answer: TestResponse) -> set[str]:
    """What an answer shows in the letters of a secret, without user IDs, contract numbers and addresses of pages."""
    shown = {unescape(word) for word in re.findall(r"<code[^>]*>([^<]{8,})</code>", answer.text)}
    known = {member.login_id for member in Membership.select()} | {office.contract_number for office in Office.select()}
    return {word for word in shown - known if "/" not in word}


def added(stage: Stage) -> tuple[TestResponse, Browser]:
    form = {**PERSON, "kind": "staff", "login_id": "newOne001", "preset": "all"}
    taro = stage.browser("taro")
    return taro.client.post("/admin/users/new", data=form), taro


def reset(stage: Stage) -> tuple[TestResponse, Browser]:
    from_page = stage.browser("taro")
    uid = stage.members["jun"].uid
    seen = re.search(r'name="seen" value="([^"]*)"', from_page.get(f"/admin/users/{uid}").text)[1]
    return from_page.client.post(f"/admin/users/{uid}/password", data={"seen": seen}), from_page


def enrolled(stage: Stage) -> tuple[TestResponse, Browser]:
    taro = stage.browser("taro")
    secret = secret_on(taro.get("/admin/account/totp").text)
    return taro.client.post("/admin/account/totp", data={"code": shown_by(secret)}), taro


def renewed(stage: Stage) -> tuple[TestResponse, Browser]:
    kiku = stage.browser("kiku")
    return kiku.client.post("/admin/account/recovery-codes"), kiku


@pytest.mark.parametrize("act", [added, reset, enrolled, renewed])
def test_a_secret_is_shown_once_and_stands_in_no_address_and_no_other_page(
    stage: Stage, act: Callable[[Stage], tuple[TestResponse, Browser]]
) -> None:
    try:
        with db.atomic():
            answer, browser = act(stage)
            assert answer.status_code == 200
            assert answer.headers["Cache-Control"] == "no-store"
            secrets = secrets_in(answer)
            assert secrets
            pages = [browser.get(url) for url in ("/", "/admin/account/", "/admin/users/", "/admin/users/matrix")]
            pages += [browser.get("/admin/audit/"), browser.get("/admin/account/totp")]
            addresses = re.findall(r'(?:href|action|src|hx-[a-z]+)="([^"]*)"', answer.text)
            headers = str(answer.headers)
            audit = str([entry.__data__ for entry in AuditEntry.select()])
            for secret in secrets:
                assert not any(secret in address for address in addresses)
                assert secret not in headers
                assert secret not in audit
                assert not any(secret in page.text or secret in str(page.headers) for page in pages)
            raise Undo
    except Undo:
        pass


def test_the_authenticators_secret_stands_in_no_address(stage: Stage) -> None:
    taro = stage.browser("taro")
    first, again = (taro.get("/admin/account/totp") for _ in range(2))
    secret = secret_on(first.text)
    assert secret == secret_on(again.text)
    assert "otpauth:" not in first.text
    assert secret not in first.text.replace(" ", "").replace('id="totp-secret">', "").replace(secret, "", 1)
    addresses = re.findall(r'(?:href|action|src|hx-[a-z]+)="([^"]*)"', first.text)
    assert not any(secret in address for address in addresses)
    assert secret not in str(first.headers)
    assert secret != secret_on(stage.browser("jun").get("/admin/account/totp").text)
    assert secret != secret_on(stage.browser("taro").get("/admin/account/totp").text)  # another login


def test_no_form_with_a_secret_is_sent_by_get(stage: Stage) -> None:
    names = ("taro", "jun", "kiku", "jiro", "fresh", "newcomer", "code_passed")
    own = ("/admin/account/", "/admin/account/password", "/admin/account/totp")
    for name in names:
        browser = stage.browser(name)
        for url in ("/", *own, "/admin/users/new", "/auth/password"):
            page = browser.get(url, follow_redirects=True).text
            for form in re.findall(r"<form.*?</form>", page, re.DOTALL):
                is_secret = re.search(r'type="password"|name="(code|seen|confirm_password)"', form)
                assert not is_secret or 'method="post"' in form, (name, url)
