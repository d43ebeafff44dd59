"""One box ticked or cleared, and the presets: who may, what is written of it, and that pages can't undo each other."""

from pathlib import Path

import pytest

from exchange import people, permissions, places
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused
from exchange.permissions import ALL_WORDS, CONSULTANT_WORDS, FUND_WORDS, OFFICE_WORDS
from models import AuditEntry, Mail, Membership, Office
from tests.exchange.logins import enrols
from tests.people import LOGIN_IDS, Cast
from tests.processes import together

pytestmark = pytest.mark.usefixtures("empty_outbox")

NEW_PASSWORD = "amber-violin-7-harbour"


def changes() -> list[AuditEntry]:
    return list(AuditEntry.select().where(AuditEntry.action == "permissions.changed").order_by(AuditEntry.number))


def lines(member: Membership) -> list[dict[str, str]]:
    """What the person is told in mails about changes."""
    mails = Mail.select().where(Mail.kind == "account_changed", Mail.to_user == member.user_id).order_by(Mail.id)
    return [line for mail in mails for line in mail.facts["lines"]]


def colleague(cast: Cast) -> Membership:
    """A clerk with 職員 who has finished the first login, authenticator and all."""
    words = ("staff",)
    member = people.add_staff(cast.kiku, "fund", "kikinRan1", "基金　蘭", "ran@fund.example", words).membership
    enrols(member)
    people.register_user(Actor(member), "基金　蘭", "", "ran@fund.example", NEW_PASSWORD)
    return member


# ── what is written ──


def test_a_cleared_box_is_logged_with_what_was_held_before_and_after(cast: Cast) -> None:
    jun = cast.member("jun")
    assert permissions.assign(cast.taro, jun, "approve", False)
    (entry,) = changes()
    after = sorted(set(ALL_WORDS) - {"approve"})
    assert entry.details == {"login_id": LOGIN_IDS["jun"], "before": sorted(ALL_WORDS), "after": after}
    assert (entry.subject, entry.office, entry.membership) == (jun.uid, cast.abc, cast.member("taro"))
    assert jun.words() == set(after)


def test_a_box_ticked_twice_counts_and_is_told_once(cast: Cast) -> None:
    hanako = cast.member("hanako")
    assert [permissions.assign(cast.taro, hanako, "approve", True) for _ in range(3)] == [True, False, False]
    assert [permissions.assign(cast.taro, hanako, "deliver", False) for _ in range(2)] == [False, False]
    assert (len(changes()), len(lines(hanako))) == (1, 1)
    assert hanako.words() == {*CONSULTANT_WORDS, "approve"}


@pytest.mark.parametrize("words", [ALL_WORDS, CONSULTANT_WORDS, ()])
def test_a_preset_leaves_exactly_its_words(cast: Cast, words: tuple[str, ...]) -> None:
    jun = cast.member("jun")
    permissions.preset(cast.taro, jun, ("upload", "deliver"))
    assert permissions.preset(cast.taro, jun, words)
    assert jun.words() == set(words)
    assert changes()[-1].details["before"] == ["deliver", "upload"]
    assert not permissions.preset(cast.taro, jun, words)
    assert len(changes()) == 2


def test_the_person_is_told_which_words_and_by_whom(cast: Cast) -> None:
    permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    permissions.assign(cast.kiku, cast.member("ume"), "publish", True)
    permissions.assign(cast.taro, cast.member("taro"), "upload", False)
    told = [lines(cast.member(name))[0] for name in ("jun", "ume", "taro")]
    assert [line["by"] for line in told] == ["事業所の管理者", "基金事務局", "ご本人"]
    for line, word in zip(told, ("承認を解除", "掲載を付与", "アップロードを解除"), strict=True):
        assert word in line["what"]
    assert [line["office"] for line in told] == ["ABC商事", "", "ABC商事"]


def test_what_is_taken_away_is_gone_at_once_even_for_who_is_at_work(cast: Cast) -> None:
    jun = cast.jun
    assert permissions.may(jun, "approve")
    permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    assert not permissions.may(jun, "approve")


# ── two pages ──


