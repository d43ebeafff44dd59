"""Invitations to file a 電子連携管理者登録届 online: a code that the fund mails and that opens the form once.

The code stands in the mail alone. The database keeps its hash, and sealed what the mail is made from until it is spent.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from peewee import SQL

from database import db
from exchange import audit, credentials, normalise, outbox, permissions, sealing, throttle, visits
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from papers import Invitation, Registration

LIFE = timedelta(days=14)
CODE_LENGTH = 20  # of credentials.ALPHABET: 116 bits, so a plain hash keeps it
CODE_GROUP = 5
AT_ONCE = 200  # offices invited with one form
ONE_ADDRESS = 5  # of them to one address
RETURNED_KEPT = timedelta(days=30)  # what was sent back, unless its form can still be opened
JUST_NOW = timedelta(minutes=1)  # the same invitation again: the button was pressed twice

SPENT = (
    "この招待コードは、すでに使われています。入力を続けるときは、コードを使ったときのブラウザーで開いてください。"
    "それができないときは、基金事務局に新しい招待コードを依頼してください。"
)
REFUSED = {
    "wrong": "招待コードが正しくありません。メールに書かれた20文字を、大文字と小文字もそのまま入力してください。",
    "withdrawn": "この招待コードは使えなくなっています。新しいメールが届いているときは、そのコードを使ってください。"
    "届いていないときは、基金事務局にお問い合わせください。",
    "expired": "この招待コードは、有効期間（14日間）を過ぎています。基金事務局に新しい招待コードを依頼してください。",
    "filed": "この招待コードの登録届は、すでに提出されています。内容を変えたいときは、基金事務局にご連絡ください。",
    "lapsed": SPENT,
    "opened": SPENT,
}


@dataclass(frozen=True)
class Draft:
    """What the form is filled with at first: columns A to H, and where the letter goes."""

    cells: Sequence[str]
    postal_code: str = ""
    address: str = ""


# ── the fund's side ──


def invite(actor: Actor, office_name: str, mail: str) -> Invitation:
    """Mail a code. What the same office had at that address before, and has not used to file, is void."""
    (invitation,) = invite_all(actor, [(office_name, mail)])
    return invitation


def invite_all(actor: Actor, wanted: Sequence[tuple[str, str]]) -> list[Invitation]:
    """Invite (office name, mail) each, or Refused and none."""
    permissions.require(actor, "register")
    for office_name, mail in wanted:
        problem = problem_of(office_name, mail)
        if problem:
            raise Refused(problem)
    for mail, count in Counter(mail.casefold() for _, mail in set(wanted)).items():
        if count > ONE_ADDRESS:
            raise Refused(
                f"同じメールアドレスへ一度に送れる案内は{ONE_ADDRESS}件までです（{mail} は{count}件）。"
                "事業所ごとの担当者のアドレスに直すか、分けて送ってください。"
            )
    with db.atomic():
        return [_invite(actor, office_name, mail) for office_name, mail in wanted]


def problem_of(office_name: str, mail: str) -> str | None:
    """Why nobody can be invited so, in words, or None."""
    if not office_name:
        return "事業所名を入力してください。"
    if len(office_name) > normalise.OFFICE_NAME_LENGTH or normalise.unfit(office_name):
        limit = normalise.OFFICE_NAME_LENGTH
        return f"事業所名は{limit}文字までです。先頭の記号（= + - @）や外字は使えません。入力し直してください。"
    if not normalise.is_mail(mail):
        return "メールアドレスの形が正しくありません。「名前@会社のドメイン」の形で入力してください。"
    return None


def count_look(actor: Actor, invitation: Invitation) -> None:
    """TooMany when the form was asked again and again: what it says of office numbers must not become a list."""
    if not throttle.hit("registration", invitation.uid, actor.at):
        raise TooMany("短い間に何度も確認されました。1時間ほどたってから、もう一度お試しください。")


def invite_again(actor: Actor, registration: Registration, reason: str) -> Invitation:
    """A new code for an office whose registration is sent back; its form shows the reason and what was filed.

    Called by the verb that sends it back, inside its transaction.
    """
    old = registration.invitation
    if not db.in_transaction() or old is None:
        raise RuntimeError("only a registration filed online goes back, inside the transaction that sends it back")
    return _issue(actor, old.office_name, old.mail, returned=old, reason=reason)


def withdraw(actor: Actor, invitation: Invitation) -> None:
    """The code opens nothing any more, and whoever has opened the form can't file it."""
    permissions.require(actor, "register")
    with db.atomic():
        if not _void(actor, invitation):
            raise SomeoneWasFaster(
                f"{invitation.office_name} の案内は、すでに登録届が提出されたか、取り下げられています。"
                "画面を開き直して、今の状態を確かめてください。"
            )


