"""/admin/invitations: the fund's invitations to file a registration online."""

from flask import Blueprint, flash, g, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, ValidationError

from blueprints import fields, guards, paging
from database import utc_now
from exchange import invitations, normalise
from exchange.errors import Refused

bp = Blueprint("invitations", __name__, url_prefix="/admin/invitations")

# State → its words, the colour of its chip, and whether the office can be invited once more.
STATES = {
    "waiting": ("未使用", "wait", True),
    "opened": ("入力中", "go", True),
    "filed": ("提出済", "done", False),
    "expired": ("期限切れ", "stop", True),
    "lapsed": ("未提出で終了", "stop", True),
    "withdrawn": ("取り下げ", "off", False),
}
SEPARATORS = str.maketrans("，、\t", ",,,")


class InvitationForm(fields.Form):
    office_name = StringField(
        "事業所名", [DataRequired("事業所名を入力してください。")], [fields.cleaned(normalise.text)]
    )
    mail = fields.person_mail()


class ManyForm(fields.Form):
    """One office a line: its name, a comma or a tab (as copied out of a table), its address."""

    lines = TextAreaField("案内先の一覧", [DataRequired("案内先を1件以上入力してください。")])

    def validate_lines(self, field: TextAreaField) -> None:
        wrong = [f"{number}行目：{problem}" for number, _, problem in self._read() if problem]
        if len(self.wanted) > invitations.AT_ONCE:
            raise ValidationError(f"一度に案内できるのは{invitations.AT_ONCE}件までです。分けて入力してください。")
        if wrong:
            raise ValidationError(" ".join(wrong[:10]))

    @property
    def wanted(self) -> list[tuple[str, str]]:
        return [pair for _, pair, _ in self._read()]

    def _read(self) -> list[tuple[int, tuple[str, str], str | None]]:
        """(line, (office name, mail), what is wrong with it) of each line that isn't blank."""
        found = []
        for number, line in enumerate((self.lines.data or "").splitlines(), 1):
            if line.strip():
                name, _, mail = line.translate(SEPARATORS).rpartition(",")
                pair = (normalise.text(name), normalise.mail(mail))
                found.append((number, pair, invitations.problem_of(*pair)))
        return found


@bp.get("/")
def index() -> ResponseReturnValue:
    return _page(InvitationForm(formdata=None), ManyForm(formdata=None))


@bp.post("/")
def invite() -> ResponseReturnValue:
    """One office, or all that stand in the list."""
    many = ManyForm()
    is_list = bool(many.lines.raw_data)
    one = InvitationForm(formdata=None) if is_list else InvitationForm()
    asked: fields.Form = many if is_list else one
    if not asked.validate():
        return _page(one, many if is_list else ManyForm(formdata=None)), 422
    wanted = many.wanted if is_list else [(one.office_name.data, one.mail.data)]
    try:
        made = invitations.invite_all(current_user.actor, wanted)
    except Refused as refused:
        asked.form_errors = [refused.message]
        return _page(one, many if is_list else ManyForm(formdata=None)), refused.status
    said = f"{made[0].office_name}（{made[0].mail}）" if len(made) == 1 else f"{len(made)}件の案内先"
    flash(f"{said}へ、招待コードをメールで送ります。有効期間は{invitations.LIFE.days}日間です。", "success")
    return redirect(url_for("invitations.index"), 303)


@bp.post("/<uid>/withdrawal")
def withdraw(uid: str) -> ResponseReturnValue:
    invitation = guards.online_invitation_or_404(uid)
    invitations.withdraw(current_user.actor, invitation)
    flash(f"{invitation.office_name} への案内を取り下げました。招待コードは、もう使えません。", "success")
    return redirect(url_for("invitations.index"), 303)


def _page(one: InvitationForm, many: ManyForm) -> str:
    g.found_in = "registrations.index"  # which page the menu marks
    now, query = utc_now(), invitations.listed()
    pager = paging.page_of(query, query.count(), "invitations.index")
    return render_template(
        "admin/registration_invitations.html",
        one=one,
        many=many,
        pager=pager,
        rows=[(invitation, invitations.state_of(invitation, now)) for invitation in pager.items],
        states=STATES,
        days=invitations.LIFE.days,
        at_once=invitations.AT_ONCE,
        one_address=invitations.ONE_ADDRESS,
    )
