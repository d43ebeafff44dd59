"""/admin/statements: the fund's clerks make, check and deliver 帳票."""

from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileRequired, MultipleFileField
from wtforms import StringField
from wtforms.validators import Length

from blueprints import answers, fields, guards, moves, paging, uploads
from exchange import normalise, permissions, pickups, settings, statements
from models import STATEMENT, Office, Transfer

bp = Blueprint("statements", __name__, url_prefix="/admin/statements")

TITLE_LONGEST = 80


class StatementForm(fields.Form):
    kind = fields.kind(STATEMENT)
    period = fields.period()
    title = StringField(
        "ファイル名",
        [Length(max=TITLE_LONGEST, message=f"ファイル名は{TITLE_LONGEST}文字までで入力してください。")],
        [fields.cleaned(normalise.text)],
    )
    note = fields.note()
    token = fields.token()
    file = MultipleFileField("添付するファイル", [FileRequired("ファイルが選ばれていません。1つ以上選んでください。")])


@bp.get("/")
def index() -> ResponseReturnValue:
    second_clerk = settings.get("statement_second_clerk")
    return render_template("admin/statements.html", **paging.transfers(STATEMENT), second_clerk=second_clerk)


@bp.get("/new")
def choose_office() -> ResponseReturnValue:
    permissions.require(current_user.actor, "prepare")
    search = normalise.text(request.args.get("q", ""))
    pager = paging.page_of(Office.choices(search), Office.open_ones(search).count())
    return render_template("admin/statement_office.html", pager=pager, offices=pager.items, q=search)


@bp.get("/new/<office_uid>")
def form(office_uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "prepare")
    return _form_page(guards.office_or_404(office_uid), StatementForm())


def _packing_sink(office_uid: str) -> uploads.IntoArchive:
    permissions.require(current_user.actor, "prepare")
    return uploads.IntoArchive(
        statements.Packing(guards.office_or_404(office_uid), current_app.config["MAX_FILE_BYTES"])
    )


@bp.post("/new/<office_uid>")
@uploads.takes_files(_packing_sink)
def prepare(office_uid: str) -> ResponseReturnValue:
    office, form = guards.office_or_404(office_uid), StatementForm()
    if not form.validate():
        return _form_page(office, form), 422
    title = uploads.clean_name(form.title.data)
    slip = fields.slip(form, STATEMENT, f"{title}.zip" if title else "")
    transfer = statements.prepare(current_user.actor, request.sink.packing, slip)
    flash(f"{office.name} あての帳票を作成しました。受付番号は {transfer.receipt_number} です。", "success")
    return redirect(url_for("statements.detail", uid=transfer.uid), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, STATEMENT)
    timeline = answers.timeline(transfer, current_user.member)
    return render_template(
        "admin/statement_detail.html",
        **answers.inspection(transfer, "statements"),
        entries=transfer.inspection.entries,
        timeline=timeline,
        readers=[moment for moment in timeline if moment["is_pickup"]],
        next_moves=_buttons(transfer),
        window_ends_at=pickups.window_ends_at(transfer),
        may_download=pickups.may_copy(current_user.actor, transfer, current_user.held),
    )


@bp.get("/<uid>/inspection")
def inspection(uid: str) -> ResponseReturnValue:
    return answers.inspection_alone(guards.transfer_or_404(uid, STATEMENT), "statements")


@bp.post("/<uid>/rescan")
def rescan(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, STATEMENT)
    return answers.ask_rescan(transfer, "statements")


@bp.post("/<uid>/<any('approval', 'delivery', 'approved-delivery', 'cancellation', 'recall'):noun>")
def move(uid: str, noun: str) -> ResponseReturnValue:
    transfer, verb = guards.transfer_or_404(uid, STATEMENT), moves.VERBS[noun]
    moves.SIMPLE[verb](current_user.actor, transfer)
    flash(f"{transfer.office.name}：{moves.DONE[verb]}", "success")
    return redirect(url_for("statements.detail", uid=uid), 303)


@bp.post("/<uid>/download")
def download(uid: str) -> ResponseReturnValue:
    transfer = guards.transfer_or_404(uid, STATEMENT)
    pieces = pickups.copy(current_user.actor, transfer)
    return answers.whole(pieces, transfer)


def _form_page(office: Office, form: StatementForm) -> str:
    max_bytes = current_app.config["MAX_FILE_BYTES"]
    is_file_lost = uploads.is_file_lost(form)
    return render_template(
        "admin/statement_form.html", office=office, form=form, max_bytes=max_bytes, is_file_lost=is_file_lost
    )


def _buttons(transfer: Transfer) -> list[dict[str, object]]:
    base = url_for("statements.detail", uid=transfer.uid)
    return moves.buttons(current_user.actor, current_user.held, transfer, base, to=transfer.office.name)
