"""What every answer carries, what no request may do without, and where no secret may ever lie."""

import re
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from database import db
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
    **dict.fromkeys(("files", "office", "account", "users", "audit", "devices", "handovers"), "taro"),
    **dict.fromkeys(("inbox", "statements", "status", "offices", "settings"), "kiku"),
    **dict.fromkeys(("registrations", "invitations", "letters", "documents", "contracts", "progress"), "kiku"),
    **dict.fromkeys(("desk", "installers", "activations"), "dai"),
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


# ── hosts ──


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
