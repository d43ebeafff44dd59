"""The SoftEther provider against a real server and a real client."""

import logging
import ssl
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchange import certificates, vpn_file
from exchange.certificates import Pair
from exchange.errors import NotConfigured
from exchange.softether import POLICY, SoftEther, from_file
from exchange.vpn import Account, Unreachable
from tests.softether import Client, NoTunnel, Server, needs_softether, until

pytestmark = needs_softether


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(scope="module")
def pair() -> Pair:
    return certificates.client("916237-0000021.01")


@pytest.fixture(scope="module")
def newer() -> Pair:
    return certificates.client("916237-0000021.01")


@pytest.fixture
def provider(server: Server) -> Iterator[SoftEther]:
    provider = server.provider()
    yield provider
    provider.close()


@pytest.fixture
def pc(server: Server, tmp_path: Path) -> Iterator[Client]:
    with Client(tmp_path / "pc") as pc:
        yield pc


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """An account name that no other test uses."""
    return f"{zlib.crc32(request.node.name.encode()) % 10**6:06}-0000021.01"


def account(user: str, pair: Pair) -> Account:
    return Account(user, "ABC商事株式会社", pair.certificate_pem)


def connection_file(server: Server, folder: Path, user: str, pair: Pair) -> Path:
    file = folder / "renkei.vpn"
    there = vpn_file.Server(server.address, server.port, server.hub, server.plan.certificate)
    file.write_bytes(vpn_file.text(there, user, pair))
    return file


def stored(server: Server, user: str) -> dict[str, Any]:
    return server.rpc("GetUser", Name_str=user)


def users(server: Server) -> list[str]:
    return [row["Name_str"] for row in server.rpc("EnumUser")["UserList"]]


def holds(facts: dict[str, Any], pair: Pair) -> bool:
    return facts["AuthType_u32"] == 2 and ssl.DER_cert_to_PEM_cert(pair.certificate_der) == _pem(facts["UserX_bin"])


