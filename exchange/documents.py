"""手順書の掲載: the manuals and notices at the download counter, their editions, for whom they are, who fetched them.

Editions of one document share `series`. At the counter stands the newest edition of each; when that one is withdrawn
the document is gone from there, and no older edition comes back by itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from peewee import JOIN, fn

from database import db, new_uid
from exchange import audit, calendar, permissions, scans, vault, visits
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.recognised import Recognised
from models import AuditEntry, Membership, Office, StoredObject, User
from papers import Document, DocumentOffice, Visit

LARGEST = 50 * 2**20  # bytes
LABEL_LONGEST = 60
NOT_IN_NAMES = '/\\:*?"<>|'  # Windows can't save a file with one of these in its name
EARLIEST = date(2000, 1, 1)
AHEAD = timedelta(days=366)  # how far the date of an edition may lie in the future
FETCHED = "document.fetched"


class Pdf(Recognised):
    BEGINNING = b"%PDF-"
    LARGEST = LARGEST
    OTHER_KIND = "掲載できるのはPDFだけです。WordなどのファイルはPDFで保存し直してから、もう一度選んでください。"
    TOO_LARGE = (
        f"ファイルが大きすぎます。手順書は {LARGEST:,} バイトまでです。PDFを小さくして、もう一度選んでください。"
    )


@dataclass(frozen=True)
class Slip:
    """What is said of an edition: its label, 版の日付, and the offices it is for (None: all of them)."""

    label: str
    edition_on: date
    offices: Sequence[Office] | None = None


@dataclass(frozen=True)
class Fetch:
    """An office that fetched an edition, or (`at` is None) has not yet."""

    office: Office
    at: datetime | None = None
    address: str = ""


def title(document: Document) -> str:
    """インストール手順書(2022/11/29)"""
    return f"{document.label}({document.edition_on:%Y/%m/%d})"


def file_name(label: str, edition_on: date) -> str:
    """電子連携サービス・VPNインストール手順書(20221129).pdf"""
    return f"電子連携サービス・{label}({edition_on:%Y%m%d}).pdf"


# ── at the counter ──


def offered_to(office: Office) -> list[Document]:
    """What stands at the counter for an office: the newest edition of each document that is for it, with `stored`."""
    if office.is_closed:
        return []
    chosen = DocumentOffice.select(DocumentOffice.document).where(DocumentOffice.office == office)
    is_theirs = Document.is_for_all | (Document.id << chosen)
    return list(_current().where(is_theirs))


def fetched(actor: Actor, visit: Visit, document: Document) -> Iterator[bytes]:
    """A visitor takes the document away: logged for the office, and its bytes.

    SomeoneWasFaster when it is no longer offered to that office; Refused when the visit is over or it is withheld.
    """
    vault.open_stream(document.stored).close()  # what can't be opened must not count as fetched
    with db.atomic():
        visits.still(visit, actor.at)
        if document not in offered_to(visit.office):
            raise SomeoneWasFaster("この手順書の掲載は終わったか、新しい版に替わりました。一覧を開き直してください。")
        scans.require_clean(document)
        facts = {**_edition(document), "sha256": document.stored.sha256}
        audit.record(actor, FETCHED, document.uid, visit.office, **facts)
    return vault.pieces(document.stored)


# ── for the fund ──


def publish(
    actor: Actor, file: Pdf | None, slip: Slip, replaces: Document | None = None, was_withdrawn: bool = False
) -> Document:
    """掲載: a new document, or with `replaces` the next edition of that one.

    `was_withdrawn`: whether the form showed it as withdrawn. SomeoneWasFaster when it is not the newest edition any
    more, or was withdrawn meanwhile. The same form sent twice publishes once.
    """
    permissions.require(actor, "publish")
    if file is None:
        raise Refused("PDFファイルが選ばれていません。掲載するPDFを1つ選んでください。")
    file.require_kind()
    _require_fit(slip, actor.at)
    stored = file.finish()
    with db.atomic():
        before = _sent_before(actor, slip, stored)
        if before is not None:
            return before
        _require_place(slip, replaces, was_withdrawn)
        document = _insert(actor, slip, stored, replaces.series if replaces else new_uid())
        audit.record(actor, "document.published", document.uid, **_edition(document), sha256=stored.sha256)
        scans.ask_document(document)
    return document


def withdraw(actor: Actor, document: Document) -> None:
    """掲載の終了. The bytes stay, for the fund."""
    permissions.require(actor, "publish")
    with db.atomic():
        if not is_current(document):
            raise SomeoneWasFaster("この版の掲載は、すでに終わっているか、新しい版に替わっています。")
        Document.update(withdrawn_at=actor.at).where(Document.id == document.id).execute()
        audit.record(actor, "document.withdrawn", document.uid, **_edition(document))


def read(actor: Actor, document: Document) -> Iterator[bytes]:
    """Any edition, for the fund's own eyes. Not logged: whoever publishes it knows it."""
    permissions.require(actor, "publish")
    scans.require_clean(document)
    vault.open_stream(document.stored).close()
    return vault.pieces(document.stored)


