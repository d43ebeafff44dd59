"""Who holds an office, or a session, does not get hold of a person: the old address is told, and no other office is
led to rely on an account that has just changed hands.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import pytest
from flask import Flask

from database import db, utc_now
from exchange import accounts, credentials, onetime, people, permissions, places, possible, sessions
from exchange.actors import Actor, command_line
from exchange.errors import Refused, SomeoneWasFaster
from models import AuditEntry, Mail, Membership, OneTimePassword, User
from tests.exchange.logins import actor_in, enrols, inside, visitor
from tests.exchange.offices import admin_of, link, third_office
from tests.people import LOGIN_IDS, Cast, told

NEW, NEW_PASSWORD = "new@elsewhere.example", "amber-violin-7-harbour"
WITHDRAWN, REISSUED, SWITCHED = "利用の依頼の取り下げ", "初期パスワードの再発行", "メールアドレスの切り替え"
WAITS = "メールアドレスの変更（新しいアドレスでの確認待ち）"
PATIENCE = 20  # seconds until a thread must be where the test wants it

pytestmark = pytest.mark.usefixtures("empty_outbox")


def moves(actor: Actor, member: Membership, mail: str = NEW) -> None:
    """That actor asks for another address of the member."""
    user = User.get_by_id(member.user_id)
    accounts.change_profile(actor, member, user.name, user.kana, mail)


def resets(actor: Actor, member: Membership) -> str:
    member = Membership.by_uid(member.uid)
    return accounts.reset_password(actor, member, accounts.seen(member))


def lines(address: str) -> list[str]:
    """What the mails to that address say has changed, in the order in which they were written."""
    mails = Mail.select().where(Mail.kind == "account_changed", Mail.to_address == address).order_by(Mail.id)
    return [line["what"] for mail in mails for line in mail.facts["lines"]]


def addresses(kind: str) -> list[str]:
    return [mail.to_address for mail in Mail.select().where(Mail.kind == kind).order_by(Mail.id)]


def facts(action: str) -> list[dict[str, object]]:
    entries = AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number)
    return [entry.details for entry in entries]


def account(member: Membership) -> tuple[object, ...]:
    """What somebody would change who takes an account over."""
    user = User.get_by_id(member.user_id)
    return user.password_hash, user.password_set_at, user.is_initial_password, user.mail, user.pending_mail, user.name


@pytest.fixture
def hanako(cast: Cast) -> Membership:
    """She works for ABC商事 alone, so that its admin may change her account."""
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    Mail.delete().execute()
    return cast.member("hanako")


# ── the old address is told ──


def test_an_admin_who_moves_an_address_and_resets_at_once_is_told_of_to_the_old_one(cast: Cast) -> None:
    old = cast.member("jun").user.mail
    moves(cast.taro, cast.member("jun"))
    resets(cast.taro, cast.member("jun"))
    assert cast.member("jun").user.mail == NEW
    assert set(lines(old)) == {WAITS, REISSUED, SWITCHED}
    assert addresses("mail_changed") == [old]
    assert facts("password.reset") == [{"login_id": LOGIN_IDS["jun"], "changed": ["mail"]}]


def test_the_mails_reach_the_old_address_however_late_they_are_sent(app: Flask, cast: Cast) -> None:
    """They wait for ten minutes, in which the address in force becomes another."""
    old = cast.member("jun").user.mail
    moves(cast.taro, cast.member("jun"))
    resets(cast.taro, cast.member("jun"))
    Mail.update(due_at=utc_now()).execute()
    assert {what for to, what in told(app) if to == old} >= {
        *("登録内容の変更のお知らせ", "メールアドレスの変更の届出がありました"),
    }


def test_who_asked_for_the_address_is_named_by_the_office_not_as_the_person(cast: Cast) -> None:
    moves(cast.taro, cast.member("jun"))
    moves(cast.hanako, cast.member("hanako"), "other@elsewhere.example")
    by = [mail.facts["by"] for mail in Mail.select().where(Mail.kind == "mail_changed").order_by(Mail.id)]
    assert by == ["事業所の管理者", "ご本人"]


def test_a_stolen_session_that_changes_password_and_address_cannot_draw_the_mails_after_it(cast: Cast) -> None:
    old, (_, session) = cast.member("jun").user.mail, inside(cast, "jun")
    accounts.change_password(actor_in(session), session, cast.secrets("jun")["password"], NEW_PASSWORD)
    moves(actor_in(session), session.membership)
    typed = onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code)
    accounts.confirm_mail(actor_in(session), typed)
    assert cast.member("jun").user.mail == NEW
    assert lines(old) == ["ログインパスワードの変更", WAITS, SWITCHED]
    assert lines(NEW) == [SWITCHED]
    assert addresses("mail_changed") == [old]


@pytest.mark.parametrize("name", ["taro", "kiku"])
def test_before_the_first_login_too_the_old_address_is_told(cast: Cast, name: str) -> None:
    """There the other one counts at once."""
    jun = cast.member("jun")
    User.update(is_initial_password=True).where(User.id == jun.user_id).execute()
    Membership.update(ready_at=None).where(Membership.id == jun.id).execute()
    old = jun.user.mail
    moves(getattr(cast, name), cast.member("jun"))
    user = cast.member("jun").user
    assert (user.mail, user.pending_mail) == (NEW, None)
    assert (lines(old), SWITCHED in lines(NEW)) == ([SWITCHED], True)
    assert addresses("mail_confirmation") == []


# ── meanwhile the person has begun to work for another office ──


@contextmanager
def nobody_hashes() -> Iterator[None]:
    """All permits for hashing are taken: whoever needs one waits."""
    permits = 0
    while credentials._few_at_once.acquire(blocking=False):
        permits += 1
    try:
        yield
    finally:
        credentials._few_at_once.release(permits)


def is_in(thread: threading.Thread, function: str) -> bool:
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and frame.f_code.co_name != function:
        frame = frame.f_back
    return frame is not None


def begins(work: Callable[[], object], answers: list[object]) -> threading.Thread:
    """Somebody else's request, up to where it waits to hash."""

    def run() -> None:
        with db.connection_context():
            try:
                answers.append(work())
            except Refused as refused:
                answers.append(refused)

    thread = threading.Thread(target=run)
    thread.start()
    until = time.monotonic() + PATIENCE
    while not is_in(thread, "hash_secret"):
        thread.join(0.005)
        assert thread.is_alive(), answers
        assert time.monotonic() < until, "the request never came to its hash"
    return thread


