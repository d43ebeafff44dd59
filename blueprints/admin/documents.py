"""/admin/documents: the manuals and notices at the download counter, and who fetched them."""

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField, RadioField, SelectMultipleField, StringField
from wtforms.validators import ValidationError

from blueprints import answers, confirming, fields, guards, paging, uploads
from database import utc_now
from exchange import calendar, documents, normalise, permissions, scans
from exchange.errors import Refused
from models import Office
from papers import Document

bp = Blueprint("documents", __name__, url_prefix="/admin/documents")

ALL, CHOSEN = "all", "chosen"
COLUMNS = ("事業所番号", "事業所名", "取得日時", "接続元")
NOT_YET = "未取得"


class DocumentForm(fields.Form):
    label = StringField("名称", [fields.required("名称を入力してください。")], [fields.cleaned(normalise.text)])
    edition_on = StringField(
        "版の日付", [fields.required("版の日付を入力してください。")], [fields.cleaned(normalise.half_width)]
    )
    audience = RadioField(
        "掲載先",
        [fields.required("掲載先を選んでください。")],
        choices={ALL: "すべての事業所", CHOSEN: "選んだ事業所だけ"},
        default=ALL,
    )
    offices = SelectMultipleField("掲載先の事業所", choices=lambda: _choices(), validate_choice=False)
    replaces = HiddenField()  # the newest edition when the form was shown, and whether it was withdrawn
    was_withdrawn = HiddenField()
    file = FileField("PDFファイル", [FileRequired("ファイルが選ばれていません。PDFを1つ選んでください。")])

    def validate_label(self, field: StringField) -> None:
        _refuse(documents.label_problem(field.data))

    def validate_edition_on(self, field: StringField) -> None:
        day = normalise.date_on(field.data)
        if day is None:
            raise ValidationError("版の日付は 2026/11/29 または 令和8年11月29日 のように入力してください。")
        _refuse(documents.edition_problem(day, calendar.day(utc_now())))

    def validate_offices(self, field: SelectMultipleField) -> None:
        if self.audience.data != CHOSEN:
            return
        if not field.data:
            raise ValidationError("1つ以上の事業所を選ぶか、「すべての事業所」にしてください。")
        if len(documents.offices_named(field.data)) != len(set(field.data)):
            raise ValidationError("選んだ事業所の中に、契約が終了したものがあります。一覧で選び直してください。")

    @property
    def slip(self) -> documents.Slip:
        day = normalise.date_on(self.edition_on.data)
        assert day is not None  # validated
        offices = documents.offices_named(self.offices.data) if self.audience.data == CHOSEN else None
        return documents.Slip(self.label.data, day, offices)


@bp.get("/")
def index() -> ResponseReturnValue:
    offered = documents.current()
    return render_template(
        "admin/documents.html",
        offered=offered,
        withdrawn=list(documents.withdrawn()),
        counts=documents.counts(offered),
        title_of=documents.title,
        is_found=scans.is_found,
    )


@bp.get("/new")
def new() -> ResponseReturnValue:
    series = request.args.get("series")
    if not series:
        return _form_page(DocumentForm())
    newest = guards.series_or_404(series)
    return _form_page(DocumentForm(data=_as_before(newest)), newest)


@bp.post("/new/opening", endpoint="open")
def open_form() -> ResponseReturnValue:
    """To the form, for whoever has typed the login password of late."""
    return redirect(url_for("documents.new", series=request.form.get("series") or None), 303)


def _pdf_sink() -> uploads.OneFile:
    permissions.require(current_user.actor, "publish")
    confirming.require_fresh()
    return uploads.one_of_kind(documents.Pdf)


@bp.post("/new")
@uploads.takes_files(_pdf_sink)
def publish() -> ResponseReturnValue:
    form = DocumentForm()
    newest = guards.edition_or_404(form.replaces.data) if form.replaces.data else None
    if not form.validate():
        return _form_page(form, newest), 422
    file, was_withdrawn = request.sink.receiving, bool(form.was_withdrawn.data)
    try:
        document = documents.publish(current_user.actor, file, form.slip, newest, was_withdrawn)
    except Refused as refused:
        form.form_errors = [refused.message]
        return _form_page(form, newest), refused.status
    flash(f"「{documents.title(document)}」を掲載しました。", "success")
    return redirect(url_for("documents.detail", uid=document.uid), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    document = guards.edition_or_404(uid)
    fetches, missing = documents.fetches(document), documents.missing(document)
    totals = {"": fetches.count(), "missing": missing.count()}
    state = "missing" if request.args.get("state") == "missing" else ""
    return render_template(
        "admin/document_detail.html",
        document=document,
        is_current=documents.is_current(document),
        is_found=scans.is_found(document),
        editions=documents.editions(document),
        chosen=[] if document.is_for_all else list(documents.audience(document)),
        pager=paging.page_of(missing if state else fetches, totals[state]),
        state=state,
        totals=totals,
        title_of=documents.title,
    )


@bp.post("/<uid>/reading")
def read(uid: str) -> ResponseReturnValue:
    document = guards.edition_or_404(uid)
    pieces = documents.read(current_user.actor, document)
    return answers.download(pieces, document.file_name, document.stored.size, "document.pdf")


@bp.post("/<uid>/csv")
def export(uid: str) -> ResponseReturnValue:
    document = guards.edition_or_404(uid)
    rows = documents.list_fetches(current_user.actor, document)
    return answers.table(_cells(rows), f"取得状況_{document.label}({document.edition_on:%Y%m%d})", "fetches")


@bp.post("/<uid>/withdrawal")
def withdraw(uid: str) -> ResponseReturnValue:
    document = guards.edition_or_404(uid)
    documents.withdraw(current_user.actor, document)
    flash(f"「{documents.title(document)}」の掲載を終了しました。", "success")
    return redirect(url_for("documents.index"), 303)


def _form_page(form: DocumentForm, newest: Document | None = None) -> str:
    return render_template(
        "admin/document_form.html",
        form=form,
        newest=newest,
        is_fresh=confirming.is_fresh(),
        max_bytes=documents.LARGEST,
        is_file_lost=uploads.is_file_lost(form),
        title_of=documents.title,
    )


def _as_before(newest: Document) -> dict[str, Any]:
    """The form for the next edition: named like the last one, for the same offices."""
    return {
        "label": newest.label,
        "audience": ALL if newest.is_for_all else CHOSEN,
        "offices": [] if newest.is_for_all else [office.uid for office in documents.audience(newest)],
        "replaces": newest.uid,
        "was_withdrawn": "y" if newest.withdrawn_at else "",
    }


def _choices() -> dict[str, str]:
    return {office.uid: f"{office.office_number}　{office.name}" for office in Office.open_ones()}


def _cells(rows: list[documents.Fetch]) -> Iterator[list[str]]:
    yield list(COLUMNS)
    for row in rows:
        at = f"{calendar.japan(row.at):%Y/%m/%d %H:%M:%S}" if row.at else NOT_YET
        yield [row.office.office_number, row.office.name, at, row.address]


def _refuse(problem: str | None) -> None:
    if problem:
        raise ValidationError(problem)
