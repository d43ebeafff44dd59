"""/admin/office: what an office registers at its admin's first login, and how far it has come."""

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import BooleanField, HiddenField, PasswordField, StringField
from wtforms.validators import EqualTo, Length, ValidationError

from blueprints import answers, fields
from database import utc_now
from exchange import archives, calendar, credentials, download_keys, normalise, people, progress
from exchange.errors import SomeoneWasFaster
from models import Office

bp = Blueprint("office", __name__, url_prefix="/admin")

SHORT_NAME_LONGEST = 30


def _short_name() -> StringField:
    message = f"事業所略称は{SHORT_NAME_LONGEST}文字までで入力してください。"
    return StringField(
        "事業所略称", [Length(max=SHORT_NAME_LONGEST, message=message)], [fields.cleaned(normalise.text)]
    )


class OfficeForm(fields.Form):
    # The proposed 圧縮パスワード goes with the form, so that a refused form still shows the one that was noted down.
    suggestion = HiddenField(default=credentials.suggest_archive_password)
    short_name = _short_name()
    archive_password = PasswordField("圧縮パスワード", [fields.required("圧縮パスワードを入力してください。")])
    archive_password_again = PasswordField(
        "圧縮パスワード（確認）",
        [EqualTo("archive_password", "圧縮パスワードと確認用の入力が違います。同じものを2回入力してください。")],
    )
    understood = BooleanField("圧縮パスワードは後から変更できないことを確認しました")

    def validate_archive_password(self, field: PasswordField) -> None:
        problem = credentials.archive_password_problem(field.data)
        if problem:
            raise ValidationError(problem)


class MaintenanceForm(fields.Form):
    short_name = _short_name()
    forbids_self_approval = BooleanField("本人が登録した届書の承認を禁止する")
    # What the form showed: a page that somebody else's change has overtaken is refused.
    was_short_name = HiddenField()
    was_forbidden = HiddenField()


@bp.get("/office/registration")
def registration() -> ResponseReturnValue:
    if not people.needs_office_setup(current_user.member):
        return redirect(url_for("account.registration"), 303)
    return _office_page(OfficeForm())


@bp.post("/office/registration")
def register() -> ResponseReturnValue:
    form = OfficeForm()
    is_whole = form.validate()
    if not form.understood.data:
        form.understood.errors = ["圧縮パスワードは後から変更できません。確認のうえ、チェックを入れてください。"]
        is_whole = False
    if not is_whole:
        return _office_page(form), 422
    people.set_up_office(current_user.actor, form.short_name.data, form.archive_password.data)
    return redirect(url_for("account.registration"), 303)


@bp.post("/office/registration/test-archive")
def test_archive() -> ResponseReturnValue:
    """A small ZIP made with what is typed, to try on the own PC before it is fixed; nothing is kept."""
    form = OfficeForm()
    if not form.validate():
        return _office_page(form), 422
    data = archives.proof_archive(form.archive_password.data)
    response: Response = answers.download(iter([data]), "お試し.zip", len(data), "test.zip")
    return response


@bp.get("/office/")
def maintenance() -> ResponseReturnValue:
    return _maintenance_page(MaintenanceForm(data=_as_it_is(current_user.member.office)))


@bp.post("/office/")
def change() -> ResponseReturnValue:
    form = MaintenanceForm()
    if not form.validate():
        return _maintenance_page(form), 422
    seen = (form.was_short_name.data or "", form.was_forbidden.data == "y")
    try:
        people.change_office(current_user.actor, form.short_name.data, form.forbids_self_approval.data, seen)
    except SomeoneWasFaster as faster:
        form.form_errors = [faster.message]
        now = _as_it_is(Office.by_uid(current_user.member.office.uid))
        form.was_short_name.data, form.was_forbidden.data = now["was_short_name"], now["was_forbidden"]
        return _maintenance_page(form), faster.status
    flash("事業所の登録を変更しました。", "success")
    return redirect(url_for("office.maintenance"), 303)


@bp.post("/office/download-key")
def renew_key() -> ResponseReturnValue:
    """The one answer that shows the key: nothing keeps it, and no page shows it again."""
    office = current_user.member.office
    key = download_keys.renew(current_user.actor, office, request.form.get("seen", ""))
    counter = current_app.config["BASE_URL"].rstrip("/") + url_for("download.form")
    month = f"{calendar.day(utc_now()):%Y%m}"
    return render_template("admin/download_key.html", office=office, key=key, counter=counter, month=month)


@bp.get("/office/waiting")
def waiting() -> ResponseReturnValue:
    if not people.needs_office_setup(current_user.member):
        return redirect(url_for("home.index"), 303)
    return render_template("admin/office_waiting.html")


@bp.get("/office/progress", endpoint="progress")
def how_far() -> ResponseReturnValue:
    return render_template("admin/office_progress.html", progress=progress.of(current_user.member.office, utc_now()))


@bp.get("/office/done")
def done() -> ResponseReturnValue:
    return render_template("admin/office_done.html")


def _office_page(form: OfficeForm) -> str:
    return render_template(
        "admin/office_registration.html",
        form=form,
        office=current_user.member.office,
        suggestion=_suggestion(form),
        shortest=credentials.ARCHIVE_PASSWORD_SHORTEST,
        longest=credentials.ARCHIVE_PASSWORD_LONGEST,
    )


def _as_it_is(office: Office) -> dict[str, object]:
    return {
        "short_name": office.short_name,
        "forbids_self_approval": office.forbids_self_approval,
        "was_short_name": office.short_name,
        "was_forbidden": "y" if office.forbids_self_approval else "",
    }


def _maintenance_page(form: MaintenanceForm) -> str:
    office = current_user.member.office
    may_change = current_user.kind == "office_admin"
    return render_template(
        "admin/office_maintenance.html",
        form=form,
        office=office,
        archive_password=office.current_archive_password(),
        key_seen=download_keys.seen(office),
        may_change=may_change,
        lone_approver=people.lone_approver(office) if may_change else None,
    )


def _suggestion(form: OfficeForm) -> str:
    """What the form proposes; anew if that came back as something nobody should take."""
    if credentials.archive_password_problem(form.suggestion.data or "") is not None:
        form.suggestion.data = credentials.suggest_archive_password()
    return form.suggestion.data
