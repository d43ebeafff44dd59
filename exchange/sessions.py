"""Logging in and staying in: the three steps of an office's people, the one of the fund's, and how long a session
lives.
"""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NoReturn

from database import db
from exchange import audit, credentials, onetime, outbox, throttle, tunnel_logins, tunnels, vpn
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, Device, LoginSession, Membership, User

ABSOLUTE = timedelta(minutes=90)
IDLE = timedelta(minutes=30)
CODE_STAGE = timedelta(minutes=15)  # between the one-time password and the login password
TOUCH_EVERY = timedelta(seconds=15)
FRESH = timedelta(minutes=10)  # after which sensitive acts ask for the login password again
TOKEN_BYTES = 32

WRONG_CODE = (
    "契約番号・ユーザーID・ワンタイムパスワードの組み合わせが正しくないか、有効時間を過ぎています。"
    "お手元の最新のメールをご確認のうえ、入力し直すか、ワンタイムパスワードを再発行してください。"
)
WRONG_PASSWORD = (
    "ユーザーIDまたはログインパスワードが正しくありません。大文字・小文字と入力モードをご確認ください。"
    "5回続けて間違えると30分間ログインできなくなります。"
)
WRONG_AGAIN = (
    "ログインパスワードが正しくありません。大文字・小文字と入力モードをご確認ください。"
    "5回続けて間違えると30分間ログインできなくなります。"
)
WRONG_STAFF = (
    "ユーザーID・ログインパスワード・ワンタイムパスワード（認証アプリの6桁）のいずれかが正しくありません。"
    "スマートフォンの時刻がずれていないかもご確認ください。"
)
LOCKED = "続けて間違えたため、ログインを30分間停止しています。お急ぎの場合は管理者または基金事務局へご連絡ください。"
CROWDED = "短い時間に何度も操作されたため、受け付けを止めています。10分ほど待ってからお試しください。"
INITIAL_LAPSED = "初期パスワードの有効期間（30日）が過ぎています。基金事務局または管理者に再発行を依頼してください。"


class NoDevice(Refused):
    """The password was right, but no PC of the office is active yet."""

    status = 403


@dataclass(frozen=True)
class Ended:
    """A session that is over, and why: logout, idle, absolute, newer, ended, password or device."""

    why: str


def pass_code(actor: Actor, contract_number: str, login_id: str, typed: str, browser_key: str) -> str:
    """Second step: a right one-time password gives a token for the third step.

    The same refusal for every wrong reason.
    """
    if not throttle.hit("auth_address", throttle.network(actor.address), actor.at):
        raise TooMany(CROWDED)
    member = Membership.at_door(contract_number, login_id)
    if not _is_code_right(actor, member, typed, browser_key):
        with db.atomic():
            office, person = (member.office, member.user.uid) if member else (None, "")
            audit.record(actor, "code.refused", person, office, why="wrong" if member else "unknown")
        raise Refused(WRONG_CODE)
    assert member is not None  # no code is accepted for nobody
    with db.atomic():
        token = _start(actor, member, "code")
        audit.record(_as(actor, member), "code.accepted", member.uid)
    return token


def _is_code_right(actor: Actor, member: Membership | None, typed: str, browser_key: str) -> bool:
    """The authenticator's code, or a recovery code, for whoever has enrolled one; the mailed code for all others."""
    if member is None or not member.user.has_totp:
        if onetime.is_recovery_like(typed):
            onetime.is_recovered(None, typed, actor.at)  # as many statements as for those who have such codes
        return onetime.is_accepted(actor, member, typed, browser_key)
    if not throttle.hit_here("totp", member.uid, actor.address, actor.at, _is_known(actor, member)):
        return False
    is_right = _is_app_right(_as(actor, member), member, typed)
    if is_right:
        throttle.clear_here("totp", member.uid, actor.address)
    else:
        _tell_of_lock(actor, member, "totp", member.uid)
    return is_right


