"""An emergency needs two clerks, and who can approve it is known before. And whom an open 引継ぎ concerns."""

import pytest

from database import utc_now
from equipment import Handover
from exchange import handovers, overview, permissions
from exchange.errors import Forbidden, Refused
from models import Mail
from tests.exchange.handing_over import MIDORI, REASON, nominates, opens_emergency, second_clerk
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("empty_outbox")


def shown(cast: Cast, name: str) -> list[Handover]:
    member = cast.member(name)
    return handovers.open_to(member, member.words())


def test_nobody_asks_for_what_nobody_can_approve(cast: Cast) -> None:
    permissions.assign(cast.kiku, cast.member("ume"), "register", False)
    with pytest.raises(Refused, match="承認できる職員がいません。.*「職員の管理」で"):
        handovers.open_emergency(cast.kiku, cast.abc, MIDORI, REASON)
    assert Handover.select().count() == 0
    second_clerk(cast)
    assert [one.login_id for one in handovers.approvers(cast.member("kiku"))] == [cast.member("ume").login_id]
    assert handovers.open_emergency(cast.kiku, cast.abc, MIDORI, REASON).state == "open"


def test_a_clerk_without_the_word_is_sent_to_the_funds_own_people(cast: Cast) -> None:
    with pytest.raises(Forbidden, match="「職員の管理」を担当する方"):
        permissions.require(cast.dai, "register")
    with pytest.raises(Forbidden, match="必要な場合は管理者に"):
        permissions.require(cast.hanako, "approve")


def test_whoever_waits_for_the_approval_is_no_work_of_the_admin(cast: Cast) -> None:
    before = overview.waiting(cast.member("taro"), cast.member("taro").words(), utc_now())
    opens_emergency(cast, MIDORI)
    assert overview.waiting(cast.member("taro"), cast.member("taro").words(), utc_now()) == before


def test_a_new_successor_with_a_sheet_is(cast: Cast) -> None:
    nominates(cast, MIDORI)
    waits = overview.waiting(cast.member("taro"), cast.member("taro").words(), utc_now())
    assert [wait.count for wait in waits if wait.key == "fresh"] == [1]


def test_an_open_one_is_shown_to_whom_it_concerns(cast: Cast) -> None:
    nomination = nominates(cast)
    second_clerk(cast)
    for name in ("taro", "jun", "kiku", "ume", "dai"):
        assert shown(cast, name) == [nomination.handover], name
    assert [shown(cast, name) for name in ("hanako", "jiro")] == [[], []]
    handovers.withdraw(cast.taro, nomination.handover)
    assert [shown(cast, name) for name in ("taro", "jun", "kiku", "dai")] == [[]] * 4


def test_an_emergency_is_none_of_the_desks_or_the_successors(cast: Cast) -> None:
    handover = opens_emergency(cast)
    assert [shown(cast, name) for name in ("taro", "kiku", "jun", "dai")] == [[handover], [handover], [], []]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_colleague_who_is_nominated_no_more_stays(cast: Cast, is_new: bool) -> None:
    handovers.withdraw(cast.taro, nominates(cast, MIDORI if is_new else None).handover)
    mails = Mail.select().where(Mail.kind == "handover_withdrawn")
    assert {mail.facts["is_newcomer"] for mail in mails} == {is_new}
