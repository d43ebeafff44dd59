"""`python -m deploy.softether --host todoke.example`: a VPN server for Todoke on this machine, from nothing to running.

Run by root. It may be called again: passwords and certificate stay as they are.
"""

import argparse
import os
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from deploy.softether import hub, plan
from exchange import certificates
from exchange.softether import Api
from exchange.vpn import Unreachable

SETTINGS = Path("/etc/todoke/vpn")
UNITS = Path("/etc/systemd/system")
SERVICES = ("todoke-vpn.service", "todoke-vpn-names.service")
THE_PACKAGES_OWN = "softether-vpnserver.service"
KEY, CERTIFICATE = "server.key", "server.pem"
LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*")
HUB = re.compile(r"[A-Za-z0-9_-]{1,64}")
SERVER_PASSWORD, HUB_PASSWORD = "server.password", "hub.password"


def main() -> int:
    chosen = _arguments()
    root: Path = chosen.root
    is_real = root == Path("/")
    if is_real:
        _stop_the_packages_own()  # which would write its own configuration over ours when it ends
    wanted, certificate = _plan(chosen, _folder(root, SETTINGS))
    if not _write_configuration(wanted, _folder(root, plan.STATE), chosen.replace):
        print(
            f"{plan.STATE / plan.CONFIGURATION} belongs to another set-up. With --replace it is put aside.",
            file=sys.stderr,
        )
        return 1
    _write_surroundings(wanted, root)
    try:
        _hand_over(chosen.instance, certificate)
    except OSError as error:
        print(f"The certificate goes into a real folder only, {chosen.instance}/vpn: {error}", file=sys.stderr)
        return 1
    if is_real:
        try:
            _start(wanted, certificate)
        except (Unreachable, subprocess.CalledProcessError) as error:
            print(f"It did not start: {error}\nSee: journalctl -u {SERVICES[0]}", file=sys.stderr)
            return 1
    print(_lines_for_the_site(wanted, chosen.instance))
    return 0


def _arguments() -> argparse.Namespace:
    default = plan.Plan
    takes = argparse.ArgumentParser(prog="python -m deploy.softether", description=__doc__)
    takes.add_argument("--host", type=_host, required=True, help="the site's name, the only one PCs find")
    takes.add_argument("--listen", type=_address, required=True, help="this machine's address for PCs; 0.0.0.0: all")
    takes.add_argument("--port", type=int, default=default.port)
    takes.add_argument("--hub", type=_hub, default=default.hub)
    takes.add_argument("--network", type=IPv4Network, default=default.network, help="of the tunnels")
    takes.add_argument("--sessions", type=int, default=default.sessions, help="the most tunnels at a time")
    takes.add_argument("--instance", type=Path, required=True, help="the site's folder; it gets the certificate")
    takes.add_argument("--replace", action="store_true", help="put the configuration of another set-up aside")
    takes.add_argument("--root", type=Path, default=Path("/"), help="only write the files, below this folder")
    chosen = takes.parse_args()
    if chosen.network.prefixlen > 27:
        takes.error("the network is too small: /27 is the least")
    if chosen.root == Path("/") and os.geteuid():
        takes.error("only root can do this")
    return chosen


# They stand in the settings of programs that root starts: each is what it is called, and nothing else.


def _host(text: str) -> str:
    if not HOST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"not the name of a host: {text!r}")
    return text


def _hub(text: str) -> str:
    if not HUB.fullmatch(text):
        raise argparse.ArgumentTypeError(f"the name of a hub is of letters, digits, - and _: {text!r}")
    return text


