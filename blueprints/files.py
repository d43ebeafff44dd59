"""/files: an office's filings on their way out, the fund's statements on their way in."""

from collections.abc import Callable

from flask import Blueprint, current_app, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField

from blueprints import answers, fields, guards, moves, paging, uploads
from exchange import permissions, pickups, settings, transfers
from exchange.actors import Actor
from exchange.errors import Refused
from models import FILING, STATEMENT, Transfer

bp = Blueprint("files", __name__, url_prefix="/files")

# Moves for checked rows, with the words they need.
BULK = {
    "approve": ("承認", ("approve",)),
    "deliver": ("配信", ("deliver",)),
    "approve_and_deliver": ("承認して配信", ("approve", "deliver")),
    "send_back": ("差戻し", ("approve",)),
    "cancel": ("取消", ("cancel",)),
}


class UploadForm(fields.Form):
    kind = fields.kind(FILING)
    period = fields.period()
    note = fields.note()
    token = fields.token()
    replaces = HiddenField()
    file = FileField(
        "パスワード付きZIP", [FileRequired("ファイルが選ばれていません。パスワード付きZIPを選んでください。")]
    )


class ReasonForm(fields.Form):
    reason = fields.reason("差戻しの理由")


@bp.get("/")
def outgoing() -> ResponseReturnValue:
    return _list(FILING, "files/outgoing.html")


@bp.get("/statements")
def incoming() -> ResponseReturnValue:
    return _list(STATEMENT, "files/incoming.html")


@bp.get("/upload")
def upload_form() -> ResponseReturnValue:
    permissions.require(current_user.actor, "upload")
    return _upload_page(UploadForm(data={"replaces": request.args.get("replaces", "")}))


def _upload_sink() -> uploads.OneFile:
    permissions.require(current_user.actor, "upload")
    return uploads.OneFile(current_app.config["MAX_FILE_BYTES"])


