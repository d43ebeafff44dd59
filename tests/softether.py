"""Real SoftEther servers and clients, each with a private state of its own; root and a kernel with tunnels needed.

Everything a server or client starts lives in a namespace of processes whose first one reads a pipe from us: when the
block ends, or whoever runs the tests is killed, all of it goes at once, and its network cards with it.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, Self

import pytest

from deploy.softether import hub
from deploy.softether.plan import ADMINISTRATORS, CONFIGURATION, SERVER, STATE, Plan, configuration, der
from exchange import certificates
from exchange.softether import Api, SoftEther
from exchange.vpn import Unreachable
from tests.browser.site import free_port
from tests.networks import network_namespace, run, unique

CLIENT = "/usr/libexec/softether/vpnclient/vpnclient"
PLACES = {"db": STATE, "log": Path("/var/log/softether"), "run": Path("/run/softether")}
PROGRAMS = ("unshare", "ip", "busybox", "vpncmd", SERVER, CLIENT)
NETNS = Path("/etc/netns")  # `ip netns exec` lays what is in it over /etc
PATIENCE = 15  # seconds until a test gives up on them
ADAPTER = "vpn_vpn"  # what the client's card "VPN" is called

# The first process of the namespace. A byte asks it to end everything well, the end of the pipe to end it at once.
FIRST = """
import os, signal, sys
if not os.fork():
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.execv(sys.argv[1], sys.argv[1:])
if os.read(0, 1):
    os.kill(-1, signal.SIGTERM)
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
"""


def missing() -> str:
    """Why no server can be started here; empty when it can."""
    if os.geteuid():
        return "a VPN needs root"
    if not Path("/dev/net/tun").exists():
        return "the kernel has no /dev/net/tun"
    lacking = [program for program in PROGRAMS if not shutil.which(program)]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


needs_softether = pytest.mark.skipif(bool(missing()), reason=missing() or "nothing is missing")


def until(is_so: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Ask again and again; the first answer that counts."""
    give_up = time.monotonic() + seconds
    between = threading.Event()
    while not (answer := is_so()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"{what}: not in {seconds} s")
        between.wait(0.02)
    return answer