def _address(text: str) -> str:
    try:
        return str(IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an IPv4 address: {text!r}") from None


def _folder(root: Path, absolute: Path) -> Path:
    folder = root / absolute.relative_to("/")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _plan(chosen: argparse.Namespace, settings: Path) -> tuple[plan.Plan, str]:
    """The plan with its secrets, made once and kept in the folder; and the certificate as PEM."""
    if not (settings / CERTIFICATE).exists():
        key, certificate = certificates.server(
            [chosen.host]
        )  # PCs are given the certificate itself: names play no part
        _write(settings / KEY, key)
        _write(settings / CERTIFICATE, certificate)
    certificate = (settings / CERTIFICATE).read_text(encoding="ascii")
    made = plan.Plan(
        host=chosen.host,
        certificate=plan.der(certificate),
        key=plan.der((settings / KEY).read_text(encoding="ascii")),
        server_password=_secret(settings / SERVER_PASSWORD),
        hub_password=_secret(settings / HUB_PASSWORD),
        **{name: getattr(chosen, name) for name in ("hub", "listen", "port", "network", "sessions")},
    )
    return made, certificate


def _secret(file: Path) -> str:
    if not file.exists():
        _write(file, secrets.token_urlsafe(32))
    return file.read_text(encoding="ascii")


def _write(file: Path, text: str, mode: int = 0o600) -> None:
    """Whole or not at all."""
    half = file.with_name(f".{file.name}")
    half.unlink(missing_ok=True)
    with open(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="") as out:
        out.write(text)
    half.replace(file)


def _write_configuration(wanted: plan.Plan, state: Path, may_replace: bool) -> bool:
    """False when another set-up's is in the way. One of ours stays: the server itself keeps it, users and all."""
    _write(state / plan.ADMINISTRATORS, wanted.administrators)
    file, mark = state / plan.CONFIGURATION, state / ".todoke"
    if file.exists() and not mark.exists():
        if not may_replace:
            return False
        file.rename(file.with_name(f"{plan.CONFIGURATION}.before-todoke"))
    if not file.exists():
        _write(file, plan.configuration(wanted))
    mark.touch()
    return True


def _write_surroundings(wanted: plan.Plan, root: Path) -> None:
    settings, units = _folder(root, SETTINGS), _folder(root, UNITS)
    firewall, names = SETTINGS / "todoke-vpn.nft", SETTINGS / "dnsmasq.conf"
    _write(settings / firewall.name, plan.firewall(wanted), 0o644)
    _write(settings / names.name, plan.names(wanted), 0o644)
    _write(units / SERVICES[0], plan.unit(wanted, firewall), 0o644)
    _write(units / SERVICES[1], plan.names_unit(names), 0o644)


def _hand_over(instance: Path, certificate: str) -> None:
    """The certificate into the site's own folder, readable by whoever owns that.

    He may put anything there, also while root is at work: whatever is a link is refused (OSError), and owners change on
    what has been opened alone, never by name.
    """
    with _opened(instance) as site:
        owner = os.fstat(site)
        with suppress(FileExistsError):
            os.mkdir("vpn", 0o700, dir_fd=site)
        with _opened("vpn", site) as folder:
            if not os.listdir(folder):
                os.fchown(folder, owner.st_uid, owner.st_gid)
            elif os.fstat(folder).st_uid != owner.st_uid:  # what lies in it is not to become his
                raise PermissionError("its folder vpn belongs to somebody else")
            half = f".{CERTIFICATE}"
            with suppress(FileNotFoundError):
                os.unlink(half, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(half, flags, 0o600, dir_fd=folder), "w", encoding="ascii", newline="") as out:
                out.write(certificate)
                os.fchown(out.fileno(), owner.st_uid, owner.st_gid)
            os.replace(half, CERTIFICATE, src_dir_fd=folder, dst_dir_fd=folder)


@contextmanager
def _opened(path: Path | str, within: int | None = None) -> Iterator[int]:
    """A descriptor of a folder that is one, not a link to one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=within)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _stop_the_packages_own() -> None:
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", "--now", THE_PACKAGES_OWN], check=False)  # noqa: S603, S607


def _start(wanted: plan.Plan, certificate: str) -> None:
    if not Path("/run/systemd/system").exists():
        raise Unreachable("this machine has no systemd")
    for words in (["daemon-reload"], ["enable", *SERVICES], ["restart", *SERVICES]):
        subprocess.run(["systemctl", *words], check=True)  # noqa: S603, S607
    api = Api(wanted.api, "administrator", wanted.server_password, certificate)
    hub.wait_for(api)
    hub.set_up(api, wanted)
    api.close()


def _lines_for_the_site(wanted: plan.Plan, instance: Path) -> str:
    facts = {
        "VPN_PROVIDER": "softether",
        "VPN_API": wanted.api,
        "VPN_HUB": wanted.hub,
        "VPN_PASSWORD": wanted.hub_password,
        "VPN_CERTIFICATE": str(instance / "vpn" / CERTIFICATE),
        "VPN_PORT": wanted.port,
        "VPN_NETWORKS": [str(wanted.network)],
    }
    lines = [
        "# For config.py in the site's folder. The web server listens on",
        f"# {wanted.box}:443 for PCs in the VPN.",
    ]
    return "\n".join([*lines, *(f"{key} = {value!r}" for key, value in facts.items())])


if __name__ == "__main__":
    sys.exit(main())