def _pem(base64_der: str) -> str:
    lines = [base64_der[at : at + 64] for at in range(0, len(base64_der), 64)]
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def test_a_user_is_let_in_with_its_certificate_and_every_policy(
    server: Server, provider: SoftEther, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    facts = stored(server, user)
    assert holds(facts, pair)
    assert facts["Realname_utf"] == "ABC商事株式会社"
    assert facts["UsePolicy_bool"] is True
    assert {key: value for key, value in facts.items() if key.startswith("policy:")} == POLICY
    assert facts["policy:AutoDisconnect_u32"] == 90 * 60
    assert facts["policy:MultiLogins_u32"] == 1


def test_letting_in_twice_makes_one_user_and_changes_nothing(
    server: Server, provider: SoftEther, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    before = stored(server, user)
    provider.admit(account(user, pair))
    assert stored(server, user) == before
    assert users(server).count(user) == 1


def test_a_new_certificate_takes_the_place_of_the_old_one(
    server: Server, provider: SoftEther, user: str, pair: Pair, newer: Pair
) -> None:
    provider.admit(account(user, pair))
    provider.admit(account(user, newer))
    assert holds(stored(server, user), newer)
    assert users(server).count(user) == 1


def test_what_somebody_changed_by_hand_is_put_right(server: Server, provider: SoftEther, user: str, pair: Pair) -> None:
    provider.admit(account(user, pair))
    by_hand = {"UsePolicy_bool": False, "ExpireTime_dt": "2020-01-01T00:00:00.000Z", "AuthType_u32": 1}
    server.rpc("SetUser", **{**stored(server, user), **by_hand, "Auth_Password_str": "of somebody"})
    provider.admit(account(user, pair))
    facts = stored(server, user)
    assert holds(facts, pair)
    assert facts["UsePolicy_bool"] is True
    assert facts["ExpireTime_dt"].startswith("1970-01-01")


def test_shutting_out_keeps_the_user_and_takes_its_access(
    server: Server, provider: SoftEther, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    provider.shut_out(user)
    provider.shut_out(user)
    facts = stored(server, user)
    assert facts["policy:Access_bool"] is False
    assert holds(facts, pair)
    provider.admit(account(user, pair))
    assert stored(server, user)["policy:Access_bool"] is True


def test_nobody_is_made_by_shutting_out_a_user_that_never_was(server: Server, provider: SoftEther, user: str) -> None:
    provider.shut_out(user)
    assert user not in users(server)


def test_a_pc_gets_in_with_its_certificate_and_is_told_by_its_address(
    server: Server, provider: SoftEther, pc: Client, tmp_path: Path, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    pc.import_file(connection_file(server, tmp_path, user, pair))
    address = pc.connect()
    assert provider.user_at(address) == user
    assert [provider.user_at(elsewhere) for elsewhere in (server.box, "192.0.2.7", "127.0.0.1", "")] == [None] * 4
    assert provider.health().tunnels == 1
    provider.admit(account(user, pair))
    assert pc.is_connected(), "letting in once more ends nothing"
    pc.disconnect()
    until(lambda: provider.user_at(address) is None, "the end of the tunnel", 5)


def test_a_shut_out_pc_is_cut_off_within_ten_seconds_and_stays_out(
    server: Server, provider: SoftEther, pc: Client, tmp_path: Path, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    pc.import_file(connection_file(server, tmp_path, user, pair))
    address = pc.connect()
    provider.shut_out(user)
    assert provider.user_at(address) is None
    until(lambda: not pc.is_connected(), "the PC's notice", 10)
    with pytest.raises(NoTunnel):
        pc.connect()


def test_the_new_pcs_certificate_cuts_the_old_pc_off_and_keeps_it_out(
    server: Server, provider: SoftEther, pc: Client, tmp_path: Path, user: str, pair: Pair, newer: Pair
) -> None:
    provider.admit(account(user, pair))
    pc.import_file(connection_file(server, tmp_path, user, pair))
    pc.connect()
    provider.admit(account(user, newer))
    until(lambda: not pc.is_connected(), "the old PC's notice", 10)
    with pytest.raises(NoTunnel):
        pc.connect()
    with Client(tmp_path / "new") as new_pc:
        new_pc.import_file(connection_file(server, tmp_path, user, newer))
        assert provider.user_at(new_pc.connect()) == user


def test_tunnels_that_are_too_old_are_ended_and_younger_ones_are_not(
    server: Server, provider: SoftEther, pc: Client, tmp_path: Path, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    pc.import_file(connection_file(server, tmp_path, user, pair))
    pc.connect()
    assert provider.end_older_than(timedelta(minutes=90)) == 0
    assert pc.is_connected()
    assert provider.end_older_than(timedelta(0)) == 1
    assert provider.health().tunnels == 0
    until(lambda: not pc.is_connected(), "the PC's notice", 10)


def test_a_tunnel_whose_user_may_not_connect_any_more_is_swept_whatever_its_age(
    server: Server, provider: SoftEther, pc: Client, tmp_path: Path, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    pc.import_file(connection_file(server, tmp_path, user, pair))
    pc.connect()
    server.rpc("SetUser", **{**stored(server, user), "policy:Access_bool": False})
    assert provider.end_older_than(timedelta(minutes=90)) == 1


def test_a_kept_connection_that_was_dropped_is_made_anew(server: Server, provider: SoftEther) -> None:
    assert provider.health().is_up
    server.kill()
    server.start()
    assert provider.health().is_up


def test_a_server_that_was_killed_is_down_until_it_is_back_with_its_users(
    server: Server, provider: SoftEther, user: str, pair: Pair
) -> None:
    provider.admit(account(user, pair))
    server.stop()
    health = provider.health()
    with pytest.raises(Unreachable):
        provider.admit(account(user, pair))
    with pytest.raises(Unreachable):
        provider.user_at("192.0.2.7")
    server.start()
    assert not health.is_up
    assert health.tunnels is None
    assert "つながりません" in health.problem
    assert provider.health().is_up
    assert holds(stored(server, user), pair)


def test_a_hub_that_is_offline_is_told(server: Server, provider: SoftEther) -> None:
    server.rpc("SetHubOnline", Online_bool=False)
    try:
        assert "オフライン" in provider.health().problem
    finally:
        server.rpc("SetHubOnline", Online_bool=True)


def test_another_certificate_than_the_pinned_one_is_not_believed(server: Server) -> None:
    _, other = certificates.server(["todoke.example"], ["127.0.0.1"])
    wrong = SoftEther(server.url, server.hub, server.password, other)
    with pytest.raises(Unreachable, match="証明書"):
        wrong.user_at("192.0.2.7")
    assert not wrong.health().is_up


def test_a_wrong_password_is_told_and_stands_neither_in_the_text_nor_in_the_log(
    server: Server, pair: Pair, user: str, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = SoftEther(server.url, server.hub, "Wrong-Password-9", server.certificate)
    with caplog.at_level(logging.DEBUG), pytest.raises(Unreachable, match="パスワード") as trouble:
        wrong.admit(account(user, pair))
    logging.getLogger("todoke").exception("seen", exc_info=trouble.value)
    wrong.close()
    written = f"{trouble.value!r} {wrong.health()} {caplog.text}"
    assert "seen" in written
    assert "Wrong-Password-9" not in written


def test_proxies_and_certificates_of_the_environment_have_no_say(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    _, other = certificates.server(["todoke.example"], ["127.0.0.1"])
    (tmp_path / "other.pem").write_text(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    provider = server.provider()
    assert provider.health().is_up
    provider.close()


def test_what_is_missing_in_the_configuration_is_a_sentence(tmp_path: Path) -> None:
    certificate = tmp_path / "server.pem"
    with pytest.raises(NotConfigured, match="VPN_CERTIFICATE"):
        from_file("https://127.0.0.1:5555", "NENKIN", "secret", certificate)
    certificate.write_text("no certificate")
    with pytest.raises(NotConfigured, match="VPN_CERTIFICATE"):
        from_file("https://127.0.0.1:5555", "NENKIN", "secret", certificate)
    certificate.write_text(certificates.server(["todoke.example"])[1])
    with pytest.raises(NotConfigured, match="VPN_PASSWORD"):
        from_file("https://127.0.0.1:5555", "NENKIN", "", certificate)
    with pytest.raises(NotConfigured, match="VPN_API"):
        from_file("http://127.0.0.1:5555", "NENKIN", "secret", certificate)
    with pytest.raises(NotConfigured, match="ASCII") as refused:
        from_file("https://127.0.0.1:5555", "NENKIN", "秘密", certificate)
    assert "秘密" not in str(refused.value)
