"""Mails: who gets which, written as rows with what they tell; the postman carries them away."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from database import db, utc_now
from equipment import ActivationRequest, Handover
from exchange import calendar, quarantine
from exchange.actors import Actor
from models import (
    ARRIVED_AT_FUND,
    ARRIVED_AT_OFFICE,
    Device,
    Inspection,
    Mail,
    Membership,
    Office,
    OneTimePassword,
    Transfer,
    User,
)
from papers import Document, Invitation

GATHER = timedelta(minutes=10)  # that a mail about changes waits for more of them
LINES_LONGEST = 50  # changes in one mail
VIRUSES = 5  # names of them in one mail


# ── one function per mail ──


def one_time_password(code: OneTimePassword) -> None:
    _write("one_time_password", [code.membership.user], code=code, expires_at=code.expires_at)


def is_mailed(code: OneTimePassword) -> bool:
    """Whether its mail is written already: a job that runs again must not write a second."""
    return Mail.select().where(Mail.code == code).exists()


def mail_confirmation(code: OneTimePassword) -> None:
    """To the address that is to be confirmed, not to the one in force."""
    user = code.membership.user
    _write("mail_confirmation", [user], code=code, to_address=user.pending_mail, expires_at=code.expires_at)


def password_locked(member: Membership, minutes: int) -> None:
    """To the manager of the office; for the fund's people to themselves."""
    if member.office is None:
        _write("password_locked", [member.user], login_id=member.login_id, minutes=minutes)
    else:
        _write("password_locked", _admins(member.office), login_id=member.login_id, minutes=minutes)


def login_refused_device(actor: Actor, member: Membership) -> None:
    """To the manager of the office: somebody knew a person's code and password, but came from no PC of theirs."""
    assert member.office is not None
    when = f"{calendar.japan(actor.at):%Y/%m/%d %H:%M}"
    admins = _admins(member.office)
    _write("login_refused_device", admins, login_id=member.login_id, at=when, address=actor.address)


def device_requested(request: ActivationRequest, is_desk_told: bool) -> None:
    """To the manager, that a confirmation code has come; and, unless nobody has to look at it, to the desk."""
    facts = {"receipt_number": request.receipt_number, "slot": request.device.slot}
    office, computer = request.device.office, request.computer_name
    _write("device_requested", _admins(office), computer_name=computer, is_automatic=not is_desk_told, **facts)
    if is_desk_told:
        desk = [member.user for member in Membership.holding(None, "activate")]
        _write("device_waiting", desk, office=office.name, request=request.uid, **facts)


def device_returned(request: ActivationRequest) -> None:
    """To the manager: the PC is not activated, and why."""
    facts = {"receipt_number": request.receipt_number, "slot": request.device.slot, "reason": request.reason}
    _write("device_returned", _admins(request.device.office), computer_name=request.computer_name, **facts)


def device_activated(device: Device, computer_name: str = "") -> None:
    """To the manager: from now on the PC can connect."""
    _write("device_activated", _admins(device.office), slot=device.slot, computer_name=computer_name)


def device_stopped(actor: Actor, device: Device, are_sessions_over: bool) -> None:
    """To the manager: the PC can't connect any more. Nothing that was typed: a reason may name a person."""
    facts = {"slot": device.slot, "by": _side(actor), "are_sessions_over": are_sessions_over}
    _write("device_stopped", _admins(device.office), has_active=device.office.has_active_device(), **facts)


def device_replaced(actor: Actor, device: Device) -> None:
    """To the manager: another PC is to take the slot."""
    facts = {"slot": device.slot, "by": _side(actor), "is_at_work": device.state == "active"}
    _write("device_replaced", _admins(device.office), has_active=device.office.has_active_device(), **facts)


def device_kept(actor: Actor, device: Device) -> None:
    """To the manager: no other PC is to take the slot after all."""
    _write("device_kept", _admins(device.office), slot=device.slot, by=_side(actor))


