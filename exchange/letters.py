"""管理者情報登録完了のお知らせ: its secrets are made here, stand on its page only, and are kept as hashes.

A clerk orders letters; a job makes their pages, each with new secrets, and binds them into one PDF. That lies in the
vault until the print is confirmed or a day is over; afterwards only a reissue helps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from peewee import JOIN, Case, fn

from database import db, utc_now
from equipment import Handover
from exchange import (
    audit,
    calendar,
    credentials,
    installer_making,
    jobs,
    letter_paper,
    normalise,
    onetime,
    permissions,
    sessions,
    settings,
    vault,
    visits,
)
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster
from models import Job, Membership, Office, StoredObject, User
from papers import Letter, LetterBatch

AT_MOST = 200  # letters of one batch
PDF_KEPT = timedelta(hours=24)
DISPATCH_AHEAD = timedelta(days=7)  # so far in the future a day of dispatch may lie
OPEN = ("waiting", "ready")
NAMED = 5  # offices that a refusal names
HAS_OWN_PASSWORD = "管理者がいないか、すでにログインパスワードを登録しています。"  # noqa: S105 — a sentence
OVER = {
    "waiting": "お知らせは作成中です。作成が終わるまでお待ちください。",
    "printed": "印刷を確認済みのため、PDFは消去されています。必要なときは、事業所ごとに再発行してください。",
    "erased": "PDFは印刷の確認の前に消去されました。「お知らせの発行」でもう一度作成してください。",
}


class NotSaved(Refused):
    """What nobody has saved can't be on paper."""


class Gone(Refused):
    """The PDF of a batch that is over."""

    status = 410


@dataclass(frozen=True)
class Secrets:
    """What the letter tells and nothing else keeps."""

    download_key: str
    initial_password: str

    def hashes(self) -> tuple[str, str]:
        """Of the key and of the password; slow."""
        return credentials.hash_secret(self.download_key), credentials.hash_secret(self.initial_password)


def newcomer(office: Office) -> User | None:
    """Its 管理者 who never came in, the only one whom a letter is for."""
    admin = office.admin
    return admin.user if admin is not None and admin.user.is_initial_password else None


# ── secrets ──


def issue_secrets(actor: Actor, office: Office) -> Secrets:
    """A new download key and initial password; the old ones are void from now on.

    Refused once the admin has his own password.
    """
    permissions.require(actor, "register")
    secrets = new_secrets()
    hashes = secrets.hashes()
    with db.atomic():
        put_in_force(actor, office, hashes)
    return secrets


def new_secrets() -> Secrets:
    return Secrets(
        credentials.random_secret(credentials.DOWNLOAD_KEY_LENGTH),
        credentials.random_secret(credentials.INITIAL_PASSWORD_LENGTH),
    )


def put_in_force(actor: Actor, office: Office, hashes: tuple[str, str], letter: Letter | None = None) -> None:
    """Inside a transaction; Refused when the admin has meanwhile come in."""
    user = newcomer(office)
    if user is None:
        raise Refused(HAS_OWN_PASSWORD)
    void(actor, office, but=letter)
    key_hash, password_hash = hashes
    Office.update(download_key_hash=key_hash, secrets_issued_at=actor.at).where(Office.id == office.id).execute()
    User.update(password_hash=password_hash, password_set_at=actor.at).where(User.id == user.id).execute()
    audit.record(actor, "letter.issued", office.uid, office, contract_number=office.contract_number)


def void(actor: Actor, office: Office, but: Letter | None = None) -> None:
    """Nothing that stands on the office's letters opens anything any more, nor what was opened with it.

    `but`: the letter that takes their place. Called by verbs, inside their transaction.
    """
    if not db.in_transaction():
        raise RuntimeError("letters end in the transaction of what ends them")
    older = (Letter.office == office) & Letter.voided_at.is_null()
    if but is not None:
        older &= Letter.id != but.id
    Letter.update(voided_at=actor.at).where(older).execute()
    _drop_secrets(actor, Office.get_by_id(office.id))


