"""An installation in which every state of onboarding is to be found, and how each is reached."""

import subprocess
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Page

from app import create_app
from database import db, today, utc_now
from equipment import Installer
from exchange import contracts, counter, documents, installers, intake, invitations, letters, registrations, visits
from exchange.actors import Actor, command_line
from exchange.registration_file import RegistrationFile, Row
from models import Job, LoginSession, Office
from papers import Document, Invitation, Visit
from tests.browser.gallery import Gallery, Steps
from tests.exchange import intakes
from tests.people import Browser, Cast, filing, run_jobs

Cookies = dict[tuple[str, str], str]

MANY = 32  # offices whose letter is due, and rows of the long file
LONG_OFFICE = "国際総合物流ホールディングス北海道東北関東中部近畿中国四国九州沖縄統括本部株式会社"
LONG_LABEL = "電子連携サービス・VPNソフトウェアのインストール手順書（Windows 11・管理者の方の1台目用）"
ADDRESS = "東京都千代田区千代田1-2-3\nサンプルビルディング北棟 15階"
REASON = "管理者にする方の氏名が、前回お届けいただいた方と違います。\n変更の届が別に必要です。ご確認ください。"
DAY = timedelta(days=1)


def furnish_busy(folder: Path, made: dict[str, Any]) -> tuple[dict[str, str], Cookies]:
    """Fill an installation by the verbs themselves: (name of a thing → uid, cookies)."""
    app, cast = create_app({"INSTANCE": folder, "TESTING": True}), Cast(made)
    with db.connection_context():
        offices = _offices(MANY + 12)
        rows = {**_files(cast), **_papers(cast), **_letters(app, cast, offices[MANY:])}
        cookies = {("busy", name): _cookie(Browser(app, cast.member(name))) for name in ("taro", "kiku", "dai")}
        rows |= _filed(app, cast, cookies)
        cookies["busy", "visitor"] = _visitor(app, cast.abc)
        filing(cast, "approved")
        rows |= {"abc": cast.abc, "xyz": cast.xyz, "new office": offices[1], "long office": offices[0]}
        Office.update(registered_at=utc_now() - 40 * DAY).where(Office.id == offices[2].id).execute()
        LoginSession.update(confirmed_at=utc_now() + DAY).execute()  # just typed, however long all the looking takes
        cookies["busy", "late kiku"] = _cookie(Browser(app, cast.member("kiku")))
    db.close()
    return {name: row.uid for name, row in rows.items()} | {"stuck office": offices[2].uid}, cookies


def furnish_fresh(folder: Path, made: dict[str, Any]) -> Cookies:
    app, cast = create_app({"INSTANCE": folder, "TESTING": True}), Cast(made)
    with db.connection_context():
        cookies = {("fresh", name): _cookie(Browser(app, cast.member(name))) for name in ("kiku", "dai")}
        cookies["fresh", "visitor"] = _visitor(app, cast.abc)
        LoginSession.update(confirmed_at=utc_now() + DAY).execute()
    db.close()
    return cookies


def _offices(count: int) -> list[Office]:
    """Registered and nothing more; each third without an address, the first with a very long name."""
    rows = []
    for number in range(count):
        values: dict[str, Any] = {
            "entered_on": "2026-11-02",
            "office_number": f"{20_000 + number}",
            "name": "辛島　玲子",
            "kana": "カノシマ　レイコ",
            "mail": f"kanri@office{number}.example",
            "login_id": f"kanri{number:04d}",
            "office_name": LONG_OFFICE if number == 0 else f"第{number}商会株式会社",
            "device_limit": 1 + number % 3,
        }
        rows.append(Row(number + 2, values))
    made = registrations.register(command_line(), [RegistrationFile(tuple(rows))])
    for number, office in enumerate(made):
        if number % 3:
            Office.update(postal_code="100-0001", address=ADDRESS).where(Office.id == office.id).execute()
    return [Office.get_by_id(office.id) for office in made]


