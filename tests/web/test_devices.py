"""端末 on the web: what the manager and the fund's people see of an office's PCs, stop and replace."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from equipment import Installer, VpnOrder
from exchange import devices, sessions
from exchange.actors import Actor
from models import AuditEntry, Device, Grant, LoginSession, Office
from tests.exchange.offices import said
from tests.exchange.slots import asked, at_counter, in_state, on_pc, slot
from tests.people import Browser, Cast, mails, told

People = Callable[[str], Browser]
OWN = "/admin/devices/"
LOST = {"reason": "紛失・盗難", "detail": "電車の中で"}


def page_of(office: Office) -> str:
    return f"/admin/devices/{office.uid}"


def acts(
    browser: Browser, office: Office, act: str = "stop", number: int = 2, page: str = "", **form: str
) -> TestResponse:
    """Send the form of that slot, with what it carries when the page is opened now."""
    sent = {"seen": devices.seen(slot(office, number)), **(form or {"reason": "故障"})}
    return browser.post(f"{page_of(office)}/{number}/{act}", sent, page=page or "/")


def section(html: str, number: int) -> str:
    return html.partition(f'<h2 id="slot-{number}">')[2].partition("</section>")[0]


def at_pc(app: Flask, cast: Cast, name: str, device: Device) -> Browser:
    """That person's browser, logged in through that PC's tunnel."""
    browser, member = Browser(app), cast.member(name)
    token = sessions._start(Actor(member, device, "127.0.0.1"), member, "in")
    with browser.client.session_transaction() as cookie:
        cookie["_user_id"] = token
    return browser


def text_of(app: Flask, subject: str) -> str:
    """The newest mail of that subject."""
    sent = mails(Path(app.instance_path) / "mail")
    return next(mail["body"] for mail in sent if subject in mail["subject"])


# ── who ──


@pytest.mark.parametrize("name", ["jun", "hanako", "ume"])
def test_nobody_else_comes_in(browser: People, cast: Cast, name: str) -> None:
    other = browser(name)
    assert other.get(OWN).status_code == 403
    assert other.get(page_of(cast.abc)).status_code == 403
    for act in ("stop", "replacement"):
        assert acts(other, cast.abc, act).status_code == 403
    assert slot(cast.abc).state == "active"


def test_a_manager_knows_of_his_own_offices_pcs_alone(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert taro.get(page_of(cast.xyz)).status_code == 404
    for act in ("stop", "replacement"):
        assert acts(taro, cast.xyz, act, 1).status_code == 404
    assert slot(cast.xyz, 1).state == "active"


@pytest.mark.parametrize("number", [0, 4, 99])
def test_a_slot_that_does_not_exist_is_not_found(browser: People, cast: Cast, number: int) -> None:
    answer = browser("taro").post(f"{page_of(cast.abc)}/{number}/stop", {"reason": "故障"}, page=OWN)
    assert answer.status_code == 404


def test_the_desk_without_the_word_reads_and_does_nothing(browser: People, cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word == "devices").execute()
    dai = browser("dai")
    page = dai.get(page_of(cast.abc))
    assert page.status_code == 200  # 有効化 reads it too
    assert "/stop" not in page.text
    assert acts(dai, cast.abc).status_code == 403
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word == "activate").execute()
    assert browser("dai").get(page_of(cast.abc)).status_code == 403


def test_the_fund_stops_and_does_nothing_else(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    page = kiku.get(page_of(cast.abc)).text
    assert ("/2/stop" in page, "/2/replacement" in page) == (True, False)
    assert acts(kiku, cast.abc, "replacement").status_code == 403
    assert slot(cast.abc).state == "active"
    assert acts(kiku, cast.abc, reason="管理者から紛失の電話").status_code == 303
    assert slot(cast.abc).state == "stopped"


def test_an_office_whose_contract_is_over_is_not_found(browser: People, cast: Cast) -> None:
    dai = browser("dai")
    Office.update(closed_at=utc_now()).where(Office.id == cast.abc.id).execute()
    assert dai.get(page_of(cast.abc)).status_code == 404


@pytest.mark.parametrize("name", ["dai", "kiku"])
def test_the_funds_people_find_an_office_in_their_list(browser: People, cast: Cast, name: str) -> None:
    person = browser(name)
    assert f'href="{page_of(cast.abc)}#slot-2"' in person.get(OWN).text
    detail = person.get(f"/admin/offices/{cast.abc.uid}").text
    assert f'href="{page_of(cast.abc)}"' in detail


def test_the_lists_and_the_menu_lead_here(browser: People, cast: Cast) -> None:
    assert f'href="{page_of(cast.xyz)}"' in browser("dai").get("/admin/desk/").text
    taro = browser("taro").get("/admin/office/").text
    assert taro.count(f'href="{OWN}"') == 2  # the menu and the page
    assert f'href="{OWN}"' not in browser("jun").get("/admin/office/").text


# ── what it shows ──


def test_the_page_tells_which_pc_and_who_used_it_last(app: Flask, browser: People, cast: Cast) -> None:
    on_pc(slot(cast.abc), "KEIRI-PC")
    sessions._let_in(Actor(cast.member("jun"), slot(cast.abc), "192.0.2.10"), cast.member("jun"))
    shown = section(browser("taro").get(OWN).text, 2)
    assert "KEIRI-PC" in shown
    assert "最後のログイン：" in shown
    assert cast.member("jun").user.name in shown
    assert "この端末からログインできます。" in shown


def test_every_slot_says_what_comes_next(browser: People, cast: Cast) -> None:
    in_state(cast.abc, "vacant", 1)
    at_counter(in_state(cast.abc, "issued", 2))
    asked(in_state(cast.abc, "requested", 3))
    html = browser("taro").get(OWN).text
    assert "インストーラーの準備を待っています" in section(html, 1)
    assert "ダウンロードしてください" in section(html, 2)
    assert "まだダウンロードされていません" in section(html, 2)
    assert "確認コードを確かめています" in section(html, 3)
    assert "PC「SOUMU-PC9」" in section(html, 3)
    assert "有効な端末がありません" in html


def test_what_can_not_be_done_is_not_offered(browser: People, cast: Cast) -> None:
    for state, offered in {
        "vacant": set(),
        "issued": {"stop"},
        "downloaded": {"stop", "replacement"},
        "requested": {"stop", "replacement"},
        "active": {"stop", "replacement"},
        "stopped": {"replacement"},
    }.items():
        in_state(cast.abc, state)
        html = section(browser("taro").get(OWN).text, 2)
        assert set(re.findall(r'action="[^"]+/2/(\w+)"', html)) == offered, state


def test_an_office_without_slots_says_so(browser: People, cast: Cast) -> None:
    taro, dai = browser("taro"), browser("dai")
    VpnOrder.delete().execute()
    Installer.delete().execute()
    AuditEntry.update(device=None).execute()
    Device.delete().where(Device.office == cast.abc).execute()
    assert "端末の登録がありません" in taro.get(OWN).text
    assert "この事業所には端末の登録がありません" in dai.get(page_of(cast.abc)).text


def test_the_question_names_the_pc(browser: People, cast: Cast) -> None:
    on_pc(slot(cast.abc), 'PC"<b>')
    html = section(browser("taro").get(OWN).text, 2)
    asks = [unescape(words) for words in re.findall(r'data-confirm="([^"]*)"', html)]
    assert len(asks) == 2
    assert all('端末 02（PC"<b>）' in words for words in asks)
    assert "<b>" not in html


def test_the_page_warns_of_the_pc_one_sits_at(app: Flask, cast: Cast) -> None:
    html = at_pc(app, cast, "taro", slot(cast.abc, 1)).get(OWN).text
    assert "いま使っている端末です" in section(html, 1)
    assert "この画面もすぐに終わります" in section(html, 1)
    assert "いま使っている端末です" not in section(html, 2)


def test_the_page_warns_of_the_last_active_one(browser: People, cast: Cast) -> None:
    for number in (2, 3):
        in_state(cast.abc, "stopped", number)
    html = browser("taro").get(OWN).text
    assert "有効な端末は、これだけです" in section(html, 1)
    assert "誰もログインできなくなります" in section(html, 1)
    in_state(cast.abc, "active", 2)
    assert "これだけです" not in browser("taro").get(OWN).text


# ── 停止 ──


@pytest.mark.parametrize(
    ("name", "form", "reason"),
    [
        ("taro", LOST, "紛失・盗難：電車の中で"),
        ("taro", {"reason": "故障"}, "故障"),
        ("dai", {"reason": "管理者から紛失の連絡"}, "管理者から紛失の連絡"),
    ],
)
def test_a_device_is_stopped_with_its_reason(
    browser: People, cast: Cast, name: str, form: dict[str, str], reason: str
) -> None:
    person = browser(name)
    answer = acts(person, cast.abc, **form)
    assert answer.location == (OWN if name == "taro" else page_of(cast.abc))
    assert said("device.stopped") == [{"slot": 2, "reason": reason}]
    page = person.get(answer.location).text
    assert "端末 02 を停止しました" in page
    assert "もう一度使うときは" in section(page, 2)


@pytest.mark.parametrize(
    ("name", "form", "sentence"),
    [
        ("taro", {"reason": ""}, "理由を選んでください"),
        ("taro", {"reason": "その他"}, "くわしい理由を入力してください"),
        ("taro", {"reason": "故障", "detail": "あ" * 300}, "文字までで入力してください"),
        ("dai", {"reason": " 　"}, "理由を入力してください"),
        ("dai", {"reason": "あ" * 301}, "理由が長すぎます"),
    ],
)
@pytest.mark.parametrize("act", ["stop", "replacement"])
def test_a_form_that_lacks_something_comes_back_open(
    browser: People, cast: Cast, name: str, form: dict[str, str], sentence: str, act: str
) -> None:
    answer = acts(browser(name), cast.abc, act, **form)
    assert answer.status_code == 422
    assert sentence in section(answer.text, 2)
    assert section(answer.text, 2).count(" open>") == 1
    assert " open>" not in section(answer.text, 1)
    assert slot(cast.abc).state == "active"


def test_a_reason_that_is_not_offered_is_refused(browser: People, cast: Cast) -> None:
    assert acts(browser("taro"), cast.abc, reason="なんとなく").status_code == 422
    assert slot(cast.abc).state == "active"


def test_stopped_twice_says_so(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    acts(taro, cast.abc)
    answer = acts(taro, cast.abc)
    assert answer.status_code == 409
    assert "すでに停止しています" in answer.text
    assert len(said("device.stopped")) == 1


def test_a_page_that_was_overtaken_is_refused(browser: People, cast: Cast) -> None:
    taro, shown = browser("taro"), devices.seen(slot(cast.abc))
    acts(taro, cast.abc, "replacement")
    since = slot(cast.abc).replaced_at
    answer = acts(taro, cast.abc, "replacement", reason="故障", seen=shown)
    assert answer.status_code == 409
    assert "画面を開き直して" in answer.text
    assert slot(cast.abc).replaced_at == since


def test_a_pc_is_stopped_whatever_the_page_showed(browser: People, cast: Cast) -> None:
    taro, shown = browser("taro"), devices.seen(slot(cast.abc))
    acts(taro, cast.abc, "replacement")
    assert acts(taro, cast.abc, reason="紛失・盗難", seen=shown).status_code == 303
    assert slot(cast.abc).state == "stopped"


def test_the_people_at_a_stopped_pc_are_out_with_their_next_request(app: Flask, browser: People, cast: Cast) -> None:
    jun, other = at_pc(app, cast, "jun", slot(cast.abc)), at_pc(app, cast, "hanako", slot(cast.abc, 3))
    assert jun.get("/files/").status_code == 200
    acts(browser("dai"), cast.abc, reason="盗難")
    answer = jun.get("/files/")
    assert answer.status_code == 303
    assert "why=device" in answer.location
    assert "端末" in jun.get(answer.location).text
    assert other.get("/files/").status_code == 200


def test_who_stops_the_own_pc_is_out_too(app: Flask, cast: Cast) -> None:
    taro = at_pc(app, cast, "taro", slot(cast.abc, 1))
    answer = acts(taro, cast.abc, number=1)
    assert answer.status_code == 303
    assert "why=device" in taro.get(answer.location).location


def test_the_manager_is_mailed(app: Flask, browser: People, cast: Cast) -> None:
    told(app)
    acts(browser("dai"), cast.abc, reason="利用者 丙山花子さんの退職")
    address = cast.member("taro").user.mail
    assert told(app, "端末の停止") == {(address, "端末の停止のお知らせ")}
    body = text_of(app, "端末の停止")
    assert "2台目" in body
    assert "花子" not in body
    assert "電子連携サービス事務局" in body


# ── 入れ替え ──


def test_the_manager_has_a_pc_replaced(app: Flask, browser: People, cast: Cast) -> None:
    told(app)
    taro = browser("taro")
    answer = acts(taro, cast.abc, "replacement", **{"reason": "入れ替え"})
    page = taro.get(answer.location).text
    assert "入れ替えを受け付けました" in page
    assert "いまのPCは、新しいPCが有効化されるまで使えます" in section(page, 2)
    assert slot(cast.abc).state == "active"
    assert said("device.replaced") == [{"slot": 2, "reason": "入れ替え"}]
    assert told(app, "入れ替え") == {(cast.member("taro").user.mail, "PCの入れ替えの受付のお知らせ")}
    assert "いまのPCは、新しいPCが有効化されるまで使えます。" in text_of(app, "入れ替え")


def test_a_stopped_device_comes_to_life_again(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    acts(taro, cast.abc)
    acts(taro, cast.abc, "replacement")
    assert slot(cast.abc).state == "vacant"
    assert "インストーラー" in section(taro.get(OWN).text, 2)


# ── the login password again ──


@pytest.mark.parametrize(("act", "words"), [("stop", "端末の停止"), ("replacement", "PCの入れ替え")])
@pytest.mark.parametrize(("name", "form"), [("taro", LOST), ("dai", {"reason": "電話で依頼"})])
def test_the_question_for_the_password_shows_what_is_done(
    browser: People, cast: Cast, name: str, form: dict[str, str], act: str, words: str
) -> None:
    on_pc(slot(cast.abc), "KEIRI-PC")
    person = browser(name)
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()
    page = acts(person, cast.abc, act, **form)
    assert page.status_code == 200
    facts = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)</dd>", page.text))
    assert facts["操作"] == words
    assert facts["対象の事業所"] == cast.abc.name
    assert facts["対象の端末"] == "02　PC「KEIRI-PC」"
    assert facts["理由"] == form["reason"]
    assert facts.get("くわしい理由") == form.get("detail")
    assert slot(cast.abc).state == "active"
    assert said("device.stopped") + said("device.replaced") == []


def test_a_question_about_another_offices_pc_is_never_asked(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()
    answer = acts(taro, cast.xyz, number=1)
    assert answer.status_code == 404
    assert cast.xyz.name not in answer.text