def test_a_reset_that_began_before_the_acceptance_does_nothing_after_it(cast: Cast, hanako: Membership) -> None:
    asked = link(cast, admin_of(third_office()))
    before, shown, answers = account(hanako), accounts.seen(hanako), []
    with nobody_hashes():
        thread = begins(lambda: accounts.reset_password(cast.taro, cast.member("hanako"), shown), answers)
        people.answer(cast.hanako, asked, accepts=True)
    thread.join(PATIENCE)
    (refused,) = answers
    assert isinstance(refused, Refused)
    assert refused.message == possible.WORKS_ELSEWHERE
    assert account(hanako) == before
    assert (facts("password.reset"), facts("member.withdrawn")) == ([], [])
    assert Membership.by_uid(asked.uid).state == "active"
    assert REISSUED not in lines(hanako.user.mail)


def test_without_an_acceptance_in_between_the_same_reset_is_done(cast: Cast, hanako: Membership) -> None:
    """So that the race above is lost for its own reason."""
    asked = link(cast, admin_of(third_office()))
    shown, answers = accounts.seen(hanako), []
    with nobody_hashes():
        thread = begins(lambda: accounts.reset_password(cast.taro, cast.member("hanako"), shown), answers)
    thread.join(PATIENCE)
    assert credentials.is_right(cast.member("hanako").user.password_hash, answers[0])
    assert Membership.by_uid(asked.uid).state == "ended"


@pytest.mark.parametrize("act", ["edit", "reset", "drop_totp"])
def test_what_was_possible_is_asked_again_of_the_rows_as_they_are(cast: Cast, hanako: Membership, act: str) -> None:
    enrols(hanako)
    asked, seen = link(cast, admin_of(third_office())), cast.member("hanako")
    possible.require(cast.taro, act, seen)
    possible.require_still(cast.taro, act, seen)
    people.answer(cast.hanako, asked, accepts=True)
    with pytest.raises(Refused) as refused, db.atomic():
        possible.require_still(cast.taro, act, seen)
    assert refused.value.message == possible.WORKS_ELSEWHERE
    possible.require_still(cast.kiku, act, seen)


def test_a_place_that_has_ended_meanwhile_is_found_ended(cast: Cast) -> None:
    seen = cast.member("jun")
    possible.require(cast.taro, "edit", seen)
    places.end(cast.taro, cast.member("jun"))
    assert seen.ended_at is None
    with pytest.raises(Refused, match="終了しています"):
        possible.require_still(cast.taro, "edit", seen)


