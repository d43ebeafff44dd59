"""The life of a 届書 and of a 帳票 after it lies in the vault: which moves are legal, who makes them, what each one
tells.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from database import db
from exchange import audit, calendar, outbox, permissions, quarantine, rescans, settings
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.quarantine import Needs
from models import FILING, STATEMENT, Office, Transfer

REASON_LONGEST = 500


@dataclass(frozen=True)
class Move:
    """From which states to which, by whom (`side`) with which words, told by which mail, in which words to people.

    `needs`: of the inspection; with `hands_over` the scan must not be old either.
    """

    label: str
    before: tuple[str, ...]
    after: str
    side: str  # "office" or "fund"
    words: tuple[str, ...]
    action: str
    tell: Callable[[Transfer], None] | None = None
    needs_reason: bool = False
    needs: Needs = Needs.NOTHING
    hands_over: bool = False


MOVES: dict[tuple[str, str], Move] = {
    (FILING, "approve"): Move(
        "承認",
        ("uploaded",),
        "approved",
        "office",
        ("approve",),
        "filing.approved",
        outbox.approved,
        needs=Needs.INSPECTED,
    ),
    (FILING, "deliver"): Move(
        "配信",
        ("approved",),
        "delivered",
        "office",
        ("deliver",),
        "filing.delivered",
        outbox.filing_delivered,
        needs=Needs.INSPECTED,
        hands_over=True,
    ),
    (FILING, "send_back"): Move(
        "差戻し",
        ("uploaded", "approved"),
        "returned",
        "office",
        ("approve",),
        "filing.returned",
        outbox.sent_back,
        needs_reason=True,
    ),
    (FILING, "cancel"): Move("取消", ("uploaded", "approved"), "cancelled", "office", ("cancel",), "filing.cancelled"),
    (FILING, "recall"): Move(
        "引き戻し", ("delivered",), "approved", "office", ("deliver",), "filing.recalled", outbox.transfer_recalled
    ),
    (FILING, "receive"): Move(
        "受領して開く", ("delivered",), "received", "fund", ("receive",), "filing.received", outbox.filing_opened
    ),
    (FILING, "complete"): Move(
        "処理完了",
        ("received",),
        "completed",
        "fund",
        ("receive",),
        "filing.completed",
        outbox.filing_completed,
        needs=Needs.UNHARMED,
    ),
    (FILING, "reject"): Move(
        "不受理",
        ("received",),
        "rejected",
        "fund",
        ("receive",),
        "filing.rejected",
        outbox.filing_rejected,
        needs_reason=True,
    ),
    (STATEMENT, "approve"): Move(
        "承認", ("uploaded",), "approved", "fund", ("check",), "statement.approved", needs=Needs.INSPECTED
    ),
    (STATEMENT, "deliver"): Move(
        "配信",
        ("approved",),
        "delivered",
        "fund",
        ("send",),
        "statement.delivered",
        outbox.statement_delivered,
        needs=Needs.INSPECTED,
        hands_over=True,
    ),
    (STATEMENT, "cancel"): Move(
        "取消", ("uploaded", "approved"), "cancelled", "fund", ("prepare",), "statement.cancelled"
    ),
    (STATEMENT, "recall"): Move(
        "引き戻し",
        ("delivered", "requested"),
        "approved",
        "fund",
        ("send",),
        "statement.recalled",
        outbox.transfer_recalled,
    ),
    (STATEMENT, "request_pickup"): Move(
        "受取要求",
        ("delivered", "received"),
        "requested",
        "office",
        ("request_pickup",),
        "statement.requested",
        needs=Needs.UNHARMED,
    ),
    (STATEMENT, "download"): Move(
        "ダウンロード",
        ("requested",),
        "received",
        "office",
        ("download",),
        "statement.received",
        outbox.statement_downloaded,
        needs=Needs.INSPECTED,
        hands_over=True,
    ),
}


WINDOW_CLOSED = "statement.window_closed"
OPENED = ("received", "completed", "rejected")  # by the side it was delivered to


def approve(actor: Actor, transfer: Transfer) -> None:
    """承認.

    Needs a good inspection; by the uploader only where the office (for statements: the fund) doesn't forbid it.
    """
    _require_others_eyes(actor, transfer)
    move(actor, transfer, "approve")


def deliver(actor: Actor, transfer: Transfer) -> None:
    """配信: from here on the other side sees it."""
    _deliver(actor, transfer)


def _deliver(actor: Actor, transfer: Transfer, is_age_known: bool = False) -> None:
    move(
        actor,
        transfer,
        "deliver",
        _require_open,
        is_age_known=is_age_known,
        delivered_by=actor.membership,
        delivered_at=actor.at,
    )


def approve_and_deliver(actor: Actor, transfer: Transfer) -> None:
    """「承認して配信」 for those who hold both words: both moves or none."""
    permissions.require(actor, *_move_of(transfer, "approve").words, *_move_of(transfer, "deliver").words)
    _require_others_eyes(actor, transfer)
    for verb in ("approve", "deliver"):
        _require_side(actor, transfer, _move_of(transfer, verb))
    # Before the transaction, with whose end the asking for a rescan would be forgotten.
    _require_young(actor, transfer, _move_of(transfer, "deliver"), _move_of(transfer, "approve").before)
    with db.atomic():
        move(actor, transfer, "approve", is_told=False)
        _deliver(actor, transfer, is_age_known=True)


def send_back(actor: Actor, transfer: Transfer, reason: str) -> None:
    move(actor, transfer, "send_back", reason=reason)


def cancel(actor: Actor, transfer: Transfer) -> None:
    """取消: one's own; with 承認 also others' (on the fund's side: what a clerk prepared)."""
    if transfer.is_filing and actor.membership != transfer.uploaded_by and not permissions.may(actor, "approve"):
        permissions.require(actor, "cancel")
        permissions.refuse(
            actor,
            "approve",
            "ほかの利用者が登録した届書の取消には「承認」の権限も必要です。管理者に依頼してください。",
        )
    move(actor, transfer, "cancel")


def recall(actor: Actor, transfer: Transfer) -> None:
    """引き戻し, while the other side has not opened it."""
    move(actor, transfer, "recall", delivered_by=None, delivered_at=None, requested_at=None)


def receive(actor: Actor, transfer: Transfer) -> None:
    """The fund opens a filing: 受領済."""
    move(actor, transfer, "receive")


def complete(actor: Actor, transfer: Transfer) -> None:
    move(actor, transfer, "complete")


def reject(actor: Actor, transfer: Transfer, reason: str) -> None:
    move(actor, transfer, "reject", reason=reason)


def possible(actor: Actor, transfer: Transfer, held: frozenset[str], strict: bool | None = None) -> list[str]:
    """The verbs this actor, holding these words, could do now: for the buttons. Each verb asks again for itself.

    strict: quarantine.is_strict, where it was asked for a whole list.
    """
    verbs = [verb for (direction, verb) in MOVES if direction == transfer.direction]
    able = [verb for verb in verbs if _is_possible(actor, transfer, verb, held, strict)]
    if "approve" in able and held.issuperset(_move_of(transfer, "deliver").words):
        able.append("approve_and_deliver")
    return able


def _is_possible(actor: Actor, transfer: Transfer, verb: str, held: frozenset[str], strict: bool | None) -> bool:
    rule = _move_of(transfer, verb)
    if transfer.state not in rule.before or not held.issuperset(rule.words) or not _is_on_side(actor, transfer, rule):
        return False
    if verb == "deliver" and transfer.office.is_closed:
        return False
    if quarantine.why_not(transfer, rule.needs, strict=strict):
        return False
    if verb == "approve":
        return not _is_own_forbidden(actor, transfer)
    if verb == "cancel" and transfer.is_filing:
        return actor.membership == transfer.uploaded_by or "approve" in held
    return True


def move(
    actor: Actor,
    transfer: Transfer,
    verb: str,
    check: Callable[[Transfer], None] | None = None,
    reason: str | None = None,
    is_told: bool = True,
    is_age_known: bool = False,
    **columns: Any,
) -> None:
    """One legal move: words, state by compare-and-set, audit entry and mail in one transaction.

    is_age_known: the caller has asked already how old the scan is.
    """
    rule = _move_of(transfer, verb)
    require_may(actor, transfer, verb, is_age_known)
    if rule.needs_reason:
        columns["reason"] = _tidied(reason)
    with db.atomic():
        before = fresh_state(transfer)
        if before not in rule.before:
            raise _someone_was_faster(actor, transfer, rule)
        rescans.require_still(actor, transfer, rule.needs)
        if check is not None:
            check(transfer)
        changed = Transfer.update(state=rule.after, **columns).where(
            Transfer.id == transfer.id, Transfer.state << rule.before
        )
        if changed.execute() != 1:
            raise _someone_was_faster(actor, transfer, rule)
        facts = {"before": before, "after": rule.after}
        if rule.needs_reason:
            facts["reason"] = columns["reason"]
        if "sha256" in audit.ACTIONS[rule.action]:
            facts["sha256"] = transfer.sha256
        audit.record(actor, rule.action, transfer.uid, transfer.office, **facts)
        refresh(transfer)
        if rule.tell is not None and is_told:
            rule.tell(transfer)


def require_may(actor: Actor, transfer: Transfer, verb: str, is_age_known: bool = False) -> None:
    """What is asked of a move before its transaction: the words, the side, and that the scan is not old."""
    rule = _move_of(transfer, verb)
    permissions.require(actor, *rule.words)
    _require_side(actor, transfer, rule)
    if not is_age_known:
        _require_young(actor, transfer, rule, rule.before)


def _tidied(reason: str | None) -> str:
    tidied = (reason or "").strip()
    if not 1 <= len(tidied) <= REASON_LONGEST:
        raise Refused(f"理由を1～{REASON_LONGEST}文字で入力してください。相手の画面に表示されます。")
    return tidied


def _move_of(transfer: Transfer, verb: str) -> Move:
    return MOVES[transfer.direction, verb]


def _is_on_side(actor: Actor, transfer: Transfer, rule: Move) -> bool:
    if rule.side == "fund":
        return actor.is_fund
    return actor.office is not None and actor.office == transfer.office


def _require_side(actor: Actor, transfer: Transfer, rule: Move) -> None:
    if not _is_on_side(actor, transfer, rule):
        permissions.refuse(actor, rule.words[0])


def _require_young(actor: Actor, transfer: Transfer, rule: Move, states: tuple[str, ...]) -> None:
    """Where bytes are about to reach the other side: that their scan isn't old. Not of what is in no such state."""
    if rule.hands_over and fresh_state(transfer) in states:
        rescans.require_usable_or_rescan(actor, transfer, rule.needs)


def _require_open(transfer: Transfer) -> None:
    require_contract(transfer.office)


def require_contract(office: Office) -> None:
    if Office.get_by_id(office.id).is_closed:
        raise Refused("この事業所の契約は終了しているため、登録も配信もできません。作成中のものは取り消してください。")


def _require_others_eyes(actor: Actor, transfer: Transfer) -> None:
    permissions.require(actor, *_move_of(transfer, "approve").words)
    if _is_own_forbidden(actor, transfer):
        words = "本人が登録したものは承認できない設定です。ほかの承認者に依頼してください。"
        permissions.refuse(actor, _move_of(transfer, "approve").words[0], words)


def _is_own_forbidden(actor: Actor, transfer: Transfer) -> bool:
    is_own = actor.membership is not None and actor.membership.user == transfer.uploaded_by.user
    if transfer.is_filing:
        return is_own and transfer.office.forbids_self_approval
    return is_own and settings.get("statement_second_clerk")


def fresh_state(transfer: Transfer) -> str:
    return Transfer.select(Transfer.state).where(Transfer.id == transfer.id).scalar()


def refresh(transfer: Transfer) -> None:
    """The row as it is now, into the object the caller holds."""
    fresh = Transfer.get_by_id(transfer.id)
    for name in ("state", "reason", "delivered_at", "requested_at"):
        setattr(transfer, name, getattr(fresh, name))
    transfer.delivered_by = fresh.delivered_by
    transfer._dirty.clear()


def _someone_was_faster(actor: Actor, transfer: Transfer, rule: Move) -> SomeoneWasFaster:
    """Who made the last move, and when, in words; and what is left to do."""
    refresh(transfer)
    actions = {rule.action for rule in MOVES.values()} | {WINDOW_CLOSED}
    last = next((entry for entry in reversed(transfer.timeline()) if entry.action in actions), None)
    by = ""
    if last is not None and last.membership and actor.membership:
        who = "ご自身" if last.membership == actor.membership else last.who_to(actor.membership)
        by = f"{calendar.japan(last.at):%m/%d %H:%M}に{who}が先に操作したため、"
    rest = "最新の状態を確認してください。"
    if last is not None and last.action == WINDOW_CLOSED:
        return SomeoneWasFaster("ダウンロードできる期間が終わりました。もう一度「受取要求」を押してください。")
    if rule.action.endswith(".recalled") and transfer.state in OPENED:
        rest = "相手が開いたあとは引き戻せません。お急ぎのときは、相手へ直接ご連絡ください。"
    return SomeoneWasFaster(f"受付番号 {transfer.receipt_number} は、{by}現在は別の状態です。{rest}")
