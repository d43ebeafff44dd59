"""The permission words: which exist, who can hold which, and the one question whether an actor may."""

from collections.abc import Iterable
from typing import NoReturn

from database import db
from exchange import audit, outbox
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused
from models import Grant, Membership, Office, User

OFFICE_WORDS = {
    "upload": ("アップロード", "届書のZIPを登録します"),
    "cancel": ("取消", "配信前の届書を取り下げます"),
    "approve": ("承認", "登録された届書を承認し、または差し戻します"),
    "deliver": ("配信", "承認された届書を基金へ配信します"),
    "request_pickup": ("受取要求", "届いた帳票のダウンロードを申し出ます"),
    "download": ("ダウンロード", "受取要求した帳票と、送った届書の控えを保存します"),
    "mail_notice": ("メール通知", "承認待ちや帳票配信などのお知らせをメールで受け取ります"),
}
FUND_WORDS = {
    "register": ("登録", "事業所を登録し、お知らせを発行します。緊急のときは端末を停止します"),
    "prepare": ("作成", "帳票を作成します"),
    "check": ("承認", "作成された帳票を承認します"),
    "send": ("配信", "承認された帳票を事業所へ配信します"),
    "receive": ("受領", "届書を受け取り、処理します"),
    "publish": ("掲載", "手順書を掲載します"),
    "audit": ("監査", "操作の記録を見ます"),
    "staff": ("職員", "職員と権限を管理します"),
    "settings": ("設定", "基金の設定を変えます"),
}
DESK_WORDS = {
    "activate": ("有効化", "端末を有効化します"),
    "devices": ("端末", "端末を停止し、再発行します"),
    "unlock": ("解除", "ログインの停止を解除します"),
    "audit": ("監査", "操作の記録を見ます"),
}
WORDS = {
    "office_admin": OFFICE_WORDS,
    "staff": OFFICE_WORDS,
    "consultant": OFFICE_WORDS,
    "fund": FUND_WORDS,
    "desk": DESK_WORDS,
}
KNOWN = frozenset(OFFICE_WORDS) | frozenset(FUND_WORDS) | frozenset(DESK_WORDS)

ALL_WORDS = tuple(OFFICE_WORDS)  # 全権限
CONSULTANT_WORDS = tuple(word for word in OFFICE_WORDS if word not in ("approve", "deliver"))  # 社労士


def may(actor: Actor, word: str) -> bool:
    """Whether the actor holds the word now. TypeError for a word that doesn't exist."""
    if word not in KNOWN:
        raise TypeError(f"no such permission: {word}")
    return word in held(actor)


def held(actor: Actor) -> frozenset[str]:
    """Every word the actor holds now, in one query."""
    if actor.is_trusted:
        return KNOWN
    member = actor.membership
    if member is None or not member.is_active:
        return frozenset()
    return member.words() & WORDS[member.kind].keys()


def require(actor: Actor, *words: str) -> None:
    """Forbidden unless the actor holds every word; the refusal is written to the audit on its own."""
    for word in words:
        if not may(actor, word):
            refuse(actor, word)


def refuse(actor: Actor, word: str, message: str = "") -> NoReturn:
    """Log that somebody tried what he may not, and raise Forbidden. Call before the verb's transaction begins."""
    with db.atomic():
        audit.record(actor, "permission.refused", word=word)
    raise Forbidden(
        message
        or f"「{label(actor, word)}」の権限がないため、この操作はできません。"
        f"必要な場合は{_keeper(actor)}に権限の追加を依頼してください。"
    )


def _keeper(actor: Actor) -> str:
    """Who gives permissions to this actor."""
    member = actor.membership
    is_staff = member is not None and member.office_id is None
    return "「職員の管理」を担当する方（「職員」の権限がある方）" if is_staff else "管理者"


def require_admin(actor: Actor, office: Office) -> None:
    """Forbidden unless the actor is the 管理者 of that very office, who alone manages its people."""
    member = actor.membership
    is_admin = member is not None and member.is_active and member.kind == "office_admin" and member.office == office
    if not (is_admin or actor.is_trusted):
        refuse(actor, "staff", "この操作は事業所の管理者だけができます。管理者に依頼してください。")


# What can be done to another person, by whom: the 管理者 to the people of the office, 職員 to the fund's own.
ACTS = frozenset(("edit", "assign", "suspend", "end", "reset", "drop_totp", "unlock"))
COUNTER_ACTS = {"register": ("edit", "reset", "drop_totp", "unlock"), "unlock": ("unlock",)}  # to an office's people


