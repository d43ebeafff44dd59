"""/admin/devices: an office's PCs: which, whose, since when; stopping and replacing them."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import DataRequired, Length, ValidationError

from blueprints import fields, guards, paging, words
from exchange import activation_facts, devices, inventory, normalise, reasons, vpn
from exchange.inventory import Place
from models import Office

bp = Blueprint("devices", __name__, url_prefix="/admin/devices")

OTHER = "その他"
LOST = "紛失・盗難"  # such a PC is stopped before anything else
CAUSES = (LOST, "故障", "入れ替え", "退職・異動", OTHER)
ROOM = reasons.LONGEST - max(map(len, CAUSES)) - 1
NEEDED = "理由を入力してください。操作の記録に残ります。"

KEPT = "いまのPCは、新しいPCが有効化されるまで使えます。"
BUILDING = "インストーラーを作成しています。できあがると、ダウンロードできるようになります。"
SETTLING = "確認コードは受け付けられ、VPNサーバーへの登録を待っています。終わると、管理者へメールでお知らせします。"
BY_HAND = "by_hand"  # in place of what comes next after an installer that was made elsewhere
# What comes next, in one sentence: (to the office, to the fund's people).
STEPS = {
    "building": (BUILDING, BUILDING),
    "no_installer": (
        "インストーラーの準備を待っています。準備ができると、「お知らせ」のダウンロードキーでダウンロードできます。",
        "インストーラーがまだありません。電子連携サービス事務局が作成するか、登録します。",
    ),
    "fetch": (
        "使うPCで、「お知らせ」のダウンロードキーを使って、インストーラーをダウンロードしてください。",
        "事業所がインストーラーをダウンロードするのを待っています。",
    ),
    "install": (
        "使うPCにインストールし、「インストール確認」で作られた確認コードを送信してください。",
        "事業所が確認コードを送信するのを待っています。",
    ),
    BY_HAND: (
        "使うPCにインストールしてください。終わったら、基金事務局へご連絡ください。電子連携サービス事務局が有効化します。",
        "登録されたインストーラーのため、確認コードは送信されません。インストールが終わったと事業所から連絡を受けたら、"
        "電子連携サービス事務局がVPNサーバーで登録を済ませ、「確認コードなしで有効化」を押します。",
    ),
    "checking": (
        "電子連携サービス事務局が確認コードを確かめています。結果は、管理者へメールでお知らせします。",
        "確認コードが届いています。電子連携サービス事務局が確かめます。",
    ),
    "settling": (SETTLING, SETTLING),
    "at_work": ("この端末からログインできます。", "この端末からログインできます。"),
    "stopped": (
        "この端末からは、接続もログインもできません。もう一度使うときは、PCの入れ替えをして、新しいインストーラーで始めます。",
        "この端末からは、接続もログインもできません。もう一度使うときは、PCの入れ替えをします。",
    ),
}
SWAP = "swap_"
KNOWN_STOP = (
    "端末 {} を停止しました。この端末からは、接続もログインもできません。利用者の登録は、そのまま残っています。"
)
UNKNOWN_STOP = (
    "端末 {} を停止しました。VPN接続は、電子連携サービス事務局がVPNサーバーで切断します。"
    "お急ぎのときは、電話でも依頼してください。利用者の登録は、そのまま残っています。"
)


class FundForm(fields.Form):
    seen = HiddenField()  # of a replacement
    reason = StringField(
        "理由",
        [DataRequired(NEEDED), Length(max=reasons.LONGEST, message="理由が長すぎます。短くしてください。")],
        [fields.cleaned(normalise.text)],
    )

    @property
    def words(self) -> str:
        return self.reason.data or ""


class OfficeForm(fields.Form):
    seen = HiddenField()
    reason = SelectField(
        "理由",
        [fields.required("理由を選んでください。操作の記録に残ります。")],
        choices={"": "選んでください", **dict(zip(CAUSES, CAUSES, strict=True))},
    )
    detail = StringField(
        "くわしい理由",
        [Length(max=ROOM, message=f"くわしい理由は{ROOM}文字までで入力してください。")],
        [fields.cleaned(normalise.text)],
    )

    def validate_detail(self, field: StringField) -> None:
        if self.reason.data == OTHER and not field.data:
            raise ValidationError("「その他」のときは、くわしい理由を入力してください。")

    @property
    def words(self) -> str:
        return "：".join(filter(None, (self.reason.data, self.detail.data)))


class ReplacementForm(OfficeForm):
    """It leaves a PC at work as it is: a lost one needs the other form first."""

    reason = SelectField(
        "理由",
        [fields.required("理由を選んでください。操作の記録に残ります。")],
        choices={"": "選んでください", **{cause: cause for cause in CAUSES if cause != LOST}},
    )


Form = FundForm | OfficeForm


# How the list of all PCs can be narrowed.
FILTERS = {**words.DEVICE_LABELS, inventory.SWAP: "入れ替え中"}


@dataclass(frozen=True)
class Card:
    """A slot with its two forms. `sent`: the one of them that came back with something wrong, if one did."""

    place: Place
    next: str
    stop: Form
    replacement: Form
    sent: str
    is_own: bool
    is_last: bool


@bp.get("/")
def index() -> ResponseReturnValue:
    """The own office's or, for the fund's people, those of all offices."""
    if current_user.is_office:
        return _page(guards.device_office_or_404(current_user.member.office.uid))
    search, state = normalise.text(request.args.get("q", "")), request.args.get("state", "")
    found = inventory.everywhere(search, state if state in FILTERS else "")
    pager = paging.page_of(found, found.count())
    return render_template(
        "admin/devices_list.html",
        pager=pager,
        logins=inventory.last_logins(pager.items),
        q=search,
        state=state,
        filters=FILTERS,
    )


@bp.get("/<office_uid>")
def office(office_uid: str) -> ResponseReturnValue:
    return _page(guards.device_office_or_404(office_uid))


@bp.post("/<office_uid>/<int:slot>/stop")
def stop(office_uid: str, slot: int) -> ResponseReturnValue:
    done = KNOWN_STOP if vpn.provider().is_automatic else UNKNOWN_STOP
    return _act(lambda actor, device, words, _: devices.stop(actor, device, words), "stop", office_uid, slot, done)


@bp.post("/<office_uid>/<int:slot>/replacement")
def replace(office_uid: str, slot: int) -> ResponseReturnValue:
    done = "端末 {} のPCの入れ替えを受け付けました。続きは、この端末の「次にすること」をご覧ください。"
    return _act(devices.replace, "replacement", office_uid, slot, done)


@bp.post("/<office_uid>/<int:slot>/replacement/removal")
def call_off(office_uid: str, slot: int) -> ResponseReturnValue:
    device = guards.slot_or_404(guards.device_office_or_404(office_uid), slot)
    devices.call_off(current_user.actor, device, request.form.get("seen", ""))
    flash(f"端末 {device.label} のPCの入れ替えを取りやめました。いまのPCは、このまま使えます。", "success")
    return _back(office_uid)


def _act(verb: Callable[..., None], name: str, office_uid: str, slot: int, done: str) -> ResponseReturnValue:
    office = guards.device_office_or_404(office_uid)
    device, form = guards.slot_or_404(office, slot), _form_of(name)()
    if not form.validate():
        return _page(office, slot, name, form), 422
    verb(current_user.actor, device, form.words, form.seen.data or "")
    flash(done.format(device.label), "success")
    return _back(office_uid)


def _back(office_uid: str) -> ResponseReturnValue:
    if current_user.is_office:
        return redirect(url_for("devices.index"), 303)
    return redirect(url_for("devices.office", office_uid=office_uid), 303)


def _form_of(name: str) -> type[FundForm] | type[OfficeForm]:
    if not current_user.is_office:
        return FundForm
    return ReplacementForm if name == "replacement" else OfficeForm


def _page(office: Office, slot: int = 0, name: str = "", sent: Form | None = None) -> str:
    """`name`, `slot`: which form was sent and comes back."""
    places = inventory.of(office)
    active = [place.device for place in places if place.device.state == "active"]
    here = current_user.session.device
    return render_template(
        "admin/devices.html",
        office=office,
        cards=[_card(place, active, {name: sent} if place.device.slot == slot and sent else {}) for place in places],
        sent_back=activation_facts.sent_back(office),
        active=len(active),
        here=here if here in active else None,
        sent=sent,
        is_own_office=current_user.is_office,
        may_act=current_user.is_office or current_user.may("devices"),
        may_stop=current_user.is_office or current_user.may("devices") or current_user.may("register"),
        are_pcs_known=vpn.provider().is_automatic,
        may_open=guards.may_read("offices.detail"),
        may_hand_out=guards.may_read("installers.index"),
        may_activate=guards.may_read("activations.index"),
        may_by_hand=current_user.may("activate") and not vpn.provider().is_automatic,
        may_hand_over=guards.may_read("handovers.index"),
    )


def _card(place: Place, active: list, sent: dict[str, Form]) -> Card:
    forms = {name: sent.get(name) or _fresh(place, name) for name in ("stop", "replacement")}
    for name, form in forms.items():
        for field in form:  # names may be alike on one page, ids may not
            field.id = f"{name}-{place.device.slot}-{field.short_name}"
    is_active = place.device in active
    return Card(
        place,
        _next(place),
        **forms,
        sent=next(iter(sent), ""),
        is_own=is_active and place.device == current_user.session.device,
        is_last=is_active and len(active) == 1,
    )


def _fresh(place: Place, name: str) -> Form:
    return _form_of(name)(formdata=None, data={"seen": place.seen})


def _next(place: Place) -> str:
    step = BY_HAND if place.is_by_hand and not vpn.provider().is_automatic else place.step.removeprefix(SWAP)
    sentence = STEPS[step][0 if current_user.is_office else 1]
    return KEPT + sentence if place.step.startswith(SWAP) else sentence
