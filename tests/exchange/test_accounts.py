"""One's own account: names, an address that waits for its code, the mails that tell of changes, the password."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from database import utc_now
from exchange import accounts, credentials, mail_rows, onetime, outbox, people, permissions, postman, sessions
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster, TooMany
from models import AuditEntry, LoginSession, Mail, User
from tests.exchange.logins import (
    actor_in,
    code_for,
    is_alive,
    open_session,
    second_step,
    third_step,
    types_code,
    visitor,
)
from tests.people import LOGIN_IDS, Cast
from tests.processes import post
from tests.smtp_server import SmtpServer

FIRST, SECOND = "one@new-address.example", "two@new-address.example"
NEW_PASSWORD = "amber-violin-7-harbour"

pytestmark = pytest.mark.usefixtures("empty_outbox")


def changes(cast: Cast, actor: Actor, whom: str, **new: str) -> list[str]:
    """The profile of that person with something changed."""
    member = cast.member(whom)
    user = member.user
    return accounts.change_profile(actor, member, **{"name": user.name, "kana": user.kana, "mail": user.mail, **new})


def mailed_codes() -> list[str]:
    """The confirmation codes that were mailed, oldest first."""
    return [onetime.code_of(mail.code) for mail in Mail.select().where(Mail.kind == "mail_confirmation")]


def addresses(cast: Cast, name: str) -> tuple[str, str | None]:
    user = cast.member(name).user
    return user.mail, user.pending_mail


def told(user: User) -> list[tuple[str, str, list[str]]]:
    """The mails about changes to that person: kind, address, what each says."""
    mails = (
        Mail.select().where(Mail.to_user == user, Mail.kind << ("account_changed", "mail_changed")).order_by(Mail.id)
    )
    return [(mail.kind, mail.to_address, [line["what"] for line in mail.facts.get("lines", [])]) for mail in mails]


def actions(*wanted: str) -> list[str]:
    entries = AuditEntry.select().where(AuditEntry.action << wanted).order_by(AuditEntry.number)
    return [entry.action for entry in entries]


# ── names ──


def test_ones_own_names_change_at_once_and_are_logged_without_the_values(cast: Cast) -> None:
    assert changes(cast, cast.hanako, "hanako", name="丙川　花子", kana="ヘイカワ　ハナコ") == ["name", "kana"]
    user = cast.member("hanako_at_xyz").user
    assert (user.name, user.kana) == ("丙川　花子", "ヘイカワ　ハナコ")
    entry = AuditEntry.get(AuditEntry.action == "user.changed")
    assert entry.details == {"login_id": LOGIN_IDS["hanako"], "changed": ["name", "kana"]}
    assert [kind for kind, *_ in told(user)] == ["account_changed"]


def test_a_form_sent_unchanged_does_and_tells_nothing(cast: Cast) -> None:
    assert changes(cast, cast.jun, "jun") == []
    assert (actions("user.changed"), told(cast.member("jun").user)) == ([], [])


def test_the_admin_corrects_the_people_of_the_office(cast: Cast) -> None:
    assert changes(cast, cast.taro, "jun", name="乙山　純", mail=FIRST) == ["name", "mail"]
    assert cast.member("jun").user.name == "乙山　純"
    assert addresses(cast, "jun") == ("jun@abc-shoji.example", FIRST), "the person still has to confirm it"


@pytest.mark.parametrize("name", ["hanako", "jiro", "ume", "dai"])
def test_nobody_else_corrects_them(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        changes(cast, getattr(cast, name), "jun", name="乙山　純")
    assert (cast.member("jun").user.name, actions("user.changed")) == ("乙川　純（利用者B）", [])


def test_the_funds_register_corrects_an_offices_people_even_those_of_several(cast: Cast) -> None:
    assert changes(cast, cast.kiku, "hanako", name="丙川　花子", mail=FIRST) == ["name", "mail"]
    assert addresses(cast, "hanako") == ("hanako@sr-office.example", FIRST), "the person still has to confirm it"


def test_the_funds_people_are_corrected_by_who_holds_staff(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        changes(cast, cast.taro, "ume", name="基金　梅子")
    assert changes(cast, cast.kiku, "ume", name="基金　梅子") == ["name"]


def test_somebody_who_works_for_two_offices_is_corrected_by_neither(cast: Cast) -> None:
    for actor, name in ((cast.taro, "hanako"), (cast.jiro, "hanako_at_xyz")):
        with pytest.raises(Refused, match="ほかの事業所"):
            changes(cast, actor, name, mail=FIRST)
    assert addresses(cast, "hanako") == ("hanako@sr-office.example", None)


# ── a changed address ──


def test_a_changed_address_waits_for_its_code_and_the_old_one_is_told(cast: Cast) -> None:
    assert changes(cast, cast.jun, "jun", mail=FIRST) == ["mail"]
    assert addresses(cast, "jun") == ("jun@abc-shoji.example", FIRST)
    assert Mail.get(Mail.kind == "mail_confirmation").to_address == FIRST
    assert ("mail_changed", "jun@abc-shoji.example", []) in told(cast.member("jun").user)


def test_the_code_puts_it_in_force_and_both_addresses_are_told(cast: Cast) -> None:
    changes(cast, cast.jun, "jun", mail=FIRST)
    accounts.confirm_mail(cast.jun, mailed_codes()[-1])
    assert addresses(cast, "jun") == (FIRST, None)
    switched = [address for _, address, what in told(cast.member("jun").user) if "メールアドレスの切り替え" in what]
    assert sorted(switched) == ["jun@abc-shoji.example", FIRST]
    assert actions("user.changed", "mail.confirmed") == ["user.changed", "mail.confirmed"]


def test_a_code_that_went_to_an_earlier_address_is_void(cast: Cast) -> None:
    changes(cast, cast.jun, "jun", mail=FIRST)
    changes(cast, cast.jun, "jun", mail=SECOND)
    earlier, later = mailed_codes()
    with pytest.raises(Refused, match="確認コードが正しくない"):
        accounts.confirm_mail(cast.jun, earlier)
    assert addresses(cast, "jun") == ("jun@abc-shoji.example", SECOND)
    accounts.confirm_mail(cast.jun, later)
    assert addresses(cast, "jun") == (SECOND, None)


def test_it_is_void_too_when_the_change_was_made_at_another_office(cast: Cast) -> None:
    changes(cast, cast.hanako, "hanako", mail=FIRST)
    changes(cast, cast.hanako_at_xyz, "hanako_at_xyz", mail=SECOND)
    for actor in (cast.hanako, cast.hanako_at_xyz):
        with pytest.raises(Refused, match="確認コードが正しくない"):
            accounts.confirm_mail(actor, mailed_codes()[0])
    assert addresses(cast, "hanako") == ("hanako@sr-office.example", SECOND)


def test_going_back_to_the_address_in_force_leaves_nothing_to_confirm(cast: Cast) -> None:
    changes(cast, cast.jun, "jun", mail=FIRST)
    assert changes(cast, cast.jun, "jun") == ["mail"]
    with pytest.raises(Refused):
        accounts.confirm_mail(cast.jun, mailed_codes()[0])
    assert addresses(cast, "jun") == ("jun@abc-shoji.example", None)


def test_the_code_counts_at_every_office_of_the_person(cast: Cast) -> None:
    changes(cast, cast.hanako, "hanako", mail=FIRST)
    accounts.confirm_mail(cast.hanako_at_xyz, mailed_codes()[0])
    assert addresses(cast, "hanako") == (FIRST, None)
    with pytest.raises(Refused):
        accounts.confirm_mail(cast.hanako, mailed_codes()[0])


def test_of_somebody_who_never_logged_in_the_address_counts_at_once(cast: Cast) -> None:
    facts = ("丁田　新", "チョウダ　シン", "wrong@abc-shoji.example")
    newcomer = people.add_member(cast.taro, cast.abc, "staff", "abcShin01", *facts, ()).membership
    accounts.change_profile(cast.taro, newcomer, *facts[:2], FIRST)
    user = User.get_by_id(newcomer.user_id)
    assert (user.mail, user.pending_mail, mailed_codes()) == (FIRST, None, [])


def test_of_somebody_whose_password_was_made_anew_it_waits_all_the_same(cast: Cast) -> None:
    accounts.reset_password(cast.taro, cast.member("jun"), accounts.seen(cast.member("jun")))
    changes(cast, cast.taro, "jun", mail=FIRST)
    assert addresses(cast, "jun") == ("jun@abc-shoji.example", FIRST)


def test_another_code_makes_the_one_before_void(cast: Cast) -> None:
    changes(cast, cast.jun, "jun", mail=FIRST)
    accounts.send_confirmation_again(cast.jun)
    earlier, later = mailed_codes()
    with pytest.raises(Refused):
        accounts.confirm_mail(cast.jun, earlier)
    accounts.confirm_mail(cast.jun, later)
    assert addresses(cast, "jun") == (FIRST, None)


def test_three_more_codes_in_a_quarter_of_an_hour_and_none_without_need(cast: Cast) -> None:
    with pytest.raises(SomeoneWasFaster):
        accounts.send_confirmation_again(cast.taro)
    changes(cast, cast.jun, "jun", mail=FIRST)
    now = utc_now()
    for _ in range(3):
        accounts.send_confirmation_again(Actor(cast.member("jun"), at=now))
    with pytest.raises(TooMany):
        accounts.send_confirmation_again(Actor(cast.member("jun"), at=now + timedelta(minutes=14)))
    accounts.send_confirmation_again(Actor(cast.member("jun"), at=now + timedelta(minutes=15)))
    assert len(mailed_codes()) == 5


# ── mails that tell of changes ──


@pytest.fixture
def renames(cast: Cast) -> Callable[..., None]:
    """`renames("jun", 3)`: the admin changes Jun's name, three minutes from now."""
    start, count = utc_now(), itertools.count()

    def rename(whom: str, minutes: float) -> None:
        actor = Actor(cast.member("taro"), at=start + timedelta(minutes=minutes))
        changes(cast, actor, whom, name=f"氏名{next(count)}")

    return rename