def handover_asked(handover: Handover) -> None:
    """To the 管理者 and to whoever is to succeed; of an emergency also to the clerks of whom one is to approve it."""
    _tell_both("handover_asked", handover)
    if not handover.is_planned:
        others = Membership.holding(None, "register").where(Membership.user != handover.asked_by.user_id)
        _write("handover_waiting", [member.user for member in others], office=handover.office.name)


def handover_withdrawn(handover: Handover) -> None:
    """To both: everything stays as it is."""
    _tell_both("handover_withdrawn", handover, is_newcomer=handover.is_newcomer)


def handover_done(handover: Handover) -> None:
    """To both: who is the 管理者 from now on."""
    _tell_both("handover_done", handover)


def _tell_both(kind: str, handover: Handover, **facts: Any) -> None:
    """No names: login IDs, which tell nothing to anybody else."""
    sides = {"predecessor": handover.predecessor, "successor": handover.successor}
    ids = {side: member.login_id for side, member in sides.items()}
    facts |= {**ids, "office": handover.office.name, "is_planned": handover.is_planned}
    for side, member in sides.items():
        _write(kind, [User.get_by_id(member.user_id)], side=side, **facts)


def _side(actor: Actor) -> str:
    """Who did something to an office's PC, as its manager is told: never a name."""
    if actor.membership is None:
        return actor.label
    if actor.office is not None:
        return "事業所の管理者"
    return "電子連携サービス事務局" if actor.membership.kind == "desk" else "基金事務局"


def counter_opened(actor: Actor, office: Office, purpose: str = "download") -> None:
    """To the manager: somebody came to a counter of the office (download, activate) with the key of its letter."""
    at = f"{calendar.japan(actor.at):%Y/%m/%d %H:%M}"
    _write("counter_opened", _admins(office), at=at, address=actor.address, purpose=purpose)


def mail_changed(actor: Actor, member: Membership) -> None:
    """To the address in force: another one has been asked for."""
    _write("mail_changed", [member.user], by=_role(actor, member))


def account_changed(actor: Actor, member: Membership, what: str, to_address: str | None = None) -> None:
    """To the person: what was changed, by whom. Changes of ten minutes go out as one mail.

    To the address in force when it happened, or to that one.
    """
    office = member.office.display_name if member.office else ""
    when = f"{calendar.japan(actor.at):%Y/%m/%d %H:%M}"
    line = {"at": when, "what": what, "by": _role(actor, member), "office": office}
    address = to_address or User.get_by_id(member.user_id).mail
    gathering = _gathering(actor, member, address)
    if gathering is None:
        due = actor.at + GATHER
        _write("account_changed", [member.user], to_address=address, due_at=due, lines=[line])
    else:
        Mail.update(facts={"lines": [*gathering.facts["lines"], line]}).where(Mail.id == gathering.id).execute()


def address_changed(actor: Actor, member: Membership, old: str) -> None:
    """The person's address is another from now on: both are told."""
    for address in (None, old):
        account_changed(actor, member, "メールアドレスの切り替え", to_address=address)


def _gathering(actor: Actor, member: Membership, address: str) -> Mail | None:
    """The mail to that address that still waits for more changes of this person."""
    waiting = (Mail.state == "waiting") & (Mail.tries == 0) & Mail.leased_until.is_null() & (Mail.due_at > actor.at)
    mine = (Mail.kind == "account_changed") & (Mail.to_user == member.user_id) & (Mail.to_address == address)
    found = Mail.select().where(mine, waiting).order_by(Mail.id.desc()).first()
    return found if found and len(found.facts["lines"]) < LINES_LONGEST else None


def _role(actor: Actor, member: Membership) -> str:
    """Who did it, as the person is told: never a name."""
    mine = actor.membership
    if mine is None:
        return actor.label
    if mine.user_id == member.user_id:
        return "ご本人"
    return "事業所の管理者" if mine.office_id is not None else "基金事務局"


def invitation(member: Membership) -> None:
    """To a consultant: an office asks to be worked for."""
    assert member.office is not None
    _write("invitation", [member.user], office=member.office.name)