def listed() -> Any:
    """Every invitation, the newest first."""
    return Invitation.select().order_by(Invitation.id.desc())


def state_of(invitation: Invitation, at: datetime) -> str:
    """withdrawn, filed, expired, waiting (for its code), opened, or lapsed: opened, and not filed while it could be."""
    if invitation.withdrawn_at is not None:
        return "withdrawn"
    if invitation.filed_at is not None:
        return "filed"
    if invitation.opened_at is None:
        return "waiting" if invitation.expires_at > at else "expired"
    return "opened" if invitation.opened_at + visits.LIVES["registration"] > at else "lapsed"


# ── the office's side ──


def open_form(actor: Actor, typed: str) -> str:
    """Exchange a code for the token of a visit, once. `typed` may also be the whole link out of the mail."""
    if not throttle.hit("invitation", throttle.network(actor.address), actor.at):
        minutes = throttle.LIMITS["invitation"].window.seconds // 60
        raise TooMany(
            f"招待コードの入力が続いたため、受け付けを止めています。{minutes}分ほど待ってからお試しください。"
        )
    invitation = Invitation.get_or_none(Invitation.token_hash == _hash(clean(typed)))
    with db.atomic():
        if invitation is None or not _spend(invitation, actor.at):
            raise Refused(REFUSED[_why_not(invitation, actor.at)])
        audit.record(actor, "registration.opened", invitation.uid, office_name=invitation.office_name)
        return visits.begin(actor, "registration", invitation=invitation)


def clean(typed: str) -> str:
    """The code alone: without spaces, hyphens, width, and the address before it."""
    return normalise.code(normalise.half_width(typed).rpartition("#")[2])


def filed(actor: Actor, invitation: Invitation, receipt_number: str, mail: str) -> None:
    """The invitation has done its work: nothing else can be filed with it. `mail`: the address that was filed.

    Called by the verb that keeps the registration, inside its transaction; SomeoneWasFaster when another one is kept
    already or the fund has withdrawn the invitation.
    """
    if not db.in_transaction():
        raise RuntimeError("an invitation ends in the transaction of what was filed with it")
    is_open = Invitation.filed_at.is_null() & Invitation.withdrawn_at.is_null()
    if Invitation.update(filed_at=actor.at).where(Invitation.id == invitation.id, is_open).execute() != 1:
        raise SomeoneWasFaster("登録届は、すでに提出されたか、基金事務局が案内を取り下げています。")
    outbox.registration_filed(invitation, receipt_number, mail)


def draft(invitation: Invitation, today: date) -> Draft:
    """Today's date and else nothing; of a registration that was sent back, what was filed."""
    before = invitation.returned.registration() if invitation.returned else None
    if before is None or not before.cells:
        return Draft([f"{today:%Y/%m/%d}", *[""] * 7])
    return Draft(before.cells, before.postal_code, before.address)


# ── codes ──


