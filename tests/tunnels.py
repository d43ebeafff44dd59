"""A stand-in for the VPN server, the machine outside: whose tunnel has which address, and whether it answers at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from exchange import vpn
from models import Device


class Tunnels:
    """What exchange/vpn.py's Provider asks for; `asked` keeps the addresses that were asked about."""

    is_automatic = True

    def __init__(self) -> None:
        self.users: dict[str, str] = {}  # by address
        self.is_up = True
        self.asked: list[str] = []

    def connect(self, device: Device, address: str) -> str:
        """A tunnel of that PC; its address."""
        self.users[address] = vpn.user_name(device)
        return address

    def user_at(self, address: str) -> str | None:
        self.asked.append(address)
        if not self.is_up:
            raise vpn.Unreachable("no answer")
        return self.users.get(address)

    def admit(self, account: vpn.Account) -> None:
        """Nothing depends on it here."""

    def shut_out(self, user: str) -> None:
        """Nothing depends on it here."""

    def end_older_than(self, age: timedelta) -> int:
        return 0

    def health(self) -> vpn.Health:
        return vpn.Health(is_up=self.is_up, tunnels=len(self.users))


@contextmanager
def standing_in() -> Iterator[Tunnels]:
    """The VPN server of everything within is the stand-in."""
    tunnels = Tunnels()
    vpn.configure(tunnels)
    try:
        yield tunnels
    finally:
        vpn.configure(vpn.Manual())