def letters(cast: Cast, name: str = "jun") -> list[int]:
    """How many changes stand in each mail to that person."""
    return [len(what) for kind, _, what in told(cast.member(name).user) if kind == "account_changed"]


def test_changes_of_ten_minutes_go_out_as_one_mail(cast: Cast, renames: Callable[..., None]) -> None:
    for minutes in (0, 5, 9.99):
        renames("jun", minutes)
    assert letters(cast) == [3]
    renames("jun", 10)
    assert letters(cast) == [3, 1]
    renames("jun", 19.99)
    assert letters(cast) == [3, 2]


def test_the_mail_waits_ten_minutes_from_the_first_change(cast: Cast, renames: Callable[..., None]) -> None:
    renames("jun", 0)
    first = Mail.get(Mail.kind == "account_changed").due_at
    renames("jun", 9)
    assert Mail.get(Mail.kind == "account_changed").due_at == first
    line = AuditEntry.get(AuditEntry.action == "user.changed")
    assert first == line.at + outbox.GATHER


def test_each_person_has_a_mail_of_his_own(cast: Cast, renames: Callable[..., None]) -> None:
    for name in ("jun", "taro", "jun"):
        renames(name, 1)
    assert (letters(cast), letters(cast, "taro")) == ([2], [1])


def test_a_sent_mail_is_never_added_to(cast: Cast, renames: Callable[..., None]) -> None:
    """Also when the clock was set back after it went out."""
    renames("jun", 0)
    with SmtpServer() as server:
        postman.configure(post(server="127.0.0.1", port=server.port))
        assert not postman.send_due(utc_now() + timedelta(minutes=9))
        assert postman.send_due(utc_now() + timedelta(minutes=11))
        renames("jun", 5)
        assert letters(cast) == [1, 1]
        assert postman.send_due(utc_now() + timedelta(minutes=16))
        bodies = [letter.message.get_content() for letter in server.letters]
    assert [body.count("変更した人") for body in bodies] == [1, 1]


