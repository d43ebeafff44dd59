"""What the pages say of the scan for malware: 検査済み or 未検査, a rescan on its way, a virus; for each side."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask

from blueprints.words import scan_line
from database import db, utc_now
from exchange import inspections, rescans, scanner, zip_findings
from models import Job, Transfer
from tests.exchange.scanning import CLEAN, FOUND, TOO_BIG, UNREACHABLE, decide, inspected, quarantined
from tests.markup import Page
from tests.people import Browser, Cast, aes_zip, filing, inspect, statement, uploads

People = Callable[[str], Browser]
HTMX = {"HX-Request": "true"}
AGAIN = "ウイルス検査をやり直す"
UNDER_WAY = "ウイルス検査をやり直しています"


@pytest.fixture
def has_scanner(cast: Cast) -> None:
    """One is configured; nothing here asks it."""
    scanner.configure("/nowhere/clamd")


def page_of(browser: Browser, transfer: Transfer) -> str:
    rooms = {"filing": "/admin/inbox", "statement": "/admin/statements"}
    fund = browser.get(f"{rooms[transfer.direction]}/{transfer.uid}")
    answer = fund if fund.status_code == 200 else browser.get(f"/files/{transfer.uid}")
    assert answer.status_code == 200
    return answer.text


def main_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.partition("<main")[2].partition("<footer")[0]))


# ── the sentence ──


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (
            {**CLEAN, "signatures_at": "2026-11-19T20:00:00+00:00"},
            "2026/11/20 09:00 に ClamAV 1.4.6（定義ファイル 2026/11/20）で検査：異常は見つかりませんでした",
        ),
        (CLEAN, "2026/11/20 09:00 に ClamAV 1.4.6 で検査：異常は見つかりませんでした"),
        (
            {**FOUND, "found": ["Win.A-1", "Pdf.B-2"]},
            "2026/11/20 09:00 に ClamAV 1.4.6 で検査：ウイルスが見つかりました：Win.A-1、Pdf.B-2",
        ),
        (UNREACHABLE, "未検査（検査プログラムにつながりません。自動でやり直します）"),
        (TOO_BIG, "未検査（大きすぎて検査できません）"),
        (None, "未検査（ウイルス検査の仕組みが設定されていません）"),
    ],
)
def test_what_the_scanner_said_is_told_with_its_engine_day_and_result(
    app: Flask, cast: Cast, scan: dict[str, Any] | None, words: str
) -> None:
    assert scan_line(scan) == words


def test_what_came_before_the_scanner_is_not_scanned_yet(has_scanner: None) -> None:
    assert scan_line(None) == "未検査（まだ検査していません）"


@pytest.mark.parametrize(("direction", "name"), [("filing", "taro"), ("filing", "kiku"), ("statement", "kiku")])
def test_it_stands_on_the_page_where_somebody_decides(browser: People, cast: Cast, direction: str, name: str) -> None:
    made = filing(cast, "delivered" if name == "kiku" else "uploaded") if direction == "filing" else statement(cast)
    text = main_of(page_of(browser(name), inspected(made, scan=CLEAN)))
    assert "ClamAV 1.4.6 で検査：異常は見つかりませんでした" in text
    assert "ファイルの検査： 検査済 中のファイル1件・ウイルス検査済" in text


# ── where approvers decide ──


def test_the_rows_of_a_list_tell_how_many_files_and_findings_there_are(browser: People, cast: Cast) -> None:
    files = {f"{number}.csv": b"1" for number in range(3)}
    transfer, taro = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, files))), browser("taro")
    found = [found_in("MACRO", "1.csv"), found_in("NESTED", "2.csv", severity="reject")]
    inspected(transfer, state="warned", findings=found[:1], scan=UNREACHABLE)
    assert "検査済（注意あり） ウイルス未検査 中のファイル3件・注意1件" in main_of(taro.get("/files/").text)
    inspected(transfer, state="failed", findings=found)
    assert "要修正（検査で不備） ウイルス未検査 中のファイル3件・不備1件・注意1件" in main_of(taro.get("/files/").text)


def found_in(code: str, entry: str | None, severity: str = "warn") -> dict[str, Any]:
    return {"code": code, "message": f"{entry}：{code}", "entry": entry, "severity": severity}


@pytest.mark.parametrize(
    ("number", "why", "words"),
    [
        (1, "unreachable", "「0.csv」は、ウイルス検査ができませんでした（検査プログラムにつながらないため）。"),
        (2, "too_big", "2件のファイルは、ウイルス検査ができませんでした（大きすぎるため）：「0.csv」、「1.csv」。"),
        (25, "broken", f"：{'、'.join(f'「{number}.csv」' for number in range(10))}、ほか15件。開くときは、"),
    ],
)
def test_files_that_were_not_scanned_share_one_line(
    browser: People, cast: Cast, number: int, why: str, words: str
) -> None:
    collector = zip_findings.Collector()
    collector.add("MACRO", "0.csv")
    for name in range(number):
        collector.add("NOT_SCANNED", f"{name}.csv")
    findings = [asdict(found) for found in collector.findings()]
    transfer = inspected(filing(cast), state="warned", findings=findings, scan={**TOO_BIG, "why": why})
    text = main_of(page_of(browser("taro"), transfer))
    assert words in text
    assert text.count("NOT_SCANNED") == 1
    assert "確かめていただきたいことが2件あります" in text
    assert "検査で注意が2件あります。" in unescape(browser("taro").get(f"/files/{transfer.uid}").text)


def test_that_the_inspection_itself_failed_is_no_lack_of_a_scan(browser: People, cast: Cast) -> None:
    transfer = inspected(filing(cast), state="failed", findings=[asdict(inspections.could_not())])
    assert f"不備 {inspections.COULD_NOT}" in main_of(page_of(browser("taro"), transfer))


def test_every_finding_leads_to_its_explanation(browser: People, cast: Cast) -> None:
    findings = [found_in(code, None) for code in zip_findings.CODES]
    page = page_of(browser("kiku"), inspected(statement(cast), state="warned", findings=findings))
    links = {link for link in Page(page).links if link.startswith("/help/findings#")}
    assert {link.partition("#")[2] for link in links} == set(zip_findings.CODES)
    help = browser("").get("/help/findings").text
    assert set(zip_findings.CODES) <= set(Page(help).ids)
    for code in zip_findings.CODES:
        entry = help.partition(f'<dt id="{code}">')[2].partition("</dd>")[0]
        assert len(re.findall("<p>.+?</p>", entry)) == 2, f"what {code} means, and what to do"


@pytest.mark.parametrize(
    ("code", "severity", "word"),
    [
        ("NESTED", "warn", "注意"),
        ("MACRO", "reject", "不備"),
        ("MALWARE", "reject", "ウイルス"),
        ("MACRO", None, "注意"),
    ],
)
def test_each_finding_says_how_much_it_weighs(
    browser: People, cast: Cast, code: str, severity: str | None, word: str
) -> None:
    found = {"code": code, "message": "見つかりました。", "entry": None}
    transfer = inspected(filing(cast), findings=[found | ({"severity": severity} if severity else {})])
    assert f" {word} 見つかりました。" in main_of(page_of(browser("taro"), transfer))


def test_before_opening_the_fund_reads_how_many_files_but_no_name_of_one(browser: People, cast: Cast) -> None:
    found = [{"code": "MACRO", "message": "「資格取得届.csv」にマクロがあります。", "entry": "資格取得届.csv"}]
    transfer = inspected(filing(cast, "delivered"), state="warned", findings=found)
    text = main_of(page_of(browser("kiku"), transfer))
    assert "1件 合計 12 バイト" in text
    assert "確かめていただきたいことが1件あります 内容は、開いてから表示します。" in text
    assert "資格取得届.csv" not in text
    again = browser("kiku").get(f"/admin/inbox/{transfer.uid}/inspection")
    assert (again.status_code, "資格取得届.csv" in again.text) == (200, False)


# ── nothing passes that was not scanned, where the fund wants it so ──


@pytest.mark.parametrize(("direction", "name"), [("filing", "taro"), ("statement", "kiku")])
def test_while_it_is_held_the_page_says_why_and_offers_to_take_it_back(
    browser: People, cast: Cast, has_scanner: None, direction: str, name: str
) -> None:
    made = inspected(filing(cast) if direction == "filing" else statement(cast), state="warned", scan=UNREACHABLE)
    assert "/approval" in page_of(browser(name), made)
    decide(unscanned="refuse")
    page = page_of(browser(name), made)
    assert [f"/{noun}" in page for noun in ("approval", "download", "cancellation")] == [False, False, True]
    assert "承認・配信・ダウンロードはできません。" in main_of(page)
    assert "検査は自動でやり直しています。" in main_of(page)


# ── a virus ──


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("filing uploaded", "taro", "「取消」で取り下げてください"),
        ("filing approved", "hanako", "「取消」で取り下げてください"),
        ("filing delivered", "taro", "「引き戻し」のあと「取消」で取り下げてください"),
        ("filing received", "taro", "基金もファイルを開けません"),
        ("filing delivered", "kiku", "「受領して開く」のあと「不受理」にしてください"),
        ("filing received", "kiku", "「不受理」にして、事業所に出し直しを依頼してください"),
        ("statement uploaded", "kiku", "「取消」で取り下げ、点検が済んでから作り直してください"),
        ("statement delivered", "kiku", "「引き戻し」のあと「取消」で取り下げ"),
        ("statement delivered", "taro", "帳票は、基金が作り直してお届けします"),
    ],
)
def test_of_a_virus_each_side_reads_what_to_do_and_gets_no_bytes(
    app: Flask, browser: People, cast: Cast, kind: str, name: str, words: str
) -> None:
    direction, state = kind.split()
    made = quarantined(filing(cast, state) if direction == "filing" else statement(cast, state))
    page = page_of(browser(name), made)
    text = main_of(page)
    assert "ウイルスが見つかったため、隔離しました" in text
    assert FOUND["found"][0] in text
    assert words in text
    nouns = ("approval", "delivery", "download", "pickup", "entries")
    assert [noun for noun in nouns if f"/{noun}" in page] == []
    assert "td-button--solid" not in page
    assert text.count("ウイルスが見つかったため") == 1
    virus = {f"English: {word}" for word in FOUND["found"][0].split(".")}
    assert set(Page(page).faults(app.url_map.bind("127.0.0.1"))) <= virus


def test_a_virus_is_marked_in_every_list(browser: People, cast: Cast) -> None:
    delivered, paper = quarantined(filing(cast, "delivered")), quarantined(statement(cast, "delivered"))
    lists = {
        ("taro", "/files/?state=quarantined"): delivered,
        ("taro", "/files/statements"): paper,
        ("hanako", "/files/everywhere"): delivered,
        ("kiku", "/admin/inbox/"): delivered,
        ("kiku", "/admin/statements/"): paper,
    }
    for (name, path), transfer in lists.items():
        text = main_of(browser(name).get(path).text)
        assert "隔離" in text.partition(transfer.receipt_number)[2], path


def test_an_upload_with_a_virus_waits_for_its_correction(browser: People, cast: Cast) -> None:
    transfer = quarantined(filing(cast))
    text = main_of(browser("hanako").get("/files/?state=unusable").text)
    assert transfer.receipt_number in text
    assert "要修正（1）" in text


# ── once more ──


def rested(transfer: Transfer) -> Transfer:
    """As if its inspection had ended an hour ago."""
    return inspected(transfer, finished_at=utc_now() - timedelta(hours=1))


def rescan(browser: Browser, transfer: Transfer, room: str = "/files") -> Any:
    page = f"{room}/{transfer.uid}"
    return browser.post(f"{page}/rescan", page=page)


@pytest.mark.parametrize(
    ("kind", "name", "room"),
    [("filing", "hanako", "/files"), ("filing", "kiku", "/admin/inbox"), ("statement", "ume", "/admin/statements")],
)
def test_a_press_of_the_button_asks_for_a_rescan_that_the_page_follows(
    browser: People, cast: Cast, has_scanner: None, kind: str, name: str, room: str
) -> None:
    transfer, person = filing(cast, "delivered") if kind == "filing" else statement(cast), browser(name)
    assert AGAIN in page_of(person, transfer)
    answer = rescan(person, transfer, room)
    assert (answer.status_code, answer.location) == (303, f"{room}/{transfer.uid}#inspection")
    assert Job.latest(rescans.KIND, str(transfer.id)).state == "waiting"
    page = page_of(person, transfer)
    assert UNDER_WAY in page
    assert AGAIN not in page
    assert f'hx-get="{room}/{transfer.uid}/inspection?seen=warned-not_scanned"' in page
    assert rescan(person, transfer, room).status_code == 303
    assert "いまやり直しています" in person.get(f"{room}/{transfer.uid}").text


@pytest.mark.parametrize(
    ("scan", "words"),
    [(UNREACHABLE, "依頼は受け付けました。応答が戻ると"), (CLEAN, "いまの検査の結果は、このまま変わりません。")],
)
def test_while_the_scanner_is_silent_it_is_told_at_once_and_what_comes_next(
    browser: People, cast: Cast, has_scanner: None, scan: dict[str, Any], words: str
) -> None:
    transfer, kiku = rested(inspected(filing(cast, "delivered"), state="passed", scan=scan)), browser("kiku")
    rescan(kiku, transfer, "/admin/inbox")
    assert f"ウイルス検査のプログラムが、いま応答していません。{words}" in main_of(page_of(kiku, transfer))


def test_without_a_scanner_nobody_is_offered_a_rescan(browser: People, cast: Cast) -> None:
    transfer = filing(cast)
    assert AGAIN not in page_of(browser("taro"), transfer)
    taro = browser("taro")
    assert rescan(taro, transfer).status_code == 303
    assert "設定されていない" in taro.get(f"/files/{transfer.uid}").text


def test_who_neither_uploads_nor_approves_is_offered_none(browser: People, cast: Cast, has_scanner: None) -> None:
    transfer, jun = filing(cast, "delivered"), cast.member("jun")
    jun.grants.where(jun.grants.model.word << ("upload", "approve")).model.delete().execute()
    assert AGAIN not in page_of(browser("jun"), transfer)
    assert rescan(browser("jun"), transfer).status_code == 403


@pytest.fixture
def rescanned(cast: Cast, has_scanner: None) -> Transfer:
    """A filing at the fund, whose rescan is on its way."""
    transfer = rested(inspected(filing(cast, "delivered"), state="passed", scan=CLEAN))
    rescans.ask_rescan(cast.taro, transfer)
    return transfer


def fragment(browser: Browser, transfer: Transfer) -> Any:
    return browser.get(f"/admin/inbox/{transfer.uid}/inspection?seen=passed-clean", headers=HTMX)


def ends(transfer: Transfer, **columns: Any) -> None:
    Job.update(state="done").where(Job.kind == rescans.KIND).execute()
    inspected(transfer, **columns)


def test_while_it_is_scanned_again_only_the_progress_is_redrawn(browser: People, rescanned: Transfer) -> None:
    Job.update(state="running", done=1_200_000, total=5_000_000).where(Job.kind == rescans.KIND).execute()
    answer = fragment(browser("kiku"), rescanned)
    assert 'hx-select="#inspection-progress"' in answer.text
    assert 'max="5000000" value="1200000"' in answer.text
    assert not {"HX-Refresh", "HX-Retarget"} & set(answer.headers.keys())


def test_a_rescan_that_finds_nothing_leaves_the_rest_of_the_page_alone(browser: People, rescanned: Transfer) -> None:
    ends(rescanned, scan={**CLEAN, "at": "2026-11-21T00:00:00+00:00"})
    answer = fragment(browser("kiku"), rescanned)
    assert "hx-get" not in answer.text
    assert (answer.headers.get("HX-Retarget"), answer.headers.get("HX-Refresh")) == ("#inspection", None)
    assert "2026/11/21 09:00 に" in answer.text


def test_a_rescan_that_finds_a_virus_draws_the_page_anew(browser: People, rescanned: Transfer) -> None:
    ends(rescanned, state="quarantined", scan=FOUND)
    assert fragment(browser("kiku"), rescanned).headers["HX-Refresh"] == "true"


def test_a_rescan_that_did_not_work_says_when_it_is_tried_again(browser: People, rescanned: Transfer) -> None:
    with db.atomic():
        Job.update(tries=2, due_at=utc_now()).where(Job.kind == rescans.KIND).execute()
    assert "うまくいかなかったため、" in fragment(browser("kiku"), rescanned).text


# ── what the other side may not read ──


def test_the_office_does_not_read_which_other_offices_there_are(browser: People, cast: Cast) -> None:
    finding = {"code": "OTHER_OFFICE", "message": "ほかの事業所の番号（00102）", "entry": None, "severity": "warn"}
    paper = inspected(statement(cast, "delivered"), state="warned", findings=[finding])
    assert "00102" in page_of(browser("kiku"), paper)
    theirs = page_of(browser("hanako"), paper)
    assert [words in theirs for words in ("00102", "注意あり", "確かめていただきたい")] == [False] * 3
