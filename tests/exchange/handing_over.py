"""What the tests of 引継ぎ share: who asks, who approves, and whose PC is activated."""

from equipment import Handover
from exchange import (
    activations,
    handovers,
    permissions,
)
from exchange.actors import Actor
from models import AuditEntry, Mail, Membership, Office
from tests.exchange.activating import sends
from tests.exchange.codes import Built, Pc, built
from tests.people import Cast

REASON = "管理者の退職（管理者情報変更届 2026/11/20受付）"
MIDORI = handovers.NewPerson("abcMidori", "庚川　緑", "カノエカワ　ミドリ", "midori@abc-shoji.example")


def admins(office: Office) -> list[str]:
    here = (Membership.office == office) & (Membership.kind == "office_admin") & Membership.ended_at.is_null()
    return [member.login_id for member in Membership.select().where(here)]


def nominates(cast: Cast, successor: Membership | handovers.NewPerson | None = None) -> handovers.Nomination:
    return handovers.nominate(cast.taro, cast.abc, successor or cast.member("jun"))


def activates(cast: Cast, built_one: Built | None = None, office: Office | None = None) -> None:
    """The successor's PC, set up with what lies in slot 1, sends its confirmation code and the desk accepts it."""
    request = sends(built_one or built(office or cast.abc, 1), Pc())
    activations.accept(cast.dai, request)


def second_clerk(cast: Cast) -> Actor:
    permissions.preset(cast.kiku, cast.member("ume"), ("register",))
    return cast.ume


def opens_emergency(
    cast: Cast, successor: Membership | handovers.NewPerson | None = None, office: Office | None = None
) -> Handover:
    second_clerk(cast)
    return handovers.open_emergency(cast.kiku, office or cast.abc, successor or cast.member("jun"), REASON)


def told(kind: str) -> dict[str, str]:
    """Address → on which side it is told."""
    return {mail.to_address: mail.facts["side"] for mail in Mail.select().where(Mail.kind == kind)}


def last(action: str) -> AuditEntry:
    return AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number.desc()).get()
