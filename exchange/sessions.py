"""Logging in and staying in: the three steps of an office's people, the one of the fund's, and how long a session
lives.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from database import db
from exchange import audit, credentials, onetime, outbox, throttle
from exchange.actors import Actor
from exchange.errors import Refused, TooMany
from models import LoginSession, Membership, User

ABSOLUTE = timedelta(minutes=90)
IDLE = timedelta(minutes=30)
CODE_STAGE = timedelta(minutes=15)  # between the one-time password and the login password
TOUCH_EVERY = timedelta(seconds=15)
TOKEN_BYTES = 32

WRONG_CODE = (
    "契約番号・ユーザーID・ワンタイムパスワードの組み合わせが正しくないか、有効時間を過ぎています。"
    "お手元の最新のメールをご確認のうえ、入力し直すか、ワンタイムパスワードを再発行してください。"
)
WRONG_PASSWORD = (
    "ユーザーIDまたはログインパスワードが正しくありません。大文字・小文字と入力モードをご確認ください。"
    "5回続けて間違えると30分間ログインできなくなります。"
)
WRONG_STAFF = (
    "ユーザーID・ログインパスワード・ワンタイムパスワード（認証アプリの6桁）のいずれかが正しくありません。"
    "スマートフォンの時刻がずれていないかもご確認ください。"
)
LOCKED = "続けて間違えたため、ログインを30分間停止しています。お急ぎの場合は管理者または基金事務局へご連絡ください。"
CROWDED = "短い時間に何度も操作されたため、受け付けを止めています。10分ほど待ってからお試しください。"
NO_DEVICE = (
    "この事業所には、VPN接続が有効化された端末がまだありません。有効化は確認コードの送信後1～2営業日で終わり、"
    "管理者あてにメールでお知らせします。メールが届いてからもう一度ログインしてください。"
)
INITIAL_LAPSED = "初期パスワードの有効期間（30日）が過ぎています。基金事務局または管理者に再発行を依頼してください。"


class NoDevice(Refused):
    """The password was right, but no PC of the office is active yet."""

    status = 403


@dataclass(frozen=True)
class Ended:
    """A session that is over, and why: logout, idle, absolute, newer, ended or password."""

    why: str


def pass_code(actor: Actor, contract_number: str, login_id: str, typed: str, browser_key: str) -> str:
    """Second step: a right one-time password gives a token for the third step.

    The same refusal for every wrong reason.
    """
    if not throttle.hit("auth_address", throttle.network(actor.address), actor.at):
        raise TooMany(CROWDED)
    member = Membership.at_door(contract_number, login_id)
    if not onetime.is_accepted(actor, member, typed, browser_key):
        with db.atomic():
            office = member.office if member else None
            audit.record(actor, "code.refused", office=office, why="wrong" if member else "unknown")
        raise Refused(WRONG_CODE)
    assert member is not None  # no code is accepted for nobody
    with db.atomic():
        token = _start(actor, member, "code")
        audit.record(_as(actor, member), "code.accepted", member.uid)
    return token


def pass_password(actor: Actor, session: LoginSession, login_id: str, password: str) -> str:
    """Third step: ends the person's other sessions and gives the token of the new one."""
    member = session.membership
    actor = _as(actor, member)
    if not throttle.hit("password", member.uid, actor.at):
        raise TooMany(LOCKED)
    is_right = credentials.is_right(member.user.password_hash, password)
    if not is_right or login_id != member.login_id:
        _refuse_password(actor, member)
    throttle.clear("password", member.uid)
    _require_usable(actor, member)
    with db.atomic():
        end_all(actor, member.user, "newer")
        token = _start(actor, member, "in")
        audit.record(actor, "login.succeeded", member.user.uid, kind=member.kind)
    return token