def _is_known(actor: Actor, member: Membership | None) -> bool:
    """Whether this person has logged in from this network within a quarter of a year."""
    logins = AuditEntry.select(AuditEntry.address).where(
        AuditEntry.subject == (member.user.uid if member else "-"),
        AuditEntry.action == "login.succeeded",
        AuditEntry.at > actor.at - timedelta(days=90),
    )
    return throttle.network(actor.address) in {throttle.network(entry.address) for entry in logins.distinct()}


def _tell_of_lock(actor: Actor, member: Membership, kind: str, who: str) -> None:
    """When the try just counted was the last one allowed, from this network or from all."""
    if not throttle.is_just_reached(throttle.keys_here(kind, who, [actor.address])):
        return
    with db.atomic():
        audit.record(actor, "login.locked", member.user.uid, member.office, minutes=_lock_minutes(kind))
        outbox.password_locked(member, _lock_minutes(kind))


def _is_app_right(actor: Actor, member: Membership, typed: str) -> bool:
    """Spend an authenticator's code or a recovery code; the person is told of the latter."""
    if not onetime.is_recovery_like(typed):
        return onetime.is_totp_accepted(member.user, typed, actor.at)
    with db.atomic():
        if not onetime.is_recovered(member.user, typed, actor.at):
            return False
        left = member.user.recovery_codes_left
        audit.record(actor, "login.recovered", member.user.uid, left=left)
        outbox.account_changed(actor, member, f"回復コードによる認証（残り{left}個）")
    return True


def pass_password(actor: Actor, session: LoginSession, login_id: str, password: str) -> str:
    """Third step: ends the person's other sessions and gives the token of the new one."""
    member = session.membership
    actor = _as(actor, member)
    if not throttle.hit("password", member.user.uid, actor.at):
        raise TooMany(LOCKED)
    is_right = credentials.is_right(member.user.password_hash, password)
    if not is_right or login_id != member.login_id:
        _refuse_password(actor, member, WRONG_PASSWORD)
    throttle.clear("password", member.user.uid)
    _require_usable(actor, member)
    actor = replace(actor, device=tunnel_logins.device_for(actor, member))
    return _let_in(actor, member)


def _let_in(actor: Actor, member: Membership) -> str:
    with db.atomic():
        end_all(actor, member.user, "newer")
        token = _start(actor, member, "in")
        _note_use(actor.device, actor.at)
        audit.record(actor, "login.succeeded", member.user.uid, kind=member.kind)
    return token


def log_in_staff(actor: Actor, login_id: str, password: str, code: str) -> str:
    """The fund's people: password and authenticator in one step, one answer for every wrong reason."""
    if not throttle.hit("auth_address", throttle.network(actor.address), actor.at):
        raise TooMany(CROWDED)
    member = Membership.staff_at_door(login_id)
    if not throttle.hit_here("staff", login_id, actor.address, actor.at, _is_known(actor, member)):
        raise TooMany(LOCKED)
    is_right = credentials.is_right(member.user.password_hash if member else None, password)
    # The authenticator's step is spent only behind a right password.
    if not is_right and onetime.is_recovery_like(code):
        onetime.is_recovered(None, code, actor.at)  # as many statements as behind a right password
    if not is_right or member is None or not _is_staff_code_right(actor, member, code):
        _refuse_staff(actor, login_id, member)
    throttle.clear_here("staff", login_id, actor.address)
    actor = _as(actor, member)
    _require_living_password(actor, member)
    return _let_in(actor, member)


def _is_staff_code_right(actor: Actor, member: Membership, typed: str) -> bool:
    """At the first login there is no authenticator yet: nothing but its enrolment can be reached then."""
    if not member.user.has_totp:
        return member.user.is_initial_password
    return _is_app_right(_as(actor, member), member, typed)


def _refuse_staff(actor: Actor, login_id: str, member: Membership | None) -> NoReturn:
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid if member else "", why="staff", device="")
    if member:
        _tell_of_lock(actor, member, "staff", login_id)
    raise Refused(WRONG_STAFF)


