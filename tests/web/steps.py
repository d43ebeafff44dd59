"""The steps of logging in as a person takes them, with the codes out of the mails."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from exchange import letters
from models import Office, Throttle
from papers import Visit
from tests.people import Browser, Cast, mails, run_jobs


def pair(cast: Cast, name: str, office: Office | None = None) -> dict[str, str]:
    """契約番号 and ユーザーID of a person; of another office's contract, if told."""
    member = cast.member(name)
    return {"contract_number": (office or member.office or cast.abc).contract_number, "login_id": member.login_id}


def code_in_mail(app: Flask, to: str, subject: str = "ワンタイムパスワードのお知らせ") -> str:
    """The digits of the newest such mail to that address."""
    run_jobs(app)
    sent = [mail for mail in mails(Path(app.instance_path) / "mail") if mail["to"] == to and subject in mail["subject"]]
    assert sent, f"no mail to {to}"
    found = re.search(r"\d{8}", sent[0]["body"])
    assert found
    return found[0]


def a_minute_passes() -> None:
    """The limits of mails and tries start anew."""
    Throttle.delete().execute()


def asks(browser: Browser, who: Mapping[str, str]) -> TestResponse:
    return browser.post("/onetime/", dict(who))


def identifies(browser: Browser, who: Mapping[str, str]) -> TestResponse:
    return browser.post("/auth/", dict(who))


def types_code(browser: Browser, code: str) -> TestResponse:
    return browser.post("/auth/code", {"code": code})


def types_password(browser: Browser, login_id: str, password: str) -> TestResponse:
    return browser.post("/auth/password", {"login_id": login_id, "password": password})


def passes_code(app: Flask, cast: Cast, browser: Browser, name: str) -> None:
    """Everything up to the login password."""
    asks(browser, pair(cast, name))
    identifies(browser, pair(cast, name))
    answer = types_code(browser, code_in_mail(app, cast.member(name).user.mail))
    assert answer.location == "/auth/password"


def logs_in(app: Flask, cast: Cast, browser: Browser, name: str, password: str = "") -> TestResponse:
    """All three steps, with the password of the demonstration unless told another."""
    passes_code(app, cast, browser, name)
    return types_password(browser, cast.member(name).login_id, password or cast.secrets(name)["password"])


def totp(cast: Cast, name: str) -> str:
    return pyotp.TOTP(cast.secrets(name)["totp_secret"]).at(utc_now())


def logs_in_as_staff(cast: Cast, browser: Browser, name: str, **other: Any) -> TestResponse:
    form = {"login_id": cast.member(name).login_id, "password": cast.secrets(name)["password"], **other}
    return browser.post("/admin/login", {"code": totp(cast, name), **form})


def ends_by_time(stranger: Browser, cast: Cast) -> None:
    """Every visit to a counter is over."""
    Visit.update(expires_at=utc_now() - timedelta(seconds=1)).execute()


def ends_by_letter(stranger: Browser, cast: Cast) -> None:
    """The key that opened the counter of ABC商事 is void."""
    with db.atomic():
        letters.void(cast.kiku, cast.abc)
