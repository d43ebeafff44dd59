"""A person's account: names, address, password, authenticator; and what others may do when one of them is lost."""

from dataclasses import dataclass
from typing import Any

from database import db
from exchange import audit, credentials, locks, marks, onetime, outbox, possible, sessions, settings, throttle
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, LoginSession, Membership, User

LAST_LOGINS = ("login.succeeded", "login.refused", "login.locked", "login.recovered", "code.refused")
LAST_CHANGES = ("user.registered", "user.changed", "mail.confirmed", "password.reset", "totp.dropped")

CONFIRMED = "メールアドレスの確認はすでに終わっているか、変更が取りやめられています。"
CHANGED_BEFORE = "この方の登録は、別の画面ですでに変更されています。画面を開き直して、今の内容を確かめてください。"
RESET_BEFORE = "初期パスワードは、別の画面ですでに再発行されています。もう一度行うときは、画面を開き直してください。"
WRONG_APP_CODE = (
    "認証アプリの6桁の数字が違います。新しく表示された数字を入力してください。スマートフォンの時刻もご確認ください。"
)
STAFF_NEED_TOTP = (
    "職員の認証アプリは解除できません。機種を変えたときは登録し直し、"
    "なくしたときは、ほかの職員に初期パスワードの再発行を依頼してください。"
)
LABELS = {"name": "氏名", "kana": "氏名(カナ)", "mail": "メールアドレス"}


# ── names and address ──


def profile_of(user: User) -> dict[str, str]:
    """What the form about a person's names and address shows: the address that waits, if one does."""
    return {"name": user.name, "kana": user.kana, "mail": user.pending_mail or user.mail}


def profile_seen(user: User) -> str:
    """What that form carries, so that nobody overwrites what he has not seen."""
    return marks.of(*profile_of(user).values())


def change_profile(
    actor: Actor, member: Membership, name: str, kana: str, mail: str, before: str | None = None
) -> list[str]:
    """One's own names and address, or another's; which of them changed ("name", "kana", "mail").

    A changed address waits until the code sent there is typed; of somebody who never logged in it counts at once.
    `before`: profile_seen when the form was shown; SomeoneWasFaster when something has changed since.
    """
    is_own = possible.is_own(actor, member)
    if not is_own:
        possible.require(actor, "edit", member)
    wanted = {"name": name, "kana": kana, "mail": mail}
    with db.atomic():
        if not is_own:
            possible.require_still(actor, "edit", member)
        user = User.get_by_id(member.user_id)
        if before not in (None, profile_seen(user)):
            raise SomeoneWasFaster(CHANGED_BEFORE)
        changed = [what for what, now in profile_of(user).items() if wanted[what] != now]
        if changed:
            _write_profile(actor, member, user, wanted, changed)
    return changed


def _write_profile(actor: Actor, member: Membership, user: User, wanted: dict[str, str], changed: list[str]) -> None:
    has_come = member.ready_at is not None
    pending = wanted["mail"] if has_come and wanted["mail"] != user.mail else None
    address = user.mail if has_come else wanted["mail"]
    names = {"name": wanted["name"], "kana": wanted["kana"]}
    User.update(**names, mail=address, pending_mail=pending).where(User.id == user.id).execute()
    member.user = User.get_by_id(user.id)
    audit.record(actor, "user.changed", user.uid, member.office, login_id=member.login_id, changed=changed)
    if "mail" in changed and not pending and address != user.mail:
        outbox.address_changed(actor, member, user.mail)
    waits = "（新しいアドレスでの確認待ち）" if pending and "mail" in changed else ""
    outbox.account_changed(actor, member, "、".join(LABELS[what] for what in changed) + f"の変更{waits}")
    if "mail" in changed:
        _withdraw_invitations(actor, member)
        onetime.void(member.user, "mail")
        if pending:
            outbox.mail_changed(actor, member)
            onetime.confirm_address(actor, member)


def _withdraw_invitations(actor: Actor, member: Membership) -> None:
    """Whoever asked this person did not ask an office that now holds the account in its hands.

    Called when an office changes the account of one of its people, inside the transaction.
    """
    if actor.office is None or possible.is_own(actor, member):
        return
    for invitation in member.user.invitations():
        Membership.update(ended_at=actor.at).where(Membership.id == invitation.id).execute()
        audit.record(
            actor, "member.withdrawn", invitation.uid, invitation.office, login_id=invitation.login_id, cause="account"
        )
        outbox.invitation_answered(invitation, "withdrawn")
        outbox.account_changed(actor, invitation, "利用の依頼の取り下げ")


