"""/download: the counter where an office fetches its documents and installers with contract number and key.

No login: the right pair begins a visit, which opens this list and nothing else.
"""

from flask import Blueprint, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from blueprints import answers, counters, guards
from blueprints.counters import CounterForm
from exchange import counter, scans, settings
from papers import Document, Visit

bp = Blueprint("download", __name__, url_prefix="/download")

HERE = "download"
MINUTES = counters.minutes(HERE)


@bp.get("/")
def form() -> ResponseReturnValue:
    return _form_page(CounterForm())


@bp.post("/")
def enter() -> ResponseReturnValue:
    return counters.come_in(HERE, "download.list", _form_page)


@bp.get("/list", endpoint="list")
def offered() -> ResponseReturnValue:
    visit = counters.visit(HERE)
    if visit is None:
        return counters.closed(HERE)
    return render_template(
        "download/list.html",
        name=counter.masked(visit.office.name),
        contract_number=visit.office.contract_number,
        offers=counter.offers(visit.office),
        withheld=scans.WITHHELD,
        tip=settings.get("download_tip"),
        again=counter.AGAIN,
        until=visit.expires_at,
        minutes=MINUTES,
    )


@bp.post("/documents/<uid>")
def document(uid: str) -> ResponseReturnValue:
    visit = counters.visit(HERE)
    return counters.closed(HERE) if visit is None else _fetched(visit, guards.offer_or_404(visit.office, uid))


@bp.post("/installers/<int:slot>")
def installer(slot: int) -> ResponseReturnValue:
    visit = counters.visit(HERE)
    return counters.closed(HERE) if visit is None else _fetched(visit, guards.offer_or_404(visit.office, slot))


@bp.post("/leave")
def leave() -> ResponseReturnValue:
    """戻る."""
    counters.leave(HERE)
    return redirect(url_for("download.form"), 303)


def _fetched(visit: Visit, offer: counter.Offer) -> ResponseReturnValue:
    pieces = counter.fetch(counters.stranger(HERE), visit, offer)
    assert offer.stored is not None  # else it was refused
    is_document = isinstance(offer.row, Document)
    fallback = f"document-{offer.row.edition_on:%Y%m%d}.pdf" if is_document else offer.file_name
    return answers.download(pieces, offer.file_name, offer.stored.size, fallback)


def _form_page(form: CounterForm) -> str:
    return render_template("download/form.html", form=form)
