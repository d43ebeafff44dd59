"""From which network each page answers, for whom, and whose word about an address counts."""

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from blueprints import zones
from database import db
from exchange.errors import NotConfigured
from models import AuditEntry, User
from tests import stage as staging
from tests.people import Browser, Cast
from tests.stage import Stage, method
from tests.test_routes import contents

VPN, VPN6, STAFF, INTERNET = "10.8.0.7", "fd00::7", "192.168.5.7", "203.0.113.9"
NETWORKS = {"VPN_NETWORKS": ["10.8.0.0/24", "fd00::/64"], "STAFF_NETWORKS": ["192.168.5.0/24"]}
HOME = {"vpn": (VPN, VPN6), "staff": (STAFF,), "everywhere": (VPN, VPN6, STAFF, INTERNET)}

# Blueprint or endpoint → where it answers. "own": to each where he works, and a stranger is only sent to an entrance.
TABLE = {
    **dict.fromkeys(
        ("static", "home", "help", "registration", "download", "activate", "onetime", "demo"), "everywhere"
    ),
    **dict.fromkeys(("auth.logout", "auth.ended"), "everywhere"),
    **dict.fromkeys(("auth", "files", "office"), "vpn"),
    **dict.fromkeys(("home.index", "account", "users", "audit", "admin.index", "devices", "handovers"), "own"),
    **dict.fromkeys(("auth.mail", "auth.confirm_mail", "auth.send_mail_again"), "own"),
    **dict.fromkeys(("admin", "inbox", "statements", "status", "desk", "offices", "settings"), "staff"),
    **dict.fromkeys(("registrations", "invitations", "letters", "documents", "contracts", "progress"), "staff"),
    **dict.fromkeys(("installers", "activations"), "staff"),
}


def zone_of(endpoint: str, who: str) -> str:
    zone = TABLE[endpoint] if endpoint in TABLE else TABLE[endpoint.rpartition(".")[0] or endpoint]
    return {"stranger": "everywhere", "taro": "vpn", "kiku": "staff"}[who] if zone == "own" else zone


def is_turned_away(answer: TestResponse) -> bool:
    """By the zone, not by what the person may do there."""
    return answer.status_code == 403 and any(words in answer.text for words in zones.OUTSIDE.values())


@pytest.fixture
def zoned(instance: Path, staged: tuple[Path, dict]) -> Iterator[Stage]:
    app = create_app({"INSTANCE": instance, "TESTING": True, **NETWORKS})
    with db.connection_context():
        yield staging.build(app, Cast(staged[1]))
    db.close()


# ── every route from every network ──


@pytest.mark.parametrize("address_of", HOME["everywhere"])
@pytest.mark.parametrize("who", ["stranger", "taro", "kiku"])
def test_each_route_answers_in_its_own_network_and_in_no_other(
    instance: Path, staged: tuple[Path, dict], who: str, address_of: str
) -> None:
    app = create_app({"INSTANCE": instance, "WTF_CSRF_ENABLED": False, **NETWORKS})
    with db.connection_context():
        browser = Browser(app, None if who == "stranger" else Cast(staged[1]).member(who))
        wrong = []
        for rule in app.url_map.iter_rules():
            is_home = address_of in HOME[zone_of(rule.endpoint, who)]
            if is_home and who != "stranger" and method(rule) == "POST":
                continue  # there he may do it
            url = staging.about_nothing(app, rule)
            here = {"REMOTE_ADDR": address_of}
            with browser.client.open(url, method=method(rule), environ_base=here) as answer:
                wrong += [f"{rule.endpoint}: {answer.status_code}"] if is_turned_away(answer) == is_home else []
    db.close()
    assert wrong == []


def test_no_route_is_missing_in_the_doors_own_list(app: Flask) -> None:
    rooms = {rule.endpoint.rpartition(".")[0] for rule in app.url_map.iter_rules()} - {""}
    assert rooms <= zones.ZONES.keys()


def test_a_page_that_nobody_has_given_a_zone_answers_nowhere(app: Flask) -> None:
    with app.test_request_context("/"):
        assert zones.needed("forgotten.index") not in zones.of_request()


