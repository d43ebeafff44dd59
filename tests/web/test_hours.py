"""The offices' pages open and close with the service; the counters and the fund's pages don't."""

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from flask import Flask, g
from werkzeug.test import TestResponse

from blueprints import zones
from database import JST, db
from exchange import settings
from models import AuditEntry, LoginSession, Transfer
from tests import stage as staging
from tests.markup import Page
from tests.people import Browser, Cast
from tests.stage import method

People = Callable[[str], Browser]
At = Callable[[str], None]

NIGHT, DAY = "2026-11-24T21:00:00", "2026-11-24T12:00:00"  # a Tuesday
CLOSED = "ただいまサービスの時間外です"
CLOSING = "20:00 に閉じます"
# Where a stranger is told that the service is closed; every other page answers him as always.
CLOSE = {"auth", "files", "office", "onetime"}
NEVER = {"auth.logout", "auth.ended"}
ASK_WHO = {"auth.mail", "auth.confirm_mail", "auth.send_mail_again"}  # the fund's people have them as well


@pytest.fixture
def at(app: Flask, monkeypatch: pytest.MonkeyPatch) -> At:
    """The service keeps hours, and every request from now on begins at that moment in Japan."""
    moments: list[datetime] = []

    def begin() -> None:
        if moments:
            g.started_at = moments[-1]

    first, *others = app.before_request_funcs[None]  # the first one looks at the clock
    monkeypatch.setitem(app.before_request_funcs, None, [first, begin, *others])
    with db.atomic():
        settings.put("hours_limited", True)
    return lambda text: moments.append(datetime.fromisoformat(text).replace(tzinfo=JST))


def is_closed(answer: TestResponse) -> bool:
    return answer.status_code == 503 and CLOSED in answer.text


# ── who finds it closed ──


def test_every_page_of_the_offices_is_closed_at_night_and_no_other(app: Flask, at: At) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    at(NIGHT)
    client, wrong = app.test_client(), []
    for rule in app.url_map.iter_rules():
        room, endpoint = rule.endpoint.partition(".")[0], rule.endpoint
        with client.open(staging.about_nothing(app, rule), method=method(rule)) as answer:
            wanted = room in CLOSE and endpoint not in NEVER | ASK_WHO
            wrong += [f"{endpoint}: {answer.status_code}"] if (answer.status_code == 503) != wanted else []
    assert wrong == []


def test_an_offices_person_finds_the_pages_that_all_have_closed_as_well(app: Flask, browser: People, at: At) -> None:
    taro = browser("taro")
    at(NIGHT)
    pages = (
        "/",
        "/files/",
        "/admin/account/",
        "/admin/users/",
        "/admin/audit/",
        "/admin/office/progress",
        "/auth/mail",
    )
    assert [url for url in pages if not is_closed(taro.get(url))] == []
    assert [taro.get(url).status_code for url in ("/help/", "/download/", "/healthz", "/auth/ended")] == [200] * 4


def test_the_funds_people_work_at_any_hour(app: Flask, browser: People, at: At) -> None:
    at(NIGHT)
    for name, pages in {"kiku": ("/", "/admin/inbox/", "/admin/settings/", "/admin/account/"), "dai": ("/",)}.items():
        person = browser(name)
        assert [person.get(url).status_code for url in pages] == [200] * len(pages)
    assert browser("").get("/admin/login").status_code == 200


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("2026-11-24T07:59:59", 503),
        ("2026-11-24T08:00:00", 200),
        ("2026-11-24T19:59:59", 200),
        ("2026-11-24T20:00:00", 503),
        ("2026-11-23T12:00:00", 503),  # 勤労感謝の日
    ],
)
def test_the_doors_open_and_close_on_the_stroke(browser: People, at: At, moment: str, status: int) -> None:
    at(moment)
    assert browser("").get("/auth/").status_code == status
    assert browser("taro").get("/files/").status_code == status


def test_without_limits_nothing_is_ever_closed(app: Flask, browser: People, at: At) -> None:
    with db.atomic():
        settings.put("hours_limited", False)
    at(NIGHT)
    assert (browser("").get("/auth/").status_code, browser("taro").get("/files/").status_code) == (200, 200)


# ── what they read ──


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        (NIGHT, "11月25日(水) 8:00"),
        ("2026-11-20T20:00:00", "11月24日(火) 8:00"),
        ("2026-12-28T20:00:00", "1月4日(月) 8:00"),
    ],
)
@pytest.mark.parametrize("name", ["", "taro"])
def test_the_page_says_when_it_opens_and_what_is_open_now(
    app: Flask, browser: People, at: At, name: str, moment: str, opening: str
) -> None:
    at(moment)
    page = browser(name).get("/auth/").text
    assert opening in page
    assert "平日 8:00～20:00" in page
    staff = set() if name else {"/admin/login"}
    assert {"/download/", "/activate/", "/help/"} | staff <= set(Page(page).links)
    assert Page(page).faults(app.url_map.bind("127.0.0.1")) == []


def test_programs_are_told_when_to_come_again(browser: People, at: At) -> None:
    at(NIGHT)
    assert browser("").get("/onetime/").headers["Retry-After"] == "Tue, 24 Nov 2026 23:00:00 GMT"


@pytest.mark.parametrize(
    ("moment", "is_told"),
    [("2026-11-24T19:49:59", False), ("2026-11-24T19:50:00", True), ("2026-11-24T19:59:59", True)],
)
def test_for_ten_minutes_before_the_closing_every_page_of_theirs_says_so(
    browser: People, at: At, moment: str, is_told: bool
) -> None:
    at(moment)
    for name, url in (("taro", "/"), ("taro", "/files/upload"), ("taro", "/help/"), ("", "/auth/"), ("", "/onetime/")):
        page = browser(name).get(url).text
        assert CLOSING in page
        assert ('data-closing="0">' in page) == is_told, url  # else it waits, hidden, for its time