@pytest.mark.parametrize("columns", [{"tries": 1}, {"leased_until": utc_now()}, {"state": "dead"}])
def test_a_mail_that_the_postman_has_had_in_hand_is_not_added_to(
    cast: Cast, renames: Callable[..., None], columns: dict[str, Any]
) -> None:
    renames("jun", 0)
    Mail.update(**columns).execute()
    renames("jun", 1)
    assert letters(cast) == [1, 1]


def test_what_was_changed_before_a_switch_is_told_to_the_address_of_that_moment(cast: Cast) -> None:
    """Whoever takes over an account can't lead the news of it to himself."""
    change(open_session(cast.member("jun"))[1], cast.secrets("jun")["password"])
    changes(cast, cast.jun, "jun", mail=FIRST)
    accounts.confirm_mail(cast.jun, mailed_codes()[0])
    told_to = {address for _, address, what in told(cast.member("jun").user) if "ログインパスワードの変更" in what}
    assert told_to == {"jun@abc-shoji.example"}


def test_a_mail_does_not_grow_without_end(cast: Cast, renames: Callable[..., None]) -> None:
    for _ in range(mail_rows.LINES_LONGEST + 1):
        renames("jun", 0)
    assert letters(cast) == [mail_rows.LINES_LONGEST, 1]


