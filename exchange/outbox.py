"""Mails: who gets which, and what it tells; mail_rows keeps them, the postman carries them away."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from database import utc_now
from equipment import ActivationRequest, Handover
from exchange import calendar, quarantine
from exchange.actors import Actor
from exchange.mail_rows import gather, last_of, take_out, told_of, write, write_to
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
VIRUSES = 5  # names of them for one file
VIRUS_MAILS = {quarantine.OFFICE: "quarantined", quarantine.FUND: "quarantined_at_fund"}  # side → kind
MORE_VIRUSES = "quarantined_more"  # what was found soon after one of them, for either side
ENDED, MORE_ENDED = "quarantine_ended", "quarantine_ended_more"  # the same of false alarms
ON_A_PC = ("received", "completed", "rejected")  # whoever was to get it may have it there
VIRUS_REST = timedelta(hours=1)  # between two mails of a kind to a person: whoever uploads viruses floods nobody


# ── one function per mail ──


def one_time_password(code: OneTimePassword) -> None:
    write("one_time_password", [code.membership.user], code=code, expires_at=code.expires_at)


def is_mailed(code: OneTimePassword) -> bool:
    """Whether its mail is written already: a job that runs again must not write a second."""
    return Mail.select().where(Mail.code == code).exists()


def mail_confirmation(code: OneTimePassword) -> None:
    """To the address that is to be confirmed, not to the one in force."""
    user = code.membership.user
    write("mail_confirmation", [user], code=code, to_address=user.pending_mail, expires_at=code.expires_at)


def password_locked(member: Membership, minutes: int) -> None:
    """To the manager of the office; for the fund's people to themselves."""
    if member.office is None:
        write("password_locked", [member.user], login_id=member.login_id, minutes=minutes)
    else:
        write("password_locked", _admins(member.office), login_id=member.login_id, minutes=minutes)


def login_refused_device(actor: Actor, member: Membership) -> None:
    """To the manager of the office: somebody knew a person's code and password, but came from no PC of theirs."""
    assert member.office is not None
    when = f"{calendar.japan(actor.at):%Y/%m/%d %H:%M}"
    admins = _admins(member.office)
    write("login_refused_device", admins, login_id=member.login_id, at=when, address=actor.address)


def device_requested(request: ActivationRequest, is_desk_told: bool) -> None:
    """To the manager, that a confirmation code has come; and, unless nobody has to look at it, to the desk."""
    facts = {"receipt_number": request.receipt_number, "slot": request.device.slot}
    office, computer = request.device.office, request.computer_name
    write("device_requested", _admins(office), computer_name=computer, is_automatic=not is_desk_told, **facts)
    if is_desk_told:
        desk = [member.user for member in Membership.holding(None, "activate")]
        write("device_waiting", desk, office=office.name, request=request.uid, **facts)


def device_returned(request: ActivationRequest) -> None:
    """To the manager: the PC is not activated, and why."""
    facts = {"receipt_number": request.receipt_number, "slot": request.device.slot, "reason": request.reason}
    write("device_returned", _admins(request.device.office), computer_name=request.computer_name, **facts)


def device_activated(device: Device, computer_name: str = "") -> None:
    """To the manager: from now on the PC can connect."""
    write("device_activated", _admins(device.office), slot=device.slot, computer_name=computer_name)


def device_stopped(actor: Actor, device: Device, are_sessions_over: bool) -> None:
    """To the manager: the PC can't connect any more. Nothing that was typed: a reason may name a person."""
    facts = {"slot": device.slot, "by": _side(actor), "are_sessions_over": are_sessions_over}
    write("device_stopped", _admins(device.office), has_active=device.office.has_active_device(), **facts)


def device_replaced(actor: Actor, device: Device) -> None:
    """To the manager: another PC is to take the slot."""
    facts = {"slot": device.slot, "by": _side(actor), "is_at_work": device.state == "active"}
    write("device_replaced", _admins(device.office), has_active=device.office.has_active_device(), **facts)