def _drop_secrets(actor: Actor, office: Office) -> None:
    """The key goes; so does the initial password that was made with it, unless the admin has chosen another since."""
    visits.end_of(office, actor.at)
    Office.update(download_key_hash=None).where(Office.id == office.id).execute()
    user = newcomer(office)
    if user is not None and user.password_set_at == office.secrets_issued_at:
        User.update(password_hash=None).where(User.id == user.id).execute()
        sessions.end_all(actor, user, "password")
        onetime.void(user, "login")


# ── what is there ──


def due(at: datetime | None = None) -> Any:
    """Open offices that no valid letter has reached or will reach, by office number; their admins never came in."""
    lapsed = (at or utc_now()) - credentials.INITIAL_PASSWORD_LIFE
    waits = Letter.select(Letter.office).join(LetterBatch).where(LetterBatch.state << OPEN, Letter.voided_at.is_null())
    new_ones = (
        Membership.select(Membership.office)
        .join(User)
        .where(Membership.kind == "office_admin", Membership.ended_at.is_null(), User.is_initial_password)
    )
    is_void = Office.download_key_hash.is_null() | (Office.secrets_issued_at < lapsed)
    waits |= Handover.without_letter()
    return Office.open_ones().where(is_void, Office.id << new_ones, Office.id.not_in(waits))


def batches() -> Any:
    """The batches, the newest first, each with `letters_count` and `made_count`: n of m, right after a restart too."""
    is_over = Case(None, [(Letter.issued_at.is_null(False) | Letter.voided_at.is_null(False), 1)], None)
    return (
        LetterBatch.select(
            LetterBatch, fn.COUNT(Letter.id).alias("letters_count"), fn.COUNT(is_over).alias("made_count")
        )
        .join(Letter, JOIN.LEFT_OUTER)
        .group_by(LetterBatch.id)
        .order_by(LetterBatch.id.desc())
    )


def letters_of(batch: LetterBatch) -> Any:
    """The batch's letters with their offices, in the order of its pages."""
    return Letter.select(Letter, Office).join(Office).where(Letter.batch == batch).order_by(Letter.position)


def job_of(batch: LetterBatch) -> Job | None:
    return Job.latest("letters", str(batch.id))


# ── ordering ──


def order(
    actor: Actor, offices: Sequence[Office], reasons: Mapping[int, str] | None = None, token: str | None = None
) -> LetterBatch:
    """Letters for these offices, as one batch that a job makes; the same token again gives the same batch.

    `reasons`: an office's id → why it gets another letter; what it has is void from now on. Refused for none, for too
    many, and for offices that can't get one or, without a reason, have a valid one; SomeoneWasFaster when one waits in
    another batch; Unusable when this machine can't make a PDF.
    """
    permissions.require(actor, "register")
    wanted = {office.id for office in offices}
    if not wanted:
        raise Refused("お知らせを発行する事業所を1つ以上選んでください。")
    if len(wanted) > AT_MOST:
        raise Refused(
            f"一度に発行できるお知らせは{AT_MOST}通までです。{len(wanted)}件選ばれています。分けて発行してください。"
        )
    letter_paper.require_press()
    reasons = reasons or {}
    with db.atomic():
        known = LetterBatch.get_or_none(LetterBatch.token == token) if token else None
        if known is not None:
            return known
        chosen = list(Office.select().where(Office.id << list(wanted)).order_by(Office.office_number))
        for office in chosen:
            if office.id in reasons:
                void(actor, office)
        _require_orderable(chosen, reasons, actor.at)
        batch = LetterBatch.create(token=token, made_by=actor.membership, made_at=actor.at)
        for position, office in enumerate(chosen, 1):
            why = {"is_reissue": office.secrets_issued_at is not None, "reason": reasons.get(office.id, "")}
            Letter.create(batch=batch, office=office, position=position, **why)
        job = jobs.enqueue("letters", str(batch.id))
        Job.update(total=len(chosen)).where(Job.id == job.id).execute()
        reissues = sum(1 for office in chosen if office.secrets_issued_at is not None)
        audit.record(actor, "letters.ordered", batch.uid, letters=len(chosen), reissues=reissues)
        installer_making.order_for(actor, chosen)
    return batch


