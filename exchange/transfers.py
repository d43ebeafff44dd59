"""The life of a 届書 and of a 帳票 after it lies in the vault: which moves are legal, who makes them, what each one
tells.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from database import db
from exchange import audit, calendar, jobs, outbox, permissions, settings, vault
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from models import FILING, STATEMENT, DocumentKind, Inspection, Office, Transfer

RECEIPT_ALPHABET = "0123456789"
NOTE_LONGEST = 500
REASON_LONGEST = 500
FILE_NAME_LONGEST = 200


@dataclass(frozen=True)
class Move:
    """From which states to which, by whom (`side`) with which words, told by which mail, in which words to people."""

    label: str
    before: tuple[str, ...]
    after: str
    side: str  # "office" or "fund"
    words: tuple[str, ...]
    action: str
    tell: Callable[[Transfer], None] | None = None
    needs_reason: bool = False


MOVES: dict[tuple[str, str], Move] = {
    (FILING, "approve"): Move(
        "承認", ("uploaded",), "approved", "office", ("approve",), "filing.approved", outbox.approved
    ),
    (FILING, "deliver"): Move(
        "配信", ("approved",), "delivered", "office", ("deliver",), "filing.delivered", outbox.filing_delivered
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
        "処理完了", ("received",), "completed", "fund", ("receive",), "filing.completed", outbox.filing_completed
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
    (STATEMENT, "approve"): Move("承認", ("uploaded",), "approved", "fund", ("check",), "statement.approved"),
    (STATEMENT, "deliver"): Move(
        "配信", ("approved",), "delivered", "fund", ("send",), "statement.delivered", outbox.statement_delivered
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
        "受取要求", ("delivered", "received"), "requested", "office", ("request_pickup",), "statement.requested"
    ),
    (STATEMENT, "download"): Move(
        "ダウンロード",
        ("requested",),
        "received",
        "office",
        ("download",),
        "statement.received",
        outbox.statement_downloaded,
    ),
}


WINDOW_CLOSED = "statement.window_closed"
OPENED = ("received", "completed", "rejected")  # by the side it was delivered to


@dataclass(frozen=True)
class Slip:
    """What comes with the bytes: 種類, file name, 対象年月 (YYYY-MM or empty), メモ, and the token of the form."""

    kind: DocumentKind
    file_name: str
    period: str
    note: str
    token: str


def upload(actor: Actor, received: vault.Receiving, slip: Slip, replaces: Transfer | None = None) -> Transfer:
    """A 届書 of the actor's office, from its received bytes to 承認待ち with its inspection asked for.

    The token of a form that was sent before answers with the transfer it made. Refused when the office has no
    圧縮パスワード yet or `replaces` is not a returned filing of it.
    """
    permissions.require(actor, "upload")
    office = actor.office
    assert office is not None  # only office people hold the word
    return sent_before(actor, slip) or register(actor, FILING, office, received.finish(), slip, replaces)


def sent_before(actor: Actor, slip: Slip) -> Transfer | None:
    """What this very form has made already, so that its bytes need not be kept again.

    Refused for another person's form.
    """
    transfer = Transfer.get_or_none(Transfer.token == slip.token)
    if transfer is not None and transfer.uploaded_by != actor.membership:
        raise Refused("この画面はすでに使われています。画面を開き直してください。")
    return transfer


def register(
    actor: Actor, direction: str, office: Office, stored: vault.Stored, slip: Slip, replaces: Transfer | None = None
) -> Transfer:
    """The row, its audit entry and its inspection job, of a file that lies in the vault; its verb checked the word."""
    if slip.kind.direction != direction:
        raise Refused("種類が選ばれていません。一覧から選んでください。")
    with db.atomic():
        before = sent_before(actor, slip)
        if before is not None:
            return before
        _require_contract(office)
        if replaces is not None:
            _require_replaceable(office, replaces)
        transfer = _insert(actor, direction, office, stored, slip, replaces)
        Inspection.create(transfer=transfer)
        jobs.enqueue("inspect", str(transfer.id), actor.at)
        audit.record(
            actor,
            f"{direction}.uploaded",
            transfer.uid,
            office,
            receipt_number=transfer.receipt_number,
            kind=slip.kind.code,
            size=stored.size,
            sha256=stored.sha256,
            replaces=replaces.receipt_number if replaces else "",
        )
    return transfer


def approve(actor: Actor, transfer: Transfer) -> None:
    """承認.

    Needs a good inspection; by the uploader only where the office (for statements: the fund) doesn't forbid it.
    """
    _require_others_eyes(actor, transfer)
    move(actor, transfer, "approve", check=_require_inspected)


def deliver(actor: Actor, transfer: Transfer) -> None:
    """配信: from here on the other side sees it."""
    move(actor, transfer, "deliver", _require_open, delivered_by=actor.membership, delivered_at=actor.at)


def approve_and_deliver(actor: Actor, transfer: Transfer) -> None:
    """「承認して配信」 for those who hold both words: both moves or none."""
    permissions.require(actor, *_move_of(transfer, "approve").words, *_move_of(transfer, "deliver").words)
    _require_others_eyes(actor, transfer)
    with db.atomic():
        move(actor, transfer, "approve", check=_require_inspected, is_told=False)
        deliver(actor, transfer)


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


def possible(actor: Actor, transfer: Transfer, held: frozenset[str]) -> list[str]:
    """The verbs this actor, holding these words, could do now: for the buttons. Each verb asks again for itself."""
    verbs = [verb for (direction, verb) in MOVES if direction == transfer.direction]
    able = [verb for verb in verbs if _is_possible(actor, transfer, verb, held)]
    if "approve" in able and held.issuperset(_move_of(transfer, "deliver").words):
        able.append("approve_and_deliver")
    return able


def _is_possible(actor: Actor, transfer: Transfer, verb: str, held: frozenset[str]) -> bool:
    rule = _move_of(transfer, verb)
    if transfer.state not in rule.before or not held.issuperset(rule.words) or not _is_on_side(actor, transfer, rule):
        return False
    if verb == "deliver" and transfer.office.is_closed:
        return False
    if verb == "approve":
        return transfer.is_inspected() and not _is_own_forbidden(actor, transfer)
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
    **columns: Any,
) -> None:
    """One legal move: words, state by compare-and-set, audit entry and mail in one transaction."""
    rule = _move_of(transfer, verb)
    permissions.require(actor, *rule.words)
    if not _is_on_side(actor, transfer, rule):
        permissions.refuse(actor, rule.words[0])
    if rule.needs_reason:
        reason = (reason or "").strip()
        if not 1 <= len(reason) <= REASON_LONGEST:
            raise Refused(f"理由を1～{REASON_LONGEST}文字で入力してください。相手の画面に表示されます。")
        columns["reason"] = reason
    with db.atomic():
        before = _fresh_state(transfer)
        if before not in rule.before:
            raise _someone_was_faster(actor, transfer, rule)
        if check is not None:
            check(transfer)
        changed = Transfer.update(state=rule.after, **columns).where(
            Transfer.id == transfer.id, Transfer.state << rule.before
        )
        if changed.execute() != 1:
            raise _someone_was_faster(actor, transfer, rule)
        facts = {"before": before, "after": rule.after}
        if rule.needs_reason:
            facts["reason"] = reason or ""
        if "sha256" in audit.ACTIONS[rule.action]:
            facts["sha256"] = transfer.sha256
        audit.record(actor, rule.action, transfer.uid, transfer.office, **facts)
        refresh(transfer)
        if rule.tell is not None and is_told:
            rule.tell(transfer)


def _move_of(transfer: Transfer, verb: str) -> Move:
    return MOVES[transfer.direction, verb]


def _is_on_side(actor: Actor, transfer: Transfer, rule: Move) -> bool:
    if rule.side == "fund":
        return actor.is_fund
    return actor.office is not None and actor.office == transfer.office


def _require_inspected(transfer: Transfer) -> None:
    if not Transfer.get_by_id(transfer.id).is_inspected():  # as it is now, not as the page had it
        raise Refused("検査が終わっていないか、検査で不備が見つかったため、承認できません。検査結果をご確認ください。")


def _require_open(transfer: Transfer) -> None:
    _require_contract(transfer.office)


def _require_contract(office: Office) -> None:
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


def _fresh_state(transfer: Transfer) -> str:
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


def _insert(
    actor: Actor, direction: str, office: Office, stored: vault.Stored, slip: Slip, replaces: Transfer | None
) -> Transfer:
    password = office.current_archive_password()
    if password is None:
        raise Refused("事業所の圧縮パスワードが登録されていません。管理者の初回登録が終わってからお試しください。")
    return Transfer.create(
        receipt_number=_new_receipt_number(actor.at),
        direction=direction,
        office=office,
        kind=slip.kind,
        period=slip.period,
        note=slip.note,
        file_name=slip.file_name,
        size=stored.size,
        sha256=stored.sha256,
        stored=stored.keep(),
        archive_password=password,
        uploaded_by=actor.membership,
        uploaded_at=actor.at,
        replaces=replaces,
        token=slip.token,
    )


def _require_replaceable(office: Office, replaces: Transfer) -> None:
    if replaces.office_id != office.id or _fresh_state(replaces) != "returned" or replaces.replacement:
        raise SomeoneWasFaster("差し戻された届書ではないか、すでに出し直されています。一覧を開き直してください。")


def _new_receipt_number(at: datetime) -> str:
    """受付番号: the day in Japan and seven random digits.

    Inside the transaction that writes it nobody takes the same.
    """
    while True:
        digits = "".join(secrets.choice(RECEIPT_ALPHABET) for _ in range(7))
        number = f"{calendar.japan(at):%Y%m%d}-{digits}"
        if not Transfer.select().where(Transfer.receipt_number == number).exists():
            return number