def invitation_answered(member: Membership, answer: str) -> None:
    """To the 管理者 who asked: accepted, declined or (the person's account is in other hands) withdrawn."""
    assert member.office is not None
    _write("invitation_answered", _admins(member.office), login_id=member.login_id, answer=answer)


def totp_in_use(code: OneTimePassword) -> None:
    """Instead of a code, to somebody who uses an authenticator."""
    _write("totp_in_use", [code.membership.user], code=code, expires_at=code.expires_at)


def registration_invited(invitation: Invitation) -> None:
    """To an office that is no user yet: the code that opens the form, made when the mail is sent."""
    _write_to(
        invitation.mail,
        "registration_invited",
        expires_at=invitation.expires_at,
        invitation=invitation.uid,
        office_name=invitation.office_name,
        until=f"{calendar.japan(invitation.expires_at):%Y/%m/%d %H:%M}",
        is_returned=invitation.returned is not None,
    )


def registration_filed(invitation: Invitation, receipt_number: str, mail: str) -> None:
    """To the office, at the address it has filed, that its registration has come; and to the clerks who accept it.

    Tells nothing that was typed into the form: whoever holds a code could have it mailed to anybody.
    """
    facts = {"receipt_number": receipt_number, "office_name": invitation.office_name}
    _write_to(mail, "registration_filed", **facts)
    _write("registration_waiting", [member.user for member in Membership.holding(None, "register")], **facts)


def approval_wanted(transfer: Transfer) -> None:
    """To those who can approve it: where that is forbidden, not to whoever uploaded it."""
    approvers = Membership.holding(transfer.office, "approve", "mail_notice")
    if transfer.office.forbids_self_approval:
        approvers = approvers.where(Membership.id != transfer.uploaded_by_id)
    _tell("approval_wanted", transfer, approvers)


def approved(transfer: Transfer) -> None:
    """To those who can deliver it now, and to whoever uploaded it."""
    deliverers = Membership.holding(transfer.office, "deliver", "mail_notice")
    _tell("approved", transfer, [*deliverers, transfer.uploaded_by], only_if_wanted=True)


def sent_back(transfer: Transfer) -> None:
    _tell("sent_back", transfer, [transfer.uploaded_by], only_if_wanted=True)


def inspection_failed(transfer: Transfer) -> None:
    _tell("inspection_failed", transfer, [transfer.uploaded_by], only_if_wanted=True)


def quarantined(transfer: Transfer) -> None:
    """A virus was found: to whoever can do something about it on both sides, with the name of the virus alone.

    Where the office sent it: the uploader and the approvers who want mail, as when an inspection fails. Its 管理者 is
    told always, as of everything that touches the safety of the office; and so is who may have it on a PC already.
    """
    office, found = transfer.office, _viruses(transfer)
    to_office: dict[str, Any] = {"found": found, "steps": quarantine.what_to_do(transfer, quarantine.OFFICE)}
    to_fund: dict[str, Any] = {"found": found, "steps": quarantine.what_to_do(transfer, quarantine.FUND)}
    has_page = not transfer.is_filing or transfer.state in ARRIVED_AT_FUND  # at the fund
    if transfer.is_filing:
        approvers = Membership.holding(office, "approve", "mail_notice")
        wanting = [one for one in [transfer.uploaded_by, *approvers] if "mail_notice" in one.words() and one.is_active]
        _write("quarantined", [*(one.user for one in wanting), *_admins(office)], transfer=transfer, **to_office)
        clerks = set(Membership.holding(None, "receive"))
    else:
        clerks = {one for word in ("prepare", "check", "send") for one in Membership.holding(None, word)}
        if transfer.state in ARRIVED_AT_OFFICE:
            readers = [one.user for one in Membership.holding(office, "download")]
            _write("quarantined", [*readers, *_admins(office)], transfer=transfer, **to_office)
    _write("quarantined_at_fund", [one.user for one in clerks], transfer=transfer, has_page=has_page, **to_fund)


