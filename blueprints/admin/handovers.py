"""/admin/handovers: 引継ぎ: an office's 管理者 gives way to another, by himself or by two of the fund's people."""

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import HiddenField, RadioField

from blueprints import answers, fields, guards, paging, people_pages
from equipment import Handover
from exchange import accounts, credentials, handovers, inventory, permissions, reasons
from exchange.errors import Forbidden, Refused
from models import ADMIN_SLOT, Device, Membership, Office

bp = Blueprint("handovers", __name__, url_prefix="/admin/handovers")

NEW = "new"  # instead of somebody who is there
STATES = {"open": ("手続き中", "wait"), "done": ("完了", "done"), "withdrawn": ("取り下げ", "off")}
KINDS = {"planned": "管理者による引継ぎ", "emergency": "緊急の交代（基金事務局）"}


class SuccessorForm(fields.Form):
    """Somebody of the office, or a new person; shown again with the question before it is done."""

    successor = RadioField("後任", [fields.required("後任の方を選んでください。")])
    login_id = fields.new_login_id()
    kana = fields.person_kana()
    name = fields.person_name()
    mail = fields.person_mail()
    seen = HiddenField()
    agreed = HiddenField()

    def offer(self, office: Office) -> None:
        there = [(one.uid, f"{one.user.name}（{one.login_id}）") for one in handovers.candidates(office)]
        self.successor.choices = [*there, (NEW, "新しい方を登録する")]
        if not there and not self.successor.data:
            self.successor.data = NEW

    def validate(self, extra_validators: Any = None) -> bool:
        if self.successor.data != NEW:
            for field in (self.login_id, self.kana, self.name, self.mail):
                field.validators, field.data = [], ""
        return bool(super().validate(extra_validators))

    def person(self) -> Membership | handovers.NewPerson:
        if self.successor.data != NEW:
            return guards.member_or_404(self.successor.data)
        return handovers.NewPerson(self.login_id.data, self.name.data, self.kana.data, self.mail.data)


class EmergencyForm(SuccessorForm):
    reason = fields.reason("理由", "承認する方が読み、操作の記録に残ります。", reasons.LONGEST)


@bp.get("/")
def index() -> ResponseReturnValue:
    if current_user.is_office:
        return _own_page(current_user.member.office)
    g.found_in = "offices.index"  # which page the menu marks
    found = handovers.listed()
    pager = paging.page_of(found, found.count())
    return render_template("admin/handovers.html", pager=pager, states=STATES, kinds=KINDS)


@bp.post("/")
def nominate() -> ResponseReturnValue:
    office = current_user.member.office
    permissions.require_admin(current_user.actor, office)
    form = SuccessorForm()
    form.offer(office)
    if not form.validate():
        return _own_page(office, form), 422
    if form.agreed.data != "y":
        return _question(office, form, url_for("handovers.nominate"), "planned")
    try:
        nomination = handovers.nominate(current_user.actor, office, form.person(), form.seen.data or "")
    except Refused as refused:
        form.form_errors = [_sentence(refused)]
        return _own_page(office, form), refused.status
    if nomination.newcomer:
        return people_pages.password_page(nomination.newcomer, url_for("handovers.index"))
    flash("後任を指名しました。新しいPCが有効化されると、管理者が替わります。", "success")
    return redirect(url_for("handovers.index"), 303)


@bp.get("/office/<office_uid>")
def emergency(office_uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "register")
    return _emergency_page(guards.office_or_404(office_uid))


