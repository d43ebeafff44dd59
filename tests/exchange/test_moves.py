"""The whole table of a filing's and a statement's life: every state × every verb."""

from datetime import timedelta
from itertools import product

import pytest

from database import db, utc_now
from exchange import pickups, transfers
from exchange.actors import Actor
from exchange.errors import Forbidden, SomeoneWasFaster
from exchange.permissions import ALL_WORDS
from models import FILING, STATEMENT, AuditEntry, Grant, Membership, Transfer
from tests.people import Cast, filing, statement

# The state after the verb, or "-" where it is refused because somebody was faster.
FILING_TABLE = """
             approve    deliver    send_back  cancel     recall    receive   complete   reject
uploaded     approved   -          returned   cancelled  -         -         -          -
approved     -          delivered  returned   cancelled  -         -         -          -
delivered    -          -          -          -          approved  received  -          -
received     -          -          -          -          -         -         completed  rejected
completed    -          -          -          -          -         -         -          -
rejected     -          -          -          -          -         -         -          -
returned     -          -          -          -          -         -         -          -
cancelled    -          -          -          -          -         -         -          -
expired      -          -          -          -          -         -         -          -
"""
STATEMENT_TABLE = """
             approve    deliver    cancel     recall    request_pickup  download
uploaded     approved   -          cancelled  -         -               -
approved     -          delivered  cancelled  -         -               -
delivered    -          -          -          approved  requested       -
requested    -          -          -          approved  -               received
received     -          -          -          -         requested       -
cancelled    -          -          -          -         -               -
expired      -          -          -          -         -               -
"""
OFFICE_VERBS = ("approve", "deliver", "send_back", "cancel", "recall")
FUND_VERBS = ("receive", "complete", "reject")
LATER_STATES = (("deliver", "approved"), ("recall", "delivered"))
PICKUP_VERBS = ("request_pickup", "download")
REASON = "生年月日が違います"


def expected(table: str) -> dict[tuple[str, str], str]:
    heading, *rows = [line.split() for line in table.strip().splitlines()]
    return {(state, verb): after for state, *cells in rows for verb, after in zip(heading, cells, strict=True)}


def do(verb: str, actor: Actor, transfer: Transfer) -> None:
    home = pickups if verb in PICKUP_VERBS else transfers
    reason = [REASON] if verb in ("send_back", "reject") else []
    getattr(home, verb)(actor, transfer, *reason)


def tried(verb: str, actor: Actor, transfer: Transfer, state: str) -> str:
    """The state after a try from `state`, or why not; the database is left as it was."""
    with db.atomic() as attempt:
        requested_at = utc_now() if state == "requested" else None
        Transfer.update(state=state, requested_at=requested_at).where(Transfer.id == transfer.id).execute()
        fresh = Transfer.get_by_id(transfer.id)
        try:
            do(verb, actor, fresh)
            return Transfer.get_by_id(transfer.id).state
        except SomeoneWasFaster:
            return "-"
        except Forbidden:
            return "forbidden"
        finally:
            attempt.rollback()


def all_tries(transfer: Transfer, actors: dict[str, Actor], states: list[str]) -> dict[tuple[str, str], str]:
    return {
        (state, verb): tried(verb, actor, transfer, state) for state, (verb, actor) in product(states, actors.items())
    }


def test_a_filing_moves_exactly_as_the_table_says(cast: Cast) -> None:
    table = expected(FILING_TABLE)
    actors = dict.fromkeys(OFFICE_VERBS, cast.taro) | dict.fromkeys(FUND_VERBS, cast.kiku)
    assert all_tries(filing(cast), actors, sorted({state for state, _ in table})) == table


def test_a_statement_moves_exactly_as_the_table_says(cast: Cast) -> None:
    table = expected(STATEMENT_TABLE)
    fund = dict.fromkeys(("approve", "deliver", "cancel", "recall"), cast.kiku)
    actors = fund | dict.fromkeys(PICKUP_VERBS, cast.taro)
    assert all_tries(statement(cast), actors, sorted({state for state, _ in table})) == table


def test_the_tables_know_every_declared_move() -> None:
    verbs = {(FILING, verb) for _, verb in expected(FILING_TABLE)}
    verbs |= {(STATEMENT, verb) for _, verb in expected(STATEMENT_TABLE)}
    assert verbs == set(transfers.MOVES)


def test_a_verb_of_the_other_direction_does_not_exist(cast: Cast) -> None:
    transfer = filing(cast, "delivered")
    for verb in PICKUP_VERBS:
        with pytest.raises(KeyError):
            do(verb, cast.taro, transfer)
    assert Transfer.get_by_id(transfer.id).state == "delivered"


def test_nobody_of_another_office_can_move_a_filing_or_fetch_a_statement(cast: Cast) -> None:
    stranger = cast.hanako_at_xyz
    give(stranger.membership, ALL_WORDS)
    own, paper = filing(cast), statement(cast)
    outcomes = {verb: tried(verb, stranger, own, "approved") for verb in OFFICE_VERBS}
    outcomes |= {verb: tried(verb, stranger, paper, "requested") for verb in PICKUP_VERBS}
    assert set(outcomes.values()) == {"forbidden"}


def test_the_fund_cannot_act_as_an_office_nor_an_office_as_the_fund(cast: Cast) -> None:
    own, paper = filing(cast), statement(cast)
    outcomes = [tried(verb, cast.kiku, own, "uploaded") for verb in ("approve", "send_back", "cancel")]
    outcomes += [
        tried(verb, cast.kiku, own, state) for verb, state in (("deliver", "approved"), ("recall", "delivered"))
    ]
    outcomes += [tried(verb, cast.kiku, paper, "requested") for verb in PICKUP_VERBS]
    outcomes += [tried(verb, cast.taro, own, "received") for verb in FUND_VERBS]
    outcomes += [tried(verb, cast.taro, paper, "approved") for verb in ("approve", "deliver", "cancel", "recall")]
    assert set(outcomes) == {"forbidden"}


