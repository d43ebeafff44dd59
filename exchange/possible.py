"""What can be done to a person at the moment, and in the words of the screen why not.

Who may do it at all: permissions.acts.
"""

from equipment import Handover
from exchange import permissions
from exchange.actors import Actor
from exchange.errors import Refused
from models import Membership, Office

ENDED = "利用が終了しています。"
INVITED = "本人の承諾を待っています。"
OF_ADMIN = "管理者の利用は停止・終了できません。管理者が交代するときは、「管理者の引継ぎ」で手続きします。"
OF_ONESELF = "ご自身に対しては行えません。ほかの方に依頼してください。"
OWN_PASSWORD = "ご自身のパスワードは、「ご自身の登録」で変更してください。"  # noqa: S105 — a sentence
WORKS_ELSEWHERE = (
    "ほかの事業所も担当している方のため、この事業所からは変更できません。"
    "本人が「利用者情報修正(ユーザ)」で変更するか、基金事務局へご連絡ください。"
)
SUCCEEDS = (
    "基金事務局が、この方を後任とする管理者の交代の手続き中のため、事業所からは変更できません。"
    "お心当たりのないときは、基金事務局へご連絡ください。"
)
OF_THE_OFFICE = ("edit", "reset", "drop_totp", "suspend", "end")  # what an office does to the accounts of its people


def why_not(actor: Actor, act: str, member: Membership) -> str | None:
    """Why an act that the actor may do (permissions.acts) is not possible for this member now, or None."""
    state = member.state
    if state == "ended":
        return ENDED
    if state == "invited" and act not in ("assign", "end"):
        return INVITED
    if act in OF_THE_OFFICE and not is_own(actor, member) and _is_to_succeed(actor, member):
        return SUCCEEDS
    if act in ("suspend", "end"):
        return _why_not_go(actor, member)
    if act == "reset" and actor.membership == member:
        return OWN_PASSWORD
    if act == "reset" and member.is_staff and not actor.is_trusted and permissions.is_last_keeper(member):
        return permissions.LAST_KEEPER
    if act in ("edit", "reset", "drop_totp") and not is_own(actor, member) and _is_shared(actor, member):
        return WORKS_ELSEWHERE
    if act == "drop_totp" and not member.user.has_totp:
        return "認証アプリは登録されていません。"
    return None


def _why_not_go(actor: Actor, member: Membership) -> str | None:
    if member.kind == "office_admin":
        return OF_ADMIN
    if actor.membership == member:
        return OF_ONESELF
    return permissions.LAST_KEEPER if permissions.is_last_keeper(member) else None


def require(actor: Actor, act: str, member: Membership) -> None:
    """Forbidden, and logged, for whoever may not; Refused for what can't be done. Before the verb's transaction."""
    permissions.require_act(actor, act, member)
    require_still(actor, act, member)


def require_still(actor: Actor, act: str, member: Membership) -> None:
    """The same question to the row as it stands inside the verb's transaction: meanwhile the person may have taken a
    place in another office.
    """
    problem = why_not(actor, act, Membership.by_uid(member.uid) or member)
    if problem:
        raise Refused(problem)


def is_own(actor: Actor, member: Membership) -> bool:
    return actor.membership is not None and actor.membership.user_id == member.user_id


def _is_to_succeed(actor: Actor, member: Membership) -> bool:
    """Whether the fund is about to put this person in the place of the very 管理者 who would change his account."""
    nomination = Handover.open_for(member) if actor.office is not None else None
    return nomination is not None and not nomination.is_planned


def _is_shared(actor: Actor, member: Membership) -> bool:
    """Whether another office relies on this person's account too: then no single office may take it over."""
    if actor.office is None:
        return False
    elsewhere = Membership.select().join(Office).where(Membership.user == member.user_id, Office.closed_at.is_null())
    relied_on = Membership.ended_at.is_null() & Membership.invited_at.is_null()
    return elsewhere.where(Membership.office != actor.office, relied_on).exists()
