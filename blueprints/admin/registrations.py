"""/admin/registrations: 届出受付, where the fund looks through registrations and accepts them."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import PasswordField
from wtforms.validators import Length

from blueprints import answers, fields, guards, uploads
from exchange import intake, invitations, permissions, registration_file
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from exchange.intake import Looked, UnreadableFile
from exchange.registration_columns import COLUMNS
from papers import Intake, Registration

bp = Blueprint("registrations", __name__, url_prefix="/admin/registrations")

OF_PASSWORD = ("PASSWORD_NEEDED", "WRONG_PASSWORD")  # errors of a file that are mended in the other field
FILE_STATES = {"open": ("確認中", "wait"), "registered": ("登録済", "done"), "discarded": ("破棄", "off")}
ONLINE_STATES = {
    "open": ("受付待ち", "wait"),
    "registered": ("登録済", "done"),
    "returned": ("差戻し", "stop"),
    "discarded": ("破棄", "off"),
}
LISTED = 20  # errors, and things to be looked at, that are named above the table


class FileForm(fields.Form):
    file = FileField("登録届のファイル", [FileRequired("登録届のファイルを選んでください。")])
    password = PasswordField("ZIPのパスワード", [Length(max=1024, message="ZIPのパスワードが長すぎます。")])
    token = fields.token()


class ReturnForm(fields.Form):
    reason = fields.reason("差戻しの理由", "事業所が開く入力画面に表示されます。", intake.REASON_LONGEST)


@bp.get("/")
def index() -> ResponseReturnValue:
    return _index_page(FileForm())


@bp.get("/form.csv")
def blank() -> ResponseReturnValue:
    form = registration_file.blank_form()
    return answers.download(iter([form]), "電子連携管理者登録届.csv", len(form), "registration.csv")


def _form_sink() -> uploads.InMemory:
    permissions.require(current_user.actor, "register")
    return uploads.InMemory(registration_file.FILE_BYTES)


@bp.post("/")
@uploads.takes_files(_form_sink)
def receive() -> ResponseReturnValue:
    form = FileForm()
    if not form.validate():
        return _index_page(form), 422
    name, data = uploads.clean_name(form.file.data.filename), bytes(request.sink.data or b"")
    try:
        kept = intake.receive(current_user.actor, data, name, form.password.data, form.token.data)
    except UnreadableFile as unreadable:
        _tell(form, unreadable.file)
        return _index_page(form), 422
    return redirect(url_for("registrations.file", uid=kept.uid), 303)


@bp.get("/files/<uid>")
def file(uid: str) -> ResponseReturnValue:
    """The table of its rows; for htmx the one row that is asked for, opened to be corrected."""
    found = guards.intake_or_404(uid)
    if request.htmx and "row" in request.args:
        row = guards.row_or_404(found, request.args["row"])
        return _rows_alone(found, [one for one in intake.looked_through(found) if one.registration == row], row.uid)
    return _file_page(found)


@bp.post("/files/<uid>/rows/<row_uid>")
def correct(uid: str, row_uid: str) -> ResponseReturnValue:
    found = guards.intake_or_404(uid)
    row = guards.row_or_404(found, row_uid)
    cells = [request.form.get(column.letter.lower(), "") for column in COLUMNS]
    before = {one.registration.uid: one.row for one in intake.looked_through(found)}
    refusal = ""
    try:
        intake.correct(current_user.actor, row, cells, request.form.get("seen", ""))
    except SomeoneWasFaster as faster:
        if not request.htmx:
            raise
        refusal = faster.message
    if not request.htmx:
        return redirect(url_for("registrations.file", uid=uid, shown=_shown(), _anchor=f"r-{row_uid}"), 303)
    # A number that is unique now may have been another row's error.
    rows = intake.looked_through(found)
    touched = [one for one in rows if one.row != before.get(one.registration.uid) or one.registration == row]
    touched.sort(key=lambda one: one.registration != row)
    return _rows_alone(found, touched, "", refusal, rows), 409 if refusal else 200


@bp.post("/files/<uid>/rows/<row_uid>/removal")
def leave_out(uid: str, row_uid: str) -> ResponseReturnValue:
    found = guards.intake_or_404(uid)
    row = guards.row_or_404(found, row_uid)
    intake.leave_out(current_user.actor, row, request.form.get("seen", ""))
    flash(f"{row.line}行目を取り除きました。この行は登録されません。", "success")
    return redirect(url_for("registrations.file", uid=uid), 303)


@bp.post("/files/<uid>/registration")
def register(uid: str) -> ResponseReturnValue:
    found = guards.intake_or_404(uid)
    try:
        intake.register(current_user.actor, found, request.form.get("seen", ""))
    except Forbidden:
        raise
    except Refused as refused:  # the page shows what is the matter, or that it is done
        flash(refused.message, "error")
    return redirect(url_for("registrations.file", uid=uid), 303)


@bp.post("/files/<uid>/removal")
def discard(uid: str) -> ResponseReturnValue:
    found = guards.intake_or_404(uid)
    intake.discard(current_user.actor, found)
    flash(f"「{found.file_name}」を破棄しました。1件も登録していません。", "success")
    return redirect(url_for("registrations.index"), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    return _detail_page(guards.registration_or_404(uid), ReturnForm())


@bp.post("/<uid>/acceptance")
def accept(uid: str) -> ResponseReturnValue:
    office = intake.accept(current_user.actor, guards.registration_or_404(uid))
    flash(f"{office.name} を登録しました。契約番号は {office.contract_number} です。", "success")
    return redirect(url_for("registrations.detail", uid=uid), 303)


@bp.post("/<uid>/return")
def send_back(uid: str) -> ResponseReturnValue:
    found, form = guards.registration_or_404(uid), ReturnForm()
    if not form.validate():
        return _detail_page(found, form), 422
    invitation = intake.send_back(current_user.actor, found, form.reason.data)
    told = f"{invitation.mail} へ、新しい招待コードをメールで送ります"
    flash(f"差し戻しました。{told}。理由は、事業所が開く入力画面に表示されます。", "success")
    return redirect(url_for("registrations.detail", uid=uid), 303)


def _index_page(form: FileForm) -> str:
    return render_template(
        "admin/registrations.html",
        form=form,
        is_file_lost=uploads.is_file_lost(form),
        max_bytes=registration_file.FILE_BYTES,
        longest=registration_file.RECORDS,
        waiting=list(intake.waiting_online()),
        files=intake.open_files(),
        decided_files=intake.decided_files(),
        decided_online=list(intake.decided_online()),
        file_states=FILE_STATES,
        online_states=ONLINE_STATES,
    )


def _tell(form: FileForm, file: registration_file.RegistrationFile) -> None:
    """What is wrong with the whole file, at the field where it is mended."""
    for error in file.errors:
        field = form.password if error.code in OF_PASSWORD else form.file
        field.errors = [*field.errors, error.message]


def _file_page(found: Intake) -> str:
    rows = intake.looked_through(found) if found.state == "open" else []
    return render_template(
        "admin/registrations_file.html",
        intake=found,
        rows=[one for one in rows if one.row.errors] if _shown() else rows,
        editing=request.args.get("row", ""),
        registered=list(intake.offices_of(found)) if found.state == "registered" else [],
        states=FILE_STATES,
        timeline=answers.timeline(found, current_user.member),
        **_summary(rows),
    )


def _rows_alone(
    found: Intake, rows: list[Looked], editing: str, refusal: str = "", everything: list[Looked] | None = None
) -> str:
    """Rows for htmx, the first in its place, the others and the summary out of band."""
    summary = _summary(everything) if everything is not None else {}
    return render_template(
        "admin/_registration_rows.html", intake=found, rows=rows, editing=editing, refusal=refusal, **summary
    )


def _summary(rows: list[Looked]) -> dict[str, Any]:
    wrong, odd = [one for one in rows if one.row.errors], [one for one in rows if one.row.warnings]
    return {
        "shown": _shown(),
        "total": len(rows),
        "wrong": len(wrong),
        "odd": len(odd),
        "errors": [(one, field) for one in wrong for field in one.fields if field.errors][:LISTED],
        "warnings": [(one, field) for one in odd for field in one.fields if field.warnings][:LISTED],
        "listed": LISTED,
        "error_count": sum(len(one.row.errors) for one in wrong),
        "seen": intake.seen_of(rows),
    }


def _shown() -> str | None:
    """Which rows are shown: all, or those with errors."""
    return "errors" if request.args.get("shown") == "errors" else None


def _detail_page(found: Registration, form: ReturnForm) -> str:
    looked = intake.look_at(found)
    return render_template(
        "admin/registrations_detail.html",
        registration=found,
        looked=looked,
        form=form,
        states=ONLINE_STATES,
        returned_kept=invitations.RETURNED_KEPT.days,
        timeline=answers.timeline(found, current_user.member),
    )
