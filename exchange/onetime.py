"""The mailed one-time password (HOTP, one seed per code), the authenticator's (TOTP), and the codes of last resort."""

import base64
import hashlib
import logging
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyotp

from database import db
from exchange import audit, jobs, outbox, sealing, settings, throttle
from exchange.actors import Actor
from exchange.errors import SomeoneWasFaster
from models import Membership, OneTimePassword, RecoveryCode, User

log = logging.getLogger("todoke.onetime")

DIGITS = 8
SEED_BYTES = 20
TRIES_OWN = 5  # from the browser that asked
TRIES_OTHER = 3  # from any other: a stranger can't burn the person's own tries
CLOCK_SLACK = timedelta(seconds=60)
NUMBER_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
NUMBER_LENGTH = 6

TOTP_STEP = 30  # seconds
TOTP_DRIFT = 1  # steps either way
CONFIRMATION_HOURS = 24  # a changed address may be confirmed a day later: inside the VPN nobody can read mail
RECOVERY_CODES = 8
RECOVERY_LENGTH = 10  # of NUMBER_ALPHABET: 50 bits, kept as a keyed hash


@dataclass(frozen=True)
class Asked:
    """What the page says after asking: the same for a pair that exists and one that doesn't.

    `is_again`: the pair was asked for less than a minute ago, so the number told then still counts.
    """

    number: str
    minutes: int
    is_again: bool


def ask(actor: Actor, contract_number: str, login_id: str, browser_key: str) -> Asked:
    """Take a wish for a code.

    Whether the pair exists decides only what the job mails later: here every pair costs the same.
    """
    minutes = settings.get("code_minutes")
    if not throttle.hit("code_address", throttle.network(actor.address), actor.at):
        return Asked(_new_number(), minutes, is_again=False)  # one network can't fill the disk with wishes
    with db.atomic():
        spent = _spent_budgets(actor, f"{contract_number}/{login_id}")
        member = Membership.at_door(contract_number, login_id)
        if spent:
            member = None
        _void(member, "login")
        code = _make(actor, member, "login", minutes, browser_key)
        jobs.enqueue("mail_code", str(code.id), actor.at)
        office = member.office if member else None
        audit.record(actor, "code.requested", office=office, number=code.number, is_sent=member is not None)
    return Asked(code.number, minutes, is_again="code_again" in spent)


def mail_code(actor: Actor, code_id: int) -> None:
    """The job behind `ask`: mail the code, and to an address that is still to be confirmed a code of its own."""
    with db.atomic():
        code = OneTimePassword.get_or_none(OneTimePassword.id == code_id)  # a late job may find it swept
        if code is None or code.membership is None or code.expires_at <= actor.at or code.counter:
            return
        if outbox.is_mailed(code):
            return
        if not throttle.hit("code_total", "", actor.at):
            log.warning("no more one-time passwords are mailed this hour: the site's budget is spent")
            return
        if code.membership.user.has_totp:
            outbox.totp_in_use(code)
        else:
            outbox.one_time_password(code)
        if code.membership.user.pending_mail and not _is_confirmable(actor, code.membership):
            confirm_address(actor, code.membership)


def confirm_address(actor: Actor, member: Membership) -> None:
    """Mail a code to the address that is to be confirmed; called inside a transaction.

    Codes sent before are void, wherever the person is a member: they may have gone to another address.
    """
    void(member.user, "mail")
    outbox.mail_confirmation(_make(actor, member, "mail", CONFIRMATION_HOURS * 60, ""))


def _is_confirmable(actor: Actor, member: Membership) -> bool:
    """Whether a code for the changed address is on its way or in somebody's hands that still works."""
    code = _newest(member, "mail")
    return code is not None and code.expires_at > actor.at and max(code.tries_own, code.tries_other) < TRIES_OTHER


def void(user: User, *purposes: str) -> None:
    """No code of the person works any more; called by verbs, inside their transaction."""
    mine = Membership.select(Membership.id).where(Membership.user == user)
    OneTimePassword.update(counter=1).where(
        OneTimePassword.membership << mine, OneTimePassword.purpose << purposes, OneTimePassword.counter == 0
    ).execute()


def void_at(member: Membership) -> None:
    """No code opens this place of a person any more; called by verbs, inside their transaction."""
    _void(member, "login")


