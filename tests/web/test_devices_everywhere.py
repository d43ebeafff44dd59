"""端末 beyond one slot: the fund's list of all PCs, a replacement that is called off, a 引継ぎ that is under way."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from database import db
from equipment import InstallerOrder
from exchange import counter, devices, handovers, sessions
from exchange.actors import Actor
from models import Device, Grant, Office
from tests.exchange.slots import at_counter, in_state, on_pc, slot
from tests.exchange.test_overview import give_every_slot_its_installer
from tests.markup import Page
from tests.people import Browser, Cast
from tests.web.test_activate import inside as at_activation
from tests.web.test_counter import LIST as COUNTER
from tests.web.test_counter import inside

People = Callable[[str], Browser]
LIST = "/admin/devices/"


def page_of(office: Office) -> str:
    return f"{LIST}{office.uid}"


def row(html: str, office: Office, number: int) -> str:
    """The words of one line of the list, without its tags."""
    line = html.partition(f'href="{page_of(office)}#slot-{number}"')[2].partition("</tr>")[0]
    return re.sub(r"<[^>]+>|\s+", " ", line)


def section(html: str, number: int) -> str:
    return html.partition(f'<h2 id="slot-{number}">')[2].partition("</section>")[0]


def statements(browser: Browser, page: str) -> int:
    seen: list[str] = []
    db.connection().set_trace_callback(seen.append)
    try:
        assert browser.get(page).status_code == 200
    finally:
        db.connection().set_trace_callback(None)
    return len(seen)


# ── the list ──


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_the_fund_sees_every_pc_in_one_list(app: Flask, browser: People, cast: Cast, name: str) -> None:
    on_pc(slot(cast.abc), "経理のPC")
    sessions._let_in(Actor(cast.member("jun"), slot(cast.abc)), cast.member("jun"))
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    html = browser(name).get(LIST).text
    assert Page(html).faults(app.url_map.bind("127.0.0.1")) == []
    line = row(html, cast.abc, 2)
    for words in (cast.abc.name, cast.abc.contract_number, "経理のPC", "有効", "入れ替え中", "乙川"):
        assert words in line
    assert "経理のPC" not in row(html, cast.abc, 3)
    assert "（管理者用）" in row(html, cast.xyz, 1)
    assert '<a href="/admin/devices/" aria-current="page">' in html


def test_it_is_searched_and_narrowed(browser: People, cast: Cast) -> None:
    on_pc(slot(cast.abc), "KEIRI-PC")
    in_state(cast.abc, "stopped", 3)
    kiku = browser("kiku")

    def lines(**query: str) -> set[str]:
        html = kiku.get(LIST, query_string=query).text
        return set(re.findall(rf'href="{LIST}([^"]+)"', html)) - {""}

    abc, xyz = cast.abc.uid, cast.xyz.uid
    assert lines(q="keiri") == {f"{abc}#slot-2"}
    assert lines(q="XYZ") == {f"{xyz}#slot-1", f"{xyz}#slot-2"}
    assert lines(state="stopped") == {f"{abc}#slot-3"}
    assert f"{abc}#slot-2" in lines(state="no such state")
    assert lines(q="<b>") == set()


def test_many_pcs_take_as_many_statements_as_a_few(browser: People, cast: Cast) -> None:
    kiku, counts = browser("kiku"), []
    kiku.get(LIST)
    for slots in (range(1, 4), range(4, 45)):
        for number in slots:
            device = Device.in_slot(cast.abc, number) or Device.create(office=cast.abc, slot=number, state="active")
            on_pc(device)
            sessions._let_in(Actor(cast.member("jun"), device), cast.member("jun"))
        counts.append(statements(kiku, LIST))
    assert counts[0] == counts[1]


def test_who_reads_no_devices_reads_no_list(browser: People, cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("kiku"), Grant.word == "register").execute()
    kiku = browser("kiku")
    assert kiku.get(LIST).status_code == 403
    assert LIST not in kiku.get("/").text


# ── 取りやめ ──


@pytest.mark.parametrize("name", ["taro", "dai"])
def test_a_replacement_is_called_off_on_the_page(app: Flask, browser: People, cast: Cast, name: str) -> None:
    person, page = browser(name), LIST if name == "taro" else page_of(cast.abc)
    url = f"{page_of(cast.abc)}/2/replacement/removal"
    assert url not in person.get(page).text
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    html = person.get(page).text
    assert Page(html).faults(app.url_map.bind("127.0.0.1")) == []
    assert "入れ替え中" in section(html, 2)
    assert "PCの入れ替えを取りやめる" in section(html, 2)
    seen = re.search(r'name="seen" value="(\w+)"', section(html, 2).partition(url)[2])[1]
    answer = person.post(url, {"seen": seen}, page=page)
    assert (answer.status_code, answer.location) == (303, page)
    html = person.get(page).text
    assert "入れ替えを取りやめました" in html
    assert url not in html
    assert person.post(url, {"seen": seen}, page=page).status_code == 409
    assert slot(cast.abc).state == "active"


def test_another_offices_replacement_is_not_found(browser: People, cast: Cast) -> None:
    devices.replace(cast.dai, slot(cast.xyz, 1), "故障")
    seen = {"seen": devices.seen(slot(cast.xyz, 1))}
    for name, status in (("taro", 404), ("jun", 403), ("kiku", 403)):
        answer = browser(name).post(f"{page_of(cast.xyz)}/1/replacement/removal", seen, page="/")
        assert answer.status_code == status
    assert slot(cast.xyz, 1).replaced_at is not None


# ── 引継ぎ ──


@pytest.mark.parametrize("name", ["taro", "kiku", "dai"])
def test_the_page_says_whose_pc_the_next_one_will_be(browser: People, cast: Cast, name: str) -> None:
    person, page = browser(name), LIST if name == "taro" else page_of(cast.abc)
    found = handovers.nominate(cast.taro, cast.abc, cast.member("jun")).handover
    html = person.get(page).text
    assert "後任の方のPCとみなし" in section(html, 1)
    assert "後任の方のPCとみなし" not in section(html, 2)
    assert (f"/admin/handovers/{found.uid}" in html) == (name != "dai")
    assert "/1/replacement" not in html
    if name != "kiku":
        answer = person.post(f"{page_of(cast.abc)}/1/replacement", {"reason": "故障", "seen": seen(cast)}, page=page)
        assert (answer.status_code, "引継ぎを取り下げてください" in answer.text) == (422, True)


def seen(cast: Cast) -> str:
    return devices.seen(slot(cast.abc, 1))


def test_the_page_of_a_handover_reads_one_slot(browser: People, cast: Cast) -> None:
    handovers.nominate(cast.taro, cast.abc, cast.member("jun"))
    taro, counts = browser("taro"), []
    taro.get("/admin/handovers/")
    for slots in (range(4, 6), range(6, 40)):
        for number in slots:
            at_counter(Device.create(office=cast.abc, slot=number, state="active"))
        counts.append(statements(taro, "/admin/handovers/"))
    assert counts[0] == counts[1]


def test_the_funds_list_of_handovers_takes_as_many_statements_for_many(browser: People, cast: Cast) -> None:
    kiku, counts = browser("kiku"), []
    kiku.get("/admin/handovers/")
    for number in (1, 20):
        for _ in range(number):
            handovers.withdraw(cast.taro, handovers.nominate(cast.taro, cast.abc, cast.member("jun")).handover)
        counts.append(statements(kiku, "/admin/handovers/"))
    assert counts[0] == counts[1]


def test_the_page_of_installers_takes_as_many_statements_for_many_slots(browser: People, cast: Cast) -> None:
    dai, counts, page = browser("dai"), [], f"/admin/installers/{cast.abc.uid}"
    dai.get(page)
    for slots in (range(4, 6), range(6, 91)):
        for number in slots:
            Device.create(office=cast.abc, slot=number, state="vacant")
        counts.append(statements(dai, page))
    assert counts[0] == counts[1]


# ── what the desk reads ──


def test_the_desk_tells_a_slot_that_waits_from_one_that_is_being_built(browser: People, cast: Cast) -> None:
    give_every_slot_its_installer()
    devices.replace(cast.taro, slot(cast.abc), "入れ替え")
    in_state(cast.xyz, "vacant")
    dai = browser("dai")
    page = "/admin/desk/?state=missing"
    assert dai.get(page).text.count("インストーラー未登録</span>") == 2
    InstallerOrder.create(device=slot(cast.xyz))
    html = dai.get("/admin/desk/").text
    assert (html.count("インストーラー未登録</span>"), html.count("インストーラー作成中")) == (1, 1)
    assert cast.xyz.name not in dai.get(page).text
    assert "まとめて作成" not in dai.get(page).text, "this server builds none"
    assert (
        "新しいPCのためのインストーラーは、まだ登録されていません" in dai.get(f"/admin/installers/{cast.abc.uid}").text
    )


# ── what both counters say ──


def test_both_counters_say_the_same_about_a_stopped_slot(browser: People, cast: Cast) -> None:
    in_state(cast.abc, "stopped", 3)
    for stranger, page in (
        (at_activation(browser(""), cast), "/activate/request"),
        (inside(browser(""), cast), COUNTER),
    ):
        assert counter.AGAIN in stranger.get(page).text
    assert "「端末」の画面で入れ替えの手続き" in counter.AGAIN
