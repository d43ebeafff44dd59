"""/admin/installers: one installer for each device slot of an office."""

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf.file import FileField, FileRequired
from wtforms import HiddenField

from blueprints import confirming, fields, guards, uploads
from exchange import installer_making, installers, kits, permissions, scans
from exchange.errors import Refused
from models import Device, Office

bp = Blueprint("installers", __name__, url_prefix="/admin/installers")


class InstallerForm(fields.Form):
    seen = HiddenField()  # the installer that the page showed
    file = FileField("インストーラー", [FileRequired("ファイルが選ばれていません。.exe ファイルを1つ選んでください。")])


@bp.get("/<office_uid>")
def index(office_uid: str) -> ResponseReturnValue:
    """The page; for htmx the progress of what is being built alone and, once that is over, the page anew."""
    office = guards.office_or_404(office_uid)
    if not request.htmx:
        return _page(office)
    progress = installer_making.progress(office)
    headers = {} if progress.is_under_way else {"HX-Refresh": "true"}
    return render_template("admin/installers_progress.html", office=office, progress=progress), 200, headers


@bp.post("/<office_uid>/opening", endpoint="open")
def open_form(office_uid: str) -> ResponseReturnValue:
    """To the page with its forms, for whoever has typed the login password of late."""
    guards.office_or_404(office_uid)
    return redirect(url_for("installers.index", office_uid=office_uid), 303)


def _program_sink(office_uid: str, slot: int) -> uploads.OneFile:
    permissions.require(current_user.actor, "devices")
    guards.slot_or_404(guards.office_or_404(office_uid), slot)
    confirming.require_fresh()
    return uploads.one_of_kind(installers.Program)


@bp.post("/<office_uid>/<int:slot>")
@uploads.takes_files(_program_sink)
def upload(office_uid: str, slot: int) -> ResponseReturnValue:
    office = guards.office_or_404(office_uid)
    device, form = guards.slot_or_404(office, slot), InstallerForm()
    if not form.validate():
        return _page(office, device, form), 422
    try:
        installers.upload(current_user.actor, device, request.sink.receiving, form.seen.data)
    except Refused as refused:
        form.file.errors = [refused.message]
        return _page(office, device, form), refused.status
    flash(f"端末 {device.label} のインストーラーを登録しました。", "success")
    return redirect(url_for("installers.index", office_uid=office_uid), 303)


@bp.post("/<office_uid>/<int:slot>/building")
def build(office_uid: str, slot: int) -> ResponseReturnValue:
    device = guards.slot_or_404(guards.office_or_404(office_uid), slot)
    installers.build(current_user.actor, device, request.form.get("seen", ""))
    flash(f"端末 {device.label} のインストーラーの作成を始めました。", "success")
    return redirect(url_for("installers.index", office_uid=office_uid), 303)


@bp.post("/<office_uid>/<int:slot>/withdrawal")
def withdraw(office_uid: str, slot: int) -> ResponseReturnValue:
    device = guards.slot_or_404(guards.office_or_404(office_uid), slot)
    installers.withdraw(current_user.actor, device, request.form.get("seen", ""))
    flash(f"端末 {device.label} のインストーラーを取り下げました。", "success")
    return redirect(url_for("installers.index", office_uid=office_uid), 303)


def _page(office: Office, refused: Device | None = None, form: InstallerForm | None = None) -> str:
    """All slots; after a refusal the one alone, so that the file chosen for it can't be taken for another slot's."""
    g.found_in = "desk.index"  # which page the menu marks
    slots = [one for one in installers.slots(office) if refused is None or one.device == refused]
    return render_template(
        "admin/installers.html",
        office=office,
        slots=slots,
        forms={one.device.slot: _form(one, form) for one in slots},
        progress=installer_making.progress(office),
        missing=kits.why_not(),
        is_found=scans.is_found,
        is_alone=refused is not None,
        is_fresh=confirming.is_fresh(),
        max_bytes=installers.LARGEST,
    )


def _form(slot: installers.Slot, sent: InstallerForm | None) -> InstallerForm:
    """The form of a slot, with the id of its field told apart from those of the others."""
    form = sent or InstallerForm(formdata=None, data={"seen": slot.installer.uid if slot.installer else ""})
    form.file.id = f"file-{slot.device.slot}"
    return form
