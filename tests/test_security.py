"""What every answer carries, what no request may do without, and where no secret may ever lie."""

import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from database import db
from exchange.errors import NotConfigured
from models import AuditEntry, User
from tests import stage as staging
from tests.people import Browser, Cast, mails, run_jobs
from tests.stage import Stage, address, method, routes
from tests.test_routes import contents
from tests.web.steps import pair

People = Callable[[str], Browser]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
HTTPS = {"BASE_URL": "https://todoke.example"}
# Who gets past the door of which blueprint.
INSIDE = {
    **dict.fromkeys(("files", "office", "account", "users", "audit"), "taro"),
    **dict.fromkeys(("inbox", "statements", "status", "offices", "settings"), "kiku"),
    **dict.fromkeys(("registrations", "invitations", "letters", "documents", "contracts", "progress"), "kiku"),
    **dict.fromkeys(("desk", "installers"), "dai"),
    "download": "key_abc",
}
FOR_WHOEVER_IS_IN = ("auth.logout", "auth.confirm_mail", "auth.send_mail_again", "auth.switch")


@pytest.fixture
def stage(app: Flask, cast: Cast) -> Stage:
    return staging.build(app, cast)


def someone(stage: Stage, route: str) -> str:
    return INSIDE.get(route.partition(".")[0], "taro" if route in FOR_WHOEVER_IS_IN else "stranger")


# ── headers ──


def test_every_answer_carries_the_headers(stage: Stage) -> None:
    browsers = {name: stage.browser(name) for name in ("stranger", "key_abc", "jiro", "taro", "kiku")}
    asked = [("stranger", "OPTIONS"), *product(("stranger", "key_abc", "jiro"), ("GET",))]
    asked += product(("taro", "kiku"), ("GET", "POST"))
    for route, rule in routes(stage.app).items():
        for name, verb in asked:
            with browsers[name].client.open(address(stage, route, rule), method=verb) as answer:
                assert {key: answer.headers.get(key) for key in HEADERS} == HEADERS, f"{verb} {route}"
                stored = answer.headers.get("Cache-Control", "")
                assert stored == "no-store" or (route == "static" and verb != "POST"), f"{verb} {route}"
                assert "HX-Request" in answer.headers["Vary"]
                assert "Strict-Transport-Security" not in answer.headers


def test_https_is_pinned_where_it_is_spoken(instance: Path) -> None:
    app = create_app({"INSTANCE": instance, **HTTPS})
    spoken = app.test_client().get("/", base_url="https://todoke.example")
    assert spoken.headers["Strict-Transport-Security"] == "max-age=31536000"


# ── cookies ──


COOKIES = [("http://127.0.0.1:5000", "todoke", []), (HTTPS["BASE_URL"], "__Host-todoke", ["Secure"])]


@pytest.mark.parametrize(("base", "name", "more"), COOKIES)
def test_the_cookie_is_for_this_site_alone(instance: Path, base: str, name: str, more: list[str]) -> None:
    app = create_app({"INSTANCE": instance, "BASE_URL": base})
    answer = app.test_client().get("/onetime/", base_url=base)
    crumbs = answer.headers["Set-Cookie"].split("; ")
    assert crumbs[0].startswith(f"{name}=")
    assert sorted(crumbs[1:]) == sorted(["HttpOnly", "Path=/", "SameSite=Strict", *more])
    assert len(answer.headers.getlist("Set-Cookie")) == 1


# ── forged requests ──


@pytest.mark.parametrize("forged", ["missing", "garbage", "of another session"])
def test_a_post_without_its_own_token_does_nothing(stage: Stage, forged: str) -> None:
    token = {"missing": {}, "garbage": {"csrf_token": "x"}, "of another session": None}[forged]
    if token is None:
        token = {"csrf_token": stage.browser("jun").csrf("/files/upload")}
    browsers = {name: stage.browser(name) for name in ("stranger", *INSIDE.values())}
    before, asked = contents(), 0
    for route, rule in routes(stage.app).items():
        if method(rule) != "POST":
            continue
        browser = browsers[someone(stage, route)]
        browser.get("/auth/")
        answer = browser.client.post(address(stage, route, rule), data=dict(token))
        asked += 1
        assert answer.status_code == 400, route
        assert "送信を確認できませんでした" in answer.text
    assert asked >= 90
    assert contents() == before


def test_htmx_sends_the_token_in_a_header(stage: Stage) -> None:
    taro = stage.browser("taro")
    page = taro.get("/files/").text
    token = re.search(r"hx-headers:inherited='\{\"X-CSRFToken\": \"([^\"]+)\"\}'", page)[1]
    answer = taro.client.post("/files/selection", headers={"X-CSRFToken": token})
    assert answer.status_code == 422


def test_a_token_in_the_address_counts_for_nothing(stage: Stage) -> None:
    taro = stage.browser("taro")
    token = taro.csrf("/files/upload")
    assert taro.client.post(f"/files/selection?csrf_token={token}").status_code == 400


