"""Answers that several pages give: a document as a download, its Japanese file name, a table that Excel opens, the
timeline of a transfer, what its inspection says; an address that is only hinted at.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol
from urllib.parse import quote

from flask import Response, make_response, render_template, request, stream_with_context, url_for

from blueprints import deeds
from exchange import spreadsheet
from models import AuditEntry, Membership, Transfer

PICKED_UP = ("statement.requested", "statement.received")


class HasTimeline(Protocol):
    """A row that tells what happened to it."""

    def timeline(self) -> Any: ...


# An answer to htmx that takes the place of the whole page's main part, not of the small one that asked.
WHOLE_PAGE = {"HX-Retarget": "main", "HX-Reswap": "outerHTML", "HX-Reselect": "main"}


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
    job = transfer.inspection.job
    transfer.inspection_row = transfer.inspections.get()  # read after its job: one that is done has left its verdict
    return {
        "transfer": transfer,
        "inspection": transfer.inspection,
        "job": job,
        "inspection_url": url_for(f"{blueprint}.inspection", uid=transfer.uid),
    }


def inspection_alone(transfer: Transfer, blueprint: str) -> Response:
    """The fragment that redraws itself; once it is over, the whole page."""
    response = make_response(render_template("files/_inspection.html", **inspection(transfer, blueprint)))
    if transfer.inspection.is_over and request.headers.get("HX-Request"):
        response.headers["HX-Refresh"] = "true"  # the buttons that wait for the verdict stand outside this fragment
    return response


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
