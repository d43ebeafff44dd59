"""The door of every route: zones, hours, audiences, default deny; and the only loaders of rows by an outside id."""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Response, abort, current_app, flash, g, redirect, request, session, url_for
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from blueprints import opening, zones
from equipment import ActivationRequest, Handover, VpnOrder
from exchange import counter, documents, intake, permissions
from exchange.errors import Forbidden
from models import Device, Membership, Office, Transfer
from papers import Document, Intake, Invitation, LetterBatch, Registration

OFFICE_KINDS = frozenset(("office_admin", "staff", "consultant"))
STAFF_KINDS = frozenset(("fund", "desk"))

# Blueprint → whom it serves once logged in. One that is missing here serves nobody.
AUDIENCES: dict[str, frozenset[str]] = {
    "home": OFFICE_KINDS | STAFF_KINDS,
    "demo": OFFICE_KINDS | STAFF_KINDS,
    "onetime": OFFICE_KINDS | STAFF_KINDS,
    "auth": OFFICE_KINDS | STAFF_KINDS,
    "files": OFFICE_KINDS,
    "office": OFFICE_KINDS,
    "account": OFFICE_KINDS | STAFF_KINDS,
    "users": frozenset(("office_admin",)) | STAFF_KINDS,
    "audit": frozenset(("office_admin",)) | STAFF_KINDS,
    "offices": STAFF_KINDS,
    "settings": frozenset(("fund",)),
    "admin": OFFICE_KINDS | STAFF_KINDS,
    "inbox": frozenset(("fund",)),
    "statements": frozenset(("fund",)),
    "status": frozenset(("fund",)),
    "desk": frozenset(("desk",)),
    **dict.fromkeys(("help", "registration", "download", "activate"), OFFICE_KINDS | STAFF_KINDS),
    **dict.fromkeys(
        ("registrations", "invitations", "letters", "documents", "contracts", "progress"), frozenset(("fund",))
    ),
    "installers": frozenset(("desk",)),
    "activations": frozenset(("desk",)),
    "devices": frozenset(("office_admin",)) | STAFF_KINDS,
    "handovers": frozenset(("office_admin", "fund")),
}

# The lists and documents to which a login leads back.
COME_BACK_TO = frozenset(
    (
        *("files.outgoing", "files.incoming", "files.everywhere", "files.detail"),
        *("account.index", "account.invitations", "users.index", "office.maintenance", "audit.index"),
        *("offices.index", "office.progress", "progress.index", "settings.index"),
        *("registrations.index", "invitations.index", "documents.index"),
        *("letters.index", "letters.addresses"),
        *("activations.index", "devices.index", "handovers.index"),
        *("inbox.index", "inbox.detail", "statements.index", "statements.detail", "status.index", "desk.index"),
    )
)

# Blueprint → the fund's people who read it hold at least one of these words.
READERS = {
    "inbox": ("receive",),
    "statements": ("prepare", "check", "send"),
    "users": ("staff", "register", "unlock"),
    "offices": ("register", "audit", "unlock"),
    "audit": ("audit",),
    "settings": ("settings",),
    **dict.fromkeys(("registrations", "invitations", "letters", "contracts"), ("register",)),
    "documents": ("publish",),
    "installers": ("devices",),
    "activations": ("activate", "devices"),
    "devices": ("devices", "activate", "register"),
    "handovers": ("register",),
    "progress": ("register", "audit"),
}

# What the first login still owes → what the person may reach until it is done.
WAY_OUT = ("auth.logout", "auth.switch")
GATES = {
    "office.registration": frozenset(("office.registration", "office.register", "office.test_archive", *WAY_OUT)),
    "account.registration": frozenset(("account.registration", "account.register", *WAY_OUT)),
    "account.totp": frozenset(("account.totp", "account.enrol", *WAY_OUT)),
    "office.waiting": frozenset(("office.waiting", *WAY_OUT)),
}


NEXT = "next"  # key in the cookie: the page that somebody asked for before the login
UNDONE = "ログインが終わっていたため、操作は行われていません。もう一度ログインしてやり直してください。"


