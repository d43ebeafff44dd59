"""/admin/desk: what the 電子連携サービス事務局 sees of offices: their devices, never their documents."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from blueprints import guards, paging
from exchange import installer_making, installers, kits, normalise, overview
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
        lacking=installer_making.lacking_at(pager.items),
        may_build=is_missing and guards.may_read("installers.index") and not kits.why_not(),
        q=search,
        is_missing=is_missing,
        may_open=guards.may_read("offices.detail"),
        may_see_devices=guards.may_read("devices.office"),
        may_hand_out=guards.may_read("installers.index"),
    )


@bp.post("/installers")
def build_missing() -> ResponseReturnValue:
    """For all of the list that wait for one."""
    search = normalise.text(request.form.get("q", ""))
    count = installers.build_missing(current_user.actor, overview.without_installer(search))
    flash(
        f"{count:,}台分のインストーラーの作成を始めました。作成中の端末には「インストーラー作成中」と表示されます。",
        "success",
    )
    return redirect(url_for("desk.index", q=search or None), 303)