def is_fresh(session: LoginSession, at: datetime) -> bool:
    """Whether the login password was typed in this session within the last ten minutes."""
    return session.confirmed_at is not None and at - session.confirmed_at < FRESH


def confirm(actor: Actor, session: LoginSession, password: str) -> None:
    """The login password typed again, before a sensitive act; wrong ones count like those at the login."""
    require_password(actor, password)
    with db.atomic():
        LoginSession.update(confirmed_at=actor.at).where(LoginSession.id == session.id).execute()
        audit.record(actor, "password.confirmed", session.membership.user.uid)
    session.confirmed_at = actor.at


def require_password(actor: Actor, password: str) -> None:
    """Refused, and counted, unless it is the actor's login password; TooMany when the limit is reached."""
    member = actor.membership
    assert member is not None  # the routes are for logged-in people
    if not throttle.hit("password", member.user.uid, actor.at):
        raise TooMany(LOCKED)
    if not credentials.is_right(member.user.password_hash, password):
        _refuse_password(actor, member, WRONG_AGAIN)
    throttle.clear("password", member.user.uid)


def renew(session: LoginSession, **columns: object) -> str:
    """Another token for the same session, which may change on the way: the old cookie is dead.

    Called by verbs, inside their transaction; SomeoneWasFaster when the session is over.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    renewed = LoginSession.update(token_hash=_hash(token), **columns).where(
        LoginSession.id == session.id, LoginSession.token_hash == session.token_hash, LoginSession.ended_at.is_null()
    )
    if renewed.execute() != 1:
        raise SomeoneWasFaster("別の画面で操作が行われたため、この画面では続けられません。画面を開き直してください。")
    return token


def switch(actor: Actor, session: LoginSession, member: Membership) -> str:
    """事業所の切替: the same person goes on at another of his places, for the rest of the session's time."""
    if member.user_id != session.membership.user_id or member not in member.user.places():
        raise Refused("この事業所へは切り替えられません。利用が終了したか、停止されています。")
    with db.atomic():
        token = renew(session, membership=member)
        audit.record(_as(actor, member), "office.switched", member.uid, login_id=member.login_id)
    return token


def resume(token: str, stage: str, at: datetime, address: str | None = None) -> LoginSession | Ended | None:
    """The session behind a cookie's token, with its people loaded; Ended with the reason; None for a token that never
    was.

    `address`: where the cookie came from; a session that began on a known PC goes on there alone.
    """
    session = LoginSession.with_people().where(LoginSession.token_hash == _hash(token)).first()
    if session is None or session.stage != stage:
        return None
    if session.ended_at is not None:
        return Ended(session.ended_because)
    why = _why_over(session, at) or ("device" if _has_left_device(session, address) else None)
    if why is not None:
        _end(session, why, at)
        return Ended(why)
    if at - session.seen_at >= TOUCH_EVERY:
        return _touched(session, at)
    return session


def _touched(session: LoginSession, at: datetime) -> LoginSession | Ended:
    """It goes on, unless its address belongs to another PC's tunnel by now; one request in TOUCH_EVERY looks."""
    touched = LoginSession.update(seen_at=at).where(
        LoginSession.id == session.id, LoginSession.seen_at == session.seen_at
    )
    if touched.execute() == 1:
        if _is_address_of_another(session):
            _end(session, "device", at)
            return Ended("device")
        _note_use(session.device, at)
    session.seen_at = at
    return session


def _is_address_of_another(session: LoginSession) -> bool:
    """The VPN server gives addresses that are free to whoever comes next. What it doesn't say ends nothing."""
    if session.device is None or not vpn.provider().is_automatic:
        return False
    try:
        device = tunnels.device_at(session.address)
    except vpn.Unreachable:
        return False
    return device is not None and device != session.device


def _has_left_device(session: LoginSession, address: str | None) -> bool:
    """Whether the session's PC was stopped, or its tunnel is another by now."""
    if session.device is None:
        return False
    return session.device.state != "active" or address not in (None, session.address)


def _note_use(device: Device | None, at: datetime) -> None:
    if device is not None:
        Device.update(seen_at=at).where(Device.id == device.id).execute()


