"""The counters of an office that the letter's key opens, for downloads (guide §2-1) and for confirmation codes (guide
§4-1), and what lies at the first of them.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from peewee import fn

from database import db
from equipment import Installer
from exchange import audit, calendar, credentials, documents, installers, normalise, outbox, scans, throttle, visits
from exchange.actors import Actor
from exchange.errors import Refused, TooMany
from models import AuditEntry, Office, StoredObject
from papers import Document, Visit

MONTH_DIGITS = 6
# Eight characters of key are issued, other lengths are compared as well: what counts is the value.
PASSWORD_SHORTEST, PASSWORD_LONGEST = 12, 20
PASSWORD_ISSUED = MONTH_DIGITS + credentials.DOWNLOAD_KEY_LENGTH
KNOWN_FOR = timedelta(days=90)
OPENED = ("download.opened", "activate.opened")  # one key, so whoever is known at one is known at the other
EXAMPLE = "2024年4月なら 202404"
MASK = "＊"
SHOWN = 2  # characters of an office's own name

LEGAL_FORMS = (
    *("特例有限会社", "株式会社", "有限会社", "合同会社", "合資会社", "合名会社", "相互会社"),
    *("一般社団法人", "公益社団法人", "一般財団法人", "公益財団法人", "社団法人", "財団法人"),
    *("社会医療法人", "医療法人社団", "医療法人財団", "医療法人", "社会福祉法人", "学校法人", "宗教法人"),
    *("特定非営利活動法人", "独立行政法人", "国立大学法人", "企業組合", "協同組合", "協業組合"),
    *("税理士法人", "社会保険労務士法人", "弁護士法人", "監査法人", "農業協同組合", "健康保険組合", "労働組合"),
    *("（株）", "(株)", "㈱", "（有）", "(有)", "㈲", "（同）", "(同)", "（医）", "(医)", "（社福）", "(社福)"),
)
_FORM = "|".join(re.escape(form) for form in sorted(LEGAL_FORMS, key=len, reverse=True))
_NAME = re.compile(rf"(?P<before>(?:(?:{_FORM})\s*)*)(?P<own>.*?)(?P<after>(?:\s*(?:{_FORM}))*)", re.DOTALL)

WRONG = (
    "契約番号またはダウンロードパスワードが正しくありません。ダウンロードパスワードは、今日の年月「{month}」のあとに、"
    "最新の「お知らせ」のダウンロードキーを続けたものです。大文字と小文字は区別します。"
    "「お知らせ」を見直しても開けないときは、基金事務局へご連絡ください。"
)
UNUSED = (
    "契約番号またはダウンロードパスワードが正しくありません。ダウンロードキーに、英字の O・o・I・l と数字の 0・1 は"
    "使われていません。「お知らせ」の似た文字（数字の 2～9 や別の英字）と見比べて、入力し直してください。"
)
LAST_MONTH = (
    "先月の年月が入力されています。今月になりましたので、先頭の6桁を「{month}」に替えて、もう一度送信してください。"
)
LOCKED = (
    "続けて間違えたため、この契約番号の受け付けを {until} まで止めています。そのあとで、最新の「お知らせ」を見ながら"
    "入力し直してください。お急ぎのときは、基金事務局へご連絡ください。"
)
CROWDED = (
    "この接続元から短い時間に何度も操作されたため、受け付けを {until} まで止めています。そのあとで、お試しください。"
)
NOT_READY = "この端末用のインストーラーは準備中です。電子連携サービス事務局が登録してから、ダウンロードしてください。"
AT_WORK = "この端末は有効化済みです。インストーラーは端末と結び付いたため、もうダウンロードできません。"
# How a PC that was stopped comes back; the pages of both counters say the same.
AGAIN = (
    "もう一度使うときは、管理者が「端末」の画面で入れ替えの手続きをしてください。"
    "有効な端末がないときは、基金事務局へご連絡ください。"
)
STOPPED = f"この端末は停止中です。{AGAIN}"

Key = tuple[str, str]  # (limit, whose tries)


@dataclass(frozen=True)
class Offer:
    """A line of the list. `key`: a document's uid or an installer's slot; without an installer `stored` is None.

    `row` is what lies behind it, `listed_at` since when it lies there.
    """

    key: str | int
    label: str
    file_name: str
    row: Document | Installer | None
    stored: StoredObject | None
    listed_at: datetime | None
    scan: dict[str, Any] | None
    is_fetched: bool
    state: str = ""  # of a device without an installer: active, stopped, or anything else while one is awaited

    @property
    def is_installer(self) -> bool:
        return isinstance(self.key, int)

    @property
    def is_withheld(self) -> bool:
        """Malware was found in it: it lies there, but nobody gets it."""
        return self.row is not None and scans.is_found(self.row)


def password_problem(typed: str) -> str | None:
    """Why that can't be a download password whatever the office, in words, or None. Asked before anything is compared:
    such a slip costs no try.
    """
    password = normalise.code(typed)
    length = f"ダウンロードパスワードは{PASSWORD_ISSUED}文字（年月6桁＋ダウンロードキー8桁）です。"
    if not PASSWORD_SHORTEST <= len(password) <= PASSWORD_LONGEST:
        return f"{length}今は{len(password)}文字でした。先頭に年月を付けているかも、ご確認ください。"
    if not (password.isascii() and password.isalnum()):
        return "ダウンロードパスワードは、英字と数字だけで入力してください。記号は使われていません。"
    if not normalise.is_digits(password[:MONTH_DIGITS]):
        return f"ダウンロードパスワードの先頭の6文字は、操作する日の年月です（{EXAMPLE}）。"
    return None


def open_counter(actor: Actor, contract_number: str, download_password: str, purpose: str = "download") -> str:
    """The token of a visit to one of the office's counters, download or activate; tries at both are counted together.

    One sentence for every wrong reason, except on the first day of a month: the key with the month before says so.
    """
    number, password = normalise.contract_number(contract_number), normalise.code(download_password)
    month, key = password[:MONTH_DIGITS], password[MONTH_DIGITS:]
    _count_network(actor)
    office = _office(number)
    keys = _count_try(actor, number, office)
    hashed = office.download_key_hash if office else None
    is_key_right = credentials.is_right(hashed, key)
    if office is None or not is_key_right or month != this_month(actor.at):
        _refuse(actor, keys, office, f"{purpose}.refused", "month" if is_key_right else "key", password)
    with db.atomic():
        # The letter may have been issued anew, or the contract closed, since the key was compared.
        if not _still_opens(office, hashed):
            raise Refused(WRONG.format(month=month))
        throttle.clear_here("download", _digits(number), actor.address)
        if not _is_known(actor, office):
            outbox.counter_opened(actor, office, purpose)
        audit.record(actor, f"{purpose}.opened", office.uid, office)
        return visits.begin(actor, purpose, office)


def this_month(at: datetime) -> str:
    """YYYYMM in Japan."""
    return f"{calendar.day(at):%Y%m}"


def offers(office: Office) -> list[Offer]:
    """What lies at the office's counter: its documents, then an installer for each of its PCs, the admin's first."""
    fetched = _documents_fetched(office)
    papers = [_document(document, document.uid in fetched) for document in documents.offered_to(office)]
    return [*papers, *(_installer(slot) for slot in installers.slots(office))]


def fetch(actor: Actor, visit: Visit, offer: Offer) -> Iterator[bytes]:
    """The bytes of an offer. That they were asked for is in the audit before the first of them."""
    if offer.row is None:
        raise Refused({"active": AT_WORK, "stopped": STOPPED}.get(offer.state, NOT_READY))
    if isinstance(offer.row, Document):
        return documents.fetched(actor, visit, offer.row)
    return installers.fetched(actor, visit, offer.row)


def masked(name: str) -> str:
    """`株式会社AB＊＊＊`: an office's name, enough for its own people to know it again.

    What the law calls it and spaces stay. Of its own name the first two characters are shown, of one with two the
    first, of a single one nothing.
    """
    found = _NAME.fullmatch(name)
    assert found is not None  # every part of the pattern may be empty
    letters = _letters(found["own"])
    shown = min(SHOWN, sum(not letter.isspace() for letter in letters) - 1)
    parts = []
    for letter in letters:
        if letter.isspace():
            parts.append(letter)
        else:
            parts.append(letter if shown > 0 else MASK)
            shown -= 1
    return f"{found['before']}{''.join(parts)}{found['after']}"


def _letters(text: str) -> list[str]:
    """Characters, each with the marks and glyph selectors that belong to it."""
    letters: list[str] = []
    for character in text:
        if letters and unicodedata.category(character).startswith("M"):
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _office(number: str) -> Office | None:
    """The office with that number, as it stands or, if it is the only one with these digits, wherever the hyphen is.

    One query whether there is such an office or not.
    """
    same_digits = fn.REPLACE(Office.contract_number, "-", "") == _digits(number)
    found = list(Office.select().where(same_digits, Office.closed_at.is_null()))
    exact = [office for office in found if office.contract_number == number]
    return exact[0] if exact else found[0] if len(found) == 1 else None


def _digits(number: str) -> str:
    """As whose tries they count: a hyphen more or less is no further try."""
    return number.replace("-", "")


def _count_network(actor: Actor) -> None:
    key = ("download_address", throttle.network(actor.address))
    if not throttle.hit(*key, actor.at):
        raise TooMany(CROWDED.format(until=_until(actor, [key])))


def _count_try(actor: Actor, number: str, office: Office | None) -> list[Key]:
    """The limits that this try is counted under; numbers that don't exist have them too, so that a lock tells nothing.

    TooMany when they are spent.
    """
    is_known, whose = _is_known(actor, office), _digits(number)
    keys = throttle.keys_here("download", whose, [actor.address])
    if is_known:  # the limit over all networks doesn't hold for him
        keys = [key for key in keys if key[0] == "download"]
    if not throttle.hit_here("download", whose, actor.address, actor.at, is_known):
        raise TooMany(LOCKED.format(until=_until(actor, keys)))
    return keys


def _is_known(actor: Actor, office: Office | None) -> bool:
    """Whether one of its counters was opened from this network lately: strangers can't keep its people out."""
    opened = AuditEntry.select(AuditEntry.address).where(
        AuditEntry.subject == (office.uid if office else "-"),
        AuditEntry.action << OPENED,
        AuditEntry.at > actor.at - KNOWN_FOR,
    )
    return throttle.network(actor.address) in {throttle.network(entry.address) for entry in opened.distinct()}


