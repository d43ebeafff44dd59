"""/activate: the counter where an office sends the 確認コード of a PC, to have its VPN account activated (guide §4-1).

No login: the pair that opens the download counter begins a visit here, which takes confirmation codes and nothing else.
"""

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.file import FileField, FileRequired

from blueprints import counters, fields, uploads, words
from blueprints.counters import CounterForm
from database import utc_now
from equipment import ActivationRequest
from exchange import activation_facts, activations, confirmation_code, counter, inventory
from exchange.errors import Refused
from papers import Visit

bp = Blueprint("activate", __name__, url_prefix="/activate")

HERE = "activate"
MINUTES = counters.minutes(HERE)
SENT_BEFORE = "この確認コードは、すでに受け付けています。受付番号は変わりません。"
CHOOSE = "ファイルが選ばれていません。デスクトップの「確認コード(XXXXXX).txt」を選んでください。"
# Whoever picks the installer instead of its confirmation code shall read so at the field, not on a page of its own.
READ_AT_MOST = 100 * 2**20
SENT = "activate_sent"  # key in the cookie: the last request's uid, and what its file was called
NAME_SHOWN = 100  # characters of that: it goes into the cookie


class CodeForm(fields.Form):
    file = FileField("確認コード", [FileRequired(CHOOSE)])


@bp.get("/")
def form() -> ResponseReturnValue:
    return _form_page(CounterForm())


@bp.post("/")
def enter() -> ResponseReturnValue:
    return counters.come_in(HERE, "activate.upload", _form_page)


@bp.get("/request")
def upload() -> ResponseReturnValue:
    visit = counters.visit(HERE)
    return counters.closed(HERE) if visit is None else _upload_page(visit, CodeForm())


def _code_sink() -> uploads.InMemory:
    sink = uploads.InMemory(confirmation_code.LARGEST)
    if counters.visit(HERE) is not None:
        request.max_content_length = READ_AT_MOST
    return sink


@bp.post("/request", endpoint="request")
@uploads.takes_files(_code_sink)
def send() -> ResponseReturnValue:
    visit, form = counters.visit(HERE), CodeForm()
    if visit is None:
        return counters.closed(HERE)
    if not form.validate():
        return _upload_page(visit, form), 422
    stranger = counters.stranger(HERE)
    try:
        sent = activations.request(stranger, visit, bytes(request.sink.data or b""))
    except Refused as refused:
        form.file.errors = [refused.message]
        return _upload_page(visit, form), refused.status
    if sent.requested_at < stranger.at:
        flash(SENT_BEFORE, "info")
    session[SENT] = [sent.uid, uploads.clean_name(form.file.data.filename)[-NAME_SHOWN:]]
    return redirect(url_for("activate.receipt"), 303)


@bp.get("/receipt")
def receipt() -> ResponseReturnValue:
    visit = counters.visit(HERE)
    if visit is None:
        return counters.closed(HERE)
    uid, file_name = session.get(SENT) or ("", "")
    sent = ActivationRequest.by_uid(uid)
    if sent is None or sent.device.office_id != visit.office_id:
        return redirect(url_for("activate.upload"), 303)
    clock = activations.clock(sent, utc_now())
    return render_template(
        "activate/receipt.html",
        sent=sent,
        file_name=file_name,
        clock=clock,
        end=words.why_void(activation_facts.end_of(sent)),
        before=activation_facts.taken_over_from(sent),
    )


@bp.post("/leave")
def leave() -> ResponseReturnValue:
    """戻る, 終了."""
    counters.leave(HERE)
    session.pop(SENT, None)
    return redirect(url_for("activate.form"), 303)


def _form_page(form: CounterForm) -> str:
    return render_template("activate/form.html", form=form)


def _upload_page(visit: Visit, form: CodeForm) -> str:
    return render_template(
        "activate/upload.html",
        form=form,
        is_file_lost=uploads.is_file_lost(form),
        max_bytes=confirmation_code.LARGEST,
        name=counter.masked(visit.office.name),
        contract_number=visit.office.contract_number,
        places=inventory.of(visit.office),
        sent_back=activation_facts.sent_back(visit.office),
        again=counter.AGAIN,
        until=visit.expires_at,
        minutes=MINUTES,
    )
