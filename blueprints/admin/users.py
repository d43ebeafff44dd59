"""/admin/users: the people of an office, for its 管理者; the fund's own people, for whoever holds 職員."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import HiddenField, RadioField, StringField
from wtforms.validators import ValidationError

from blueprints import deeds, fields, guards, people_pages
from equipment import Handover
from exchange import accounts, locks, normalise, people, permissions, places, possible
from exchange.errors import Refused
from exchange.people import Newcomer
from exchange.roster import Person
from models import Membership, Office

bp = Blueprint("users", __name__, url_prefix="/admin/users")

OFFICE_PRESETS = {
    people_pages.ALL: "全権限",
    people_pages.CONSULTANT: "社労士（承認・配信を除く）",
    people_pages.NONE: "あとで選ぶ",
}
MOVES = {
    "suspension": (places.suspend, "利用を停止しました。すぐにログインできなくなっています。"),
    "resumption": (places.resume, "利用を再開しました。もう一度ログインできます。"),
    "ending": (places.end, "利用を終了しました。それまでの記録は残ります。"),
    "unlocking": (locks.unlock, "ログインの停止を解除しました。"),
}
WITHDRAWN = "依頼を取り下げました。"


def _kind(*kinds: str) -> RadioField:
    choices = {kind: deeds.KINDS[kind] for kind in kinds}
    return RadioField("種類", [fields.required("種類を選んでください。")], choices=choices)


def _preset() -> RadioField:
    return RadioField("権限", [fields.required("権限を選んでください。")], choices=OFFICE_PRESETS)


class MemberForm(fields.Form):
    kind = _kind("staff", "consultant")
    login_id = fields.new_login_id()
    kana = fields.person_kana()
    name = fields.person_name()
    mail = fields.person_mail()
    preset = _preset()


class StaffForm(fields.Form):
    kind = _kind("fund", "desk")
    login_id = fields.new_login_id()
    name = fields.person_name()
    mail = fields.person_mail()


class LinkForm(fields.Form):
    contract_number = fields.contract_number("先方の契約番号")
    login_id = fields.login_id("先方でのユーザーID")
    own_login_id = fields.new_login_id("この事業所でのユーザーID", is_optional=True)
    preset = _preset()

    def validate_login_id(self, field: Any) -> None:
        """What is typed here becomes the ID at this office as well, unless there is another one."""
        if field.data and not normalise.is_login_id(field.data):
            raise ValidationError("ユーザーIDは8～15文字の半角英数字です。相手の方に確かめて、入力し直してください。")


class LimitForm(fields.Form):
    """利用期限, and the day that the page showed."""

    ends_on = StringField("利用期限", filters=[fields.cleaned(normalise.half_width)])
    before = HiddenField()

    def validate_ends_on(self, field: StringField) -> None:
        if field.data and normalise.date_on(field.data) is None:
            raise ValidationError("利用期限は 2027/03/31 または 令和9年3月31日 のように入力してください。")


@bp.get("/")
def index() -> ResponseReturnValue:
    office = _house()
    why_no_addition = people.why_no_addition(office) if office else None
    warning = people.lone_approver(office) if office else None
    page = {**people_pages.listing(office), "why_no_addition": why_no_addition, "lone_approver": warning}
    return render_template("admin/users.html", **page)


@bp.get("/new")
def new() -> ResponseReturnValue:
    office = _house()
    return _new_page(office, _new_form(office))


@bp.post("/new")
def add() -> ResponseReturnValue:
    office = _house()
    form = _new_form(office)
    if not form.validate():
        return _new_page(office, form), 422
    try:
        newcomer = _add(office, form)
    except Refused as refused:
        form.form_errors = [refused.message]
        return _new_page(office, form), refused.status
    return people_pages.password_page(newcomer)


@bp.get("/link")
def link_form() -> ResponseReturnValue:
    return _link_page(_own_office(), LinkForm())


@bp.post("/link")
def link() -> ResponseReturnValue:
    office, form = _own_office(), LinkForm()
    if not form.validate():
        return _link_page(office, form), 422
    own_login_id, words = (
        form.own_login_id.data or form.login_id.data,
        people_pages.preset("consultant", form.preset.data),
    )
    try:
        people.link(current_user.actor, form.contract_number.data, form.login_id.data, own_login_id, words)
    except Refused as refused:
        form.form_errors = [refused.message]
        return _link_page(office, form), refused.status
    flash(
        f"{own_login_id} の方に依頼しました。次回のログインで承諾されると、氏名が表示され、利用できるようになります。",
        "success",
    )
    return redirect(url_for("users.index"), 303)


@bp.get("/matrix")
def matrix() -> ResponseReturnValue:
    return render_template("admin/matrix.html", **people_pages.matrix(_house()), back_url=url_for("users.index"))


@bp.get("/<uid>")
def detail(uid: str) -> ResponseReturnValue:
    member, person = people_pages.find(uid)
    return _detail_page(person, fields.about_person(member.user, member.is_staff))


@bp.post("/<uid>/profile")
def change_profile(uid: str) -> ResponseReturnValue:
    member, person = people_pages.find(uid)
    form = fields.about_person(member.user, member.is_staff)
    if not form.validate():
        return _detail_page(person, form), 422
    try:
        changed = accounts.change_profile(
            current_user.actor, member, form.name.data, form.kana.data, form.mail.data, form.before.data
        )
    except Refused as refused:
        form.form_errors = [refused.message]
        return _detail_page(person, form), refused.status
    flash("登録内容を変更しました。" if changed else "変更はありませんでした。", "success" if changed else "info")
    return redirect(url_for("users.detail", uid=uid), 303)


@bp.post("/<uid>/permissions/<word>")
def permit(uid: str, word: str) -> ResponseReturnValue:
    """One box. `granted` says what it shall be, so that sent twice it acts once."""
    member, person = people_pages.find(uid)
    guards.word_or_404(member, word)
    is_held = request.form.get("granted") == "y"
    try:
        is_changed = permissions.assign(current_user.actor, member, word, is_held)
    except Refused as refused:
        if not request.htmx:
            raise
        return _box(person, word, refused.message, is_refused=True), refused.status
    said = _said(is_held, is_changed)
    if request.htmx:
        return _box(people_pages.find(uid)[1], word, said)
    flash(f"「{permissions.WORDS[member.kind][word][0]}」：{said}", "success")
    return redirect(url_for("users.detail", uid=uid, _anchor=f"p-{word}"), 303)


@bp.post("/<uid>/permissions")
def preset(uid: str) -> ResponseReturnValue:
    member = guards.member_or_404(uid)
    try:
        words = people_pages.preset(member.kind, request.form.get("preset", ""))
    except KeyError:
        raise Refused("権限の組み合わせが選ばれていません。画面を開き直して、もう一度選んでください。") from None
    is_changed = permissions.preset(current_user.actor, member, words)
    held = people_pages.in_words(words)
    flash(f"権限を変更しました：{held}" if is_changed else f"すでにこの権限です：{held}", "success")
    return redirect(url_for("users.detail", uid=uid, _anchor="permissions"), 303)


@bp.post("/<uid>/password")
def reset(uid: str) -> ResponseReturnValue:
    member = guards.member_or_404(uid)
    password = accounts.reset_password(current_user.actor, member, request.form.get("seen", ""))
    return people_pages.password_page(Newcomer(member, password))


@bp.post("/<uid>/limit")
def limit(uid: str) -> ResponseReturnValue:
    """利用期限: until when the place is open."""
    member, person = people_pages.find(uid)
    form = LimitForm()
    if not form.validate():
        return _detail_page(person, fields.about_person(member.user, member.is_staff), form), 422
    ends_on, before = (normalise.date_on(field.data or "") for field in (form.ends_on, form.before))
    try:
        is_changed = places.limit(current_user.actor, member, ends_on, before)
    except Refused as refused:
        form.ends_on.errors = [refused.message]
        return _detail_page(person, fields.about_person(member.user, member.is_staff), form), refused.status
    until = f"利用期限を{ends_on:%Y/%m/%d}までにしました。" if ends_on else "利用期限をなくしました。"
    flash(until if is_changed else "変更はありませんでした。", "success" if is_changed else "info")
    return redirect(url_for("users.detail", uid=uid), 303)


@bp.post("/<uid>/totp-removal")
def drop_totp(uid: str) -> ResponseReturnValue:
    accounts.drop_totp(current_user.actor, guards.member_or_404(uid))
    flash("認証アプリを解除しました。次のログインからは、メールのワンタイムパスワードを使います。", "success")
    return redirect(url_for("users.detail", uid=uid), 303)


@bp.post("/<uid>/<any('suspension', 'resumption', 'ending', 'unlocking'):noun>")
def move(uid: str, noun: str) -> ResponseReturnValue:
    member, person = people_pages.find(uid)
    act, done = MOVES[noun]
    act(current_user.actor, member)
    who = f"{member.user.name}さん" if person.is_revealed else member.login_id
    flash(f"{who}：{WITHDRAWN if person.state == 'invited' else done}", "success")
    return redirect(url_for("users.detail", uid=uid), 303)


def _house() -> Office | None:
    """Whose people the visitor manages: those of the own office, or (None) the fund's and its desk's."""
    if current_user.is_office:
        return current_user.member.office
    permissions.require(current_user.actor, "staff")
    return None


def _own_office() -> Office:
    office = current_user.member.office
    permissions.require_admin(current_user.actor, office)
    return office


def _new_form(office: Office | None) -> MemberForm | StaffForm:
    return MemberForm() if office else StaffForm()


def _new_page(office: Office | None, form: MemberForm | StaffForm) -> str:
    why_not = people.why_no_addition(office) if office else None
    return render_template("admin/user_new.html", form=form, office=office, why_not=why_not, words_of=permissions.WORDS)


def _add(office: Office | None, form: MemberForm | StaffForm) -> Newcomer:
    actor, kind, login_id = current_user.actor, form.kind.data, form.login_id.data
    if office is None:
        return people.add_staff(actor, kind, login_id, form.name.data, form.mail.data, ())
    words = people_pages.preset(kind, form.preset.data)
    return people.add_member(actor, office, kind, login_id, form.name.data, form.kana.data, form.mail.data, words)


def _link_page(office: Office, form: LinkForm) -> str:
    return render_template("admin/user_link.html", form=form, office=office)


def _detail_page(person: Person, form: fields.PersonForm, limit_form: LimitForm | None = None) -> str:
    member, actor = person.member, current_user.actor
    ends_on = f"{member.ends_on:%Y/%m/%d}" if member.ends_on else ""
    why_not = {act: possible.why_not(actor, act, member) for act in permissions.acts(actor, member)}
    return render_template(
        "admin/user_detail.html",
        **people_pages.PAGE_WORDS,
        person=person,
        member=member,
        user=member.user,
        form=form,
        limit_form=limit_form or LimitForm(data={"ends_on": ends_on, "before": ends_on}),
        is_self=member == current_user.member,
        boxes=people_pages.boxes(person),
        acts=people_pages.acts(person, why_not),
        may={act: reason is None for act, reason in why_not.items()},
        why_not=why_not,
        home=_home_of(member),
        may_audit=guards.may_read("audit.index"),
        nomination=Handover.open_for(member),
    )


def _home_of(member: Membership) -> tuple[str, str]:
    """(URL, title) of the list that the visitor finds this person in."""
    if current_user.is_office or member.is_staff:
        return url_for("users.index"), "利用者情報修正(ユーザ)" if current_user.is_office else "職員の管理"
    return url_for("offices.detail", office_uid=member.office.uid), member.office.name


def _box(person: Person, word: str, message: str, is_refused: bool = False) -> str:
    return render_template(
        "admin/_permission.html", box=people_pages.box(person, word, message, is_refused), may_assign=True
    )


def _said(is_held: bool, is_changed: bool) -> str:
    if is_changed:
        return "付与しました。" if is_held else "外しました。"
    return "すでに付与されています。" if is_held else "すでに外されています。"
