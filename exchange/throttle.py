"""Limits of tries, counted in rows so that they hold across processes and restarts."""

import hashlib
import ipaddress
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from database import MomentField, db
from models import Throttle


@dataclass(frozen=True)
class Limit:
    """So many tries in a window that starts with the first; the try that reaches the limit starts the window anew (a
    lock).
    """

    tries: int
    window: timedelta


LIMITS = {
    "code_again": Limit(1, timedelta(seconds=60)),  # one mail a minute for a pair
    "code_quarter": Limit(3, timedelta(minutes=15)),  # and three in a quarter of an hour
    "code_day": Limit(10, timedelta(days=1)),  # and ten a day
    "code_address": Limit(30, timedelta(hours=1)),  # wishes from one network
    "code_total": Limit(300, timedelta(hours=1)),  # mails the whole site may cause
    "code_failures": Limit(100, timedelta(days=1)),  # wrong codes of one member in a row
    "auth_address": Limit(60, timedelta(minutes=10)),  # tries to log in from one network
    "password": Limit(5, timedelta(minutes=30)),  # wrong passwords of one member
    "staff": Limit(5, timedelta(minutes=30)),  # wrong logins of one of the fund's people from one network,
    "staff_total": Limit(50, timedelta(minutes=30)),  # and from all of them: a stranger can't lock a clerk out alone
    "totp": Limit(5, timedelta(minutes=30)),  # wrong authenticator codes of one office member from one network,
    "totp_total": Limit(50, timedelta(minutes=30)),  # and from all of them
    "refused_device": Limit(1, timedelta(hours=1)),  # mails to one office about logins from foreign devices
    "mail_code": Limit(5, timedelta(minutes=30)),  # wrong codes for a changed address
    "unlock": Limit(5, timedelta(days=1)),  # locks of one member taken away before their time
    "mail_again": Limit(3, timedelta(minutes=15)),  # codes sent to an address that is to be confirmed
    "invitation": Limit(20, timedelta(minutes=10)),  # codes of invitations tried from one network
    "registration": Limit(60, timedelta(hours=1)),  # looks of one invitation at what it is about to file
    "link": Limit(20, timedelta(days=1)),  # consultants that an office has asked for
    "download": Limit(10, timedelta(minutes=30)),  # wrong keys for one contract number from one network,
    "download_total": Limit(50, timedelta(minutes=30)),  # and from all of them
    "download_address": Limit(60, timedelta(minutes=10)),  # tries at the download counter from one network
    "activate": Limit(60, timedelta(hours=1)),  # confirmation codes sent to one office's counter from one network,
    "activate_total": Limit(120, timedelta(days=1)),  # and from all of them
}

LONGEST_LOCK = timedelta(minutes=30)  # of the limits that are counted by network

_HIT = """
INSERT INTO throttle (kind, key_hash, started_at, count) VALUES (?, ?, ?, 1)
ON CONFLICT (kind, key_hash) DO UPDATE SET
  count = CASE WHEN started_at <= ? THEN 1 ELSE count + 1 END,
  started_at = CASE WHEN started_at <= ? OR count + 1 = ? THEN excluded.started_at ELSE started_at END
RETURNING count
"""


def hit(kind: str, key: str, at: datetime) -> bool:
    """Count one try; False when the limit had been reached before it. KeyError for an undeclared kind."""
    limit = LIMITS[kind]
    text = MomentField().db_value
    start, cutoff = text(at), text(at - limit.window)
    with db.atomic():
        row = db.execute_sql(_HIT, (kind, _hash(key), start, cutoff, cutoff, limit.tries)).fetchone()
    return row[0] <= limit.tries


def is_tried(kind: str, key: str, at: datetime) -> bool:
    """Whether any try counts at the moment."""
    row = Throttle.get_or_none(Throttle.kind == kind, Throttle.key_hash == _hash(key))
    return row is not None and row.started_at > at - LIMITS[kind].window


def hit_here(kind: str, who: str, address: str, at: datetime, is_known: bool) -> bool:
    """Count a try for somebody from a network, under the limits `kind` and, over all networks, `kind`_total.

    When many networks have failed, only the person's own go on (`is_known`): strangers with many addresses can neither
    guess on nor keep the person out.
    """
    here = f"{who}/{network(address)}"
    return hit(kind, here, at) and (hit(f"{kind}_total", who, at) or is_known)


def keys_here(kind: str, who: str, addresses: Iterable[str]) -> list[tuple[str, str]]:
    """(limit, whose tries) under which `hit_here` counts somebody from these addresses, and from all together."""
    places = {network(address) for address in addresses}
    return [(f"{kind}_total", who), *((kind, f"{who}/{place}") for place in places)]


def clear_here(kind: str, who: str, address: str) -> None:
    """Forget what `hit_here` has counted from there, and from everywhere together."""
    for limit, whose in keys_here(kind, who, [address]):
        clear(limit, whose)


def spent(keys: Collection[tuple[str, str]], at: datetime) -> set[tuple[str, str]]:
    """Those of (limit, whose tries) of which the next try would be refused; one query."""
    names = {(kind, _hash(key)): (kind, key) for kind, key in keys}
    return {
        names[row.kind, row.key_hash]
        for row in _rows(keys)
        if row.count >= LIMITS[row.kind].tries and row.started_at > at - LIMITS[row.kind].window
    }


def _rows(keys: Collection[tuple[str, str]]) -> list[Throttle]:
    """What is counted under these, in one query."""
    wanted = {(kind, _hash(key)) for kind, key in keys}
    found = Throttle.select().where(Throttle.key_hash << [key_hash for _, key_hash in wanted])
    return [row for row in found if (row.kind, row.key_hash) in wanted]


def is_spent(kind: str, key: str, at: datetime) -> bool:
    """Whether the next try would be refused; counts nothing."""
    limit = LIMITS[kind]
    row = Throttle.get_or_none(Throttle.kind == kind, Throttle.key_hash == _hash(key))
    return row is not None and row.count >= limit.tries and row.started_at > at - limit.window


def over_at(keys: Collection[tuple[str, str]], at: datetime) -> datetime | None:
    """When the limits that are spent under these (limit, whose tries) let the next try through; None if none is."""
    ends = [row.started_at + LIMITS[row.kind].window for row in _rows(keys) if row.count >= LIMITS[row.kind].tries]
    return max((end for end in ends if end > at), default=None)


def is_just_reached(keys: Collection[tuple[str, str]]) -> bool:
    """Whether the try just counted under these (limit, whose tries) was the last one that one of them allows: the
    moment to tell of it, once.
    """
    return any(row.count == LIMITS[row.kind].tries for row in _rows(keys))


def clear(kind: str, key: str) -> None:
    """Forget the tries, after a success or by the desk."""
    Throttle.delete().where(Throttle.kind == kind, Throttle.key_hash == _hash(key)).execute()


def sweep(at: datetime) -> None:
    """Forget windows that are over."""
    longest = max(limit.window for limit in LIMITS.values())
    Throttle.delete().where(Throttle.started_at < at - longest).execute()


def network(address: str) -> str:
    """What an address counts as: itself, or its /64 for IPv6; an IPv4 address in IPv6 clothes is the IPv4 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed), 64), strict=False).network_address)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
