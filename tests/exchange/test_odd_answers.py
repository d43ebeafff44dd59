"""Whatever stands at the other end of VPN_API, nobody gets more from it than that the server can't be reached."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from exchange import softether
from exchange.vpn import Account, Unreachable

BODIES = [
    b'{"result":{}}',
    b'{"error":"x"}',
    b'{"error":{"code":"abc"}}',
    b'{"error":{"code":null}}',
    b'{"error":{}}',
    b'{"error":null}',
    b'{"error":[1]}',
    b'{"result":[]}',
    b'{"result":{"IpTable":[{}],"SessionList":[{}],"UserList":[{}]}}',
    b'{"result":{"IpTable":null,"SessionList":null,"UserList":null,"Online_bool":null}}',
    b'{"result":{"IpTable":{},"SessionList":"ab","UserList":[1],"Online_bool":1}}',
    b'{"result":{"Online_bool":true,"SessionList":[{"CurrentNumTcp_u32":null}]}}',
    b'{"result":{"Online_bool":true,"UpdatedTime_dt":"yesterday","SessionList":[{"Username_str":"a","CreatedTime_dt":""}]}}',
    b'{"result":{"IpTable":[{"IpAddress_ip":"10.0.0.1","SessionName_str":["a"]}]}}',
    b"[1]",
    b"null",
    b"\xff",
    b"",
    b"[" * 100_000,
    b'{"result":' * 100_000,
    b'{"result":{"Online_bool":' + b"1" * 5000 + b"}}",
]
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"

CALLS: dict[str, Callable[[softether.SoftEther], object]] = {
    "admit": lambda server: server.admit(Account("916237-0000021.01", "ABC商事", CERTIFICATE)),
    "shut_out": lambda server: server.shut_out("916237-0000021.01"),
    "user_at": lambda server: server.user_at("10.0.0.1"),
    "end_older_than": lambda server: server.end_older_than(timedelta(minutes=90)),
}


class Odd(softether.Api):
    """Answers that body whatever it is asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def _sent(self, body: bytes) -> tuple[int, bytes]:
        return 200, self.body


def server(body: bytes) -> softether.SoftEther:
    made: Any = softether.SoftEther.__new__(softether.SoftEther)
    made._api, made._hub = Odd(body), "NENKIN"
    return made


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:40].decode("latin-1"))
@pytest.mark.parametrize("call", CALLS)
def test_no_answer_however_odd_is_more_than_an_unreachable_server(call: str, body: bytes) -> None:
    try:
        said = CALLS[call](server(body))
    except Unreachable as trouble:
        said = str(trouble).startswith(("VPN", "設定"))
    assert said in (None, 0, True)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:40].decode("latin-1"))
def test_the_status_page_is_always_told_something(body: bytes) -> None:
    health = server(body).health()
    assert (health.is_up, bool(health.problem)) == (False, True)
