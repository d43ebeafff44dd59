"""What comes in: a file that lies in the vault becomes a 届書 or a 帳票 with its receipt number, and its inspection is
asked for.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from database import db
from exchange import audit, calendar, inspections, jobs, permissions, transfers, vault
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.zip_entries import is_plain_office_file
from exchange.zip_structure import HEAD, TAIL, may_be_zip
from models import FILING, DocumentKind, Inspection, Office, Transfer

RECEIPT_ALPHABET = "0123456789"
NOTE_LONGEST = 500
FILE_NAME_LONGEST = 200


@dataclass(frozen=True)
class Slip:
    """What comes with the bytes: 種類, file name, 対象年月 (YYYY-MM or empty), メモ, and the token of the form."""

    kind: DocumentKind
    file_name: str
    period: str
    note: str
    token: str


class NoZip(Refused):
    """What was chosen is no ZIP that anybody has made of a filing."""


class IncomingZip(vault.Receiving):
    """The file of a 届書 on its way into the vault; `finish` refuses what is no ZIP at all, and nothing of it stays.

    Whatever may be a ZIP, however broken, is taken: what is wrong with it is for the inspection to say.
    """

    def __init__(self, limit: int | None = None) -> None:
        super().__init__(limit)
        self._head = b""
        self._tail = bytearray()

    def write(self, data: bytes) -> int:
        self._head += data[: HEAD - len(self._head)]
        self._tail += data[-TAIL:]
        if len(self._tail) > 2 * TAIL:
            del self._tail[:-TAIL]
        return super().write(data)

    def finish(self) -> vault.Stored:
        if not may_be_zip(self._head, bytes(self._tail)) or is_plain_office_file(bytes(self._tail)):
            raise NoZip(
                "ZIPにしていないファイルは送れません。まだ何も登録していません。"
                "「圧縮パスワード付きZIPの作り方」のとおりに作ったZIPを選んでください。"
                "JavaScriptを使えるブラウザーでは、元のファイルを選ぶだけで、この画面がZIPにします。"
            )
        return super().finish()


def upload(actor: Actor, received: vault.Receiving, slip: Slip, replaces: Transfer | None = None) -> Transfer:
    """A 届書 of the actor's office, from its received bytes to 承認待ち with its inspection asked for.

    The token of a form that was sent before answers with the transfer it made. Refused when the office has no
    圧縮パスワード yet or `replaces` is not a returned filing of it; NoZip when an IncomingZip was none.
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
        transfers.require_contract(office)
        if replaces is not None:
            _require_replaceable(office, replaces)
        transfer = _insert(actor, direction, office, stored, slip, replaces)
        Inspection.create(transfer=transfer)
        jobs.enqueue(inspections.KIND, str(transfer.id), actor.at)
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
    if replaces.office_id != office.id or transfers.fresh_state(replaces) != "returned" or replaces.replacement:
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
