"""What pages tell whoever can't go on, or is on the way out: what is next, and nothing of what is not his."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from blueprints import guards
from database import today, utc_now
from exchange import accounts, permissions, places
from models import LoginSession, Office
from tests.people import LOGIN_IDS, Browser, Cast
from tests.stage import MISSING
from tests.web.steps import a_minute_passes, logs_in, logs_in_as_staff, types_password
from tests.web.test_confirming import STALE, typed
from tests.web.test_mended_pages import main, page_of
from tests.web.test_totp import ACCOUNT, arrives, enrols

People = Callable[[str], Browser]
INDEX, MATRIX, OFFICE = "/admin/users/", "/admin/users/matrix", "/admin/office/"
NEW = "new@abc-shoji.example"
LONE, WORDLESS = "承認できる方が足りません", "まだ権限がありません"
AGAIN = "回復コードを1つ使いました"


# ── the sheet with an initial password ──


def resets(manager: Browser, page: str) -> TestResponse:
    answer = manager.post(f"{page}/password", {"seen": manager.field(page, "seen")}, page=page)
    assert answer.status_code == 200
    return answer


def stand_in_order(text: str, *words: str) -> bool:
    found = [text.find(word) for word in words]
    return -1 not in found and found == sorted(found)


def test_the_sheet_leads_first_to_the_mailed_code_and_tells_where_it_goes(browser: People, cast: Cast) -> None:
    sheet = main(resets(browser("taro"), page_of(cast, "jun")))
    assert cast.member("jun").user.mail in sheet
    steps = sheet.partition("はじめてのログイン")[2]
    assert stand_in_order(steps, "/onetime/", "VPN接続を開始", "/auth/", "初期パスワード", "新しいログインパスワード")


def test_the_sheet_tells_the_address_in_force_after_the_reset(browser: People, cast: Cast) -> None:
    """A reset puts the address in force that waited: there the codes go."""
    jun = cast.member("jun").user
    accounts.change_profile(cast.taro, cast.member("jun"), jun.name, jun.kana, NEW)
    sheet = main(resets(browser("taro"), page_of(cast, "jun")))
    assert cast.member("jun").user.mail == NEW
    assert NEW in sheet
    assert jun.mail not in sheet


def test_who_has_an_authenticator_is_not_sent_for_a_mail(browser: People, cast: Cast) -> None:
    enrols(browser("jun"))
    steps = main(resets(browser("taro"), page_of(cast, "jun"))).partition("はじめてのログイン")[2]
    assert "/onetime/" not in steps
    assert "認証アプリの6桁の数字" in steps


def test_the_sheet_of_the_fund_has_the_order_of_its_first_login(browser: People, cast: Cast) -> None:
    sheet = main(resets(browser("kiku"), page_of(cast, "ume")))
    steps = sheet.partition("はじめてのログイン")[2]
    assert stand_in_order(
        steps, "/admin/login", "空欄のまま", "認証アプリを登録", "回復コードを控え", "新しいログインパスワード"
    )
    assert "/onetime/" not in sheet
    assert "VPN" not in sheet
    assert cast.member("ume").user.mail in sheet


# ── whose place is over, and when ──


def test_the_page_of_who_has_left_shows_neither_address_nor_kana(browser: People, cast: Cast) -> None:
    taro, page, jun = browser("taro"), page_of(cast, "jun"), cast.member("jun").user
    assert jun.mail in taro.get(page).text
    places.end(cast.taro, cast.member("jun"))
    for answer in (taro.get(page), browser("kiku").get(page)):
        assert answer.status_code == 200
        assert LOGIN_IDS["jun"] in answer.text
        assert (jun.mail in answer.text, jun.kana in answer.text) == (False, False)


def limits(taro: Browser, page: str, day: str, before: str = "") -> TestResponse:
    return taro.post(f"{page}/limit", {"ends_on": day, "before": before}, page=page)


def test_a_last_day_is_confirmed_with_the_day_and_stands_in_the_list(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    assert limits(taro, page, "令和81年3月31日").status_code == 303
    assert "利用期限を2099/03/31までにしました" in main(taro.get(page))
    row = next(row for row in taro.get(INDEX).text.split("<tr>") if LOGIN_IDS["jun"] in row)
    assert "2099/03/31まで" in row
    assert "利用期限" in main(browser("jun").get(ACCOUNT))
    assert limits(taro, page, "", "2099/03/31").status_code == 303
    assert "利用期限をなくしました" in main(taro.get(page))
    assert "2099/03/31" not in taro.get(INDEX).text


def test_a_day_that_is_over_is_no_last_day(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    yesterday = today() - timedelta(days=1)
    answer = limits(taro, page, f"{yesterday:%Y/%m/%d}")
    assert answer.status_code == 422
    assert "今日か、今日より後の日" in main(answer)
    assert f"{yesterday:%Y/%m/%d}" in answer.text
    assert cast.member("jun").ends_on is None
    assert limits(taro, page, f"{today():%Y/%m/%d}").status_code == 303
    assert cast.member("jun").state == "active"


def test_a_last_day_set_meanwhile_is_not_overwritten(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    limits(taro, page, "2099/03/31")
    assert limits(taro, page, "2098/03/31", "").status_code == 409
    assert f"{cast.member('jun').ends_on}" == "2099-03-31"


def test_the_matrix_shows_the_last_day_and_whether_one_approves_the_own(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    places.limit(cast.taro, cast.member("jun"), today() + timedelta(days=30), None)
    sheet = main(taro.get(MATRIX))
    assert f"{today() + timedelta(days=30):%Y/%m/%d}まで" in sheet
    assert "本人による承認：できる" in sheet
    Office.update(forbids_self_approval=True).execute()
    assert "本人による承認：禁止" in main(taro.get(MATRIX))
    assert "本人による承認" not in main(browser("kiku").get(MATRIX))


# ── who can't go on is told what to do ──


def test_a_lone_approver_is_warned_of_on_both_pages(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    Office.update(forbids_self_approval=True).where(Office.id == cast.abc.id).execute()
    assert [LONE in main(taro.get(url)) for url in (INDEX, OFFICE)] == [False, False]
    permissions.assign(cast.taro, cast.member("jun"), "approve", False)
    name = re.sub(r"\s", " ", cast.member("taro").user.name)
    for url in (INDEX, OFFICE):
        assert LONE in main(taro.get(url))
        assert f"{name}さんだけ" in main(taro.get(url))
    assert LONE not in main(browser("jun").get(OFFICE))
    Office.update(forbids_self_approval=False).execute()
    assert [LONE in main(taro.get(url)) for url in (INDEX, OFFICE)] == [False, False]


def test_where_nobody_can_approve_the_pages_say_so(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    Office.update(forbids_self_approval=True).where(Office.id == cast.abc.id).execute()
    for name in ("taro", "jun"):
        permissions.assign(cast.taro, cast.member(name), "approve", False)
    for url in (INDEX, OFFICE):
        assert "「承認」の権限がある方がいないため" in main(taro.get(url))


@pytest.mark.parametrize(("name", "whom"), [("jun", "事業所の管理者"), ("ume", "「職員」の権限がある方")])
def test_who_holds_no_word_reads_at_home_whom_to_ask(browser: People, cast: Cast, name: str, whom: str) -> None:
    person = browser(name)
    assert WORDLESS not in main(person.get("/"))
    permissions.preset(cast.taro if name == "jun" else cast.kiku, cast.member(name), ())
    page = main(person.get("/"))
    assert WORDLESS in page
    assert f"{whom}に、権限の付与をご依頼ください" in page


def test_who_holds_no_word_reads_it_at_the_end_of_the_first_login(browser: People, cast: Cast) -> None:
    jun = browser("jun")
    assert "これで、届書の送信と帳票の受取ができます" in main(jun.get("/admin/office/done"))
    permissions.preset(cast.taro, cast.member("jun"), ())
    page = main(jun.get("/admin/office/done"))
    assert WORDLESS in page
    assert "これで、届書の送信と帳票の受取ができます" not in page


# ── ways out ──


@pytest.mark.parametrize("name", ["kiku", "dai"])
def test_whoever_came_without_vpn_is_not_told_to_cut_it(browser: People, name: str) -> None:
    person = browser(name)
    left = person.post("/auth/logout", page=ACCOUNT)
    assert left.location == "/auth/ended?why=logout&side=fund"
    page = person.get(left.location)
    assert "ログアウトしました" in page.text
    assert "VPN" not in main(page)
    assert 'href="/admin/login"' in page.text


def test_an_offices_user_is_told_to_cut_it(browser: People) -> None:
    taro = browser("taro")
    left = taro.post("/auth/logout", page=ACCOUNT)
    assert left.location == "/auth/ended?why=logout"
    assert "VPNを切断してください" in main(taro.get(left.location))


def test_a_session_that_is_over_is_told_once_at_home(browser: People) -> None:
    taro = browser("taro")
    LoginSession.update(ended_at=utc_now(), ended_because="newer").execute()
    first = taro.get("/")
    assert (first.status_code, first.location) == (303, "/auth/ended?why=newer")
    assert "ほかの画面でログインしたため" in taro.get(first.location).text
    second = taro.get("/")
    assert (second.status_code, 'href="/auth/"' in second.text) == (200, True)


def test_one_that_was_left_alone_is_told_once_too(browser: People) -> None:
    taro = browser("taro")
    LoginSession.update(seen_at=utc_now() - timedelta(minutes=31)).execute()
    assert [taro.get("/").status_code for _ in range(2)] == [303, 200]
    assert LoginSession.get().ended_because == "idle"


@pytest.mark.parametrize("path", ["/\t/evil.example/", "/\n/evil.example/", "/\r/evil.example/", "/ /evil.example/"])
def test_what_a_browser_reads_as_another_host_is_no_path_of_ours(path: str) -> None:
    assert not guards.is_path_of_ours(path)


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "/a\\b", "/a\tb", "https://evil.example/", "evil", "", "/\x00/e"]
)
def test_nor_are_these(path: str) -> None:
    assert not guards.is_path_of_ours(path)
    assert guards.is_path_of_ours("/admin/users/")
    assert guards.is_path_of_ours("/")


@pytest.mark.parametrize("path", ["/\t/evil.example/", "/\n/evil.example/", "//evil.example/"])
def test_the_way_back_from_the_question_stays_at_home(browser: People, cast: Cast, path: str) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    token = taro.csrf(page)
    typed(STALE)
    form = {"csrf_token": token, "confirm_password": "not the password", "back": path}
    answer = taro.client.post(f"{page}/suspension", data=form)
    assert answer.status_code == 422
    assert 'href="/">やめる</a>' in answer.text
    assert not re.search(r'(href|action)="[^"]*evil', answer.text)


# ── what one may not know of ──


def plain(answer: TestResponse) -> str:
    """A page without what is another one each time."""
    text = re.sub(r'name="csrf_token" value="[^"]*"|"X-CSRFToken": "[^"]*"|data-\w+(-\w+)*="\d*"', "", answer.text)
    return re.sub(r"<code>[0-9a-fA-F-]{6,}</code>|<span data-session-minutes>[^<]*</span>", "", text)


@pytest.mark.parametrize(("name", "words", "others"), [("taro", None, ("jiro", "kiku")), ("ume", "staff", ("jun",))])
def test_a_member_out_of_reach_is_like_one_who_is_not_there(
    browser: People, cast: Cast, name: str, words: str | None, others: tuple[str, ...]
) -> None:
    if words:
        permissions.preset(cast.kiku, cast.member(name), {words})
    person = browser(name)
    missing = person.get(f"{INDEX}{MISSING}")
    assert missing.status_code == 404
    for other in others:
        answer = person.get(page_of(cast, other))
        assert (answer.status_code, plain(answer)) == (404, plain(missing))


# ── one action alone ──


def test_the_record_is_narrowed_to_one_action(browser: People, cast: Cast) -> None:
    places.suspend(cast.taro, cast.member("jun"))
    places.resume(cast.taro, cast.member("jun"))
    page = browser("taro").get("/admin/audit/", query_string={"action": "member.disabled"}).text
    assert re.search(r"<optgroup label=[^>]+>", page)
    assert re.search(r'<option[^>]*selected[^>]*value="member.disabled"', page)
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    assert (body.count("<tr"), "利用停止" in body, "利用の再開" in body) == (1, True, False)


# ── a login with a recovery code ──


def test_an_offices_user_is_told_once_inside_after_a_recovery_code(browser: People, cast: Cast) -> None:
    """Not on the page of the password, where nothing can be done about it yet."""
    _, codes = enrols(browser("taro"))
    taro = browser("")
    arrives(cast, taro, "taro", codes[0])
    assert AGAIN not in main(taro.get("/auth/password"))
    assert types_password(taro, LOGIN_IDS["taro"], cast.secrets("taro")["password"]).status_code == 303
    assert [AGAIN in main(taro.get("/")) for _ in range(2)] == [True, False]


def test_a_clerk_is_told_after_a_login_with_a_recovery_code(browser: People, cast: Cast) -> None:
    _, codes = enrols(browser("ume"))
    ume = browser("")
    assert logs_in_as_staff(cast, ume, "ume", code=codes[0]).status_code == 303
    assert AGAIN in main(ume.get("/"))


def test_a_login_without_one_says_nothing_of_it(app: Flask, browser: People, cast: Cast) -> None:
    a_minute_passes()
    jun = browser("")
    assert logs_in(app, cast, jun, "jun").status_code == 303
    assert AGAIN not in main(jun.get("/"))
    kiku = browser("")
    logs_in_as_staff(cast, kiku, "kiku")
    assert AGAIN not in main(kiku.get("/"))