def _require_orderable(chosen: list[Office], reasons: Mapping[int, str], at: datetime) -> None:
    ids = [office.id for office in chosen]
    if closed := [office for office in chosen if office.is_closed]:
        raise Refused(f"契約が終了した事業所には発行できません：{_named(closed)}。選択から外してください。")
    waits = Letter.select(Letter.office).join(LetterBatch)
    waits = waits.where(Letter.office << ids, LetterBatch.state << OPEN, Letter.voided_at.is_null())
    if waiting := _among(chosen, waits):
        raise SomeoneWasFaster(
            f"作成中か、印刷の確認を待っているお知らせがあります：{_named(waiting)}。"
            "その印刷を確認するか、破棄してから発行してください。"
        )
    admins = Membership.select(Membership.office).join(User)
    admins = admins.where(Membership.office << ids, Membership.kind == "office_admin", Membership.ended_at.is_null())
    if settled := _among(chosen, admins.where(~User.is_initial_password)):
        raise Refused(
            f"管理者がすでにログインパスワードを登録しています：{_named(settled)}。"
            "事業所の画面の「再発行」で、管理者の登録をやり直してください。"
        )
    if orphans := [office for office in chosen if office not in _among(chosen, admins)]:
        raise Refused(f"管理者のいない事業所には発行できません：{_named(orphans)}。選択から外してください。")
    wanting = {office.id for office in due(at).where(Office.id << ids)} | set(reasons)
    if reached := [office for office in chosen if office.id not in wanting]:
        raise Refused(
            f"有効なお知らせがあります：{_named(reached)}。"
            "出し直すときは、事業所の画面の「再発行」で理由を入力してください。"
        )


def _among(chosen: list[Office], rows: Any) -> list[Office]:
    found = {row.office_id for row in rows}
    return [office for office in chosen if office.id in found]


def _named(offices: list[Office]) -> str:
    more = f"ほか{len(offices) - NAMED}件" if len(offices) > NAMED else ""
    return "、".join(office.name for office in offices[:NAMED]) + more


# ── printing ──


def pdf(actor: Actor, batch: LetterBatch) -> StoredObject:
    """The letters as one PDF, to be saved and printed; Gone once that was confirmed or the day is over."""
    permissions.require(actor, "register")
    with db.atomic():
        fetched = LetterBatch.update(downloaded_at=actor.at).where(
            LetterBatch.id == batch.id, LetterBatch.state == "ready", LetterBatch.expires_at > actor.at
        )
        if fetched.execute() != 1:
            raise _over(batch)
        audit.record(actor, "letters.downloaded", batch.uid, letters=_count(batch))
        return LetterBatch.get_by_id(batch.id).stored


def confirm(actor: Actor, batch: LetterBatch, dispatched_on: date) -> None:
    """The letters are on paper and leave the house on that day: the PDF is erased, nobody can print it again. It may
    also be told after the PDF's day was over.
    """
    permissions.require(actor, "register")
    first, last = calendar.day(batch.made_at), calendar.day(actor.at + DISPATCH_AHEAD)
    if not first <= dispatched_on <= last:
        raise Refused(
            f"発送日は、お知らせを作成した日から今日の7日後まで（{first:%Y/%m/%d}～{last:%Y/%m/%d}）の日付を入力してください。"
        )
    with db.atomic():
        now = LetterBatch.get_by_id(batch.id)
        if now.state == "ready" and now.downloaded_at is None:
            raise NotSaved("PDFがまだ保存されていません。PDFを保存して印刷してから、確認してください。")
        printed = LetterBatch.update(
            state="printed", ended_at=actor.at, ended_by=actor.membership, dispatched_on=dispatched_on
        ).where(LetterBatch.id == batch.id, LetterBatch.state == now.state)
        if not now.is_on_paper() or printed.execute() != 1:
            raise _over(batch)
        told = {"dispatched_on": dispatched_on.isoformat()}
        audit.record(actor, "letters.printed", batch.uid, letters=_count(batch), **told)
        if now.state == "ready":
            vault.erase(now.stored)
            audit.record(actor, "letters.erased", batch.uid, letters=_count(batch), why="confirmed")
        for letter in letters_of(batch).where(Letter.voided_at.is_null()):
            audit.record(actor, "letter.dispatched", letter.office.uid, letter.office, **told)