def device_kept(actor: Actor, device: Device) -> None:
    """To the manager: no other PC is to take the slot after all."""
    write("device_kept", _admins(device.office), slot=device.slot, by=_side(actor))


def handover_asked(handover: Handover) -> None:
    """To the 管理者 and to whoever is to succeed; of an emergency also to the clerks of whom one is to approve it."""
    _tell_both("handover_asked", handover)
    if not handover.is_planned:
        others = Membership.holding(None, "register").where(Membership.user != handover.asked_by.user_id)
        write("handover_waiting", [member.user for member in others], office=handover.office.name)


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
        write(kind, [User.get_by_id(member.user_id)], side=side, **facts)


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
    write("counter_opened", _admins(office), at=at, address=actor.address, purpose=purpose)


def mail_changed(actor: Actor, member: Membership) -> None:
    """To the address in force: another one has been asked for."""
    write("mail_changed", [member.user], by=_role(actor, member))


def account_changed(actor: Actor, member: Membership, what: str, to_address: str | None = None) -> None:
    """To the person: what was changed, by whom. Changes of ten minutes go out as one mail.

    To the address in force when it happened, or to that one.
    """
    office = member.office.display_name if member.office else ""
    when = f"{calendar.japan(actor.at):%Y/%m/%d %H:%M}"
    line = {"at": when, "what": what, "by": _role(actor, member), "office": office}
    user = User.get_by_id(member.user_id)
    gather("account_changed", user, line, actor.at, due_at=actor.at + GATHER, address=to_address or "")


def address_changed(actor: Actor, member: Membership, old: str) -> None:
    """The person's address is another from now on: both are told."""
    for address in (None, old):
        account_changed(actor, member, "メールアドレスの切り替え", to_address=address)


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
    write("invitation", [member.user], office=member.office.name)


def invitation_answered(member: Membership, answer: str) -> None:
    """To the 管理者 who asked: accepted, declined or (the person's account is in other hands) withdrawn."""
    assert member.office is not None
    write("invitation_answered", _admins(member.office), login_id=member.login_id, answer=answer)


def totp_in_use(code: OneTimePassword) -> None:
    """Instead of a code, to somebody who uses an authenticator."""
    write("totp_in_use", [code.membership.user], code=code, expires_at=code.expires_at)