def current() -> list[Document]:
    """What stands at the counter for anybody, with `stored` and who published it."""
    return list(_current())


def is_current(document: Document) -> bool:
    """Whether it is the newest edition and not withdrawn, as the rows are now."""
    return _current().where(Document.id == document.id).exists()


def withdrawn() -> Any:
    """Documents that no longer stand at the counter: their newest editions, the last withdrawn first."""
    gone = Document.withdrawn_at.is_null(False)
    return _joined().where(Document.id << _newest(), gone).order_by(Document.withdrawn_at.desc())


def editions(document: Document) -> list[Document]:
    """All editions of the same document, the newest first."""
    return list(_joined().where(Document.series == document.series).order_by(Document.id.desc()))


def newest_of(series: str) -> Document | None:
    return _joined().where(Document.series == series).order_by(Document.id.desc()).first()


def offices_named(uids: Sequence[str]) -> list[Office]:
    """The open offices with these uids, to choose the audience by."""
    return list(Office.open_ones().where(Office.uid << list(uids)))


def audience(document: Document) -> Any:
    """The open offices that an edition is for."""
    if document.is_for_all:
        return Office.open_ones()
    chosen = DocumentOffice.select(DocumentOffice.office).where(DocumentOffice.document == document)
    return Office.open_ones().where(Office.id << chosen)


def fetches(document: Document) -> Any:
    """The audit's entries of offices that fetched this edition, the newest first."""
    told = AuditEntry.select(AuditEntry, Office).join(Office)
    return told.where(AuditEntry.action == FETCHED, AuditEntry.subject == document.uid).order_by(
        AuditEntry.number.desc()
    )


def missing(document: Document) -> Any:
    """Offices that the edition is for and that have not fetched it yet."""
    done = AuditEntry.select(AuditEntry.office).where(
        AuditEntry.action == FETCHED, AuditEntry.subject == document.uid, AuditEntry.office.is_null(False)
    )
    return audience(document).where(Office.id.not_in(done))


def counts(documents: Sequence[Document]) -> dict[int, tuple[int, int]]:
    """Document's id → how many of the offices it is for have fetched it, and how many those are."""
    found = {}
    for document in documents:
        total = audience(document).count()
        found[document.id] = (total - missing(document).count(), total)
    return found


def list_fetches(actor: Actor, document: Document) -> list[Fetch]:
    """Who fetched the edition and who has not, to be taken away as a file; logged."""
    permissions.require(actor, "publish")
    with db.atomic():
        rows = [Fetch(entry.office, entry.at, entry.address) for entry in fetches(document)]
        rows += [Fetch(office) for office in missing(document)]
        audit.record(actor, "document.listed", document.uid, **_edition(document), entries=len(rows))
    return rows


def _joined() -> Any:
    return (
        Document.select(Document, StoredObject, Membership, User)
        .join(StoredObject)
        .switch(Document)
        .join(Membership, JOIN.LEFT_OUTER)
        .join(User, JOIN.LEFT_OUTER)
    )