def ends_at(session: LoginSession) -> datetime:
    """When it is over whatever the person does."""
    return session.started_at + ABSOLUTE


def log_out(actor: Actor, session: LoginSession) -> None:
    with db.atomic():
        if _end(session, "logout", actor.at):
            audit.record(actor, "logout.done", session.membership.user.uid, why="logout")


def end_all(actor: Actor, user: User, why: str, but: LoginSession | None = None) -> None:
    """End every session of a person, or every other one; called by verbs, inside their transaction."""
    mine = Membership.select(Membership.id).where(Membership.user == user)
    others = LoginSession.id != (but.id if but else -1)
    LoginSession.update(ended_at=actor.at, ended_because=why).where(
        LoginSession.membership << mine, LoginSession.ended_at.is_null(), others
    ).execute()


def end_at(actor: Actor, member: Membership) -> None:
    """End the sessions at one place of a person, and those of the person on that office's PCs; called by verbs, inside
    their transaction.
    """
    theirs = Device.select(Device.id).where(Device.office == member.office_id)
    mine = Membership.select(Membership.id).where(Membership.user == member.user_id)
    is_on_theirs = (LoginSession.membership << mine) & (LoginSession.device << theirs)
    LoginSession.update(ended_at=actor.at, ended_because="ended").where(
        (LoginSession.membership == member) | is_on_theirs, LoginSession.ended_at.is_null()
    ).execute()


def sweep(at: datetime) -> None:
    """Forget sessions a week after their start; the audit keeps who came when."""
    LoginSession.delete().where(LoginSession.started_at < at - timedelta(days=7)).execute()


def _refuse_password(actor: Actor, member: Membership, sentence: str) -> NoReturn:
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid, why="password", device="")
        is_locked = throttle.is_spent("password", member.user.uid, actor.at)
        if is_locked:
            audit.record(actor, "login.locked", member.user.uid, minutes=_lock_minutes("password"))
            outbox.password_locked(member, _lock_minutes("password"))
    raise TooMany(LOCKED) if is_locked else Refused(sentence)


def _require_usable(actor: Actor, member: Membership) -> None:
    _require_living_password(actor, member)
    # A device serves the person at all of his offices.
    if not any(place.office.has_active_device() for place in member.user.places() if place.office):
        _log_refusal(actor, member, "no active device")
        raise NoDevice(tunnel_logins.why_no_device(member))


def _require_living_password(actor: Actor, member: Membership) -> None:
    user = member.user
    if user.is_initial_password and credentials.has_lapsed(user.password_set_at, actor.at):
        _log_refusal(actor, member, "initial password lapsed")
        raise Refused(INITIAL_LAPSED)


def _log_refusal(actor: Actor, member: Membership, why: str) -> None:
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid, why=why, device="")


def _why_over(session: LoginSession, at: datetime) -> str | None:
    if not session.membership.is_active:
        return "ended"
    if session.stage == "code":
        return "absolute" if at >= session.started_at + CODE_STAGE else None
    if at >= ends_at(session):
        return "absolute"
    return "idle" if at >= session.seen_at + IDLE else None


def _start(actor: Actor, member: Membership, stage: str) -> str:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    LoginSession.create(
        token_hash=_hash(token),
        membership=member,
        device=actor.device,
        stage=stage,
        address=actor.address,
        started_at=actor.at,
        seen_at=actor.at,
        confirmed_at=actor.at if stage == "in" else None,
    )
    return token


def _end(session: LoginSession, why: str, at: datetime) -> bool:
    ended = LoginSession.update(ended_at=at, ended_because=why).where(
        LoginSession.id == session.id, LoginSession.ended_at.is_null()
    )
    return ended.execute() == 1


def _as(actor: Actor, member: Membership) -> Actor:
    return Actor(member, actor.device, actor.address, actor.at)


def _lock_minutes(kind: str) -> int:
    return int(throttle.LIMITS[kind].window.total_seconds() // 60)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
