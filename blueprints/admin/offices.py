"""/admin/offices: the offices and their people, for the fund and its desk."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from blueprints import guards, paging, people_pages
from database import utc_now
from equipment import Handover
from exchange import contracts, normalise, progress, roster
from models import Device, Office

bp = Blueprint("offices", __name__, url_prefix="/admin/offices")


@bp.get("/")
def index() -> ResponseReturnValue:
    """The offices whose contract is open; with ?closed=y those whose contract is over."""
    search, is_closed = normalise.text(request.args.get("q", "")), request.args.get("closed") == "y"
    found = Office.open_ones(search, is_closed)
    pager = paging.page_of(found, found.count())
    return render_template(
        "admin/offices.html",
        pager=pager,
        offices=pager.items,
        q=search,
        is_closed=is_closed,
        people=roster.counts(pager.items),
        devices=Device.of(pager.items),
    )


@bp.get("/<office_uid>")
def detail(office_uid: str) -> ResponseReturnValue:
    office = guards.closed_too_or_404(office_uid)
    page = people_pages.listing(office)
    return render_template(
        "admin/office_detail.html",
        **page | {"may_open": page["may_open"] and not office.is_closed},
        devices=Device.of([office])[office.id],
        letters=contracts.letters_of(office),
        progress=None if office.is_closed else progress.of(office, utc_now()),
        may_change=guards.may_read("contracts.form"),
        handover=Handover.open_at(office),
        may_see_devices=guards.may_read("devices.office"),
        may_read_progress=guards.may_read("progress.office"),
    )


@bp.get("/<office_uid>/matrix")
def matrix(office_uid: str) -> ResponseReturnValue:
    office = guards.office_or_404(office_uid)
    back_url = url_for("offices.detail", office_uid=office_uid)
    return render_template("admin/matrix.html", **people_pages.matrix(office), back_url=back_url)
