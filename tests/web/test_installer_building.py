"""The desk has installers built, and sees how far they are."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from database import db
from exchange import installers, kits
from models import Device, Office
from tests import wine
from tests.exchange.test_installer_making import breaks, builds, fails_for_good
from tests.exchange.test_installers import uploads, vacant
from tests.people import Browser, Cast, run_jobs

People = Callable[[str], Browser]

pytestmark = wine.needs_makensis


@pytest.fixture
def app(instance: Path) -> Iterator[Flask]:
    """The site on a machine that builds installers."""
    app = create_app({"INSTANCE": instance, "TESTING": True})
    with db.connection_context():
        yield app
    db.close()


def page_of(office: Office) -> str:
    return f"/admin/installers/{office.uid}"


def presses(browser: Browser, office: Office, slot: int = 2, seen: str | None = None) -> int:
    """作成する or 作り直す; the status of the answer."""
    here = installers.current(office).get(slot)
    form = {"seen": seen if seen is not None else here.uid if here else ""}
    return browser.post(f"{page_of(office)}/{slot}/building", form, page=page_of(office)).status_code


def test_the_desk_has_one_built_and_watches(app: Flask, browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    dai = browser("dai")
    assert ">作成する<" in dai.get(page_of(cast.xyz)).text
    assert presses(dai, cast.xyz) == 303
    page = dai.get(page_of(cast.xyz)).text
    assert "端末 02 のインストーラーの作成を始めました。" in page
    assert "インストーラーの作成：順番を待っています" in page
    assert f'hx-get="{page_of(cast.xyz)}"' in page
    assert ">作成する<" not in page
    run_jobs(app)
    page, installer = dai.get(page_of(cast.xyz)).text, installers.current(cast.xyz)[2]
    assert "（サーバーが作成）" in page
    assert f"<code>{installer.uid[:8]}</code>" in page
    assert installer.stored.sha256 in page
    assert ">作り直す<" in page
    assert "作成の進み具合" not in page


def test_htmx_gets_the_progress_alone_and_the_page_anew_once_it_is_over(
    app: Flask, browser: People, cast: Cast
) -> None:
    vacant(cast.xyz)
    dai = browser("dai")
    presses(dai, cast.xyz)
    waiting = dai.get(page_of(cast.xyz), headers={"HX-Request": "true"})
    assert waiting.text.lstrip().startswith("<section")
    assert "HX-Refresh" not in waiting.headers
    run_jobs(app)
    assert dai.get(page_of(cast.xyz), headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


def test_one_that_was_uploaded_is_told_from_one_that_was_built(browser: People, cast: Cast) -> None:
    uploads(cast.dai, vacant(cast.xyz))
    page = browser("dai").get(page_of(cast.xyz)).text
    assert "（ファイルを登録）" in page
    assert "いまのファイルは消去され、事業所がすでに受け取ったものも使えなくなります。" in page


def test_a_build_that_failed_is_said_and_a_new_one_offered(app: Flask, browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    builds(cast.dai, cast.xyz)
    breaks()
    run_jobs(app)
    dai = browser("dai")
    page = dai.get(page_of(cast.xyz)).text
    assert "一度作れませんでした。" in page
    assert ">作り直す<" in page
    fails_for_good(app)
    page = dai.get(page_of(cast.xyz)).text
    assert "インストーラーを作れませんでした。「作り直す」でもう一度試し" in page
    assert presses(dai, cast.xyz) == 303


def test_a_server_without_makensis_says_how_to_get_it_and_takes_files(browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    kits.configure(replace(kits._shop(), makensis="no-such-program"))
    dai = browser("dai")
    page = dai.get(page_of(cast.xyz)).text
    assert "このサーバーでは、インストーラーを作れません。" in page
    assert "apt-get install nsis" in page
    assert ">作成する<" not in page
    assert "インストーラーを登録する" in page
    assert presses(dai, cast.xyz) == 507


def test_a_pc_at_work_is_replaced_elsewhere(browser: People, cast: Cast) -> None:
    dai = browser("dai")
    page = dai.get(page_of(cast.abc)).text
    assert ">作成する<" not in page
    assert "端末の画面の「入れ替え」から始めてください。" in page
    assert presses(dai, cast.abc) == 422
    assert Device.in_slot(cast.abc, 2).state == "active"


def test_everything_that_is_missing_is_built_at_once(app: Flask, browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    vacant(cast.abc)
    dai, page = browser("dai"), "/admin/desk/?state=missing"
    assert "まとめて作成" not in dai.get("/admin/desk/").text
    assert "インストーラーをまとめて作成" in dai.get(f"{page}&q=XYZ").text
    answer = dai.post("/admin/desk/installers", {"q": "XYZ"}, page=page)
    assert answer.status_code == 303
    assert "1台分のインストーラーの作成を始めました" in dai.get(answer.location).text
    run_jobs(app)
    assert list(installers.current(cast.xyz)) == [2]
    assert installers.current(cast.abc) == {}
    dai.post("/admin/desk/installers", {"q": ""}, page=page)
    run_jobs(app)
    assert list(installers.current(cast.abc)) == [2]


@pytest.mark.parametrize("name", ["kiku", "taro", "hanako"])
def test_nobody_but_the_desk_has_everything_built(browser: People, cast: Cast, name: str) -> None:
    vacant(cast.xyz)
    assert browser(name).post("/admin/desk/installers", {"q": ""}, page="/").status_code == 403
    assert Device.in_slot(cast.xyz, 2).state == "vacant"


def test_a_page_that_is_behind_is_told_so(browser: People, cast: Cast) -> None:
    uploads(cast.dai, vacant(cast.xyz))
    assert presses(browser("dai"), cast.xyz, seen="") == 409


@pytest.mark.parametrize("name", ["kiku", "taro", "hanako"])
def test_nobody_but_the_desk_has_one_built(browser: People, cast: Cast, name: str) -> None:
    person = browser(name)
    answer = person.post(f"{page_of(cast.xyz)}/2/building", {"seen": ""}, page="/")
    assert answer.status_code == 403
