"""Every set of the seven words × everything they stand for: it works exactly for whoever holds the word now."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from database import db
from exchange import permissions, pickups, transfers
from exchange.actors import Actor
from exchange.errors import Forbidden
from exchange.permissions import ALL_WORDS
from models import Mail, Transfer
from tests.people import Cast, aes_zip, filing, statement, uploads

SETS = [
    frozenset(word for word, is_held in zip(ALL_WORDS, ticks, strict=True) if is_held)
    for ticks in product((False, True), repeat=len(ALL_WORDS))
]
Trial = Callable[[Actor], bool]


class Undo(Exception):
    """Takes back what a try did."""


def works(act: Callable[[], Any]) -> bool:
    """Whether it may be done; the database is left as it was. Any other refusal is a mistake of the test."""
    try:
        with db.atomic():
            act()
            raise Undo
    except Undo:
        return True
    except Forbidden:
        return False


def does(verb: Callable[..., Any], transfer: Transfer, *more: Any) -> Trial:
    """Whether somebody may make that move, on the row as it is."""
    return lambda actor: works(lambda: verb(actor, Transfer.get_by_id(transfer.id), *more))


def downloads(actor: Actor, transfer: Transfer) -> None:
    assert b"".join(pickups.download(actor, transfer)).startswith(b"PK")


def copies(actor: Actor, transfer: Transfer) -> None:
    assert b"".join(pickups.copy(actor, transfer)).startswith(b"PK")


def is_told(kind: str, verb: Callable[..., None], by: Actor, transfer: Transfer) -> Trial:
    """Whether the move of another person queues a mail of that kind for somebody."""

    def trial(actor: Actor) -> bool:
        with db.atomic() as attempt:
            verb(by, Transfer.get_by_id(transfer.id))
            mine = (Mail.to_user == actor.membership.user_id) & (Mail.transfer == transfer)
            count = Mail.select().where(mine, Mail.kind == kind, Mail.state == "waiting").count()
            attempt.rollback()
        assert count <= 1
        return count == 1

    return trial


def trials(cast: Cast, name: str) -> dict[frozenset[str], list[Trial]]:
    """The words that a thing takes → what takes them, done by that person to documents in the state for it."""
    own, approved, delivered = filing(cast, by=name), filing(cast, "approved"), filing(cast, "delivered")
    others = filing(cast, by="taro")
    paper, requested, ready = (statement(cast, state) for state in ("delivered", "delivered", "approved"))
    pickups.request_pickup(cast.taro, requested)
    data = aes_zip(cast.archive_password)
    tells = is_told("statement_delivered", transfers.deliver, cast.kiku, ready)
    tells_of_approval = is_told("approved", transfers.approve, cast.taro, others)
    table = {
        ("upload",): [lambda actor: works(lambda: uploads(actor, data))],
        ("cancel",): [does(transfers.cancel, own)],
        ("approve",): [does(transfers.approve, own), does(transfers.send_back, own, "生年月日が違います")],
        ("deliver",): [does(transfers.deliver, approved), does(transfers.recall, delivered)],
        ("request_pickup",): [does(pickups.request_pickup, paper)],
        ("download",): [does(downloads, requested), does(copies, own)],
        ("mail_notice",): [tells],
        ("approve", "deliver"): [does(transfers.approve_and_deliver, own)],
        ("approve", "cancel"): [does(transfers.cancel, others)],
        ("deliver", "mail_notice"): [tells_of_approval],
    }
    return {frozenset(words): acts for words, acts in table.items()}


@pytest.mark.parametrize("name", ["jun", "hanako"])
def test_each_of_the_128_sets_of_words_allows_exactly_its_own(cast: Cast, name: str) -> None:
    """For 担当者 and 社労士・税理士 alike: what somebody may do lies in the words alone."""
    table, member, actor, admin = trials(cast, name), cast.member(name), getattr(cast, name), cast.taro
    assert set(ALL_WORDS) <= {word for words in table if len(words) == 1 for word in words}
    wrong = []
    for held in SETS:
        permissions.preset(admin, member, held)
        assert permissions.held(actor) == held
        for needed, acts in table.items():
            answers = [trial(actor) for trial in acts]
            wrong += [(sorted(held), sorted(needed), answers)] if set(answers) != {needed <= held} else []
    assert (len(SETS), wrong) == (128, [])


def test_what_is_seen_of_the_words_is_what_the_verbs_ask_for(cast: Cast) -> None:
    member = cast.member("jun")
    for held in SETS:
        permissions.preset(cast.taro, member, held)
        assert {word for word in ALL_WORDS if permissions.may(cast.jun, word)} == held


def test_the_sets_of_one_person_change_nothing_for_the_colleagues(cast: Cast) -> None:
    names = ("taro", "hanako", "jiro", "hanako_at_xyz", "kiku", "ume", "dai")
    before = {name: cast.member(name).words() for name in names}
    for held in SETS[::16]:
        permissions.preset(cast.taro, cast.member("jun"), held)
    assert {name: cast.member(name).words() for name in names} == before
