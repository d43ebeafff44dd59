"""Everybody there is to see in a gallery: people in each state, a third office, and the pages about them."""

from datetime import timedelta
from typing import Any

from playwright.sync_api import Page

from database import db, utc_now
from exchange import archive_passwords, fund, onetime, people, permissions, places, registrations, throttle
from exchange.actors import Actor, command_line
from exchange.registration_file import RegistrationFile, Row
from models import Device, LoginSession, Membership, User
from tests.browser.gallery import Gallery, Steps, press
from tests.people import Cast, aes_zip, inspect, uploads

ARCHIVE_PASSWORD = "Sanban-no-kaban-26"
LONG = ("長谷川原　美智子（代表取締役社長室 経営企画部 労務担当課長代理）", "ハセガワハラ　ミチコ")
NOTICE = "11月28日（土）は、点検のため 9:00～12:00 にサービスを停止します。\n前日までにダウンロードを済ませてください。"


def furnish_people(cast: Cast) -> dict[str, str]:
    """Two more offices at work, and at ABC商事 and in the fund somebody in each state: name → uid of the place."""
    for slot in range(4, 14):
        Device.create(office=cast.abc, slot=slot, state="active")
    people.set_up_office(cast.jiro, "XYZ工業", ARCHIVE_PASSWORD)
    third = _third_office()
    for _ in range(2):
        inspect(uploads(cast.hanako_at_xyz, aes_zip(ARCHIVE_PASSWORD), "XYZ工業の届書.zip"))
    people.link(Actor(third["admin"]), cast.abc.contract_number, "srHanako1", "srHanako9", permissions.CONSULTANT_WORDS)
    invited = people.link(cast.taro, third["office"].contract_number, "srKazue01", "srKazue02", ("upload", "cancel"))
    _enrol(cast.member("jun").user)
    made = {**_of_abc(cast), **_of_fund(cast), "invited": invited}
    made |= {name: cast.member(name) for name in ("taro", "jun", "hanako", "kiku", "ume", "dai")}
    return {name: member.uid for name, member in made.items()} | {"xyz": cast.xyz.uid}


def _third_office() -> dict[str, Any]:
    """UVW商会, whose admin and consultant have their first logins behind them."""
    values = {
        "entered_on": "2026-04-01",
        "office_number": "00103",
        "name": "辛島　玲子",
        "kana": "カノシマ　レイコ",
        "mail": "reiko@uvw.example",
        "login_id": "uvwReiko1",
        "office_name": "UVW商会株式会社",
        "device_limit": 3,
    }
    (office,) = registrations.register(command_line(), [RegistrationFile((Row(2, values),))])
    Device.update(state="active").where(Device.office == office).execute()
    admin = _settled(office.members().get())
    archive_passwords.keep(command_line(), office, ARCHIVE_PASSWORD, version=1)
    kazue = people.add_member(
        *(Actor(admin), office, "consultant", "srKazue01", "壬生　和枝", "ミブ　カズエ", "kazue@sr-office.example"),
        permissions.CONSULTANT_WORDS,
    )
    _settled(kazue.membership)
    return {"office": office, "admin": admin}


def _of_abc(cast: Cast) -> dict[str, Membership]:
    names = {"disabled": ("己川　恵", "キカワ　メグミ"), "locked": LONG, "lapsed": ("庚申　進", "コウシン　ススム")}
    names |= {"fresh": ("丁野　里香", "ヒノト　リカ"), "ended": ("癸生　実", "キブ　ミノル")}
    made = {
        state: people.add_member(
            *(cast.taro, cast.abc, "staff", f"abc{state.title()}1", name, kana, f"{state}@abc-shoji.example"),
            permissions.ALL_WORDS,
        ).membership
        for state, (name, kana) in names.items()
    }
    for state in ("disabled", "locked", "ended"):
        _settled(made[state])
    permissions.assign(cast.taro, made["fresh"], "deliver", False)
    User.update(password_set_at=utc_now() - timedelta(days=40)).where(User.id == made["lapsed"].user).execute()
    places.suspend(cast.taro, made["disabled"])
    places.end(cast.taro, made["ended"])
    for _ in range(throttle.LIMITS["password"].tries):
        throttle.hit("password", made["locked"].uid, utc_now())
    return made


def _of_fund(cast: Cast) -> dict[str, Membership]:
    """One clerk before the authenticator, and one who has it but no password of his own."""
    made = {
        name: people.add_staff(cast.kiku, "fund", login_id, f"基金　{given}", f"{name}@fund.example", ()).membership
        for name, login_id, given in (("momo", "kikinMomo1", "桃"), ("aoi", "kikinAoi01", "葵"))
    }
    _enrol(made["aoi"].user)
    return made


def _settled(member: Membership) -> Membership:
    User.update(is_initial_password=False).where(User.id == member.user).execute()
    Membership.update(ready_at=utc_now()).where(Membership.id == member.id).execute()
    return Membership.get_by_id(member.id)


def _enrol(user: User) -> None:
    secret, earlier = onetime.new_totp_secret(), utc_now() - timedelta(minutes=5)
    assert onetime.set_totp(user, secret, onetime.totp_now(secret, earlier), earlier)


# ── how the states that need a hand are reached ──


def just_now(path: str, button: str, **typed: str) -> Steps:
    """press, soon after the login password was typed."""
    return lambda page, gallery: _after(timedelta(), press(path, button, **typed), page, gallery)


def long_ago(path: str, button: str, **typed: str) -> Steps:
    """press, so long after the login password was typed that it is asked for again."""
    return lambda page, gallery: _after(timedelta(minutes=11), press(path, button, **typed), page, gallery)


def _after(passed: timedelta, steps: Steps, page: Page, gallery: Gallery) -> None:
    with db.connection_context():
        LoginSession.update(confirmed_at=utc_now() - passed).execute()
    steps(page, gallery)


def wrong_answer(page: Page, gallery: Gallery) -> None:
    long_ago("/admin/users/{jun}", "変更")(page, gallery)
    page.get_by_label("ログインパスワード", exact=True).fill("chigau-pasuwaado")
    page.get_by_role("button", name="確認して続ける").click()


def box_ticked(page: Page, gallery: Gallery) -> None:
    just_now("/admin/users/{fresh}", "全権限")(page, gallery)
    page.locator("#main .td-notice--success").wait_for()
    page.wait_for_load_state("load")  # htmx is at work from here on
    page.get_by_label("配信", exact=True).click()
    page.locator("#p-deliver", has_text="外しました。").wait_for()


def box_refused(page: Page, gallery: Gallery) -> None:
    """The last one who may manage the fund's people keeps that word."""
    with db.connection_context():
        LoginSession.update(confirmed_at=utc_now()).execute()
    page.goto("/admin/users/{kiku}".format_map(gallery.uids))
    page.get_by_label("職員", exact=True).click()
    page.locator("#p-staff .td-error").wait_for()


def noticed(path: str) -> Steps:
    """A page under the fund's notice, which is taken down again."""

    def steps(page: Page, gallery: Gallery) -> None:
        kiku = Cast(gallery.busy.made).kiku
        with db.connection_context():
            fund.decide(kiku, {"notice": ("", NOTICE), "notice_kind": ("info", "warning")})
        page.goto(path)
        with db.connection_context():
            fund.decide(kiku, {"notice": (NOTICE, ""), "notice_kind": ("warning", "info")})

    return steps
