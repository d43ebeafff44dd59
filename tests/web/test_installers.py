"""Installers on the web: the desk's page of an office, one slot at a time."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from equipment import Installer
from exchange import installers
from models import Device, Grant, LoginSession, Office, StoredObject
from tests.exchange.test_installers import EXE, fetches, uploads, vacant
from tests.people import Browser, Cast, in_vault

People = Callable[[str], Browser]


def page_of(office: Office) -> str:
    return f"/admin/installers/{office.uid}"


def sends(browser: Browser, office: Office, slot: int = 2, data: bytes | None = EXE, **more: Any) -> TestResponse:
    """Choose a file for a slot and send it; `data` None: no file. `seen` as the page shows it, unless told otherwise;
    `page`: where the token comes from.
    """
    page = more.pop("page", page_of(office))
    here = installers.current(office).get(slot)
    form = {"seen": here.uid if here else "", **more}
    file = (io.BytesIO(data or b""), "setup.exe" if data is not None else "")
    url = f"{page_of(office)}/{slot}"
    return browser.post(url, {**form, "file": file}, page=page, content_type="multipart/form-data")


def withdraws(browser: Browser, office: Office, seen: str, slot: int = 2, page: str = "") -> TestResponse:
    return browser.post(f"{page_of(office)}/{slot}/withdrawal", {"seen": seen}, page=page or page_of(office))


def test_the_desks_list_leads_to_the_page_of_each_office(browser: People, cast: Cast) -> None:
    dai = browser("dai")
    for office in (cast.abc, cast.xyz):
        assert f'href="{page_of(office)}"' in dai.get("/admin/desk/").text
    found = dai.get("/admin/desk/?q=XYZ").text
    assert page_of(cast.xyz) in found
    assert page_of(cast.abc) not in found
    assert "に当てはまる事業所はありません" in dai.get("/admin/desk/", query_string={"q": "<b>%"}).text


def test_whoever_may_not_hand_them_out_gets_no_link(browser: People, cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("dai"), Grant.word == "devices").execute()
    dai = browser("dai")
    assert dai.get("/admin/desk/").status_code == 200
    assert "/admin/installers/" not in dai.get("/admin/desk/").text
    assert dai.get(page_of(cast.abc)).status_code == 403


def test_the_menu_marks_the_desks_list(browser: People, cast: Cast) -> None:
    assert '<a href="/admin/desk/" aria-current="page">' in browser("dai").get(page_of(cast.abc)).text


def test_a_slot_without_installer_says_so(browser: People, cast: Cast) -> None:
    page = browser("dai").get(page_of(cast.xyz)).text
    assert page.count("インストーラーはまだ登録されていません。") == 1
    assert page.count("この端末は有効化済みです。") == 1
    assert "端末 01（管理者用）" in page
    assert f"setup.{cast.xyz.contract_number}.02.exe" in page


def test_an_installer_is_uploaded_and_shown(browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    dai = browser("dai")
    answer = sends(dai, cast.xyz)
    assert (answer.status_code, answer.location) == (303, page_of(cast.xyz))
    stored = installers.current(cast.xyz)[2].stored
    page = dai.get(page_of(cast.xyz)).text
    assert "端末 02 のインストーラーを登録しました。" in page
    assert stored.sha256 in page
    assert "インストーラー発行済" in page
    assert "まだ取得していません" in page
    fetches(cast.xyz)
    after = dai.get(page_of(cast.xyz)).text
    assert "まだ取得していません" not in after
    assert "ダウンロード済" in after


def test_a_replacement_erases_the_old_file(app: Flask, browser: People, cast: Cast) -> None:
    dai, _ = browser("dai"), vacant(cast.xyz)
    sends(dai, cast.xyz)
    assert sends(dai, cast.xyz, data=EXE + b"2").status_code == 303
    assert in_vault(app) == [installers.current(cast.xyz)[2].stored.uid]
    assert fetches(cast.xyz) == EXE + b"2"


def test_it_is_withdrawn_once(app: Flask, browser: People, cast: Cast) -> None:
    dai, installer = browser("dai"), uploads(cast.dai, vacant(cast.xyz))
    assert withdraws(dai, cast.xyz, installer.uid).location == page_of(cast.xyz)
    assert in_vault(app) == []
    assert withdraws(dai, cast.xyz, installer.uid).status_code == 409
    assert Device.in_slot(cast.xyz, 2).state == "vacant"


def test_a_device_in_use_is_told_that_its_state_stays(browser: People, cast: Cast) -> None:
    Device.update(state="active").where(Device.office == cast.xyz, Device.slot == 2).execute()
    dai = browser("dai")
    sends(dai, cast.xyz)
    assert "この端末の状態は、インストーラーを登録しても変わりません。" in dai.get(page_of(cast.xyz)).text
    assert Device.in_slot(cast.xyz, 2).state == "active"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (None, "ファイルが選ばれていません"),
        (b"", "実行ファイル（.exe）だけです"),
        (b"%PDF-1.7", "実行ファイル（.exe）だけです"),
        (b"PK\x03\x04", "実行ファイル（.exe）だけです"),
    ],
)
def test_a_wrong_file_comes_back_with_the_reason_and_nothing_stays(
    app: Flask, browser: People, cast: Cast, data: bytes | None, sentence: str
) -> None:
    vacant(cast.xyz)
    answer = sends(browser("dai"), cast.xyz, data=data)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert (Installer.select().count(), StoredObject.select().count(), in_vault(app)) == (0, 0, [])
    assert Device.in_slot(cast.xyz, 2).state == "vacant"


def test_a_refused_file_can_only_go_to_the_slot_it_was_chosen_for(browser: People, cast: Cast) -> None:
    """The script puts the file into the first form of the answer."""
    page = sends(browser("dai"), cast.xyz, data=b"%PDF-1.7").text
    assert page.count('type="file"') == 1
    assert f'action="{page_of(cast.xyz)}/2"' in page
    assert f'href="{page_of(cast.xyz)}"' in page


def test_a_stale_page_replaces_and_withdraws_nothing(app: Flask, browser: People, cast: Cast) -> None:
    dai, first = browser("dai"), uploads(cast.dai, vacant(cast.xyz))
    second = uploads(cast.dai, Device.in_slot(cast.xyz, 2), EXE + b"2")
    answer = sends(dai, cast.xyz, data=EXE + b"3", seen=first.uid)
    assert answer.status_code == 409
    assert "ほかの画面ですでに変更されています" in answer.text
    assert withdraws(dai, cast.xyz, first.uid).status_code == 409
    assert sends(dai, cast.xyz, data=EXE + b"3", seen="").status_code == 409
    assert installers.current(cast.xyz) == {2: second}


def test_after_a_stale_page_the_answer_still_holds_what_was_seen(browser: People, cast: Cast) -> None:
    """Pressing once more must not replace what nobody has looked at."""
    dai, first = browser("dai"), uploads(cast.dai, vacant(cast.xyz))
    uploads(cast.dai, Device.in_slot(cast.xyz, 2), EXE + b"2")
    page = sends(dai, cast.xyz, data=EXE + b"3", seen=first.uid).text
    assert f'name="seen" value="{first.uid}"' in page


def test_too_large_a_file_is_refused_with_the_limit(
    app: Flask, browser: People, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installers.Program, "LARGEST", 100)
    answer = sends(browser("dai"), cast.xyz, data=EXE + b"x" * 100)
    assert answer.status_code == 413
    assert "バイトまでです" in answer.text
    assert in_vault(app) == []


def test_without_the_csrf_token_nothing_stays(app: Flask, browser: People, cast: Cast) -> None:
    form = {"seen": "", "file": (io.BytesIO(EXE), "a.exe")}
    answer = browser("dai").client.post(f"{page_of(cast.xyz)}/2", data=form, content_type="multipart/form-data")
    assert (answer.status_code, in_vault(app)) == (400, [])


def test_after_ten_minutes_the_password_stands_before_the_forms(app: Flask, browser: People, cast: Cast) -> None:
    vacant(cast.xyz)
    dai, page = browser("dai"), page_of(cast.xyz)
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()
    text = dai.get(page).text
    assert 'type="file"' not in text
    assert f'action="{page}/opening"' in text
    answer = sends(dai, cast.xyz)
    assert answer.status_code == 422
    assert "ファイルを受け取りませんでした" in answer.text
    assert (Installer.select().count(), in_vault(app)) == (0, [])
    question = dai.post(f"{page}/opening", page=page)
    assert (question.status_code, "インストーラーの登録の画面を開く" in question.text) == (200, True)
    password = {"confirm_password": cast.secrets("dai")["password"]}
    assert dai.post(f"{page}/opening", password, page=page).location == page
    assert 'type="file"' in dai.get(page).text
    assert sends(dai, cast.xyz).status_code == 303


@pytest.mark.parametrize("name", ["kiku", "ume", "taro", "hanako"])
def test_only_the_desk_gets_there(app: Flask, browser: People, cast: Cast, name: str) -> None:
    installer, person = uploads(cast.dai, vacant(cast.abc)), browser(name)
    assert person.get(page_of(cast.abc)).status_code == 403
    assert sends(person, cast.abc, data=EXE + b"2", page="/").status_code == 403
    assert withdraws(person, cast.abc, installer.uid, page="/").status_code == 403
    assert in_vault(app) == [installer.stored.uid]


def test_offices_and_slots_that_do_not_exist_are_not_found(app: Flask, browser: People, cast: Cast) -> None:
    dai, desk = browser("dai"), "/admin/desk/"
    assert dai.get("/admin/installers/" + "0" * 32).status_code == 404
    for slot in (0, 3, 99):
        assert sends(dai, cast.xyz, slot).status_code == 404
        assert withdraws(dai, cast.xyz, "", slot).status_code == 404
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    assert dai.get(page_of(cast.xyz)).status_code == 404
    assert sends(dai, cast.xyz, page=desk).status_code == 404
    assert withdraws(dai, cast.xyz, "", page=desk).status_code == 404
    assert in_vault(app) == []


def test_an_installer_with_malware_says_so_where_it_is_looked_after(browser: People, cast: Cast) -> None:
    uploads(cast.dai, vacant(cast.abc))
    assert "ウイルス検査</dt><dd>未検査" in browser("dai").get(page_of(cast.abc)).text
    scan = {"engine": "ClamAV 1.4", "signatures_at": "", "at": "2026-11-23T02:30:00+00:00"}
    Installer.update(scan={**scan, "verdict": "found", "found": ["Win.Test-1"]}).execute()
    page = browser("dai").get(page_of(cast.abc)).text
    for words in ("異常が見つかりました", "ウイルスが見つかりました：Win.Test-1", "作り直すか、取り下げて"):
        assert words in page