def test_a_change_that_did_not_happen_is_not_told(cast: Cast) -> None:
    with pytest.raises(Forbidden):
        permissions.assign(cast.jiro, cast.member("jun"), "approve", False)
    with pytest.raises(Refused):
        changes(cast, cast.taro, "hanako", mail=FIRST)
    assert Mail.select().count() == 0


# ── the own password ──


def change(session: LoginSession, current: str, new: str = NEW_PASSWORD) -> str:
    return accounts.change_password(actor_in(session), session, current, new)


def test_after_a_change_only_this_browser_goes_on_and_under_a_new_token(cast: Cast) -> None:
    own, session = open_session(cast.member("hanako"))
    others = [open_session(cast.member(name))[0] for name in ("hanako", "hanako_at_xyz")]
    stranger, _ = open_session(cast.member("jun"))
    renewed = change(session, cast.secrets("hanako")["password"])
    assert [is_alive(token) for token in (renewed, own, *others, stranger)] == [True, False, False, False, True]
    assert [sessions.resume(token, "in", utc_now()) for token in others] == [sessions.Ended("password")] * 2
    assert sessions.resume(own, "in", utc_now()) is None


def test_the_new_password_counts_and_the_old_one_does_not(cast: Cast) -> None:
    old = cast.secrets("jun")["password"]
    change(open_session(cast.member("jun"))[1], old)
    passed = second_step(cast, "jun")
    with pytest.raises(Refused):
        sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], old)
    assert sessions.pass_password(visitor(), passed, LOGIN_IDS["jun"], NEW_PASSWORD)
    assert actions("password.changed") == ["password.changed"]
    assert told(cast.member("jun").user) == [("account_changed", "jun@abc-shoji.example", ["ログインパスワードの変更"])]


def test_codes_and_half_finished_logins_from_before_a_change_are_dead(cast: Cast) -> None:
    passed = second_step(cast, "hanako_at_xyz")
    waiting = code_for(cast, "hanako", visitor())
    change(open_session(cast.member("hanako"))[1], cast.secrets("hanako")["password"])
    with pytest.raises(Refused, match="組み合わせ"):
        types_code(cast.member("hanako"), waiting)
    assert LoginSession.get_by_id(passed.id).ended_because == "password"


@pytest.mark.parametrize("new", ["short", "abcJun001-amber", "乙川　純（利用者B）です", "password1234"])
def test_a_weak_password_is_refused_and_the_old_one_stays(cast: Cast, new: str) -> None:
    token, session = open_session(cast.member("jun"))
    with pytest.raises(Refused, match="パスワード"):
        change(session, cast.secrets("jun")["password"], new)
    assert is_alive(token)
    assert third_step(cast, "jun")


def test_the_same_password_again_is_no_change(cast: Cast) -> None:
    current = cast.secrets("jun")["password"]
    with pytest.raises(Refused, match="同じもの"):
        change(open_session(cast.member("jun"))[1], current, current)
    assert actions("password.changed") == []


def test_who_does_not_know_the_password_cannot_change_it_and_has_five_tries(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    for _ in range(5):
        with pytest.raises(Refused):
            change(session, "not the password")
    with pytest.raises(TooMany):
        change(session, cast.secrets("jun")["password"])
    assert credentials.is_right(cast.member("jun").user.password_hash, cast.secrets("jun")["password"])
    assert actions("login.locked") == ["login.locked"]


def test_two_pages_change_the_password_once(cast: Cast) -> None:
    _, first = open_session(cast.member("jun"))
    second = LoginSession.with_people().where(LoginSession.id == first.id).get()
    current = cast.secrets("jun")["password"]
    renewed = change(first, current)
    with pytest.raises(SomeoneWasFaster):
        change(second, current, "another-harbour-8-violin")
    assert is_alive(renewed)
    assert credentials.is_right(cast.member("jun").user.password_hash, NEW_PASSWORD)


def test_a_session_that_ended_meanwhile_changes_no_password(cast: Cast) -> None:
    _, session = open_session(cast.member("jun"))
    LoginSession.update(ended_at=utc_now(), ended_because="newer").where(LoginSession.id == session.id).execute()
    with pytest.raises(SomeoneWasFaster):
        change(session, cast.secrets("jun")["password"])
    assert credentials.is_right(cast.member("jun").user.password_hash, cast.secrets("jun")["password"])
    assert actions("password.changed") == []
