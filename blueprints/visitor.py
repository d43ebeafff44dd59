"""Who is on the other side of this request: the logged-in person, as flask-login's user and as an actor for the
verbs.
"""

from dataclasses import dataclass
from functools import cached_property

from flask import flash, g, redirect, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import AnonymousUserMixin, UserMixin, current_user, login_user

from blueprints import guards, zones
from database import utc_now
from exchange import onetime, people, permissions, sessions
from exchange.actors import Actor
from models import LoginSession, Membership

RECOVERED = "recovered"  # key in the cookie: a recovery code was used on the way in
BROWSER = "browser"  # key in the cookie: knows again the browser that asked for a one-time password


class Nobody(AnonymousUserMixin):
    """A stranger."""

    actor = None


@dataclass(frozen=True)
class Visitor(UserMixin):
    """A logged-in member. `token` is what the cookie carries; the row behind it holds only its hash."""

    session: LoginSession
    token: str

    def get_id(self) -> str:
        return self.token

    @property
    def actor(self) -> Actor:
        """The visitor as an actor at this moment: a long upload acts when it ends."""
        return Actor(self.session.membership, self.session.device, zones.address(), utc_now())

    @property
    def member(self):
        return self.session.membership

    @property
    def name(self) -> str:
        return self.member.user.name

    @property
    def login_id(self) -> str:
        return self.member.login_id

    @property
    def kind(self) -> str:
        return self.member.kind

    @property
    def office_name(self) -> str | None:
        return self.member.office.display_name if self.member.office else None

    @property
    def is_fund(self) -> bool:
        return self.kind == "fund"

    @property
    def is_office(self) -> bool:
        return not self.member.is_staff

    @property
    def seconds_left(self) -> int:
        return max(0, int((sessions.ends_at(self.session) - utc_now()).total_seconds()))

    @property
    def idle_seconds(self) -> int:
        return int(sessions.IDLE.total_seconds())

    @cached_property
    def places(self) -> list[Membership]:
        """Where the person can work: one office for most, several for a consultant."""
        return list(self.member.user.places())

    @cached_property
    def gate(self) -> str | None:
        """The endpoint that the first login still owes, or None."""
        if self.member.is_staff and not self.member.user.has_totp:
            return "account.totp"  # before a password of one's own: whoever has one has an authenticator too
        if people.needs_office_setup(self.member):
            return "office.registration" if self.kind == "office_admin" else "office.waiting"
        if people.needs_registration(self.member):
            return "account.registration"
        return None

    @property
    def is_gated(self) -> bool:
        return self.gate is not None

    @cached_property
    def held(self) -> frozenset[str]:
        """The words held in this request, for what the page shows; every verb asks anew."""
        return permissions.held(self.actor)

    def may(self, word: str) -> bool:
        if word not in permissions.KNOWN:
            raise TypeError(f"no such permission: {word}")
        return word in self.held


def load(token: str) -> Visitor | None:
    """flask-login's user loader. Why a session is over stays in `g` for the door."""
    resumed = sessions.resume(token, "in", utc_now(), zones.address())
    if isinstance(resumed, sessions.Ended):
        g.session_ended = resumed.why
        return None
    return Visitor(resumed, token) if resumed else None


def actor() -> Actor:
    """The actor of this request: the visitor, or a stranger at an address."""
    if current_user.is_authenticated:
        return current_user.actor
    return Actor(address=zones.address(), at=utc_now())


def enter(token: str) -> ResponseReturnValue:
    """Into the site with a new cookie, to the page that was asked for before the login."""
    entered = sessions.resume(token, "in", utc_now())
    if not isinstance(entered, LoginSession):
        session.clear()
        return redirect(url_for("auth.ended", why="newer"), 303)
    wanted = guards.page_asked_for(entered.membership)
    is_recovered = session.get(RECOVERED, False)
    session.clear()
    if is_recovered:
        flash("回復コードを1つ使いました。認証アプリを登録し直すか、回復コードの残りを確かめてください。", "warning")
    login_user(Visitor(entered, token))
    user = entered.membership.user
    if not current_user.is_gated and user.invitations().exists():
        return redirect(url_for("account.invitations"), 303)
    if not current_user.is_gated and user.pending_mail:
        return redirect(url_for("auth.mail"), 303)
    return redirect(wanted or url_for("home.index"), 303)


def note_recovery(code: str) -> None:
    """Remembers that a recovery code opened this login: what is to be done about it is said when the person is in."""
    session[RECOVERED] = onetime.is_recovery_like(code)


def go_on(token: str) -> None:
    """The same login under another token, from the next request on."""
    renewed = sessions.resume(token, "in", utc_now())
    assert isinstance(renewed, LoginSession)  # its verb has just written it
    login_user(Visitor(renewed, token))
