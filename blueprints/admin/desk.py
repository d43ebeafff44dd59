"""/admin/desk: what the 電子連携サービス事務局 sees of offices: their devices, never their documents."""

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from blueprints import guards, paging
from exchange import normalise, overview
from models import Device, Office

bp = Blueprint("desk", __name__, url_prefix="/admin/desk")


@bp.get("/")
def index() -> ResponseReturnValue:
    search = normalise.text(request.args.get("q", ""))
    is_missing = request.args.get("state") == "missing"
    offices = overview.without_installer(search) if is_missing else Office.open_ones(search)
    pager = paging.page_of(offices, offices.count())
    return render_template(
        "admin/desk.html",
        pager=pager,
        offices=pager.items,
        devices=Device.of(pager.items),
        q=search,
        is_missing=is_missing,
        may_open=guards.may_read("offices.detail"),
        may_hand_out=guards.may_read("installers.index"),
    )
