"""Answers that several pages give: a document as a download, its Japanese file name, a table that Excel opens, the
timeline of a transfer, what its inspection says; an address that is only hinted at.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol
from urllib.parse import quote

from flask import Response, flash, make_response, redirect, render_template, request, stream_with_context, url_for
from flask_login import current_user

from blueprints import deeds, findings
from exchange import quarantine, rescans, scan_ages, scanner, spreadsheet
from exchange.errors import Forbidden, Refused
from exchange.quarantine import Needs
from models import AuditEntry, Inspection, Membership, Transfer

PICKED_UP = ("statement.requested", "statement.received")


class HasTimeline(Protocol):
    """A row that tells what happened to it."""

    def timeline(self) -> Any: ...


# An answer to htmx that takes the place of the whole page's main part, not of the small one that asked.
WHOLE_PAGE = {"HX-Retarget": "main", "HX-Reswap": "outerHTML", "HX-Reselect": "main"}
WHOLE_INSPECTION = {"HX-Retarget": "#inspection", "HX-Reswap": "outerHTML", "HX-Reselect": "#inspection"}


def download(pieces: Iterator[bytes], name: str, size: int | None, fallback: str) -> Response:
    """A document, streamed as an attachment. `fallback` is the ASCII name for programs that don't read `filename*`."""
    first = next(pieces, b"")  # what can't be opened is an error page, not a file that breaks off
    response = Response(stream_with_context(chain([first], pieces)), mimetype="application/octet-stream")
    response.headers["Content-Disposition"] = (
        f"attachment; filename=\"{fallback}\"; filename*=UTF-8''{quote(name, safe='')}"
    )
    if name.lower().endswith(".zip"):
        response.mimetype = "application/zip"
    if size is not None:
        response.content_length = size
    return response


def whole(pieces: Iterator[bytes], transfer: Transfer) -> Response:
    """The ZIP of a transfer, and called nothing else: whoever uploaded it must not choose what opens it."""
    name = transfer.file_name.rstrip(". ")
    name = name if name.lower().endswith(".zip") else f"{name}.zip"
    return download(pieces, name, transfer.size, f"transfer-{transfer.receipt_number}.zip")


def table(rows: Iterable[Sequence[str]], name: str, fallback: str) -> Response:
    """Rows as a CSV that Excel opens. `name`, `fallback`: of the file, without `.csv`."""
    response = download(spreadsheet.as_csv(rows), f"{name}.csv", None, f"{fallback}.csv")
    response.mimetype = "text/csv"
    return response


def timeline(about: HasTimeline, viewer: Membership) -> list[dict[str, Any]]:
    """The audit entries about something in words. From where somebody came is shown to his own side only."""
    return moments(about.timeline(), viewer)


def moments(entries: Iterable[AuditEntry], viewer: Membership) -> list[dict[str, Any]]:
    """The same of any entries."""
    return [_moment(entry, viewer) for entry in entries]


def inspection(transfer: Transfer, blueprint: str) -> dict[str, Any]:
    """What _inspection.html needs, on a page of that blueprint."""
    first, again = transfer.inspection.job, rescans.under_way(transfer)
    # Read after its jobs: one that is done has left its word.
    transfer.inspection_row = row = transfer.inspections.get()
    is_rescanning = row.is_over and again is not None
    here, may_ask = {"uid": transfer.uid}, rescans.may_ask(current_user.actor, transfer, current_user.held)
    return {
        "transfer": transfer,
        "inspection": row,
        "job": again if is_rescanning else first,
        "is_rescanning": is_rescanning,
        "is_polling": is_rescanning or not row.is_over,
        "findings": findings.lines(row, current_user.is_office),
        "why_held": _why_held(transfer, row),
        "is_unscanned": row.is_over and (row.scan or {}).get("verdict") == "not_scanned",
        "steps": quarantine.what_to_do(transfer, quarantine.side_of(current_user.actor)),
        "inspection_url": url_for(f"{blueprint}.inspection", **here, seen=_word_of(row)),
        "rescan_url": url_for(f"{blueprint}.rescan", **here) if may_ask and not is_rescanning else "",
    }


def inspection_alone(transfer: Transfer, blueprint: str, **more: Any) -> Response:
    """The fragment that redraws itself; once its word is another than the page has `seen`, the whole page.

    A rescan that changes nothing else leaves the page alone, since somebody may be typing there.
    """
    facts = inspection(transfer, blueprint)
    response = make_response(render_template("files/_inspection.html", **facts, **more))
    if facts["is_polling"] or not request.headers.get("HX-Request"):
        return response
    if request.args.get("seen") != _word_of(facts["inspection"]):
        response.headers["HX-Refresh"] = "true"  # the buttons that wait for the verdict stand outside this fragment
    else:
        response.headers.extend(WHOLE_INSPECTION)
    return response


def ask_rescan(transfer: Transfer, blueprint: str) -> Response:
    """「ウイルス検査をやり直す」, and to the page about it, which shows how far that is or why it can't be now."""
    try:
        rescans.ask_rescan(current_user.actor, transfer)
    except Forbidden:
        raise
    except Refused as refused:
        flash(refused.message, "info")
    else:
        flash(*((RESCANNING, "info") if scanner.health().is_up else (_nobody_answers(transfer), "warning")))
    return redirect(url_for(f"{blueprint}.detail", uid=transfer.uid, _anchor="inspection"), 303)


RESCANNING = "ウイルス検査をやり直しています。終わると、結果が「検査の結果」に表示されます。"
NOBODY_ANSWERS = "ウイルス検査のプログラムが、いま応答していません。"
COMES_BY_ITSELF = "依頼は受け付けました。応答が戻ると、10分ほどのうちに自動で検査し、結果をここに表示します。"
COMES_NOT = "いまの検査の結果は、このまま変わりません。しばらくしてから、同じボタンをもう一度押してください。"


def _nobody_answers(transfer: Transfer) -> str:
    """With what comes next: the worker asks again by itself only where something is missing and somebody waits."""
    has_result = (transfer.inspection.scan or {}).get("verdict") == "clean"
    is_asked_again = transfer.state in scan_ages.AT_WORK and not has_result
    return NOBODY_ANSWERS + (COMES_BY_ITSELF if is_asked_again else COMES_NOT)


def _why_held(transfer: Transfer, row: Inspection) -> str:
    """Why nothing may be done until the scanner has looked, as the fund wants it; "" otherwise."""
    is_good = row.state in ("passed", "warned")
    return quarantine.why_not(transfer, Needs.SCANNED, current_user.actor, row) if is_good else ""


def _word_of(row: Inspection) -> str:
    """What of an inspection the buttons around it depend on."""
    return f"{row.state}-{(row.scan or {}).get('verdict', '')}"


def masked(address: str) -> str:
    """`ta****@abc-shoji.example`: enough for its owner to know it again; nothing of no address."""
    name, at, domain = address.partition("@")
    return f"{name[:2]}{'*' * max(2, len(name) - 2)}{at}{domain}" if address else ""


def _moment(entry: AuditEntry, viewer: Membership) -> dict[str, Any]:
    is_own_side = entry.is_of_side(viewer)
    return {
        "at": entry.at,
        "who": entry.who_to(viewer),
        "device": entry.device.label if entry.device and is_own_side else "",
        "address": entry.address if is_own_side else "",
        "label": deeds.label(entry.action),
        "is_pickup": entry.action in PICKED_UP,
        "facts_text": deeds.text(entry.action, entry.details),
    }
