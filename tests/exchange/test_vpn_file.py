"""The connection file of a PC."""

import base64

import pytest

from exchange import certificates, vpn_file

USER = "916237-0000021.01"
SERVER = vpn_file.Server("vpn.todoke.example", 443, "NENKIN", b"the server's certificate")
PAIR = certificates.Pair(b"the key", b"the certificate", "PEM")


def lines() -> list[str]:
    return [line.strip() for line in vpn_file.text(SERVER, USER, PAIR).decode("utf-8-sig").split("\r\n")]


def value(name: str) -> str:
    (found,) = [line.split(" ", 2)[2] for line in lines() if line.split(" ")[1:2] == [name]]
    return found


def test_it_is_text_as_windows_writes_it_and_begins_with_a_remark() -> None:
    data = vpn_file.text(SERVER, USER, PAIR)
    assert data.startswith("\ufeff#".encode())
    assert data.endswith(b"}\r\n")
    assert data.count(b"\n") == data.count(b"\r\n")


def test_its_braces_close() -> None:
    assert lines().count("{") == lines().count("}") == 3


def test_it_trusts_one_server_and_no_other() -> None:
    assert value("CheckServerCert") == "true"
    assert base64.b64decode(value("ServerCert")) == SERVER.certificate_der
    assert (value("Hostname"), value("Port"), value("HubName")) == ("vpn.todoke.example", "443", "NENKIN")


def test_it_shows_the_pcs_certificate() -> None:
    assert value("AuthType") == "3"
    assert base64.b64decode(value("ClientCert")) == PAIR.certificate_der
    assert base64.b64decode(value("ClientKey")) == PAIR.key_der
    assert value("Username") == USER


def test_it_does_not_dial_again_by_itself() -> None:
    assert (value("NumRetry"), value("StartupAccount")) == ("0", "false")
    assert (value("AccountName"), value("DeviceName")) == (vpn_file.ACCOUNT, vpn_file.ADAPTER)


@pytest.mark.parametrize(
    ("plain", "written"),
    [("", "$"), ("a b", "a$20b"), ("$", "$24"), ("a\tb\r\n", "a$09b$0D$0A"), ('年金,{}"#()', '年金,{}"#()')],
)
def test_a_value_is_escaped_as_the_client_reads_it(plain: str, written: str) -> None:
    assert vpn_file.escaped(plain) == written