def test_the_desk_can_move_nothing(cast: Cast) -> None:
    own, paper = filing(cast), statement(cast)
    outcomes = {tried(verb, cast.dai, own, "uploaded") for verb in (*OFFICE_VERBS, *FUND_VERBS)}
    outcomes |= {tried(verb, cast.dai, paper, "requested") for verb in ("approve", "deliver", "recall", *PICKUP_VERBS)}
    assert outcomes == {"forbidden"}


def test_a_disabled_user_an_ended_member_and_a_closed_office_can_do_nothing(cast: Cast) -> None:
    transfer = filing(cast)
    for table, column, row in (
        ("membership", "disabled_at", cast.jun.membership.id),
        ("membership", "ended_at", cast.jun.membership.id),
        ("office", "closed_at", cast.abc.id),
    ):
        with db.atomic() as attempt:
            db.execute_sql(f'UPDATE "{table}" SET {column} = ? WHERE id = ?', ("2026-01-01 00:00:00.000000", row))
            assert tried("approve", cast.jun, transfer, "uploaded") == "forbidden", table
            attempt.rollback()
    assert tried("approve", cast.jun, transfer, "uploaded") == "approved"


# ── the words behind a move ──


def give(member: Membership, words: tuple[str, ...]) -> None:
    Grant.delete().where(Grant.membership == member).execute()
    for word in words:
        Grant.create(membership=member, word=word)


def test_send_back_needs_approve_and_recall_needs_deliver(cast: Cast) -> None:
    transfer, member = filing(cast), cast.member("jun")
    for word, verb, state in (("approve", "send_back", "uploaded"), ("deliver", "recall", "delivered")):
        give(member, tuple(other for other in ALL_WORDS if other != word))
        assert tried(verb, cast.jun, transfer, state) == "forbidden"
        give(member, (word,))
        assert tried(verb, cast.jun, transfer, state) != "forbidden"


def test_a_word_that_does_not_exist_is_a_mistake_of_ours(cast: Cast) -> None:
    with pytest.raises(TypeError):
        transfers.permissions.may(cast.taro, "aprove")


def test_a_word_of_the_fund_in_an_office_members_row_opens_nothing(cast: Cast) -> None:
    Grant.create(membership=cast.member("taro"), word="receive")
    assert tried("receive", cast.taro, filing(cast, "delivered"), "delivered") == "forbidden"


# ── the guide's three users ──


def test_the_consultant_can_neither_approve_nor_deliver_and_both_are_logged(cast: Cast) -> None:
    waiting, approved = filing(cast), filing(cast, "approved")
    for verb, transfer in (("approve", waiting), ("deliver", approved), ("approve_and_deliver", waiting)):
        with pytest.raises(Forbidden, match="権限"):
            getattr(transfers, verb)(cast.hanako, transfer)
    refused = AuditEntry.select().where(AuditEntry.action == "permission.refused").order_by(AuditEntry.number)
    assert [(entry.who, entry.details) for entry in refused] == [
        ("丙山　花子（利用者C）（srHanako1）", {"word": "approve"}),
        ("丙山　花子（利用者C）（srHanako1）", {"word": "deliver"}),
        ("丙山　花子（利用者C）（srHanako1）", {"word": "approve"}),
    ]


@pytest.mark.parametrize("name", ["taro", "jun"])
def test_users_a_and_b_take_a_filing_all_the_way(cast: Cast, name: str) -> None:
    transfer = filing(cast, by=name)
    transfers.approve(getattr(cast, name), transfer)
    transfers.deliver(getattr(cast, name), transfer)
    assert transfer.state == "delivered"


def test_the_consultant_does_everything_else(cast: Cast) -> None:
    transfer = filing(cast, by="hanako")
    transfers.cancel(cast.hanako, transfer)
    paper = statement(cast, "delivered")
    pickups.request_pickup(cast.hanako, paper)
    assert b"".join(pickups.download(cast.hanako, paper)).startswith(b"PK")
    assert (transfer.state, paper.state) == ("cancelled", "received")


def test_a_permission_taken_away_counts_at_once(cast: Cast) -> None:
    transfer, jun = filing(cast), cast.jun
    Grant.delete().where(Grant.membership == cast.member("jun"), Grant.word == "approve").execute()
    assert tried("approve", jun, transfer, "uploaded") == "forbidden"


def test_the_buttons_offer_exactly_what_would_work(cast: Cast) -> None:
    """Over all states and people: what `possible` names can be done, what it leaves out is refused."""
    wrong = []
    for transfer, table in ((filing(cast), FILING_TABLE), (statement(cast), STATEMENT_TABLE)):
        for state in sorted({state for state, _ in expected(table)}):
            for name in ("taro", "hanako", "hanako_at_xyz", "kiku", "ume", "dai"):
                wrong += differences(getattr(cast, name), transfer, state)
    assert wrong == []


def differences(actor: Actor, transfer: Transfer, state: str) -> list[tuple[str, str, str]]:
    offered_at = utc_now() - timedelta(minutes=1)
    shown = Transfer.get_by_id(transfer.id)
    shown.state, shown.requested_at = state, offered_at
    offered = set(transfers.possible(actor, shown, actor.membership.words())) - {"approve_and_deliver"}
    verbs = [verb for direction, verb in transfers.MOVES if direction == transfer.direction]
    able = {verb for verb in verbs if tried(verb, actor, transfer, state) not in ("-", "forbidden")}
    return [(actor.who, state, verb) for verb in offered ^ able]
