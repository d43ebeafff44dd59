"""お知らせ on paper: saved as a PDF, confirmed once, told in the 発送簿, and never printed again."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import db, utc_now
from exchange import calendar, dispatch, letters
from models import AuditEntry, Office
from papers import LetterBatch
from tests.exchange.offices import third_office
from tests.people import Browser, Cast, in_vault, run_jobs
from tests.web.test_letters import ADDRESS, ROOM, faults, made, office, page_of, printable, saves, table, text

People = Callable[[str], Browser]


def today() -> str:
    return f"{calendar.day(utc_now()):%Y/%m/%d}"


def confirms(browser: Browser, batch: LetterBatch, day: str = "") -> TestResponse:
    return browser.post(f"{page_of(batch)}/confirmation", {"dispatched_on": day or today()}, page=page_of(batch))


def lists(browser: Browser, batch: LetterBatch) -> TestResponse:
    return browser.post(f"{page_of(batch)}/dispatch-list", page=page_of(batch))


def actions(uid: str) -> list[str]:
    return [entry.action for entry in AuditEntry.about(uid)]


def test_the_pdf_is_saved_under_its_date_and_number(app: Flask, cast: Cast, browser: People) -> None:
    batch, kiku = made(app, cast, third_office(), office("00104", "UVW商会株式会社")), browser("kiku")
    assert faults(app, kiku.get(page_of(batch))) == []
    answer = saves(kiku, batch)
    assert answer.status_code == 200
    assert answer.data.startswith(b"%PDF-")
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Cache-Control"] == "no-store"
    day = f"{calendar.day(batch.made_at):%Y%m%d}"
    wanted = f"%E3%81%8A%E7%9F%A5%E3%82%89%E3%81%9B_{day}_2%E9%80%9A.pdf"
    assert answer.headers["Content-Disposition"].endswith(wanted)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "に保存されました" in kiku.get(page_of(batch)).text


def test_before_it_is_made_there_is_no_pdf(cast: Cast, browser: People) -> None:
    batch = letters.order(cast.kiku, [third_office()])
    answer = saves(browser("kiku"), batch)
    assert answer.status_code == 409
    assert "作成が終わるまでお待ちください" in answer.text


def test_a_print_is_confirmed_once_and_never_repeated(app: Flask, cast: Cast, browser: People) -> None:
    qrs, kiku, before = third_office(), browser("kiku"), in_vault(app)
    batch = made(app, cast, qrs)
    saves(kiku, batch)
    csrf = kiku.csrf(page_of(batch))
    answer = confirms(kiku, batch)
    assert (answer.status_code, answer.location) == (303, page_of(batch))
    assert in_vault(app) == before
    page = kiku.get(page_of(batch))
    assert "印刷済みです" in page.text
    assert f"発送日 {today()}" in kiku.get(ROOM).text
    assert "/pdf" not in page.text
    assert faults(app, page) == []
    for act, form in (("pdf", {}), ("confirmation", {"dispatched_on": today()}), ("removal", {})):
        late = kiku.client.post(f"{page_of(batch)}/{act}", data={"csrf_token": csrf, **form})
        assert late.status_code == 410
        assert "再発行してください" in late.text
    assert actions(qrs.uid).count("letter.dispatched") == 1


def test_a_confirmation_without_the_pdf_is_refused(app: Flask, cast: Cast, browser: People) -> None:
    batch = printable(cast, third_office())
    kiku = browser("kiku")
    answer = confirms(kiku, batch)
    assert (answer.status_code, answer.location) == (303, page_of(batch))
    page = kiku.get(page_of(batch))
    assert "PDFがまだ保存されていません" in page.text
    assert faults(app, page) == []


@pytest.mark.parametrize("day", ["", "きょう", "2026/02/30", "2020/01/01", "2099/01/01"])
def test_a_day_of_dispatch_that_cannot_be_is_refused_on_the_page(
    app: Flask, cast: Cast, browser: People, day: str
) -> None:
    batch, kiku = printable(cast, third_office()), browser("kiku")
    saves(kiku, batch)
    form = {"dispatched_on": day}
    answer = kiku.post(f"{page_of(batch)}/confirmation", form, page=page_of(batch))
    assert answer.status_code == 422
    assert "発送日" in text(answer).partition("入力内容に誤りが")[2][:200]
    assert faults(app, answer) == []
    assert LetterBatch.get_by_id(batch.id).state == "ready"


def test_the_day_of_dispatch_may_be_written_in_any_way(app: Flask, cast: Cast, browser: People) -> None:
    batch, kiku = printable(cast, third_office()), browser("kiku")
    saves(kiku, batch)
    day = calendar.day(utc_now() + timedelta(days=1))
    assert confirms(kiku, batch, f"　令和{day.year - 2018}年{day.month}月{day.day}日").status_code == 303
    assert LetterBatch.get_by_id(batch.id).dispatched_on == day


def test_a_pdf_that_is_given_up_is_gone(app: Flask, cast: Cast, browser: People) -> None:
    qrs, kiku, before = third_office(), browser("kiku"), in_vault(app)
    batch = printable(cast, qrs)
    kiku.post(f"{page_of(batch)}/removal", page=page_of(batch))
    page = kiku.get(page_of(batch))
    assert "印刷せずに破棄" in page.text
    assert faults(app, page) == []
    assert in_vault(app) == before
    late = saves(kiku, batch)
    assert late.status_code == 410
    assert "印刷の確認の前に消去されました" in late.text
    assert f'value="{qrs.uid}"' in kiku.get(ROOM).text


def test_after_a_day_the_pdf_is_gone(app: Flask, cast: Cast, browser: People) -> None:
    batch, kiku = printable(cast, third_office()), browser("kiku")
    LetterBatch.update(expires_at=utc_now()).where(LetterBatch.id == batch.id).execute()
    assert saves(kiku, batch).status_code == 410
    run_jobs(app)
    letters.erase_over(utc_now())
    assert "保管期間の終了" in kiku.get(page_of(batch)).text


def test_a_sheet_that_became_void_meanwhile_must_not_be_posted(app: Flask, cast: Cast, browser: People) -> None:
    qrs, other = third_office(), office("00104", "UVW商会株式会社")
    batch = printable(cast, qrs, other)
    with db.atomic():
        letters.void(cast.kiku, qrs)
    answer = browser("kiku").get(page_of(batch))
    assert "PDFの2通のうち1通は、発送しないでください" in answer.text
    assert "紙は破棄してください：QRS物産株式会社" in answer.text
    assert faults(app, answer) == []


def test_the_page_tells_who_printed_what_and_when(app: Flask, cast: Cast, browser: People) -> None:
    batch, kiku = printable(cast, third_office()), browser("kiku")
    saves(kiku, batch)
    confirms(kiku, batch)
    wanted = ["letters.ordered", "letters.downloaded", "letters.printed", "letters.erased"]
    assert actions(batch.uid) == wanted
    page = text(kiku.get(page_of(batch)))
    for label in ("お知らせの一括作成", "お知らせのPDFの保存", "お知らせの印刷の確認", cast.member("kiku").user.name):
        assert label in page.partition("経過")[2]


@pytest.mark.parametrize("act", ["", "/pdf", "/confirmation", "/removal", "/dispatch-list"])
def test_letters_that_do_not_exist(browser: People, act: str) -> None:
    kiku, url = browser("kiku"), f"{ROOM}{'0' * 32}{act}"
    answer = kiku.post(url, page=ROOM) if act else kiku.get(url)
    assert answer.status_code == 404


# ── the 発送簿 ──


def test_the_list_of_what_was_posted(app: Flask, cast: Cast, browser: People) -> None:
    qrs, kiku = third_office(), browser("kiku")
    Office.update(**ADDRESS).where(Office.id == qrs.id).execute()
    batch = printable(cast, qrs)
    saves(kiku, batch)
    confirms(kiku, batch)
    answer = lists(kiku, batch)
    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"].endswith(f"_{today().replace('/', '')}.csv")
    head, line = table(answer)
    assert head == list(dispatch.HEADING)
    assert line[:5] == [today(), "00103", "QRS物産株式会社", "100-0001", "東京都千代田区千代田1-1 皇居ビル3階"]
    assert line[-1] == cast.member("kiku").user.name
    assert actions(batch.uid)[-1] == "letters.listed"


def test_excel_runs_nothing_in_the_list(app: Flask, cast: Cast, browser: People) -> None:
    qrs = third_office()
    Office.update(name="=cmd|'/c calc'!A1", address="@SUM(A1)").where(Office.id == qrs.id).execute()
    answer = lists(browser("kiku"), printable(cast, qrs))
    (line,) = table(answer)[1:]
    assert line[2] == "'=cmd|'/c calc'!A1"
    assert line[4] == "'@SUM(A1)"
