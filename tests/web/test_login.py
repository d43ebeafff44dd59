"""The three steps into the site, every refusal on the way, and the cookies between them."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from database import utc_now
from models import AuditEntry, Device, LoginSession, Membership, Office, OneTimePassword
from tests.people import Browser, Cast, filing, state, told
from tests.web.steps import (
    a_minute_passes,
    asks,
    code_in_mail,
    identifies,
    logs_in,
    logs_in_as_staff,
    pair,
    passes_code,
    types_code,
    types_password,
)

People = Callable[[str], Browser]
WRONG_CODE = "の組み合わせが正しくないか、有効時間を過ぎています"
WRONG_PASSWORD = "ユーザーIDまたはログインパスワードが正しくありません"


def cookie(browser: Browser) -> str:
    return browser.client.get_cookie("todoke").value


def why(browser: Browser) -> str:
    """Where a page of one's own leads once the session is over."""
    return browser.get("/files/").location


def test_taro_logs_in_and_reaches_his_filings(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    assert logs_in(app, cast, taro, "taro").location == "/"
    assert "あなたを待っているもの" in taro.get("/").text
    assert "甲野" in taro.get("/files/").text
    actions = [entry.action for entry in AuditEntry.select().order_by(AuditEntry.number.desc()).limit(3)]
    assert actions[::-1] == ["code.requested", "code.accepted", "login.succeeded"]


def test_each_stage_has_a_new_cookie(app: Flask, browser: People, cast: Cast) -> None:
    taro, seen = browser(""), []
    asks(taro, pair(cast, "taro"))
    identifies(taro, pair(cast, "taro"))
    seen.append(cookie(taro))
    types_code(taro, code_in_mail(app, "taro@abc-shoji.example"))
    seen.append(cookie(taro))
    types_password(taro, "abcTaro01", cast.secrets("taro")["password"])
    seen.append(cookie(taro))
    assert len(set(seen)) == 3


def test_a_cookie_from_before_the_login_is_worth_nothing_after_it(app: Flask, browser: People, cast: Cast) -> None:
    taro, thief = browser(""), browser("")
    passes_code(app, cast, taro, "taro")
    planted = cookie(taro)
    types_password(taro, "abcTaro01", cast.secrets("taro")["password"])
    thief.client.set_cookie("todoke", planted)
    assert thief.get("/files/").location == "/auth/"
    assert thief.get("/auth/password").location == "/auth/"


def test_no_step_is_skipped(browser: People, cast: Cast) -> None:
    stranger = browser("")
    assert stranger.get("/auth/code").location == "/auth/"
    assert stranger.get("/auth/password").location == "/auth/"
    token = stranger.csrf("/auth/")
    for step, form in (("code", {"code": "00000000"}), ("password", {"login_id": "abcTaro01", "password": "x"})):
        answer = stranger.client.post(f"/auth/{step}", data={"csrf_token": token, **form})
        assert answer.location == "/auth/"


@pytest.mark.parametrize("typed", ["", "0", "00000000", "９９９９９９９９", "a" * 2000, "１２３ ４５６-78"])
def test_a_wrong_code_is_refused_in_words(app: Flask, browser: People, cast: Cast, typed: str) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    identifies(taro, pair(cast, "taro"))
    answer = types_code(taro, typed)
    assert answer.status_code == 422
    assert WRONG_CODE in answer.text or "ワンタイムパスワードを入力してください" in answer.text
    assert taro.get("/auth/password").location == "/auth/"


def test_width_and_spaces_in_a_right_code_do_no_harm(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    identifies(taro, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    wide = code.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    assert types_code(taro, f" {wide[:4]} {wide[4:]} ").location == "/auth/password"


def test_a_code_works_once(app: Flask, browser: People, cast: Cast) -> None:
    taro, again = browser(""), browser("")
    asks(taro, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    for person, location in ((taro, "/auth/password"), (again, None)):
        identifies(person, pair(cast, "taro"))
        assert types_code(person, code).location == location


def test_a_code_is_only_its_owners(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    for who in (pair(cast, "jun"), pair(cast, "jiro"), pair(cast, "taro", cast.xyz)):
        identifies(taro, who)
        assert types_code(taro, code).status_code == 422


def test_a_code_ends_after_ten_minutes(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    identifies(taro, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    OneTimePassword.update(expires_at=utc_now() - timedelta(seconds=1)).execute()
    assert types_code(taro, code).status_code == 422


def test_after_five_wrong_codes_the_right_one_is_refused_as_well(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    asks(taro, pair(cast, "taro"))
    identifies(taro, pair(cast, "taro"))
    code = code_in_mail(app, "taro@abc-shoji.example")
    wrong = f"{(int(code) + 1) % 10**8:08d}"
    for _ in range(5):
        assert types_code(taro, wrong).status_code == 422
    assert types_code(taro, code).status_code == 422


def test_a_stranger_does_not_burn_the_tries_of_the_one_who_asked(app: Flask, browser: People, cast: Cast) -> None:
    taro, stranger = browser(""), browser("")
    asks(taro, pair(cast, "taro"))
    identifies(stranger, pair(cast, "taro"))
    for _ in range(6):
        types_code(stranger, "00000000")
    identifies(taro, pair(cast, "taro"))
    assert types_code(taro, code_in_mail(app, "taro@abc-shoji.example")).location == "/auth/password"


def test_one_network_tries_so_often_and_no_more(browser: People, cast: Cast) -> None:
    stranger = browser("")
    identifies(stranger, pair(cast, "taro"))
    statuses = [types_code(stranger, "00000000").status_code for _ in range(61)]
    assert statuses == [422] * 60 + [429]


def test_a_wrong_password_is_refused_and_five_lock_and_tell_the_manager(
    app: Flask, browser: People, cast: Cast
) -> None:
    jun = browser("")
    passes_code(app, cast, jun, "jun")
    for _ in range(4):
        answer = types_password(jun, "abcJun001", "not the right one")
        assert answer.status_code == 422
        assert WRONG_PASSWORD in answer.text
    answer = types_password(jun, "abcJun001", "not the right one")
    assert answer.status_code == 429
    assert "30分間停止しています" in answer.text
    assert types_password(jun, "abcJun001", cast.secrets("jun")["password"]).status_code == 429
    assert ("taro@abc-shoji.example", "ログインの停止のお知らせ") in told(app)
    a_minute_passes()
    assert types_password(jun, "abcJun001", cast.secrets("jun")["password"]).location == "/"


def test_another_persons_id_does_not_go_with_the_code(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    answer = types_password(taro, "abcJun001", cast.secrets("jun")["password"])
    assert answer.status_code == 422
    assert types_password(taro, "ABCTARO01", cast.secrets("taro")["password"]).status_code == 422


def test_a_password_is_taken_exactly_as_typed(app: Flask, browser: People, cast: Cast) -> None:
    taro, password = browser(""), cast.secrets("taro")["password"]
    passes_code(app, cast, taro, "taro")
    for typed in (f" {password}", f"{password} ", password.swapcase(), ""):
        assert types_password(taro, "abcTaro01", typed).status_code == 422


def test_a_page_never_repeats_a_typed_password(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    assert "typed-by-mistake" not in types_password(taro, "abcTaro01", "typed-by-mistake").text


def test_without_an_active_device_only_the_right_password_learns_why(app: Flask, browser: People, cast: Cast) -> None:
    Device.update(state="requested").where(Device.office == cast.abc).execute()
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    wrong = types_password(taro, "abcTaro01", "not the right one")
    assert (wrong.status_code, "有効化" in wrong.text) == (422, False)
    right = types_password(taro, "abcTaro01", cast.secrets("taro")["password"])
    assert right.status_code == 403
    assert "有効な端末がない" in right.text
    assert taro.get("/files/").location == "/auth/"


def test_the_time_between_code_and_password_is_limited(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("")
    passes_code(app, cast, taro, "taro")
    LoginSession.update(started_at=utc_now() - timedelta(minutes=15)).execute()
    answer = taro.post("/auth/password", {"login_id": "abcTaro01", "password": "x"}, page="/auth/")
    assert answer.location == "/auth/"
    assert "最初からやり直してください" in taro.get("/auth/").text


def test_the_newest_login_wins_and_the_older_is_told(app: Flask, browser: People, cast: Cast) -> None:
    old, new = browser("taro"), browser("")
    assert old.get("/files/").status_code == 200
    logs_in(app, cast, new, "taro")
    assert why(old) == "/auth/ended?why=newer"
    assert "ほかの画面でログインしたため" in old.get("/auth/ended?why=newer").text
    assert new.get("/files/").status_code == 200


ENDINGS: dict[str, Callable[[Cast], object]] = {
    "idle": lambda cast: LoginSession.update(seen_at=utc_now() - timedelta(minutes=31)).execute(),
    "absolute": lambda cast: LoginSession.update(started_at=utc_now() - timedelta(minutes=91)).execute(),
    "ended person": lambda cast: Membership.update(disabled_at=utc_now()).execute(),
    "ended place": lambda cast: Membership.update(ended_at=utc_now()).execute(),
    "ended office": lambda cast: Office.update(closed_at=utc_now()).execute(),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_session_ends_at_once_and_says_why(browser: People, cast: Cast, ending: str) -> None:
    taro = browser("taro")
    assert taro.get("/files/").status_code == 200
    token = taro.csrf("/files/upload")
    ENDINGS[ending](cast)
    reason = ending.partition(" ")[0]
    assert why(taro) == f"/auth/ended?why={reason}"
    assert taro.client.post("/files/selection", data={"csrf_token": token}).status_code in (303, 400)
    assert taro.get(f"/auth/ended?why={reason}").status_code == 200


def test_polling_with_htmx_is_led_out_as_a_whole_page(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    ENDINGS["idle"](cast)
    answer = taro.get(f"/files/{'0' * 32}/inspection", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/auth/ended?why=idle"


def test_an_unknown_reason_is_a_plain_ending(browser: People) -> None:
    page = browser("").get("/auth/ended?why=<script>").text
    assert "<script>" not in page.replace("<script defer", "")
    assert "ログインが終了しました" in page


def test_logging_out_is_a_post_and_kills_the_cookie(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert taro.get("/auth/logout").status_code == 405
    assert taro.get("/files/").status_code == 200
    stolen = cookie(taro)
    answer = taro.post("/auth/logout", page="/files/")
    assert (answer.status_code, answer.location) == (303, "/auth/ended?why=logout")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "VPNを切断してください" in taro.get(answer.location).text
    thief = browser("")
    thief.client.set_cookie("todoke", stolen)
    assert why(thief) == "/auth/ended?why=logout"
    assert AuditEntry.select().order_by(AuditEntry.number.desc()).get().action == "logout.done"


def test_logging_out_without_the_token_leaves_the_session(browser: People) -> None:
    taro = browser("taro")
    assert taro.client.post("/auth/logout").status_code == 400
    assert taro.get("/files/").status_code == 200


def test_a_permission_taken_away_is_gone_with_the_next_click(browser: People, cast: Cast) -> None:
    jun = browser("jun")
    assert jun.get("/files/upload").status_code == 200
    for grant in cast.member("jun").grants:
        grant.delete_instance()
    assert jun.get("/files/upload").status_code == 403


# ── the page that was asked for before the login ──


def test_a_link_in_a_mail_leads_through_the_login_to_its_page(app: Flask, browser: People, cast: Cast) -> None:
    taro, page = browser(""), f"/files/{filing(cast).uid}"
    assert taro.get(page).location == "/auth/"
    assert logs_in(app, cast, taro, "taro").location == page
    assert taro.get(page).status_code == 200


def test_the_funds_clerk_lands_there_too(browser: People, cast: Cast) -> None:
    kiku, page = browser(""), f"/admin/inbox/{filing(cast, 'delivered').uid}"
    assert kiku.get(page).location == "/admin/login"
    assert logs_in_as_staff(cast, kiku, "kiku").location == page


@pytest.mark.parametrize("page", ["/admin/inbox/", "/admin/desk/", "/admin/statements/new"])
def test_a_page_of_other_people_is_forgotten(app: Flask, browser: People, cast: Cast, page: str) -> None:
    taro = browser("")
    taro.get(page)
    assert logs_in(app, cast, taro, "taro").location == "/"


@pytest.mark.parametrize("page", ["//evil.example/files/", "/files//evil.example", "/files/\\evil.example"])
def test_no_address_leads_out_of_the_site(app: Flask, browser: People, cast: Cast, page: str) -> None:
    taro = browser("")
    taro.client.get(page, base_url="http://127.0.0.1")
    location = logs_in(app, cast, taro, "taro").location
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_an_admins_first_login_comes_before_any_page(app: Flask, browser: People, cast: Cast) -> None:
    jiro = browser("")
    jiro.get("/files/upload")
    logs_in(app, cast, jiro, "jiro")
    assert jiro.get("/files/upload").location == "/admin/office/registration"


def test_what_was_sent_after_the_end_is_not_done_and_said_so(browser: People, cast: Cast) -> None:
    transfer, taro = filing(cast), browser("taro")
    ENDINGS["idle"](cast)
    answer = taro.client.post(f"/files/{transfer.uid}/approval")
    assert answer.location == "/auth/ended?why=idle"
    assert "操作は行われていません" in taro.get(answer.location).text
    assert state(transfer) == "uploaded"