def _viruses(transfer: Transfer) -> list[str]:
    """By name, as the scan that is written down has found them; a few are enough."""
    scan = Inspection.get(Inspection.transfer == transfer).scan or {}
    return sorted(set(scan.get("found", ())))[:VIRUSES]


def document_withheld(document: Document, found: list[str]) -> None:
    """To the clerks who publish: a manual of theirs is withheld at the counter."""
    clerks = [member.user for member in Membership.holding(None, "publish")]
    edition = f"{document.label}({document.edition_on:%Y/%m/%d})"
    _write("document_withheld", clerks, edition=edition, document=document.uid, found=found[:VIRUSES])


def installer_withheld(device: Device, found: list[str]) -> None:
    """To the desk: the installer of a slot is withheld at the counter."""
    desk = [member.user for member in Membership.holding(None, "devices")]
    facts = {"contract_number": device.office.contract_number, "slot": device.slot, "office": device.office.uid}
    _write("installer_withheld", desk, found=found[:VIRUSES], **facts)


def filing_delivered(transfer: Transfer) -> None:
    """To the office, that it is on its way, and to the fund's clerks, that it has come."""
    _tell("filing_delivered", transfer, _senders(transfer), only_if_wanted=True)
    _tell("filing_arrived", transfer, Membership.holding(None, "receive"))


def filing_opened(transfer: Transfer) -> None:
    _tell("filing_opened", transfer, _senders(transfer), only_if_wanted=True)


def filing_completed(transfer: Transfer) -> None:
    _tell("filing_completed", transfer, _senders(transfer), only_if_wanted=True)


def filing_rejected(transfer: Transfer) -> None:
    _tell("filing_rejected", transfer, _senders(transfer), only_if_wanted=True)


def statement_delivered(transfer: Transfer) -> None:
    _tell("statement_delivered", transfer, Membership.holding(transfer.office, "mail_notice"))


def statement_downloaded(transfer: Transfer) -> None:
    _tell("statement_downloaded", transfer, [transfer.delivered_by or transfer.uploaded_by])


def transfer_recalled(transfer: Transfer) -> None:
    """To whoever had been told of the delivery."""
    if transfer.is_filing:
        _tell("transfer_recalled", transfer, Membership.holding(None, "receive"))
    else:
        _tell("transfer_recalled", transfer, Membership.holding(transfer.office, "mail_notice"))


def _senders(transfer: Transfer) -> list[Membership]:
    return [transfer.uploaded_by, *([transfer.delivered_by] if transfer.delivered_by else [])]


def _admins(office: Office) -> list[User]:
    return [member.user for member in office.members() if member.kind == "office_admin"]


def _tell(kind: str, transfer: Transfer, members: Iterable[Membership], only_if_wanted: bool = False) -> None:
    current = [member for member in members if member.is_active]
    if only_if_wanted:
        current = [member for member in current if member.is_staff or "mail_notice" in member.words()]
    _write(kind, [member.user for member in current], transfer=transfer)


def _write(
    kind: str,
    users: Iterable[User],
    transfer: Transfer | None = None,
    code: OneTimePassword | None = None,
    to_address: str | None = None,
    expires_at: datetime | None = None,
    due_at: datetime | None = None,
    **facts: Any,
) -> None:
    if not db.in_transaction():
        raise RuntimeError("a mail belongs into the transaction of what it tells")
    for user in {user.id: user for user in users}.values():
        Mail.create(
            kind=kind,
            to_user=user,
            to_address=to_address or user.mail,  # of this moment: whoever moves it can't draw the mail after him
            transfer=transfer,
            code=code,
            expires_at=expires_at,
            due_at=due_at or utc_now(),
            facts=facts,
        )


def _write_to(address: str, kind: str, expires_at: datetime | None = None, **facts: Any) -> None:
    """To an address that belongs to no user."""
    if not db.in_transaction():
        raise RuntimeError("a mail belongs into the transaction of what it tells")
    Mail.create(kind=kind, to_address=address, expires_at=expires_at, facts=facts)
