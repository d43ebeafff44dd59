"""手順書の掲載 on the web: upload, editions, who fetched what."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import documents
from models import Grant, LoginSession, Office, StoredObject
from papers import Document
from tests.exchange.test_documents import PDF, fetches, publishes
from tests.people import Browser, Cast, in_vault

People = Callable[[str], Browser]
FORM = "/admin/documents/new"
WORDS = {"label": "VPNインストール手順書", "edition_on": "2026/11/01", "audience": "all"}


def sends(browser: Browser, data: bytes | None = PDF, page: str = FORM, **fields: Any) -> TestResponse:
    """Fill in the form and send it; `data` None: no file chosen."""
    file = (io.BytesIO(data or b""), "manual.pdf" if data is not None else "")
    form = {**WORDS, **fields, "file": file}
    return browser.post(FORM, form, page=page, content_type="multipart/form-data")


def sends_edition(browser: Browser, document: Document, **fields: Any) -> TestResponse:
    """The next edition, from the form as it is opened now."""
    page = f"{FORM}?series={document.series}"
    return sends(browser, page=page, replaces=browser.field(page, "replaces"), **fields)


def only() -> Document:
    return Document.select().get()


def offered_labels(office: Office) -> list[str]:
    return [documents.title(document) for document in documents.offered_to(office)]


def test_a_pdf_is_published_and_stands_in_the_list(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    answer = sends(kiku, edition_on="令和8年11月1日", label="　VPNインストール手順書 ")
    assert (answer.status_code, answer.location) == (303, f"/admin/documents/{only().uid}")
    assert offered_labels(cast.xyz) == ["VPNインストール手順書(2026/11/01)"]
    page = kiku.get("/admin/documents/").text
    assert "VPNインストール手順書(2026/11/01)" in page
    assert "電子連携サービス・VPNインストール手順書(20261101).pdf" in page
    assert "0／2" in page  # of the two offices nobody has it yet


def test_after_ten_minutes_the_password_stands_before_the_form(app: Flask, browser: People, cast: Cast) -> None:
    series = publishes(cast.kiku).series
    kiku, page = browser("kiku"), f"{FORM}?series={series}"
    LoginSession.update(confirmed_at=utc_now() - timedelta(minutes=11)).execute()
    before = in_vault(app)
    assert 'type="file"' not in kiku.get(page).text
    answer = sends(kiku)
    assert answer.status_code == 422
    assert "ファイルを受け取りませんでした" in answer.text
    assert (Document.select().count(), in_vault(app)) == (1, before)
    question = kiku.post(f"{FORM}/opening", {"series": series}, page=page)
    assert f'name="series" value="{series}"' in question.text
    form = {"series": series, "confirm_password": cast.secrets("kiku")["password"]}
    assert kiku.post(f"{FORM}/opening", form, page=page).location == page
    assert 'type="file"' in kiku.get(page).text


def test_an_empty_list_says_how_to_begin(browser: People) -> None:
    page = browser("kiku").get("/admin/documents/").text
    assert "掲載中の手順書はありません。" in page
    assert FORM in page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"data": None}, "ファイルが選ばれていません"),
        ({"data": b""}, "PDFだけです"),
        ({"data": b"PK\x03\x04 a document of Word"}, "PDFだけです"),
        ({"label": ""}, "名称を入力してください"),
        ({"label": "　"}, "名称は1～60文字"),
        ({"label": "あ" * 61}, "名称は1～60文字"),
        ({"label": "手順/書"}, "は使えません"),
        ({"edition_on": ""}, "版の日付を入力してください"),
        ({"edition_on": "11月1日"}, "2026/11/29 または"),
        ({"edition_on": "2026/02/30"}, "2026/11/29 または"),
        ({"edition_on": "1999/12/31"}, "2000/01/01 から"),
        ({"edition_on": "2199/12/31"}, "2000/01/01 から"),
        ({"audience": ""}, "掲載先を選んでください"),
        ({"audience": "nobody"}, "掲載先"),
        ({"audience": "chosen"}, "1つ以上の事業所を選ぶか"),
        ({"audience": "chosen", "offices": ["0" * 32]}, "契約が終了したものがあります"),
        ({"audience": "chosen", "offices": ["' OR 1=1 --"]}, "契約が終了したものがあります"),
    ],
)
def test_a_wrong_form_comes_back_with_the_reason_and_nothing_stays(
    app: Flask, browser: People, fields: dict[str, Any], sentence: str
) -> None:
    answer = sends(browser("kiku"), **fields)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert "手順書の掲載（新規）" in answer.text
    assert (Document.select().count(), StoredObject.select().count(), in_vault(app)) == (0, 0, [])


def test_what_was_typed_and_ticked_is_kept_after_a_refusal(browser: People, cast: Cast) -> None:
    page = sends(browser("kiku"), None, audience="chosen", offices=[cast.xyz.uid]).text
    assert 'value="VPNインストール手順書"' in page
    assert f'value="{cast.xyz.uid}" form="publish" data-select-one checked' in page
    assert f'value="{cast.abc.uid}" form="publish" data-select-one checked' not in page


def test_too_large_a_file_is_refused_with_the_limit_and_nothing_stays(
    app: Flask, browser: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents.Pdf, "LARGEST", 100)
    answer = sends(browser("kiku"), PDF + b"x" * 100)
    assert answer.status_code == 413
    assert "バイトまでです" in answer.text
    assert (Document.select().count(), in_vault(app)) == (0, [])


def test_the_limit_of_transfers_is_not_that_of_documents(app: Flask, browser: People) -> None:
    app.config["MAX_FILE_BYTES"] = 10
    assert sends(browser("kiku"), PDF + b"x" * 400_000).status_code == 303


def test_of_several_files_the_first_counts(app: Flask, browser: People) -> None:
    kiku = browser("kiku")
    files = [(io.BytesIO(PDF), "a.pdf"), (io.BytesIO(b"MZ second"), "b.exe")]
    answer = kiku.post(FORM, {**WORDS, "file": files}, content_type="multipart/form-data")
    assert answer.status_code == 303
    assert in_vault(app) == [only().stored.uid]


def test_without_the_csrf_token_nothing_stays(app: Flask, browser: People) -> None:
    form = {**WORDS, "file": (io.BytesIO(PDF), "a.pdf")}
    answer = browser("kiku").client.post(FORM, data=form, content_type="multipart/form-data")
    assert (answer.status_code, in_vault(app)) == (400, [])


def test_a_name_that_a_browser_would_run_is_only_text(browser: People) -> None:
    kiku = browser("kiku")
    label = "&amp;'; --(手順書)"
    page = kiku.get(sends(kiku, label=label).location).text
    assert "&amp;amp;&#39;; --(手順書)" in page
    assert label not in page


# ── for whom ──


def test_only_the_ticked_offices_see_it(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    answer = sends(kiku, audience="chosen", offices=[cast.xyz.uid])
    assert offered_labels(cast.abc) == []
    assert offered_labels(cast.xyz) == ["VPNインストール手順書(2026/11/01)"]
    assert "選んだ1事業所" in kiku.get(answer.location).text
    assert "ABC商事" not in kiku.get(f"{answer.location}?state=missing").text


def test_ticks_do_not_count_when_it_is_for_all(browser: People, cast: Cast) -> None:
    sends(browser("kiku"), audience="all", offices=[cast.xyz.uid, "0" * 32])
    assert offered_labels(cast.abc) == ["VPNインストール手順書(2026/11/01)"]


def test_a_closed_office_is_not_offered_for_choice(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    page = kiku.get(FORM).text
    assert cast.abc.uid in page
    assert cast.xyz.uid not in page
    assert sends(kiku, audience="chosen", offices=[cast.abc.uid, cast.xyz.uid]).status_code == 422


# ── editions ──


def test_a_new_edition_begins_as_the_last_one_was(browser: People, cast: Cast) -> None:
    kiku, document = browser("kiku"), publishes(cast.kiku, offices=[cast.xyz])
    page = kiku.get(f"{FORM}?series={document.series}").text
    assert 'value="VPNインストール手順書"' in page
    assert f'value="{cast.xyz.uid}" form="publish" data-select-one checked' in page
    assert "「VPNインストール手順書(2026/11/01)」と入れ替わります" in page


def test_a_new_edition_replaces_the_old_one_at_the_counter_only(browser: People, cast: Cast) -> None:
    kiku, first = browser("kiku"), publishes(cast.kiku)
    answer = sends_edition(kiku, first, data=PDF + b"2", edition_on="2026/12/01")
    assert answer.status_code == 303
    assert offered_labels(cast.abc) == ["VPNインストール手順書(2026/12/01)"]
    old = kiku.get(f"/admin/documents/{first.uid}").text
    assert "前の版" in old
    assert f"/admin/documents/{first.uid}/withdrawal" not in old
    read = kiku.post(f"/admin/documents/{first.uid}/reading", page=f"/admin/documents/{first.uid}")
    assert (read.status_code, read.data) == (200, PDF)
    assert "attachment" in read.headers["Content-Disposition"]


def test_the_second_of_two_clerks_reads_that_someone_was_faster(browser: People, cast: Cast) -> None:
    Grant.create(membership=cast.member("ume"), word="publish")
    kiku, ume, first = browser("kiku"), browser("ume"), publishes(cast.kiku)
    page = f"{FORM}?series={first.series}"
    seen = ume.field(page, "replaces")
    sends_edition(kiku, first, data=PDF + b"2")
    answer = sends(ume, PDF + b"3", page=page, replaces=seen)
    assert answer.status_code == 409
    assert "ほかの職員が、先に" in answer.text
    assert Document.select().count() == 2


def test_an_open_form_does_not_bring_back_what_was_withdrawn(browser: People, cast: Cast) -> None:
    kiku, first = browser("kiku"), publishes(cast.kiku)
    page = f"{FORM}?series={first.series}"
    seen = kiku.field(page, "replaces")
    documents.withdraw(cast.kiku, first)
    assert sends(kiku, PDF + b"2", page=page, replaces=seen).status_code == 409
    again = sends(kiku, PDF + b"2", page=page, replaces=seen, was_withdrawn=kiku.field(page, "was_withdrawn"))
    assert again.status_code == 303
    assert offered_labels(cast.abc) == ["VPNインストール手順書(2026/11/01)"]


def test_a_form_sent_twice_publishes_once(browser: People) -> None:
    kiku = browser("kiku")
    assert len({sends(kiku).location for _ in range(2)}) == 1
    assert Document.select().count() == 1


def test_it_is_withdrawn_once(browser: People, cast: Cast) -> None:
    kiku, document = browser("kiku"), publishes(cast.kiku)
    url, page = f"/admin/documents/{document.uid}/withdrawal", f"/admin/documents/{document.uid}"
    assert kiku.post(url, page=page).location == "/admin/documents/"
    assert offered_labels(cast.abc) == []
    assert kiku.post(url, page=page).status_code == 409
    listed = kiku.get("/admin/documents/").text
    assert "掲載を終了した手順書（1件）" in listed
    assert "掲載終了" in kiku.get(page).text


# ── who fetched it ──


def test_the_page_tells_who_fetched_it_from_where_and_who_has_not(browser: People, cast: Cast) -> None:
    kiku, document = browser("kiku"), publishes(cast.kiku)
    fetches(cast.abc, document)
    url = f"/admin/documents/{document.uid}"
    done, missing = kiku.get(url).text, kiku.get(f"{url}?state=missing").text
    assert "203.0.113.7" in done
    assert ("ABC商事株式会社" in done, "XYZ工業" in done) == (True, False)
    assert ("ABC商事株式会社" in missing, "XYZ工業" in missing) == (False, True)
    assert "まだ取得していない事業所（1）" in done
    assert "1／2" in kiku.get("/admin/documents/").text


def test_the_csv_names_every_office_and_runs_nothing(browser: People, cast: Cast) -> None:
    Office.update(name="=HYPERLINK(1)").where(Office.id == cast.xyz.id).execute()
    kiku, document = browser("kiku"), publishes(cast.kiku, day=date(2026, 11, 1))
    fetches(cast.abc, document)
    answer = kiku.post(f"/admin/documents/{document.uid}/csv", page=f"/admin/documents/{document.uid}")
    assert answer.mimetype == "text/csv"
    heading, done, missing, end = answer.data.decode("utf-8-sig").split("\r\n")
    assert heading == "事業所番号,事業所名,取得日時,接続元"
    assert done.startswith("00101,ABC商事株式会社,20")
    assert done.endswith(",203.0.113.7")
    assert (missing, end) == ("00102,'=HYPERLINK(1),未取得,", "")


# ── who may ──


@pytest.mark.parametrize("name", ["ume", "dai", "taro", "hanako"])
def test_without_the_word_there_is_nothing_to_see_or_do(app: Flask, browser: People, cast: Cast, name: str) -> None:
    document, person = publishes(cast.kiku), browser(name)
    url = f"/admin/documents/{document.uid}"
    for path in ("/admin/documents/", FORM, url):
        assert person.get(path).status_code == 403
    for path in (f"{url}/reading", f"{url}/csv", f"{url}/withdrawal"):
        assert person.post(path, page="/").status_code == 403
    assert sends(person, PDF + b"2", page="/").status_code == 403
    assert documents.current() == [document]
    assert in_vault(app) == [document.stored.uid]


def test_what_does_not_exist_is_not_found(browser: People, cast: Cast) -> None:
    kiku, missing = browser("kiku"), "0" * 32
    publishes(cast.kiku)
    for path in (f"/admin/documents/{missing}", f"/admin/documents/{cast.abc.uid}", f"{FORM}?series={missing}"):
        assert kiku.get(path).status_code == 404
    for verb in ("reading", "csv", "withdrawal"):
        assert kiku.post(f"/admin/documents/{missing}/{verb}", page=FORM).status_code == 404
    assert sends(kiku, replaces=missing).status_code == 404
    assert Document.select().count() == 1


def test_the_menu_leads_those_who_publish_there(browser: People) -> None:
    link = 'href="/admin/documents/"'
    assert link in browser("kiku").get("/").text
    assert link not in browser("ume").get("/").text


def test_a_manual_with_malware_says_so_where_it_is_looked_after(browser: People, cast: Cast) -> None:
    document, kiku = publishes(cast.kiku), browser("kiku")
    here = f"/admin/documents/{document.uid}"
    assert "ウイルス検査</dt><dd>未検査" in kiku.get(here).text
    scan = {"engine": "ClamAV 1.4", "signatures_at": "2026-11-22T03:00:00+00:00", "at": "2026-11-23T02:30:00+00:00"}
    Document.update(scan={**scan, "verdict": "found", "found": ["Win.Test-1"]}).execute()
    page = kiku.get(here).text
    for words in ("異常が見つかりました", "ウイルスが見つかりました：Win.Test-1", "定義ファイル 2026/11/22"):
        assert words in page
    assert "PDFをダウンロード" not in page
    assert "点検中</span>" in kiku.get("/admin/documents/").text
    refused = kiku.post(f"{here}/reading", page=here)
    assert (refused.status_code, "お渡しを止めて点検しています" in refused.text) == (422, True)
