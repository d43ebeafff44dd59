"""発送簿: which letters left the house when, to whom, for the fund's own files."""

from database import db
from exchange import audit, letters, permissions
from exchange.actors import Actor
from papers import Letter, LetterBatch

HEADING = ("発送日", "事業所番号", "事業所名", "郵便番号", "住所", "引受番号", "発送者")


def rows(batch: LetterBatch) -> list[tuple[str, ...]]:
    """The 発送簿 below HEADING; 引受番号 is left for the post office's."""
    day = f"{batch.dispatched_on:%Y/%m/%d}" if batch.dispatched_on else ""
    who = batch.ended_by.user.name if batch.ended_by and batch.dispatched_on else ""
    return [
        (day, office.office_number, office.name, office.postal_code, " ".join(office.address.splitlines()), "", who)
        for office in (letter.office for letter in letters.letters_of(batch).where(Letter.voided_at.is_null()))
    ]


def listed(actor: Actor, batch: LetterBatch) -> list[tuple[str, ...]]:
    """The 発送簿 with its heading, for saving."""
    permissions.require(actor, "register")
    lines = rows(batch)
    with db.atomic():
        audit.record(actor, "letters.listed", batch.uid, letters=len(lines))
    return [HEADING, *lines]
