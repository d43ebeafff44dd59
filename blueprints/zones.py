"""From where a page may be asked for: the network zones of requests and of pages; and which pages close with the
service.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address

from flask import current_app, request
from flask_login import current_user

# Blueprint or endpoint → the network zone it answers in: "own" is that of the person's side, None everywhere. One that
# is missing here answers nowhere.
ZONES = {
    **dict.fromkeys(("home", "help", "registration", "download", "activate", "onetime", "demo"), None),
    "home.index": "own",
    "auth": "vpn",
    "auth.logout": None,  # the way out is the same for the fund's people, who come without VPN
    "auth.ended": None,
    **dict.fromkeys(("auth.mail", "auth.confirm_mail", "auth.send_mail_again"), "own"),
    "files": "vpn",
    "office": "vpn",
    "account": "own",
    "users": "own",
    "audit": "own",
    "admin": "staff",
    "admin.index": "own",
    "offices": "staff",
    "settings": "staff",
    "inbox": "staff",
    "statements": "staff",
    "status": "staff",
    "desk": "staff",
    **dict.fromkeys(("registrations", "invitations", "letters", "documents", "contracts", "progress"), "staff"),
    "installers": "staff",
    "activations": "staff",
    "devices": "own",
    "handovers": "own",
}

OUTSIDE = {
    "vpn": "この画面は、VPN接続した端末からだけ開けます。「VPN接続を開始」を押してから、もう一度開いてください。",
    "staff": "この画面は、基金の決められたネットワークからだけ開けます。",
    "nowhere": "この画面は開けません。",
}
NOTHING_DONE = "送信された操作は行われていません。"


def of_request() -> frozenset[str]:
    """The network zones this request comes from. An empty list in the configuration means: from everywhere."""
    here = _address()
    zones = {"internet"}
    for name, key in (("vpn", "VPN_NETWORKS"), ("staff", "STAFF_NETWORKS")):
        networks = current_app.config[key]
        if not networks or (here and any(here in network for network in networks)):
            zones.add(name)
    return frozenset(zones)


def address() -> str:
    """The client's address, each in one spelling: an IPv4 address in IPv6 clothes is the IPv4 one. What a proxy passed
    on that is none stays as it came.
    """
    parsed = _address()
    return str(parsed) if parsed else request.remote_addr or ""


def _address() -> IPv4Address | IPv6Address | None:
    """None for what a proxy passed on that is none."""
    try:
        parsed = ip_address(request.remote_addr or "")
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed


def keeps_hours(endpoint: str) -> bool:
    """Whether a page is one of the offices' people, which closes with the service."""
    return room_of(endpoint) == "onetime" or needed(endpoint) == "vpn"


def _of(endpoint: str) -> str | None:
    return ZONES[endpoint] if endpoint in ZONES else ZONES.get(room_of(endpoint), "nowhere")


def is_staff_side(endpoint: str) -> bool:
    """Whether a page belongs to the fund's people or, of those that everybody has, the browser is where they are."""
    zone = _of(endpoint)
    return zone == "staff" or (zone == "own" and "staff" in of_request() and "vpn" not in of_request())


def needed(endpoint: str) -> str | None:
    """The zone in which a page answers to this person; None if everywhere."""
    zone = _of(endpoint)
    if zone != "own":
        return zone
    if not current_user.is_authenticated:
        return None
    return "vpn" if current_user.is_office else "staff"


def room_of(endpoint: str) -> str:
    """The blueprint."""
    return endpoint.rpartition(".")[0]