def drop_pending_mail(actor: Actor, member: Membership) -> None:
    """An address that was asked for and not confirmed comes to nothing. Called by verbs, inside their transaction."""
    user = User.get_by_id(member.user_id)
    if user.pending_mail is not None:
        User.update(pending_mail=None).where(User.id == user.id).execute()
        onetime.void(user, "mail")
        outbox.account_changed(actor, member, "確認待ちだったメールアドレスの変更の取り消し")


def send_confirmation_again(actor: Actor) -> None:
    """Another code to the address that is to be confirmed."""
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    if not throttle.hit("mail_again", member.user.uid, actor.at):
        raise TooMany("確認コードは続けて送れません。15分ほど待ってからお試しください。")
    with db.atomic():
        member.user = User.get_by_id(member.user_id)
        if member.user.pending_mail is None:
            raise SomeoneWasFaster(CONFIRMED)
        onetime.confirm_address(actor, member)


def confirm_mail(actor: Actor, typed: str) -> None:
    """The code that reached the new address puts it in force; the old one is told."""
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    if not throttle.hit("mail_code", member.user.uid, actor.at):
        raise TooMany("確認コードの入力が続けて間違っています。30分ほど待ってからお試しください。")
    user = User.get_by_id(member.user_id)  # before the code: what it confirms is the address of that moment
    if user.pending_mail is None:
        raise SomeoneWasFaster(CONFIRMED)
    if not onetime.is_accepted(actor, member, typed, "", purpose="mail"):
        raise Refused("確認コードが正しくないか、有効時間を過ぎています。届いた最新のメールを確かめてください。")
    throttle.clear("mail_code", user.uid)
    with db.atomic():
        in_force = User.update(mail=user.pending_mail, pending_mail=None).where(
            User.id == user.id, User.pending_mail == user.pending_mail
        )
        if in_force.execute() != 1:
            raise SomeoneWasFaster(CONFIRMED)
        audit.record(actor, "mail.confirmed", user.uid)
        outbox.address_changed(actor, member, user.mail)


# ── password ──


def password_problem(member: Membership, password: str, name: str) -> str | None:
    """Why this member can't take that login password, or None."""
    office = member.office
    known = [member.login_id, name, "".join(name.split()), *name.split()]
    known += [settings.get("service_name"), settings.get("fund_name"), "todoke"]
    if office is not None:
        known += [office.contract_number, office.contract_number.replace("-", ""), office.name, office.short_name]
    return credentials.password_problem(password, settings.get("password_length"), known)


def change_password(actor: Actor, session: LoginSession, current: str, new: str) -> str:
    """One's own password: every other session is over, this one goes on under the token that is returned."""
    member = _whose(actor, session)
    sessions.require_password(actor, current)
    user = member.user
    problem = "今までと同じものは使えません。" if new == current else password_problem(member, new, user.name)
    if problem:
        raise Refused(problem)
    hashed = credentials.hash_secret(new)
    with db.atomic():
        changed = User.update(password_hash=hashed, password_set_at=actor.at, is_initial_password=False).where(
            User.id == user.id, User.password_hash == user.password_hash
        )
        if changed.execute() != 1:
            raise SomeoneWasFaster("ログインパスワードは、別の画面ですでに変更されています。")
        sessions.end_all(actor, user, "password", but=session)
        token = sessions.renew(session, confirmed_at=actor.at)
        onetime.void(user, "login")
        audit.record(actor, "password.changed", user.uid)
        outbox.account_changed(actor, member, "ログインパスワードの変更")
    return token


def seen(member: Membership) -> str:
    """What a form about a new initial password carries, so that it acts once: changes with every password."""
    return marks.of(member.user.password_hash)