def door(public: frozenset[str]) -> Callable[[], Response | None]:
    """The check before every request: zone, service hours, then whether the person may come in here at all."""

    def check() -> Response | None:
        endpoint = request.endpoint
        if endpoint is None or endpoint == "static":
            return None
        needed = zones.needed(endpoint)
        if needed is not None and needed not in zones.of_request():
            raise Forbidden(zones.OUTSIDE[needed] + (zones.NOTHING_DONE if request.method == "POST" else ""))
        if zones.keeps_hours(endpoint) and not opening.now().is_open:
            return opening.closed()
        if endpoint in public:
            return None
        return _let_in(endpoint)

    return check


def _let_in(endpoint: str) -> Response | None:
    if not current_user.is_authenticated:
        return _to_entrance()
    if current_user.kind not in AUDIENCES.get(request.blueprint or "", ()):
        abort(403)
    if not may_read(endpoint):
        permissions.refuse(current_user.actor, READERS[zones.room_of(endpoint)][0])
    gate = current_user.gate
    if gate is not None and endpoint not in GATES[gate]:
        return redirect(url_for(gate), 303)
    return None


def came_from() -> str:
    """The page that the person comes from, if that is one of ours."""
    try:
        page = urlsplit(request.referrer or "")
    except ValueError:
        return url_for("home.index")
    return page.path if page.netloc == request.host and is_path_of_ours(page.path) else url_for("home.index")


def is_path_of_ours(path: str) -> bool:
    """Whether no browser takes it for an address at another host."""
    return re.fullmatch(r"/(?![/\\])[^\x00-\x20\\]*", path) is not None


def may_read(endpoint: str) -> bool:
    """Whether this person may open a page: of its audience and, if of the fund, with one of its readers' words."""
    return _is_reader(current_user.kind, current_user.held, zones.room_of(endpoint))


def _is_reader(kind: str, held: frozenset[str], room: str) -> bool:
    if kind not in AUDIENCES.get(room, ()):
        return False
    words = READERS.get(room, ())
    return not words or kind in OFFICE_KINDS or bool(held.intersection(words))


def may_list(endpoint: str) -> bool:
    """Whether the menu leads this person there: who only acts on single people finds them through their office."""
    if endpoint == "users.index" and current_user.member.is_staff:
        return current_user.may("staff")
    return may_read(endpoint)


def _to_entrance() -> Response:
    """To where this page's people log in; a session that is over says why first."""
    if "session_ended" in g:
        where = url_for("auth.ended", why=g.session_ended)
    elif request.blueprint == "admin" or zones.is_staff_side(request.endpoint or ""):
        where = url_for("admin.login")
    else:
        where = url_for("auth.identity")
    is_htmx = bool(request.headers.get("HX-Request"))
    if request.method == "POST" and request.endpoint != "auth.logout":
        flash(UNDONE, "error")
    elif request.method == "GET" and not is_htmx and request.endpoint in COME_BACK_TO:
        session[NEXT] = request.path
    if is_htmx:
        return Response(status=200, headers={"HX-Redirect": where})
    return redirect(where, 303)


def page_asked_for(member: Membership) -> str | None:
    """The page that the door turned this browser away from, made anew, if this very person may open it."""
    return page_for(member, session.get(NEXT, ""))


def page_for(member: Membership, path: str) -> str | None:
    """The list or document at that address of ours, made anew, if this very person may open it."""
    try:
        endpoint, values = current_app.url_map.bind("").match(path, "GET")
    except HTTPException:
        return None
    if endpoint not in COME_BACK_TO or not _is_reader(member.kind, member.words(), zones.room_of(endpoint)):
        return None
    if "uid" in values and Transfer.known_to(member, values["uid"]) is None:  # somebody else's before, at the same PC
        return None
    return url_for(endpoint, **values)


def require_demo() -> None:
    """The demonstration's pages don't exist in any other installation."""
    if not current_app.config["IS_DEMO"]():
        abort(404)


