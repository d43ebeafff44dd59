"""Whatever people do in whatever order: each office keeps its one 管理者, the fund keeps somebody who manages it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, currently_in_test_context, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from database import db, utc_now
from exchange import accounts, audit, calendar, onetime, people, permissions, places, sessions
from exchange.actors import Actor
from exchange.errors import Refused
from models import Device, Grant, LoginSession, Membership, Office, User
from tests.exchange.offices import third_office
from tests.people import Cast
from tests.processes import IS_SOAK

RUNS, STEPS = (300, 60) if IS_SOAK else (12, 24)
PASSWORD = "amber-violin-7-harbour"
PERSON = ("丁田　新", "チョウダ　シン", "shin@new-address.example")
IDS = [f"user{number:04}" for number in range(6)]  # few, so that they collide

DONE: set[str] = set()  # the verbs that were not refused every time
VERBS = {
    *("add_member", "add_staff", "link", "answer", "assign", "preset", "suspend", "resume", "end", "limit"),
    *("reset_password", "drop_totp", "enrol_totp", "register_user"),
}

rolls = st.integers(0, 2**32 - 1).map(Random)  # one number behind each act: its parts are then equally likely


@contextmanager
def taken_back() -> Iterator[None]:
    """Whatever is written within is as if it had never been."""
    with db.atomic() as attempt:
        yield
        attempt.rollback()


def some(dice: Random, words: dict[str, Any]) -> set[str]:
    return {word for word in words if dice.random() < 0.5}


class Life(RuleBasedStateMachine):
    """Everybody tries everything, mostly those who may; refusals are part of life, any other error is a mistake."""

    def __init__(self) -> None:
        super().__init__()
        self.undo = ExitStack()
        self.undo.enter_context(taken_back())

    def teardown(self) -> None:
        try:
            assert audit.verify().is_sound
        finally:
            self.undo.close()

    # ── who ──

    def member(self, dice: Random, *conditions: Any) -> Membership:
        """Mostly somebody of whom the conditions hold, if there is one; now and then anybody who is or was there."""
        everybody = Membership.select().join(User).order_by(Membership.id)
        fitting = list(everybody.where(*conditions)) if conditions and dice.random() < 0.8 else []
        return Membership.by_uid(dice.choice(fitting or list(everybody)).uid)

    def actor(self, dice: Random, member: Membership) -> Actor:
        """Mostly who may manage that member; now and then anybody at all, even one whose time is over."""
        if dice.random() < 0.2:
            return Actor(self.member(dice))
        admins = Membership.select().where(Membership.usable(), Membership.kind == "office_admin")
        able = admins.where(Membership.office == member.office) if member.office else Membership.holding(None, "staff")
        return Actor(Membership.by_uid(dice.choice(list(able)).uid))

    def attempt(self, verb: Callable[..., Any], actor: Actor, *arguments: Any) -> Any:
        try:
            result = verb(actor, *arguments)
        except Refused:
            return None
        if currently_in_test_context():
            note(f"{actor.who} {verb.__name__} {[getattr(one, 'login_id', one) for one in arguments]}")
        DONE.add(verb.__name__)
        return result

    # ── what ──

    @rule(dice=rolls)
    def add(self, dice: Random) -> None:
        admin = self.member(dice, Membership.kind == "office_admin")
        if admin.office is None:
            return
        kind, words = dice.choice(people.ADDABLE_KINDS), some(dice, permissions.OFFICE_WORDS)
        facts = (admin.office, kind, dice.choice(IDS), *PERSON, words)
        newcomer = self.attempt(people.add_member, self.actor(dice, admin), *facts)
        if newcomer:
            self.check_room(newcomer.membership)

    @rule(dice=rolls)
    def add_clerk(self, dice: Random) -> None:
        kind, somebody = dice.choice(("fund", "desk")), self.member(dice, Membership.kind == "fund")
        facts = (kind, dice.choice(IDS), *PERSON[::2], some(dice, permissions.WORDS[kind]))
        self.attempt(people.add_staff, self.actor(dice, somebody), *facts)

    @rule(dice=rolls)
    def link(self, dice: Random) -> None:
        known, admin = (
            self.member(dice, Membership.kind == "consultant"),
            self.member(dice, Membership.kind == "office_admin"),
        )
        actor = self.actor(dice, admin)
        if known.office is None or actor.office is None:
            return
        pair = (known.office.contract_number, known.login_id)
        asked = self.attempt(people.link, actor, *pair, dice.choice(IDS), some(dice, permissions.OFFICE_WORDS))
        if asked:
            self.check_room(asked)

    @rule(dice=rolls)
    def answer(self, dice: Random) -> None:
        asked = self.member(dice, Membership.invited_at.is_null(False))
        own = self.member(dice, Membership.user == asked.user_id, Membership.usable())
        self.attempt(people.answer, Actor(own), asked, dice.random() < 0.7)

    @rule(dice=rolls)
    def assign(self, dice: Random) -> None:
        member = self.member(dice)
        word = dice.choice(sorted(permissions.WORDS[member.kind]))
        self.attempt(permissions.assign, self.actor(dice, member), member, word, dice.random() < 0.5)

    @rule(dice=rolls)
    def preset(self, dice: Random) -> None:
        member = self.member(dice)
        self.attempt(permissions.preset, self.actor(dice, member), member, some(dice, permissions.WORDS[member.kind]))

    @rule(dice=rolls, verb=st.sampled_from((places.suspend, places.resume, places.end)))
    def move(self, dice: Random, verb: Callable[..., None]) -> None:
        fitting = Membership.disabled_at.is_null(verb is not places.resume)
        member = self.member(dice, fitting, Membership.ended_at.is_null(), Membership.kind != "office_admin")
        self.attempt(verb, self.actor(dice, member), member)

    @rule(dice=rolls)
    def limit(self, dice: Random) -> None:
        member, today = self.member(dice, Membership.ended_at.is_null()), calendar.day(utc_now())
        day = dice.choice((None, today, today + timedelta(days=1)))
        self.attempt(places.limit, self.actor(dice, member), member, day, member.ends_on)

    @rule(dice=rolls)
    def reset(self, dice: Random) -> None:
        member = self.member(dice, Membership.usable())
        self.attempt(accounts.reset_password, self.actor(dice, member), member, accounts.seen(member))

    @rule(dice=rolls)
    def turn_against_a_keeper(self, dice: Random) -> None:
        """What could leave the fund without anybody who holds 職員."""
        keepers = Membership.id << Grant.select(Grant.membership).where(Grant.word == "staff")
        member = self.member(dice, keepers, Membership.usable())
        more = {
            places.suspend: (),
            places.end: (),
            places.limit: (calendar.day(utc_now()), member.ends_on),
            permissions.preset: ((),),
            accounts.reset_password: (accounts.seen(member),),
        }
        verb = dice.choice(list(more))
        self.attempt(verb, self.actor(dice, member), member, *more[verb])

    @rule(dice=rolls)
    def drop_totp(self, dice: Random) -> None:
        member = self.member(dice, User.totp_sealed.is_null(False), Membership.office.is_null(False))
        self.attempt(accounts.drop_totp, self.actor(dice, member), member)

    @rule(dice=rolls)
    def finish_first_login(self, dice: Random) -> None:
        """The authenticator, then a password of one's own."""
        member = self.member(dice, User.is_initial_password, Membership.usable())
        if not member.is_active:
            return
        actor = Actor(member)
        session = sessions.resume(sessions._start(actor, member, "in"), "in", actor.at)
        secret = accounts.offer_totp(session).secret
        self.attempt(accounts.enrol_totp, actor, session, onetime.totp_now(secret, actor.at))
        self.attempt(people.register_user, actor, *PERSON, PASSWORD)

    # ── what always holds ──

    def check_room(self, member: Membership) -> None:
        """After an addition: whoever was added needs no device here, or there is one for each."""
        office = member.office
        counted = [one for one in Membership.select().where(Membership.office == office) if needs_device(one)]
        active = Device.select().where(Device.office == office, Device.state == "active").count()
        assert len(counted) <= active or member not in counted, (len(counted), active)

    @invariant()
    def every_open_office_has_exactly_one_admin(self) -> None:
        for office in Office.open_ones():
            assert [one.is_active for one in office.members() if one.kind == "office_admin"] == [True]

    @invariant()
    def somebody_who_can_log_in_and_has_no_last_day_manages_the_funds_people(self) -> None:
        keepers = [one for one in Membership.holding(None, "staff") if one.is_active and one.ends_on is None]
        ready = [one for one in keepers if one.user.has_totp and not one.user.is_initial_password]
        assert [one.kind for one in ready][:1] == ["fund"]

    @invariant()
    def no_consultant_is_an_admin(self) -> None:
        consultants = {one.user_id for one in Membership.select().where(Membership.kind == "consultant")}
        admins = {one.user_id for one in Membership.select().where(Membership.kind == "office_admin")}
        assert not consultants & admins

    @invariant()
    def nobody_has_two_places_in_one_office_and_no_id_two_people(self) -> None:
        current = list(Membership.select().where(Membership.ended_at.is_null()))
        people_there = [(one.office_id, one.user_id) for one in current]
        ids = [(one.office_id, one.login_id) for one in current]
        assert (len(set(people_there)), len(set(ids))) == (len(current), len(current))

    @invariant()
    def nobody_holds_a_word_of_another_kind(self) -> None:
        held = Grant.select(Grant, Membership).join(Membership)
        assert [row.word for row in held if row.word not in permissions.WORDS[row.membership.kind]] == []

    @invariant()
    def who_is_out_is_logged_in_nowhere(self) -> None:
        open_ones = LoginSession.select().where(LoginSession.ended_at.is_null())
        assert [one.membership.login_id for one in open_ones if one.membership.state in ("ended", "disabled")] == []


