"""What the fund changes about an office and its contract. Each change needs a reason, which stands in the audit."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from database import db
from equipment import Handover
from exchange import (
    accounts,
    audit,
    devices,
    letter_paper,
    letters,
    marks,
    normalise,
    onetime,
    outbox,
    permissions,
    places,
    reasons,
    sessions,
)
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from exchange.registration_file import MAX_DEVICES, MESSAGES
from models import FILING, STATEMENT, DocumentKind, Membership, Office, Transfer
from papers import Letter, LetterBatch

LABELS = {"name": "事業所名", "office_number": "事業所番号", "postal_code": "郵便番号", "address": "住所"}
LONGEST = {"name": normalise.OFFICE_NAME_LENGTH, "office_number": normalise.OFFICE_NUMBER_LENGTH}
MOST_DEVICES = 99  # a slot's number has two digits
UNDER_WAY = {
    FILING: ("uploaded", "approved", "delivered", "received"),
    STATEMENT: ("uploaded", "approved", "delivered", "requested"),
}
TIDY: dict[str, Callable[[str], str]] = {
    "name": normalise.text,
    "office_number": normalise.digits,
    "postal_code": normalise.postal_code,
    "address": normalise.address,
}

REISSUED = "お知らせの再発行（前の書面のキーとパスワードは使えません）"
CHANGED_BEFORE = (
    "この事業所の登録は、画面を開いたあとに変更されています。画面を開き直して、今の内容を確かめてください。"
)
TAKEN = "事業所番号 {number} は、すでに「{name}」の番号として登録されています。番号を確かめてください。"
IN_USE = (
    "端末 {slots} が使われているか、使われる予定のため、利用台数を{limit}台に減らせません。"
    "先に、事業所の管理者か電子連携サービス事務局が「端末」の画面で停止してください。停止した端末は、台数に数えません。"
)
AGREE = f"{MAX_DEVICES}台を超える利用台数は、基金が認めた場合だけ登録できます。認めたときは、チェックを入れてください。"
LEFT_OPEN = "途中の届書・帳票があります。一覧を確かめ、それでも終了するときは、チェックを入れてください。"
MOVED_ON = "途中の届書・帳票が、画面を開いたあとに変わっています。画面を開き直して、一覧を確かめてください。"


# ── name, number and address ──


def tidy(column: str, typed: str) -> str:
    """What was typed, as it is stored."""
    return TIDY[column](typed)


def problem(column: str, value: str) -> str | None:
    """Why an office's column can't take this (tidy) value, as a sentence for whoever typed it; None if it can."""
    heading = LABELS[column]
    if not value:
        return f"{heading}を入力してください。" if column in ("name", "office_number") else None
    if column == "postal_code":
        return None if normalise.is_postal_code(value) else "郵便番号は、数字7桁（例 100-0001）で入力してください。"
    if column == "address" and not normalise.fits_window(value):
        limits = f"{normalise.ADDRESS_LINES}行・{normalise.ADDRESS_LENGTH}文字"
        return f"住所は、封筒の窓に入るように、{limits}までで入力してください。"
    if column == "office_number" and not normalise.is_digits(value):
        return MESSAGES["OFFICE_NUMBER"].format(heading=heading, limit=LONGEST[column])
    if column in LONGEST and len(value) > LONGEST[column]:
        return MESSAGES["TOO_LONG"].format(heading=heading, limit=LONGEST[column], length=len(value))
    codes = [code for line in value.split("\n") for code in normalise.unfit(line)]
    return MESSAGES[codes[0]].format(heading=heading) if codes else None


def seen(office: Office) -> str:
    """What the form about an office carries, so that nobody overwrites what he has not seen."""
    return marks.of(*(getattr(office, column) for column in LABELS))


def correct(actor: Actor, office: Office, values: Mapping[str, str], reason: str, before: str) -> list[str]:
    """訂正: name, number, postal code and address; which of them changed.

    `before`: `seen` when the form was shown; SomeoneWasFaster when something has changed since.
    """
    permissions.require(actor, "register")
    wanted = {column: tidy(column, values[column]) for column in LABELS}
    for column, value in wanted.items():
        sentence = problem(column, value)
        if sentence:
            raise Refused(sentence)
    reason = reasons.given(reason)
    with db.atomic():
        now = _open(office)
        if before != seen(now):
            raise SomeoneWasFaster(CHANGED_BEFORE)
        changed = {column: [getattr(now, column), value] for column, value in wanted.items()}
        changed = {column: both for column, both in changed.items() if both[0] != both[1]}
        if changed:
            _require_free(now, wanted["office_number"])
            Office.update(**wanted).where(Office.id == now.id).execute()
            told = {"office_name" if column == "name" else column: both for column, both in changed.items()}
            audit.record(actor, "office.corrected", now.uid, now, changed=told, reason=reason)
            _tell(actor, now, "事業所の登録の訂正（" + "、".join(LABELS[column] for column in changed) + "）")
    return list(changed)


def _require_free(office: Office, number: str) -> None:
    other = Office.get_or_none(Office.office_number == number, Office.id != office.id)
    if other is not None:
        raise Refused(TAKEN.format(number=number, name=other.name))


# ── 利用台数 ──


def change_devices(actor: Actor, office: Office, limit: int, reason: str, before: int, is_agreed: bool = False) -> bool:
    """利用台数の変更; False when it was so already. Refused below what is in use.

    `before`: the limit that the form showed. `is_agreed`: the fund allows more than three.
    """
    permissions.require(actor, "register")
    if not 1 <= limit <= MOST_DEVICES:
        raise Refused(f"利用台数は、1～{MOST_DEVICES}の数字で入力してください。")
    reason = reasons.given(reason)
    with db.atomic():
        now = _open(office)
        if before != now.device_limit:
            raise SomeoneWasFaster(CHANGED_BEFORE)
        if limit == before:
            return False
        if limit > max(MAX_DEVICES, before) and not is_agreed:
            raise Refused(AGREE)
        kept = devices.set_limit(now, limit)
        if kept:
            slots = "、".join(f"{slot:02d}" for slot in kept)
            raise Refused(IN_USE.format(slots=slots, limit=limit))
        audit.record(actor, "office.devices_changed", now.uid, now, before=before, after=limit, reason=reason)
        _tell(actor, now, f"事業所の利用台数の変更（{before}台 → {limit}台）")
    return True


# ── a new letter ──


@dataclass(frozen=True)
class Reissue:
    """What a new letter would mean for an office. `why_not`: why there can't be one now."""

    admin: Membership | None
    why_not: str | None
    before: str = ""

    @property
    def has_own_password(self) -> bool:
        return self.admin is not None and not self.admin.user.is_initial_password


