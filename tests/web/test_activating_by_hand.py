"""The desk's button for a PC of which no confirmation code is taken, on the page of its office's PCs."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from equipment import Installer
from models import Device, Mail
from tests.exchange.activating import mailed
from tests.exchange.codes import built
from tests.exchange.vpn_server import VpnServer
from tests.people import Browser, Cast
from tests.web.test_activations import LIST, faults

People = Callable[[str], Browser]


@pytest.fixture(autouse=True)
def _only_what_the_test_sends(app: Flask) -> None:
    Mail.delete().execute()


def uploaded(cast: Cast) -> Installer:
    made = built(cast.abc, 2).installer
    Installer.update(key_sealed=None, certificate=None).where(Installer.id == made.id).execute()
    return made


def test_the_desk_activates_a_pc_with_an_uploaded_installer_on_the_page_of_its_office(
    app: Flask, browser: People, cast: Cast
) -> None:
    installer, dai = uploaded(cast), browser("dai")
    here, url = f"/admin/devices/{cast.abc.uid}", f"{LIST}devices/{cast.abc.uid}/2"
    page = dai.get(here).text
    assert faults(app, page) == []
    assert re.search(rf'action="{url}" data-confirm="[^"]*{cast.abc.contract_number}\.02 の登録を済ませましたか', page)
    assert "「確認コードなしで有効化」を押します" in page
    assert "基金事務局へご連絡ください" in browser("taro").get("/admin/devices/").text
    answer = dai.post(url, {"seen": installer.uid}, page=here)
    assert (answer.status_code, answer.location) == (303, here)
    page = dai.get(here).text
    assert "端末 02 を有効化しました" in page
    assert url not in page
    assert Device.in_slot(cast.abc, 2).state == "active"
    assert mailed("device_activated") == [cast.member("taro").user.mail]
    assert dai.post(url, {"seen": installer.uid}, page=here).status_code == 409


def test_nobody_else_finds_the_button(browser: People, cast: Cast) -> None:
    installer = uploaded(cast)
    url = f"{LIST}devices/{cast.abc.uid}/2"
    for name, page in (("taro", "/admin/devices/"), ("kiku", f"/admin/devices/{cast.abc.uid}")):
        person = browser(name)
        assert url not in person.get(page).text
        assert person.post(url, {"seen": installer.uid}, page=page).status_code == 403
    assert Device.in_slot(cast.abc, 2).state == "downloaded"


def test_there_is_no_such_button_for_a_server_that_is_driven_from_here(
    browser: People, cast: Cast, server: VpnServer
) -> None:
    installer, dai = uploaded(cast), browser("dai")
    here, url = f"/admin/devices/{cast.abc.uid}", f"{LIST}devices/{cast.abc.uid}/2"
    assert url not in dai.get(here).text
    answer = dai.post(url, {"seen": installer.uid}, page=here)
    assert answer.status_code == 422
    assert "確認コードなしでは有効化できません" in answer.text
