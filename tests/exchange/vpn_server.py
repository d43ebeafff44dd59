"""A VPN server for the rules' tests: it stands for the machine outside, keeps its users in a dict and can be off."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from flask import Flask

from database import db
from exchange import vpn
from exchange.vpn import Account, Health, Unreachable


@dataclass
class VpnServer:
    """`users`: name → certificate of those who may connect. `meanwhile` is done while the next `admit` is under way,
    before the server has let anybody in.
    """

    is_automatic: bool = True
    is_on: bool = True
    users: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None

    def admit(self, account: Account) -> None:
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        self._answer("admit", account.user)
        self.users[account.user] = account.certificate

    def shut_out(self, user: str) -> None:
        self._answer("shut_out", user)
        self.users.pop(user, None)

    def user_at(self, address: str) -> str | None:
        return None

    def end_older_than(self, age: timedelta) -> int:
        return 0

    def health(self) -> Health:
        return Health(self.is_on)

    def _answer(self, what: str, user: str) -> None:
        assert not db.in_transaction(), "nobody else could write while the server is slow"
        self.calls.append((what, user))
        if not self.is_on:
            raise Unreachable("switched off")


@pytest.fixture
def server(app: Flask) -> VpnServer:
    """A VPN server that is driven from here; the next test's site has its own."""
    found = VpnServer()
    vpn.configure(found)
    return found