def test_from_the_internet_only_the_counters_answer(instance: Path) -> None:
    client = create_app({"INSTANCE": instance, **NETWORKS}).test_client()
    here = {"REMOTE_ADDR": INTERNET}
    counters = ("/", "/help/", "/registration/", "/download/", "/activate/", "/onetime/", "/healthz", "/static/app.css")
    for url in counters:
        with client.get(url, environ_base=here) as answer:
            assert answer.status_code == 200, url
    assert client.get("/no-such-page", environ_base=here).status_code == 404
    for url in ("/auth/", "/files/", "/admin/login", "/admin/inbox/", "/admin/office/progress"):
        assert client.get(url, environ_base=here).status_code == 403, url


# ── pages of both sides ──

SHARED = (
    *("/", "/admin/account/", "/admin/account/password", "/admin/account/totp", "/admin/account/invitations"),
    *("/admin/users/", "/admin/users/new", "/admin/users/matrix", "/admin/audit/"),
)


@pytest.mark.parametrize(("name", "home"), [("taro", VPN), ("kiku", STAFF)])
def test_a_page_of_both_sides_answers_each_in_his_own_zone(zoned: Stage, name: str, home: str) -> None:
    browser = zoned.browser(name)
    seen = {
        (url, where): browser.get(url, environ_base={"REMOTE_ADDR": where}).status_code
        for url in SHARED
        for where in (VPN, STAFF, INTERNET)
    }
    assert seen == {(url, where): 200 if where == home else 403 for url, where in seen}


def test_nothing_is_done_from_outside_the_zone(zoned: Stage) -> None:
    target = zoned.members["target"]
    posts = ["/admin/account/profile", "/admin/users/new", "/admin/audit/csv", f"/admin/users/{target.uid}/suspension"]
    for name, home in (("taro", VPN), ("kiku", STAFF)):
        browser, before = zoned.browser(name), contents()
        page = browser.get("/admin/account/", environ_base={"REMOTE_ADDR": home}).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        for url, where in product(posts, {VPN, STAFF, INTERNET} - {home}):
            answer = browser.client.post(url, data={"csrf_token": token}, environ_base={"REMOTE_ADDR": where})
            assert answer.status_code == 403, (name, url, where)
        assert contents() == before


@pytest.mark.parametrize("where", [VPN, STAFF])
def test_a_stranger_is_sent_to_the_entrance_that_is_open_to_him(zoned: Stage, where: str) -> None:
    for url in (*SHARED[1:], "/admin/user/registration", "/auth/mail", "/admin/devices/", "/admin/handovers/"):
        stranger, here = Browser(zoned.app), {"REMOTE_ADDR": where}
        entrance = stranger.get(url, environ_base=here).location
        assert entrance == ("/auth/" if where == VPN else "/admin/login"), url
        assert stranger.get(entrance, environ_base=here).status_code == 200


@pytest.mark.parametrize(("name", "home"), [("taro", VPN), ("kiku", STAFF)])
def test_each_confirms_a_changed_address_in_his_own_zone(zoned: Stage, name: str, home: str) -> None:
    User.update(pending_mail="new@office.example").where(User.id == zoned.members[name].user_id).execute()
    answer = zoned.browser(name).get("/auth/mail", environ_base={"REMOTE_ADDR": home})
    assert (answer.status_code, "ne**@office.example" in answer.text) == (200, True)


def test_the_page_says_why_it_is_closed(instance: Path) -> None:
    client = create_app({"INSTANCE": instance, **NETWORKS}).test_client()
    answer = client.get("/auth/", environ_base={"REMOTE_ADDR": INTERNET})
    assert answer.status_code == 403
    assert "VPN接続した端末からだけ開けます" in answer.text


def test_networks_come_as_a_list_or_with_commas_and_a_wrong_one_stops_the_start(instance: Path) -> None:
    app = create_app({"INSTANCE": instance, "VPN_NETWORKS": "10.8.0.0/24, fd00::/64"})
    for address_of, status in ((VPN, 200), ("fd00::7", 200), ("::ffff:10.8.0.7", 200), (INTERNET, 403), (STAFF, 403)):
        assert app.test_client().get("/auth/", environ_base={"REMOTE_ADDR": address_of}).status_code == status
    with pytest.raises(NotConfigured, match="VPN_NETWORKS"):
        create_app({"INSTANCE": instance, "VPN_NETWORKS": ["10.8.0.0/99"]})


def test_the_funds_clerk_leaves_from_a_network_without_vpn(instance: Path) -> None:
    client = create_app({"INSTANCE": instance, "WTF_CSRF_ENABLED": False, **NETWORKS}).test_client()
    here = {"REMOTE_ADDR": STAFF}
    assert client.post("/auth/logout", environ_base=here).status_code == 303
    assert client.get("/auth/ended?why=logout", environ_base=here).status_code == 200


