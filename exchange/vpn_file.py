"""The connection file that a PC's SoftEther VPN Client imports: where the server is, its certificate, and the PC's own.

UTF-8 with a byte order mark, lines ended as Windows does. It opens the VPN: it stands in the PC's installer alone.
"""

import base64
from dataclasses import dataclass

from exchange import certificates

ACCOUNT = "renkei"  # what the connection is called on the PC
ADAPTER = "VPN"  # the PC's virtual network adapter
AUTH_BY_CERTIFICATE = 3

# The server tells a client apart by its certificate; the client holds the server against the one it was given.
HEADER = "# 企業年金電子連携サービス VPN接続設定"


@dataclass(frozen=True)
class Server:
    """Where the PCs of every office connect to. `certificate_der`: the only one that they accept there."""

    host: str
    port: int
    hub: str
    certificate_der: bytes


def text(server: Server, user: str, pair: certificates.Pair) -> bytes:
    """The file for one VPN account. It isn't dialled again by itself: the service ends tunnels on purpose."""
    lines = [HEADER, "", "declare root", "{"]
    lines += _indented(
        "bool CheckServerCert true",
        f"byte ServerCert {_base64(server.certificate_der)}",
        "bool StartupAccount false",
        "",
    )
    lines += _tree(
        "ClientAuth",
        f"uint AuthType {AUTH_BY_CERTIFICATE}",
        f"byte ClientCert {_base64(pair.certificate_der)}",
        f"byte ClientKey {_base64(pair.key_der)}",
        f"string Username {escaped(user)}",
    )
    lines += _tree("ClientOption", *_options(server))
    return ("\ufeff" + "".join(f"{line}\r\n" for line in [*lines, "}"])).encode()


def _options(server: Server) -> list[str]:
    return [
        f"string AccountName {escaped(ACCOUNT)}",
        "uint AdditionalConnectionInterval 1",
        f"string DeviceName {escaped(ADAPTER)}",
        f"string Hostname {escaped(server.host)}",
        f"string HubName {escaped(server.hub)}",
        "uint MaxConnection 1",
        "bool NoUdpAcceleration true",
        "uint NumRetry 0",
        f"uint Port {server.port}",
        "uint ProxyType 0",
        "uint RetryInterval 15",
        "bool UseCompress false",
        "bool UseEncrypt true",
    ]


def escaped(value: str) -> str:
    """A text as such files hold it: empty is $, and blanks, line ends and $ itself are $ and two hex digits."""
    return "".join(f"${ord(one):02X}" if one in " \t\r\n$" else one for one in value) or "$"


def _tree(name: str, *lines: str) -> list[str]:
    return _indented(f"declare {name}", "{", *_indented(*lines), "}")


def _indented(*lines: str) -> list[str]:
    return [f"\t{line}" if line else "" for line in lines]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