def _files(cast: Cast) -> dict[str, Any]:
    """Files of registrations, in each state."""
    kiku, row = cast.kiku, intakes.row
    wrong = (
        row("00201", D="ｷｷﾝ ﾀﾛｳ", G=LONG_OFFICE[:40]),
        row("00202", D="キキンタロウ", E="jigyousyo.office.example", H="4"),
        row("00203"),
        row("00201", A="2024/5/26", F="kikinT002"),
        row("ABC", C="", F="みじかい") + ",余り",
        row("00101", A="令和9年13月1日"),
    )
    made = {
        "file errors": intakes.received(kiku, *wrong),
        "file mended": intakes.received(kiku, row("00211", H="9"), row("00212", F="kikinT212")),
        "file clean": intakes.received(kiku, row("00221", D="ｷｷﾝ ﾀﾛｳ"), row("00222", A="2024/5/26")),
        "file many": intakes.received(kiku, *(row(f"{30_000 + number}") for number in range(MANY))),
        "file emptied": intakes.received(kiku, row("00231")),
        "file registered": intakes.received(kiku, row("00241"), row("00242")),
        "file discarded": intakes.received(kiku, row("00251")),
    }
    (only,) = intakes.looked(made["file emptied"])
    intake.leave_out(kiku, only.registration, only.seen)
    intakes.register(kiku, made["file registered"])
    intake.discard(kiku, made["file discarded"])
    return made | {"a row": intakes.looked(made["file clean"])[0].registration}


# ── filed online ──


def _filed(app: Flask, cast: Cast, cookies: Cookies) -> dict[str, Any]:
    """Invitations and what came of them; the cookies of those who have opened a form."""
    _invitations(cast)
    made = {name: _files_online(app, cast, name, at, cookies) for at, name in enumerate(("open", "wrong", "accepted"))}
    made["returned"] = _files_online(app, cast, "returned", 7, cookies)
    intakes.register(cast.kiku, intakes.received(cast.kiku, intakes.row("00701")))  # the number of "wrong"
    intake.accept(cast.kiku, made["accepted"])
    again = intake.send_back(cast.kiku, made["returned"], REASON)
    cookies["busy", "refiling"] = _opens(app, again, 8)
    cookies["busy", "filing"] = _opens(app, invitations.invite(cast.kiku, LONG_OFFICE, "soumu@long.example"), 9)
    return {f"filed {name}": registration for name, registration in made.items()}


def _files_online(app: Flask, cast: Cast, name: str, at: int, cookies: Cookies) -> Any:
    invitation = invitations.invite(cast.kiku, f"第{at}事業所", f"soumu@online{at}.example")
    cookies["busy", f"filed {name}"] = _opens(app, invitation, at)
    cells = [f"{today():%Y/%m/%d}", f"0070{at}", "川辺 花", "ｶﾜﾍﾞ ﾊﾅ", f"hana@online{at}.example", "kawabeHana"]
    cells += ["川辺商会株式会社", "2"]
    return intake.file_online(_stranger(at), Invitation.get_by_id(invitation.id), cells, "100-0001", ADDRESS)


def _invitations(cast: Cast) -> None:
    """One in each state that nobody files from."""
    names = ("未使用の事業所", "入力中の事業所", "期限切れの事業所", "未提出の事業所", "取り下げた事業所")
    made = invitations.invite_all(cast.kiku, [(name, f"soumu@invited{at}.example") for at, name in enumerate(names)])
    for at, changed in (
        (1, {"opened_at": utc_now()}),
        (2, {"expires_at": utc_now() - DAY}),
        (3, {"opened_at": utc_now() - 2 * DAY}),
    ):
        Invitation.update(changed).where(Invitation.id == made[at].id).execute()
    invitations.withdraw(cast.kiku, made[4])


