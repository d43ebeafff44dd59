"""The permission words: which exist, who can hold which, and the one question whether an actor may."""

from collections.abc import Iterable
from typing import NoReturn

from database import db
from exchange import audit
from exchange.actors import Actor
from exchange.errors import Forbidden
from models import Grant, Membership, Office

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
    "register": ("登録", "事業所を登録し、お知らせを発行します"),
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
        "必要な場合は管理者に権限の追加を依頼してください。"
    )


def require_admin(actor: Actor, office: Office) -> None:
    """Forbidden unless the actor is the 管理者 of that very office, who alone manages its people."""
    member = actor.membership
    is_admin = member is not None and member.is_active and member.kind == "office_admin" and member.office == office
    if not (is_admin or actor.is_trusted):
        refuse(actor, "staff", "この操作は事業所の管理者だけができます。管理者に依頼してください。")


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
