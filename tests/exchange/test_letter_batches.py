"""Letters on their way: made by a job, printed once, erased."""

import io
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import work
from database import db, utc_now
from exchange import calendar, credentials, dispatch, jobs, letter_making, letter_paper, letters, vault, visits
from exchange.actors import Actor, command_line, system
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Job, Membership, Office, StoredObject, User
from papers import Letter, LetterBatch, Visit
from tests import pdf
from tests.exchange.offices import admin_of, said
from tests.exchange.test_letters import everything_on_disk
from tests.people import Cast, in_vault, run_jobs

pytestmark = pdf.needs_readers


@pytest.fixture
def batch(app: Flask, cast: Cast, qrs: Office) -> LetterBatch:
    """Two letters, for XYZ工業 and QRS物産, ready to be printed."""
    ordered = both(cast, qrs)
    run_jobs(app)
    return now(ordered)


def both(cast: Cast, qrs: Office) -> LetterBatch:
    """An order for the new office and, once more, for XYZ工業."""
    return letters.order(cast.kiku, [qrs, cast.xyz], {cast.xyz.id: "紛失"})


def progress_of(batch: LetterBatch) -> tuple[int, int]:
    (listed,) = letters.batches().where(LetterBatch.id == batch.id)
    return listed.made_count, listed.letters_count


def now(batch: LetterBatch) -> LetterBatch:
    return LetterBatch.get_by_id(batch.id)


def fetched(actor: Actor, batch: LetterBatch) -> bytes:
    return b"".join(vault.pieces(letters.pdf(actor, batch)))


def secrets_on(pdf_bytes: bytes) -> list[tuple[str, str]]:
    """(download key, initial password) of each page."""
    found = []
    for page in pdf.pages(pdf_bytes):
        lines = [line.split() for line in page.splitlines()]
        values = {words[0]: words[1] for words in lines if len(words) > 1 and words[0].endswith("※")}
        found.append((values["ダウンロードキー※"], values["初期パスワード※"]))
    return found


def today() -> Any:
    return calendar.day(utc_now())


# ── making ──


def test_the_letters_are_made_with_new_secrets_that_open_the_doors(cast: Cast, batch: LetterBatch) -> None:
    made = secrets_on(fetched(cast.kiku, batch))
    offices = [cast.xyz, Office.get(Office.name == "QRS物産株式会社")]  # by office number
    keys = [credentials.is_right(office.download_key_hash, key) for office, (key, _) in zip(offices, made, strict=True)]
    admins = [office.admin.user for office in offices]
    passwords = [credentials.is_right(user.password_hash, word) for user, (_, word) in zip(admins, made, strict=True)]
    assert keys + passwords == [True] * 4
    assert batch.expires_at - batch.ready_at == timedelta(hours=24)


def test_one_qr_code_and_one_sheet_for_each_letter(cast: Cast, batch: LetterBatch) -> None:
    made = fetched(cast.kiku, batch)
    assert pdf.qr_codes(made) == ["http://127.0.0.1:5000/download/"] * 2
    assert ["XYZ工業株式会社 御中" in page for page in pdf.pages(made)] == [True, False]


def test_the_pages_are_gone_when_the_batch_is_ready(app: Flask, batch: LetterBatch) -> None:
    assert [letter.stored for letter in batch.letters] == [None, None]
    assert in_vault(app) == [batch.stored.uid]
    assert StoredObject.select().where(StoredObject.erased_at.is_null()).count() == 1


def test_progress_is_told_letter_by_letter(cast: Cast, qrs: Office) -> None:
    ordered = both(cast, qrs)
    assert (progress_of(ordered), letters.job_of(ordered).total) == ((0, 2), 2)
    heard: list[tuple[int, int]] = []
    letter_making.make(ordered.id, "https://todoke.example", lambda *said: heard.append(said))
    assert (heard, progress_of(ordered)) == ([(1, 2), (2, 2)], (2, 2))


def test_a_job_that_was_killed_goes_on_where_it_was(app: Flask, cast: Cast, qrs: Office) -> None:
    class Killed(BaseException):
        pass

    def kill(done: int, total: int) -> None:
        raise Killed

    ordered = both(cast, qrs)
    with pytest.raises(Killed):
        letter_making.make(ordered.id, "https://todoke.example", kill)
    first = cast.xyz.download_key_hash
    assert progress_of(ordered) == (1, 2)
    run_jobs(app)
    made = secrets_on(fetched(cast.kiku, ordered))
    assert (cast.xyz.download_key_hash, len(made)) == (first, 2)
    assert credentials.is_right(first, made[0][0])
    assert len(said("letter.issued")) == 4  # two of the demonstration's own


