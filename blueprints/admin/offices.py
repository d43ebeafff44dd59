"""/admin/offices: the offices and their people, for the fund and its desk."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from blueprints import guards, paging, people_pages
from exchange import normalise, roster
from models import Device, Office

bp = Blueprint("offices", __name__, url_prefix="/admin/offices")


@bp.get("/")
def index() -> ResponseReturnValue:
    search = normalise.text(request.args.get("q", ""))
    found = Office.open_ones(search)
    pager = paging.page_of(found, found.count())
    return render_template(
        "admin/offices.html",
        pager=pager,
        offices=pager.items,
        q=search,
        people=roster.counts(pager.items),
        devices=Device.of(pager.items),
    )


@bp.get("/<office_uid>")
def detail(office_uid: str) -> ResponseReturnValue:
    office = guards.office_or_404(office_uid)
    return render_template(
        "admin/office_detail.html", **people_pages.listing(office), devices=Device.of([office])[office.id]
    )


@bp.get("/<office_uid>/matrix")
def matrix(office_uid: str) -> ResponseReturnValue:
    office = guards.office_or_404(office_uid)
    back_url = url_for("offices.detail", office_uid=office_uid)
    return render_template("admin/matrix.html", **people_pages.matrix(office), back_url=back_url)
