"""引継ぎ on the screen: asked before it is done, seen by those it is about, and what each of them can do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from equipment import Handover
from exchange import activations, handovers, permissions
from models import AuditEntry, Membership
from tests.exchange.activating import sends
from tests.exchange.codes import built
from tests.people import LOGIN_IDS, Browser, Cast, mails, run_jobs
from tests.stage import _foreign_admin as foreign_admin

People = Callable[[str], Browser]
PAGE = "/admin/handovers/"
NEW = {"successor": "new", "login_id": "abcMidori", "kana": "かのえかわ みどり", "name": "庚川 緑"}
NEW |= {"mail": "midori@abc-shoji.example"}
REASON = "管理者の退職（管理者情報変更届 2026/11/20受付）"


def of_jun(cast: Cast) -> dict[str, str]:
    return {"successor": cast.member("jun").uid}


def asks(browser: Browser, page: str, form: dict[str, Any], is_agreed: bool = True) -> TestResponse:
    """The form, and then its question answered with what that carries."""
    seen = browser.field(page, "seen")
    more = {"agreed": "y"} if is_agreed else {}
    return browser.post(page, {**form, "seen": seen, **more})


def emergency_page(cast: Cast) -> str:
    return f"{PAGE}office/{cast.abc.uid}"


def opened(cast: Cast) -> str:
    """The page of an emergency one that Kiku has asked for, and Ume may approve."""
    permissions.preset(cast.kiku, cast.member("ume"), ("register",))
    return f"{PAGE}{handovers.open_emergency(cast.kiku, cast.abc, cast.member('jun'), REASON).uid}"


def test_the_question_names_both_and_what_happens_and_nothing_has_happened(browser: People, cast: Cast) -> None:
    answer = asks(browser("taro"), PAGE, of_jun(cast), is_agreed=False)
    assert answer.status_code == 200
    for words in ("甲野　太郎", "乙川　純", "利用は終わります", "すべての権限", "ダウンロードキーは無効"):
        assert words in answer.text
    assert Handover.select().count() == 0


def test_the_admin_nominates_and_reads_how_far_it_is(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    answer = asks(taro, PAGE, of_jun(cast))
    assert (answer.status_code, answer.location) == (303, PAGE)
    page = taro.get(PAGE).text
    for words in ("後任を指名しました", "全3ステップ中、2ステップ目", "これから行うこと", "引継ぎを取り下げる"):
        assert words in page
    assert 'name="successor"' not in page
    assert "管理者の後任に指名されています" in taro.get(f"/admin/users/{cast.member('jun').uid}").text


def test_a_new_successor_has_his_password_on_a_sheet_once(app: Flask, browser: People, cast: Cast) -> None:
    taro = browser("taro")
    answer = asks(taro, PAGE, NEW)
    assert answer.status_code == 200
    member = Membership.get(Membership.login_id == "abcMidori")
    assert (member.user.name, member.user.kana) == ("庚川　緑", "カノエカワ　ミドリ")
    password = answer.text.partition('id="password">')[2].partition("<")[0]
    assert len(password) == 12
    assert answer.headers["Cache-Control"] == "no-store"
    run_jobs(app)
    written = mails(Path(app.instance_path) / "mail")
    assert written
    assert not any(password in str(mail) for mail in written)
    assert not any(password in entry.facts for entry in AuditEntry.select())
    assert password not in taro.get(PAGE).text


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, "後任の方を選んでください"),
        ({"successor": "0" * 32}, "後任"),
        ({"successor": "new"}, "ユーザーIDを入力してください"),
        ({**NEW, "mail": "nobody"}, "メールアドレスの形"),
        ({**NEW, "login_id": "abcJun001"}, "すでに使われています"),
    ],
)
def test_what_is_wrong_stands_above_the_form(browser: People, cast: Cast, form: dict[str, str], sentence: str) -> None:
    answer = asks(browser("taro"), PAGE, form)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert Handover.select().count() == 0


def test_the_fields_of_a_new_person_do_not_matter_for_somebody_who_is_there(browser: People, cast: Cast) -> None:
    assert asks(browser("taro"), PAGE, {**of_jun(cast), "mail": "half typed"}).status_code == 303


def test_after_the_change_the_old_cookie_leads_to_the_door_and_the_new_admin_has_the_menu(
    browser: People, cast: Cast
) -> None:
    taro, jun = browser("taro"), browser("jun")
    assert jun.get(PAGE).status_code == 403
    asks(taro, PAGE, of_jun(cast))
    activations.accept(cast.dai, sends(built(cast.abc, 1)))
    assert taro.get(PAGE).status_code == 303
    page = jun.get(PAGE).text
    assert "これまでの引継ぎ" in page
    assert "管理者の引継ぎ" in jun.get("/").text
    assert "いま使えるキーがありません" in jun.get("/admin/office/").text


def test_taking_it_back_says_whose_it_was(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    asks(taro, PAGE, NEW)
    page = taro.get(PAGE).text
    assert "庚川　緑さんの利用も終わります" in page
    assert "甲野　太郎（利用者A）さんから庚川　緑さんへの引継ぎを取り下げます" in page
    url = f"{PAGE}{Handover.get().uid}"
    answer = taro.post(f"{url}/withdrawal", page=PAGE)
    assert answer.location == url
    assert "取り下げ" in taro.get(url).text
    assert taro.post(f"{url}/withdrawal", page=PAGE).status_code == 409


# ── an emergency ──


def test_a_clerk_asks_and_another_approves(browser: People, cast: Cast) -> None:
    permissions.preset(cast.kiku, cast.member("ume"), ("register",))
    kiku = browser("kiku")
    question = asks(kiku, emergency_page(cast), {**of_jun(cast), "reason": REASON}, is_agreed=False)
    for words in ("甲野　太郎", "乙川　純", REASON, "端末01（管理者用）は停止", "自分で決めたログインパスワード"):
        assert words in question.text
    answer = asks(kiku, emergency_page(cast), {**of_jun(cast), "reason": REASON})
    page = kiku.get(answer.location).text
    assert "手続きを始めた方は承認できません" in page
    assert 'id="approval"' not in page
    ume = browser("ume")
    assert "承認を待っている緊急の管理者の交代" in ume.get("/").text
    assert "承認待ち" in ume.get(PAGE).text
    page = ume.get(answer.location).text
    assert "甲野　太郎（利用者A）さんから乙川　純（利用者B）さんへ、管理者を替えますか" in page
    seen = ume.field(answer.location, "seen")
    done = ume.post(f"{answer.location}/approval", {"seen": seen}, page=answer.location)
    assert done.location == answer.location
    page = ume.get(answer.location).text
    assert "作成したお知らせ" in page
    assert LOGIN_IDS["jun"] == Membership.get(Membership.kind == "office_admin", Membership.ended_at.is_null()).login_id


def test_the_same_clerk_is_refused_and_the_admin_too(browser: People, cast: Cast) -> None:
    url = opened(cast)
    assert browser("kiku").post(f"{url}/approval", page=url).status_code == 422
    taro = browser("taro")
    for act in ("approval", "withdrawal"):
        assert taro.post(f"{url}/{act}", page=PAGE).status_code == 403
    assert Handover.get().state == "open"


def test_the_admin_reads_that_he_is_to_be_replaced_but_no_clerks_name(browser: People, cast: Cast) -> None:
    url = opened(cast)
    taro = browser("taro")
    assert "基金事務局が、管理者の交代の手続きをしています" in taro.get(PAGE).text
    page = taro.get(url).text
    assert REASON in page
    assert cast.member("kiku").user.name not in page
    assert "withdrawal" not in page


def test_another_offices_admin_knows_nothing_of_it(app: Flask, cast: Cast) -> None:
    url, rei = opened(cast), Browser(app, foreign_admin("00104", "UVW商会株式会社", "uvwReiko1"))
    assert rei.get(url).status_code == 404
    assert rei.post(f"{url}/withdrawal", page=PAGE).status_code == 404
    assert rei.post(f"{url}/approval", page=PAGE).status_code == 403
    assert REASON not in rei.get(PAGE).text


def test_the_offices_page_leads_there(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    page = kiku.get(f"/admin/offices/{cast.abc.uid}").text
    assert emergency_page(cast) in page
    url = opened(cast)
    assert url in kiku.get(f"/admin/offices/{cast.abc.uid}").text
    assert "すでに引継ぎの手続き中です" in kiku.get(emergency_page(cast)).text


# ── another key ──


def test_the_key_stands_on_one_page(browser: People, cast: Cast) -> None:
    taro = browser("taro")
    seen = taro.field("/admin/office/", "seen")
    answer = taro.post("/admin/office/download-key", {"seen": seen}, page="/admin/office/")
    key = answer.text.partition('id="key">')[2].partition("<")[0]
    assert (answer.status_code, len(key)) == (200, 8)
    assert key not in taro.get("/admin/office/").text
    assert taro.post("/admin/office/download-key", {"seen": seen}, page="/admin/office/").status_code == 409


def test_who_is_not_the_admin_has_no_such_button(browser: People, cast: Cast) -> None:
    jun = browser("jun")
    assert "download-key" not in jun.get("/admin/office/").text
    assert jun.post("/admin/office/download-key", {"seen": ""}, page="/admin/account/").status_code == 403