def test_two_pages_of_the_admin_never_take_back_each_others_boxes(cast: Cast) -> None:
    """Each page sends the state it wants for the box that was touched, not what it showed of the others."""
    first, second = cast.member("jun"), cast.member("jun")
    assert permissions.assign(cast.taro, first, "approve", False)
    assert permissions.assign(cast.taro, second, "deliver", False)
    assert not permissions.assign(cast.taro, second, "approve", False), "both wanted that"
    assert cast.member("jun").words() == set(CONSULTANT_WORDS)
    assert [entry.details["after"] for entry in changes()] == [
        sorted(set(ALL_WORDS) - {"approve"}),
        sorted(CONSULTANT_WORDS),
    ]


def clears(login_id: str, word: str) -> bool:
    admin = Actor(Membership.get(Membership.login_id == LOGIN_IDS["taro"]))
    return permissions.assign(admin, Membership.get(Membership.login_id == login_id), word, False)


def test_of_many_processes_that_clear_a_box_one_writes_it(cast: Cast, instance: Path) -> None:
    answers = together(
        instance, [(clears, LOGIN_IDS["jun"], word) for word in ("approve", "deliver") for _ in range(3)]
    )
    assert sorted(answers) == [False] * 4 + [True] * 2
    assert len(changes()) == 2
    assert cast.member("jun").words() == set(CONSULTANT_WORDS)


# ── whom ──


def test_the_admins_own_boxes_are_boxes_like_others(cast: Cast) -> None:
    taro = cast.member("taro")
    assert permissions.preset(cast.taro, taro, ())
    assert not permissions.may(cast.taro, "upload")
    assert permissions.assign(cast.taro, taro, "upload", True)
    assert taro.words() == {"upload"}


def test_boxes_of_somebody_who_is_stopped_or_has_not_answered_wait_for_him(cast: Cast) -> None:
    places.suspend(cast.taro, cast.member("jun"))
    assert permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    places.end(cast.jiro, cast.member("hanako_at_xyz"))
    asked = people.link(cast.jiro, cast.abc.contract_number, LOGIN_IDS["hanako"], "srHanako3", ())
    assert permissions.assign(cast.jiro, asked, "upload", True)
    assert permissions.held(cast.jun) == permissions.held(Actor(asked)) == frozenset()
    places.resume(cast.taro, cast.member("jun"))
    people.answer(cast.hanako, asked, accepts=True)
    assert permissions.held(cast.jun) == set(ALL_WORDS) - {"approve"}
    assert permissions.held(Actor(Membership.get_by_id(asked.id))) == {"upload"}


def test_the_boxes_of_somebody_who_has_left_stay_as_they_were(cast: Cast) -> None:
    as_shown = cast.member("jun")
    places.end(cast.taro, cast.member("jun"))
    for member in (as_shown, Membership.get_by_id(as_shown.id)):
        with pytest.raises(Refused, match="終了"):
            permissions.assign(cast.taro, member, "approve", False)
        with pytest.raises(Refused, match="終了"):
            permissions.preset(cast.taro, member, ())
    assert (as_shown.words(), changes()) == (set(ALL_WORDS), [])


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("jun", "send"),
        ("hanako", "staff"),
        ("taro", "register"),
        ("ume", "upload"),
        ("ume", "devices"),
        ("dai", "staff"),
        ("dai", "download"),
        ("jun", "aprove"),
        ("kiku", ""),
    ],
)
def test_a_word_that_this_kind_of_member_cannot_hold_is_a_mistake_of_ours(cast: Cast, name: str, word: str) -> None:
    before, actor = cast.member(name).words(), command_line()
    with pytest.raises(TypeError):
        permissions.assign(actor, cast.member(name), word, True)
    with pytest.raises(TypeError):
        permissions.assign(actor, cast.member(name), word, False)
    with pytest.raises(TypeError):
        permissions.preset(actor, cast.member(name), {*before, word})
    assert (cast.member(name).words(), changes()) == (before, [])


# ── by whom ──


