"""Who acts, from where and when: the first argument of every verb."""

from dataclasses import dataclass, field
from datetime import datetime

from database import utc_now
from models import Device, Membership, Office


@dataclass(frozen=True)
class Actor:
    """A member (None: a stranger, or the box itself) at a moment, at an address, on a device of the office if known.

    `is_trusted`: the worker, or whoever has a shell on the box; such an actor may do everything.
    """

    membership: Membership | None = None
    device: Device | None = None
    address: str = ""
    at: datetime = field(default_factory=utc_now)
    label: str = ""
    is_trusted: bool = False

    @property
    def who(self) -> str:
        """Name and login ID as the audit keeps them."""
        if self.membership is None:
            return self.label
        return f"{self.membership.user.name}（{self.membership.login_id}）"

    @property
    def office(self) -> Office | None:
        return self.membership.office if self.membership else None

    @property
    def is_fund(self) -> bool:
        return self.membership is not None and self.membership.kind == "fund"


def system(at: datetime | None = None) -> Actor:
    """The worker."""
    return Actor(label="システム", at=at or utc_now(), is_trusted=True)


def command_line(at: datetime | None = None) -> Actor:
    """Whoever has a shell on the box."""
    return Actor(label="サーバーの管理者", at=at or utc_now(), is_trusted=True)
