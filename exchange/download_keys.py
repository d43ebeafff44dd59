"""The key that opens an office's counters without login: a letter brings it, and its 管理者 can make another."""

from database import db
from exchange import audit, credentials, letters, marks, outbox, permissions
from exchange.actors import Actor
from exchange.errors import SomeoneWasFaster
from models import AuditEntry, Office

RELOADED = (
    "画面を更新したため、ダウンロードキーは表示できません。控えていないときは、"
    "「利用者情報修正(事業所)」の画面を開き直して、もう一度作り直してください。"
)
RENEWED_BEFORE = (
    "ダウンロードキーは、別の画面ですでに作り直されています。もう一度作り直すときは、画面を開き直してください。"
)


def seen(office: Office) -> str:
    """What the form carries, so that it acts once: changes with every key."""
    return marks.of(office.download_key_hash)


def renew(actor: Actor, office: Office, before: str) -> str:
    """A new key, returned once; the old one, and what was opened with it, is over. `before`: `seen` of the form."""
    permissions.require_admin(actor, office)
    key = credentials.random_secret(credentials.DOWNLOAD_KEY_LENGTH)
    hashed = credentials.hash_secret(key)
    with db.atomic():
        now = Office.get_by_id(office.id)
        if now.is_closed or seen(now) != before:
            raise SomeoneWasFaster(RELOADED if _was_by(actor, now) else RENEWED_BEFORE)
        letters.void(actor, now)
        Office.update(download_key_hash=hashed).where(Office.id == now.id).execute()
        audit.record(actor, "download_key.renewed", now.uid, now)
        if actor.membership is not None:
            outbox.account_changed(actor, actor.membership, "ダウンロードキーの作り直し（前のキーは使えません）")
    return key


def _was_by(actor: Actor, office: Office) -> bool:
    """Whether the newest key was made by this very person: then a page was loaded again."""
    made = AuditEntry.select().where(AuditEntry.office == office, AuditEntry.action == "download_key.renewed")
    newest = made.order_by(AuditEntry.number.desc()).first()
    return newest is not None and actor.membership is not None and newest.membership_id == actor.membership.id
