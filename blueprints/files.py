"""/files: an office's filings on their way out, the fund's statements on their way in."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField

from blueprints import answers, fields, guards, moves, paging, uploads
from exchange import (
    archive_passwords,
    archives,
    arrivals,
    lists,
    permissions,
    pickups,
    quarantine,
    settings,
    transfers,
)
from exchange.actors import Actor
from exchange.errors import Refused
from models import FILING, STATEMENT, ArchivePassword, Transfer

bp = Blueprint("files", __name__, url_prefix="/files")


class UploadForm(fields.Form):
    kind = fields.kind(FILING)
    period = fields.period()
    note = fields.note()
    token = fields.token()
    replaces = HiddenField()
    file = FileField("送るファイル", [FileRequired("ファイルが選ばれていません。送るファイルを選んでください。")])


class ReasonForm(fields.Form):
    reason = fields.reason("差戻しの理由")


@bp.get("/")
def outgoing() -> ResponseReturnValue:
    return _outgoing(ReasonForm())


@bp.get("/statements")
def incoming() -> ResponseReturnValue:
    found = paging.transfers(STATEMENT)
    return render_template("files/incoming.html", **found, moves=_buttons_of(found["items"]), can_tick=False)


@bp.get("/everywhere")
def everywhere() -> ResponseReturnValue:
    """One list over all offices of the person. It opens nothing: a document is known only at its own office."""
    places = [place for place in current_user.places if place.office_id]
    if len(places) < 2:
        return redirect(url_for("files.outgoing"), 303)
    direction = STATEMENT if request.args.get("direction") == STATEMENT else FILING
    g.direction = direction  # which of the two lists the menu marks
    found = paging.transfers(direction, places=places)
    place_of = {place.office_id: place for place in places}
    return render_template("files/everywhere.html", **found, direction=direction, place_of=place_of)


@bp.get("/upload")
def upload_form() -> ResponseReturnValue:
    permissions.require(current_user.actor, "upload")
    uid = request.args.get("replaces", "")
    if not uid:
        return _upload_page(UploadForm())
    old = guards.transfer_or_404(uid, FILING)
    before = {"replaces": uid, "kind": old.kind.code, "period": old.period, "note": old.note}
    return _upload_page(UploadForm(data=before))


def _upload_sink() -> uploads.OneFile:
    permissions.require(current_user.actor, "upload")
    return uploads.OneFile(current_app.config["MAX_FILE_BYTES"], arrivals.IncomingZip)


@bp.post("/upload")
@uploads.takes_files(_upload_sink)
def upload() -> ResponseReturnValue:
    form = UploadForm()
    if not form.validate() or request.sink.receiving is None:
        return _upload_page(form), 422
    slip = fields.slip(form, FILING, uploads.clean_name(form.file.data.filename))
    try:
        transfer = arrivals.upload(current_user.actor, request.sink.receiving, slip, _replaced(form))
    except arrivals.NoZip as refused:
        form.file.errors = [refused.message]
        return _upload_page(form), 422
    flash(f"アップロードしました。受付番号は {transfer.receipt_number} です。", "success")
    return redirect(url_for("files.detail", uid=transfer.uid), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    return _detail_page(guards.transfer_or_404(uid))


@bp.get("/<uid>/inspection")
def inspection(uid: str) -> ResponseReturnValue:
    return answers.inspection_alone(guards.transfer_or_404(uid), "files")


@bp.post("/<uid>/rescan")
def rescan(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid)
    return answers.ask_rescan(transfer, "files")


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
    return answers.whole(pieces, transfer)


@bp.post("/<uid>/<any('approval', 'delivery', 'approved-delivery', 'cancellation', 'recall'):noun>")
def move(uid: str, noun: str) -> ResponseReturnValue:
    verb = moves.VERBS[noun]
    return _do(guards.transfer_or_404(uid, FILING), verb, moves.SIMPLE[verb])


@bp.post("/selection")
def selection() -> ResponseReturnValue:
    """The same move for every checked row; each stands for itself, and what came of it is said by its number."""
    verb = moves.VERBS.get(request.form.get("verb", ""), "")
    if verb not in moves.MANY:
        raise Refused("操作が選ばれていません。行を選んでからボタンを押してください。")
    chosen = [guards.transfer_or_404(uid, FILING) for uid in dict.fromkeys(request.form.getlist("uid"))]
    form = ReasonForm()
    if not chosen:
        flash("行が選ばれていません。左の欄で選んでからボタンを押してください。", "warning")
    elif verb == "send_back" and not form.validate():
        return _outgoing(form, frozenset(transfer.uid for transfer in chosen)), 422
    else:
        outcomes = [(one, *_do_selected(one, verb, form.reason.data or "")) for one in chosen]
        flash(*moves.told_of_many(verb, outcomes))
    return redirect(url_for("files.outgoing", **paging.here()), 303)


def _do_selected(transfer: Transfer, verb: str, reason: str) -> tuple[bool, str]:
    """Whether it was done, and the sentence about it."""
    verb = moves.LEFT_OF.get((verb, transfer.state), verb)
    try:
        if verb == "send_back":
            transfers.send_back(current_user.actor, transfer, reason)
        else:
            moves.SIMPLE[verb](current_user.actor, transfer)
    except Refused as refused:
        return False, refused.message
    return True, moves.DONE[verb]


def _outgoing(form: ReasonForm, ticked: frozenset[str] = frozenset()) -> str:
    """The list of filings; with what is wrong in `form`, and the rows that were `ticked`, after a refused 差戻し."""
    found = paging.transfers(FILING, "files.outgoing")
    many, row_states = _for_many(), lists.PARTED.get(found["state"], (found["state"],))
    return render_template(
        "files/outgoing.html",
        **found,
        moves=_buttons_of(found["items"]),
        may_select=many,
        # Rows in some states have no acts, and never get one while the page stands.
        can_tick=bool(many) and not all(state and moves.is_settled(FILING, state) for state in row_states),
        form=form,
        ticked=ticked,
        here=paging.here(),
    )


def _for_many() -> list[dict[str, Any]]:
    return moves.for_many(current_user.held, FILING, to=settings.get("fund_name"))


def _upload_page(form: UploadForm) -> str:
    password = current_user.member.office.current_archive_password()
    return render_template(
        "files/upload.html",
        form=form,
        max_bytes=current_app.config["MAX_FILE_BYTES"],
        max_unpacked=current_app.config["MAX_UNPACKED_BYTES"],
        max_entries=archives.Limits.entries,
        proof_archive=_proof_archive(password) if password else "",
        replaced=_replaced(form),
        is_file_lost=uploads.is_file_lost(form),
    )


def _detail_page(transfer: Transfer) -> str:
    buttons = _buttons(transfer)
    may_copy = pickups.may_copy(current_user.actor, transfer, current_user.held)
    may_open = transfer.is_inspected() and (may_copy or any(button["gives_file"] for button in buttons))
    return render_template(
        "files/detail.html",
        **answers.inspection(transfer, "files"),
        entries=transfer.inspection.entries,
        timeline=answers.timeline(transfer, current_user.member),
        next_moves=buttons,
        next_step=moves.what_next(transfer, buttons, current_user.held) if transfer.is_filing else "",
        is_own=transfer.uploaded_by == current_user.member,
        replaced_by=transfer.replacement,
        window_ends_at=pickups.window_ends_at(transfer),
        pickup_days=settings.get("pickup_days"),
        may_download=may_copy,
        proof_archive=_proof_archive(transfer.archive_password) if may_open else "",
    )


def _proof_archive(password: ArchivePassword) -> str:
    """What the page proves a typed 圧縮パスワード with, as base64."""
    return b64encode(archive_passwords.proof_archive(password)).decode()


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
        "files/_row.html",
        transfer=fresh,
        moves=_buttons_of([fresh]),
        can_tick=bool(_for_many()),
        message=message,
        is_refused=status != 200,
    )
    return row, status


def _buttons_of(rows: list[Transfer]) -> dict[str, list[dict[str, Any]]]:
    strict = quarantine.is_strict()
    return {transfer.uid: _buttons(transfer, strict) for transfer in rows}


def _buttons(transfer: Transfer, strict: bool | None = None) -> list[dict[str, Any]]:
    base = url_for("files.detail", uid=transfer.uid)
    return moves.buttons(current_user.actor, current_user.held, transfer, base, to="基金事務局", strict=strict)


def _replaced(form: UploadForm) -> Transfer | None:
    return guards.transfer_or_404(form.replaces.data, FILING) if form.replaces.data else None