def _opens(app: Flask, invitation: Invitation, at: int) -> str:
    """The cookie of a browser that has opened the form; each from a network of its own."""
    return _on_visit(app, "registration", invitations.open_form(_stranger(at), invitations.code_of(invitation.uid)))


# ── letters ──


def _letters(app: Flask, cast: Cast, offices: list[Office]) -> dict[str, Any]:
    """Batches in each state, of these twelve offices."""
    kiku = cast.kiku
    chosen = {"ready": offices[:3], "saved": offices[3:5], "printed": offices[5:7], "given up": offices[7:8]}
    made = {name: letters.order(kiku, those) for name, those in chosen.items()}
    run_jobs(app)
    for name in ("saved", "printed"):
        letters.pdf(cast.kiku, made[name])
    letters.confirm(cast.kiku, made["printed"], today())
    letters.give_up(cast.kiku, made["given up"])
    contracts.close(cast.kiku, offices[1], "脱退", contracts.under_way_seen([]))
    made["waiting"] = letters.order(cast.kiku, offices[8:10])
    made["running"] = letters.order(cast.kiku, offices[10:12])
    Job.update(state="running", done=1).where(Job.kind == "letters", Job.subject == str(made["running"].id)).execute()
    rows: dict[str, Any] = {f"letters {name}": batch for name, batch in made.items()}
    return rows | {"office with letter": offices[5], "office with open letter": offices[3]}


# ── what lies at the counter ──


def _papers(cast: Cast) -> dict[str, Any]:
    """Documents and installers; some of them fetched by ABC商事."""
    made = {
        "document": _publish(cast, "VPNインストール手順書"),
        "long document": _publish(cast, LONG_LABEL),
        "chosen document": _publish(cast, "個別のお知らせ", [cast.abc, cast.xyz]),
        "withdrawn document": _publish(cast, "古いお知らせ"),
    }
    made["newer document"] = _publish(cast, "VPNインストール手順書", replaces=made["document"])
    documents.withdraw(cast.kiku, made["withdrawn document"])
    slots = {slot.device.slot: slot.device for slot in installers.slots(cast.abc)}
    made |= {f"installer {slot}": _upload(cast, slots[slot]) for slot in (1, 2)}
    at = utc_now().isoformat()
    scan = {"engine": "ClamAV 1.4.3", "signatures_at": at, "at": at, "verdict": "clean"}
    Document.update(scan=scan).where(Document.id == made["newer document"].id).execute()
    Installer.update(scan=scan | {"verdict": "found", "found": ["Win.Test.Mihon-1"]}).where(
        Installer.id == made["installer 2"].id
    ).execute()
    _fetch(cast, ("VPNインストール手順書", "1台目用"))
    return made


def _publish(
    cast: Cast, label: str, offices: Iterable[Office] | None = None, replaces: Document | None = None
) -> Document:
    with documents.Pdf() as file:
        file.write(f"%PDF-1.7 {label} {replaces}".encode() + bytes(123_456))
        slip = documents.Slip(label, today(), list(offices) if offices else None)
        return documents.publish(cast.kiku, file, slip, replaces)


def _upload(cast: Cast, device: Any) -> Installer:
    with installers.Program() as file:
        file.write(b"MZ" + f"{device.slot}".encode() + bytes(2_345_678))
        return installers.upload(cast.dai, device, file, "")


def _fetch(cast: Cast, labels: Iterable[str]) -> None:
    with db.atomic():
        token = visits.begin(_stranger(20), "download", cast.abc)
    visit = visits.find(token, "download", utc_now())
    for offer in counter.offers(cast.abc):
        if any(label in offer.label for label in labels):
            assert b"".join(counter.fetch(_stranger(20), visit, offer))


# ── cookies ──


def _stranger(at: int) -> Actor:
    return Actor(address=f"198.51.{at}.7", label="窓口")


def _visitor(app: Flask, office: Office) -> str:
    """The cookie of a browser at that office's download counter."""
    with db.atomic():
        token = visits.begin(_stranger(21), "download", office)
    return _on_visit(app, "download", token)