def needs_device(member: Membership) -> bool:
    """The rule in other words: everybody with a current place, but not a consultant who has a device elsewhere."""
    if member.ended_at is not None:
        return False
    elsewhere = [place.office for place in member.user.places() if place.office != member.office]
    return member.kind != "consultant" or not any(office.has_active_device() for office in elsewhere)


def test_whatever_people_do_offices_keep_their_admin_and_the_fund_its_keeper(cast: Cast) -> None:
    third_office()
    permissions.assign(cast.kiku, cast.member("ume"), "staff", True)  # two who can turn against each other
    before = (Membership.select().count(), User.select().count())
    thorough = settings(
        max_examples=RUNS,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not IS_SOAK,
        phases=(Phase.generate, Phase.shrink) if IS_SOAK else (Phase.generate,),  # shrinking takes minutes
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=thorough)
    assert (Membership.select().count(), User.select().count()) == before, "each run was taken back"


def test_none_of_its_acts_is_always_refused(cast: Cast) -> None:
    """Otherwise the machine would prove nothing about that verb."""
    permissions.assign(cast.kiku, cast.member("ume"), "staff", True)
    third_office()
    Device.create(office=cast.abc, slot=4, state="active")
    life, dice = Life(), Random(1)
    acts = (life.add, life.add_clerk, life.link, life.answer, life.assign, life.preset, life.limit, life.reset)
    acts += (life.turn_against_a_keeper, life.finish_first_login, life.drop_totp)
    DONE.clear()
    try:
        for _ in range(40):
            for act in acts:
                act(dice)
            for verb in (places.suspend, places.resume, places.end):
                life.move(dice, verb)
            if DONE == VERBS:
                break
    finally:
        life.teardown()
    assert DONE == VERBS