def acts(actor: Actor, member: Membership) -> frozenset[str]:
    """What the actor may do to a member; nothing at all: the member is out of reach.

    Whether an act is possible at the moment is the verb's question.
    """
    if actor.is_trusted:
        return ACTS
    words = held(actor)
    mine = actor.membership
    if mine is None or not mine.is_active or (member.office is not None and member.office.is_closed):
        return frozenset()
    if mine.office_id is not None:
        return ACTS if mine.kind == "office_admin" and mine.office_id == member.office_id else frozenset()
    if member.is_staff:
        # Whose authenticator is lost gets a new initial password with it: a password alone never enrols another.
        return ACTS - {"drop_totp"} if "staff" in words else frozenset()
    return frozenset(act for word, allowed in COUNTER_ACTS.items() if word in words for act in allowed)


def require_act(actor: Actor, act: str, member: Membership) -> None:
    """Forbidden unless the actor may do that to the member; the refusal is logged."""
    if act not in ACTS:
        raise TypeError(f"no such act: {act}")
    if act not in acts(actor, member):
        refuse(actor, act, "この方の登録を変更する権限がありません。管理者または基金事務局に依頼してください。")


def assign(actor: Actor, member: Membership, word: str, is_held: bool) -> bool:
    """Tick or clear one box; False when it was so already. TypeError for a word this kind of member cannot hold."""
    if word not in WORDS[member.kind]:
        raise TypeError(f"{member.kind} cannot hold {word}")
    require_act(actor, "assign", member)
    with db.atomic():
        before = member.words()
        return _decide(actor, member, before, before | {word} if is_held else before - {word})


def preset(actor: Actor, member: Membership, words: Iterable[str]) -> bool:
    """Exactly these words; False when it was so already."""
    wanted = frozenset(words)
    if not wanted <= WORDS[member.kind].keys():
        raise TypeError(f"{member.kind} cannot hold {sorted(wanted)}")
    require_act(actor, "assign", member)
    with db.atomic():
        return _decide(actor, member, member.words(), wanted)


def _decide(actor: Actor, member: Membership, before: frozenset[str], after: frozenset[str]) -> bool:
    if before == after:
        return False
    if Membership.select().where(Membership.id == member.id, Membership.ended_at.is_null()).count() != 1:
        raise Refused("利用が終了した方の権限は変更できません。")
    if "staff" in before - after:
        keep_a_keeper(member)
    Grant.delete().where(Grant.membership == member, Grant.word << list(before - after)).execute()
    give(member, after - before)
    facts = {"login_id": member.login_id, "before": sorted(before), "after": sorted(after)}
    audit.record(actor, "permissions.changed", member.uid, member.office, **facts)
    outbox.account_changed(actor, member, f"権限の変更（{_change(member, before, after)}）")
    return True


def _change(member: Membership, before: frozenset[str], after: frozenset[str]) -> str:
    table = WORDS[member.kind]
    parts = ((after - before, "を付与"), (before - after, "を解除"))
    return "、".join("・".join(table[word][0] for word in table if word in some) + done for some, done in parts if some)


def is_last_keeper(member: Membership) -> bool:
    """Whether nobody else who can log in holds 職員: without one, nobody could manage the fund's people."""
    if "staff" not in member.words() or not member.is_active:
        return False
    ready = (User.is_initial_password == False) & User.totp_sealed.is_null(False)  # noqa: E712 — a column
    ready &= Membership.ends_on.is_null()
    return not Membership.holding(None, "staff").where(Membership.id != member.id, ready).exists()


LAST_KEEPER = (
    "「職員」の権限を持つ方がほかにいなくなるため、できません。先にほかの職員に「職員」の権限を付与してください。"
)


def keep_a_keeper(member: Membership) -> None:
    """Refused when the member is the last one with 職員; called by verbs, inside their transaction."""
    if is_last_keeper(member):
        raise Refused(LAST_KEEPER)


def label(actor: Actor, word: str) -> str:
    kind = actor.membership.kind if actor.membership else "fund"
    for table in (WORDS[kind], OFFICE_WORDS, FUND_WORDS, DESK_WORDS):
        if word in table:
            return table[word][0]
    raise TypeError(f"no such permission: {word}")


def give(member: Membership, words: Iterable[str]) -> None:
    """Write the first words of a new member; called by verbs, inside their transaction."""
    for word in words:
        if word not in WORDS[member.kind]:
            raise TypeError(f"{member.kind} cannot hold {word}")
        Grant.insert(membership=member, word=word).on_conflict_ignore().execute()
