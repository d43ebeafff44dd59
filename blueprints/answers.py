"""Answers that several pages give: a document as a download, its Japanese file name, the timeline of a transfer, what
its inspection says.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import quote

from flask import Response, make_response, render_template, request, stream_with_context, url_for

from models import AuditEntry, Membership, Transfer

ACTION_LABELS = {
    "uploaded": "登録",
    "inspected": "検査",
    "approved": "承認",
    "delivered": "配信",
    "returned": "差戻し",
    "cancelled": "取消",
    "recalled": "引き戻し",
    "completed": "処理完了",
    "rejected": "不受理",
    "requested": "受取要求",
    "window_closed": "受取期間の終了",
    "downloaded": "ZIPの保存",
    "entry_opened": "ファイルを開いた",
    "sent_whole": "送信完了",
}
RECEIVED = {"filing": "受領", "statement": "ダウンロード"}
PICKED_UP = ("statement.requested", "statement.received")
VERDICTS = {"accept": "問題なし", "warn": "注意あり", "reject": "不備あり"}


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


def timeline(transfer: Transfer, viewer: Membership) -> list[dict[str, Any]]:
    """The audit entries about a transfer in words. From where somebody came is shown to his own side only."""
    return [_moment(transfer, entry, viewer) for entry in transfer.timeline()]


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


def _moment(transfer: Transfer, entry: AuditEntry, viewer: Membership) -> dict[str, Any]:
    is_own_side = entry.is_of_side(viewer)
    return {
        "at": entry.at,
        "who": entry.who_to(viewer),
        "device": entry.device.label if entry.device and is_own_side else "",
        "address": entry.address if is_own_side else "",
        "label": _label(transfer, entry.action),
        "is_pickup": entry.action in PICKED_UP,
        "facts_text": _facts(entry.details),
    }


def _label(transfer: Transfer, action: str) -> str:
    event = action.partition(".")[2]
    return RECEIVED[transfer.direction] if event == "received" else ACTION_LABELS[event]


def _facts(details: dict[str, Any]) -> str:
    if details.get("reason"):
        return f"理由：{details['reason']}"
    if "verdict" in details:
        return VERDICTS[details["verdict"]]
    if details.get("replaces"):
        return f"差し戻された {details['replaces']} の出し直し"
    if "bytes" in details:
        return f"{details['bytes']:,} バイト"
    return ""
