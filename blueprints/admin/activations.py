"""/admin/activations: the 確認コード that wait for their 有効化, and what the desk has to do on the VPN server."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from blueprints import answers, fields, guards, paging, words
from database import utc_now
from equipment import ActivationRequest, VpnOrder
from exchange import activation_checks, activation_facts, activations, calendar, normalise, reasons, vpn, vpn_orders
from exchange.activation_facts import Change, End

bp = Blueprint("activations", __name__, url_prefix="/admin/activations")

STATES = {  # → (words, colour of the chip)
    "waiting": ("受付", "wait"),
    "settling": ("反映待ち", "go"),
    "activated": ("有効化済", "done"),
    "returned": ("差戻し", "stop"),
    "void": ("無効", "off"),
}
TABS = ("open", "orders", "history")
# Every request that is kept has passed these; what the checks found besides stands in its notes.
CHECKS = (
    "確認コードの形式が正しい",
    "インストーラーの署名が一致し、書き換えられていない",
    "契約番号と端末番号が、送信した事業所のものと一致する",
    "インストーラーは最新のもので、まだ使われていない",
    "パソコンは、ほかの端末として有効化されていない",
)
# What an 有効化 changes besides: before the press, and after it.
HANDOVER = (
    "管理者の引継ぎです。有効化すると、管理者が{before}さんから{after}さんに替わり、"
    "{before}さんは利用できなくなります（元に戻せません）。"
)
HANDED_OVER = "この有効化で、管理者が{before}さんから{after}さんに替わりました。{before}さんは利用できません。"
SWAP = "PCの入れ替えです。いまのPC（{name}、{since}から）は使えなくなります。"


class ReturnForm(fields.Form):
    reason = fields.reason("差戻しの理由", "事業所の管理者へのメールに書かれます。", reasons.LONGEST)


@dataclass(frozen=True)
class Line:
    """What a row and a page show of a request. `order`: what the VPN server has been asked for. `changes`: sentences on
    what the 有効化 changes besides; `is_swap`: it cuts off another PC. `end`: why nothing came of it.
    """

    request: ActivationRequest
    clock: activations.Clock
    user: str
    notes: list[str]
    is_due: bool
    order: VpnOrder | None
    changes: list[str]
    is_swap: bool
    end: str
    form: ReturnForm


@dataclass(frozen=True)
class Settling:
    """Whether the VPN server still has something to do, for the list or for the one request (`uid`), and when it was
    silent last.
    """

    is_under_way: bool
    failed_at: datetime | None
    uid: str = ""


@bp.get("/")
def index() -> ResponseReturnValue:
    if request.htmx and request.args.get("part") == "settling":
        return _progress()
    tab = request.args.get("state", "")
    tab = tab if tab in TABS else "open"
    search = normalise.text(request.args.get("q", "")) if tab == "history" else ""
    query = _query(tab, search)
    pager = paging.page_of(query, query.count())
    return render_template(
        "admin/activations.html",
        tab=tab,
        counts=_counts(),
        pager=pager,
        orders=[(one, vpn.user_name(one.device)) for one in pager.items] if tab == "orders" else [],
        lines=(lines := _lines(pager.items) if tab != "orders" else []),
        settling=_settling(lines),
        q=search,
        **_shared(),
    )


def _progress() -> ResponseReturnValue:
    """How far the VPN server is with the rows that the page names, and those for which it has done its part."""
    named = _lines(activations.among(request.args.getlist("settling")[: paging.PAGE]))
    over = [line for line in named if line.request.state != "settling"]
    shown = {"lines": over, "settling": _settling(named), "counts": _counts(), "tab": "open"}
    return render_template("admin/_activation_settled.html", **shown, **_shared())


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    """The page; for htmx how far the VPN server is and, once that is over, the page anew."""
    found = guards.activation_or_404(uid)
    if not request.htmx:
        return _detail_page(found)
    headers = {"HX-Refresh": "true"} if found.state != "settling" else {}
    settling = _settling([_line_of(found)], uid)
    return render_template("admin/_activation_settling.html", settling=settling), 200, headers


@bp.post("/<uid>/acceptance")
def accept(uid: str) -> ResponseReturnValue:
    found = guards.activation_or_404(uid)
    activations.accept(current_user.actor, found)
    found = guards.activation_or_404(uid)
    done = "有効化しました。" if found.state == "activated" else "有効化を受け付けました。"
    return _done(found, done + "".join(_line_of(found).changes if found.state == "activated" else []))


@bp.post("/<uid>/return")
def send_back(uid: str) -> ResponseReturnValue:
    found, form = guards.activation_or_404(uid), ReturnForm()
    if not form.validate():
        return (_row(found, form) if request.htmx else _detail_page(found, form)), 422
    activations.send_back(current_user.actor, found, form.reason.data)
    return _done(guards.activation_or_404(uid), "差し戻しました。事業所の管理者へ、理由をメールでお知らせします。")


@bp.post("/devices/<office_uid>/<int:slot>")
def by_hand(office_uid: str, slot: int) -> ResponseReturnValue:
    """有効化 of a PC whose installer makes no confirmation code; the button stands on the page of the office's PCs."""
    device = guards.slot_or_404(guards.device_office_or_404(office_uid), slot)
    activations.by_hand(current_user.actor, device, request.form.get("seen", ""))
    flash(f"端末 {device.label} を有効化しました。事業所の管理者へメールでお知らせします。", "success")
    return redirect(url_for("devices.office", office_uid=office_uid), 303)


