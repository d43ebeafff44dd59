"""The chore that ends old tunnels, where the VPN server is silent."""

import logging
from pathlib import Path

import pytest
from flask import Flask

from database import utc_now
from exchange import certificates, softether, tunnels, vpn
from tests.softether import free_port


@pytest.fixture
def silent(tmp_path: Path) -> softether.SoftEther:
    """A VPN server that has gone."""
    _, certificate = certificates.server(["todoke.example"])
    return softether.SoftEther(f"https://127.0.0.1:{free_port()}", "NENKIN", "secret", certificate)


def test_a_silent_server_is_told_of_once_and_again_when_it_answers(
    app: Flask, silent: softether.SoftEther, caplog: pytest.LogCaptureFixture
) -> None:
    vpn.configure(silent)
    for _ in range(3):
        tunnels.sweep(utc_now())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "つながりません" in caplog.text
    vpn.configure(vpn.Manual())
    for _ in range(2):
        tunnels.sweep(utc_now())
    assert len(caplog.records) == 2
    assert "answers again" in caplog.text


def test_whose_an_address_is_stays_open_while_the_server_is_silent(app: Flask, silent: softether.SoftEther) -> None:
    vpn.configure(silent)
    with pytest.raises(vpn.Unreachable):
        tunnels.device_at("10.213.32.10")
