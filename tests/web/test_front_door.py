"""/ and /healthz: the first things anybody sees, also of a site that is empty or broken."""

from pathlib import Path

from flask import Flask

from app import create_app
from tests.markup import Page
from tests.people import Cast


def test_an_empty_site_says_how_to_begin(tmp_path: Path) -> None:
    app = create_app({"INSTANCE": tmp_path / "instance"})
    answer = app.test_client().get("/")
    assert answer.status_code == 200
    assert "まだ準備ができていません" in answer.text
    assert "flask setup" in answer.text
    assert Page(answer.text).faults(app.url_map.bind("127.0.0.1")) == []


def test_a_stranger_finds_three_doors(app: Flask) -> None:
    page = Page(app.test_client().get("/").text)
    assert {"/onetime/", "/auth/", "/admin/login"} <= set(page.links)


def test_a_sign_of_life_is_given_to_anybody(app: Flask) -> None:
    answer = app.test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_outside_a_demonstration_its_mail_pages_do_not_exist(app: Flask, cast: Cast, demo_file: Path) -> None:
    assert app.test_client().get("/demo/mail").status_code == 200
    demo_file.unlink()
    for url in ("/demo/mail", "/demo/mail/x.eml"):
        assert app.test_client().get(url).status_code == 404
    assert "デモ環境" not in app.test_client().get("/").text


def test_no_mail_page_leads_out_of_its_folder(app: Flask, instance: Path) -> None:
    for name in ("../demo.json", "..%2Fdemo.json", "%2e%2e/keys/cookie.key", ".eml"):
        assert app.test_client().get(f"/demo/mail/{name}").status_code == 404


def test_the_500_page_comes_out_without_database_and_without_person(instance: Path) -> None:
    app = create_app({"INSTANCE": instance})
    browser = app.test_client()
    for part in instance.glob("exchange.sqlite*"):
        part.unlink()
    (instance / "exchange.sqlite").mkdir()  # whatever happened to it, it can't be opened
    for url in ("/", "/files/", "/healthz", "/nothing"):
        answer = browser.get(url)
        assert answer.status_code == 500
        assert Page(answer.text).faults(app.url_map.bind("127.0.0.1")) == []
        assert answer.headers["Cache-Control"] == "no-store"