@bp.post("/orders/<uid>/completion")
def complete(uid: str) -> ResponseReturnValue:
    order = guards.vpn_order_or_404(uid)
    vpn_orders.complete_by_hand(current_user.actor, order)
    flash(f"{vpn.user_name(order.device)} の作業を、VPNサーバーで済んだものとして記録しました。", "success")
    return redirect(url_for("activations.index", state="orders"), 303)


def _query(tab: str, search: str = "") -> Any:
    if tab == "orders":
        return vpn_orders.waiting()
    return activations.history(search) if tab == "history" else activations.waiting()


def _shared() -> dict[str, Any]:
    return {
        "states": STATES,
        "checks": CHECKS,
        "is_manual": not vpn.provider().is_automatic,
        "may_act": current_user.may("activate"),
        "may_stop": current_user.may("activate") or current_user.may("devices"),
    }


def _counts() -> dict[str, int]:
    return {key: _query(key).count() for key in ("open", "orders")}


def _lines(found: Iterable[ActivationRequest]) -> list[Line]:
    found = list(found)
    changes, ends = activation_facts.changes(found), activation_facts.ends(found)
    orders = vpn_orders.newest_of([one.device_id for one in found if one.state == "settling"])
    return [_line(one, changes.get(one.id, Change()), ends.get(one.id), orders.get(one.device_id)) for one in found]


def _settling(lines: Iterable[Line], uid: str = "") -> Settling:
    settling = [line for line in lines if line.request.state == "settling"]
    failed = [line.order.failed_at for line in settling if line.order and line.order.failed_at]
    return Settling(bool(settling), max(failed, default=None), uid)


def _line_of(found: ActivationRequest, form: ReturnForm | None = None) -> Line:
    change = activation_facts.changes([found]).get(found.id, Change())
    return _line(found, change, activation_facts.end_of(found), vpn_orders.letting_in(found.installer_id), form)


def _line(
    found: ActivationRequest, change: Change, end: End | None, order: VpnOrder | None, form: ReturnForm | None = None
) -> Line:
    form = form or ReturnForm(formdata=None)
    form.reason.id = f"reason-{found.uid}"  # each row of the list has one
    at = utc_now()
    said = {"handover": change.handover is not None, "other_pc": change.is_swap}  # notes that _words say better
    notes = [activation_checks.NOTES[code] for code in found.notes if not said.get(code)]
    clock = activations.clock(found, at)
    is_due = clock.due_on == calendar.day(at)
    user = vpn.user_name(found.device)
    return Line(found, clock, user, notes, is_due, order, _words(change), change.is_swap, words.why_void(end), form)


def _words(change: Change) -> list[str]:
    found, handover = [], change.handover
    if handover is not None:
        names = {"before": handover.predecessor.user.name, "after": handover.successor.user.name}
        found.append((HANDOVER if handover.state == "open" else HANDED_OVER).format(**names))
    if change.is_swap:
        name = change.outgoing.computer_name if change.outgoing else ""
        since = f"{calendar.japan(change.since):%Y/%m/%d}" if change.since else "以前"
        found.append(SWAP.format(name=name or "名前の記録なし", since=since))
    return found


def _row(found: ActivationRequest, form: ReturnForm | None = None) -> str:
    """The row alone, and what changes with it around the list."""
    line = _line_of(found, form)
    shown = {"line": line, "settling": _settling([line]), "counts": _counts(), "tab": "open"}
    return render_template("admin/_activation_redrawn.html", **shown, **_shared())


def _detail_page(found: ActivationRequest, form: ReturnForm | None = None) -> str:
    timeline = answers.timeline(found, current_user.member)
    line = _line_of(found, form)
    shown = {"line": line, "settling": _settling([line], found.uid), "timeline": timeline}
    return render_template("admin/activations_detail.html", **shown, **_shared())


def _done(found: ActivationRequest, said: str) -> ResponseReturnValue:
    """The row in its place; without scripts the page of the request."""
    if request.htmx and request.args.get("part") == "row":
        return _row(found)
    flash(said, "success")
    return redirect(url_for("activations.detail", uid=found.uid), 303)