def _until(actor: Actor, keys: list[Key]) -> str:
    """`11月23日 15:20`, the minute after which these limits let tries through again."""
    over_at = throttle.over_at(keys, actor.at) or actor.at
    local = calendar.japan(over_at + timedelta(seconds=59))
    return f"{local.month}月{local.day}日 {local:%H:%M}"


def _refuse(actor: Actor, keys: list[Key], office: Office | None, action: str, why: str, password: str) -> NoReturn:
    uid = office.uid if office else ""
    is_last = throttle.is_just_reached(keys)
    with db.atomic():
        audit.record(actor, action, uid, office, why="locked" if is_last else why)
    if is_last:
        raise TooMany(LOCKED.format(until=_until(actor, keys)))
    raise Refused(_sentence(why, password, actor.at))


def _sentence(why: str, password: str, at: datetime) -> str:
    month, key = password[:MONTH_DIGITS], password[MONTH_DIGITS:]
    today = calendar.day(at)
    if why == "month" and today.day == 1 and month == f"{today - timedelta(days=1):%Y%m}":
        return LAST_MONTH.format(month=this_month(at))
    # Said of what was typed alone: a key that the fund took over from elsewhere may hold them, and opens.
    if set(key) - set(credentials.ALPHABET):
        return UNUSED
    return WRONG.format(month=this_month(at))