def is_accepted(actor: Actor, member: Membership | None, typed: str, browser_key: str, purpose: str = "login") -> bool:
    """Try a code once.

    Counts the try before it looks; a right code is spent by compare-and-set, so it works for one of many.
    """
    code = _newest(member, purpose)
    if code is None:
        # As many writes and as much arithmetic as for a wrong code: the time tells nothing about the pair.
        throttle.is_spent("code_failures", "nobody", actor.at)
        throttle.hit("code_failures", "nobody", actor.at)
        throttle.hit("code_failures", "nobody", actor.at)
        pyotp.HOTP(pyotp.random_base32(), digits=DIGITS).verify(typed, 0)
        return False
    if not _may_try(actor, code, browser_key):
        return False
    if not pyotp.HOTP(_seed(code), digits=DIGITS).verify(typed, 0):
        throttle.hit("code_failures", str(code.membership_id), actor.at)
        return False
    spent = OneTimePassword.update(counter=1).where(OneTimePassword.id == code.id, OneTimePassword.counter == 0)
    if spent.execute() != 1:
        return False
    throttle.clear("code_failures", str(code.membership_id))
    return True


def code_of(code: OneTimePassword) -> str:
    """The digits to be mailed; made anew each time from the sealed seed."""
    return pyotp.HOTP(_seed(code), digits=DIGITS).at(0)


def sweep(at: datetime) -> None:
    """Forget codes a day after their end."""
    OneTimePassword.delete().where(OneTimePassword.expires_at < at - timedelta(days=1)).execute()


def new_totp_secret() -> str:
    return pyotp.random_base32()


def offered_totp(user: User, session_id: int) -> str:
    """The secret that this session offers for an authenticator, without being written down; a new one after each
    enrolment, each use of the authenticator in force and each change of the password.
    """
    place = f"totp/{user.uid}/{session_id}/{user.totp_step}/{user.totp_sealed}/{user.password_hash}"
    return base64.b32encode(sealing.derive(place, SEED_BYTES)).decode()


def totp_uri(secret: str, login_id: str, issuer: str) -> str:
    """What the QR code of an authenticator says."""
    return pyotp.TOTP(secret, interval=TOTP_STEP).provisioning_uri(name=login_id, issuer_name=issuer)


def set_totp(user: User, secret: str, typed: str, at: datetime) -> list[str] | None:
    """Enrol an authenticator that shows the right code now; its recovery codes, or None.

    Called by verbs, inside their transaction.
    """
    step = _matching_step(secret, typed, at)
    if step is None:
        return None
    sealed = sealing.seal(secret.encode(), f"user/{user.uid}/totp")
    before = User.totp_sealed.is_null() if user.totp_sealed is None else User.totp_sealed == user.totp_sealed
    if User.update(totp_sealed=sealed, totp_step=step).where(User.id == user.id, before).execute() != 1:
        raise SomeoneWasFaster("認証アプリは、別の画面ですでに登録されています。")
    return new_recovery_codes(user)


def drop_totp(user: User) -> bool:
    """Forget the authenticator and its recovery codes; False when there was none."""
    RecoveryCode.delete().where(RecoveryCode.user == user).execute()
    return User.update(totp_sealed=None).where(User.id == user.id, User.totp_sealed.is_null(False)).execute() == 1


def new_recovery_codes(user: User) -> list[str]:
    """Codes of last resort, `ABCDE-23456`; those before are void. Called by verbs, inside their transaction."""
    RecoveryCode.delete().where(RecoveryCode.user == user).execute()
    codes = ["".join(secrets.choice(NUMBER_ALPHABET) for _ in range(RECOVERY_LENGTH)) for _ in range(RECOVERY_CODES)]
    for code in codes:
        RecoveryCode.create(user=user, code_hash=_recovery_hash(user, code))
    return [f"{code[:5]}-{code[5:]}" for code in codes]


def is_recovery_like(typed: str) -> bool:
    """Whether that has the shape of a recovery code, which no other code has."""
    return len(typed) == RECOVERY_LENGTH and set(typed.upper()) <= set(NUMBER_ALPHABET)


def is_recovered(user: User | None, typed: str, at: datetime) -> bool:
    """Spend a recovery code, by compare-and-set."""
    code_hash = _recovery_hash(user, typed.upper()) if user else ""
    mine = RecoveryCode.user == (user.id if user else -1)
    spent = RecoveryCode.update(used_at=at).where(
        mine, RecoveryCode.code_hash == code_hash, RecoveryCode.used_at.is_null()
    )
    return spent.execute() == 1


def _recovery_hash(user: User, code: str) -> str:
    return sealing.derive(f"recovery/{user.uid}/{code}", 32).hex()


