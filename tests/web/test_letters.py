"""お知らせの発行: ordered with the login password, watched, saved, printed, confirmed once, and told in a list."""

import csv
import io
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import letter_making, letters, registrations
from exchange.actors import command_line
from exchange.registration_file import RegistrationFile, Row
from models import Job, LoginSession, Office
from papers import Letter, LetterBatch
from tests.exchange.offices import third_office
from tests.markup import Page
from tests.people import Browser, Cast, received, run_jobs

People = Callable[[str], Browser]
ROOM = "/admin/letters/"
ADDRESSES = f"{ROOM}addresses"
HTMX = {"HX-Request": "true"}
ADDRESS = {"postal_code": "100-0001", "address": "東京都千代田区千代田1-1\n皇居ビル3階"}


def office(number: str, name: str) -> Office:
    (one,) = offices({number: name})
    return one


def offices(wanted: dict[str, str]) -> list[Office]:
    """Registered offices by number and name, whose letters are due."""
    person = {"entered_on": "2026-04-01", "name": "己原　三郎", "kana": "ツチハラ　サブロウ", "device_limit": 1}
    rows: list[dict[str, Any]] = [
        {
            **person,
            "office_number": number,
            "office_name": name,
            "mail": f"saburo@{number}.example",
            "login_id": f"saburo{number}",
        }
        for number, name in wanted.items()
    ]
    filed = tuple(Row(line, values) for line, values in enumerate(rows, 2))
    return registrations.register(command_line(), [RegistrationFile(filed)])


def orders(browser: Browser, *chosen: Office) -> TestResponse:
    return browser.post(ROOM, form_of(*chosen))


def form_of(*chosen: Office) -> dict[str, Any]:
    """What the list's form sends, opened once."""
    return {"office": [one.uid for one in chosen], "token": secrets.token_hex(16)}


def page_of(batch: LetterBatch) -> str:
    return f"{ROOM}{batch.uid}"


def newest() -> LetterBatch:
    return LetterBatch.select().order_by(LetterBatch.id.desc()).get()


def made(app: Flask, cast: Cast, *chosen: Office) -> LetterBatch:
    """A batch whose PDF waits to be printed."""
    batch = letters.order(cast.kiku, chosen)
    run_jobs(app)
    return LetterBatch.get_by_id(batch.id)


def printable(cast: Cast, *chosen: Office) -> LetterBatch:
    """The same without the pages: where the test is not about them, a small file stands for the PDF."""
    batch, at = letters.order(cast.kiku, chosen), utc_now()
    Job.delete().where(Job.kind == "letters").execute()
    stored = received(b"%PDF-1.7\n%%EOF\n").finish().keep()
    ready = {"state": "ready", "stored": stored, "ready_at": at, "expires_at": at + letters.PDF_KEPT}
    LetterBatch.update(**ready).where(LetterBatch.id == batch.id).execute()
    Letter.update(issued_at=at).where(Letter.batch == batch).execute()
    Office.update(secrets_issued_at=at).where(Office.id << list(chosen)).execute()
    return LetterBatch.get_by_id(batch.id)


def saves(browser: Browser, batch: LetterBatch) -> TestResponse:
    return browser.post(f"{page_of(batch)}/pdf", page=page_of(batch))


def table(answer: TestResponse) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))


def text(answer: TestResponse) -> str:
    return unescape(re.sub(r"<[^>]*>", "", answer.text))


def faults(app: Flask, answer: TestResponse) -> list[str]:
    return Page(answer.text).faults(app.url_map.bind("127.0.0.1"))


@contextmanager
def at_work(batch: LetterBatch, done: int, total: int) -> Iterator[None]:
    """As if a worker had just made some of the letters."""
    state = {"state": "running", "done": done, "total": total}
    Job.update(**state).where(Job.kind == "letters", Job.subject == str(batch.id)).execute()
    yield
    Job.update(state="waiting").where(Job.kind == "letters", Job.subject == str(batch.id)).execute()


# ── the list ──


def test_without_an_office_the_page_says_how_one_gets_there(app: Flask, browser: People) -> None:
    answer = browser("kiku").get(ROOM)
    assert "今、お知らせを発行する事業所はありません。" in answer.text
    assert "まだ発行していません。" in answer.text
    assert faults(app, answer) == []


