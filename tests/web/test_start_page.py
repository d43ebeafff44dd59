"""The start page: what waits for whom, where its links lead, and what it shows of the months."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape

import pytest
from flask import Flask

from blueprints import home
from database import db, utc_now
from exchange import archive_passwords, audit, calendar, pickups, transfers
from exchange.actors import Actor, command_line
from models import Device, Grant, Membership, Office, Transfer, User
from papers import Intake, LetterBatch
from tests.exchange.scanning import quarantined
from tests.markup import Page
from tests.people import Browser, Cast, aes_zip, filing, inspect, statement, uploads

People = Callable[[str], Browser]

CARD = re.compile(
    r'<a class="td-card td-wait" href="([^"]*)">.*?td-wait__what">([^<]*)<.*?td-wait__count">([\d,]+)<', re.S
)


def cards(browser: Browser) -> dict[str, tuple[int, str]]:
    """What waits → (how many, where its link leads)."""
    html = browser.get("/").text
    return {words: (int(number), unescape(url)) for url, words, number in CARD.findall(html)}


def furnish(cast: Cast) -> None:
    for state in ("uploaded", "uploaded", "approved", "delivered", "received", "returned", "returned"):
        last = filing(cast, state)
    uploads(cast.hanako, aes_zip(cast.archive_password), replaces=last)
    inspect(uploads(cast.hanako, b"not a ZIP at all"))
    for state in ("uploaded", "approved", "delivered", "delivered"):
        made = statement(cast, state)
    pickups.request_pickup(cast.taro, made)


def settle_xyz(cast: Cast) -> None:
    archive_passwords.keep(command_line(), cast.xyz, "Xyz#Archive#2026-word", version=1)


def queries_of(browser: Browser, url: str) -> list[str]:
    sent: list[str] = []
    db.connection().set_trace_callback(sent.append)
    try:
        assert browser.get(url).status_code == 200
    finally:
        db.connection().set_trace_callback(None)
    return [text for text in sent if text.startswith("SELECT")]


@pytest.mark.parametrize("name", ["taro", "jun", "hanako", "kiku", "ume"])
def test_every_number_is_that_of_the_rows_behind_its_link(browser: People, cast: Cast, name: str) -> None:
    furnish(cast)
    person = browser(name)
    found = cards(person)
    assert len(found) > 2
    for words, (number, url) in found.items():
        page = person.get(url)
        assert page.status_code == 200, words
        assert len(re.findall(r'<tr id="t-', page.text)) == number, words
        assert re.search(rf'aria-current="true">[^<]*（{number}）', page.text), words


def test_everybody_reads_his_own_work_in_words(browser: People, cast: Cast) -> None:
    furnish(cast)
    assert list(cards(browser("taro"))) == [
        *("承認を待っている届書", "配信を待っている届書", "検査で不備が見つかった届書", "差し戻された届書"),
        *("受取要求を待っている帳票", "ダウンロードを待っている帳票"),
    ]
    assert "承認を待っている届書" not in cards(browser("hanako"))
    assert list(cards(browser("kiku"))) == [
        *("まだ開いていない届書", "処理を待っている届書", "承認を待っている帳票", "配信を待っている帳票"),
    ]
    assert not any("届書" in words or "帳票" in words for words in cards(browser("dai")))


def test_until_when_a_download_is_possible_stands_with_it(browser: People, cast: Cast) -> None:
    transfer = statement(cast, "delivered")
    pickups.request_pickup(cast.taro, transfer)
    ends_at = pickups.window_ends_at(transfer)
    assert ends_at is not None
    assert f"最初の期限 {calendar.japan(ends_at):%Y/%m/%d %H:%M}" in browser("hanako").get("/").text


@pytest.mark.parametrize(
    ("name", "next_acts"),
    [
        ("taro", ["アップロード", "届書の送信", "帳票の受取"]),
        ("kiku", ["受信箱（届書）", "帳票を作成"]),
        ("dai", ["事業所と端末"]),
    ],
)
def test_where_nothing_waits_the_page_is_friendly(browser: People, name: str, next_acts: list[str]) -> None:
    Device.update(state="issued").where(Device.state == "vacant").execute()
    page = browser(name).get("/").text
    assert "いま待っているものはありません。" in page
    assert all(f">{act}</a>" in page for act in next_acts)


def test_an_act_without_its_word_is_not_offered(browser: People, cast: Cast) -> None:
    Grant.delete().where(Grant.membership == cast.member("jun")).execute()
    assert 'href="/files/upload"' not in browser("jun").get("/").text


def test_whoever_still_owes_the_first_login_is_led_there(browser: People) -> None:
    assert browser("jiro").get("/").location == "/admin/office/registration"
    assert browser("hanako_at_xyz").get("/").location == "/admin/office/waiting"


def test_a_stranger_sees_the_front_door(browser: People) -> None:
    page = browser("").get("/").text
    assert "ワンタイムパスワード発行" in page
    assert "あなたを待っているもの" not in page


def test_an_invitation_is_told(browser: People, cast: Cast) -> None:
    Membership.update(invited_at=utc_now()).where(Membership.id == cast.member("hanako_at_xyz").id).execute()
    assert cards(browser("hanako")) == {"あなたへの依頼": (1, "/admin/account/invitations")}


def test_people_who_have_not_come_are_as_many_as_in_their_list(browser: People, cast: Cast) -> None:
    for name in ("jun", "hanako"):
        User.update(is_initial_password=True, password_set_at=utc_now()).where(
            User.id == cast.member(name).user_id
        ).execute()
    taro = browser("taro")
    assert cards(taro) == {"初期パスワードでのログインを待っている人": (2, "/admin/users/")}
    assert taro.get("/admin/users/").text.count("ログイン待ち</span>") == 2


# ── a virus ──


def test_a_virus_stands_on_the_start_pages_of_both_sides(app: Flask, browser: People, cast: Cast) -> None:
    assert "ウイルスが見つかった" not in browser("taro").get("/").text
    filed, paper, refused = (filing(cast, "uploaded"), statement(cast, "delivered"), filing(cast, "delivered"))
    transfers.receive(cast.kiku, refused)
    for transfer in (filed, paper, refused):
        quarantined(transfer)
    told = {"taro": "届書が2件、帳票が1件", "hanako": "届書が2件、帳票が1件", "kiku": "届書が1件、帳票が1件"}
    for name, words in told.items():
        person = browser(name)
        page = person.get("/").text
        assert f"ウイルスが見つかった{words}あります" in page
        notice = page.partition("ウイルスが見つかった")[2].partition("あなたを待っているもの")[0]
        links = re.findall(r'<a href="([^"]+)">(?:届書|帳票)：', notice)
        assert [uid in "".join(links) for uid in (paper.uid, refused.uid)] == [True, True]
        assert all("隔離しました" in person.get(link).text for link in links)
        assert Page(page).faults(app.url_map.bind("127.0.0.1")) == []
    assert "ウイルスが見つかった" not in browser("dai").get("/").text
    saved = "すでに受け取ったものは、保存したファイルを開かずに削除してください。"
    assert saved in browser("kiku").get("/").text
    transfers.reject(cast.kiku, refused, "ウイルス")
    page = browser("kiku").get("/").text
    assert ("ウイルスが見つかった帳票が1件あります" in page, saved in page) == (True, False)


def test_more_viruses_than_the_start_page_names_stand_in_lists_that_it_links(
    app: Flask, browser: People, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "SHOWN", 2)
    filed = [quarantined(filing(cast, state)) for state in ("uploaded", "delivered")]
    taro, kiku = browser("taro"), browser("kiku")
    assert "ほか" not in taro.get("/").text.partition("あなたを待っているもの")[0]
    for transfer in (paper := statement(cast, "delivered"), kept := filing(cast, "received")):
        quarantined(transfer)
    for person, most, labels in (
        (taro, "ほか2件", {"届書「隔離」", "届書「要修正」", "帳票「隔離」"}),
        (kiku, "ほか1件", {"届書「隔離」", "帳票「隔離」"}),
    ):
        page = person.get("/").text
        notice = page.partition("ウイルスが見つかった")[2].partition("あなたを待っているもの")[0]
        assert most in notice
        links = {label: unescape(url) for url, label in re.findall(r'<a href="([^"]+)">([^<]*「[^<]*)</a>', notice)}
        assert links.keys() == labels
        listed = "".join(person.get(url).text for url in links.values())
        wanted = [paper, kept, *(filed if person is taro else filed[1:])]
        assert all(transfer.receipt_number in listed for transfer in wanted)
        assert ' aria-current="true">隔離（2）' in person.get(links["届書「隔離」"]).text
        assert Page(page).faults(app.url_map.bind("127.0.0.1")) == []


# ── offices on their way ──


def test_the_clerk_is_led_to_letters_that_are_due_and_to_those_in_print(browser: People, cast: Cast) -> None:
    Office.update(download_key_hash=None).where(Office.id == cast.xyz.id).execute()
    long_ago = utc_now() - timedelta(days=83)
    Office.create(
        name="山川商店",
        name_filed="山川商店",
        entered_on=long_ago.date(),
        office_number="00999",
        contract_number="1000000-0000999",
        device_limit=1,
        registered_at=long_ago,
    )
    ends_at = utc_now() + timedelta(hours=3)
    LetterBatch.create(state="ready", expires_at=ends_at)
    Intake.create(file_name="届.csv", token="届")
    kiku = browser("kiku")
    assert cards(kiku) == {
        "確認中の登録届ファイル": (1, "/admin/registrations/"),
        "お知らせの発行を待っている事業所": (1, "/admin/letters/"),
        "印刷・確認を待っているお知らせ": (1, "/admin/letters/"),
        "導入が停滞している事業所": (1, "/admin/progress/?stuck=y"),
    }
    assert f"PDFの保管の期限 {calendar.japan(ends_at):%Y/%m/%d %H:%M}" in kiku.get("/").text
    assert "届.csv" in kiku.get("/admin/registrations/").text
    assert kiku.get("/admin/letters/").text.count("data-select-one") == 1
    assert "導入中の事業所<small>1件</small>" in kiku.get("/admin/progress/?stuck=y").text
    assert cards(browser("ume")) == {}


def test_the_desk_is_led_to_the_offices_that_lack_an_installer(browser: People, cast: Cast) -> None:
    Device.update(state="issued").where(Device.office == cast.abc).execute()
    Device.update(state="vacant").where(Device.office == cast.xyz).execute()
    dai, url = browser("dai"), "/admin/desk/?state=missing"
    assert cards(dai) == {"インストーラーが未登録の端末がある事業所": (1, url)}
    page = dai.get(url).text
    assert "事業所<small>1件</small>" in page
    assert page.count("インストーラー未登録</span>") == Device.select().where(Device.office == cast.xyz).count()
    Device.update(state="issued").execute()
    assert "未登録の端末がある事業所はありません。" in dai.get(url).text
    assert cards(dai) == {}


# ── several offices ──


def test_with_one_office_there_is_no_table_of_offices(browser: People) -> None:
    assert "事業所ごとの状況" not in browser("taro").get("/").text


def test_the_consultant_sees_each_office_and_switches_from_here(browser: People, cast: Cast) -> None:
    settle_xyz(cast)
    waiting = statement(cast, "delivered")
    Transfer.update(office=cast.xyz).where(Transfer.id == waiting.id).execute()
    hanako, place = browser("hanako"), cast.member("hanako_at_xyz")
    assert cards(hanako) == {}
    page = hanako.get("/").text
    row = page[page.index(f'id="o-{place.uid}"') :]
    assert re.search(r"受取要求を待っている帳票　<strong[^>]*>1件", row)
    assert ">切り替える</button>" in row
    answer = hanako.post("/auth/office", {"place": place.uid, "next": "/"}, page="/")
    assert (answer.status_code, answer.location) == (303, "/")
    assert cards(hanako)["受取要求を待っている帳票"][0] == 1


def test_an_office_that_cannot_be_used_yet_says_so(browser: People, cast: Cast) -> None:
    page = browser("hanako").get("/").text
    assert "管理者の初回登録が終わると、使えるようになります。" in page
    assert ">切り替える</button>" not in page


# ── months and the login before ──


def test_the_picture_says_its_numbers_in_words_and_in_a_table(browser: People, cast: Cast) -> None:
    filing(cast, "delivered")
    filing(cast, "delivered")
    statement(cast, "delivered")
    page, now = browser("taro").get("/").text, calendar.japan(utc_now())
    month = f"{now.year}年{now.month}月"
    assert 'role="img" aria-labelledby="traffic-title traffic-desc"' in page
    assert f"{month} 届書の配信2件、帳票の到着1件。" in page
    assert re.search(rf'{month}</th><td class="td-num">2件</td><td class="td-num">1件</td>', page)
    kiku = browser("kiku").get("/").text
    assert f"{month} 帳票の配信1件、届書の到着2件。" in kiku


def test_without_traffic_there_is_a_sentence_instead_of_a_picture(browser: People) -> None:
    page = browser("taro").get("/").text
    assert "この6か月に配信・受取をしたものはありません。" in page
    assert "<svg viewBox" in page  # the brand's
    assert 'role="img"' not in page


def test_the_desk_gets_no_picture(browser: People, cast: Cast) -> None:
    filing(cast, "delivered")
    assert "送受信の件数" not in browser("dai").get("/").text


def test_the_login_before_is_told(browser: People, cast: Cast) -> None:
    member = cast.member("taro")
    taro = browser("taro")
    assert "前回のログイン" not in taro.get("/").text
    for hour in (0, 1):
        with db.atomic():
            at = datetime.fromisoformat("2026-11-20T00:12:00+00:00") + timedelta(hours=hour)
            audit.record(Actor(member, at=at), "login.succeeded", member.user.uid, kind=member.kind)
    assert re.search(r"前回のログイン　<time [^>]*>2026/11/20 09:12</time>", taro.get("/").text)


# ── the page itself ──


@pytest.mark.parametrize("name", ["taro", "hanako", "kiku", "dai"])
def test_the_page_keeps_the_rules_of_the_markup(app: Flask, browser: People, cast: Cast, name: str) -> None:
    furnish(cast)
    assert Page(browser(name).get("/").text).faults(app.url_map.bind("127.0.0.1")) == []


@pytest.mark.parametrize(("name", "most"), [("taro", 20), ("jun", 17), ("hanako", 19), ("kiku", 31), ("dai", 10)])
def test_the_page_takes_few_queries_however_much_there_is(browser: People, cast: Cast, name: str, most: int) -> None:
    settle_xyz(cast)
    furnish(cast)
    person = browser(name)
    before = queries_of(person, "/")
    furnish(cast)
    after = queries_of(person, "/")
    assert len(before) == len(after) <= most
