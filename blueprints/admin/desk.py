"""/admin/desk: what the 電子連携サービス事務局 sees of offices: their devices, never their documents."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from blueprints import guards, paging
from models import Device, Office

bp = Blueprint("desk", __name__, url_prefix="/admin/desk")


@bp.get("/")
def index() -> ResponseReturnValue:
    offices = Office.open_ones()
    pager = paging.page_of(offices, offices.count())
    devices = Device.of(pager.items)
    may_open = guards.may_read("offices.detail")
    return render_template("admin/desk.html", pager=pager, offices=pager.items, devices=devices, may_open=may_open)
