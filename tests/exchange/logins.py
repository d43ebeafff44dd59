"""Coming in, step by step, for the tests of the rules."""

from datetime import timedelta

from database import utc_now
from exchange import accounts, onetime, sessions
from exchange.actors import Actor
from models import LoginSession, Membership, OneTimePassword, Throttle
from tests.people import LOGIN_IDS, Cast

ADDRESS = "192.0.2.10"
BROWSER = "browser"


def visitor(address: str = ADDRESS, **ahead: float) -> Actor:
    """Whoever stands at the door, so long from now."""
    return Actor(address=address, at=utc_now() + timedelta(**ahead))


def asked_code(member: Membership, actor: Actor) -> OneTimePassword:
    """The row behind a wish for a code."""
    assert member.office is not None
    asked = onetime.ask(actor, member.office.contract_number, member.login_id, BROWSER)
    return OneTimePassword.get(OneTimePassword.number == asked.number)


def code_for(cast: Cast, name: str, actor: Actor) -> str:
    return onetime.code_of(asked_code(cast.member(name), actor))


def types_code(member: Membership, typed: str, actor: Actor | None = None) -> LoginSession:
    """The second step with that code: the session that still owes the password."""
    assert member.office is not None
    actor = actor or visitor()
    token = sessions.pass_code(actor, member.office.contract_number, member.login_id, typed, BROWSER)
    session = sessions.resume(token, "code", actor.at)
    assert isinstance(session, LoginSession)
    return session


def second_step(cast: Cast, name: str, actor: Actor | None = None) -> LoginSession:
    """The session of somebody who has typed a right one-time password."""
    actor = actor or visitor()
    return types_code(cast.member(name), code_for(cast, name, actor), actor)


def third_step(cast: Cast, name: str, password: str = "", actor: Actor | None = None) -> str:
    actor = actor or visitor()
    passed = second_step(cast, name, actor)
    return sessions.pass_password(actor, passed, LOGIN_IDS[name], password or cast.secrets(name)["password"])


def inside(cast: Cast, name: str = "jun") -> tuple[str, LoginSession]:
    """Somebody who is logged in: token and session."""
    token = third_step(cast, name)
    return token, going_on(token)


def staff_in(cast: Cast, name: str, actor: Actor, password: str = "", code: str = "") -> str:
    made = cast.secrets(name)
    code = code or onetime.totp_now(made["totp_secret"], actor.at)
    return sessions.log_in_staff(actor, LOGIN_IDS[name], password or made["password"], code)


def open_session(member: Membership) -> tuple[str, LoginSession]:
    """As if that member had just logged in, in one more browser."""
    token = sessions._start(Actor(member, address=ADDRESS), member, "in")
    return token, going_on(token)


def going_on(token: str) -> LoginSession:
    session = sessions.resume(token, "in", utc_now())
    assert isinstance(session, LoginSession), session
    return session


def is_alive(token: str) -> bool:
    return isinstance(sessions.resume(token, "in", utc_now()), LoginSession)


def actor_in(session: LoginSession, **ahead: float) -> Actor:
    """Whoever is logged in there."""
    return Actor(session.membership, address=ADDRESS, at=utc_now() + timedelta(**ahead))


def enrols(member: Membership) -> tuple[str, list[str]]:
    """That member registers an authenticator: its secret and the recovery codes as they are typed."""
    _, session = open_session(member)
    actor = actor_in(session, minutes=-5)  # so that the code the authenticator shows now is not used up
    secret = accounts.offer_totp(session).secret
    codes = accounts.enrol_totp(actor, session, onetime.totp_now(secret, actor.at))
    return secret, [code.replace("-", "") for code in codes]


def clear_budgets() -> None:
    """As if nobody had asked for a code yet."""
    Throttle.delete().where(Throttle.kind.startswith("code_")).execute()
