"""What the logs may say, and where no secret may ever lie or show."""

import base64
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import pyotp
import pytest
from flask import Flask

from database import utc_now
from exchange import archive_passwords, calendar, counter, logs
from models import Device, Office, Transfer
from papers import LetterBatch, Registration
from tests import pdf
from tests.exchange.test_letter_batches import secrets_on
from tests.people import Browser, Cast, aes_zip, in_vault, mails, run_jobs, told
from tests.web.steps import asks, code_in_mail, identifies, logs_in_as_staff, pair, types_code, types_password
from tests.web.test_registration_online import MAIL, TYPED

People = Callable[[str], Browser]

# ── logs ──


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[str]]]:
    """Everything the site logs during a test, line by line, as it would stand in the journal."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonLines())
    logging.getLogger("todoke").addHandler(handler)
    yield lambda: stream.getvalue().splitlines()
    logging.getLogger("todoke").removeHandler(handler)


def test_a_line_is_one_json_object_whatever_a_stranger_types(app: Flask, log_lines: Callable[[], list[str]]) -> None:
    odd = 'a\n{"forged": 1}\r\x1b[2J\u2028\u0085'
    client = app.test_client()
    client.get("/onetime/", query_string={"q": odd}, headers={"User-Agent": "x\ty", "Referer": "http://a/\x7f"})
    client.get(f"/nothing/{odd.encode().hex()}")
    logging.getLogger("todoke.requests").info("%s", odd, extra={"facts": {"odd": odd}})
    lines = log_lines()
    assert len(lines) == 3
    assert all(isinstance(json.loads(line), dict) for line in lines)
    assert all(line.isascii() and line.isprintable() for line in lines)


def test_an_error_is_one_line_with_its_place_and_without_its_text(
    app: Flask, log_lines: Callable[[], list[str]]
) -> None:
    try:
        raise ValueError("甲野太郎の届書.zip\nis missing")
    except ValueError:
        logging.getLogger("todoke").exception("request failed")
    (line,) = log_lines()
    trace = json.loads(line)["trace"]
    assert trace[0] == "ValueError"
    assert Path(__file__).name in trace[1]
    assert "missing" not in line


def test_a_request_is_logged_without_what_it_is_about(
    app: Flask, browser: People, cast: Cast, log_lines: Callable[[], list[str]]
) -> None:
    taro = browser("taro")
    transfer = upload(taro, cast, "甲野太郎の届書.zip")
    told(app)
    taro.get(f"/files/{transfer.uid}?q=secret-query")
    text = "\n".join(log_lines())
    for hidden in ("甲野", transfer.uid, "届書", "@", "secret-query", "abcTaro01", cast.archive_password):
        assert hidden not in text
        assert json.dumps(hidden)[1:-1] not in text
    facts = json.loads(log_lines()[-1])
    assert facts["endpoint"] == "files.detail"
    assert set(facts) == {"at", "level", "logger", "message", "id", "method", "endpoint", "status", "ms"}


def upload(browser: Browser, cast: Cast, name: str) -> Transfer:
    form = {"kind": "acquisition", "token": browser.field("/files/upload", "token")}
    file = (io.BytesIO(aes_zip(cast.archive_password)), name)
    answer = browser.post("/files/upload", {**form, "file": file}, content_type="multipart/form-data")
    assert answer.status_code == 303
    return Transfer.select().order_by(Transfer.id.desc()).get()


# ── secrets ──

NEW_ARCHIVE, NEW_PASSWORD, MISTYPED = "Canary-Archive-2026", "canary in the coal mine", "Canary-Typo-0099"


def forms_of(secret: str) -> list[bytes]:
    """The secret in clear, hex, and base64 at each of the three places it can begin in."""
    raw = secret.encode()
    return [raw, raw.hex().encode(), raw.hex().upper().encode(), *(in_base64(raw, shift) for shift in range(3))]


def in_base64(raw: bytes, shift: int) -> bytes:
    """What the bytes alone decide of their base64, when `shift` other bytes stand before them."""
    encoded = base64.b64encode(b"x" * shift + raw)
    return encoded[-(-shift * 4 // 3) : (shift + len(raw)) * 4 // 3]


def shows_code(code: str, content: bytes) -> bool:
    """Whether a one-time password stands there; its six digits inside a longer number or name are chance."""
    clear, *others = forms_of(code)
    return re.search(rb"(?<![0-9A-Za-z])%s(?![0-9A-Za-z])" % clear, content) is not None or any(
        form in content for form in others
    )


def first_day(app: Flask, browser: People, cast: Cast) -> list[str]:
    """XYZ工業's first login, a filing on its way, the fund's answer; returns the one-time passwords it took."""
    jiro, initial = browser(""), cast.secrets("jiro")["password"]
    asks(jiro, pair(cast, "jiro"))
    jiro.post("/auth/", pair(cast, "jiro"))
    codes = [code_in_mail(app, "jiro@xyz-kogyo.example")]
    types_code(jiro, codes[0])
    types_password(jiro, "xyzJiro01", MISTYPED)
    types_password(jiro, "xyzJiro01", initial)
    words = {"archive_password": NEW_ARCHIVE, "archive_password_again": NEW_ARCHIVE, "understood": "y"}
    jiro.post("/admin/office/registration", {**words, "archive_password_again": MISTYPED})
    jiro.post("/admin/office/registration/test-archive", words, page="/admin/office/registration")
    jiro.post("/admin/office/registration", words)
    person = {"name": "戊田　次郎", "kana": "ボタ　ジロウ", "mail": "new@xyz-kogyo.example"}
    jiro.post("/admin/user/registration", {**person, "password": NEW_PASSWORD, "password_again": MISTYPED})
    jiro.post("/admin/user/registration", {**person, "password": NEW_PASSWORD, "password_again": NEW_PASSWORD})
    assert jiro.get("/files/").status_code == 200
    assert archive_passwords.reveal(cast.xyz.current_archive_password()) == NEW_ARCHIVE
    return codes


def business(app: Flask, browser: People, cast: Cast) -> None:
    taro, kiku = browser("taro"), browser("")
    transfer = upload(taro, cast, "届書.zip")
    run_jobs(app)
    taro.post(f"/files/{transfer.uid}/approved-delivery", page=f"/files/{transfer.uid}")
    logs_in_as_staff(cast, kiku, "kiku", password=MISTYPED)
    assert logs_in_as_staff(cast, kiku, "kiku").status_code == 303
    page = f"/admin/inbox/{transfer.uid}"
    kiku.post(f"{page}/opening", page=page)
    kiku.post(f"{page}/entries/0", page=page).get_data()
    url = f"/admin/statements/new/{cast.xyz.uid}"
    form = {"kind": "decision", "token": kiku.field(url, "token"), "file": (io.BytesIO(b"%PDF-1.7"), "a.pdf")}
    assert kiku.post(url, form, content_type="multipart/form-data").status_code == 303
    for member in ("taro", "jun", "kiku", "dai"):
        person = browser(member)
        for place in ("/files/", f"/files/{transfer.uid}", "/admin/inbox/", page, "/admin/status/", "/admin/desk/"):
            person.get(place)
    run_jobs(app)


def test_no_secret_lies_or_shows_anywhere(
    app: Flask, browser: People, cast: Cast, demo_file: Path, heard: list[str], log_lines: Callable[[], list[str]]
) -> None:
    codes = first_day(app, browser, cast)
    business(app, browser, cast)
    secrets = {"typed by mistake": MISTYPED, "archive password": NEW_ARCHIVE, "own password": NEW_PASSWORD}
    secrets |= {f"archive password of {office['office_name']}": office["archive_password"] for office in offices(cast)}
    secrets |= {f"download key {number}": office["download_key"] for number, office in enumerate(cast.made["offices"])}
    for name in ("taro", "jun", "hanako", "jiro", "kiku", "ume", "dai"):
        secrets[f"password of {name}"] = cast.secrets(name)["password"]
        secrets[f"authenticator of {name}"] = cast.secrets(name).get("totp_secret") or NEW_PASSWORD
    places = {str(path): path.read_bytes() for path in demo_file.parent.rglob("*") if path.is_file()}
    del places[str(demo_file)]  # the demonstration's own list of its secrets
    places["logs"] = "\n".join(log_lines()).encode()
    places["pages"] = "\n".join(heard).encode()
    assert any(path.endswith("exchange.sqlite-wal") for path in places)
    assert len(heard) > 50
    found = [
        f"{what} in {place}"
        for what, secret in secrets.items()
        for place, content in places.items()
        if any(form in content for form in forms_of(secret))
    ]
    found += [
        f"a one-time password in {place}"
        for code, (place, content) in product(codes, places.items())
        if any(form in content for form in forms_of(code)) and not place.endswith(".eml")
    ]
    assert found == []
    told_in = [mail["subject"] for mail in mails(demo_file.parent / "mail") if codes[0] in mail["body"]]
    assert len(told_in) == 1, "only in its own mail"


# ── what is shown once ──


def shown_codes(page: str) -> list[str]:
    return re.findall(r"<code>([2-9A-HJ-NP-Z]{5}-[2-9A-HJ-NP-Z]{5})</code>", page)


def shown_password(page: str, login_id: str) -> str:
    """The initial password on the one page that shows it."""
    found = re.findall(r"<code[^>]*>([A-Za-z0-9]{10,20})</code>", page)
    (password,) = [word for word in found if word != login_id]
    return password


def people_come_and_go(browser: People, cast: Cast) -> dict[str, str]:
    """A new user, a new initial password, an authenticator, recovery codes twice; what was shown of each."""
    taro, jun, shown = browser("taro"), browser("jun"), {}
    person = {"name": "試験　四郎", "kana": "シケン　シロウ", "mail": "four@abc-shoji.example"}
    added = taro.post("/admin/users/new", {**person, "kind": "staff", "login_id": "newOne001", "preset": "all"})
    shown["password of the new user"] = shown_password(added.text, "newOne001")
    secret = re.search(r'id="totp-secret">([A-Z2-7 ]+)<', jun.get("/admin/account/totp").text)[1].replace(" ", "")
    shown["secret of the authenticator"] = secret
    enrolled = jun.post("/admin/account/totp", {"code": pyotp.TOTP(secret).at(utc_now())})
    renewed = jun.post("/admin/account/recovery-codes", page="/admin/account/")
    for name, page in (("first", enrolled.text), ("second", renewed.text)):
        codes = shown_codes(page)
        assert len(codes) == 8
        shown |= {f"{name} recovery code {number}": code for number, code in enumerate(codes)}
    uid = cast.member("jun").uid
    seen = taro.field(f"/admin/users/{uid}", "seen")
    again = taro.post(f"/admin/users/{uid}/password", {"seen": seen}, page="/admin/account/")
    shown["password after the reset"] = shown_password(again.text, "abcJun001")
    for page in ("/", "/admin/users/", "/admin/users/matrix", f"/admin/users/{uid}", "/admin/audit/", "/demo/mail"):
        assert taro.get(page).status_code == 200
    taro.post("/admin/audit/csv", page="/admin/audit/").get_data()
    return shown


def test_what_is_shown_once_lies_nowhere(
    app: Flask, browser: People, cast: Cast, demo_file: Path, heard: list[str], log_lines: Callable[[], list[str]]
) -> None:
    shown = people_come_and_go(browser, cast)
    run_jobs(app)
    places = {str(path): path.read_bytes() for path in demo_file.parent.rglob("*") if path.is_file()}
    places["logs"] = "\n".join(log_lines()).encode()
    found = [
        f"{what} in {place}"
        for what, secret in shown.items()
        for spelt in {secret, secret.replace("-", ""), secret.replace("-", "").lower()}
        for place, content in places.items()
        if any(form in content for form in forms_of(spelt))
    ]
    assert found == []
    pages = [page.replace(" ", "") for page in heard]
    times = {what: sum(secret in page for page in pages) for what, secret in shown.items()}
    # The page of the authenticator is opened once more for its form's token.
    assert times == {what: 2 if what == "secret of the authenticator" else 1 for what in shown}


# ── from the invitation to the first login ──


def files_online(app: Flask, browser: People) -> str:
    """An office is invited, files its registration and is registered; the code that was mailed to it."""
    kiku, office = browser("kiku"), browser("")
    assert kiku.post("/admin/invitations/", {"office_name": "川辺商会株式会社", "mail": MAIL}).status_code == 303
    run_jobs(app)
    (sent,) = [mail for mail in mails(Path(app.instance_path) / "mail") if mail["to"] == MAIL]
    code = re.search(r"/registration/#(\S+)", sent["body"])[1]
    assert office.post("/registration/opening", {"code": code}, page="/registration/").location == "/registration/"
    assert office.post("/registration/", TYPED).location == "/registration/receipt"
    office.get("/registration/receipt")
    filed = f"/admin/registrations/{Registration.get().uid}"
    assert kiku.post(f"{filed}/acceptance", page=filed).location == filed
    return code


def gets_its_letter(app: Flask, kiku: Browser, office: Office) -> tuple[str, str]:
    """(download key, initial password) as printed, after the print was confirmed."""
    form = {"office": office.uid, "token": kiku.field("/admin/letters/", "token")}
    assert kiku.post("/admin/letters/", form).status_code == 303
    run_jobs(app)
    page = f"/admin/letters/{LetterBatch.get().uid}"
    (printed,) = secrets_on(kiku.post(f"{page}/pdf", page=page).data)
    form = {"dispatched_on": f"{calendar.day(utc_now()):%Y/%m/%d}"}
    assert kiku.post(f"{page}/confirmation", form, page=page).location == page
    kiku.post(f"{page}/dispatch-list", page=page).get_data()
    return printed


def comes_in(app: Flask, browser: People, office: Office, key: str, initial: str) -> None:
    """At the counter, mistyped and right, and at the first login."""
    visitor, admin, month = browser(""), browser(""), counter.this_month(utc_now())
    typed = {"contract_number": office.contract_number, "download_password": month + key}
    assert visitor.post("/download/", {**typed, "download_password": month + key[::-1]}).status_code == 422
    assert visitor.post("/download/", typed).location == "/download/list"
    assert visitor.get("/download/list").status_code == 200
    Device.update(state="active").where(Device.office == office).execute()
    who = {"contract_number": office.contract_number, "login_id": TYPED["login_id"]}
    asks(admin, who)
    identifies(admin, who)
    types_code(admin, code_in_mail(app, office.members().get().user.mail))
    assert types_password(admin, who["login_id"], initial[::-1]).status_code == 422
    assert types_password(admin, who["login_id"], initial).status_code == 303


def looks_everywhere(kiku: Browser, office: Office) -> None:
    rooms = ("invitations", "registrations", "letters", "progress", "offices", "audit", "status")
    pages = [f"/admin/{room}/" for room in rooms] + [f"/admin/{room}/{office.uid}" for room in ("progress", "offices")]
    pages += [f"/admin/registrations/{Registration.get().uid}", f"/admin/letters/{LetterBatch.get().uid}"]
    assert {kiku.get(page).status_code for page in [*pages, f"/admin/contracts/{office.uid}", "/demo/mail"]} == {200}
    kiku.post("/admin/audit/csv", page="/admin/audit/").get_data()


@pdf.needs_readers
def test_what_a_letter_or_an_invitation_says_lies_nowhere_else(
    app: Flask, browser: People, demo_file: Path, heard: list[str], log_lines: Callable[[], list[str]]
) -> None:
    kiku, vault_before = browser("kiku"), in_vault(app)
    code = files_online(app, browser)
    office = Office.get(Office.office_number == "00777")
    key, initial = gets_its_letter(app, kiku, office)
    comes_in(app, browser, office, key, initial)
    looks_everywhere(kiku, office)
    run_jobs(app)
    assert in_vault(app) == vault_before
    secrets = {"invitation code": code, "code without hyphens": code.replace("-", "")}
    secrets |= {"download key": key, "key in groups": f"{key[:4]} {key[4:]}", "initial password": initial}
    secrets |= {"mistyped key": key[::-1], "mistyped password": initial[::-1]}
    places = {str(path): path.read_bytes() for path in demo_file.parent.rglob("*") if path.is_file()}
    places |= {"logs": "\n".join(log_lines()).encode(), "pages": "\n".join(heard).encode()}
    assert len(heard) > 25
    found = [
        (what, place)
        for what, secret in secrets.items()
        for place, content in places.items()
        if any(form in content for form in forms_of(secret))
    ]
    # The mail of the invitation is the one exception.
    assert {(what, place) for what, place in found if not place.endswith(".eml") or "code" not in what} == set()
    told_in = [mail["to"] for mail in mails(demo_file.parent / "mail") if code in mail["body"]]
    assert told_in == [MAIL]


def offices(cast: Cast) -> list[dict]:
    return [office for office in cast.made["offices"] if office["archive_password"]]


def test_the_canary_would_be_heard() -> None:
    text = base64.b64encode(b"any text before Canary-Archive-2026 and after")
    assert any(form in text for form in forms_of("Canary-Archive-2026"))
