"""The authenticator: registered with a right code, asked for instead of a mailed one, replaced by recovery codes."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import accounts, locks, onetime, outbox, people, sessions
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, LoginSession, Mail, Membership, RecoveryCode, User
from tests.exchange.logins import (
    ADDRESS,
    actor_in,
    asked_code,
    clear_budgets,
    code_for,
    enrols,
    is_alive,
    open_session,
    staff_in,
    types_code,
    visitor,
)
from tests.people import LOGIN_IDS, Cast
from tests.processes import together

NEW_PASSWORD = "amber-violin-7-harbour"

pytestmark = pytest.mark.usefixtures("empty_outbox")


def now_shown(secret: str, actor: Actor | None = None) -> str:
    return onetime.totp_now(secret, actor.at if actor else utc_now())


def wrong(secret: str) -> str:
    """Six digits that the authenticator shows at no step near now."""
    near = {onetime.totp_now(secret, utc_now() + timedelta(seconds=30 * step)) for step in range(-3, 4)}
    return next(f"{number:06d}" for number in range(10) if f"{number:06d}" not in near)


def refused(member: Membership, typed: str, actor: Actor | None = None) -> bool:
    """Whether that code gets the one sentence for everything wrong."""
    said = ""
    try:
        types_code(member, typed, actor)
    except Refused as error:
        said = error.message
    assert said in ("", sessions.WRONG_CODE)
    return bool(said)


def actions(*wanted: str) -> list[str]:
    entries = AuditEntry.select().where(AuditEntry.action << wanted).order_by(AuditEntry.number)
    return [entry.action for entry in entries]


def told(user: User) -> list[str]:
    mails = Mail.select().where(Mail.kind == "account_changed", Mail.to_user == user)
    return [line["what"] for mail in mails for line in mail.facts["lines"]]


# ── registered ──


def test_an_authenticator_is_registered_with_the_code_it_shows_now(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    offer = accounts.offer_totp(session)
    with pytest.raises(Refused, match="6桁"):
        accounts.enrol_totp(actor_in(session), session, wrong(offer.secret))
    assert not cast.member("jun").user.has_totp
    codes = accounts.enrol_totp(actor_in(session), session, now_shown(offer.secret))
    assert cast.member("jun").user.has_totp
    assert (len(codes), len(set(codes)), {len(code) for code in codes}) == (8, 8, {11})
    assert (actions("totp.enrolled"), told(cast.member("jun").user)) == (["totp.enrolled"], ["認証アプリの登録"])


def test_a_session_offers_the_same_secret_until_it_is_registered(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    offers = [accounts.offer_totp(session) for _ in range(2)]
    _, other = open_session(cast.member("jun"))
    assert offers[0] == offers[1]
    assert accounts.offer_totp(other).secret != offers[0].secret
    accounts.enrol_totp(actor_in(session), session, now_shown(offers[0].secret))
    again = LoginSession.with_people().where(LoginSession.id == session.id).get()
    assert accounts.offer_totp(again).secret != offers[0].secret


def test_the_picture_names_contract_and_id_and_the_service(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    offer = accounts.offer_totp(session)
    assert offer.uri.startswith("otpauth://totp/")
    assert cast.abc.contract_number in offer.uri
    assert LOGIN_IDS["jun"] in offer.uri
    assert f"secret={offer.secret}" in offer.uri


def test_an_offer_that_was_never_proved_is_nothing(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    secret = accounts.offer_totp(session).secret
    assert refused(cast.member("jun"), now_shown(secret))
    assert types_code(cast.member("jun"), code_for(cast, "jun", visitor()))


def test_a_registration_ends_the_persons_other_sessions_and_mailed_codes(cast: Cast) -> None:
    own, session = open_session(cast.member("hanako"))
    other, _ = open_session(cast.member("hanako_at_xyz"))
    typed = code_for(cast, "hanako", visitor())
    secret = accounts.offer_totp(session).secret
    accounts.enrol_totp(actor_in(session), session, now_shown(secret))
    assert [is_alive(own), is_alive(other)] == [True, False]
    assert refused(cast.member("hanako"), typed)


def test_a_page_sent_twice_registers_once(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    shown = LoginSession.with_people().where(LoginSession.id == session.id)
    typed = now_shown(accounts.offer_totp(session).secret)
    first = accounts.enrol_totp(actor_in(session), shown.get(), typed)
    with pytest.raises(Refused):
        accounts.enrol_totp(actor_in(session), shown.get(), typed)
    assert onetime.is_recovered(cast.member("jun").user, first[0].replace("-", ""), utc_now())


def test_a_new_phone_replaces_the_old_one_and_its_recovery_codes(cast: Cast) -> None:
    old, old_codes = enrols(cast.member("jun"))
    new, _ = enrols(cast.member("jun"))
    assert old != new
    assert [refused(cast.member("jun"), typed) for typed in (now_shown(old), old_codes[0], now_shown(new))] == [
        *(True, True, False),
    ]


# ── at the door ──


def test_the_authenticator_is_asked_for_instead_of_the_mailed_code(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    row = asked_code(cast.member("jun"), visitor())
    onetime.mail_code(visitor(), row.id)
    assert [mail.kind for mail in Mail.select().where(Mail.code == row)] == ["totp_in_use"]
    assert refused(cast.member("jun"), onetime.code_of(row))
    assert types_code(cast.member("jun"), now_shown(secret)).membership == cast.member("jun")


def test_it_opens_every_office_of_the_person_and_nobody_elses(cast: Cast) -> None:
    secret, _ = enrols(cast.member("hanako"))
    assert types_code(cast.member("hanako_at_xyz"), now_shown(secret))
    later = visitor(minutes=1)
    assert refused(cast.member("jun"), now_shown(secret, later), later)
    enrols(cast.member("jun"))
    assert refused(cast.member("jun"), now_shown(secret, later), later)


def test_a_code_it_shows_counts_once(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    actor = visitor()
    assert [refused(cast.member("jun"), now_shown(secret, actor), actor) for _ in range(2)] == [False, True]
    later = visitor(minutes=1)
    assert not refused(cast.member("jun"), now_shown(secret, later), later)


def test_the_code_of_the_registration_is_used_up(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    actor = actor_in(session)
    typed = now_shown(accounts.offer_totp(session).secret, actor)
    accounts.enrol_totp(actor, session, typed)
    assert refused(cast.member("jun"), typed, Actor(address=ADDRESS, at=actor.at))


# ── recovery codes ──


def test_a_recovery_code_works_once_and_the_person_is_told(cast: Cast) -> None:
    _, codes = enrols(cast.member("jun"))
    assert [refused(cast.member("jun"), codes[0]) for _ in range(2)] == [False, True]
    assert not refused(cast.member("jun"), codes[1].lower())
    left = [entry.details for entry in AuditEntry.select().where(AuditEntry.action == "login.recovered")]
    assert left == [{"left": 7}, {"left": 6}]
    assert [what for what in told(cast.member("jun").user) if "回復コード" in what] == [
        "回復コードによる認証（残り7個）",
        "回復コードによる認証（残り6個）",
    ]
    assert cast.member("jun").user.recovery_codes_left == 6


def test_a_recovery_code_lets_a_clerk_in_behind_the_right_password_only(cast: Cast) -> None:
    _, codes = enrols(cast.member("ume"))
    with pytest.raises(Refused):
        staff_in(cast, "ume", visitor(), password="not the password", code=codes[0])
    assert cast.member("ume").user.recovery_codes_left == 8, "a wrong password spends none"
    assert staff_in(cast, "ume", visitor(), code=codes[0])
    assert cast.member("ume").user.recovery_codes_left == 7


def test_one_persons_recovery_code_is_nothing_for_another(cast: Cast) -> None:
    _, codes = enrols(cast.member("jun"))
    enrols(cast.member("taro"))
    assert refused(cast.member("taro"), codes[0])
    assert refused(cast.member("hanako"), codes[0])
    assert cast.member("jun").user.recovery_codes_left == 8


def test_new_recovery_codes_make_those_before_void(cast: Cast) -> None:
    secret, old = enrols(cast.member("jun"))
    new = [code.replace("-", "") for code in accounts.renew_codes(cast.jun)]
    assert not set(old) & set(new)
    assert [refused(cast.member("jun"), old[0]), refused(cast.member("jun"), new[0])] == [True, False]
    assert types_code(cast.member("jun"), now_shown(secret)), "the authenticator stays"
    assert actions("recovery_codes.renewed") == ["recovery_codes.renewed"]


def test_recovery_codes_are_for_those_who_use_an_authenticator(cast: Cast) -> None:
    with pytest.raises(Refused, match="認証アプリ"):
        accounts.renew_codes(cast.jun)
    assert RecoveryCode.select().where(RecoveryCode.user == cast.member("jun").user).count() == 0


def test_recovery_codes_are_kept_as_keyed_hashes(cast: Cast, instance: Path) -> None:
    """Nobody who has the database alone can try them out."""
    secret, codes = enrols(cast.member("jun"))
    kept = {row.code_hash for row in RecoveryCode.select()}
    uid = cast.member("jun").user.uid
    for text in (codes[0], f"{codes[0][:5]}-{codes[0][5:]}", f"recovery/{uid}/{codes[0]}"):
        assert hashlib.sha256(text.encode()).hexdigest() not in kept
    db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    data = (instance / "exchange.sqlite").read_bytes()
    assert [word for word in (*codes, secret) if word.encode() in data] == []


def spends(login_id: str, typed: str) -> bool:
    user = Membership.get(Membership.login_id == login_id).user
    return onetime.is_recovered(user, typed, utc_now())


def test_of_many_processes_with_one_recovery_code_one_comes_in(cast: Cast, instance: Path) -> None:
    _, codes = enrols(cast.member("jun"))
    assert sum(together(instance, [(spends, LOGIN_IDS["jun"], codes[0])] * 6)) == 1


# ── limits ──


def fails(member: Membership, secret: str, times: int, address: str = ADDRESS) -> None:
    for _ in range(times):
        assert refused(member, wrong(secret), visitor(address))


def test_five_wrong_codes_from_one_network_close_it_and_no_other(cast: Cast) -> None:
    jun, (secret, codes) = cast.member("jun"), enrols(cast.member("jun"))
    fails(jun, secret, 5)
    assert locks.is_locked(jun, utc_now())
    assert refused(jun, now_shown(secret))
    assert refused(jun, codes[0]), "nor does a recovery code help there"
    assert not refused(jun, now_shown(secret), visitor("198.51.100.7"))


def test_the_lock_of_a_network_ends_after_thirty_minutes(cast: Cast) -> None:
    jun, (secret, _) = cast.member("jun"), enrols(cast.member("jun"))
    fails(jun, secret, 5)
    early, late = visitor(minutes=29), visitor(minutes=31)
    assert refused(jun, now_shown(secret, early), early)
    assert not refused(jun, now_shown(secret, late), late)


def test_a_right_code_forgets_the_wrong_ones(cast: Cast) -> None:
    jun, (secret, _) = cast.member("jun"), enrols(cast.member("jun"))
    fails(jun, secret, 4)
    assert types_code(jun, now_shown(secret))
    fails(jun, secret, 4)
    later = visitor(minutes=1)
    assert not refused(jun, now_shown(secret, later), later)


def test_fifty_wrong_codes_from_many_networks_leave_only_those_the_person_is_known_in(cast: Cast) -> None:
    """Strangers with many addresses can neither guess on nor keep the person out."""
    jun, (secret, _) = cast.member("jun"), enrols(cast.member("jun"))
    passed = types_code(jun, now_shown(secret))
    sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], cast.secrets("jun")["password"])
    for network in range(25):
        fails(jun, secret, 2, f"198.51.100.{network}")
    later = timedelta(minutes=1)
    for address, is_refused in (("198.51.100.3", True), ("203.0.113.2", True), (ADDRESS, False)):
        actor = Actor(address=address, at=utc_now() + later)
        assert refused(jun, now_shown(secret, actor), actor) == is_refused


def test_the_limits_of_one_person_are_not_anothers(cast: Cast) -> None:
    secret, _ = enrols(cast.member("jun"))
    fails(cast.member("jun"), secret, 5)
    other, _ = enrols(cast.member("taro"))
    assert types_code(cast.member("taro"), now_shown(other))


def test_an_unlock_opens_the_network_again(cast: Cast) -> None:
    jun, (secret, _) = cast.member("jun"), enrols(cast.member("jun"))
    for address in (ADDRESS, "198.51.100.7"):
        fails(jun, secret, 5, address)
    locks.unlock(cast.taro, jun)
    assert not locks.is_locked(jun, utc_now())
    assert not refused(jun, now_shown(secret), visitor("198.51.100.7"))


# ── dropped ──


def test_who_drops_it_oneself_goes_back_to_mailed_codes(cast: Cast) -> None:
    secret, codes = enrols(cast.member("jun"))
    token, _ = open_session(cast.member("jun"))
    accounts.drop_totp(cast.jun, cast.member("jun"))
    assert is_alive(token)
    assert [refused(cast.member("jun"), typed) for typed in (now_shown(secret), codes[0])] == [True, True]
    clear_budgets()
    assert types_code(cast.member("jun"), code_for(cast, "jun", visitor()))
    assert (actions("totp.dropped"), told(cast.member("jun").user)[-1]) == (["totp.dropped"], "認証アプリの解除")


@pytest.mark.parametrize("name", ["taro", "kiku"])
def test_admin_and_register_drop_it_for_whoever_has_lost_the_phone(cast: Cast, name: str) -> None:
    enrols(cast.member("jun"))
    token, _ = open_session(cast.member("jun"))
    accounts.drop_totp(getattr(cast, name), cast.member("jun"))
    assert (cast.member("jun").user.has_totp, is_alive(token)) == (False, False)
    with pytest.raises(Refused):
        accounts.drop_totp(getattr(cast, name), cast.member("jun"))


@pytest.mark.parametrize("name", ["hanako", "jiro", "ume", "dai"])
def test_nobody_else_drops_it(cast: Cast, name: str) -> None:
    enrols(cast.member("jun"))
    with pytest.raises(Forbidden):
        accounts.drop_totp(getattr(cast, name), cast.member("jun"))
    assert cast.member("jun").user.has_totp


def test_the_funds_people_cannot_be_without_one(cast: Cast) -> None:
    for name in ("kiku", "ume"):
        for actor in (cast.kiku, getattr(cast, name)):
            with pytest.raises(Refused, match="職員の認証アプリ|権限がありません"):
                accounts.drop_totp(actor, cast.member(name))
        assert cast.member(name).user.has_totp


def test_dropping_what_is_not_there_says_so(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster):
        accounts.drop_totp(cast.jun, cast.member("jun"))
    with pytest.raises(Refused, match="登録されていません"):
        accounts.drop_totp(cast.taro, cast.member("jun"))
    assert actions("totp.dropped") == []


# ── the first login of the fund's people ──


def test_a_new_clerk_comes_in_by_the_initial_password_registers_both_and_needs_both_from_then_on(cast: Cast) -> None:
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    newcomer = people.add_staff(Actor(cast.member("kiku"), at=start), "fund", "kikinRan1", "蘭", "ran@fund.example", ())
    door, login_id = Actor(address=ADDRESS, at=start), "kikinRan1"
    token = sessions.log_in_staff(door, login_id, newcomer.password, "")
    session = sessions.resume(token, "in", start)
    secret = accounts.offer_totp(session).secret
    accounts.enrol_totp(Actor(session.membership, at=start), session, onetime.totp_now(secret, start))
    people.register_user(Actor(session.membership, at=start), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    later = Actor(address=ADDRESS, at=start + timedelta(minutes=2))
    for password, code in ((NEW_PASSWORD, ""), (NEW_PASSWORD, "000000"), (newcomer.password, now_shown(secret, later))):
        with pytest.raises(Refused):
            sessions.log_in_staff(later, login_id, password, code)
    assert sessions.log_in_staff(later, login_id, NEW_PASSWORD, now_shown(secret, later))


def test_between_the_two_registrations_the_authenticator_is_asked_for_already(cast: Cast) -> None:
    newcomer = people.add_staff(cast.kiku, "fund", "kikinRan1", "蘭", "ran@fund.example", ())
    secret, _ = enrols(newcomer.membership)
    with pytest.raises(Refused):
        sessions.log_in_staff(visitor(), "kikinRan1", newcomer.password, "")
    assert sessions.log_in_staff(visitor(), "kikinRan1", newcomer.password, now_shown(secret))


def test_the_mail_about_an_authenticator_in_use_carries_no_code(cast: Cast) -> None:
    enrols(cast.member("jun"))
    row = asked_code(cast.member("jun"), visitor())
    with db.atomic():
        outbox.totp_in_use(row)
    text = (Path(__file__).parents[2] / "templates/mail/totp_in_use.txt").read_text(encoding="utf-8")
    assert "{{ code" not in text
    assert Mail.get(Mail.kind == "totp_in_use").facts == {}