def reissue_now(office: Office) -> Reissue:
    """For the form, which carries `before` so that it acts once."""
    admin = office.admin
    if admin is None:
        return Reissue(None, "この事業所には、管理者が登録されていません。")
    before = marks.of(accounts.seen(admin), admin.user.pending_mail or admin.user.mail)
    return Reissue(admin, _why_no_reissue(office), before)


def _why_no_reissue(office: Office) -> str | None:
    if office.secrets_issued_at is None:
        return "お知らせをまだ一度も発行していません。「お知らせの発行」で作成してください。"
    unfinished = Letter.select().join(LetterBatch).where(Letter.office == office, Letter.voided_at.is_null())
    if unfinished.where(LetterBatch.state << ("waiting", "ready")).exists():
        return (
            "この事業所のお知らせは、作成中か、印刷の確認を待っています。"
            "「お知らせの発行」で印刷を確認するか、破棄してから行ってください。"
        )
    return None


def reissue(actor: Actor, office: Office, reason: str, before: str | None = None) -> LetterBatch:
    """A new letter, with a new download key and a new initial password for the 管理者, also in place of his own one.

    From now on nothing opens with what he, or whoever found the old letter, has in hand: password, authenticator,
    recovery codes, one-time passwords, sessions, download key and visits. `before`: `reissue_now` when the form was
    shown. Unusable when this machine can't make a PDF.
    """
    permissions.require(actor, "register")
    reason = reasons.given(reason)
    letter_paper.require_press()  # which may take seconds: nobody else's writing waits for it
    with db.atomic():
        now = _open(office)
        found = reissue_now(now)
        if before not in (None, found.before):
            raise SomeoneWasFaster(CHANGED_BEFORE)
        admin = found.admin
        if admin is None or found.why_not:
            raise Refused(found.why_not or CHANGED_BEFORE)
        _tell(actor, now, REISSUED)  # to the address in force until now
        accounts.reset_password(actor, admin, accounts.seen(admin))  # nobody learns this password: the letter has one
        if admin.user.has_totp:
            accounts.drop_totp(actor, admin)
        batch = letters.order(actor, [now], {now.id: reason})  # which voids the old ones
        audit.record(actor, "letter.reissued", now.uid, now, login_id=admin.login_id, reason=reason)
    return batch