def transfer_or_404(uid: str, direction: str = "") -> Transfer:
    """A transfer this person may know of (of one direction, if named); for everybody else there is no such thing."""
    transfer = Transfer.known_to(current_user.member, uid, direction) or abort(404)
    g.direction = transfer.direction  # which of the two lists the menu marks
    return transfer


def office_or_404(uid: str) -> Office:
    """An office whose contract is open, for the fund's people."""
    member: Membership = current_user.member
    office = Office.by_uid(uid) if member.is_staff else None
    return office if office and not office.is_closed else abort(404)


def closed_too_or_404(uid: str) -> Office:
    """An office for the fund's people to read about, also after the end of its contract."""
    member: Membership = current_user.member
    return (Office.by_uid(uid) if member.is_staff else None) or abort(404)


def member_or_404(uid: str) -> Membership:
    """A member on whom this person may act in some way; nobody else exists for him."""
    member = Membership.by_uid(uid)
    if member is None or not permissions.acts(current_user.actor, member):
        abort(404)
    if current_user.member.is_staff and member.office is not None:
        g.found_in = "offices.index"  # which page the menu marks
    return member


def word_or_404(member: Membership, word: str) -> str:
    """A permission word that this kind of member can hold."""
    return word if word in permissions.WORDS[member.kind] else abort(404)


def invitation_or_404(uid: str) -> Membership:
    """An office's wish that this very person works for it, not answered yet."""
    return current_user.member.user.invitations().where(Membership.uid == uid).first() or abort(404)


def place_or_404(uid: str) -> Membership:
    """One of this person's places."""
    return next((place for place in current_user.places if place.uid == uid), None) or abort(404)


def mail_or_404(name: str, names: list[str]) -> str:
    """A file name out of those that exist."""
    return name if name in names else abort(404)


def online_invitation_or_404(uid: str) -> Invitation:
    """An invitation to file a registration online, for the fund's people."""
    return Invitation.by_uid(uid) or abort(404)


def edition_or_404(uid: str) -> Document:
    """One edition of a document at the download counter, for whoever publishes them."""
    return Document.by_uid(uid) or abort(404)


def series_or_404(series: str) -> Document:
    """The newest edition of a document."""
    return documents.newest_of(series) or abort(404)


def device_office_or_404(uid: str) -> Office:
    """Whose PCs this person may see: the own office's, for its 管理者; any whose contract is open, for the fund's."""
    own: Office | None = current_user.member.office
    if own is None:
        return office_or_404(uid)
    return own if own.uid == uid and not own.is_closed else abort(404)


def slot_or_404(office: Office, slot: int) -> Device:
    """A device slot of an office."""
    return Device.in_slot(office, slot) or abort(404)


def offer_or_404(office: Office, key: str | int) -> counter.Offer:
    """What lies at that office's download counter: a document by its uid, an installer by its slot."""
    return next((offer for offer in counter.offers(office) if offer.key == key), None) or abort(404)


def handover_or_404(uid: str) -> Handover:
    """A 引継ぎ, for the 管理者 of its office and for the fund's people."""
    found, member = Handover.by_uid(uid), current_user.member
    return found if found and (member.is_staff or found.office_id == member.office_id) else abort(404)


def batch_or_404(uid: str) -> LetterBatch:
    """Letters that were ordered together, for the fund's people."""
    return LetterBatch.by_uid(uid) or abort(404)


def activation_or_404(uid: str) -> ActivationRequest:
    """A confirmation code that was sent, for the desk."""
    return ActivationRequest.by_uid(uid) or abort(404)


def vpn_order_or_404(uid: str) -> VpnOrder:
    """What the VPN server shall do for a device."""
    return VpnOrder.by_uid(uid) or abort(404)


def intake_or_404(uid: str) -> Intake:
    """A file of registrations, for the fund's people."""
    return Intake.by_uid(uid) or abort(404)


def row_or_404(found: Intake, uid: str) -> Registration:
    """One row of that file, while it can be corrected."""
    return intake.row_of(found, uid) or abort(404)


def registration_or_404(uid: str) -> Registration:
    """A registration that was filed online."""
    found = Registration.by_uid(uid)
    return found if found and found.invitation_id else abort(404)