@pytest.mark.parametrize("name", ["jun", "hanako", "jiro", "hanako_at_xyz", "kiku", "ume", "dai"])
@pytest.mark.parametrize("whom", ["taro", "jun", "hanako"])
def test_nobody_but_the_own_admin_touches_the_boxes_of_an_office(cast: Cast, name: str, whom: str) -> None:
    actor, member = getattr(cast, name), cast.member(whom)
    before = member.words()
    with pytest.raises(Forbidden):
        permissions.assign(actor, member, "cancel", False)
    with pytest.raises(Forbidden):
        permissions.preset(actor, member, ALL_WORDS)
    assert (member.words(), changes()) == (before, [])
    refused = AuditEntry.select().where(AuditEntry.action == "permission.refused")
    assert [(entry.who, entry.details) for entry in refused] == [(actor.who, {"word": "assign"})] * 2


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "jiro", "ume", "dai"])
@pytest.mark.parametrize("whom", ["kiku", "ume", "dai"])
def test_only_who_holds_staff_touches_the_boxes_of_the_funds_people(cast: Cast, name: str, whom: str) -> None:
    word = "unlock" if whom == "dai" else "send"
    with pytest.raises(Forbidden):
        permissions.assign(getattr(cast, name), cast.member(whom), word, False)
    assert permissions.assign(cast.kiku, cast.member(whom), word, False)


@pytest.mark.parametrize("name", ["hanako", "jiro", "dai", "ume"])
def test_every_word_there_is_does_not_make_an_admin(cast: Cast, name: str) -> None:
    member = cast.member(name)
    permissions.preset(command_line(), member, set(permissions.WORDS[member.kind]) - {"staff"})
    with pytest.raises(Forbidden):
        permissions.assign(Actor(member), cast.member("jun"), "approve", False)


@pytest.mark.parametrize("column", ["ended_at", "disabled_at", "invited_at"])
def test_an_admin_who_is_out_touches_nothing(cast: Cast, column: str) -> None:
    Membership.update({column: cast.taro.at}).where(Membership.login_id == LOGIN_IDS["taro"]).execute()
    with pytest.raises(Forbidden):
        permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    assert "approve" in cast.member("jun").words()


def test_the_admin_of_a_closed_office_touches_nothing(cast: Cast) -> None:
    Office.update(closed_at=cast.taro.at).where(Office.id == cast.abc.id).execute()
    with pytest.raises(Forbidden):
        permissions.preset(cast.taro, cast.member("jun"), ())
    assert cast.member("jun").words() == set(ALL_WORDS)


# ── 職員 stays in somebody's hands ──


def test_the_last_one_with_staff_cannot_lose_it(cast: Cast) -> None:
    for actor in (cast.kiku, command_line()):
        with pytest.raises(Refused, match="職員"):
            permissions.assign(actor, cast.member("kiku"), "staff", False)
        with pytest.raises(Refused, match="職員"):
            permissions.preset(actor, cast.member("kiku"), set(FUND_WORDS) - {"staff"})
    assert cast.member("kiku").words() == set(FUND_WORDS)
    assert permissions.preset(cast.kiku, cast.member("kiku"), {"staff"}), "all the others can go"


def test_a_colleague_who_is_ready_takes_over(cast: Cast) -> None:
    other = colleague(cast)
    assert permissions.assign(cast.kiku, cast.member("kiku"), "staff", False)
    with pytest.raises(Forbidden):
        permissions.assign(cast.kiku, cast.member("kiku"), "staff", True)
    assert permissions.assign(Actor(other), cast.member("kiku"), "staff", True)


def test_a_colleague_who_cannot_log_in_takes_nothing_over(cast: Cast) -> None:
    """Neither before the first login nor while stopped nor without an authenticator."""
    people.add_staff(cast.kiku, "fund", "kikinNew1", "新", "new@fund.example", ("staff",))
    places.suspend(cast.kiku, colleague(cast))
    with pytest.raises(Refused, match="職員"):
        permissions.assign(cast.kiku, cast.member("kiku"), "staff", False)
    assert permissions.may(cast.kiku, "staff")


def test_staff_in_the_hands_of_the_desk_would_not_be_enough(cast: Cast) -> None:
    assert "staff" not in permissions.DESK_WORDS
    assert "staff" not in OFFICE_WORDS