def letters_of(office: Office) -> list[Letter]:
    """Every letter of an office with its batch, the newest first."""
    found = Letter.select(Letter, LetterBatch).join(LetterBatch)
    return list(found.where(Letter.office == office).order_by(Letter.id.desc()))


# ── the end of a contract ──


def under_way(office: Office) -> list[Transfer]:
    """Documents on which somebody would still have to act, oldest first."""
    waits = (Transfer.direction == FILING) & (Transfer.state << UNDER_WAY[FILING])
    waits |= (Transfer.direction == STATEMENT) & (Transfer.state << UNDER_WAY[STATEMENT])
    joined = Transfer.select(Transfer, DocumentKind).join(DocumentKind)
    return list(joined.where(Transfer.office == office, waits).order_by(Transfer.id))


def under_way_seen(transfers: list[Transfer]) -> str:
    """What the form about the end of a contract carries: the tick stands for the list that was shown."""
    return marks.of(*(f"{transfer.uid} {transfer.state}" for transfer in transfers))


def close(actor: Actor, office: Office, reason: str, before: str, despite_transfers: bool = False) -> None:
    """契約の終了: nobody of the office comes in any more, from this moment on; nothing is deleted.

    What was delivered stays with the fund. Refused while documents are under way, unless the fund decides otherwise.
    `before`: `under_way_seen` when the form was shown.
    """
    permissions.require(actor, "register")
    reason = reasons.given(reason)
    with db.atomic():
        now = _open(office)
        left = under_way(now)
        if before != under_way_seen(left):
            raise SomeoneWasFaster(MOVED_ON)
        if left and not despite_transfers:
            raise Refused(LEFT_OPEN)
        handover = Handover.open_at(now)
        if handover is not None:
            places.drop_nomination(actor, handover, "closed")
        for member in now.members():
            _shut(actor, member)
        letters.void(actor, now)  # and with them the key and the visits
        devices.halt_all(actor, now, "契約の終了")
        Office.update(closed_at=actor.at).where(Office.id == now.id).execute()
        audit.record(actor, "office.closed", now.uid, now, reason=reason)


def _shut(actor: Actor, member: Membership) -> None:
    sessions.end_at(actor, member)
    onetime.void_at(member)
    if member.state == "invited":
        Membership.update(ended_at=actor.at).where(Membership.id == member.id).execute()
        audit.record(actor, "member.withdrawn", member.uid, member.office, login_id=member.login_id, cause="office")
        outbox.account_changed(actor, member, "利用の依頼の取り下げ")
    elif member.state == "active":
        outbox.account_changed(actor, member, "事業所の契約の終了による、利用の終了")


def _open(office: Office) -> Office:
    """The office as it is now; Refused once its contract has ended. Inside the verb's transaction."""
    now = Office.get_by_id(office.id)
    if now.is_closed:
        raise SomeoneWasFaster(devices.CLOSED)
    return now


def _tell(actor: Actor, office: Office, what: str) -> None:
    admin = office.admin
    if admin is not None:
        outbox.account_changed(actor, admin, what)