class Daemon:
    """A SoftEther program on folders of its own."""

    def __init__(self, program: str, folder: Path, namespace: str = "") -> None:
        self.program, self.folder = program, folder
        self.inside = ["ip", "netns", "exec", namespace] if namespace else []
        self.process: subprocess.Popen[bytes] | None = None
        for name, place in PLACES.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            place.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        mounts = " && ".join(f'mount --bind "$0/{name}" {place}' for name, place in PLACES.items())
        first = ["sh", "-c", f'{mounts} && exec "$@"', str(self.folder), sys.executable, "-ISc", FIRST]
        self.process = subprocess.Popen(
            [*self.inside, "unshare", "--mount", "--pid", "--fork", "--kill-child", *first, self.program, "execsvc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        """As systemd does it."""
        if self.process and self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.write(b"!")
                self.process.stdin.flush()
            with suppress(subprocess.TimeoutExpired):  # one of them now and then takes no notice
                self.process.wait(PATIENCE)
        self.kill()

    def kill(self) -> None:
        """All of it, at once."""
        if self.process and self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
            self.process.wait(PATIENCE)
        self.process = None

    def processes(self) -> list[int]:
        """Of the namespace, as they are numbered outside it."""
        return _descendants(self.process.pid) if self.process else []


class Server:
    """`with Server(folder) as server:` a server as `python -m deploy.softether` sets it up.

    address, port: where clients reach it, in no network that leads anywhere. url, hub, password, certificate (PEM):
    what instance/config.py has. box: this machine's address inside the VPN, in `network`, where the site listens.
    """

    def __init__(self, folder: Path, host: str = "todoke.example") -> None:
        port = free_port()  # one server's at a time, and so are its addresses and its card, which are made from it
        self.address = f"198.18.{port >> 8 & 127}.{port & 255}"
        key, self.certificate = certificates.server([host])
        self.plan = Plan(
            host=host,
            certificate=der(self.certificate),
            key=der(key),
            server_password="of-the-server",
            hub_password="of-the-hub",
            listen=self.address,
            port=port,
            network=IPv4Network(f"10.{64 + (port >> 8 & 127)}.{port & 255}.0/24"),
            bridge=f"t{port}",
        )
        self.certificate_file = folder / "server.pem"
        self.url, self.hub, self.password = self.plan.api, self.plan.hub, self.plan.hub_password
        self.box, self.network, self.port = str(self.plan.box), str(self.plan.network), port
        self._daemon = Daemon(SERVER, folder)
        self._api = Api(self.url, "administrator", self.plan.server_password, self.certificate)
        self.certificate_file.write_text(self.certificate, encoding="ascii")
        (folder / "db" / CONFIGURATION).write_text(configuration(self.plan), encoding="utf-8", newline="")
        (folder / "db" / ADMINISTRATORS).write_text(self.plan.administrators, encoding="ascii")

    @property
    def settings(self) -> dict[str, Any]:
        """For create_app()."""
        return {
            "VPN_PROVIDER": "softether",
            "VPN_API": self.url,
            "VPN_HUB": self.hub,
            "VPN_PASSWORD": self.password,
            "VPN_CERTIFICATE": str(self.certificate_file),
            "VPN_PORT": self.port,
            "VPN_NETWORKS": [self.network],
        }

    def __enter__(self) -> Self:
        try:
            for command in (["ip", "address", "add", self.address, "dev", "lo"], *self.plan.interface_commands):
                run(*command)
            self.start()
            try:
                hub.set_up(self._api, self.plan)
            except Unreachable:  # a new one now and then ends by itself; systemd would start it again
                self.kill()
                self.start()
                hub.set_up(self._api, self.plan)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.kill()
        self._api.close()
        run("ip", "link", "del", self.plan.tap, check=False)
        run("ip", "address", "del", self.address, "dev", "lo", check=False)

    def start(self) -> None:
        self._daemon.start()
        hub.wait_for(self._api)

    def stop(self) -> None:
        self._api.close()
        self._daemon.stop()

    def kill(self) -> None:
        self._api.close()
        self._daemon.kill()

    def freeze(self) -> None:
        """From now on it answers nobody, until it is killed."""
        for process in self._daemon.processes():
            if os.path.realpath(f"/proc/{process}/exe") == SERVER:
                os.kill(process, signal.SIGSTOP)

    def rpc(self, method: str, **parameters: Any) -> dict[str, Any]:
        """As the administrator of the whole server."""
        return self._api.call(method, **{"HubName_str": self.hub, **parameters})

    def provider(self) -> SoftEther:
        """As the product has it: with the hub's password."""
        return SoftEther(self.url, self.hub, self.password, self.certificate)

    def listens_on(self) -> set[tuple[str, int]]:
        """(address, TCP port) of this machine."""
        return set(_listeners(self._daemon.processes()))

    def wait_for_box(self) -> None:
        """Until this machine is on the tunnels' network: it takes the server a second or two after a start."""
        until(lambda: any(row["Active_bool"] for row in self.rpc("EnumLocalBridge")["LocalBridgeList"]), "the bridge")

    def move_box(self, namespace: str) -> None:
        """This machine's card of the tunnels into a network namespace, as if that were the machine. Until a stop."""
        self.wait_for_box()
        run("ip", "link", "set", self.plan.tap, "netns", namespace)
        for command in self.plan.interface_commands[1:]:
            run("ip", "netns", "exec", namespace, *command)


class NoTunnel(Exception):
    """The server did not let the client in."""


class Client:
    """`with Client(folder) as pc:` a PC with SoftEther's client; what runs on it has no other network than the VPN.

    The client itself sits in a network namespace of its own, with a wire to this machine; its virtual network card lies
    in another one, the PC's.
    """

    def __init__(self, folder: Path) -> None:
        self.name, self.folder = unique("pc"), folder
        self.address = ""
        self._account = ""
        self._wire = unique("w")
        self._outside = f"{self.name}out"
        self._daemon = Daemon(CLIENT, folder, self._outside)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(shutil.rmtree, NETNS / self.name, ignore_errors=True)
            for namespace in (self.name, self._outside):
                stack.enter_context(network_namespace(namespace))
            stack.callback(self._daemon.kill)
            (NETNS / self.name).mkdir(parents=True)
            (NETNS / self.name / "resolv.conf").touch()
            self._lay_wire()
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._daemon.start()
        until(lambda: self.command("VersionGet", check=False).returncode == 0, "the client's answer")
        self.command("NicCreate", "VPN")
        run("ip", "-n", self._outside, "link", "set", ADAPTER, "netns", self.name)
        run("ip", "-n", self.name, "link", "set", ADAPTER, "up")

    def _lay_wire(self) -> None:
        """From the client to this machine, and no further: nothing is forwarded here."""
        address = f"198.19.{random.randrange(256)}.{random.randrange(256)}"
        run("ip", "link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self._outside)
        run("ip", "link", "set", self._wire, "up")
        run("ip", "route", "add", address, "dev", self._wire)
        run("ip", "-n", self._outside, "address", "add", address, "dev", "eth0")
        run("ip", "-n", self._outside, "link", "set", "eth0", "up")
        run("ip", "-n", self._outside, "route", "add", "default", "dev", "eth0")

    def command(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of vpncmd, answered as comma-separated lines."""
        words = ("vpncmd", "127.0.0.1", "/CLIENT", "/CSV", "/CMD", *words)
        return run(*self._daemon.inside, *words, check=check, cwd=self.folder)

    def import_file(self, path: Path) -> None:
        """A .vpn file. What was imported before goes, and with it the client's process: one whose tunnel the server has
        ended opens silent ones for a while.
        """
        if self._account:
            self._daemon.kill()
            shutil.rmtree(self.folder / "db")
            (self.folder / "db").mkdir()
            self._start()
        shutil.copyfile(path, self.folder / "renkei.vpn")  # vpncmd takes an absolute path for an option
        self.command("AccountImport", "renkei.vpn")
        self._account = self._accounts()[0][0]

    def connect(self) -> str:
        """The address given to the PC; NoTunnel when the server refuses."""
        self._change_card()
        script = self.folder / "dhcp.sh"
        script.write_text(DHCP.format(resolver=NETNS / self.name / "resolv.conf"))
        script.chmod(0o700)
        until(lambda: self._is_let_in() and self._asks_for_address(script), "an address")
        shown = run("ip", "-n", self.name, "-4", "-o", "address", "show", "dev", ADAPTER).stdout
        self.address = shown.split("inet ")[1].split("/")[0]
        return self.address

    def _is_let_in(self) -> bool:
        """Again after a tunnel that stayed silent: some do, when the server has just ended this client's last one."""
        self.command("AccountConnect", self._account, check=False)
        until(lambda: self._state() != "Connecting", "the connection")
        if not self.is_connected():
            raise NoTunnel
        return True

    def _asks_for_address(self, script: Path) -> bool:
        client = ["busybox", "udhcpc", "-i", ADAPTER, "-n", "-q", "-f", "-t", "3", "-T", "1", "-s", script]
        if self.run(client).returncode == 0:
            return True
        self.command("AccountDisconnect", self._account, check=False)
        return False

    def _change_card(self) -> None:
        """The server keeps a card's address for the tunnel that has just hung up, for 20 seconds."""
        new = "5e:" + ":".join(f"{random.randrange(256):02x}" for _ in range(5))
        run("ip", "-n", self.name, "link", "set", ADAPTER, "down")
        run("ip", "-n", self.name, "link", "set", ADAPTER, "address", new, "up")

    def is_connected(self) -> bool:
        return self._state() == "Connected"

    def disconnect(self) -> None:
        self.command("AccountDisconnect", self._account, check=False)
        run("ip", "-n", self.name, "address", "flush", "dev", ADAPTER)
        self.address = ""

    def run(self, command: list[object], check: bool = False, **more: Any) -> subprocess.CompletedProcess[str]:
        """A program on this PC."""
        return run("ip", "netns", "exec", self.name, *command, check=check, **more)

    def _state(self) -> str:
        return self._accounts()[0][1]

    def _accounts(self) -> list[list[str]]:
        """(name, state …) of each connection."""
        table = [line.split(",") for line in self.command("AccountList").stdout.splitlines() if "," in line]
        return table[1:]


DHCP = """#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
ip address flush dev $interface
ip address add $ip/$mask dev $interface
ip route replace default via $router
echo "nameserver $dns" > {resolver}
"""


def _descendants(process: int) -> list[int]:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [process, *(one for child in children for one in _descendants(int(child)))]


def _listeners(processes: list[int]) -> list[tuple[str, int]]:
    """(address, port) that these processes listen on with TCP, of IPv4 and IPv6; the latter as hexadecimal digits."""
    held = set()
    for process in processes:
        for descriptor in Path(f"/proc/{process}/fd").glob("*"):
            with suppress(OSError):
                held.add(os.readlink(descriptor))
    tables = [Path(f"/proc/net/{table}").read_text().splitlines()[1:] for table in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table]
    listening = [row[1].split(":") for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]
    return [(_readable(address), int(port, 16)) for address, port in listening]


def _readable(address: str) -> str:
    return socket.inet_ntoa(bytes.fromhex(address)[::-1]) if len(address) == 8 else address
