"""What leaves the vault for a person: 受取要求 with its window, ダウンロード, copies, and single entries for the
fund.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from io import BufferedReader
from typing import NoReturn

from database import db
from exchange import (
    archive_passwords,
    archives,
    audit,
    permissions,
    quarantine,
    rescans,
    sealing,
    settings,
    transfers,
    vault,
)
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster
from exchange.quarantine import Needs
from models import Transfer


def request_pickup(actor: Actor, transfer: Transfer) -> None:
    """受取要求: opens the download for its window."""
    transfers.move(actor, transfer, "request_pickup", requested_at=actor.at)


def download(actor: Actor, transfer: Transfer) -> Iterator[bytes]:
    """ダウンロード of a statement within its window: 受取済, and its bytes.

    The move is durable before the first byte.
    """
    close_window_if_over(actor.at, transfer)
    permissions.require(actor, "download")
    if transfer.state == "received":
        raise SomeoneWasFaster(
            "この帳票は、すでに受け取っています。もう一度必要なときは、「受取要求」を押してください。"
        )
    transfers.require_may(actor, transfer, "download")
    with ExitStack() as opened:
        stream = opened.enter_context(_opened(transfer))  # what can't be opened must not count as received
        transfers.move(actor, transfer, "download")
        opened.pop_all()
    return _whole(actor, transfer, stream)


def may_copy(actor: Actor, transfer: Transfer, held: frozenset[str]) -> bool:
    """Whether this actor, holding these words, could have the ZIP now: for the button. `copy` asks again."""
    is_theirs = _word_for_copies(actor, transfer) in held and _has_copies(actor, transfer)
    return is_theirs and not quarantine.why_not(transfer, Needs.SCANNED)


def copy(actor: Actor, transfer: Transfer) -> Iterator[bytes]:
    """The ZIP as it was sent, for the side that made it, and for the fund once it has opened a filing."""
    permissions.require(actor, _word_for_copies(actor, transfer))
    if not _has_copies(actor, transfer):
        _refuse_copy(actor, transfer)
    rescans.require_usable_or_rescan(actor, transfer, Needs.SCANNED)
    with ExitStack() as opened:
        stream = opened.enter_context(_opened(transfer))
        with db.atomic():
            rescans.require_still(actor, transfer, Needs.SCANNED)
            facts = {"sha256": transfer.sha256}
            audit.record(actor, f"{transfer.direction}.downloaded", transfer.uid, transfer.office, **facts)
        opened.pop_all()
    return _whole(actor, transfer, stream)


def may_open(actor: Actor, transfer: Transfer, held: frozenset[str]) -> bool:
    """The same of the single files of a filing, which `open_entry` hands out."""
    is_theirs = actor.is_fund and "receive" in held and transfer.is_filing and transfer.state in transfers.OPENED
    return is_theirs and not quarantine.why_not(transfer, Needs.INSPECTED)


def open_entry(actor: Actor, transfer: Transfer, number: int, limits: archives.Limits) -> Iterator[bytes]:
    """One file of an opened filing, decrypted for the fund in passing. `number` counts inspection.entries from 0."""
    permissions.require(actor, "receive")
    if transfer.state not in transfers.OPENED:
        raise Refused(NOT_OPENED)
    entries = transfer.inspection.entries
    if not 0 <= number < len(entries):
        raise Refused("そのファイルはZIPの中にありません。画面を開き直してください。")
    rescans.require_usable_or_rescan(actor, transfer, Needs.INSPECTED)
    entry = entries[number]
    with db.atomic():
        rescans.require_still(actor, transfer, Needs.INSPECTED)
        facts = {"entry_number": number, "entry_sha256": entry["sha256"]}
        audit.record(actor, "filing.entry_opened", transfer.uid, transfer.office, **facts)
    return _entry(transfer, entry["name"], rescans.as_once_read(transfer, limits))


def window_ends_at(transfer: Transfer) -> datetime | None:
    """Until when a requested statement can be downloaded."""
    if transfer.state != "requested" or transfer.requested_at is None:
        return None
    return transfer.requested_at + timedelta(days=settings.get("pickup_days"))


def close_window_if_over(at: datetime, transfer: Transfer) -> None:
    """A request whose window is over becomes 配信済 again; asked before each download and by the worker."""
    ends_at = window_ends_at(transfer)
    if ends_at is None or at < ends_at:
        return
    with db.atomic():
        closed = Transfer.update(state="delivered", requested_at=None).where(
            Transfer.id == transfer.id, Transfer.state == "requested", Transfer.requested_at == transfer.requested_at
        )
        if closed.execute():
            facts = {"before": "requested", "after": "delivered"}
            audit.record(system(at), "statement.window_closed", transfer.uid, transfer.office, **facts)
    transfers.refresh(transfer)


def close_windows(at: datetime) -> None:
    """All requests whose window is over; a chore of the worker."""
    since = at - timedelta(days=settings.get("pickup_days"))
    for transfer in Transfer.select().where(Transfer.state == "requested", Transfer.requested_at <= since):
        close_window_if_over(at, transfer)


ALREADY = "この帳票は、すでに受け取っています。もう一度必要なときは、「受取要求」を押してください。"
NOT_OPENED = "まだ開いていない届書です。先に「受領して開く」を押してください。"


def _word_for_copies(actor: Actor, transfer: Transfer) -> str:
    if actor.office is not None:
        return "download"
    return "receive" if transfer.is_filing else "prepare"


def _has_copies(actor: Actor, transfer: Transfer) -> bool:
    """Whether there are copies of it for the actor's side at all, as it stands."""
    if actor.office is not None:
        return transfer.is_filing and actor.office == transfer.office
    return not transfer.is_filing or transfer.state in transfers.OPENED


def _refuse_copy(actor: Actor, transfer: Transfer) -> NoReturn:
    if actor.office is None:
        raise Refused(NOT_OPENED)
    is_theirs = actor.office == transfer.office
    sentence = "帳票は、受取要求のあとでダウンロードしてください。" if is_theirs else ""
    permissions.refuse(actor, "download", sentence)


def _opened(transfer: Transfer) -> BufferedReader:
    """The document that was uploaded as this transfer; Unsealable when the rows name another."""
    stored = transfer.stored
    if stored.sha256 != transfer.sha256:
        raise sealing.Unsealable("the stored document is not the one of this transfer")
    return vault.open_stream(stored)


def _entry(transfer: Transfer, name: str, limits: archives.Limits) -> Iterator[bytes]:
    password = archive_passwords.reveal(transfer.archive_password)
    with _opened(transfer) as stream:
        yield from archives.open_entry(stream, password, name, limits)


def _whole(actor: Actor, transfer: Transfer, stream: BufferedReader) -> Iterator[bytes]:
    """The bytes; an entry at the end tells that all of them were handed out."""
    sent, digest = 0, hashlib.sha256()
    with stream:
        while piece := stream.read(vault.READ):
            sent += len(piece)
            digest.update(piece)
            yield piece
    with db.atomic():
        facts = {"sha256": digest.hexdigest(), "bytes": sent}
        audit.record(actor, "transfer.sent_whole", transfer.uid, transfer.office, **facts)