def give_up(actor: Actor, batch: LetterBatch) -> None:
    """Not to be printed: its pages are erased, and what stands on them is void."""
    permissions.require(actor, "register")
    if not erase(actor, batch, "given up"):
        raise _over(batch)


def erase_over(at: datetime) -> None:
    """A day after they were ready, batches that nobody confirmed are erased; so are those that never became ready. What
    was saved by then may be in the post, and stays in force.
    """
    is_over = ((LetterBatch.state == "ready") & (LetterBatch.expires_at <= at)) | (
        (LetterBatch.state == "waiting") & (LetterBatch.made_at <= at - PDF_KEPT)
    )
    for batch in list(LetterBatch.select().where(is_over)):
        erase(system(at), batch, "expired")


def erase(actor: Actor, batch: LetterBatch, why: str) -> bool:
    """End an open batch without its print; False when it was over already."""
    with db.atomic():
        now = LetterBatch.get_by_id(batch.id)
        erased = LetterBatch.update(state="erased", ended_at=actor.at, ended_by=actor.membership)
        if erased.where(LetterBatch.id == batch.id, LetterBatch.state << OPEN).execute() != 1:
            return False
        count = _count(batch)
        if now.stored is not None:
            vault.erase(now.stored)
        erase_pages(batch)
        audit.record(actor, "letters.erased", batch.uid, letters=count, why=why)
        if why == "expired" and now.downloaded_at is not None:
            return True
        for letter in list(letters_of(batch).where(Letter.voided_at.is_null())):
            if letter.issued_at is not None and letter.issued_at == letter.office.secrets_issued_at:
                _drop_secrets(actor, letter.office)
        Letter.update(voided_at=actor.at).where(Letter.batch == batch, Letter.voided_at.is_null()).execute()
    return True


def erase_pages(batch: LetterBatch) -> None:
    for letter in Letter.select().where(Letter.batch == batch, Letter.stored.is_null(False)):
        vault.erase(letter.stored)
    Letter.update(stored=None).where(Letter.batch == batch).execute()


def _over(batch: LetterBatch) -> Refused:
    """Why there is no PDF (any more)."""
    state = LetterBatch.get_by_id(batch.id).state
    state = "erased" if state == "ready" else state  # its day is over, the chore comes within a minute
    return SomeoneWasFaster(OVER[state]) if state == "waiting" else Gone(OVER[state])


def _count(batch: LetterBatch) -> int:
    return Letter.select().where(Letter.batch == batch, Letter.voided_at.is_null()).count()


def as_text(office: Office, secrets: Secrets, base_url: str, today: str) -> str:
    """The letter as plain text, for the counter and for the demonstration. `today`: the date as it is to be printed."""
    admin = office.admin
    facts = settings.every()
    return f"""{today}
{office.name} 御中
{facts["fund_name"]}

「{facts["service_name"]} 管理者情報登録完了」のお知らせ

■ 利用者詳細内容（お届けいただいた登録内容）
  記入日            {normalise.era(office.entered_on)}
  管理者氏名        {admin.user.name}（{admin.user.kana}）
  メールアドレス    {admin.user.mail}
  利用台数          {office.device_limit}台

■ 電子連携契約番号
  契約番号          {office.contract_number}

■ インストーラーダウンロードサイト
  URL               {base_url}/download/
  ダウンロードキー  {secrets.download_key}

■ ログイン詳細（管理者）
  ユーザーID        {admin.login_id}
  初期パスワード    {secrets.initial_password}
  ※ キーとパスワードに、英字の O・o・I・l と数字の 0・1 は使っていません。
  ※ 初期パスワードは発行から30日で使えなくなります。

■ ご利用開始までの流れ
  1. 端末のVPN接続の有効化が終わると、管理者あてにメールが届きます。
  2. {base_url}/onetime/ でワンタイムパスワードのメールを受け取り、そのあとでVPNに接続します。
  3. {base_url}/auth/ で認証し、初期パスワードでログインします。
  4. 初回のみ、圧縮パスワードとご自身のログインパスワードを登録します。

お問い合わせ  {facts["fund_contact"] or facts["fund_name"]}
"""