def log_in_staff(actor: Actor, login_id: str, password: str, code: str) -> str:
    """The fund's people: password and authenticator in one step, one answer for every wrong reason."""
    if not throttle.hit("auth_address", throttle.network(actor.address), actor.at):
        raise TooMany(CROWDED)
    here = f"{login_id}/{throttle.network(actor.address)}"
    _count_staff_try(actor, login_id, here)
    member = Membership.staff_at_door(login_id)
    is_right = credentials.is_right(member.user.password_hash if member else None, password)
    # The authenticator's step is spent only behind a right password.
    if not is_right or member is None or not onetime.is_totp_accepted(member.user, code, actor.at):
        with db.atomic():
            audit.record(actor, "login.refused", member.user.uid if member else "", why="staff")
            if throttle.is_spent("staff", here, actor.at) and member:
                audit.record(actor, "login.locked", member.user.uid, minutes=_lock_minutes("staff"))
                outbox.password_locked(member, _lock_minutes("staff"))
        raise Refused(WRONG_STAFF)
    throttle.clear("staff", here)
    throttle.clear("staff_total", login_id)
    actor = _as(actor, member)
    with db.atomic():
        end_all(actor, member.user, "newer")
        token = _start(actor, member, "in")
        audit.record(actor, "login.succeeded", member.user.uid, kind=member.kind)
    return token


def _count_staff_try(actor: Actor, login_id: str, here: str) -> None:
    """TooMany for a network that has failed too often, and, while many networks fail, for each that has failed once.

    So strangers with many addresses can't keep a clerk out who makes no mistake.
    """
    is_first = not throttle.is_tried("staff", here, actor.at)
    if not throttle.hit("staff", here, actor.at):
        raise TooMany(LOCKED)
    if not throttle.hit("staff_total", login_id, actor.at) and not is_first:
        raise TooMany(LOCKED)


def resume(token: str, stage: str, at: datetime) -> LoginSession | Ended | None:
    """The session behind a cookie's token, with its people loaded; Ended with the reason; None for a token that never
    was.
    """
    session = LoginSession.with_people().where(LoginSession.token_hash == _hash(token)).first()
    if session is None or session.stage != stage:
        return None
    if session.ended_at is not None:
        return Ended(session.ended_because)
    why = _why_over(session, at)
    if why is not None:
        _end(session, why, at)
        return Ended(why)
    if at - session.seen_at >= TOUCH_EVERY:
        LoginSession.update(seen_at=at).where(LoginSession.id == session.id).execute()
        session.seen_at = at
    return session


def ends_at(session: LoginSession) -> datetime:
    """When it is over whatever the person does."""
    return session.started_at + ABSOLUTE


def log_out(actor: Actor, session: LoginSession) -> None:
    with db.atomic():
        if _end(session, "logout", actor.at):
            audit.record(actor, "logout.done", session.membership.user.uid, why="logout")


def end_all(actor: Actor, user: User, why: str) -> None:
    """End every session of a person; called by verbs, inside their transaction."""
    mine = Membership.select(Membership.id).where(Membership.user == user)
    LoginSession.update(ended_at=actor.at, ended_because=why).where(
        LoginSession.membership << mine, LoginSession.ended_at.is_null()
    ).execute()


def sweep(at: datetime) -> None:
    """Forget sessions a week after their start; the audit keeps who came when."""
    LoginSession.delete().where(LoginSession.started_at < at - timedelta(days=7)).execute()


def _refuse_password(actor: Actor, member: Membership) -> None:
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid, why="password")
        is_locked = throttle.is_spent("password", member.uid, actor.at)
        if is_locked:
            audit.record(actor, "login.locked", member.user.uid, minutes=_lock_minutes("password"))
            outbox.password_locked(member, _lock_minutes("password"))
    raise TooMany(LOCKED) if is_locked else Refused(WRONG_PASSWORD)


def _require_usable(actor: Actor, member: Membership) -> None:
    user, office = member.user, member.office
    lapsed = user.password_set_at is None or actor.at - user.password_set_at > credentials.INITIAL_PASSWORD_LIFE
    if user.is_initial_password and lapsed:
        _log_refusal(actor, member, "initial password lapsed")
        raise Refused(INITIAL_LAPSED)
    if office is not None and not office.has_active_device():
        _log_refusal(actor, member, "no active device")
        raise NoDevice(NO_DEVICE)


def _log_refusal(actor: Actor, member: Membership, why: str) -> None:
    with db.atomic():
        audit.record(actor, "login.refused", member.user.uid, why=why)


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
