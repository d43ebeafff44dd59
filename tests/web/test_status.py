"""/admin/status: what a clerk reads out on the phone."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from database import db, utc_now
from exchange import calendar, certificates, clock, kits, scanner, softether, vpn, vpn_orders, walls, zip_ciphers
from exchange.actors import system
from exchange.errors import NotConfigured
from models import Device
from tests.clamd import Odd, hangs
from tests.people import Browser, Cast
from tests.softether import free_port


@pytest.mark.parametrize(("is_kept", "word"), [(True, "動作中"), (False, "未確認"), (None, "未確認")])
def test_the_page_tells_the_servers_time_and_whether_it_is_kept(
    browser: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch, is_kept: bool | None, word: str
) -> None:
    monkeypatch.setattr(clock, "is_kept", lambda: is_kept)
    page = browser("kiku").get("/admin/status/").text
    assert f"{calendar.japan(utc_now()):%Y/%m/%d}" in page
    assert f"時刻合わせ {word}" in page


def test_this_machine_says_how_its_clock_is_kept() -> None:
    assert clock.is_kept() in (True, False, None)


def test_where_people_look_after_the_vpn_server_the_page_says_so(browser: Callable[[str], Browser]) -> None:
    assert (
        "電子連携サービス事務局が「端末の有効化」→「VPN側の作業」で行います。"
        in browser("kiku").get("/admin/status/").text
    )


def test_a_vpn_server_that_does_not_answer_is_told_with_what_waits_for_it(
    app: Flask, browser: Callable[[str], Browser], cast: Cast
) -> None:
    _, certificate = certificates.server(["todoke.example"])
    vpn.configure(softether.SoftEther(f"https://127.0.0.1:{free_port()}", "NENKIN", "secret", certificate))
    with db.atomic():
        early = replace(system(), at=utc_now() - timedelta(minutes=6))
        vpn_orders.ask(early, Device.get(Device.state == "active"), is_on=False)
    page = browser("kiku").get("/admin/status/").text
    assert "つながりません" in page
    assert "1件が待っています" in page


def test_the_page_tells_why_no_installer_can_be_made(browser: Callable[[str], Browser]) -> None:
    page = browser("kiku").get("/admin/status/").text
    assert "インストーラーの作成" in page
    assert all(reason in page for reason in kits.why_not())


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"VPN_PROVIDER": "openvpn"}, "VPN_PROVIDER"),
        ({"VPN_PROVIDER": "softether"}, "VPN_PASSWORD"),
        ({"VPN_PROVIDER": "softether", "VPN_PASSWORD": "secret", "VPN_CERTIFICATE": "/nowhere.pem"}, "VPN_CERTIFICATE"),
    ],
)
def test_a_vpn_server_that_is_half_configured_is_refused_at_the_start(
    instance: Path, overrides: dict[str, str], told: str
) -> None:
    with pytest.raises(NotConfigured, match=told):
        create_app({"INSTANCE": instance, **overrides})


def test_the_page_tells_when_old_zips_are_slow_to_inspect(
    browser: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    kiku, words = browser("kiku"), "libarchive13 を入れてください"
    assert (words in kiku.get("/admin/status/").text) is (not zip_ciphers.is_fast())
    monkeypatch.setattr(zip_ciphers, "libarchive", None)
    assert words in kiku.get("/admin/status/").text


def test_the_page_tells_when_the_kernel_can_not_wall_off_an_inspection(
    browser: Callable[[str], Browser], monkeypatch: pytest.MonkeyPatch
) -> None:
    kiku, told = browser("kiku"), {}
    for version in (0, 2, walls.WHOLE):
        monkeypatch.setattr(walls, "version", lambda version=version: version)
        told[version] = kiku.get("/admin/status/").text
    assert all(words in told[0] for words in ("Landlock が使えません", "ほかのファイルを守れません"))
    assert all(words in told[2] for words in ("一部だけ働いています", "Linux 6.12 以上"))
    assert "ZIPの検査の囲い" not in told[walls.WHOLE]
    monkeypatch.setattr(walls, "processor", lambda: None)
    assert "x86_64 と aarch64 でだけ働きます" in kiku.get("/admin/status/").text


# ── the scanner ──


@pytest.fixture
def scanner_row(browser: Callable[[str], Browser]) -> Iterator[Callable[[], str]]:
    """What the page says of it."""
    yield lambda: re.search(r"ウイルス検査</th>.*?</tr>", browser("kiku").get("/admin/status/").text, re.DOTALL)[0]
    scanner.configure("")


def test_no_scanner_is_an_error_except_in_a_demonstration(scanner_row: Callable[[], str], demo_file: Path) -> None:
    assert all(words in scanner_row() for words in ("注意", "未設定", "デモではこのままで構いません"))
    demo_file.unlink()
    assert all(words in scanner_row() for words in ("要対応", "未設定", "設定 CLAMD"))


def test_a_scanner_with_signatures_of_our_own_only_is_told(scanner_row: Callable[[], str], clamd: str) -> None:
    scanner.configure(clamd)
    assert all(words in scanner_row() for words in ("注意", "動作中（ClamAV 1.", "freshclam"))


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(hours=30), ("done", "正常（ClamAV 1.4.6、定義ファイル {day}）")),
        (
            timedelta(days=4),
            ("wait", "定義ファイルが古くなっています（ClamAV 1.4.6、定義ファイル {day}）", "freshclam"),
        ),
    ],
)
def test_the_page_tells_engine_and_age_of_the_signatures(
    scanner_row: Callable[[], str], age: timedelta, words: tuple[str, ...]
) -> None:
    made = utc_now() - age
    version = f"ClamAV 1.4.6/27800/{made.astimezone().ctime()}\0".encode()
    with Odd(hangs, version=version).listening() as odd:
        scanner.configure(odd.address)
        told = scanner_row()
    for word in words:
        assert word.format(day=f"{calendar.japan(made):%Y/%m/%d}") in told


def test_a_scanner_that_does_not_answer_is_told_with_what_to_do(scanner_row: Callable[[], str]) -> None:
    scanner.configure(f"127.0.0.1:{free_port()}")
    assert all(
        words in scanner_row() for words in ("要対応", "確認できません", "clamav-daemon", "自動で検査し直します")
    )


def test_an_address_of_the_scanner_that_is_none_is_refused_at_the_start(instance: Path) -> None:
    with pytest.raises(NotConfigured, match="CLAMD"):
        create_app({"INSTANCE": instance, "CLAMD": "clamd"})
