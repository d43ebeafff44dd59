"""Installations in which every state of devices is to be found; steps_devices.py tells how each is reached.

`busy`: people look after the VPN server, and no installers are built; `driven`: the site looks after it, but it does
not answer, and installers are ordered; `fresh`: nothing has happened yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from flask import Flask

from app import create_app
from blueprints import activate
from database import db, utc_now
from equipment import ActivationRequest, Installer
from exchange import (
    activations,
    calendar,
    devices,
    handovers,
    installer_making,
    people,
    places,
    registrations,
    sessions,
    settings,
    visits,
    vpn,
)
from exchange.actors import Actor, command_line, system
from exchange.registration_file import RegistrationFile, Row
from models import Device, Job, LoginSession, Membership, Office, User
from tests.browser.gallery import Gallery
from tests.browser.site import Site
from tests.exchange import slots
from tests.exchange.activating import at_counter, sends
from tests.exchange.codes import Pc, built, code
from tests.exchange.handing_over import MIDORI, opens_emergency, second_clerk
from tests.exchange.vpn_server import VpnServer
from tests.people import Browser, Cast
from tests.processes import IS_SOAK

Cookies = dict[tuple[str, str], str]

MANY = 52 if IS_SOAK else 6  # requests of the queue: more than a page
SLOTS = 16  # of ABC商事
ARCHIVE_PASSWORD = "Sanban-no-kaban-26"
LONG_OFFICE = "国際総合物流ホールディングス北海道東北関東中部近畿中国四国九州沖縄統括本部株式会社"
LONG_PC = "KOKUSAI-BUTSURYU-SOUMU-KEIRI-HONSHA-15F-NORTH-NOTEBOOK-00000001"
RETURNED = "端末 13 は総務課のPCのはずですが、別の課のPCの名前です。\n端末番号を確かめて、もう一度送信してください。"
DRIVEN = {
    "VPN_PROVIDER": "softether",
    "VPN_API": "https://127.0.0.1:9",  # where nobody answers
    "VPN_PASSWORD": "himitsu-no-aikotoba",
    "MAKENSIS": "true",  # there on every machine; nothing is built here
}
BUSY = {"MAKENSIS": "makensis-that-nobody-has"}


@dataclass
class Rooms(Gallery):
    """`codes`: confirmation codes by what is wrong with them; `driven`: see above."""

    driven: Site | None = None
    codes: dict[str, bytes] = field(default_factory=dict)

    def site(self, name: str) -> Site:
        return self.driven if name == "driven" and self.driven else super().site(name)


# ── fresh ──


def furnish_fresh(rooms: Rooms) -> None:
    with _opened(rooms.fresh, BUSY) as (app, cast):
        rooms.cookies |= {("fresh", name): _cookie(Browser(app, cast.member(name))) for name in ("taro", "kiku", "dai")}
        LoginSession.update(confirmed_at=utc_now() + timedelta(days=1)).execute()


# ── driven: a silent VPN server, installers that are to be built ──


def furnish_driven(rooms: Rooms) -> None:
    assert rooms.driven is not None
    with _opened(rooms.driven, DRIVEN) as (app, cast):
        offices = _offices(
            ("作成中の事業所", 8), ("やり直し中の事業所", 2), ("作れなかった事業所", 3), ("待つ事業所", 2)
        )
        building, again, failed, waiting = offices
        installer_making.order_for(cast.dai, offices[:3])
        Job.update(state="running", done=3, total=8).where(Job.subject == str(building.id)).execute()
        later = {"error": "BuildFailed", "due_at": utc_now() + timedelta(minutes=5)}
        Job.update(later).where(Job.subject == str(again.id)).execute()
        Job.update(state="failed").where(Job.subject == str(failed.id)).execute()
        installer_making.give_up(system(), failed.id)
        made = {"reflecting": sends(built(waiting, 1)), "silent": sends(built(waiting, 2)), "to look at": None}
        made["to look at"] = sends(built(cast.xyz, 2), Pc(computer=LONG_PC))
        for name in ("silent", "reflecting"):
            activations.accept(cast.dai, made[name])
        activations.settle(system(), made["silent"].device_id)
        devices.stop(cast.taro, slots.slot(cast.abc, 3), "紛失・盗難：電車に置き忘れ")
        devices.replace(cast.taro, slots.slot(cast.abc, 2), "入れ替え")
        rooms.uids["planned"] = handovers.nominate(cast.taro, cast.abc, MIDORI).handover.uid
        rooms.uids |= {f"driven {name}": one.uid for name, one in made.items()}
        rooms.uids |= {"building": building.uid, "again": again.uid, "failed": failed.uid, "driven abc": cast.abc.uid}
        cookies = {("driven", name): _cookie(Browser(app, cast.member(name))) for name in ("taro", "kiku", "dai")}
        rooms.cookies |= cookies


# ── busy ──


def furnish_busy(rooms: Rooms) -> None:
    """Last, so that the rules in this process stay on the installation that steps may still change."""
    with _opened(rooms.busy, BUSY) as (app, cast):
        offices = _offices(*((f"第{number}商会株式会社", 1 + number % 3) for number in range(MANY)))
        _fill_abc(cast, rooms)
        _automatically(cast, offices[-1], rooms)
        rooms.uids |= _queue(cast, offices)
        rooms.uids |= _handovers(cast)
        (long,) = _offices((LONG_OFFICE, 1), first=90)
        rooms.uids |= {"abc": cast.abc.uid, "xyz": cast.xyz.uid, "one PC": long.uid, "no PC": _without_pc().uid}
        _settle_in(cast)
        _sit_down(app, cast, rooms)


def _fill_abc(cast: Cast, rooms: Rooms) -> None:
    """ABC商事: a slot in every state, by the verbs themselves."""
    abc = cast.abc
    with db.atomic():
        devices.set_limit(abc, SLOTS)
    first = built(abc, 1, "active")
    at_work = Pc(computer="SOUMU-PC01")
    made = {"activated": sends(first, at_work)}
    activations.accept(cast.dai, made["activated"])
    for number, name in ((2, "KEIRI-NOTE"), (3, "ROUMU-PC3"), (10, "EIGYO-PC10"), (11, LONG_PC)):
        Device.update(state="active", activated_at=utc_now()).where(
            Device.office == abc, Device.slot == number
        ).execute()
        slots.on_pc(slots.slot(abc, number), name)
    slots.logs_in_from(slots.slot(abc, 1), cast.member("jun"))
    for number in (2, 10, 11):
        devices.replace(cast.taro, slots.slot(abc, number), "入れ替え：リース満了")
    devices.stop(cast.taro, slots.slot(abc, 3), "紛失・盗難：電車に置き忘れ")
    slots.at_counter(slots.slot(abc, 2))
    slots.at_counter(slots.in_state(abc, "issued", 5))
    Installer.update(certificate="PEM").where(Installer.device == slots.slot(abc, 5)).execute()
    made["waiting"] = sends(built(abc, 7), Pc(computer="JINJI-PC7"))
    under_way = built(abc, 8)
    _under_a_silent_server(cast, [sends(under_way), sends(built(abc, 11, "active"), Pc(computer=LONG_PC))])
    made["another PC"] = sends(built(abc, 10, "active"), Pc(adapter=""))
    made["returned"] = sends(built(abc, 13), Pc(computer="KAIHATSU-9"))
    activations.send_back(cast.dai, made["returned"], RETURNED)
    twice = built(abc, 14)
    made["void"] = sends(twice)
    sends(twice)
    rooms.uids |= {name: one.uid for name, one in made.items()}
    rooms.codes |= _refused(cast, code(first, at_work), code(under_way), at_work)


def _refused(cast: Cast, used: bytes, under_way: bytes, at_work: Pc) -> dict[str, bytes]:
    """Confirmation codes that the counter doesn't take, by why."""
    lying, old, foreign = built(cast.abc, 6), built(cast.abc, 15), built(cast.xyz, 1, "active")
    built(cast.abc, 15)
    return {
        "other": "本日の議事録\r\n".encode(),
        "foreign": code(foreign),
        "old": code(old),
        "changed": code(lying).replace("SOUMU".encode("utf-16-le"), "KEIRI".encode("utf-16-le")),
        "used": used,
        "same PC": code(lying, at_work),
        "under way": under_way,
    }


