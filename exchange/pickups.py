"""What leaves the vault for a person: 受取要求 with its window, ダウンロード, copies, and single entries for the
fund.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BufferedReader

from database import db
from exchange import archive_passwords, archives, audit, permissions, sealing, settings, transfers, vault
from exchange.actors import Actor, system
from exchange.errors import Refused
from models import Transfer


def request_pickup(actor: Actor, transfer: Transfer) -> None:
    """受取要求: opens the download for its window."""
    transfers.move(actor, transfer, "request_pickup", requested_at=actor.at)


def download(actor: Actor, transfer: Transfer) -> Iterator[bytes]:
    """ダウンロード of a statement within its window: 受取済, and its bytes.

    The move is durable before the first byte.
    """
    close_window_if_over(actor.at, transfer)
    stream = _opened(transfer)  # what can't be opened must not count as received
    try:
        transfers.move(actor, transfer, "download")
    except Exception:
        stream.close()
        raise
    return _whole(actor, transfer, stream)


def copy(actor: Actor, transfer: Transfer) -> Iterator[bytes]:
    """The ZIP as it was sent, for the side that made it, and for the fund once it has opened a filing."""
    if actor.office is not None:
        permissions.require(actor, "download")
        if actor.office != transfer.office:
            permissions.refuse(actor, "download")
        if not transfer.is_filing:
            permissions.refuse(actor, "download", "帳票は、受取要求のあとでダウンロードしてください。")
    elif transfer.is_filing:
        _require_opened(actor, transfer)
    else:
        permissions.require(actor, "prepare")
    stream = _opened(transfer)
    with db.atomic():
        audit.record(actor, f"{transfer.direction}.downloaded", transfer.uid, transfer.office, sha256=transfer.sha256)
    return _whole(actor, transfer, stream)


def open_entry(actor: Actor, transfer: Transfer, number: int, limits: archives.Limits) -> Iterator[bytes]:
    """One file of an opened filing, decrypted for the fund in passing. `number` counts inspection.entries from 0."""
    _require_opened(actor, transfer)
    entries = transfer.inspection.entries
    if not 0 <= number < len(entries):
        raise Refused("そのファイルはZIPの中にありません。画面を開き直してください。")
    with db.atomic():
        audit.record(
            actor,
            "filing.entry_opened",
            transfer.uid,
            transfer.office,
            entry_number=number,
            entry_sha256=entries[number]["sha256"],
        )
    return _entry(transfer, entries[number]["name"], limits)


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


def _require_opened(actor: Actor, transfer: Transfer) -> None:
    permissions.require(actor, "receive")
    if transfer.state not in transfers.OPENED:
        raise Refused("まだ開いていない届書です。先に「受領して開く」を押してください。")


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
