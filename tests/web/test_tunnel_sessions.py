"""What a person reads whose PC is not known, whose VPN server is silent, or whose tunnel has changed on the way."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask

from exchange import tunnel_logins
from models import AuditEntry, Device, LoginSession, Membership, Transfer
from tests.people import Browser, Cast, mails, run_jobs
from tests.tunnels import Tunnels, standing_in
from tests.web.steps import logs_in, logs_in_as_staff, passes_code

People = Callable[[str], Browser]
AT_ABC, AT_XYZ, ELSEWHERE = "10.8.0.1", "10.8.1.1", "10.8.9.9"


@pytest.fixture
def tunnels(cast: Cast) -> Iterator[Tunnels]:
    with standing_in() as tunnels:
        tunnels.connect(Device.in_slot(cast.abc, 1), AT_ABC)
        tunnels.connect(Device.in_slot(cast.xyz, 1), AT_XYZ)
        yield tunnels


def moves(browser: Browser, address: str) -> Browser:
    """From now on it is connected there."""
    browser.client.environ_base["REMOTE_ADDR"] = address
    return browser


@pytest.fixture
def taro(app: Flask, browser: People, cast: Cast, tunnels: Tunnels) -> Browser:
    """Taro's browser, logged in on PC 01 of ABC商事."""
    taro = moves(browser(""), AT_ABC)
    assert logs_in(app, cast, taro, "taro").location == "/"
    return taro


def test_taro_logs_in_from_his_offices_pc_and_the_record_names_it(taro: Browser, cast: Cast) -> None:
    assert "甲野" in taro.get("/files/").text
    assert AuditEntry.get(AuditEntry.action == "login.succeeded").device == Device.in_slot(cast.abc, 1)


@pytest.mark.parametrize("where", [AT_XYZ, ELSEWHERE])
def test_from_another_offices_pc_he_is_refused_and_told_what_to_do(
    app: Flask, browser: People, cast: Cast, tunnels: Tunnels, where: str
) -> None:
    taro = moves(browser(""), where)
    answer = logs_in(app, cast, taro, "taro")
    assert (answer.status_code, tunnel_logins.OTHER_DEVICE in answer.text) == (403, True)
    assert "XYZ" not in answer.text
    assert taro.get("/files/").location == "/auth/"
    run_jobs(app)
    sent = next(
        mail for mail in mails(Path(app.instance_path) / "mail") if "ほかの端末からのログイン" in mail["subject"]
    )
    assert sent["to"] == "taro@abc-shoji.example"
    assert ["abcTaro01" in sent["body"], where in sent["body"], "XYZ" in sent["body"]] == [True, True, False]


def test_while_the_vpn_server_is_silent_he_is_asked_to_come_again(
    app: Flask, browser: People, cast: Cast, tunnels: Tunnels
) -> None:
    taro = moves(browser(""), AT_ABC)
    tunnels.is_up = False
    answer = logs_in(app, cast, taro, "taro")
    assert (answer.status_code, tunnel_logins.UNREACHABLE in answer.text) == (503, True)
    tunnels.is_up = True
    form = {"login_id": "abcTaro01", "password": cast.secrets("taro")["password"]}
    assert taro.post("/auth/password", form).location == "/"


def test_the_code_alone_tells_nobody_whether_the_pc_is_right(
    app: Flask, browser: People, cast: Cast, tunnels: Tunnels
) -> None:
    passes_code(app, cast, moves(browser(""), ELSEWHERE), "taro")
    assert tunnels.asked == []


def test_another_tunnel_ends_the_session_and_the_page_says_why(taro: Browser) -> None:
    answer = moves(taro, AT_XYZ).get("/files/")
    assert answer.location == "/auth/ended?why=device"
    page = taro.get(answer.location).text
    assert "VPN接続が変わったため、終了しました" in page
    assert "ログインし直してください" in page
    assert moves(taro, AT_ABC).get("/files/").status_code == 303
    assert LoginSession.select().where(LoginSession.ended_at.is_null()).count() == 0


def test_a_file_sent_over_another_tunnel_is_not_lost_in_silence(app: Flask, taro: Browser) -> None:
    token = taro.csrf("/files/upload")
    file = {"csrf_token": token, "file": (io.BytesIO(b"PK"), "届書.zip")}
    answer = moves(taro, AT_XYZ).client.post("/files/upload", data=file, content_type="multipart/form-data")
    assert answer.location == "/auth/ended?why=device"
    assert "操作は行われていません" in taro.get(answer.location).text
    assert Transfer.select().count() == 0


def test_a_small_part_of_a_page_leads_to_the_same_words(taro: Browser) -> None:
    answer = moves(taro, AT_XYZ).get("/files/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/auth/ended?why=device"


def test_a_stopped_pc_is_out_at_the_next_request(taro: Browser, cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    assert taro.get("/").location == "/auth/ended?why=device"


def test_the_funds_people_may_move_about(browser: People, cast: Cast, tunnels: Tunnels) -> None:
    kiku = moves(browser(""), "192.168.5.7")
    assert logs_in_as_staff(cast, kiku, "kiku").location == "/"
    assert moves(kiku, "192.168.5.8").get("/admin/inbox/").status_code == 200


def test_an_office_without_an_active_pc_reads_that_first(
    app: Flask, browser: People, cast: Cast, tunnels: Tunnels
) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc).execute()
    answer = logs_in(app, cast, moves(browser(""), AT_ABC), "jun")
    assert (answer.status_code, "有効な端末がない" in answer.text) == (403, True)
    assert Membership.get(Membership.login_id == "abcJun001").sessions.where(LoginSession.stage == "in").count() == 0