def test_over_https_a_form_from_another_site_is_refused(instance: Path) -> None:
    client = create_app({"INSTANCE": instance, **HTTPS}).test_client()
    page = client.get("/onetime/", base_url=HTTPS["BASE_URL"]).text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    form = {"csrf_token": token, "contract_number": "1234567-12345678", "login_id": "nobody001"}
    statuses = [
        client.post("/onetime/", base_url=HTTPS["BASE_URL"], data=form, headers={"Referer": referer}).status_code
        for referer in ("https://todoke.example/onetime/", "https://evil.example/", "http://todoke.example/onetime/")
    ]
    assert statuses == [303, 400, 400]


# ── hosts, proxies, networks ──


@pytest.mark.parametrize("host", ["evil.example", "todoke.example.evil.example", "127.0.0.1.evil.example", "a b", ""])
def test_another_hosts_name_is_refused(app: Flask, host: str) -> None:
    for url in ("/", "/files/", "/nothing", "/static/app.css"):
        answer = app.test_client().get(url, headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text
        assert 'lang="ja"' in answer.text


def test_a_forwarded_host_is_nobodys_word(app: Flask) -> None:
    answer = app.test_client().get("/files/", headers={"X-Forwarded-Host": "evil.example"})
    assert (answer.status_code, answer.location) == (303, "/auth/")


VPN, STAFF, INTERNET = "10.8.0.7", "192.168.5.7", "203.0.113.9"
NETWORKS = {"VPN_NETWORKS": ["10.8.0.0/24", "fd00::/64"], "STAFF_NETWORKS": ["192.168.5.0/24"]}
ANYWHERE = {
    *("home", "help", "registration", "download", "onetime", "demo", "static"),
    *("auth.logout", "auth.ended", "admin.index"),
}
# Whose page it is, and so which zone, decides who comes: a stranger is sent to an entrance from everywhere.
OWN = {"account", "users", "audit", "auth.mail", "auth.confirm_mail", "auth.send_mail_again"}
FROM_VPN = {"auth", "files", "office"}
FROM_STAFF = {
    *("inbox", "statements", "status", "desk", "offices", "settings", "admin.login", "admin.log_in"),
    *("registrations", "invitations", "letters", "documents", "installers", "contracts", "progress"),
}


@pytest.mark.parametrize("address_of", [VPN, STAFF, INTERNET, "fd00::7"])
def test_each_route_answers_in_its_own_network(instance: Path, address_of: str) -> None:
    app = create_app({"INSTANCE": instance, "WTF_CSRF_ENABLED": False, **NETWORKS})
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        room = rule.endpoint.partition(".")[0]
        url = staging.about_nothing(app, rule)
        with client.open(url, method=method(rule), environ_base={"REMOTE_ADDR": address_of}) as answer:
            is_open = (
                not (ANYWHERE | OWN).isdisjoint((room, rule.endpoint))
                or (not FROM_STAFF.isdisjoint((room, rule.endpoint)) and address_of == STAFF)
                or (room in FROM_VPN and address_of in (VPN, "fd00::7"))
            )
            assert (answer.status_code != 403) == is_open, f"{rule.endpoint} from {address_of}"


@pytest.fixture
def zoned(instance: Path, staged: tuple[Path, dict]) -> Iterator[Stage]:
    app = create_app({"INSTANCE": instance, "TESTING": True, **NETWORKS})
    with db.connection_context():
        yield staging.build(app, Cast(staged[1]))
    db.close()


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
    for url in (*SHARED[1:], "/admin/user/registration", "/auth/mail"):
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


# ── limits ──


@pytest.mark.parametrize("url", ["/onetime/", "/auth/", "/admin/login"])
def test_a_form_is_no_place_for_much(app: Flask, url: str) -> None:
    client = app.test_client()
    assert client.post(url, data={"login_id": "x" * 600_000}).status_code == 413
    many = {f"field{number}": "x" for number in range(1001)}
    assert client.post(url, data=many, content_type="multipart/form-data").status_code == 413


# ── links ──


def test_links_in_mails_come_from_the_configuration_alone(instance: Path, staged: tuple[Path, dict]) -> None:
    app = create_app({"INSTANCE": instance, "TRUSTED_HOSTS": ["alias.example"], **HTTPS})
    with db.connection_context():
        cast = Cast(staged[1])
        client = app.test_client()
        host = {"base_url": "https://alias.example", "headers": {"Referer": "https://alias.example/onetime/"}}
        page = client.get("/onetime/", **host).text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        sent = client.post("/onetime/", data={"csrf_token": token, **pair(cast, "taro")}, **host)
        assert sent.status_code == 303
        run_jobs(app)
    links = [link for mail in mails(instance / "mail") for link in re.findall(r"https?://[^/\s]+", mail["body"])]
    assert set(links) == {"https://todoke.example"}


def test_the_way_back_from_an_error_never_leads_outside(app: Flask) -> None:
    for referer in ("https://evil.example/", "http://localhost//evil.example", "http://localhost/files/?x=1", "x"):
        page = app.test_client().get("/nothing", headers={"Referer": referer}).text
        assert all(re.match(r"/(?!/)|#", link) for link in re.findall(r'href="([^"]*)"', page))