def reset_password(actor: Actor, member: Membership, before: str) -> str:
    """A new initial password, returned once. Old password, sessions, codes and locks are gone at once.

    A changed address that waited is put in force: whoever resets vouches for it, and the old one is told. One of the
    fund's people enrols the authenticator anew.
    """
    possible.require(actor, "reset", member)
    password = credentials.random_secret(credentials.INITIAL_PASSWORD_LENGTH)
    hashed = credentials.hash_secret(password)
    with db.atomic():
        possible.require_still(actor, "reset", member)
        user = member.user = User.get_by_id(member.user_id)
        if seen(member) != before:
            raise SomeoneWasFaster(RESET_BEFORE)
        outbox.account_changed(actor, member, "初期パスワードの再発行")  # to the address in force until now
        User.update(
            password_hash=hashed,
            password_set_at=actor.at,
            is_initial_password=True,
            mail=user.pending_mail or user.mail,
            pending_mail=None,
        ).where(User.id == user.id).execute()
        if member.is_staff:
            onetime.drop_totp(user)
        _withdraw_invitations(actor, member)
        _shut_out(actor, user)
        changed = ["mail"] if user.pending_mail else []
        audit.record(actor, "password.reset", user.uid, member.office, login_id=member.login_id, changed=changed)
        if changed:
            outbox.address_changed(actor, member, user.mail)
        member.user = User.get_by_id(user.id)
    return password


def _shut_out(actor: Actor, user: User) -> None:
    """Nothing that anybody has in hand opens this account any more."""
    sessions.end_all(actor, user, "password")
    onetime.void(user, "login", "mail")
    for place in Membership.select().where(Membership.user == user, Membership.ended_at.is_null()):
        locks.forget(place, actor.at)


# ── authenticator ──


@dataclass(frozen=True)
class Offer:
    """A secret for an authenticator that is not in force yet; `uri` is what the QR code says."""

    secret: str
    uri: str


def offer_totp(session: LoginSession) -> Offer:
    """The same for the whole session, until it is enrolled."""
    member = session.membership
    secret = onetime.offered_totp(member.user, session.id)
    contract = f"{member.office.contract_number} " if member.office else ""
    return Offer(secret, onetime.totp_uri(secret, f"{contract}{member.login_id}", settings.get("service_name")))


def totp_seen(user: User) -> str:
    """What the form about an authenticator carries: changes with every enrolment, so that it acts once."""
    return marks.of(user.totp_sealed)


def enrol_totp(actor: Actor, session: LoginSession, typed: str) -> list[str]:
    """The authenticator that shows the right code is in force; its recovery codes, returned once."""
    member = _whose(actor, session)
    with db.atomic():
        codes = onetime.set_totp(member.user, offer_totp(session).secret, typed, actor.at)
        if codes is None:
            raise Refused(WRONG_APP_CODE)
        sessions.end_all(actor, member.user, "password", but=session)
        onetime.void(member.user, "login")
        audit.record(actor, "totp.enrolled", member.user.uid)
        outbox.account_changed(actor, member, "認証アプリの登録")
    return codes


def renew_codes(actor: Actor) -> list[str]:
    """New recovery codes; those before are void."""
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    with db.atomic():
        if not User.get_by_id(member.user_id).has_totp:
            raise Refused("回復コードは、認証アプリを登録している方だけが使えます。")
        codes = onetime.new_recovery_codes(member.user)
        audit.record(actor, "recovery_codes.renewed", member.user.uid)
        outbox.account_changed(actor, member, "回復コードの作り直し")
    return codes


def drop_totp(actor: Actor, member: Membership) -> None:
    """Back to the mailed code: by oneself, or for somebody whose phone is lost; the fund's people can't."""
    is_own = possible.is_own(actor, member)
    if not is_own:
        possible.require(actor, "drop_totp", member)
    if member.is_staff:
        raise Refused(STAFF_NEED_TOTP)
    with db.atomic():
        if not is_own:
            possible.require_still(actor, "drop_totp", member)
        if not onetime.drop_totp(member.user):
            raise SomeoneWasFaster("認証アプリは登録されていません。")
        _withdraw_invitations(actor, member)
        if not is_own:
            sessions.end_all(actor, member.user, "ended")
        audit.record(actor, "totp.dropped", member.user.uid, member.office, login_id=member.login_id)
        outbox.account_changed(actor, member, "認証アプリの解除")


def _whose(actor: Actor, session: LoginSession) -> Membership:
    """Whose session this is: the actor's own, or the call is wrong."""
    if actor.membership != session.membership:
        raise TypeError("this session belongs to somebody else")
    return session.membership


def last_changes(user: User) -> Any:
    """The five newest entries about the account itself, by whomever."""
    return AuditEntry.about(user.uid, LAST_CHANGES).order_by(AuditEntry.number.desc()).limit(5)


def last_logins(user: User) -> Any:
    """The ten newest entries about the person's logins, right and wrong."""
    return AuditEntry.about(user.uid, LAST_LOGINS).order_by(AuditEntry.number.desc()).limit(10)