def test_an_office_is_listed_until_its_letter_is_ordered(app: Flask, browser: People) -> None:
    kiku, qrs = browser("kiku"), third_office()
    answer = kiku.get(ROOM)
    assert f'value="{qrs.uid}"' in answer.text
    assert "XYZ工業" not in answer.text
    assert faults(app, answer) == []
    orders(kiku, qrs)
    after = kiku.get(ROOM)
    assert f'value="{qrs.uid}"' not in after.text
    assert "作成中" in after.text
    assert "0／1通" in after.text
    assert faults(app, after) == []


def test_a_missing_address_is_seen_and_leads_to_where_it_is_entered(browser: People) -> None:
    qrs, other = third_office(), office("00104", "UVW商会株式会社")
    Office.update(**ADDRESS).where(Office.id == other.id).execute()
    answer = browser("kiku").get(ROOM)
    assert "住所の登録がない事業所が1件あります" in answer.text
    assert f'href="/admin/contracts/{qrs.uid}"' in answer.text
    assert f'href="/admin/contracts/{other.uid}"' not in answer.text
    assert "〒100-0001" in answer.text


def test_all_can_be_chosen_without_scripts(browser: People) -> None:
    offices({f"0020{number}": f"試験{number}株式会社" for number in range(3)})
    kiku = browser("kiku")
    assert len(re.findall(r'name="office"[^>]* checked', kiku.get(f"{ROOM}?ticked=all").text)) == 3
    assert " checked" not in kiku.get(ROOM).text


def test_no_more_are_listed_than_can_be_ordered_at_once(app: Flask, browser: People) -> None:
    offices({f"1{number:04}": f"試験{number}株式会社" for number in range(207)})
    answer = browser("kiku").get(ROOM)
    assert answer.text.count('name="office"') == 200
    assert "残りの7件は、これらを発行したあとに表示されます。" in answer.text
    assert faults(app, answer) == []


# ── ordering ──


def test_an_order_leads_to_the_page_of_its_letters(app: Flask, browser: People) -> None:
    kiku, qrs = browser("kiku"), third_office()
    answer = orders(kiku, qrs)
    batch = newest()
    assert (answer.status_code, answer.location) == (303, page_of(batch))
    assert [letter.office for letter in batch.letters] == [qrs]
    page = kiku.get(page_of(batch))
    assert "順番を待っています" in page.text
    assert "最新の状態を表示" in page.text
    assert faults(app, page) == []