def _on_visit(app: Flask, purpose: str, token: str) -> str:
    browser = Browser(app)
    with browser.client.session_transaction() as cookie:
        cookie[f"visit_{purpose}"] = token
    return _cookie(browser)


def _cookie(browser: Browser) -> str:
    cookie = browser.client.get_cookie("todoke")
    assert cookie is not None
    return cookie.value


# ── how the states that need a hand are reached ──


def chosen_file(path: str, button: str, name: str, data: bytes, **typed: str) -> Steps:
    """Open a page, choose a file in the form of that button, type into fields by their label, press the button."""

    def steps(page: Page, gallery: Gallery) -> None:
        page.goto(path.format_map(gallery.uids))
        form = page.locator("#main form").filter(has=page.get_by_role("button", name=button, exact=True))
        for label, words in typed.items():
            form.get_by_label(label, exact=True).fill(words)
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
        form.locator("input[type=file]").set_input_files(file)
        form.get_by_role("button", name=button, exact=True).click()
        page.locator("#error-summary, #problems").wait_for()

    return steps


def zip_of(password: str) -> bytes:
    """A password ZIP as `zip` makes it."""
    return subprocess.run(["zip", "-q", "-P", password, "-", "-"], input=b"x", capture_output=True, check=True).stdout


def mended_row(page: Page, gallery: Gallery) -> None:
    """One cell put right by htmx; the summary with the last step stands there by itself."""
    page.goto("/admin/registrations/files/{file mended}".format_map(gallery.uids))
    page.wait_for_load_state("load")
    if page.get_by_role("button", name="この行を保存").count():
        page.get_by_label("H　電子連携サービス 利用予定台数").fill("3")
        page.get_by_role("button", name="この行を保存").click()
    page.get_by_role("button", name="2件をすべて登録する").wait_for()


def many_wrong(page: Page, _: Gallery) -> None:
    page.goto("/admin/invitations/")
    page.get_by_text("まとめて案内する").click()
    page.get_by_label("案内先の一覧").fill("事業所だけ\n甲商会,kou@kou.example\n乙商会,otsu")
    page.get_by_role("button", name="まとめて送る").click()
    page.locator("#error-summary").wait_for()


def filled_in(page: Page, _: Gallery) -> None:
    """The registration form as far as its look-over."""
    page.goto("/registration/")
    for label, words in {
        "入力日": "2024/5/26",
        "事業所番号": "００７７７",
        "事業所名(※顧客入力)": LONG_OFFICE,
        "氏名1(漢字)": "川辺 花",
        "氏名1(カナ)": "ｶﾜﾍﾞ ﾊﾅ",
        "メールアドレス1": "hana@kawabe.example",
        "ユーザーID": "kawabeHana",
        "郵便番号": "1000001",
        "住所": ADDRESS,
    }.items():
        page.get_by_label(label, exact=True).fill(words)
    page.get_by_label("2台", exact=True).check()
    page.get_by_role("button", name="確認", exact=True).click()
    page.get_by_role("button", name="提出", exact=True).wait_for()


def asked_again(page: Page, _: Gallery) -> None:
    """Letters ordered long after the login password was typed, by the newest session."""
    with db.connection_context():
        late = LoginSession.select().order_by(LoginSession.id.desc()).get()
        LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).where(LoginSession.id == late.id).execute()
    page.goto("/admin/letters/")
    for box in page.locator("[data-select-one]").all()[:3]:
        box.check()
    page.get_by_role("button", name="お知らせを発行").click()
    page.get_by_label("ログインパスワード", exact=True).wait_for()


def closed_counter(page: Page, gallery: Gallery) -> None:
    """A list whose half hour has passed."""
    with db.connection_context():
        Visit.update(ended_at=utc_now()).where(Visit.purpose == "download", Visit.address == "198.51.21.7").execute()
    page.goto("/download/list")
