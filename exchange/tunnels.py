"""The live tunnels of the VPN server: whose an address is, and the end of those that have lasted long enough."""

import logging
from datetime import datetime, timedelta

from exchange import devices, vpn
from models import Device

LONGEST = timedelta(minutes=90)  # the VPN client hangs up by itself then, unless somebody has changed it

log = logging.getLogger("todoke.tunnels")
_is_silent = [False]


def device_at(address: str) -> Device | None:
    """The active device whose live tunnel has this address. vpn.Unreachable when the server doesn't say."""
    user = vpn.provider().user_at(address)
    return devices.by_vpn_user(user) if user else None


def sweep(now: datetime) -> None:
    """End tunnels that are too old. A server that doesn't answer is told of once, until it answers again."""
    try:
        ended = vpn.provider().end_older_than(LONGEST)
    except vpn.Unreachable as trouble:
        if not _is_silent[0]:
            log.warning("the VPN server could not be asked to end old tunnels: %s", trouble)
        _is_silent[0] = True
        return
    if _is_silent[0]:
        log.warning("the VPN server answers again")
    _is_silent[0] = False
    if ended:
        log.info("tunnels ended", extra={"facts": {"tunnels": ended}})