def _still_opens(office: Office, hashed: str | None) -> bool:
    is_same = (Office.id == office.id) & (Office.download_key_hash == hashed) & Office.closed_at.is_null()
    return Office.select().where(is_same).exists()


def _document(document: Document, is_fetched: bool) -> Offer:
    facts = (document, document.stored, document.published_at, document.scan, is_fetched)
    return Offer(document.uid, documents.title(document), document.file_name, *facts)


def _installer(slot: installers.Slot) -> Offer:
    number, installer = slot.device.slot, slot.installer
    label = f"インストーラー({number}台目用)" + ("(管理者用)" if slot.device.is_admins else "")
    if installer is None:
        state = "" if slot.device.replaced_at else slot.device.state  # the next PC's is still to come
        return Offer(number, label, slot.file_name, None, None, None, None, is_fetched=False, state=state)
    facts = (installer, installer.stored, installer.uploaded_at, installer.scan, installer.fetched_at is not None)
    return Offer(number, label, slot.file_name, *facts)


def _documents_fetched(office: Office) -> set[str]:
    """Uids of the editions that somebody has fetched from this office's counter."""
    fetched = AuditEntry.select(AuditEntry.subject).where(
        AuditEntry.office == office, AuditEntry.action == "document.fetched"
    )
    return {entry.subject for entry in fetched.distinct()}
