"""`python -m deploy.softether`, and what a connected PC reaches on a machine that was set up with it."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from deploy.softether import plan
from deploy.softether.sha0 import sha0
from exchange import certificates, vpn_file
from exchange.vpn import Account
from tests.networks import network_namespace, run, unique
from tests.softether import Client, Server, needs_softether, until

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("nft", "dnsmasq")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
needs_programs = pytest.mark.skipif(
    not all(shutil.which(program) for program in NEEDED), reason=f"not installed: {' or '.join(NEEDED)}"
)

# Listens on an address's ports (arguments), greets whoever comes, says so when it is ready.
GREETER = """
import socket, sys, threading
def greet(door):
    while True:
        door.accept()[0].sendall(b"here")
doors = [socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]]
for door in doors:
    threading.Thread(target=greet, args=(door,), daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
"""

# Which of the given address:port greet back, all asked at once, as JSON.
CALLER = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def asks(place):
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1) as line:
            return line.recv(4) == b"here"
    except OSError:
        return False
places = sys.argv[1:]
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps([place for place, here in zip(places, pool.map(asks, places)) if here]))
"""


def set_up(root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    instance = root / "instance"
    instance.mkdir(parents=True, exist_ok=True)
    words = ["--host", "todoke.example", "--listen", "203.0.113.11", "--instance", str(instance), "--root", str(root)]
    command = [sys.executable, "-m", "deploy.softether", *words, *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def settings_in(output: str) -> dict[str, object]:
    lines = [line.split(" = ", 1) for line in output.splitlines() if " = " in line]
    return {name: ast.literal_eval(value) for name, value in lines}


def test_one_command_writes_everything_and_prints_the_sites_configuration(tmp_path: Path) -> None:
    made = set_up(tmp_path)
    assert made.returncode == 0, made.stderr
    printed = settings_in(made.stdout)
    certificate = tmp_path / "instance" / "vpn" / "server.pem"
    assert printed == {
        "VPN_PROVIDER": "softether",
        "VPN_API": "https://203.0.113.11:443",
        "VPN_HUB": "NENKIN",
        "VPN_PASSWORD": (tmp_path / "etc/todoke/vpn/hub.password").read_text(),
        "VPN_CERTIFICATE": str(certificate),
        "VPN_PORT": 443,
        "VPN_NETWORKS": ["10.213.32.0/20"],
    }
    assert "BEGIN CERTIFICATE" in certificate.read_text()
    assert (tmp_path / "var/lib/softether/adminip.txt").read_text().split() == ["127.0.0.1", "203.0.113.11"]
    unit = (tmp_path / "etc/systemd/system/todoke-vpn.service").read_text()
    assert "ip address replace 10.213.32.1/20 dev tap_todoke" in unit
    assert "@" not in unit


@pytest.mark.parametrize(
    "words",
    [
        ["--host", "todoke.example,10.0.0.1\naddress=/#/10.0.0.1"],
        ["--host", "todoke example"],
        ["--host", "-todoke.example"],
        ["--host", ""],
        ["--listen", "todoke.example"],
        ["--listen", "0.0.0.0; flush ruleset"],
        ["--listen", "::"],
        ["--hub", "NENKIN\n}"],
    ],
)
def test_what_goes_into_settings_of_root_is_a_name_or_an_address(tmp_path: Path, words: list[str]) -> None:
    refused = set_up(tmp_path, *words)
    assert (refused.returncode, words[0] in refused.stderr) == (2, True)
    assert not (tmp_path / "etc").exists()


def test_a_folder_that_is_a_link_gets_no_certificate_and_its_end_keeps_its_owner(tmp_path: Path) -> None:
    elsewhere, instance = tmp_path / "elsewhere", tmp_path / "instance"
    for folder in (elsewhere, instance):
        folder.mkdir()
    (instance / "vpn").symlink_to(elsewhere)
    refused = set_up(tmp_path)
    assert (refused.returncode, "real folder" in refused.stderr) == (1, True)
    assert list(elsewhere.iterdir()) == []


def test_an_instance_that_is_a_link_gets_none_either(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "instance").symlink_to(elsewhere)
    assert set_up(tmp_path).returncode == 1
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["server.pem", ".server.pem"])
def test_a_certificate_that_is_a_link_is_replaced_not_followed(tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    precious.write_text("stays")
    (tmp_path / "instance" / "vpn").mkdir(parents=True)
    (tmp_path / "instance" / "vpn" / name).symlink_to(precious)
    assert set_up(tmp_path).returncode == 0
    certificate = tmp_path / "instance" / "vpn" / "server.pem"
    assert (precious.read_text(), certificate.is_symlink()) == ("stays", False)
    assert "BEGIN CERTIFICATE" in certificate.read_text()


@needs_root
def test_by_root_the_site_gets_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    instance, others = tmp_path / "instance", tmp_path / "instance" / "vpn"
    instance.mkdir()
    os.chown(instance, 4711, 4711)
    assert set_up(tmp_path).returncode == 0
    owners = [(path.stat().st_uid, path.stat().st_mode & 0o777) for path in (others, others / "server.pem")]
    assert owners == [(4711, 0o700), (4711, 0o600)]
    os.chown(others, 0, 0)  # as if the site's user had moved a folder of somebody else's there
    assert set_up(tmp_path).returncode == 1
    assert others.stat().st_uid == 0


def test_what_is_secret_is_for_root_alone_and_printed_once_at_most(tmp_path: Path) -> None:
    made = set_up(tmp_path)
    secret = ["etc/todoke/vpn/server.key", "etc/todoke/vpn/server.password", "etc/todoke/vpn/hub.password"]
    files = [tmp_path / name for name in [*secret, "var/lib/softether/vpn_server.config"]]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    printed = [file.name for file in files if file.read_text().strip() in made.stdout]
    assert printed == ["hub.password"]


def test_a_second_call_keeps_passwords_certificate_and_the_servers_own_configuration(tmp_path: Path) -> None:
    first = set_up(tmp_path)
    own = tmp_path / "var/lib/softether/vpn_server.config"
    own.write_text("# as the server has written it since")
    again = set_up(tmp_path)
    assert again.stdout == first.stdout
    assert own.read_text() == "# as the server has written it since"


def test_another_set_up_is_put_aside_only_when_that_is_asked_for(tmp_path: Path) -> None:
    state = tmp_path / "var/lib/softether"
    state.mkdir(parents=True)
    (state / "vpn_server.config").write_text("somebody's")
    refused = set_up(tmp_path)
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    assert (state / "vpn_server.config").read_text() == "somebody's"
    assert set_up(tmp_path, "--replace").returncode == 0
    assert (state / "vpn_server.config.before-todoke").read_text() == "somebody's"


def test_sha0_is_what_it_was_published_as() -> None:
    assert sha0(b"abc").hex() == "0164b8a914cd2a5e74c4f7ff082c4d97f1edf880"
    assert sha0(b"").hex() == "f96cea198ad1dd5617ac084a3d92c6107708c0ef"


@needs_softether
def test_the_server_listens_on_its_one_port_and_nowhere_else_and_answers_only_administrators(tmp_path: Path) -> None:
    with Server(tmp_path / "server") as server:
        assert server.listens_on() == {(server.address, server.port)}
        hubs = server.rpc("EnumHub")["HubList"]
        assert [row["HubName_str"] for row in hubs] == ["NENKIN"]
        log = server.rpc("GetHubLog")
        assert (log["SaveSecurityLog_bool"], log["SavePacketLog_bool"]) == (True, False)
        nat = server.rpc("GetSecureNATOption", RpcHubName_str=server.hub)
        assert (nat["UseNat_bool"], nat["UseDhcp_bool"]) == (False, True)
        assert {nat["DhcpGatewayAddress_ip"], nat["DhcpDnsServerAddress_ip"]} == {server.box}
        (tmp_path / "server" / "db" / plan.ADMINISTRATORS).write_text("192.0.2.9\n")
        assert not server.provider().health().is_up


class Net:
    """A machine with the VPN's card, a host behind it that it would forward to, and two PCs in the VPN."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.server = stack.enter_context(Server(folder / "server"))
        self.machine, self.behind = (stack.enter_context(network_namespace(unique(word))) for word in ("box", "lan"))
        self.server.move_box(self.machine)
        wire, number = unique("v"), os.getpid() % 250
        run(
            "ip",
            "link",
            "add",
            wire,
            "netns",
            self.machine,
            "type",
            "veth",
            "peer",
            "name",
            "eth0",
            "netns",
            self.behind,
        )
        self.lan, self.host = f"10.3.{number}.1", f"10.3.{number}.2"
        for name, card, address in ((self.machine, wire, self.lan), (self.behind, "eth0", self.host)):
            run("ip", "-n", name, "address", "add", f"{address}/24", "dev", card)
            run("ip", "-n", name, "link", "set", card, "up")
        run("ip", "-n", self.behind, "route", "add", "default", "via", self.lan)
        self.inside(self.machine, "busybox", "sysctl", "-w", "net.ipv4.ip_forward=1")
        self.pcs = [stack.enter_context(Client(folder / f"pc{number}")) for number in (1, 2)]
        for number, pc in enumerate(self.pcs, 1):
            self._connect(pc, f"916237-0000021.{number:02}", folder)

    def _connect(self, pc: Client, user: str, folder: Path) -> None:
        pair, provider, file = certificates.client(user), self.server.provider(), folder / f"{user}.vpn"
        provider.admit(Account(user, "ABC商事", pair.certificate_pem))
        provider.close()
        there = vpn_file.Server(self.server.address, self.server.port, self.server.hub, self.server.plan.certificate)
        file.write_bytes(vpn_file.text(there, user, pair))
        pc.import_file(file)
        pc.connect()

    def inside(self, namespace: str, *command: object) -> subprocess.CompletedProcess[str]:
        return run("ip", "netns", "exec", namespace, *command)

    @contextmanager
    def greeter(self, namespace: str, address: str, *ports: int) -> Iterator[None]:
        words = ["ip", "netns", "exec", namespace, sys.executable, "-ISc", GREETER, address, *map(str, ports)]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            try:
                yield
            finally:
                process.kill()

    @contextmanager
    def names(self, file: Path) -> Iterator[None]:
        file.write_text(plan.names(self.server.plan) + "pid-file=\n")
        words = ["ip", "netns", "exec", self.machine, "dnsmasq", "--keep-in-foreground", f"--conf-file={file}"]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
            try:
                yield
            finally:
                process.kill()

    def reached(self, pc: Client, *places: str) -> set[str]:
        answer = pc.run([sys.executable, "-ISc", CALLER, *places], check=True).stdout
        return set(json.loads(answer))

    def looked_up(self, name: str) -> str:
        return self.pcs[0].run(["busybox", "nslookup", "-type=a", f"{name}.", self.server.box]).stdout


@needs_softether
@needs_programs
def test_a_connected_pc_reaches_the_service_and_nothing_else(tmp_path: Path) -> None:
    with ExitStack() as stack:
        net = Net(tmp_path, stack)
        box, (pc, other) = net.server.box, net.pcs
        for name, address, ports in (
            (net.machine, "0.0.0.0", (80, 443, 22, 8000)),
            (net.behind, net.host, (443,)),
            (other.name, other.address, (443,)),
        ):
            stack.enter_context(net.greeter(name, address, *ports))
        stack.enter_context(net.names(tmp_path / "dnsmasq.conf"))
        service = {f"{box}:80", f"{box}:443"}
        elsewhere = {f"{box}:22", f"{box}:8000", f"{net.host}:443", f"{net.lan}:443"}
        every = (*service, *elsewhere, f"{other.address}:443")
        assert net.reached(pc, *every) == service | elsewhere, "without rules, all but the other PC"
        (tmp_path / "rules.nft").write_text(plan.firewall(net.server.plan))
        for _ in range(2):
            net.inside(net.machine, "nft", "-f", tmp_path / "rules.nft")
        assert net.reached(pc, *every) == service
        until(lambda: f"Address: {box}\n" in net.looked_up("todoke.example").split("\n\n", 1)[1], "the name")
        assert "NXDOMAIN" in net.looked_up("update.example")
