"""What a SoftEther server for Todoke is given before its first start, and the files that stand around it.

Without them it would listen on four ports, take an administrator without a password, and call home.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from deploy.softether.sha0 import sha0

HERE = Path(__file__).parent
STATE = Path("/var/lib/softether")
CONFIGURATION, ADMINISTRATORS = "vpn_server.config", "adminip.txt"
SERVER = "/usr/libexec/softether/vpnserver/vpnserver"

Block = Mapping[str, "bool | int | str | bytes | Block"]


@dataclass(frozen=True)
class Plan:
    """`host`: the service's name inside the VPN; `network`: of the tunnels; `certificate`, `key`: DER, the key PKCS#1.

    The first address of the network is this machine, the second the hub's DHCP, the others are given to PCs.
    """

    host: str
    certificate: bytes
    key: bytes
    server_password: str
    hub_password: str
    listen: str
    hub: str = "NENKIN"
    port: int = 443
    network: IPv4Network = IPv4Network("10.213.32.0/20")
    bridge: str = "todoke"
    sessions: int = 1000

    @property
    def tap(self) -> str:
        return f"tap_{self.bridge}"

    @property
    def box(self) -> IPv4Address:
        return self.network[1]

    @property
    def dhcp(self) -> IPv4Address:
        return self.network[2]

    @property
    def leases(self) -> tuple[IPv4Address, IPv4Address]:
        """First and last address for PCs."""
        return self.network[10], self.network[-2]

    @property
    def api(self) -> str:
        return f"https://{'127.0.0.1' if self.listen == '0.0.0.0' else self.listen}:{self.port}"

    @property
    def administrators(self) -> str:
        """Whom the server's interface answers: this machine. Re-read by the server whenever somebody asks."""
        own = {"127.0.0.1", self.listen} - {"0.0.0.0"}
        return "".join(f"{address}\n" for address in sorted(own))

    @property
    def interface_commands(self) -> list[list[str]]:
        """The network card of the tunnels, there before the server and after it, so that others can rely on it."""
        return [
            ["ip", "tuntap", "add", "dev", self.tap, "mode", "tap"],
            ["ip", "address", "replace", f"{self.box}/{self.network.prefixlen}", "dev", self.tap],
            ["ip", "link", "set", self.tap, "up"],
        ]


def der(pem: str) -> bytes:
    """The bytes of the one block of a PEM file."""
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))


def configuration(plan: Plan) -> str:
    """vpn_server.config for a first start: one TCP port, no other protocol, no call to anybody."""
    root: Block = {
        "DDnsClient": {"Disabled": True},
        "ListenerList": {"Listener0": {"DisableDos": True, "Enabled": True, "Port": plan.port}},
        "ServerConfiguration": {
            "ListenIP": plan.listen,
            "DisableIPv6Listener": True,
            "DisableNatTraversal": True,
            # On this port nothing else answers; its guard would count an office's many PCs as one attacker.
            "DisableDosProtection": True,
            "DisableGetHostNameWhenAcceptTcp": True,
            "DisableCoreDumpOnUnix": True,
            # The password of a hub does not suffice to have changes written down at once.
            "AutoSaveConfigSpan": 5,
            "UseKeepConnect": False,
            "EnableVpnAzure": False,
            "EnableVpnOverDns": False,
            "EnableVpnOverIcmp": False,
            "PortsUDP": "",
            "Tls_Disable1_0": True,
            "Tls_Disable1_1": True,
            "HashedPassword": sha0(plan.server_password.encode()),
            "ServerCert": plan.certificate,
            "ServerKey": plan.key,
            "Proto": {"OpenVPN": {"Enabled": False}, "SSTP": {"Enabled": False}},
        },
    }
    # Its first line has to be a comment: the server takes no notice of a file that begins with the tree.
    return "\ufeff# Todoke: the first start of its VPN server\r\n" + _declared("root", root, "")


def _declared(name: str, block: Block, indent: str) -> str:
    lines = [f"{indent}declare {name}", f"{indent}{{"]
    for key, value in block.items():
        if isinstance(value, Mapping):
            lines.append(_declared(key, value, indent + "\t").removesuffix("\r\n"))
        else:
            lines.append(f"{indent}\t{_typed(key, value)}")
    return "\r\n".join([*lines, f"{indent}}}", ""])


def _typed(key: str, value: bool | int | str | bytes) -> str:
    match value:
        case bool():
            return f"bool {key} {str(value).lower()}"
        case int():
            return f"uint {key} {value}"
        case bytes():
            return f"byte {key} {base64.b64encode(value).decode()}"
        case str():
            return f"string {key} {value or '$'}"


def firewall(plan: Plan) -> str:
    """todoke-vpn.nft with this plan's card and address."""
    text = (HERE / "todoke-vpn.nft").read_text(encoding="utf-8")
    text = re.sub(r"^define tap = .*$", f'define tap = "{plan.tap}"', text, flags=re.M)
    return re.sub(r"^define box = .*$", f"define box = {plan.box}", text, flags=re.M)


def names(plan: Plan) -> str:
    """The configuration of dnsmasq: of all names, the service's own alone."""
    text = (HERE / "dnsmasq.conf").read_text(encoding="utf-8")
    text = re.sub(r"^listen-address=.*$", f"listen-address={plan.box}", text, flags=re.M)
    return re.sub(r"^host-record=.*$", f"host-record={plan.host},{plan.box}", text, flags=re.M)


def unit(plan: Plan, firewall_file: Path) -> str:
    """todoke-vpn.service."""
    before = [["-/usr/sbin/" + " ".join(command)] for command in plan.interface_commands[:1]]  # it may be there already
    before += [["/usr/sbin/" + " ".join(command)] for command in plan.interface_commands[1:]]
    before += [[f"/usr/sbin/nft -f {firewall_file}"]]
    text = (HERE / "todoke-vpn.service").read_text(encoding="utf-8")
    return text.replace("@before@", "\n".join(f"ExecStartPre={line}" for (line,) in before))


def names_unit(names_file: Path) -> str:
    """todoke-vpn-names.service."""
    text = (HERE / "todoke-vpn-names.service").read_text(encoding="utf-8")
    return text.replace("@names@", str(names_file))