def test_a_job_run_again_after_its_end_does_nothing(cast: Cast, batch: LetterBatch) -> None:
    before = cast.xyz.download_key_hash
    letter_making.make(batch.id, "https://todoke.example", lambda done, total: None)
    assert (cast.xyz.download_key_hash, now(batch).stored) == (before, batch.stored)


def test_a_job_that_fails_for_good_leaves_no_batch_waiting(app: Flask, cast: Cast, qrs: Office) -> None:
    ordered = letters.order(cast.kiku, [qrs])
    Job.update(tries=len(jobs.BACK_OFF) + 1).where(Job.kind == "letters").execute()
    jobs.run_one({"letters": lambda job: 1 / 0}, utc_now(), work.give_ups())
    assert now(ordered).state == "erased"
    assert said("letters.erased") == [{"letters": 1, "why": "failed"}]
    assert [office.name for office in letters.due()] == ["QRS物産株式会社"]


def test_an_admin_who_came_in_meanwhile_keeps_his_password(app: Flask, cast: Cast) -> None:
    ordered = letters.order(cast.kiku, [cast.xyz], {cast.xyz.id: "紛失"})
    own = credentials.hash_secret("やまのぼりとうみべのいえ")
    User.update(password_hash=own, is_initial_password=False).where(User.id == cast.member("jiro").user_id).execute()
    key = cast.xyz.download_key_hash
    run_jobs(app)
    assert (cast.member("jiro").user.password_hash, cast.xyz.download_key_hash) == (own, key)
    assert (now(ordered).state, in_vault(app)) == ("erased", [])


def test_a_letter_that_a_newer_one_replaced_is_not_made(app: Flask, cast: Cast, qrs: Office) -> None:
    ordered = both(cast, qrs)
    newer = letters.issue_secrets(command_line(), cast.xyz)
    run_jobs(app)
    assert len(pdf.pages(fetched(cast.kiku, ordered))) == 1
    assert credentials.is_right(cast.xyz.download_key_hash, newer.download_key)