def code_of(uid: str) -> str:
    """The code of an invitation in groups, for its mail; "" once it opens nothing any more."""
    invitation = Invitation.by_uid(uid)
    if invitation is None or invitation.code_sealed is None:
        return ""
    code = sealing.unseal(invitation.code_sealed, _place(uid)).decode()
    return "-".join(code[start : start + CODE_GROUP] for start in range(0, CODE_LENGTH, CODE_GROUP))


def sweep(at: datetime) -> None:
    """Forget codes that nobody can use any more, and what was sent back and nobody files anew."""
    is_over = Invitation.code_sealed.is_null(False) & (Invitation.expires_at < at)
    Invitation.update(code_sealed=None).where(is_over).execute()
    opened_since = at - visits.LIVES["registration"]
    can_file = (Invitation.opened_at.is_null() & (Invitation.expires_at > at)) | (Invitation.opened_at > opened_since)
    is_open = Invitation.filed_at.is_null() & Invitation.withdrawn_at.is_null() & can_file
    waited_for = Invitation.select(Invitation.returned).where(Invitation.returned.is_null(False), is_open)
    forgotten = (Registration.state == "returned") & (Registration.decided_at < at - RETURNED_KEPT)
    blank = Registration.update(cells=[], postal_code="", address="")
    blank.where(forgotten, Registration.invitation.not_in(waited_for), Registration.cells != SQL("'[]'")).execute()


def _invite(actor: Actor, office_name: str, mail: str) -> Invitation:
    same = (Invitation.office_name == office_name) & (Invitation.mail == mail)
    is_open = Invitation.filed_at.is_null() & Invitation.withdrawn_at.is_null()
    older = list(Invitation.select().where(same, is_open).order_by(Invitation.id))
    if older and older[-1].opened_at is None and older[-1].invited_at > actor.at - JUST_NOW:
        return older[-1]
    for one in older:
        _void(actor, one)
    # Whoever was to correct something still is, as long as that is kept.
    returned = older[-1].returned if older else None
    before = returned.registration() if returned else None
    reason, returned = (older[-1].reason, returned) if before and before.cells else ("", None)
    return _issue(actor, office_name, mail, returned, reason)


def _issue(actor: Actor, office_name: str, mail: str, returned: Invitation | None, reason: str) -> Invitation:
    code = credentials.random_secret(CODE_LENGTH)
    invitation = Invitation(
        token_hash=_hash(code),
        mail=mail,
        office_name=office_name,
        invited_by=actor.membership,
        invited_at=actor.at,
        expires_at=actor.at + LIFE,
        returned=returned,
        reason=reason,
    )
    invitation.code_sealed = sealing.seal(code.encode(), _place(invitation.uid))
    invitation.save(force_insert=True)
    audit.record(actor, "registration.invited", invitation.uid, office_name=office_name)
    outbox.registration_invited(invitation)
    return invitation


def _void(actor: Actor, invitation: Invitation) -> bool:
    """Withdraw it, unless something was filed with it or it is withdrawn already."""
    is_open = Invitation.filed_at.is_null() & Invitation.withdrawn_at.is_null()
    voided = Invitation.update(withdrawn_at=actor.at, code_sealed=None).where(Invitation.id == invitation.id, is_open)
    if voided.execute() != 1:
        return False
    audit.record(actor, "registration.withdrawn", invitation.uid, office_name=invitation.office_name)
    return True


def _spend(invitation: Invitation, at: datetime) -> bool:
    unspent = Invitation.opened_at.is_null() & Invitation.withdrawn_at.is_null() & (Invitation.expires_at > at)
    spent = Invitation.update(opened_at=at, code_sealed=None).where(Invitation.id == invitation.id, unspent)
    return spent.execute() == 1


def _why_not(invitation: Invitation | None, at: datetime) -> str:
    """Told only to whoever has the right code; one that was spent a moment ago by somebody else counts as opened."""
    if invitation is None:
        return "wrong"
    state = state_of(Invitation.get_by_id(invitation.id), at)
    return "opened" if state == "waiting" else state


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


def _place(uid: str) -> str:
    return f"invitation/{uid}/code"
