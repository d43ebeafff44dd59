"""/admin/inbox: the fund's clerks open, keep and finish what offices have delivered."""

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from blueprints import answers, fields, guards, moves, paging
from exchange import archives, permissions, pickups, transfers
from models import FILING, Transfer

bp = Blueprint("inbox", __name__, url_prefix="/admin/inbox")


class RejectForm(fields.Form):
    reason = fields.reason("不受理の理由")


@bp.get("/")
def index() -> ResponseReturnValue:
    return render_template("admin/inbox.html", **paging.transfers(FILING))


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    return _page(guards.transfer_or_404(uid, FILING), RejectForm())


@bp.get("/<uid>/inspection")
def inspection(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, FILING)
    is_sealed = transfer.state not in transfers.OPENED
    return answers.inspection_alone(transfer, "inbox", is_sealed=is_sealed, show_entries=False)


@bp.post("/<uid>/rescan")
def rescan(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, FILING)
    return answers.ask_rescan(transfer, "inbox")


@bp.post("/<uid>/<any('opening', 'completion'):noun>")
def move(uid: str, noun: str) -> ResponseReturnValue:
    transfer, verb = guards.transfer_or_404(uid, FILING), moves.VERBS[noun]
    moves.SIMPLE[verb](current_user.actor, transfer)
    flash(moves.DONE[verb], "success")
    return redirect(url_for("inbox.detail", uid=uid), 303)


@bp.post("/<uid>/rejection")
def reject(uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "receive")
    transfer, form = guards.transfer_or_404(uid, FILING), RejectForm()
    if not form.validate():
        return _page(transfer, form), 422
    transfers.reject(current_user.actor, transfer, form.reason.data)
    flash(moves.DONE["reject"], "success")
    return redirect(url_for("inbox.detail", uid=uid), 303)


@bp.post("/<uid>/download")
def download(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, FILING)
    pieces = pickups.copy(current_user.actor, transfer)
    return answers.whole(pieces, transfer)


@bp.post("/<uid>/entries/<int:number>")
def open_entry(uid: str, number: int) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, FILING)
    limits = archives.Limits(unpacked=current_app.config["MAX_UNPACKED_BYTES"])
    pieces = pickups.open_entry(current_user.actor, transfer, number, limits)
    entry = transfer.inspection.entries[number]
    name = entry["name"].rsplit("/", 1)[-1]
    return answers.download(pieces, name, entry["size"], f"entry-{number}")


def _page(transfer: Transfer, reject_form: RejectForm) -> str:
    base = url_for("inbox.detail", uid=transfer.uid)
    is_opened = transfer.state in transfers.OPENED
    entries = [
        {"index": number, "url": f"{base}/entries/{number}", **entry}
        for number, entry in enumerate(transfer.inspection.entries if is_opened else [])
    ]
    return render_template(
        "admin/inbox_detail.html",
        **answers.inspection(transfer, "inbox"),
        entries=entries,
        is_opened=is_opened,
        reject_question=moves.question("reject", transfer, to=transfer.office.name),
        timeline=answers.timeline(transfer, current_user.member),
        next_moves=moves.buttons(current_user.actor, current_user.held, transfer, base, to=transfer.office.name),
        is_sealed=not is_opened,
        may_download=pickups.may_copy(current_user.actor, transfer, current_user.held),
        may_open=pickups.may_open(current_user.actor, transfer, current_user.held),
        reject_form=reject_form,
    )
