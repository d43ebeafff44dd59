"""事業所の切替: one person, several offices, one login."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from exchange import archive_passwords
from exchange.actors import command_line
from models import AuditEntry, Device, Grant, LoginSession, Membership, Office, Transfer
from tests.people import Browser, Cast, filing, state
from tests.stage import MISSING

People = Callable[[str], Browser]
SWITCH, PAGE = "/auth/office", "/admin/account/"


@pytest.fixture
def settled(cast: Cast) -> Membership:
    """Hanako's place at XYZ工業 after that office's first login."""
    archive_passwords.keep(command_line(), cast.xyz, "Xyz#Archive#2026", version=1)
    return cast.member("hanako_at_xyz")


def place(cast: Cast, name: str) -> str:
    return cast.member(name).uid


def switches(browser: Browser, uid: str, page: str = PAGE, **more: str) -> TestResponse:
    return browser.post(SWITCH, {"place": uid, **more}, page=page)


def cookie(browser: Browser) -> str:
    return browser.client.get_cookie("todoke").value


def header(browser: Browser, page: str = PAGE) -> str:
    return browser.get(page, follow_redirects=True).text.partition("</header>")[0]


def offered(browser: Browser, page: str = PAGE) -> list[tuple[str, str]]:
    """(uid, office) of each place that the header offers."""
    return re.findall(r'<option value="(\w{32})"[^>]*>([^<]+)<', header(browser, page))


# ── the header ──


def test_the_header_offers_every_office_and_marks_the_one_at_work(
    browser: People, cast: Cast, settled: Membership
) -> None:
    hanako = browser("hanako")
    assert offered(hanako) == [(place(cast, "hanako"), "ABC商事"), (settled.uid, "XYZ工業株式会社")]
    assert f'<option value="{place(cast, "hanako")}" selected>' in header(hanako)
    switches(hanako, settled.uid)
    assert f'<option value="{settled.uid}" selected>' in header(hanako)
    assert '<span class="td-person__office">XYZ工業株式会社</span>' in header(hanako)


@pytest.mark.parametrize("name", ["taro", "jun", "kiku", "dai"])
def test_whoever_has_one_place_is_offered_none(browser: People, name: str) -> None:
    assert SWITCH not in header(browser(name))


def test_a_place_that_is_stopped_ended_or_not_accepted_is_not_offered(
    browser: People, cast: Cast, settled: Membership
) -> None:
    for column in ("disabled_at", "ended_at", "invited_at"):
        with db.atomic() as undo:
            Membership.update(**{column: utc_now()}).where(Membership.id == settled.id).execute()
            hanako = browser("hanako")
            assert SWITCH not in header(hanako)
            assert switches(hanako, settled.uid).status_code == 404
            undo.rollback()
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    assert switches(browser("hanako"), settled.uid).status_code == 404


# ── from one to the other ──


def test_switched_she_sees_the_other_offices_documents_and_only_those(
    browser: People, cast: Cast, settled: Membership
) -> None:
    here, there = filing(cast), filing(cast)
    Transfer.update(office=cast.xyz).where(Transfer.id == there.id).execute()
    hanako = browser("hanako")
    for own, foreign, go_on in ((here, there, settled.uid), (there, here, place(cast, "hanako"))):
        listed = hanako.get("/files/").text
        assert own.receipt_number in listed
        assert foreign.receipt_number not in listed
        assert hanako.get(f"/files/{own.uid}").status_code == 200
        assert hanako.get(f"/files/{foreign.uid}").status_code == 404
        assert hanako.get(f"/files/{foreign.uid}/inspection").status_code == 404
        for act in ("cancellation", "approval", "pickup", "download"):
            assert hanako.post(f"/files/{foreign.uid}/{act}", page="/files/").status_code == 404
        chosen = {"verb": "cancellation", "uid": [own.uid, foreign.uid]}
        assert hanako.post("/files/selection", chosen, page="/files/").status_code == 404
        assert (state(own), state(foreign)) == ("uploaded", "uploaded")
        assert switches(hanako, go_on).location == "/"


def test_the_words_are_those_of_the_office_at_work(browser: People, cast: Cast, settled: Membership) -> None:
    Grant.delete().where(Grant.membership == settled, Grant.word == "upload").execute()
    hanako = browser("hanako")
    assert hanako.get("/files/upload").status_code == 200
    switches(hanako, settled.uid)
    assert hanako.get("/files/upload").status_code == 403
    switches(hanako, place(cast, "hanako"))
    assert hanako.get("/files/upload").status_code == 200


def test_an_admin_elsewhere_is_no_admin_here(browser: People, cast: Cast, settled: Membership) -> None:
    """Whoever manages one office and works for another manages only the one."""
    Membership.update(kind="staff").where(Membership.id == cast.member("jiro").id).execute()
    Membership.update(kind="office_admin").where(Membership.id == settled.id).execute()
    hanako = browser("hanako")
    assert hanako.get("/admin/users/").status_code == 403
    switches(hanako, settled.uid)
    assert hanako.get("/admin/users/").status_code == 200
    assert hanako.get(f"/admin/users/{place(cast, 'jun')}").status_code == 404
    assert hanako.get(f"/admin/users/{place(cast, 'hanako')}").status_code == 404
    assert hanako.get(f"/admin/users/{place(cast, 'jiro')}").status_code == 200
    switches(hanako, place(cast, "hanako"))
    assert hanako.get(f"/admin/users/{place(cast, 'jiro')}").status_code == 403


def test_the_old_cookie_is_dead_and_the_session_the_same(browser: People, cast: Cast, settled: Membership) -> None:
    hanako, thief = browser("hanako"), browser("")
    hanako.get("/files/")
    began = LoginSession.update(started_at=utc_now() - timedelta(minutes=80)).execute()
    before, old = LoginSession.get(), cookie(hanako)
    assert began == 1
    switches(hanako, settled.uid)
    assert cookie(hanako) != old
    thief.client.set_cookie("todoke", old)
    assert thief.get("/files/").location == "/auth/"
    assert thief.get("/admin/account/").status_code == 303
    assert hanako.get("/files/").status_code == 200
    after = LoginSession.get()
    assert LoginSession.select().count() == 1
    assert (after.started_at, after.confirmed_at) == (before.started_at, before.confirmed_at)
    assert after.token_hash != before.token_hash
    LoginSession.update(started_at=utc_now() - timedelta(minutes=91)).execute()
    assert hanako.get("/files/").location == "/auth/ended?why=absolute"


def test_a_page_left_open_at_the_other_office_does_nothing(browser: People, cast: Cast, settled: Membership) -> None:
    transfer, hanako = filing(cast), browser("hanako")
    old_tab = browser("")
    hanako.get("/files/")
    old_tab.client.set_cookie("todoke", cookie(hanako))
    token = old_tab.csrf("/files/")
    switches(hanako, settled.uid)
    answer = old_tab.client.post(f"/files/{transfer.uid}/cancellation", data={"csrf_token": token})
    assert answer.status_code == 303
    # In the same browser the cookie is the new one: the document of the other office is unknown.
    same = hanako.post(f"/files/{transfer.uid}/cancellation", page="/files/")
    assert same.status_code == 404
    assert state(transfer) == "uploaded"


def test_it_is_on_record_where_she_went(browser: People, cast: Cast, settled: Membership) -> None:
    switches(browser("hanako"), settled.uid)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.subject, entry.membership) == ("office.switched", settled.uid, settled)
    assert entry.details["login_id"] == "srHanako2"


def test_pressed_twice_or_for_the_same_office_nothing_is_lost(browser: People, cast: Cast, settled: Membership) -> None:
    hanako = browser("hanako")
    for _ in range(2):
        assert switches(hanako, settled.uid).location == "/"
    assert hanako.get("/files/").status_code == 200


# ── places of others, and what is no place ──


@pytest.mark.parametrize("name", ["jun", "taro", "jiro", "kiku", "dai"])
def test_a_place_of_somebody_else_does_not_exist(browser: People, cast: Cast, settled: Membership, name: str) -> None:
    hanako = browser("hanako")
    missing, foreign = (switches(hanako, uid) for uid in (MISSING, place(cast, name)))
    assert foreign.status_code == missing.status_code == 404
    assert LoginSession.get().membership == cast.member("hanako")
    assert AuditEntry.select().where(AuditEntry.action == "office.switched").count() == 0


@pytest.mark.parametrize("uid", ["", " ", "x" * 5000, "%00", "srHanako2", "1", "' OR 1=1 --", "../"])
def test_what_is_no_place_is_not_found(browser: People, settled: Membership, uid: str) -> None:
    assert switches(browser("hanako"), uid).status_code == 404


def test_others_do_not_come_into_her_places(browser: People, cast: Cast, settled: Membership) -> None:
    for name in ("taro", "jun", "kiku", "dai"):
        person = browser(name)
        for uid in (settled.uid, place(cast, "hanako")):
            assert switches(person, uid).status_code == 404


def test_switching_is_a_post_with_the_token_of_the_page(browser: People, cast: Cast, settled: Membership) -> None:
    hanako = browser("hanako")
    assert hanako.get(SWITCH).status_code == 405
    assert hanako.client.post(SWITCH, data={"place": settled.uid}).status_code == 400
    assert LoginSession.get().membership == cast.member("hanako")


def test_a_stranger_switches_nothing(browser: People, cast: Cast, settled: Membership) -> None:
    stranger = browser("")
    answer = switches(stranger, settled.uid, page="/auth/")
    assert answer.location == "/auth/"
    assert stranger.get("/files/").location == "/auth/"


# ── an office that is not set up yet ──


def test_an_office_that_waits_can_be_left_again(browser: People, cast: Cast) -> None:
    hanako, waiting = browser("hanako"), place(cast, "hanako_at_xyz")
    assert switches(hanako, waiting).status_code == 303
    assert hanako.get("/files/").location == "/admin/office/waiting"
    page = hanako.get("/admin/office/waiting")
    assert page.status_code == 200
    assert (place(cast, "hanako"), "ABC商事") in offered(hanako, "/admin/office/waiting")
    back = switches(hanako, place(cast, "hanako"), page="/admin/office/waiting")
    assert back.location == "/"
    assert hanako.get("/files/").status_code == 200


def test_a_page_asked_for_does_not_get_her_past_the_gate(browser: People, cast: Cast) -> None:
    hanako = browser("hanako")
    answer = switches(hanako, place(cast, "hanako_at_xyz"), next="/files/")
    assert hanako.get(answer.location).location == "/admin/office/waiting"


# ── where to ──


@pytest.mark.parametrize("page", ["/files/", "/files/statements"])
def test_the_page_that_was_asked_for_comes_at_the_other_office(browser: People, settled: Membership, page: str) -> None:
    hanako = browser("hanako")
    assert switches(hanako, settled.uid, next=page).location == page
    assert hanako.get(page).status_code == 200


def test_a_document_of_the_other_office_is_gone_to_and_one_of_this_is_not(
    browser: People, cast: Cast, settled: Membership
) -> None:
    here, there = filing(cast), filing(cast)
    Transfer.update(office=cast.xyz).where(Transfer.id == there.id).execute()
    hanako = browser("hanako")
    assert switches(hanako, settled.uid, next=f"/files/{here.uid}").location == "/"
    switches(hanako, place(cast, "hanako"))
    assert switches(hanako, settled.uid, next=f"/files/{there.uid}").location == f"/files/{there.uid}"


HOSTILE = [
    *("//evil.example", "//evil.example/files/", "///evil.example/", "/\\evil.example", "\\\\evil.example", "/\t/evil"),
    *("https://evil.example/", "http://127.0.0.1/files/", "https:evil.example", "HTTPS://EVIL.EXAMPLE/files/", "x:y"),
    *(
        "javascript:alert(1)",
        "data:text/html,x",
        "/files//evil.example",
        "/files/\r\nSet-Cookie: a=b",
        "/files/%0d%0aX",
    ),
    *("/auth/logout", "/auth/office", "/auth/password", "/onetime/", "/admin/login", "/admin/inbox/", "/admin/desk/"),
    *("/static/app.css", "/nothing", "/files/../admin/inbox/", f"/files/{MISSING}", "/files/%2e%2e/", "x" * 9000),
    *("/files/upload", "/files/?state=uploaded", "/files/#x", "/admin/settings/", "/demo/mail", "/healthz", "\0", "。"),
]


@pytest.mark.parametrize("page", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_else_is_a_way_to_go(browser: People, cast: Cast, settled: Membership, page: str) -> None:
    answer = switches(browser("hanako"), settled.uid, next=page)
    assert (answer.status_code, answer.location) == (303, "/")
    assert LoginSession.get().membership == settled


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE)) >= 28


# ── at home elsewhere ──


def test_the_last_device_of_one_office_gone_the_session_goes_on(
    app: Flask, browser: People, cast: Cast, settled: Membership
) -> None:
    hanako = browser("hanako")
    Device.update(state="stopped").where(Device.office == cast.xyz).execute()
    assert switches(hanako, settled.uid).location == "/"
    assert hanako.get("/files/").status_code == 200


def test_stopped_at_the_office_at_work_she_is_led_out_at_once(browser: People, cast: Cast, settled: Membership) -> None:
    hanako = browser("hanako")
    switches(hanako, settled.uid)
    Membership.update(disabled_at=utc_now()).where(Membership.id == settled.id).execute()
    assert hanako.get("/files/").location == "/auth/ended?why=ended"