def test_a_letter_that_becomes_void_while_the_pages_are_bound_is_not_in_the_pdf(
    app: Flask, cast: Cast, qrs: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    bind, ordered, bound = letter_paper.bind, both(cast, qrs), []

    def slowly(pages: Any, out: Any) -> None:
        bind(pages, out)
        if not bound:
            letters.issue_secrets(command_line(), cast.xyz)
        bound.append(out)

    monkeypatch.setattr(letter_paper, "bind", slowly)
    run_jobs(app)
    (page,) = pdf.pages(fetched(cast.kiku, now(ordered)))
    assert (len(bound), "QRS物産株式会社 御中" in page) == (2, True)
    assert in_vault(app) == [now(ordered).stored.uid]


def test_a_letter_that_cannot_be_set_is_void_and_the_others_are_made(app: Flask, cast: Cast, qrs: Office) -> None:
    User.update(name="長" * 9000).where(User.id == cast.member("jiro").user_id).execute()
    ordered = both(cast, qrs)
    run_jobs(app)
    (page,) = pdf.pages(fetched(cast.kiku, now(ordered)))
    failed = ordered.letters.where(Letter.is_failed).get()
    assert (now(ordered).state, "QRS物産株式会社 御中" in page) == ("ready", True)
    assert (failed.office, failed.voided_at is None, failed.issued_at) == (cast.xyz, False, None)
    assert said("letter.failed") == [{"contract_number": cast.xyz.contract_number}]
    assert list(letters.due()) == [cast.xyz]


def test_a_machine_that_sets_no_letter_at_all_voids_none(
    app: Flask, cast: Cast, qrs: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    ordered = both(cast, qrs)
    monkeypatch.setattr(letter_paper, "SIZES", ())
    run_jobs(app)
    assert [letter.voided_at for letter in ordered.letters] == [None, None]
    assert (now(ordered).state, letters.job_of(ordered).error) == ("waiting", "PressFailed")


def test_an_office_that_lost_its_admin_meanwhile_holds_up_nobody(app: Flask, cast: Cast, qrs: Office) -> None:
    ordered = both(cast, qrs)
    Membership.update(ended_at=utc_now()).where(Membership.id == cast.member("jiro").id).execute()
    run_jobs(app)
    assert len(pdf.pages(fetched(cast.kiku, now(ordered)))) == 1


# ── printing ──


def test_the_print_is_confirmed_once_and_no_second_one_is_possible(cast: Cast, batch: LetterBatch) -> None:
    fetched(cast.kiku, batch)
    letters.confirm(cast.kiku, batch, today())
    with pytest.raises(letters.Gone, match="再発行"):
        letters.pdf(cast.kiku, batch)
    with pytest.raises(letters.Gone):
        letters.confirm(cast.kiku, batch, today())
    with pytest.raises(FileNotFoundError):
        vault.open_stream(now(batch).stored)


def test_nothing_that_was_printed_is_kept_anywhere(
    app: Flask, cast: Cast, batch: LetterBatch, instance: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    printed = [word for pair in secrets_on(fetched(cast.kiku, batch)) for word in pair]
    letters.confirm(cast.kiku, batch, today())
    run_jobs(app)
    dump = "\n".join(db.connection().iterdump())
    kept = everything_on_disk(instance) + dump.encode() + caplog.text.encode()
    assert in_vault(app) == []
    assert [word for word in printed if word.encode() in kept] == []


def test_the_confirmation_tells_each_office_and_its_day(cast: Cast, batch: LetterBatch) -> None:
    fetched(cast.kiku, batch)
    letters.confirm(cast.kiku, batch, today())
    day = today().isoformat()
    assert said("letters.printed") == [{"letters": 2, "dispatched_on": day}]
    assert said("letter.dispatched") == [{"dispatched_on": day}] * 2
    assert said("letters.erased") == [{"letters": 2, "why": "confirmed"}]
    about = AuditEntry.about(batch.uid)
    assert [entry.action for entry in about.order_by(AuditEntry.number)] == [
        *("letters.ordered", "letters.downloaded", "letters.printed", "letters.erased")
    ]


@pytest.mark.parametrize("days", [-1, 8])
def test_letters_leave_neither_before_they_were_made_nor_in_a_far_future(
    cast: Cast, batch: LetterBatch, days: int
) -> None:
    fetched(cast.kiku, batch)
    with pytest.raises(Refused, match="発送日"):
        letters.confirm(cast.kiku, batch, today() + timedelta(days=days))
    assert now(batch).state == "ready"


def test_what_nobody_saved_cannot_be_confirmed(cast: Cast, batch: LetterBatch) -> None:
    with pytest.raises(Refused, match="保存されていません"):
        letters.confirm(cast.kiku, batch, today())
    assert now(batch).state == "ready"


def test_a_batch_that_is_still_made_has_no_pdf(cast: Cast, qrs: Office) -> None:
    ordered = letters.order(cast.kiku, [qrs])
    with pytest.raises(SomeoneWasFaster, match="作成中"):
        letters.pdf(cast.kiku, ordered)


@pytest.mark.parametrize("verb", [letters.pdf, letters.confirm, letters.give_up, dispatch.listed])
def test_only_clerks_with_the_word_touch_a_batch(cast: Cast, batch: LetterBatch, verb: Callable) -> None:
    day = [today()] if verb is letters.confirm else []
    with pytest.raises(Forbidden):
        verb(cast.ume, batch, *day)
    assert now(batch) == batch
    assert now(batch).state == "ready"


# ── what is over ──


def test_after_a_day_the_pdf_is_erased_and_its_letters_open_nothing(app: Flask, cast: Cast, batch: LetterBatch) -> None:
    letters.erase_over(batch.expires_at - timedelta(seconds=1))
    assert now(batch).state == "ready"
    letters.erase_over(batch.expires_at)
    assert (now(batch).state, in_vault(app), cast.xyz.download_key_hash) == ("erased", [], None)
    assert cast.member("jiro").user.password_hash is None
    assert all(letter.voided_at for letter in batch.letters)
    assert said("letters.erased") == [{"letters": 2, "why": "expired"}]
    assert [office.name for office in letters.due()] == ["XYZ工業株式会社", "QRS物産株式会社"]


def test_what_was_saved_before_its_day_was_over_may_be_in_the_post_and_stays_in_force(
    app: Flask, cast: Cast, batch: LetterBatch
) -> None:
    letters.pdf(cast.kiku, batch)
    key = cast.xyz.download_key_hash
    letters.erase_over(batch.expires_at)
    assert (now(batch).state, in_vault(app), cast.xyz.download_key_hash) == ("erased", [], key)
    assert now(batch).is_on_paper()
    with pytest.raises(letters.Gone):
        letters.pdf(cast.kiku, batch)
    letters.confirm(cast.kiku, batch, today())
    assert (now(batch).state, now(batch).dispatched_on) == ("printed", today())
    assert not now(batch).is_on_paper()
    with pytest.raises(letters.Gone):
        letters.confirm(cast.kiku, batch, today())


def test_what_nobody_saved_can_not_be_told_as_printed(cast: Cast, batch: LetterBatch) -> None:
    letters.erase_over(batch.expires_at)
    with pytest.raises(letters.Gone):
        letters.confirm(cast.kiku, batch, today())


def test_the_last_second_of_the_day_counts_for_the_clerk(cast: Cast, batch: LetterBatch) -> None:
    late = Actor(cast.member("kiku"), at=batch.expires_at)
    with pytest.raises(letters.Gone, match="消去"):
        letters.pdf(late, batch)


def test_giving_a_batch_up_voids_its_letters(cast: Cast, batch: LetterBatch) -> None:
    letters.give_up(cast.kiku, batch)
    assert (now(batch).state, cast.xyz.download_key_hash) == ("erased", None)
    with pytest.raises(letters.Gone):
        letters.give_up(cast.kiku, batch)


def test_a_batch_given_up_while_it_is_made_leaves_nothing(app: Flask, cast: Cast, qrs: Office) -> None:
    ordered = both(cast, qrs)
    letter_making.make(ordered.id, "https://todoke.example", lambda done, total: letters.give_up(cast.kiku, ordered))
    assert (now(ordered).state, now(ordered).stored, in_vault(app)) == ("erased", None, [])
    assert cast.xyz.download_key_hash is None


def test_what_was_made_after_the_letter_outlives_its_end(app: Flask, cast: Cast, batch: LetterBatch) -> None:
    newer = letters.issue_secrets(command_line(), cast.xyz)
    letters.erase_over(batch.expires_at)
    assert credentials.is_right(cast.xyz.download_key_hash, newer.download_key)
    assert credentials.is_right(cast.member("jiro").user.password_hash, newer.initial_password)


def test_a_confirmed_letter_outlives_the_day(cast: Cast, batch: LetterBatch) -> None:
    ((key, _), _) = secrets_on(fetched(cast.kiku, batch))
    letters.confirm(cast.kiku, batch, today())
    letters.erase_over(batch.expires_at + timedelta(days=2))
    assert (now(batch).state, credentials.is_right(cast.xyz.download_key_hash, key)) == ("printed", True)


def test_a_new_letter_voids_the_older_and_its_visits(app: Flask, cast: Cast, batch: LetterBatch) -> None:
    fetched(cast.kiku, batch)
    letters.confirm(cast.kiku, batch, today())
    with db.atomic():
        visits.begin(system(), "download", office=cast.xyz)
    letters.order(cast.kiku, [cast.xyz], {cast.xyz.id: "紛失"})
    run_jobs(app)
    older, newer = Letter.select().where(Letter.office == cast.xyz).order_by(Letter.id)
    assert (older.voided_at is None, newer.voided_at, newer.is_reissue) == (False, None, True)
    assert Visit.get().ended_at is not None


def test_voiding_leaves_the_password_that_the_admin_chose(cast: Cast) -> None:
    before = cast.member("taro").user.password_hash
    with db.atomic():
        letters.void(command_line(), cast.abc)
    assert (cast.abc.download_key_hash, cast.member("taro").user.password_hash) == (None, before)


def test_letters_can_be_voided_where_there_is_no_admin(cast: Cast) -> None:
    Membership.update(ended_at=utc_now()).where(Membership.id == cast.member("jiro").id).execute()
    with db.atomic():
        letters.void(command_line(), cast.xyz)
    assert cast.xyz.download_key_hash is None


# ── the 発送簿 ──


def test_the_dispatch_list_tells_what_left_when_and_by_whom(cast: Cast, batch: LetterBatch, qrs: Office) -> None:
    fetched(cast.kiku, batch)
    letters.confirm(cast.kiku, batch, today())
    heading, _, row = dispatch.listed(cast.kiku, now(batch))
    assert heading == ("発送日", "事業所番号", "事業所名", "郵便番号", "住所", "引受番号", "発送者")
    day, who = f"{today():%Y/%m/%d}", cast.member("kiku").user.name
    assert row == (day, "00103", "QRS物産株式会社", "100-0002", "東京都千代田区皇居外苑1-1", "", who)
    assert said("letters.listed") == [{"letters": 2}]


def test_the_admin_of_the_letter_logs_in_with_it(cast: Cast, batch: LetterBatch, qrs: Office) -> None:
    *_, (_, password) = secrets_on(fetched(cast.kiku, batch))
    user = admin_of(qrs).membership.user
    assert credentials.is_right(user.password_hash, password)
    assert not credentials.has_lapsed(user.password_set_at, utc_now() + timedelta(days=29))


def test_binding_pages_needs_no_file() -> None:
    out = io.BytesIO()
    with pytest.raises(letter_paper.PressFailed):
        letter_paper.bind([[b"no pdf"]], out)
    assert out.getvalue() == b""