@bp.post("/upload")
@uploads.takes_files(_upload_sink)
def upload() -> ResponseReturnValue:
    form = UploadForm()
    if not form.validate() or request.sink.receiving is None:
        return _upload_page(form), 422
    slip = fields.slip(form, FILING, uploads.clean_name(form.file.data.filename))
    transfer = transfers.upload(current_user.actor, request.sink.receiving, slip, _replaced(form))
    flash(f"アップロードしました。受付番号は {transfer.receipt_number} です。検査が終わると承認できます。", "success")
    return redirect(url_for("files.detail", uid=transfer.uid), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    return _detail_page(guards.transfer_or_404(uid))


@bp.get("/<uid>/inspection")
def inspection(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid)
    response = make_response(render_template("files/_inspection.html", **inspection_context(transfer, "files")))
    if transfer.inspection.is_over and request.htmx:
        response.headers["HX-Refresh"] = "true"  # the buttons that wait for the verdict stand outside this fragment
    return response


@bp.get("/<uid>/return")
def return_form(uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "approve")
    return render_template("files/return.html", form=ReasonForm(), transfer=guards.transfer_or_404(uid, FILING))


@bp.post("/<uid>/return")
def send_back(uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "approve")
    transfer, form = guards.transfer_or_404(uid, FILING), ReasonForm()
    if not form.validate():
        return render_template("files/return.html", form=form, transfer=transfer), 422
    return _do(transfer, "send_back", lambda actor, it: transfers.send_back(actor, it, form.reason.data))


@bp.post("/<uid>/pickup")
def pickup(uid: str) -> ResponseReturnValue:
    return _do(guards.transfer_or_404(uid, STATEMENT), "request_pickup", pickups.request_pickup)


@bp.post("/<uid>/download")
def download(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid)
    hand_out = pickups.copy if transfer.is_filing else pickups.download
    pieces = hand_out(current_user.actor, transfer)
    return answers.download(pieces, transfer.file_name, transfer.size, f"transfer-{transfer.receipt_number}.zip")


@bp.post("/<uid>/<any('approval', 'delivery', 'approved-delivery', 'cancellation', 'recall'):noun>")
def move(uid: str, noun: str) -> ResponseReturnValue:
    verb = moves.VERBS[noun]
    return _do(guards.transfer_or_404(uid, FILING), verb, moves.SIMPLE[verb])


@bp.post("/selection")
def selection() -> ResponseReturnValue:
    """The same move for every checked row; each stands for itself, and what could not be done is said by its number."""
    verb = moves.VERBS.get(request.form.get("verb", ""), "")
    if verb not in BULK:
        raise Refused("操作が選ばれていません。行を選んでからボタンを押してください。")
    chosen = [guards.transfer_or_404(uid, FILING) for uid in dict.fromkeys(request.form.getlist("uid"))]
    if not chosen:
        flash("行が選ばれていません。左の欄で選んでからボタンを押してください。", "warning")
    for transfer in chosen:
        _do_selected(transfer, verb, request.form.get("reason", ""))
    return redirect(url_for("files.outgoing"), 303)


def _do_selected(transfer: Transfer, verb: str, reason: str) -> None:
    try:
        if verb == "send_back":
            transfers.send_back(current_user.actor, transfer, reason)
        else:
            moves.SIMPLE[verb](current_user.actor, transfer)
        flash(f"{transfer.receipt_number}：{moves.DONE[verb]}", "success")
    except Refused as refused:
        flash(f"{transfer.receipt_number}：{refused.message}", "error")


def inspection_context(transfer: Transfer, blueprint: str) -> dict[str, object]:
    """What _inspection.html needs, here and on the fund's side."""
    return {
        "transfer": transfer,
        "inspection": transfer.inspection,
        "job": transfer.inspection.job,
        "inspection_url": url_for(f"{blueprint}.inspection", uid=transfer.uid),
    }


def _list(direction: str, template: str) -> ResponseReturnValue:
    member, state = current_user.member, request.args.get("state", "")
    counts = Transfer.counts(member, direction)
    pager = paging.page_of(Transfer.listed(member, direction, state), paging.total_of(counts, state))
    return render_template(
        template,
        pager=pager,
        items=pager.items,
        counts=counts,
        state=state,
        moves={transfer.uid: _buttons(transfer) for transfer in pager.items},
        may_select=[
            {"verb": moves.NOUNS[verb], "label": label, "needs_reason": verb == "send_back"}
            for verb, (label, words) in BULK.items()
            if current_user.held.issuperset(words)
        ],
    )


def _upload_page(form: UploadForm) -> str:
    max_bytes = current_app.config["MAX_FILE_BYTES"]
    return render_template("files/upload.html", form=form, max_bytes=max_bytes, replaced=_replaced(form))


def _detail_page(transfer: Transfer) -> str:
    return render_template(
        "files/detail.html",
        **inspection_context(transfer, "files"),
        entries=transfer.inspection.entries,
        timeline=answers.timeline(transfer, current_user.member),
        next_moves=_buttons(transfer),
        replaced_by=transfer.replacement,
        window_ends_at=pickups.window_ends_at(transfer),
        pickup_days=settings.get("pickup_days"),
        may_download=transfer.is_filing and current_user.may("download"),
    )


def _do(transfer: Transfer, verb: str, act: Callable[[Actor, Transfer], None]) -> ResponseReturnValue:
    """One move; the answer is the row for htmx, the page it came from otherwise."""
    if not request.htmx:
        act(current_user.actor, transfer)
        flash(f"受付番号 {transfer.receipt_number}：{moves.DONE[verb]}", "success")
        return redirect(url_for("files.detail", uid=transfer.uid), 303)
    try:
        act(current_user.actor, transfer)
        message, status = moves.DONE[verb], 200
    except Refused as refused:
        message, status = refused.message, refused.status
    fresh = guards.transfer_or_404(transfer.uid)
    row = render_template(
        "files/_row.html", transfer=fresh, moves={fresh.uid: _buttons(fresh)}, message=message, is_refused=status != 200
    )
    return row, status


def _buttons(transfer: Transfer) -> list[dict[str, object]]:
    base = url_for("files.detail", uid=transfer.uid)
    return moves.buttons(current_user.actor, current_user.held, transfer, base, to="基金事務局")


def _replaced(form: UploadForm) -> Transfer | None:
    return guards.transfer_or_404(form.replaces.data, FILING) if form.replaces.data else None