# ── whose word counts ──


@pytest.mark.parametrize(
    ("hops", "forwarded", "status"),
    [
        (0, VPN, 403),
        (0, f"{VPN}, {VPN}", 403),
        (1, VPN, 200),
        (1, f"{VPN}, {INTERNET}", 403),
        (1, f"{INTERNET}, {VPN}", 200),
        (1, "not an address", 403),
        (1, "", 403),
        (1, f"{VPN}, {STAFF}", 403),
        (2, f"{VPN}, {INTERNET}", 200),  # the nearer proxy tells what the farther one saw
        (2, f"{INTERNET}, {VPN}", 403),
        (2, f"{VPN}, {INTERNET}, {INTERNET}", 403),  # what the visitor himself has written
        (2, f"{VPN}, {VPN}, {INTERNET}, {INTERNET}", 403),
        (2, VPN, 403),  # one of the two was gone round
        (2, "", 403),
    ],
)
def test_a_forwarded_address_counts_only_from_our_own_proxy(
    instance: Path, hops: int, forwarded: str, status: int
) -> None:
    app = create_app({"INSTANCE": instance, "PROXY_HOPS": hops, **NETWORKS})
    answer = app.test_client().get(
        "/auth/", headers={"X-Forwarded-For": forwarded}, environ_base={"REMOTE_ADDR": INTERNET}
    )
    assert answer.status_code == status


def test_the_audit_names_the_address_that_the_proxy_saw(instance: Path) -> None:
    app = create_app({"INSTANCE": instance, "PROXY_HOPS": 1, "WTF_CSRF_ENABLED": False})
    form = {"contract_number": "1234567-12345678", "login_id": "nobody001"}
    app.test_client().post("/onetime/", data=form, headers={"X-Forwarded-For": f"198.51.100.1, {VPN}"})
    with db.connection_context():
        assert AuditEntry.select().order_by(AuditEntry.number.desc()).get().address == VPN


# ── from the internet into the VPN ──


def test_a_form_sent_from_outside_is_said_not_to_have_been_acted_on(instance: Path) -> None:
    client = create_app({"INSTANCE": instance, "WTF_CSRF_ENABLED": False, **NETWORKS}).test_client()
    here = {"REMOTE_ADDR": INTERNET}
    assert zones.NOTHING_DONE in client.post("/files/upload", environ_base=here).text
    assert zones.NOTHING_DONE not in client.get("/files/", environ_base=here).text


def receipt(app: Flask) -> str:
    """The page after a wish for a one-time password."""
    client = app.test_client()
    client.post("/onetime/", data={"contract_number": "1234567-12345678", "login_id": "nobody001"})
    return client.get("/onetime/receipt").text


def test_the_receipt_leads_to_the_sites_name_inside_the_vpn(instance: Path) -> None:
    inside = {"VPN_BASE_URL": "https://todoke.inside.example/", "WTF_CSRF_ENABLED": False}
    app = create_app({"INSTANCE": instance, **inside})
    page = receipt(app)
    assert 'href="https://todoke.inside.example/auth/"' in page
    assert "VPN接続後に開いてください" in page
    assert app.test_client().get("/auth/", base_url="https://todoke.inside.example").status_code == 200


def test_without_such_a_name_the_receipt_leads_to_the_same_site(instance: Path) -> None:
    page = receipt(create_app({"INSTANCE": instance, "WTF_CSRF_ENABLED": False}))
    assert 'href="/auth/"' in page
    assert "VPN接続後に開いてください" in page


@pytest.mark.parametrize(
    ("outside", "inside"),
    [("http://127.0.0.1:5000", "todoke.inside.example"), ("https://todoke.example", "http://todoke.inside.example")],
)
def test_a_name_inside_that_no_browser_could_use_stops_the_start(instance: Path, outside: str, inside: str) -> None:
    with pytest.raises(NotConfigured, match="VPN_BASE_URL"):
        create_app({"INSTANCE": instance, "BASE_URL": outside, "VPN_BASE_URL": inside})


@pytest.mark.parametrize(("side", "is_told"), [("", True), ("&side=fund", False)])
def test_after_the_logout_an_office_is_told_to_disconnect(app: Flask, side: str, is_told: bool) -> None:
    page = app.test_client().get(f"/auth/ended?why=logout{side}").text
    assert ("VPNを切断してください" in page) == is_told
