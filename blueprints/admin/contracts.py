"""/admin/contracts: what the fund changes about an office and its contract."""

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import BooleanField, HiddenField, StringField, TextAreaField
from wtforms.validators import DataRequired, Length, ValidationError

from blueprints import fields, guards
from exchange import contracts, normalise, reasons
from exchange.devices import IN_HAND
from exchange.errors import Forbidden, Refused
from exchange.registration_file import MAX_DEVICES
from models import Office

bp = Blueprint("contracts", __name__, url_prefix="/admin/contracts")


def _reason(of: str) -> StringField:
    """Four forms stand on one page: ids have to differ, names need not."""
    message = f"理由は{reasons.LONGEST}文字までで入力してください。"
    needed = DataRequired("理由を入力してください。操作の記録に残ります。")
    longest = Length(max=reasons.LONGEST, message=message)
    return StringField("理由", [needed, longest], [fields.cleaned(normalise.text)], id=f"{of}-reason")


def _seen(of: str) -> HiddenField:
    return HiddenField(id=f"{of}-seen")


def _column(name: str, kind: type[StringField] = StringField) -> StringField:
    return kind(contracts.LABELS[name], filters=[fields.cleaned(lambda typed: contracts.tidy(name, typed))])


class CorrectionForm(fields.Form):
    name = _column("name")
    office_number = _column("office_number")
    postal_code = _column("postal_code")
    address = _column("address", TextAreaField)
    reason = _reason("correction")
    seen = _seen("correction")

    def validate(self, extra_validators: Any = None) -> bool:
        is_valid = super().validate(extra_validators)
        problems = {column: contracts.problem(column, self[column].data) for column in contracts.LABELS}
        for column, sentence in problems.items():
            if sentence:
                self[column].errors = [sentence]
        return is_valid and not any(problems.values())


class DevicesForm(fields.Form):
    device_limit = StringField("利用台数", filters=[fields.cleaned(normalise.digits)])
    is_agreed = BooleanField(f"{MAX_DEVICES}台を超えることを基金が認めた")
    reason = _reason("devices")
    seen = _seen("devices")

    def validate_device_limit(self, field: StringField) -> None:
        is_number = normalise.is_digits(field.data) and len(field.data) <= 4
        if not is_number or not 1 <= int(field.data) <= contracts.MOST_DEVICES:
            raise ValidationError("利用台数は、1以上の数字だけで入力してください。")


class ReissueForm(fields.Form):
    reason = _reason("reissue")
    seen = _seen("reissue")


class ClosingForm(fields.Form):
    reason = _reason("closing")
    despite_transfers = BooleanField("途中の届書・帳票を確かめました。このまま契約を終了します")
    understood = BooleanField("契約を終了すると、元に戻せないことを確かめました")
    seen = _seen("closing")

    def validate_understood(self, field: BooleanField) -> None:
        if not field.data:
            raise ValidationError("契約の終了は元に戻せません。確かめて、チェックを入れてください。")


@bp.get("/<office_uid>")
def form(office_uid: str) -> ResponseReturnValue:
    return _page(guards.office_or_404(office_uid))


@bp.post("/<office_uid>")
def correct(office_uid: str) -> ResponseReturnValue:
    office, form = guards.office_or_404(office_uid), CorrectionForm()
    if not form.validate():
        return _page(office, correction=form), 422
    values = {column: form[column].data for column in contracts.LABELS}
    try:
        changed = contracts.correct(current_user.actor, office, values, form.reason.data, form.seen.data or "")
    except Refused as refused:
        return _refused(refused, office, correction=form)
    labels = "".join(f"「{contracts.LABELS[column]}」" for column in changed)
    flash(f"{labels}を訂正しました。" if changed else "変更はありませんでした。", "success" if changed else "info")
    return redirect(url_for("offices.detail", office_uid=office_uid), 303)


@bp.post("/<office_uid>/devices")
def change_devices(office_uid: str) -> ResponseReturnValue:
    office, form = guards.office_or_404(office_uid), DevicesForm()
    if not form.validate():
        return _page(office, devices=form), 422
    limit, before = int(form.device_limit.data), _number(form.seen.data)
    try:
        is_changed = contracts.change_devices(
            current_user.actor, office, limit, form.reason.data, before, form.is_agreed.data
        )
    except Refused as refused:
        return _refused(refused, office, devices=form)
    said = f"利用台数を{limit}台に変更しました。" if is_changed else f"利用台数は、すでに{limit}台です。"
    flash(said, "success" if is_changed else "info")
    return redirect(url_for("offices.detail", office_uid=office_uid), 303)


@bp.post("/<office_uid>/reissue")
def reissue(office_uid: str) -> ResponseReturnValue:
    office, form = guards.office_or_404(office_uid), ReissueForm()
    if not form.validate():
        return _page(office, new_letter=form), 422
    try:
        batch = contracts.reissue(current_user.actor, office, form.reason.data, form.seen.data or "")
    except Refused as refused:
        return _refused(refused, office, new_letter=form)
    flash("古いキーとパスワードを無効にしました。新しいお知らせを作成しています。印刷して郵送してください。", "success")
    return redirect(url_for("letters.batch", uid=batch.uid), 303)


@bp.post("/<office_uid>/closing")
def close(office_uid: str) -> ResponseReturnValue:
    office, form = guards.office_or_404(office_uid), ClosingForm()
    if not form.validate():
        return _page(office, closing=form), 422
    despite, before = form.despite_transfers.data, form.seen.data or ""
    try:
        contracts.close(current_user.actor, office, form.reason.data, before, despite)
    except Refused as refused:
        return _refused(refused, office, closing=form)
    flash(f"{office.name}の契約を終了しました。事業所の方は、ログインできなくなっています。", "success")
    return redirect(url_for("offices.detail", office_uid=office_uid), 303)


def _refused(refused: Refused, office: Office, **form: fields.Form) -> ResponseReturnValue:
    """The page again, with the sentence above the form; whoever may not gets the page that says so."""
    if isinstance(refused, Forbidden):
        raise refused
    for one in form.values():
        one.form_errors = [refused.message]
    return _page(office, **form), refused.status


def _page(office: Office, **sent: fields.Form) -> str:
    """The page with its four forms, of which one may have been sent."""
    g.found_in = "offices.index"  # which page the menu marks
    new_letter, left = contracts.reissue_now(office), contracts.under_way(office)
    as_it_is = {column: getattr(office, column) for column in contracts.LABELS}
    limit = office.device_limit
    fresh = {
        "correction": (CorrectionForm, {**as_it_is, "seen": contracts.seen(office)}),
        "devices": (DevicesForm, {"device_limit": str(limit), "seen": str(limit)}),
        "new_letter": (ReissueForm, {"seen": new_letter.before}),
        "closing": (ClosingForm, {"seen": contracts.under_way_seen(left)}),
    }
    forms = {name: sent.get(name) or kind(formdata=None, data=data) for name, (kind, data) in fresh.items()}
    return render_template(
        "admin/contracts.html",
        **forms,
        office=office,
        reissue=new_letter,
        left=left,
        usual=MAX_DEVICES,
        address_lines=normalise.ADDRESS_LINES,
        in_use=[device.label for device in office.devices if device.state in IN_HAND],
    )


def _number(typed: str | None) -> int:
    return int(typed) if typed and normalise.is_digits(typed) and len(typed) <= 4 else 0
