"""The 管理者 runs the office's people: the list, who is added, profiles, 利用停止, 利用の終了, lost passwords."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from database import utc_now
from exchange import credentials
from models import AuditEntry, Device, Grant, Membership, User
from tests.people import LOGIN_IDS, Browser, Cast, told
from tests.web.steps import a_minute_passes, asks, code_in_mail, identifies, logs_in, types_code, types_password

People = Callable[[str], Browser]
INDEX, NEW = "/admin/users/", "/admin/users/new"
NEWCOMER = {
    "kind": "staff",
    "login_id": "abcSora01",
    "name": "庚野　空",
    "kana": "カノエノ　ソラ",
    "mail": "sora@abc-shoji.example",
    "preset": "all",
}


def adds(browser: Browser, **other: Any) -> TestResponse:
    return browser.post(NEW, {**NEWCOMER, **other})


def page_of(cast: Cast, name: str) -> str:
    return f"/admin/users/{cast.member(name).uid}"


def acts(browser: Browser, page: str, noun: str, **form: Any) -> TestResponse:
    return browser.post(f"{page}/{noun}", form, page=page)


def initial_password(page: str) -> str:
    found = re.search(r'id="password">([^<]+)<', page)
    assert found
    return found[1]


def newest(action: str) -> AuditEntry:
    return AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number.desc()).get()


def row_of(page: str, login_id: str) -> str:
    return next(row for row in page.split("<tr>") if f">{login_id}<" in row)


# ── who comes in ──


@pytest.mark.parametrize("name", ["jun", "hanako", "ume", "dai"])
def test_only_the_admin_has_these_pages(browser: People, cast: Cast, name: str) -> None:
    other = browser(name)
    for url in (INDEX, NEW, "/admin/users/link", "/admin/users/matrix"):
        assert other.get(url).status_code == 403
    if name != "dai":  # who helps an office's people that are locked out
        assert other.get(page_of(cast, "jun")).status_code == 403


def test_another_offices_people_do_not_exist(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    for name in ("jiro", "hanako_at_xyz", "kiku", "dai"):
        page = page_of(cast, name)
        assert taro.get(page).status_code == 404
        for noun in ("suspension", "resumption", "ending", "unlocking", "password", "totp-removal", "profile"):
            assert taro.post(f"{page}/{noun}", page=INDEX).status_code == 404
        assert taro.post(f"{page}/permissions/upload", page=INDEX).status_code == 404
        assert taro.post(f"{page}/permissions", {"preset": "all"}, page=INDEX).status_code == 404


# ── the list ──


def test_the_list_tells_kind_state_and_how_much_each_may_do(browser: People, cast: Cast) -> None:
    page = browser("taro").get(INDEX).text
    for name, kind, number in (("taro", "管理者", 7), ("jun", "担当者", 7), ("hanako", "社労士・税理士", 5)):
        row = row_of(page, LOGIN_IDS[name])
        assert kind in row
        assert "利用中" in row
        assert f"7つ中{number}つ" in row
        assert page_of(cast, name) in row
    assert LOGIN_IDS["jiro"] not in page


def test_the_list_tells_why_somebody_cannot_come_in(browser: People, cast: Cast) -> None:
    User.update(is_initial_password=True, password_set_at=utc_now()).where(
        User.id == cast.member("jun").user_id
    ).execute()
    taro = browser("taro")
    assert "ログイン待ち" in row_of(taro.get(INDEX).text, "abcJun001")
    old = utc_now() - credentials.INITIAL_PASSWORD_LIFE - timedelta(hours=1)
    User.update(password_set_at=old).where(User.id == cast.member("jun").user_id).execute()
    assert "初期パスワード期限切れ" in row_of(taro.get(INDEX).text, "abcJun001")
    assert "初期パスワードを再発行してください" in taro.get(page_of(cast, "jun")).text


def test_without_a_free_pc_the_page_says_so_instead_of_offering_it(browser: People, cast: Cast) -> None:
    Device.update(state="stopped").where(Device.office == cast.abc, Device.slot == 3).execute()
    taro = browser("taro")
    page = taro.get(INDEX).text
    assert f'href="{NEW}"' not in page
    assert "VPN接続が有効化された端末の台数（いま2台）まで" in page
    answer = adds(taro)
    assert answer.status_code == 422
    assert "有効化された端末の台数" in answer.text
    assert not Membership.select().where(Membership.login_id == "abcSora01").exists()


# ── 追加 ──


def test_the_initial_password_is_shown_once_and_nowhere_else(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    assert f'href="{NEW}"' in taro.get(INDEX).text
    answer = adds(taro)
    assert answer.status_code == 200
    password = initial_password(answer.text)
    assert "初期パスワードのお知らせ" in answer.text
    assert "30日間" in answer.text
    member = Membership.get(Membership.login_id == "abcSora01")
    assert (member.kind, len(member.words()), member.user.name) == ("staff", 7, "庚野　空")
    for url in (INDEX, f"{INDEX}{member.uid}", "/admin/users/matrix", NEW):
        assert password not in taro.get(url).text
    told(app)
    assert all(password not in entry.facts for entry in AuditEntry.select())
    assert password not in (member.user.password_hash or "")
    assert "ログイン待ち" in row_of(taro.get(INDEX).text, "abcSora01")


def test_whoever_was_added_can_log_in_with_it(app: Flask, browser: People, cast: Cast) -> None:
    password, sora = initial_password(adds(browser("taro")).text), browser("")
    pair = {"contract_number": cast.abc.contract_number, "login_id": "abcSora01"}
    asks(sora, pair)
    identifies(sora, pair)
    types_code(sora, code_in_mail(app, "sora@abc-shoji.example"))
    assert types_password(sora, "abcSora01", password).location == "/"
    assert sora.get("/files/").location == "/admin/user/registration"


def test_sent_twice_one_person_is_added(browser: People, cast: Cast) -> None:
    Device.create(office=cast.abc, slot=5, state="active")
    taro = browser("taro")
    assert adds(taro).status_code == 200
    again = adds(taro)
    assert again.status_code == 422
    assert "ユーザーID abcSora01 はすでに使われています" in again.text
    assert Membership.select().where(Membership.login_id == "abcSora01").count() == 1


@pytest.mark.parametrize(
    ("preset", "held"),
    [("all", 7), ("consultant", 5), ("none", 0)],
)
def test_a_preset_gives_the_first_words(browser: People, preset: str, held: int) -> None:
    adds(browser("taro"), preset=preset, kind="consultant")
    member = Membership.get(Membership.login_id == "abcSora01")
    assert len(member.words()) == held
    assert {"approve", "deliver"}.isdisjoint(member.words()) or preset == "all"


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("login_id", "sora-01", "8～15文字の半角英数字"),
        ("login_id", "", "ユーザーIDを入力してください"),
        ("kana", "カノエノ", "姓と名の間を1文字あけて"),
        ("name", "　", "ユーザ名(漢字)を入力してください"),
        ("mail", "sora", "メールアドレスの形が正しくありません"),
        ("kind", "office_admin", ""),
        ("kind", "fund", ""),
        ("preset", "everything", ""),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(browser: People, field: str, typed: str, said: str) -> None:
    answer = adds(browser("taro"), **{field: typed})
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert said in answer.text
    assert "庚野" in answer.text or field == "name"
    assert not Membership.select().where(Membership.login_id == "abcSora01").exists()


def test_width_refuses_nobody(browser: People) -> None:
    answer = adds(browser("taro"), login_id="ａｂｃＳｏｒａ０１", kana="ｶﾉｴﾉ そら", mail="ｓｏｒａ@abc-shoji.example")
    assert answer.status_code == 200
    member = Membership.get(Membership.login_id == "abcSora01")
    assert (member.user.kana, member.user.mail) == ("カノエノ　ソラ", "sora@abc-shoji.example")


# ── the person's page ──


def test_the_profile_is_changed_and_the_new_address_waits(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    form = {"name": "乙川　純子", "kana": "オツカワ　ジュンコ", "mail": "new@abc-shoji.example"}
    answer = acts(taro, page, "profile", **form)
    assert (answer.status_code, answer.location) == (303, page)
    user = cast.member("jun").user
    assert (user.name, user.kana, user.mail) == ("乙川　純子", "オツカワ　ジュンコ", "jun@abc-shoji.example")
    assert user.pending_mail == "new@abc-shoji.example"
    assert "確認を待っています" in taro.get(page).text
    assert acts(taro, page, "profile", **{**form, "kana": "オツカワ"}).status_code == 422


def test_a_consultant_of_several_offices_is_not_renamed_by_one_of_them(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "hanako")
    shown = taro.get(page).text
    assert "ほかの事業所も担当している方のため" in shown
    assert f"{page}/profile" not in shown
    assert f"{page}/password" not in shown
    answer = acts(taro, page, "profile", name="丙山　花", kana="ヘイヤマ　ハナ", mail="hanako@sr-office.example")
    assert answer.status_code == 422
    assert "ほかの事業所も担当している方のため" in answer.text
    assert cast.member("hanako").user.name == "丙山　花子（利用者C）"


def test_on_ones_own_page_stands_the_way_to_ones_own_account(browser: People, cast: Cast) -> None:
    page = browser("taro").get(page_of(cast, "taro")).text
    assert 'href="/admin/account/"' in page
    assert "/profile" not in page
    assert "/suspension" not in page
    assert 'href="#ending"' not in page
    assert "管理者の利用は停止・終了できません" in page


def test_the_link_to_the_record_names_the_person(browser: People, cast: Cast) -> None:
    uid = cast.member("jun").uid
    assert f"/admin/audit/?member={uid}" in browser("taro").get(f"{INDEX}{uid}").text


# ── 利用停止, 利用の終了 ──


def test_a_suspended_person_is_out_at_once_and_comes_back_with_the_same_words(browser: People, cast: Cast) -> None:
    taro, jun, page = browser("taro"), browser("jun"), page_of(cast, "jun")
    assert jun.get("/files/").status_code == 200
    words = cast.member("jun").words()
    assert acts(taro, page, "suspension").location == page
    assert jun.get("/files/").status_code == 303
    assert "利用停止" in row_of(taro.get(INDEX).text, "abcJun001")
    shown = taro.get(page).text
    assert f"{page}/resumption" in shown
    assert f'action="{page}/suspension"' not in shown
    assert acts(taro, page, "resumption").location == page
    assert cast.member("jun").words() == words
    assert browser("jun").get("/files/").status_code == 200
    assert newest("member.resumed").subject == cast.member("jun").uid


@pytest.mark.parametrize("noun", ["suspension", "ending"])
def test_an_old_page_is_answered_with_what_has_happened(browser: People, cast: Cast, noun: str) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    assert acts(taro, page, noun).status_code == 303
    again = acts(taro, page, noun)
    assert again.status_code in (409, 422)
    assert "すでに変更されています" in again.text or "利用が終了しています" in again.text
    assert AuditEntry.select().where(AuditEntry.action << ("member.disabled", "member.ended")).count() == 1


def test_ending_asks_with_the_name_in_large_type(browser: People, cast: Cast) -> None:
    page = browser("taro").get(page_of(cast, "jun")).text
    asked = page[page.index('id="ending"') :]
    assert '<p class="td-big">乙川　純（利用者B）</p>' in asked
    assert "それまでの記録は残り、すぐにログインできなくなります" in asked


def test_whoever_has_left_is_on_record_only(app: Flask, browser: People, cast: Cast) -> None:
    taro, jun, page = browser("taro"), browser("jun"), page_of(cast, "jun")
    assert acts(taro, page, "ending").location == page
    assert jun.get("/files/").status_code == 303
    shown = taro.get(page).text
    assert "利用終了" in shown
    assert f'action="{page}/' not in shown
    index = taro.get(INDEX).text
    assert "利用が終了した方（1名）" in index
    assert "利用終了" in row_of(index, "abcJun001")
    for noun in ("suspension", "resumption", "unlocking", "totp-removal"):
        assert acts(taro, page, noun).status_code in (409, 422)
    assert acts(taro, page, "permissions/upload", granted="").status_code == 422
    assert newest("member.ended").subject == cast.member("jun").uid


def test_the_admin_is_neither_stopped_nor_ended(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "taro")
    for noun in ("suspension", "ending"):
        answer = acts(taro, page, noun)
        assert answer.status_code == 422
        assert "管理者の利用は停止・終了できません" in answer.text
    assert cast.member("taro").is_active


def test_an_ended_persons_id_is_not_given_to_another(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    acts(taro, page_of(cast, "jun"), "ending")
    answer = adds(taro, login_id="abcJun001")
    assert answer.status_code == 422
    assert "以前ここで使われていました" in answer.text
    assert Membership.select().where(Membership.login_id == "abcJun001").count() == 1


# ── locked out ──


def test_a_new_initial_password_voids_the_old_one_and_is_shown_once(app: Flask, browser: People, cast: Cast) -> None:
    taro, jun, page = browser("taro"), browser("jun"), page_of(cast, "jun")
    seen = taro.field(page, "seen")
    answer = acts(taro, page, "password", seen=seen)
    assert answer.status_code == 200
    password = initial_password(answer.text)
    assert jun.get("/files/").status_code == 303
    assert password not in taro.get(page).text
    assert logs_in(app, cast, browser(""), "jun").status_code == 422
    a_minute_passes()
    assert logs_in(app, cast, browser(""), "jun", password).location == "/"


def test_a_page_that_was_sent_twice_makes_one_password(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    seen = taro.field(page, "seen")
    assert acts(taro, page, "password", seen=seen).status_code == 200
    again = acts(taro, page, "password", seen=seen)
    assert again.status_code == 409
    assert "すでに再発行されています" in again.text
    assert acts(taro, page, "password").status_code == 409


def test_who_typed_wrong_five_times_is_shown_and_let_in(app: Flask, browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    assert f"{page}/unlocking" not in taro.get(page).text
    stranger = browser("")
    logs_in(app, cast, stranger, "jun", "not the one")
    for _ in range(4):
        types_password(stranger, "abcJun001", "not the one")
    assert "ログイン停止中" in row_of(taro.get(INDEX).text, "abcJun001")
    assert f"{page}/unlocking" in taro.get(page).text
    assert acts(taro, page, "unlocking").location == page
    assert "利用中" in row_of(taro.get(INDEX).text, "abcJun001")
    assert types_password(stranger, "abcJun001", cast.secrets("jun")["password"]).location == "/"


def test_a_lost_authenticator_is_taken_away(browser: People, cast: Cast) -> None:
    taro, page = browser("taro"), page_of(cast, "jun")
    assert f"{page}/totp-removal" not in taro.get(page).text
    User.update(totp_sealed="sealed").where(User.id == cast.member("jun").user_id).execute()
    assert f"{page}/totp-removal" in taro.get(page).text
    assert acts(taro, page, "totp-removal").location == page
    assert not cast.member("jun").user.has_totp
    assert acts(taro, page, "totp-removal").status_code in (409, 422)


def test_the_words_of_the_admin_count_at_the_next_request(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    Membership.update(kind="staff").where(Membership.id == cast.member("taro").id).execute()
    assert taro.get(INDEX).status_code == 403
    assert Grant.select().where(Grant.membership == cast.member("taro")).count() == 7