def _under_a_silent_server(cast: Cast, requests: list[ActivationRequest]) -> None:
    """Accepted while the site still drove a VPN server, which then fell silent; since then people look after it."""
    by_hand = vpn.provider()
    vpn.configure(VpnServer(is_on=False))
    for one in requests:
        activations.accept(cast.dai, one)
        activations.settle(system(), one.device_id)
    vpn.configure(by_hand)


def _automatically(cast: Cast, office: Office, rooms: Rooms) -> None:
    """Activated without anybody's hand, in those days."""
    by_hand = vpn.provider()
    vpn.configure(VpnServer())
    settings.put("auto_activate", True)
    made = sends(built(office, 1), Pc(computer="JIDOU-PC1"))
    activations.settle(system(), made.device_id)
    settings.put("auto_activate", False)
    vpn.configure(by_hand)
    rooms.uids["automatic"] = made.uid


def _queue(cast: Cast, offices: list[Office]) -> dict[str, str]:
    """A request of each office; some late, some due today."""
    made = [sends(built(office, 1), Pc(computer=f"PC-{office.office_number}")) for office in offices[:-1]]
    now, promised = utc_now(), timedelta(days=0)
    while calendar.add_business_days(calendar.day(now - promised), activations.PROMISED_DAYS) > calendar.day(now):
        promised += timedelta(days=1)
    for one, ago in ((made[0], timedelta(days=30)), (made[1], timedelta(days=12)), (made[2], promised)):
        ActivationRequest.update(requested_at=now - ago).where(ActivationRequest.id == one.id).execute()
    Installer.update(certificate=None).where(Installer.id == made[3].installer_id).execute()
    return {"late": made[0].uid, "due": made[2].uid, "uploaded": made[3].uid}