def totp_now(secret: str, at: datetime) -> str:
    """What an authenticator with that secret shows; a demonstration has no phone at hand."""
    return pyotp.TOTP(secret, interval=TOTP_STEP).at(at)


def is_totp_accepted(user: User | None, typed: str, at: datetime) -> bool:
    """Try an authenticator code; each 30-second step counts once, by compare-and-set."""
    secret = _totp_secret(user) if user and user.totp_sealed else pyotp.random_base32()
    step = _matching_step(secret, typed, at)
    if step is None or user is None or not user.totp_sealed:
        return False
    return User.update(totp_step=step).where(User.id == user.id, User.totp_step < step).execute() == 1


def _matching_step(secret: str, typed: str, at: datetime) -> int | None:
    """The newest 30-second step, within the drift, at which the authenticator shows what was typed."""
    now = int(at.timestamp()) // TOTP_STEP
    totp = pyotp.TOTP(secret, interval=TOTP_STEP)
    steps = range(now - TOTP_DRIFT, now + TOTP_DRIFT + 1)
    return max((step for step in steps if _same(totp.generate_otp(step), typed)), default=None)


def browser_hash(browser_key: str) -> str:
    return hashlib.sha256(browser_key.encode()).hexdigest() if browser_key else ""


def _spent_budgets(actor: Actor, pair: str) -> list[str]:
    """Counts the wish in the pair's budgets; what comes within the minute causes no mail and costs nothing more."""
    if not throttle.hit("code_again", pair, actor.at):
        return ["code_again"]
    return [kind for kind in ("code_quarter", "code_day") if not throttle.hit(kind, pair, actor.at)]


def _make(actor: Actor, member: Membership | None, purpose: str, minutes: int, browser_key: str) -> OneTimePassword:
    number = _new_number()
    seed = base64.b32encode(os.urandom(SEED_BYTES))
    return OneTimePassword.create(
        number=number,
        membership=member,
        purpose=purpose,
        seed_sealed=sealing.seal(seed, f"code/{number}/{purpose}"),
        browser_hash=browser_hash(browser_key),
        issued_at=actor.at,
        expires_at=actor.at + timedelta(minutes=minutes),
    )


def _new_number() -> str:
    """受付番号 of a wish; two alike within a day have a chance of one in millions, and the second asks again."""
    return "".join(secrets.choice(NUMBER_ALPHABET) for _ in range(NUMBER_LENGTH))


def _void(member: Membership | None, purpose: str) -> None:
    """Only the newest code works."""
    mine = OneTimePassword.membership == (member.id if member else -1)
    OneTimePassword.update(counter=1).where(
        mine, OneTimePassword.purpose == purpose, OneTimePassword.counter == 0
    ).execute()


def _newest(member: Membership | None, purpose: str) -> OneTimePassword | None:
    mine = OneTimePassword.membership == (member.id if member else -1)
    if member and purpose == "mail":  # the address is the person's, whichever office the change was made at
        mine = OneTimePassword.membership << Membership.select(Membership.id).where(Membership.user == member.user_id)
    return (
        OneTimePassword.select()
        .where(mine, OneTimePassword.purpose == purpose, OneTimePassword.counter == 0)
        .order_by(OneTimePassword.id.desc())
        .first()
    )


def _may_try(actor: Actor, code: OneTimePassword, browser_key: str) -> bool:
    if throttle.is_spent("code_failures", str(code.membership_id), actor.at):
        return False
    is_own = bool(browser_key) and secrets.compare_digest(code.browser_hash, browser_hash(browser_key))
    tries, limit = (OneTimePassword.tries_own, TRIES_OWN) if is_own else (OneTimePassword.tries_other, TRIES_OTHER)
    counted = OneTimePassword.update({tries: tries + 1}).where(
        OneTimePassword.id == code.id,
        OneTimePassword.counter == 0,
        tries < limit,
        OneTimePassword.expires_at > actor.at,
        OneTimePassword.issued_at <= actor.at + CLOCK_SLACK,
    )
    return counted.execute() == 1


def _seed(code: OneTimePassword) -> str:
    return sealing.unseal(code.seed_sealed, f"code/{code.number}/{code.purpose}").decode()


def _totp_secret(user: User) -> str:
    return sealing.unseal(user.totp_sealed, f"user/{user.uid}/totp").decode()


def _same(expected: str, typed: str) -> bool:
    return secrets.compare_digest(expected.encode(), typed.encode())