def test_many_offices_become_one_batch(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    orders(kiku, *offices({f"0020{number}": f"試験{number}株式会社" for number in range(3)}))
    run_jobs(app)
    answer = kiku.get(page_of(newest()))
    assert "3通を1つのPDFにまとめてあります" in answer.text
    assert faults(app, answer) == []


def test_nothing_chosen_is_said_on_the_page(app: Flask, browser: People) -> None:
    third_office()
    answer = orders(browser("kiku"))
    assert answer.status_code == 422
    assert "1つ以上選んでください" in answer.text
    assert faults(app, answer) == []


def test_what_a_colleague_has_ordered_meanwhile_is_refused_and_the_choice_stays(cast: Cast, browser: People) -> None:
    qrs, other = third_office(), office("00104", "UVW商会株式会社")
    kiku = browser("kiku")
    letters.order(cast.kiku, [qrs])
    answer = orders(kiku, qrs, other)
    assert answer.status_code == 409
    assert "QRS物産株式会社" in answer.text
    assert re.search(rf'value="{other.uid}"[^>]* checked', answer.text)
    assert LetterBatch.select().count() == 1


def test_an_order_sent_twice_makes_one_batch_and_leads_to_it(browser: People) -> None:
    kiku, form = browser("kiku"), form_of(third_office())
    answers = [kiku.post(ROOM, form) for _ in range(2)]
    assert [(answer.status_code, answer.location) for answer in answers] == [(303, page_of(newest()))] * 2
    assert LetterBatch.select().count() == 1


def test_the_list_gives_its_form_a_token_and_takes_none_without(browser: People) -> None:
    kiku, qrs = browser("kiku"), third_office()
    assert len(kiku.field(ROOM, "token")) == 32
    answer = kiku.post(ROOM, {"office": [qrs.uid]})
    assert (answer.status_code, "画面を開き直してから" in answer.text) == (422, True)
    assert LetterBatch.select().count() == 0


def test_an_order_asks_for_the_login_password_and_says_how_many(cast: Cast, browser: People) -> None:
    kiku, qrs, other = browser("kiku"), third_office(), office("00104", "UVW商会株式会社")
    LoginSession.update(confirmed_at=None).execute()
    question = orders(kiku, qrs, other)
    assert "ログインパスワードの確認" in question.text
    assert "2通" in question.text
    assert LetterBatch.select().count() == 0
    carried = {**form_of(qrs, other), "confirm_password": cast.secrets("kiku")["password"]}
    assert kiku.post(ROOM, carried).status_code == 303
    assert newest().letters.count() == 2


@pytest.mark.parametrize("name", ["taro", "ume", "dai"])
def test_nobody_without_the_word_comes_in(app: Flask, cast: Cast, browser: People, name: str) -> None:
    batch, other = letters.order(cast.kiku, [third_office()]), browser(name)
    for url in (ROOM, page_of(batch), ADDRESSES):
        assert other.get(url).status_code == 403
    for url in (ROOM, f"{page_of(batch)}/pdf", f"{page_of(batch)}/confirmation", f"{page_of(batch)}/removal"):
        assert other.post(url, page="/admin/account/").status_code == 403
    assert LetterBatch.get_by_id(batch.id).state == "waiting"


# ── while they are made ──


def test_the_progress_is_there_right_after_a_reload(app: Flask, cast: Cast, browser: People) -> None:
    kiku, batch = browser("kiku"), letters.order(cast.kiku, [third_office()])
    with at_work(batch, 3, 12):
        page, fragment = kiku.get(page_of(batch)), kiku.get(page_of(batch), headers=HTMX)
    assert "3／12通" in page.text
    assert f'hx-get="{page_of(batch)}"' in page.text
    assert faults(app, page) == []
    assert "3／12通" in fragment.text
    assert "<h1" not in fragment.text
    assert "HX-Refresh" not in fragment.headers
    assert Page(fragment.text).fragment_faults(app.url_map.bind("127.0.0.1")) == []


def test_the_page_comes_anew_once_they_are_made(app: Flask, cast: Cast, browser: People) -> None:
    batch = made(app, cast, third_office())
    fragment = browser("kiku").get(page_of(batch), headers=HTMX)
    assert fragment.headers["HX-Refresh"] == "true"
    assert "every 1s" not in fragment.text


def test_what_could_not_be_made_is_said_and_the_office_is_due_again(app: Flask, cast: Cast, browser: People) -> None:
    qrs, kiku = third_office(), browser("kiku")
    batch = letters.order(cast.kiku, [qrs])
    Job.update(state="failed").where(Job.kind == "letters").execute()
    letter_making.give_up(command_line(), batch.id)
    answer = kiku.get(page_of(batch))
    assert "このお知らせは消去されました" in answer.text
    assert "作成の失敗" in answer.text
    assert faults(app, answer) == []
    assert f'value="{qrs.uid}"' in kiku.get(ROOM).text


def test_an_office_whose_letter_could_not_be_made_is_named_with_what_to_do(
    app: Flask, cast: Cast, browser: People
) -> None:
    qrs, other = third_office(), office("00104", "UVW商会株式会社")
    batch = printable(cast, qrs, other)
    at = {"voided_at": utc_now(), "is_failed": True, "issued_at": None}
    Letter.update(**at).where(Letter.office == other).execute()
    answer = browser("kiku").get(page_of(batch))
    told = text(answer).partition("作成できなかった事業所が1件あります")[2]
    assert ("UVW商会株式会社" in told[:50], "短く直し" in told) == (True, True)
    assert "1通を1つのPDFにまとめてあります" in answer.text
    assert faults(app, answer) == []


def test_letters_that_are_being_made_can_be_given_up(app: Flask, cast: Cast, browser: People) -> None:
    kiku, batch = browser("kiku"), letters.order(cast.kiku, [third_office()])
    answer = kiku.post(f"{page_of(batch)}/removal", page=page_of(batch))
    assert (answer.status_code, answer.location) == (303, page_of(batch))
    run_jobs(app)
    assert LetterBatch.get_by_id(batch.id).state == "erased"