def registration_invited(invitation: Invitation) -> None:
    """To an office that is no user yet: the code that opens the form, made when the mail is sent."""
    write_to(
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
    write_to(mail, "registration_filed", **facts)
    write("registration_waiting", [member.user for member in Membership.holding(None, "register")], **facts)


def approval_wanted(transfer: Transfer, told: Collection[int] = ()) -> None:
    """To those who can approve it: where that is forbidden, not to whoever uploaded it. `told`: ids of users who know
    already.
    """
    approvers = Membership.holding(transfer.office, "approve", "mail_notice").where(Membership.user.not_in(list(told)))
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
    """A virus was found: to whoever can do something about it, with the name of the virus alone.

    Where the office sent it: the uploader and the approvers who want mail, as when an inspection fails. Its 管理者 is
    told always, as of everything that touches the safety of the office; and so is who may have it on a PC already. The
    fund hears of what it has made and of what has come to it.
    """
    take_out(MORE_ENDED, transfer.receipt_number)
    found = _viruses(transfer)
    for side, users in zip(VIRUS_MAILS, _quarantine_readers(transfer), strict=True):
        steps = quarantine.what_to_do(transfer, side)
        kinds = VIRUS_MAILS[side], MORE_VIRUSES
        _tell_spaced(kinds, side, users, transfer, {"found": found}, transfer.state in ON_A_PC, steps=steps)


def _quarantine_readers(transfer: Transfer) -> tuple[list[User], list[User]]:
    """At the office, at the fund."""
    office = transfer.office
    if transfer.is_filing:
        clerks = list(Membership.holding(None, "receive")) if transfer.state in ARRIVED_AT_FUND else []
        wanting = [transfer.uploaded_by, *Membership.holding(office, "approve", "mail_notice")]
        people = [one for one in wanting if "mail_notice" in one.words() and one.is_active]
    else:
        clerks = [one for word in ("prepare", "check", "send") for one in Membership.holding(None, word)]
        people = list(Membership.holding(office, "download"))
    is_known = transfer.is_filing or transfer.state in ARRIVED_AT_OFFICE
    at_office = [*(one.user for one in people), *_admins(office)] if is_known else []
    return at_office, [one.user for one in clerks]


def _tell_spaced(
    kinds: tuple[str, str],
    side: str,
    users: Iterable[User],
    transfer: Transfer,
    words: dict[str, Any],
    is_urgent: bool = False,
    **alone: Any,
) -> None:
    """At once, but one mail for a person and hour: what follows meanwhile waits, and is told together. What is urgent
    waits for no more than GATHER.

    kinds: of the mail about one transfer, and of the one that gathers. words: for both; alone: for the first.
    """
    now, rest = utc_now(), GATHER if is_urgent else VIRUS_REST
    line = {
        "receipt_number": transfer.receipt_number,
        "kind": transfer.kind.name,
        "office": transfer.office.display_name,
        "at": f"{calendar.japan(now):%Y/%m/%d %H:%M}",
        **words,
    }
    for user in {user.id: user for user in users}.values():
        last = last_of(user, kinds, now - rest, now if is_urgent else None)
        if last is None:
            write(kinds[0], [user], transfer=transfer, **words, **alone)
        else:
            gather(kinds[1], user, line, now, due_at=last.due_at + rest, side=side, rest=[])


def quarantine_ended(transfer: Transfer) -> set[int]:
    """It was a false alarm: to those who were told of the virus and are still there. Answers with their users' ids."""
    take_out(MORE_VIRUSES, transfer.receipt_number)
    everybody: set[int] = set()
    for side, office in ((quarantine.OFFICE, transfer.office), (quarantine.FUND, None)):
        present = [one.user for one in Membership.holding(office)]
        told = told_of(transfer, VIRUS_MAILS[side], MORE_VIRUSES, present)
        words = {"possible": quarantine.possible_again(transfer, side)}
        users = [user for user in present if user.id in told]
        _tell_spaced((ENDED, MORE_ENDED), side, users, transfer, words, page=_page(transfer, side))
        everybody |= told
    return everybody


def _page(transfer: Transfer, side: str) -> str:
    """Where this side finds the transfer; nothing where it doesn't see it as it stands."""
    if side == quarantine.OFFICE:
        is_there = transfer.is_filing or transfer.state in ARRIVED_AT_OFFICE
        return f"/files/{transfer.uid}" if is_there else ""
    is_there = not transfer.is_filing or transfer.state in ARRIVED_AT_FUND
    return f"/admin/{'inbox' if transfer.is_filing else 'statements'}/{transfer.uid}" if is_there else ""


def _viruses(transfer: Transfer) -> list[str]:
    """By name, as the scan that is written down has found them; a few are enough."""
    scan = Inspection.get(Inspection.transfer == transfer).scan or {}
    return sorted(set(scan.get("found", ())))[:VIRUSES]


def document_withheld(document: Document, found: list[str]) -> None:
    """To the clerks who publish: a manual of theirs is withheld at the counter."""
    clerks = [member.user for member in Membership.holding(None, "publish")]
    edition = f"{document.label}({document.edition_on:%Y/%m/%d})"
    write("document_withheld", clerks, edition=edition, document=document.uid, found=found[:VIRUSES])


def installer_withheld(device: Device, found: list[str]) -> None:
    """To the desk: the installer of a slot is withheld at the counter."""
    desk = [member.user for member in Membership.holding(None, "devices")]
    facts = {"contract_number": device.office.contract_number, "slot": device.slot, "office": device.office.uid}
    write("installer_withheld", desk, found=found[:VIRUSES], **facts)


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
    write(kind, [member.user for member in current], transfer=transfer)
