"""契約の変更 as a clerk does it: what the page says beforehand, what comes back wrong, and where the office ends."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask

from database import db, utc_now
from exchange import contracts, visits
from exchange.actors import Actor, command_line
from models import Grant, LoginSession, Office, User
from papers import LetterBatch
from tests.exchange.logins import enrols
from tests.people import Browser, Cast, filing, run_jobs

People = Callable[[str], Browser]
REASON = "変更届（2026/11/20受付）"


def page_of(office: Office) -> str:
    return f"/admin/contracts/{office.uid}"


def seen(browser: Browser, office: Office, form: str) -> str:
    """What a form on the page carries along."""
    html = browser.get(page_of(office)).text
    return html.partition(f'id="{form}-seen"')[2].partition('value="')[2].partition('"')[0]


def corrects(browser: Browser, office: Office, **other: str):
    data = {"name": office.name, "office_number": office.office_number, "postal_code": "", "address": ""}
    data |= {"reason": REASON, "seen": seen(browser, office, "correction")}
    return browser.post(page_of(office), data | other)


def closes(browser: Browser, office: Office, **other: str):
    data = {"reason": REASON, "understood": "y", "seen": seen(browser, office, "closing")}
    return browser.post(f"{page_of(office)}/closing", data | other, page=page_of(office))


@pytest.mark.parametrize("name", ["taro", "jun", "ume", "dai"])
def test_nobody_else_comes_in(browser: People, cast: Cast, name: str) -> None:
    other = browser(name)
    assert other.get(page_of(cast.abc)).status_code == 403
    for act in ("", "/devices", "/reissue", "/closing"):
        data = {"reason": REASON, "understood": "y", "device_limit": "1"}
        assert other.post(page_of(cast.abc) + act, data, page="/").status_code == 403
    assert not cast.abc.is_closed


def test_what_is_corrected_is_shown_at_the_office(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    answer = corrects(kiku, cast.abc, name="ABC持株", postal_code="１０００００１", address="東京都\r\n1番地")
    assert answer.location == f"/admin/offices/{cast.abc.uid}"
    page = kiku.get(answer.location).text
    assert "「事業所名」「郵便番号」「住所」を訂正しました。" in page
    assert "〒100-0001<br>東京都<br>1番地" in page
    assert "届出の事業所名</dt><dd>ABC商事株式会社" in page


def test_an_unchanged_form_says_so(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    assert "変更はありませんでした。" in kiku.get(corrects(kiku, cast.abc).location).text


def test_a_stale_form_comes_back_with_what_was_typed(browser: People, cast: Cast) -> None:
    kiku, office = browser("kiku"), cast.abc
    stale = seen(kiku, office, "correction")
    corrects(kiku, office, address="東京都新しい町1")
    answer = corrects(kiku, office, name="別の名前", seen=stale)
    assert answer.status_code == 409
    assert "画面を開き直して" in answer.text
    assert 'value="別の名前"' in answer.text
    assert (cast.abc.name, cast.abc.address) == ("ABC商事株式会社", "東京都新しい町1")


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("name", "", "事業所名を入力してください"),
        ("office_number", "12A", "数字だけ"),
        ("office_number", "00102", "XYZ工業株式会社"),
        ("postal_code", "12", "数字7桁"),
        ("address", "1\n2\n3\n4\n5", "4行"),
        ("reason", " ", "理由を入力してください"),
        ("reason", "理" * 301, "300文字"),
        ("seen", "", "画面を開き直して"),
    ],
)
def test_what_does_not_fit_is_said_at_its_field(
    browser: People, cast: Cast, field: str, typed: str, sentence: str
) -> None:
    answer = corrects(browser("kiku"), cast.abc, **{field: typed})
    assert answer.status_code in (409, 422)
    assert sentence in answer.text
    assert answer.text.count('id="error-summary"') == 1
    assert cast.abc.office_number == "00101"


@pytest.mark.parametrize("typed", ["", "abc", "0", "100", "-1", "1.5", "３台", "99999999999"])
def test_impossible_limits_come_back(browser: People, cast: Cast, typed: str) -> None:
    data = {"device_limit": typed, "reason": REASON, "seen": "3"}
    answer = browser("kiku").post(f"{page_of(cast.abc)}/devices", data, page=page_of(cast.abc))
    assert answer.status_code == 422
    assert "1以上の数字だけで" in answer.text
    assert cast.abc.device_limit == 3


def test_more_than_three_pcs_take_the_tick(browser: People, cast: Cast) -> None:
    kiku, url = browser("kiku"), f"{page_of(cast.abc)}/devices"
    data = {"device_limit": "４", "reason": REASON, "seen": "3"}
    refused = kiku.post(url, data, page=page_of(cast.abc))
    assert refused.status_code == 422
    assert "3台を超えることを基金が認めた" in refused.text
    answer = kiku.post(url, {**data, "is_agreed": "y"}, page=page_of(cast.abc))
    assert "利用台数を4台に変更しました。" in kiku.get(answer.location).text
    again = kiku.post(url, {**data, "is_agreed": "y"}, page=page_of(cast.abc))
    assert again.status_code == 409  # the page showed 3


def test_what_is_in_use_is_named(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    assert "使われている端末（01、02、03）" in kiku.get(page_of(cast.abc)).text
    data = {"device_limit": "1", "reason": REASON, "seen": "3"}
    answer = kiku.post(f"{page_of(cast.abc)}/devices", data, page=page_of(cast.abc))
    assert answer.status_code == 422
    assert "02、03" in answer.text


def test_the_page_says_what_will_stop_working(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    page = kiku.get(page_of(cast.abc)).text.partition('id="reissue"')[2].partition('id="closing"')[0]
    assert "自分で決めたログインパスワード" in page
    assert "認証アプリ" not in page
    enrols(cast.member("taro"))
    User.update(pending_mail="new@abc-shoji.example").where(User.id == cast.member("taro").user_id).execute()
    page = kiku.get(page_of(cast.abc)).text
    assert "認証アプリと回復コード" in page
    assert "new@abc-shoji.example に切り替わります" in page
    page = kiku.get(page_of(cast.xyz)).text
    assert "今までのお知らせの初期パスワード" in page
    assert "自分で決めた" not in page


def test_a_reissue_leads_to_the_letter_and_ends_the_admins_session(app: Flask, browser: People, cast: Cast) -> None:
    kiku, taro = browser("kiku"), browser("taro")
    assert taro.get("/").status_code == 200
    data = {"reason": REASON, "seen": seen(kiku, cast.abc, "reissue")}
    answer = kiku.post(f"{page_of(cast.abc)}/reissue", data, page=page_of(cast.abc))
    assert answer.location == f"/admin/letters/{LetterBatch.get().uid}"
    assert kiku.get(answer.location).status_code == 200
    assert taro.get("/").location == "/auth/ended?why=password"
    run_jobs(app)
    page = kiku.get(page_of(cast.abc)).text
    assert "いまは再発行できません" in page
    again = kiku.post(f"{page_of(cast.abc)}/reissue", data, page=page_of(cast.abc))
    assert again.status_code in (409, 422)
    assert LetterBatch.select().count() == 1
    assert "印刷の確認待ち" in kiku.get(f"/admin/offices/{cast.abc.uid}").text


def test_sensitive_acts_ask_for_the_password_and_name_the_office(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    data = {"reason": REASON, "understood": "y", "seen": seen(kiku, cast.abc, "closing")}
    long_ago = utc_now() - timedelta(minutes=11)
    LoginSession.update(confirmed_at=long_ago).where(LoginSession.membership == cast.member("kiku")).execute()
    for act, label in (
        ("", "訂正"),
        ("/devices", "利用台数の変更"),
        ("/reissue", "再発行"),
        ("/closing", "契約の終了"),
    ):
        page = kiku.post(page_of(cast.abc) + act, {**data, "name": "別の名前"}, page=page_of(cast.abc)).text
        assert "ログインパスワードの確認" in page
        assert label in page
        assert "<dd>ABC商事株式会社</dd>" in page
        assert f"<dd>{REASON}</dd>" in page
    assert "<dt>事業所名</dt><dd>別の名前</dd>" in page
    password = cast.secrets("kiku")["password"]
    answer = kiku.post(f"{page_of(cast.abc)}/closing", {**data, "confirm_password": password}, page=page_of(cast.abc))
    assert answer.status_code == 303
    assert cast.abc.is_closed


def test_closing_takes_the_cookie_at_once(browser: People, cast: Cast) -> None:
    kiku, taro, hanako = browser("kiku"), browser("taro"), browser("hanako")
    for person in (taro, hanako):
        assert person.get("/files/").status_code == 200
    answer = closes(kiku, cast.abc)
    assert answer.location == f"/admin/offices/{cast.abc.uid}"
    for person in (taro, hanako):
        assert person.get("/files/").location == "/auth/ended?why=ended"
    assert "契約が終了しています" in kiku.get(answer.location).text


def test_closing_takes_the_visit_at_once(app: Flask, browser: People, cast: Cast) -> None:
    counter = Browser(app)
    with db.atomic():
        token = visits.begin(Actor(address="127.0.0.1"), "download", office=cast.abc)
    with counter.client.session_transaction() as cookie:
        cookie["visit_download"] = token
    assert counter.get("/download/list").status_code == 200
    closes(browser("kiku"), cast.abc)
    assert counter.get("/download/list").location == "/download/"


def test_without_the_ticks_nothing_is_closed(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    filing(cast, "approved")
    assert "押すとすぐに終了します。終了日に操作してください。" in closes(kiku, cast.abc, understood="").text
    assert "元に戻せません" in closes(kiku, cast.abc, understood="").text
    answer = closes(kiku, cast.abc)
    assert answer.status_code == 422
    assert "途中の届書・帳票が1件あります" in answer.text
    assert not cast.abc.is_closed
    assert closes(kiku, cast.abc, despite_transfers="y").status_code == 303
    assert cast.abc.is_closed


def test_what_came_meanwhile_is_looked_at_first(browser: People, cast: Cast) -> None:
    kiku = browser("kiku")
    shown = seen(kiku, cast.abc, "closing")
    filing(cast, "approved")
    assert closes(kiku, cast.abc, seen=shown, despite_transfers="y").status_code == 409
    assert not cast.abc.is_closed


def test_a_closed_office_is_found_in_its_own_list_and_only_read(browser: People, cast: Cast) -> None:
    contracts.close(command_line(), cast.abc, "脱退", contracts.under_way_seen([]))
    kiku, detail = browser("kiku"), f"/admin/offices/{cast.abc.uid}"
    assert detail not in kiku.get("/admin/offices/").text
    for url in ("/admin/offices/?closed=y", "/admin/offices/?closed=y&q=00101"):
        page = kiku.get(url).text
        assert detail in page
        assert cast.xyz.uid not in page
    page = kiku.get(detail).text
    assert "abcTaro01" in page
    assert "/admin/users/" not in page.partition("<main")[2]
    assert page_of(cast.abc) not in page
    for url in (page_of(cast.abc), f"{detail}/matrix", f"/admin/progress/{cast.abc.uid}"):
        assert kiku.get(url).status_code == 404


def test_delivered_filings_are_still_opened_by_the_fund(browser: People, cast: Cast) -> None:
    delivered = filing(cast, "delivered")
    left = contracts.under_way_seen(contracts.under_way(cast.abc))
    contracts.close(command_line(), cast.abc, "脱退", left, despite_transfers=True)
    kiku, url = browser("kiku"), f"/admin/inbox/{delivered.uid}"
    assert delivered.receipt_number in kiku.get("/admin/inbox/").text
    assert kiku.post(f"{url}/opening", page=url).status_code == 303
    answer = kiku.post(f"{url}/download", page=url)
    assert answer.status_code == 200
    assert answer.data[:2] == b"PK"


def test_the_office_page_leads_there_for_who_may(browser: People, cast: Cast) -> None:
    detail = f"/admin/offices/{cast.abc.uid}"
    assert page_of(cast.abc) in browser("kiku").get(detail).text
    Grant.create(membership=cast.member("ume"), word="audit")
    for name in ("ume", "dai"):
        page = browser(name).get(detail)
        assert page.status_code == 200
        assert "/admin/contracts/" not in page.text
