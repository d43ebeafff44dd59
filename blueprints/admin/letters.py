"""/admin/letters: お知らせ ordered, printed, confirmed and posted; the addresses they go to."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import StringField
from wtforms.validators import ValidationError

from blueprints import answers, deeds, fields, guards, paging, uploads
from database import utc_now
from exchange import addresses, calendar, dispatch, letters, normalise, permissions, vault
from exchange.errors import Refused
from models import Membership, Office
from papers import Letter, LetterBatch

bp = Blueprint("letters", __name__, url_prefix="/admin/letters")

STATES = {  # of a batch → (words, colour of the chip)
    "waiting": ("作成中", "go"),
    "ready": ("印刷待ち", "wait"),
    "printed": ("印刷済", "done"),
    "erased": ("消去", "off"),
}
PROBLEMS_SHOWN = 100


class OrderForm(fields.Form):
    token = fields.token()


class PrintedForm(fields.Form):
    dispatched_on = StringField("発送日", [fields.required("発送日を入力してください。")], [fields.cleaned(str.strip)])

    def validate_dispatched_on(self, field: StringField) -> None:
        if self.day is None:
            raise ValidationError("発送日は 2026/04/01 または 令和8年4月1日 のように入力してください。")

    @property
    def day(self) -> date | None:
        return normalise.date_on(self.dispatched_on.data)


class AddressesForm(fields.Form):
    file = FileField("住所のCSV", [FileRequired("ファイルが選ばれていません。住所を入力したCSVを選んでください。")])


@bp.get("/")
def index() -> ResponseReturnValue:
    return _index(is_all_ticked=request.args.get("ticked") == "all")


@bp.post("/")
def order() -> ResponseReturnValue:
    chosen = [guards.office_or_404(uid) for uid in dict.fromkeys(request.form.getlist("office"))]
    permissions.require(current_user.actor, "register")
    ticked, form = frozenset(office.uid for office in chosen), OrderForm()
    if not form.validate():
        return _index(ticked, "".join(form.token.errors)), 422
    try:
        batch = letters.order(current_user.actor, chosen, token=form.token.data)
    except Refused as refused:
        return _index(ticked, refused.message), refused.status
    flash(f"お知らせ{len(chosen)}通の作成を始めました。", "success")
    return redirect(url_for("letters.batch", uid=batch.uid), 303)


@bp.get("/<uid>")
def batch(uid: str) -> ResponseReturnValue:
    """The page; for htmx its progress alone and, once that is over, the page anew."""
    found = guards.batch_or_404(uid)
    if not request.htmx:
        return _batch_page(found, PrintedForm(data={"dispatched_on": f"{calendar.day(utc_now()):%Y/%m/%d}"}))
    headers = {"HX-Refresh": "true"} if found.state != "waiting" else {}
    return render_template("admin/letters_progress.html", batch=found, job=letters.job_of(found)), 200, headers


@bp.post("/<uid>/pdf")
def pdf(uid: str) -> ResponseReturnValue:
    found = guards.batch_or_404(uid)
    stored = letters.pdf(current_user.actor, found)
    day = f"{calendar.day(found.made_at):%Y%m%d}"
    name = f"お知らせ_{day}_{len(_sheets(found, letters.letters_of(found)))}通.pdf"
    response = answers.download(vault.pieces(stored), name, stored.size, f"letters-{day}.pdf")
    response.mimetype = "application/pdf"
    return response


@bp.post("/<uid>/confirmation")
def confirm(uid: str) -> ResponseReturnValue:
    found, form = guards.batch_or_404(uid), PrintedForm()
    if not form.validate():
        return _batch_page(found, form), 422
    try:
        letters.confirm(current_user.actor, found, form.day)
    except letters.NotSaved as refused:
        flash(refused.message, "error")  # a reload of an answer to this form would confirm, once the PDF is saved
        return redirect(url_for("letters.batch", uid=uid), 303)
    except Refused as refused:
        if refused.status != Refused.status:  # it is over: the form is of no more use
            raise
        form.form_errors = [refused.message]
        return _batch_page(found, form), refused.status
    flash("印刷を確認しました。PDFは消去され、もう開くことはできません。", "success")
    return redirect(url_for("letters.batch", uid=uid), 303)


@bp.post("/<uid>/removal")
def give_up(uid: str) -> ResponseReturnValue:
    letters.give_up(current_user.actor, guards.batch_or_404(uid))
    flash("お知らせを印刷せずに破棄しました。書かれていたキーとパスワードは使えません。", "success")
    return redirect(url_for("letters.batch", uid=uid), 303)


@bp.post("/<uid>/dispatch-list")
def dispatch_list(uid: str) -> ResponseReturnValue:
    found = guards.batch_or_404(uid)
    return _table(dispatch.listed(current_user.actor, found), "発送簿", "dispatch", found.dispatched_on)


@bp.get("/addresses", endpoint="addresses")
def addresses_page() -> ResponseReturnValue:
    return _addresses_page(AddressesForm())


@bp.post("/addresses/form")
def addresses_form() -> ResponseReturnValue:
    return _table(addresses.form_rows(current_user.actor), "住所の様式", "addresses")


def _csv_sink() -> uploads.InMemory:
    permissions.require(current_user.actor, "register")
    return uploads.InMemory(addresses.FILE_BYTES)


@bp.post("/addresses")
@uploads.takes_files(_csv_sink)
def import_addresses() -> ResponseReturnValue:
    form = AddressesForm()
    if not form.validate():
        return _addresses_page(form), 422
    outcome = addresses.bring_in(current_user.actor, bytes(request.sink.data or b""))
    if outcome.problems:
        return _addresses_page(form, outcome), 422
    same = f"同じ住所が登録済みの{outcome.same}件はそのままです。" if outcome.same else ""
    blank = f"空欄の{outcome.blank}行は読み飛ばしました。" if outcome.blank else ""
    flash(f"{outcome.written}件の事業所の住所を登録しました。{same}{blank}", "success")
    return redirect(url_for("letters.addresses"), 303)


def _index(ticked: frozenset[str] = frozenset(), refusal: str = "", *, is_all_ticked: bool = False) -> str:
    due = letters.due()
    offices: list[Office] = list(due.limit(letters.AT_MOST))
    batches = letters.batches()
    return render_template(
        "admin/letters.html",
        form=OrderForm(),
        offices=offices,
        due=due.count(),
        ticked=frozenset(office.uid for office in offices) if is_all_ticked else ticked,
        refusal=refusal,
        pager=paging.page_of(batches, batches.count()),
        states=STATES,
        clerks={member.id: member.user.name for member in Membership.at(None)},
        addressed=_addressed(offices),
    )


def _addressed(offices: Iterable[Office]) -> frozenset[int]:
    """The ids of those that can be found by post."""
    return frozenset(office.id for office in offices if office.postal_code and office.address)


def _batch_page(batch: LetterBatch, form: PrintedForm) -> str:
    rows, timeline = list(letters.letters_of(batch)), answers.timeline(batch, current_user.member)
    sheets = _sheets(batch, rows)
    erased = [moment["facts_text"] for moment in timeline if moment["label"] == deeds.label("letters.erased")]
    return render_template(
        "admin/letters_batch.html",
        batch=batch,
        job=letters.job_of(batch),
        letters=rows,
        sheets=sheets,
        numbers={letter.id: number for number, letter in enumerate(sheets, 1)},
        form=form,
        states=STATES,
        timeline=timeline,
        why=erased[-1] if erased and batch.state == "erased" else "",
        addressed=_addressed(letter.office for letter in rows),
    )


def _sheets(batch: LetterBatch, rows: Iterable[Letter]) -> list[Letter]:
    """Those that the PDF holds; one that was made void since then is still among its sheets."""
    return [
        letter
        for letter in rows
        if letter.issued_at and batch.ready_at and not (letter.voided_at and letter.voided_at < batch.ready_at)
    ]


def _addresses_page(form: AddressesForm, outcome: addresses.Outcome | None = None) -> str:
    problems = outcome.problems if outcome else ()
    return render_template(
        "admin/letters_addresses.html",
        form=form,
        missing=addresses.missing().count(),
        problems=problems[:PROBLEMS_SHOWN],
        more=max(0, len(problems) - PROBLEMS_SHOWN),
        max_bytes=addresses.FILE_BYTES,
        longest=normalise.ADDRESS_LENGTH,
        lines=normalise.ADDRESS_LINES,
    )


def _table(rows: Any, name: str, fallback: str, day: date | None = None) -> Response:
    """Rows as a CSV that Excel opens, with the date in its name: of what it tells, or of today."""
    of = day or calendar.day(utc_now())
    return answers.table(rows, f"{name}_{of:%Y%m%d}", fallback)
