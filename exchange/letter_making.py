"""The job that makes ordered letters: a page for each, with new secrets, and all of them bound into one PDF."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from database import db, utc_now
from exchange import audit, calendar, credentials, letter_paper, letters, settings, vault
from exchange.actors import Actor, system
from models import Office
from papers import Letter, LetterBatch

Progress = Callable[[int, int], None]

log = logging.getLogger("todoke.letters")


def make(batch_id: int, base_url: str, progress: Progress) -> None:
    """Make the letters of a batch that are not made yet, then its PDF. Run again after a crash it goes on; once over,
    nothing. Each page lies in the vault before its secrets are in force. A letter that can't be set is void and the
    others are made; PressFailed when none can be.
    """
    batch = LetterBatch.get_by_id(batch_id)
    found = list(letters.letters_of(batch))
    with contextlib.ExitStack() as presses:
        press = presses.enter_context(letter_paper.Press())
        for number, letter in enumerate(found, 1):
            if not is_waiting(batch):
                return
            if letter.issued_at is None and letter.voided_at is None:
                try:
                    _make_one(press, letter, base_url)
                except letter_paper.PressFailed as failed:
                    presses.close()  # it may be dead, or still at work on that letter
                    press = presses.enter_context(letter_paper.Press())
                    _require_press(press, letter, base_url)
                    _leave_out(letter, failed)
            progress(number, len(found))
    if is_waiting(batch):
        _bind(batch)


def is_waiting(batch: LetterBatch) -> bool:
    return LetterBatch.get_by_id(batch.id).state == "waiting"


def _make_one(press: letter_paper.Press, letter: Letter, base_url: str) -> None:
    actor, office = system(), Office.get_by_id(letter.office_id)
    open_one = _open_one(letter)
    if letters.newcomer(office) is None:  # he came in with the letter before
        Letter.update(voided_at=actor.at).where(open_one).execute()
        return
    secrets = letters.new_secrets()
    press.begin(_facts(letter, office, secrets, base_url, actor.at), window())
    hashes = secrets.hashes()
    with vault.Receiving() as receiving:
        receiving.write(press.page())
        page = receiving.finish()
    with db.atomic():
        if is_waiting(letter.batch) and Letter.update(issued_at=actor.at).where(open_one).execute() == 1:
            Letter.update(stored=page.keep()).where(Letter.id == letter.id).execute()
            letters.put_in_force(actor, office, hashes, letter)


def _open_one(letter: Letter) -> Any:
    return (Letter.id == letter.id) & Letter.issued_at.is_null() & Letter.voided_at.is_null()


def _require_press(press: letter_paper.Press, letter: Letter, base_url: str) -> None:
    """PressFailed when not even an ordinary letter can be set: then it is this machine's failure and no letter's."""
    facts = _facts(letter, Office.get_by_id(letter.office_id), letters.new_secrets(), base_url, utc_now())
    plain = replace(
        facts, office_name="－", address="－", admin_name="－", admin_kana="－", admin_mail="－", login_id="－"
    )
    press.begin(plain, window())
    press.page()


def _leave_out(letter: Letter, failed: letter_paper.PressFailed) -> None:
    log.warning("letter %s can't be set: %s", letter.uid, failed)
    actor, office = system(), letter.office
    with db.atomic():
        if Letter.update(voided_at=actor.at, is_failed=True).where(_open_one(letter)).execute() == 1:
            audit.record(actor, "letter.failed", office.uid, office, contract_number=office.contract_number)


def _facts(letter: Letter, office: Office, secrets: letters.Secrets, base_url: str, at: datetime) -> letter_paper.Facts:
    admin, fund = office.admin, settings.every()
    return letter_paper.Facts(
        office_name=office.name,
        postal_code=office.postal_code,
        address=office.address,
        fund_name=fund["fund_name"],
        fund_contact=fund["fund_contact"],
        service_name=fund["service_name"],
        credential_line=fund["credential_line"],
        issued_on=calendar.day(at),
        entered_on=office.entered_on,
        admin_name=admin.user.name,
        admin_kana=admin.user.kana,
        admin_mail=admin.user.mail,
        device_limit=office.device_limit,
        contract_number=office.contract_number,
        base_url=base_url,
        download_key=secrets.download_key,
        login_id=admin.login_id,
        initial_password=secrets.initial_password,
        last_day=calendar.day(at + credentials.INITIAL_PASSWORD_LIFE) - timedelta(days=1),  # the last whole one
        is_reissue=letter.is_reissue,
        is_set_up=office.current_archive_password() is not None,
    )


def window() -> letter_paper.Window:
    """Where the fund's envelopes show the address."""
    fund = settings.every()
    return letter_paper.Window(*(fund[f"envelope_{side}"] for side in ("left", "top", "width", "height")))


def _bind(batch: LetterBatch) -> None:
    """One PDF of the letters that are valid at its end: a letter can be made void while the pages are put together."""
    while is_waiting(batch):
        bound = _valid(batch)
        if not bound:
            letters.erase(system(), batch, "none")
            return
        with vault.Receiving() as receiving:
            letter_paper.bind((vault.pieces(letter.stored) for letter in bound), receiving)
            stored = receiving.finish()
        with db.atomic():
            if _valid(batch) == bound:
                _keep(batch, stored)
                return
            vault.erase(stored.keep())


def _valid(batch: LetterBatch) -> list[Letter]:
    return list(letters.letters_of(batch).where(Letter.voided_at.is_null()))


def _keep(batch: LetterBatch, stored: vault.Stored) -> None:
    at = utc_now()
    ready = LetterBatch.update(state="ready", ready_at=at, expires_at=at + letters.PDF_KEPT)
    if ready.where(LetterBatch.id == batch.id, LetterBatch.state == "waiting").execute() == 1:
        LetterBatch.update(stored=stored.keep()).where(LetterBatch.id == batch.id).execute()
        letters.erase_pages(batch)


def give_up(actor: Actor, batch_id: int) -> None:
    """The job has failed for good: nobody waits for it any longer."""
    letters.erase(actor, LetterBatch.get_by_id(batch_id), "failed")