@pytest.mark.parametrize("act", ["edit", "drop_totp"])
def test_after_the_acceptance_neither_office_changes_the_account(cast: Cast, hanako: Membership, act: str) -> None:
    enrols(hanako)
    qrs = third_office()
    seen = cast.member("hanako")
    people.answer(cast.hanako, link(cast, admin_of(qrs)), accepts=True)
    before = account(hanako)
    there = Membership.get(Membership.login_id == "srHanako3")
    for actor, member in ((cast.taro, seen), (admin_of(qrs), there)):
        with pytest.raises(Refused, match="ほかの事業所"):
            moves(actor, member) if act == "edit" else accounts.drop_totp(actor, member)
    assert (account(hanako), cast.member("hanako").user.has_totp) == (before, True)


# ── an address that waits does not outlive the acceptance ──


def test_acceptance_drops_an_address_that_waits_and_its_code_and_says_so(cast: Cast, hanako: Membership) -> None:
    old = hanako.user.mail
    moves(cast.taro, cast.member("hanako"))
    code = Mail.get(Mail.kind == "mail_confirmation").code
    typed = onetime.code_of(code)
    asked = link(cast, admin_of(third_office()))
    people.answer(cast.hanako, asked, accepts=True)
    user = cast.member("hanako").user
    assert (user.mail, user.pending_mail) == (old, None)
    assert OneTimePassword.get_by_id(code.id).counter == 1
    assert "確認待ちだったメールアドレスの変更の取り消し" in lines(old)
    with pytest.raises(SomeoneWasFaster):
        accounts.confirm_mail(cast.hanako, typed)
    assert cast.member("hanako").user.mail == old


def test_after_it_a_reset_by_the_fund_puts_no_such_address_in_force(cast: Cast, hanako: Membership) -> None:
    moves(cast.taro, cast.member("hanako"))
    people.answer(cast.hanako, link(cast, admin_of(third_office())), accepts=True)
    resets(cast.kiku, hanako)
    assert cast.member("hanako").user.mail == hanako.user.mail
    assert facts("password.reset")[-1]["changed"] == []


def test_who_declines_keeps_the_address_that_waits(cast: Cast, hanako: Membership) -> None:
    moves(cast.taro, cast.member("hanako"))
    people.answer(cast.hanako, link(cast, admin_of(third_office())), accepts=False)
    assert cast.member("hanako").user.pending_mail == NEW
    accounts.confirm_mail(cast.hanako, onetime.code_of(Mail.get(Mail.kind == "mail_confirmation").code))
    assert cast.member("hanako").user.mail == NEW


def test_an_acceptance_that_comes_too_late_drops_nothing(cast: Cast, hanako: Membership) -> None:
    qrs = third_office()
    moves(cast.taro, cast.member("hanako"))
    asked = link(cast, admin_of(qrs))
    places.end(admin_of(qrs), asked)
    with pytest.raises(SomeoneWasFaster):
        people.answer(cast.hanako, asked, accepts=True)
    assert cast.member("hanako").user.pending_mail == NEW
    assert OneTimePassword.select().where(OneTimePassword.purpose == "mail", OneTimePassword.counter == 0).count() == 1


# ── invitations of an account that changed hands ──

TAKES: dict[str, Callable[[Actor, Membership], object]] = {
    "edit": moves,
    "reset": resets,
    "drop_totp": accounts.drop_totp,
}


@pytest.mark.parametrize("act", sorted(TAKES))
def test_an_invitation_that_waits_is_withdrawn_when_the_office_takes_the_account(
    cast: Cast, hanako: Membership, act: str
) -> None:
    enrols(hanako)
    qrs = third_office()
    asked = link(cast, admin_of(qrs))
    TAKES[act](cast.taro, cast.member("hanako"))
    assert Membership.by_uid(asked.uid).state == "ended"
    entry = AuditEntry.get(AuditEntry.action == "member.withdrawn")
    assert (entry.subject, entry.office) == (asked.uid, qrs)
    assert entry.details == {"login_id": "srHanako3", "cause": "account"}
    (mail,) = Mail.select().where(Mail.kind == "invitation_answered")
    assert mail.to_address == admin_of(qrs).membership.user.mail
    assert mail.facts == {"login_id": "srHanako3", "answer": "withdrawn"}
    assert WITHDRAWN in lines(hanako.user.mail)
    with pytest.raises(SomeoneWasFaster):
        people.answer(cast.hanako, asked, accepts=True)


def test_the_admin_who_asked_reads_in_the_mail_what_happened(app: Flask, cast: Cast, hanako: Membership) -> None:
    qrs = third_office()
    link(cast, admin_of(qrs))
    resets(cast.taro, hanako)
    assert told(app, "取り下げ") == {("saburo@qrs-bussan.example", "社労士・税理士への依頼の結果（取り下げ）")}