def _handovers(cast: Cast) -> dict[str, str]:
    """An emergency one in each state, each of an office of its own; ABC商事 has none."""
    second_clerk(cast)
    new = [
        handovers.NewPerson(
            f"koukei{number:02d}", f"後任　{number}子", "コウニン　ハナコ", f"hana@koukei{number}.example"
        )
        for number in range(4)
    ]
    ended, withdrawn, unfit, own = _offices(
        *((f"{name}株式会社", 2) for name in ("交代済み商会", "取り下げ商会", "引継げない商会", "入力例商会")), first=80
    )
    made = {"emergency": opens_emergency(cast, new[0], cast.xyz)}
    made["done"] = opens_emergency(cast, new[1], ended)
    made["withdrawn"] = opens_emergency(cast, new[2], withdrawn)
    made["unfit"] = opens_emergency(cast, new[3], unfit)
    handovers.approve(cast.ume, made["done"])
    handovers.withdraw(cast.ume, made["withdrawn"])
    places.suspend(command_line(), made["unfit"].successor)
    return {name: one.uid for name, one in made.items()} | {"quiet office": own.uid}


def _offices(*wanted: tuple[str, int], first: int = 0) -> list[Office]:
    """(name, PCs) of offices that are registered and nothing more."""
    rows = []
    for number, (name, limit) in enumerate(wanted, first):
        values: dict[str, Any] = {
            "entered_on": "2026-11-02",
            "office_number": f"{20_000 + number}",
            "name": "辛島　玲子",
            "kana": "カノシマ　レイコ",
            "mail": f"kanri@office{number}.example",
            "login_id": f"kanri{number:04d}",
            "office_name": name,
            "device_limit": limit,
        }
        rows.append(Row(number + 2, values))
    made = registrations.register(command_line(), [RegistrationFile(tuple(rows))])
    return [Office.get_by_id(office.id) for office in made]


def _without_pc() -> Office:
    (office,) = _offices(("端末のない商会株式会社", 1), first=95)
    Device.delete().where(Device.office == office).execute()
    return office


def _settle_in(cast: Cast) -> None:
    """XYZ工業's 管理者 has come in, as one must before there is anything to read; so has one who may only look."""
    people.set_up_office(cast.jiro, "XYZ工業", ARCHIVE_PASSWORD)
    User.update(is_initial_password=False).where(User.id == cast.member("jiro").user).execute()
    Membership.update(ready_at=utc_now()).where(Membership.id == cast.member("jiro").id).execute()
    User.update(password_set_at=utc_now()).execute()


def _sit_down(app: Flask, cast: Cast, rooms: Rooms) -> None:
    cookies = {name: _cookie(Browser(app, cast.member(name))) for name in ("taro", "jiro", "kiku", "ume", "dai")}
    cookies["taro at work"] = _at_pc(app, cast.member("taro"), slots.slot(cast.abc, 1))
    cookies["late dai"] = _cookie(Browser(app, cast.member("dai")))
    late = LoginSession.select().order_by(LoginSession.id.desc()).get()
    for name in ("sender", "waiting", "activated", "returned", "void"):
        cookies[name] = _sender(app, cast.abc, rooms.uids.get(name))
    LoginSession.update(confirmed_at=utc_now() + timedelta(days=1)).execute()  # however long all the looking takes
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).where(LoginSession.id == late.id).execute()
    rooms.cookies |= {("busy", name): cookie for name, cookie in cookies.items()}


# ── cookies ──


@contextmanager
def _opened(site: Site, config: dict[str, str]) -> Iterator[tuple[Flask, Cast]]:
    app = create_app({"INSTANCE": site.instance, "TESTING": True, **config})
    with db.connection_context():
        yield app, Cast(site.made)
    db.close()


def _at_pc(app: Flask, member: Membership, device: Device) -> str:
    """The cookie of somebody who has logged in from that PC."""
    browser, actor = Browser(app), Actor(member, device, "127.0.0.1")
    with browser.client.session_transaction() as cookie:
        cookie["_user_id"] = sessions._start(actor, member, "in")
    return _cookie(browser)


def _sender(app: Flask, office: Office, sent: str | None) -> str:
    """The cookie of a browser at that office's counter, which has sent a confirmation code or not yet."""
    browser = Browser(app)
    with db.atomic():
        token = visits.begin(at_counter(), "activate", office)
    with browser.client.session_transaction() as cookie:
        cookie["visit_activate"] = token
        if sent:
            cookie[activate.SENT] = [sent, "確認コード(07A3F9).txt"]
    return _cookie(browser)


def _cookie(browser: Browser) -> str:
    cookie = browser.client.get_cookie("todoke")
    assert cookie is not None
    return cookie.value
