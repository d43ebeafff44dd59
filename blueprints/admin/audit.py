"""/admin/audit: who did what, for the 管理者 of an office and for whoever holds 監査."""

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import SelectChoice, SelectField, StringField
from wtforms.validators import Length, ValidationError

from blueprints import answers, deeds, fields, guards, paging
from database import utc_now
from exchange import calendar, normalise, trail
from exchange.errors import Refused
from models import AuditEntry, Membership, Transfer

bp = Blueprint("audit", __name__, url_prefix="/admin/audit")

TYPED_LONGEST = 100
STRANGER = "（ログイン前）"
COLUMNS = ("日時", "種類", "操作", "受付番号", "内容", "SHA-256", "だれが", "端末", "接続元")
# For the fund's side; a gap in the numbers would tell an office of what it may not know yet.
COLUMNS_OF_ALL = ("番号", "事業所番号", "事業所")


def _text(label: str) -> StringField:
    message = f"{label}は{TYPED_LONGEST}文字までで入力してください。"
    return StringField(label, [Length(max=TYPED_LONGEST, message=message)], [fields.cleaned(str.strip)])


def _actions() -> list[SelectChoice]:
    wanted = [SelectChoice(value, words, optgroup=group) for group, value, words in deeds.ACTION_CHOICES]
    return [SelectChoice("", "すべて"), *wanted]


class FilterForm(fields.Form):
    """What to look for. Sent by GET, and by POST together with the token of the page."""

    class Meta(fields.Form.Meta):
        csrf = False  # asking changes nothing; for the file the whole site's check asks for the token

    q = _text("名前・ユーザーID")
    member = SelectField("利用者", default="", choices=lambda: _people(request.values.get("member", "")))
    office = _text("事業所")
    action = SelectField("種類", default="", choices=_actions)
    since = _text("開始日")
    until = _text("終了日")

    def validate_since(self, field: StringField) -> None:
        _require_date(field)

    def validate_until(self, field: StringField) -> None:
        _require_date(field)
        first, last = normalise.date_on(self.since.data), normalise.date_on(field.data)
        if first and last and last < first:
            raise ValidationError("終了日は、開始日と同じ日か、それより後の日を入力してください。")

    @property
    def asked(self) -> dict[str, str]:
        """What was typed or chosen, to be asked once more."""
        return {field.name: field.data for field in self if field.data}

    @property
    def told(self) -> list[str]:
        """The same in words, for paper."""
        lists = {"member": dict(self.member.choices), "action": deeds.FILTER_LABELS}
        asked = self.asked.items()
        return [f"{self[name].label.text}：{lists.get(name, {}).get(value, value)}" for name, value in asked]

    @property
    def filters(self) -> trail.Filters:
        days = {name: normalise.date_on(self[name].data) for name in ("since", "until")}
        return trail.Filters(self.q.data, self.member.data, self.office.data, self.action.data, **days)


@bp.get("/")
def index() -> ResponseReturnValue:
    form, viewer = FilterForm(request.args), current_user.member
    if not form.validate():
        return _page(form), 422
    pager = paging.page_found(
        lambda skip, size: trail.search(viewer, form.filters, skip, size), trail.count(viewer, form.filters)
    )
    return _page(form, pager, list(_lines(trail.with_documents(viewer, pager.items))))


@bp.post("/csv")
def export() -> ResponseReturnValue:
    form = FilterForm(request.form)
    if not form.validate():
        return _page(form), 422
    try:
        rows = trail.export(current_user.actor, form.filters)
    except Refused as refused:
        form.form_errors = [refused.message]
        return _page(form), refused.status
    return answers.table(_cells(_lines(rows)), f"操作の記録_{calendar.day(utc_now()):%Y%m%d}", "audit")


def _page(form: FilterForm, pager: paging.Pager | None = None, lines: Iterable[dict[str, Any]] = ()) -> str:
    return render_template("admin/audit.html", form=form, pager=pager, lines=lines, largest=trail.EXPORT_LARGEST)


def _lines(rows: Iterable[trail.Row]) -> Iterator[dict[str, Any]]:
    """What a line of the list, or of the file, tells. From where somebody came is shown to his own side only."""
    viewer = current_user.member
    rooms = _rooms(viewer)
    for entry, document in rows:
        is_own_side = entry.is_of_side(viewer)
        yield {
            "entry": entry,
            "group": deeds.group(entry.action),
            "label": deeds.label(entry.action),
            "office": entry.office if viewer.is_staff else None,
            "document": document,
            "url": _url(rooms, document),
            "text": deeds.text(entry.action, trail.facts(entry, viewer)),
            "who": entry.who_to(viewer) or STRANGER,
            "device": entry.device.label if entry.device and is_own_side else "",
            "address": entry.address if is_own_side else "",
        }


def _rooms(viewer: Membership) -> dict[str, str]:
    """Direction → the page where this person may open such a document."""
    if not viewer.is_staff:
        return {"filing": "files.detail", "statement": "files.detail"}
    rooms = {"filing": "inbox.detail", "statement": "statements.detail"}
    return {direction: endpoint for direction, endpoint in rooms.items() if guards.may_read(endpoint)}


def _url(rooms: dict[str, str], document: Transfer | None) -> str:
    if document is None or not document.is_known or document.direction not in rooms:
        return ""
    return url_for(rooms[document.direction], uid=document.uid)


def _cells(lines: Iterable[dict[str, Any]]) -> Iterator[list[str]]:
    """The lines of the file, the headings first."""
    sees_all = current_user.member.is_staff
    yield [*(COLUMNS_OF_ALL if sees_all else ()), *COLUMNS]
    for line in lines:
        entry: AuditEntry = line["entry"]
        office, details = line["office"], entry.details
        place = (office.office_number, office.name) if office else ("", "")
        yield [
            *((str(entry.number), *place) if sees_all else ()),
            f"{calendar.japan(entry.at):%Y/%m/%d %H:%M:%S}",
            line["group"],
            line["label"],
            line["document"].receipt_number if line["document"] else "",
            line["text"],
            details.get("sha256") or details.get("entry_sha256") or "",
            line["who"],
            line["device"],
            line["address"],
        ]


def _people(wanted: str) -> dict[str, str]:
    """Whom to choose from: the people of one's own office (the fund's own), and whoever the address names besides."""
    viewer: Membership = current_user.member
    people = {member.uid: _person(member) for member in Membership.at(viewer.office)}
    other = Membership.by_uid(wanted) if viewer.is_staff and wanted and wanted not in people else None
    if other is not None:
        people[other.uid] = f"{other.office.display_name} {_person(other)}" if other.office else _person(other)
    return {"": "すべて", **people}


def _person(member: Membership) -> str:
    """Names are shown from the moment the person has accepted to work here."""
    name = f"{member.user.name}（{member.login_id}）" if member.invited_at is None else f"（{member.login_id}）"
    state = {"ended": "利用終了", "invited": "承諾待ち"}.get(member.state, "")
    return f"{name}　{state}" if state else name


def _require_date(field: StringField) -> None:
    if field.data and normalise.date_on(field.data) is None:
        raise ValidationError("日付は 2026/04/01 または 令和8年4月1日 のように入力してください。")