@pytest.mark.parametrize("act", sorted(TAKES))
def test_what_the_fund_does_withdraws_nothing(cast: Cast, hanako: Membership, act: str) -> None:
    enrols(hanako)
    asked = link(cast, admin_of(third_office()))
    TAKES[act](cast.kiku, cast.member("hanako"))
    assert Membership.by_uid(asked.uid).state == "invited"
    assert facts("member.withdrawn") == []


@pytest.mark.parametrize("act", ["edit", "drop_totp"])
def test_what_the_person_does_withdraws_nothing(cast: Cast, hanako: Membership, act: str) -> None:
    enrols(hanako)
    asked = link(cast, admin_of(third_office()))
    TAKES[act](cast.hanako, cast.member("hanako"))
    assert Membership.by_uid(asked.uid).state == "invited"


def test_another_name_withdraws_nothing_and_tells_no_other_address(cast: Cast, hanako: Membership) -> None:
    asked = link(cast, admin_of(third_office()))
    accounts.change_profile(cast.taro, hanako, "丙山　花", hanako.user.kana, hanako.user.mail)
    assert Membership.by_uid(asked.uid).state == "invited"
    assert lines(hanako.user.mail) == ["氏名の変更"]


# ── a wish taken back ──


def test_a_wish_taken_back_is_not_the_end_of_a_place(cast: Cast, hanako: Membership) -> None:
    qrs = third_office()
    asked = link(cast, admin_of(qrs))
    places.end(admin_of(qrs), asked)
    assert facts("member.withdrawn") == [{"login_id": "srHanako3", "cause": "office"}]
    assert [entry["login_id"] for entry in facts("member.ended")] == [LOGIN_IDS["hanako_at_xyz"]]
    assert lines(hanako.user.mail) == [WITHDRAWN]
    assert list(hanako.user.invitations()) == []


def test_the_id_of_a_wish_taken_back_is_free_that_of_a_place_is_not(cast: Cast, hanako: Membership) -> None:
    qrs = third_office()
    places.end(admin_of(qrs), link(cast, admin_of(qrs)))
    people.answer(cast.hanako, link(cast, admin_of(qrs)), accepts=True)
    places.end(admin_of(qrs), Membership.get(Membership.login_id == "srHanako3", Membership.ended_at.is_null()))
    with pytest.raises(Refused, match="以前ここで使われていました"):
        link(cast, admin_of(qrs))
    assert link(cast, admin_of(qrs), "srHanako4").state == "invited"


# ── the last one with 職員 ──


def keeper(cast: Cast) -> Actor:
    """A second clerk with 職員 who has finished the first login."""
    mail = "ran@fund.example"
    member = people.add_staff(cast.kiku, "fund", "kikinRan1", "基金　蘭", mail, ("staff",)).membership
    enrols(member)
    people.register_user(Actor(member), "基金　蘭", "", mail, NEW_PASSWORD)
    return Actor(Membership.by_uid(member.uid))


def test_of_two_keepers_each_may_reset_the_other_but_not_both(cast: Cast) -> None:
    ran, kiku = keeper(cast), cast.member("kiku")
    password = resets(ran, kiku)
    before = account(ran.membership)
    with pytest.raises(Refused) as refused:
        resets(cast.kiku, ran.membership)
    assert refused.value.message == permissions.LAST_KEEPER
    assert account(ran.membership) == before
    assert sessions.log_in_staff(visitor(), LOGIN_IDS["kiku"], password, "")


def test_the_only_keeper_is_reset_from_the_command_line_alone(cast: Cast) -> None:
    newcomer = people.add_staff(cast.kiku, "fund", "kikinRan1", "基金　蘭", "ran@fund.example", ("staff",)).membership
    with pytest.raises(Refused) as refused:
        resets(Actor(newcomer), cast.member("kiku"))
    assert refused.value.message == permissions.LAST_KEEPER
    password = resets(command_line(), cast.member("kiku"))
    assert sessions.log_in_staff(visitor(), LOGIN_IDS["kiku"], password, "")


def test_a_keeper_whose_time_is_limited_does_not_count(cast: Cast) -> None:
    ran = keeper(cast)
    Membership.update(ends_on=date(2099, 3, 31)).where(Membership.id == ran.membership.id).execute()
    with pytest.raises(Refused, match="「職員」の権限"):
        resets(Actor(Membership.by_uid(ran.membership.uid)), cast.member("kiku"))
    assert permissions.is_last_keeper(cast.member("kiku"))
