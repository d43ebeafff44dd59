"""The VPN server, behind one protocol: who may connect with which certificate, and whose tunnel an address belongs to.

`Manual` stands for a server that people look after; softether.py holds the one that is driven from here.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from exchange.errors import NotConfigured
from models import Device


class Unreachable(Exception):
    """The VPN server did not answer, or not as it should; what was to be done is still to be done."""


@dataclass(frozen=True)
class Account:
    """Who may connect. `user`: 916237-0000021.01; `name`: the office, for whoever looks at the server; `certificate`:
    PEM, the only one that opens it.
    """

    user: str
    name: str
    certificate: str


@dataclass(frozen=True)
class Health:
    """`tunnels`: how many are up, None where that can't be asked. `problem`: one Japanese sentence, or empty."""

    is_up: bool
    tunnels: int | None = None
    problem: str = ""


class Provider(Protocol):
    """Every call may raise Unreachable; each may be repeated without harm."""

    is_automatic: bool

    def admit(self, account: Account) -> None:
        """Let it in with this certificate alone, under the service's policies; tunnels under another end."""

    def shut_out(self, user: str) -> None:
        """It can't connect from now on, and its tunnel ends at once. Nothing to do for a user that never was."""

    def user_at(self, address: str) -> str | None:
        """Whose live tunnel has this address inside the VPN."""

    def end_older_than(self, age: timedelta) -> int:
        """End tunnels that have been up for longer; how many."""

    def health(self) -> Health:
        """Never raises."""


class Manual:
    """People look after the VPN server: nothing can be done or asked from here."""

    is_automatic = False

    def admit(self, account: Account) -> None:
        pass

    def shut_out(self, user: str) -> None:
        pass

    def user_at(self, address: str) -> str | None:
        return None

    def end_older_than(self, age: timedelta) -> int:
        return 0

    def health(self) -> Health:
        return Health(is_up=True)


_provider: Provider | None = None


def configure(provider: Provider) -> None:
    global _provider
    _provider = provider


def provider() -> Provider:
    if _provider is None:
        raise NotConfigured("nobody has said how the VPN server is reached")
    return _provider


def user_name(device: Device) -> str:
    """916237-0000021.01: the account of a device slot, whatever PC is in it."""
    return f"{device.office.contract_number}.{device.label}"
