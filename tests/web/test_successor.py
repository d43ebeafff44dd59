"""Whoever is to become the 管理者 finds what to do, and the others how far it is."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from exchange import handovers, permissions
from models import Device, Office, User
from tests.exchange.handing_over import MIDORI, REASON, nominates, opens_emergency, second_clerk
from tests.people import Browser, Cast, mails, told
from tests.web.test_handovers import NEW, asks, emergency_page, of_jun

People = Callable[[str], Browser]
PAGE = "/admin/handovers/"
KEY = "/admin/office/download-key"


def body_to(app: Flask, name: str, subject: str) -> str:
    told(app)
    sent = mails(Path(app.instance_path) / "mail")
    return next(one["body"] for one in sent if subject in one["subject"] and name in one["to"])


def test_the_successor_reads_the_steps_in_his_mail_and_at_home(app: Flask, browser: People, cast: Cast) -> None:
    told(app)
    nominates(cast)
    body = body_to(app, "jun@", "引継ぎの手続き")
    for words in ("/download/", "/activate/", "ダウンロードキーを受け取ります"):
        assert words in body
    home = browser("jun").get("/").text
    assert "あなたは次の管理者に指名されています" in home
    assert home.count('href="/download/"') == home.count('href="/activate/"') == 1
    assert "次の管理者に指名" not in browser("hanako").get("/").text


def test_the_admin_the_fund_and_the_desk_find_it_at_home(browser: People, cast: Cast) -> None:
    handover = nominates(cast).handover
    assert f'href="{PAGE}">管理者の引継ぎ</a>で' in browser("taro").get("/").text
    assert f'href="{PAGE}{handover.uid}"' in browser("kiku").get("/").text
    dai = browser("dai")
    assert f'href="/admin/devices/{cast.abc.uid}"' in dai.get("/").text
    assert dai.get(f"/admin/devices/{cast.abc.uid}").status_code == 200


@pytest.mark.parametrize(("is_new", "says"), [(True, "あなたの利用も終了しています"), (False, "利用は、そのままです")])
def test_who_is_nominated_no_more_reads_what_becomes_of_him(app: Flask, cast: Cast, is_new: bool, says: str) -> None:
    told(app)
    handovers.withdraw(cast.taro, nominates(cast, MIDORI if is_new else None).handover)
    body = body_to(app, "midori@" if is_new else "jun@", "取り下げ")
    assert says in body
    assert ("終了しています" in body) == is_new


def test_after_the_sheet_of_a_newcomer_the_admin_goes_on_with_the_handover(browser: People, cast: Cast) -> None:
    sheet = asks(browser("taro"), PAGE, NEW).text
    assert f'href="{PAGE}">控えたので次へ' in sheet


def test_a_page_with_a_key_that_is_loaded_again_says_so(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    seen = taro.field("/admin/office/", "seen")
    assert taro.post(KEY, {"seen": seen}, page="/admin/office/").status_code == 200
    again = taro.post(KEY, {"seen": seen}, page="/admin/office/")
    assert again.status_code == 409
    assert "画面を更新したため、ダウンロードキーは表示できません" in again.text
    assert "別の画面" not in again.text


def test_before_an_emergency_the_page_says_who_can_approve_it(browser: People, cast: Cast) -> None:
    permissions.assign(cast.kiku, cast.member("ume"), "register", False)
    kiku = browser("kiku")
    page = kiku.get(emergency_page(cast)).text
    assert "承認できる職員がいません" in page
    assert 'name="successor"' not in page
    second_clerk(cast)
    name = cast.member("ume").user.name
    assert f"承認できる方：{name}" in kiku.get(emergency_page(cast)).text
    form = {**of_jun(cast), "reason": REASON}
    where = asks(kiku, emergency_page(cast), form).location
    assert f"承認できる方：{name}" in kiku.get(where).text


def test_whoever_approves_is_warned_of_an_address_that_is_missing(browser: People, cast: Cast) -> None:
    uid = opens_emergency(cast).uid
    ume = browser("ume")
    Office.update(address="").where(Office.id == cast.abc.id).execute()
    page = ume.get(f"{PAGE}{uid}").text
    assert "住所が登録されていません" in page
    assert f'href="/admin/contracts/{cast.abc.uid}">契約の変更' in page
    Office.update(address="東京都").where(Office.id == cast.abc.id).execute()
    assert "住所が登録されていません" not in ume.get(f"{PAGE}{uid}").text


def test_a_clerk_without_the_word_is_not_sent_to_an_offices_manager(browser: People, cast: Cast) -> None:
    permissions.assign(cast.kiku, cast.member("ume"), "register", False)
    page = browser("ume").get(emergency_page(cast))
    assert page.status_code == 403
    assert "事業所の管理者に" not in page.text
    assert "職員の管理を担当する方" in page.text


def test_what_was_done_with_the_letter_before_is_told_apart(browser: People, cast: Cast) -> None:
    kiku, page = browser("kiku"), f"/admin/progress/{cast.abc.uid}"
    assert "前回済" not in kiku.get(page).text
    User.update(is_initial_password=True).where(User.id == cast.member("taro").user_id).execute()
    Office.update(download_key_hash=None).where(Office.id == cast.abc.id).execute()
    html = kiku.get(page).text
    assert "前の管理者の方の記録です" in html
    assert html.count(">前回済<") == 5


def test_the_page_of_people_names_the_same_way_to_another_pc_as_the_page_of_pcs(browser: People, cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc, Device.slot > 1).execute()
    page = browser("taro").get("/admin/users/").text
    assert "管理者が「端末」の画面の「次にすること」に沿って進めます" in page
    assert "有効化については、基金事務局へ" not in page