def _newest() -> Any:
    """The ids of the newest editions. Rows are only added, so the largest id is the newest."""
    edition = Document.alias()
    return edition.select(fn.MAX(edition.id)).group_by(edition.series)


def _current() -> Any:
    """Documents in the order in which they were first published."""
    edition = Document.alias()
    first = edition.select(fn.MIN(edition.id)).where(edition.series == Document.series)
    return _joined().where(Document.id << _newest(), Document.withdrawn_at.is_null()).order_by(first)


def _require_fit(slip: Slip, at: datetime) -> None:
    problem = label_problem(slip.label) or edition_problem(slip.edition_on, calendar.day(at))
    if problem:
        raise Refused(problem)
    if slip.offices is not None and not slip.offices:
        raise Refused("掲載先の事業所が選ばれていません。1つ以上選ぶか、「すべての事業所」にしてください。")


def label_problem(label: str) -> str | None:
    """Why a document can't be called so, or None."""
    if not 1 <= len(label) <= LABEL_LONGEST:
        return f"名称は1～{LABEL_LONGEST}文字で入力してください。"
    if any(character in NOT_IN_NAMES for character in label):
        return f"名称はファイル名になるため、{' '.join(NOT_IN_NAMES)} は使えません。別の文字にしてください。"
    return None


def edition_problem(edition_on: date, today: date) -> str | None:
    """Why no edition can have this date, or None."""
    if EARLIEST <= edition_on <= today + AHEAD:
        return None
    last = today + AHEAD
    return f"版の日付は {EARLIEST:%Y/%m/%d} から {last:%Y/%m/%d} までの日を入力してください。"


def _require_place(slip: Slip, replaces: Document | None, was_withdrawn: bool) -> None:
    """Inside the transaction: nobody has published or withdrawn meanwhile, and no two documents have one name."""
    others = [document for document in current() if replaces is None or document.series != replaces.series]
    if any(document.label == slip.label for document in others):
        raise Refused(
            f"「{slip.label}」はすでに掲載されています。差し替えるときは、その手順書の「新しい版を掲載」を使ってください。"
        )
    if replaces is None:
        return
    newest = newest_of(replaces.series)
    if newest != replaces or (newest.withdrawn_at is not None) != was_withdrawn:
        raise SomeoneWasFaster(
            "ほかの職員が、先にこの手順書の新しい版を掲載したか、掲載を終了しました。一覧を開き直して確かめてください。"
        )
    if newest.withdrawn_at is None and slip.edition_on < newest.edition_on:
        raise Refused(
            f"版の日付が、いまの版（{newest.edition_on:%Y/%m/%d}）より前です。"
            "同じ日か後の日を入力してください。前の版に戻すときは、先にいまの版の掲載を終了してください。"
        )


def _sent_before(actor: Actor, slip: Slip, stored: vault.Stored) -> Document | None:
    """What the same person has already published with the same words and bytes, for the same offices."""
    for document in current():
        is_same = (document.label, document.edition_on) == (slip.label, slip.edition_on)
        if not is_same or document.stored.sha256 != stored.sha256 or document.published_by != actor.membership:
            continue
        chosen = {row.office_id for row in document.offices}
        if chosen == {office.id for office in slip.offices or ()} and document.is_for_all == (slip.offices is None):
            return document
    return None


def _insert(actor: Actor, slip: Slip, stored: vault.Stored, series: str) -> Document:
    document = Document.create(
        series=series,
        label=slip.label,
        edition_on=slip.edition_on,
        file_name=file_name(slip.label, slip.edition_on),
        stored=stored.keep(),
        is_for_all=slip.offices is None,
        published_by=actor.membership,
        published_at=actor.at,
    )
    for office in slip.offices or ():
        DocumentOffice.get_or_create(document=document, office=office)
    return document


def _edition(document: Document) -> dict[str, str]:
    return {"label": document.label, "edition_on": document.edition_on.isoformat()}