@bp.post("/office/<office_uid>")
def open_emergency(office_uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "register")
    office, form = guards.office_or_404(office_uid), EmergencyForm()
    form.offer(office)
    if not form.validate():
        return _emergency_page(office, form), 422
    if form.agreed.data != "y":
        return _question(office, form, url_for("handovers.open_emergency", office_uid=office.uid), "emergency")
    try:
        found = handovers.open_emergency(
            current_user.actor, office, form.person(), form.reason.data or "", form.seen.data or ""
        )
    except Refused as refused:
        form.form_errors = [_sentence(refused)]
        return _emergency_page(office, form), refused.status
    names = "、".join(one.user.name for one in handovers.approvers(current_user.member))
    flash(f"手続きを始めました。ほかの職員の承認を待っています。承認できる方：{names}", "success")
    return redirect(url_for("handovers.detail", uid=found.uid), 303)


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    handover = guards.handover_or_404(uid)
    is_fund, viewer = current_user.member.is_staff, current_user.member
    if is_fund:
        g.found_in = "offices.index"
    return render_template(
        "admin/handover_detail.html",
        **_facts(handover),
        is_fund=is_fund,
        reviewed=handovers.reviewed(handover),
        changes=answers.moments(accounts.last_changes(handover.successor.user), viewer) if is_fund else [],
        may_withdraw=is_fund or handover.is_planned,
        why_no_approval=handovers.why_no_approval(current_user.actor, handover) if is_fund else "",
        timeline=answers.timeline(handover, viewer),
        approvers=handovers.approvers(handover.asked_by) if is_fund and not handover.is_planned else [],
    )


@bp.post("/<uid>/withdrawal")
def withdraw(uid: str) -> ResponseReturnValue:
    handover = guards.handover_or_404(uid)
    handovers.withdraw(current_user.actor, handover)
    flash("引継ぎを取り下げました。管理者は替わりません。", "success")
    return redirect(url_for("handovers.detail", uid=uid), 303)


@bp.post("/<uid>/approval")
def approve(uid: str) -> ResponseReturnValue:
    permissions.require(current_user.actor, "register")
    handovers.approve(current_user.actor, guards.handover_or_404(uid), request.form.get("seen", ""))
    flash("管理者が替わりました。新しいお知らせを作成しています。印刷して郵送してください。", "success")
    return redirect(url_for("handovers.detail", uid=uid), 303)


def _facts(handover: Handover) -> dict[str, Any]:
    office = handover.office
    device = Device.in_slot(office, ADMIN_SLOT)
    assert device is not None  # no office has fewer than one slot
    return {
        "handover": handover,
        "office": office,
        "kinds": KINDS,
        "states": STATES,
        "pc_step": inventory.place(device).step.removeprefix("swap_"),
    }


def _own_page(office: Office, form: SuccessorForm | None = None) -> str:
    """For the 管理者: the form, or how far the open one is; and those that are over."""
    permissions.require_admin(current_user.actor, office)
    found = handovers.of_office(office)
    open_one = next((one for one in found if one.state == "open"), None)
    return render_template(
        "admin/handover.html",
        **(_facts(open_one) if open_one else {"office": office, "handover": None, "kinds": KINDS, "states": STATES}),
        over=[one for one in found if one.state != "open"],
        form=form or _fresh(SuccessorForm, office),
        password_days=credentials.INITIAL_PASSWORD_LIFE.days,
    )


def _emergency_page(office: Office, form: EmergencyForm | None = None) -> str:
    g.found_in = "offices.index"
    return render_template(
        "admin/handover_emergency.html",
        office=office,
        admin=office.admin,
        open_one=Handover.open_at(office),
        approvers=handovers.approvers(current_user.member),
        form=form or _fresh(EmergencyForm, office),
    )


def _fresh(kind: type[SuccessorForm], office: Office) -> Any:
    form = kind(formdata=None, data={"seen": handovers.seen(office)})
    form.offer(office)
    return form


def _question(office: Office, form: SuccessorForm, action: str, kind: str) -> str:
    """What is going to happen, to whom, before it does."""
    person = form.person()
    successor = (
        f"{person.name}（{person.login_id}）"
        if isinstance(person, handovers.NewPerson)
        else f"{person.user.name}（{person.login_id}）"
    )
    carried = ("successor", "login_id", "kana", "name", "mail", "reason", "seen")
    return render_template(
        "admin/handover_question.html",
        office=office,
        admin=office.admin,
        kind=kind,
        successor=successor,
        is_new=isinstance(person, handovers.NewPerson),
        form=form,
        action=action,
        carried=[(name, form[name].data or "") for name in carried if name in form],
    )


def _sentence(refused: Refused) -> str:
    """For above the form; whoever may not gets the page that says so."""
    if isinstance(refused, Forbidden):
        raise refused
    return refused.message