def test_nobody_else_reads_of_the_closing(browser: People, at: At) -> None:
    at("2026-11-24T19:55:00")
    for name, url in (("kiku", "/"), ("", "/"), ("", "/download/"), ("", "/admin/login")):
        assert "に閉じます" not in browser(name).get(url).text


def test_the_page_waits_with_the_notice_until_it_is_time(browser: People, at: At) -> None:
    at("2026-11-24T19:40:00")
    assert 'data-closing="600" hidden' in browser("taro").get("/files/").text


def test_the_front_door_tells_the_hours(browser: People, at: At) -> None:
    at(DAY)
    page = browser("").get("/").text
    assert "平日 8:00～20:00" in page
    assert "いまは時間外です" not in page
    at(NIGHT)
    assert "いまは時間外です。次は 11月25日(水) 8:00 に開きます。" in browser("").get("/").text


def test_the_status_page_tells_whether_hours_are_limited(browser: People, at: At) -> None:
    assert "平日 8:00～20:00" in browser("kiku").get("/admin/status/").text
    with db.atomic():
        settings.put("hours_limited", False)
    assert "限っていません" in browser("kiku").get("/admin/status/").text


def test_the_status_page_tells_whether_it_is_closed_now(browser: People, at: At) -> None:
    kiku = browser("kiku")
    at(DAY)
    assert "いまは閉じています" not in kiku.get("/admin/status/").text
    at(NIGHT)
    page = kiku.get("/admin/status/").text
    assert "平日 8:00～20:00（いまは閉じています）" in page
    assert "次は 11月25日(水) 8:00 に開きます" in page


def test_the_closed_page_says_whom_to_call_about_a_lost_pc_and_offers_nothing_that_is_closed(
    browser: People, at: At
) -> None:
    with db.atomic():
        settings.put("fund_contact", "03-0000-0000")
    taro = browser("taro")
    at(NIGHT)
    page = taro.get("/files/").text
    assert "（03-0000-0000）へご連絡ください。その端末を停止します" in page
    assert 'href="/help/faq#lost-pc"' in page
    assert 'class="td-menu"' not in page
    assert "data-session-minutes" not in page
    assert "ログアウト" in page


# ── what happens to work at the closing ──


def test_a_session_outlasts_the_closing_but_can_not_act(app: Flask, browser: People, cast: Cast, at: At) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    taro = browser("taro")
    at("2026-11-24T19:59:00")
    assert taro.get("/files/").status_code == 200
    at("2026-11-24T20:00:00")
    before = AuditEntry.select().count()
    answer = taro.client.post("/files/upload", data={"file": (b"", "")})
    assert is_closed(answer)
    assert "操作は行われていません" in answer.text
    assert is_closed(taro.client.post("/admin/account/profile", data={"name": "別　名"}))
    assert (Transfer.select().count(), AuditEntry.select().count()) == (0, before)
    assert LoginSession.get().ended_at is None
    assert taro.client.post("/auth/logout").location == "/auth/ended?why=logout"


def test_a_part_of_a_page_that_asks_after_the_closing_gets_the_whole_page(browser: People, at: At) -> None:
    taro = browser("taro")
    at(NIGHT)
    answer = taro.get("/files/", headers={"HX-Request": "true"})
    assert is_closed(answer)
    assert (answer.headers["HX-Retarget"], answer.headers["HX-Reselect"]) == ("main", "main")


def test_a_login_that_was_under_way_goes_no_further(app: Flask, browser: People, at: At) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    stranger = browser("")
    at(NIGHT)
    for url in ("/onetime/", "/auth/", "/auth/code", "/auth/password"):
        assert is_closed(stranger.client.post(url, data={"login_id": "abcTaro01"})), url
    assert not LoginSession.select().exists()


# ── the fund decides ──


def test_hours_that_end_before_they_begin_are_refused_beside_their_field(browser: People) -> None:
    kiku, now = browser("kiku"), settings.every()
    typed = {key: str(value) for key, value in now.items() if not isinstance(value, bool)}
    was = {f"was_{key}": json.dumps(value) for key, value in now.items()}
    answer = kiku.post("/admin/settings/", {**typed, **was, "hours_from": "21"})
    assert answer.status_code == 422
    assert "開く時刻（21時）より後の時刻を入力してください。" in answer.text
    assert settings.get("hours_from") == 8


def decides(kiku: Browser, **wanted: str) -> str:
    """The page after the fund has decided that, and nothing else."""
    now = settings.every()
    typed = {key: str(value) for key, value in now.items() if not isinstance(value, bool)}
    typed |= {key: "y" for key, value in now.items() if value is True}
    was = {f"was_{key}": json.dumps(value) for key, value in now.items()}
    return kiku.get(kiku.post("/admin/settings/", {**typed, **was, **wanted}).location).text


def test_whoever_closes_it_at_once_is_told(browser: People, at: At) -> None:
    kiku = browser("kiku")
    at("2026-11-24T18:30:00")
    assert "すぐに閉じます" not in decides(kiku, hours_to="19")
    page = decides(kiku, hours_to="18")
    assert "いまは時間外です。事業所の画面はすぐに閉じます。次は 11月25日(水) 8:00 に開きます。" in page
    assert "すぐに閉じます" not in decides(kiku, fund_notice="お知らせです")


def test_every_page_of_the_offices_zone_keeps_hours(app: Flask) -> None:
    with app.test_request_context("/"):
        rooms = {rule.endpoint.rpartition(".")[0] for rule in app.url_map.iter_rules()} - {""}
        assert {room for room in rooms if zones.keeps_hours(f"{room}.x")} == CLOSE
