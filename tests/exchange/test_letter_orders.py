"""Who orders letters, for which offices, and what an order does at once."""

import threading
from datetime import timedelta

import pytest

from database import db, utc_now
from exchange import credentials, letter_paper, letters, visits
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import Job, Membership, Office
from papers import Letter, LetterBatch, Visit
from tests import pdf
from tests.exchange.offices import said
from tests.people import Cast

pytestmark = pdf.needs_readers


@pytest.mark.parametrize("name", ["jiro", "taro", "ume", "dai"])
def test_only_clerks_with_the_word_order_letters(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        letters.order(getattr(cast, name), [cast.xyz])
    assert LetterBatch.select().count() == 0


def test_an_order_for_nobody_or_for_too_many_is_refused(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match="1つ以上"):
        letters.order(cast.kiku, [])
    monkeypatch.setattr(letters, "AT_MOST", 1)
    with pytest.raises(Refused, match="1通まで"):
        letters.order(cast.kiku, [cast.xyz, cast.abc])


def test_an_office_whose_contract_is_closed_gets_no_letter(cast: Cast) -> None:
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    with pytest.raises(Refused, match="契約が終了.*XYZ工業"):
        letters.order(cast.kiku, [cast.xyz])


def test_an_admin_with_a_password_of_his_own_gets_no_letter(cast: Cast, qrs: Office) -> None:
    with pytest.raises(Refused, match="再発行"):
        letters.order(cast.kiku, [cast.abc, qrs])
    assert Letter.select().count() == 0


def test_without_a_reason_nobody_takes_a_valid_letter_away(cast: Cast, qrs: Office) -> None:
    key = cast.xyz.download_key_hash
    with pytest.raises(Refused, match="有効なお知らせがあります：XYZ工業.*再発行"):
        letters.order(cast.kiku, [qrs, cast.xyz])
    assert (Letter.select().count(), cast.xyz.download_key_hash) == (0, key)


def test_a_letter_that_has_lapsed_needs_no_reason(cast: Cast) -> None:
    lapsed = utc_now() - credentials.INITIAL_PASSWORD_LIFE - timedelta(days=1)
    Office.update(secrets_issued_at=lapsed).where(Office.id == cast.xyz.id).execute()
    assert [letter.office for letter in letters.order(cast.kiku, [cast.xyz]).letters] == [cast.xyz]


def test_an_office_without_an_admin_gets_no_letter(cast: Cast, qrs: Office) -> None:
    Membership.update(ended_at=utc_now()).where(Membership.office == qrs).execute()
    with pytest.raises(Refused, match="管理者のいない事業所.*QRS物産"):
        letters.order(cast.kiku, [qrs])


def test_the_same_form_sent_twice_is_one_batch(cast: Cast, qrs: Office) -> None:
    first, second = (letters.order(cast.kiku, [qrs], token="of one form") for _ in range(2))
    assert first == second
    assert Letter.select().count() == 1


def test_two_clerks_who_order_for_the_same_office_make_one_letter(cast: Cast, qrs: Office) -> None:
    letter_paper.require_press()
    clerk, start, told = cast.kiku, threading.Barrier(2), []

    def order() -> None:
        with db.connection_context():
            start.wait()
            try:
                told.append(letters.order(clerk, [qrs]))
            except SomeoneWasFaster as refused:
                told.append(refused)

    threads = [threading.Thread(target=order) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(one).__name__ for one in told) == ["LetterBatch", "SomeoneWasFaster"]
    assert (Letter.select().count(), Job.select().where(Job.kind == "letters").count()) == (1, 1)


def test_a_new_office_is_due_until_its_letter_is_ordered(cast: Cast, qrs: Office) -> None:
    assert [office.name for office in letters.due()] == ["QRS物産株式会社"]
    letters.order(cast.kiku, [qrs])
    assert list(letters.due()) == []


def test_an_office_is_due_again_when_its_initial_password_has_lapsed(cast: Cast) -> None:
    later = utc_now() + credentials.INITIAL_PASSWORD_LIFE + timedelta(days=1)
    assert [office.name for office in letters.due(later)] == ["XYZ工業株式会社"]


def test_the_order_tells_how_many_are_reissues(cast: Cast, qrs: Office) -> None:
    letters.order(cast.kiku, [qrs, cast.xyz], {cast.xyz.id: "紛失"})
    assert said("letters.ordered") == [{"letters": 2, "reissues": 1}]


def test_a_reissue_voids_at_once_what_the_office_has(cast: Cast) -> None:
    with db.atomic():
        visits.begin(command_line(), "download", office=cast.xyz)
    letters.order(cast.kiku, [cast.xyz], {cast.xyz.id: "紛失"})
    assert cast.xyz.download_key_hash is None
    assert cast.member("jiro").user.password_hash is None
    assert Visit.get().ended_at is not None
