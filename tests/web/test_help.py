"""The help: everybody reads it, before the login and inside the VPN; it names nobody but whom the fund named."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from blueprints import help
from database import db
from exchange import settings
from models import AuditEntry
from tests.markup import Page
from tests.people import Browser

People = Callable[[str], Browser]
PAGES = ("/help/", *(f"/help/{name}" for name in help.PAGES))
FAQ = "/help/faq"


def decided(**values: str) -> None:
    with db.atomic():
        for key, value in values.items():
            settings.put(key, value)


def text_of(html: str) -> str:
    """What is read on the page, without spaces."""
    return re.sub(r"\s", "", Page(html).text)


def main_of(html: str) -> str:
    return html.partition("<main")[2].partition("</main>")[0]


# ── who reads it, and where ──


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("name", ["", "taro", "hanako", "jiro", "kiku", "dai"])
def test_everybody_reads_every_page_also_before_the_first_login_is_done(browser: People, name: str, page: str) -> None:
    answer = browser(name).get(page)
    assert answer.status_code == 200
    assert "お問い合わせ</h2>" in answer.text


@pytest.mark.parametrize("page", PAGES)
def test_a_question_for_the_head_alone_is_answered_too(browser: People, page: str) -> None:
    answer = browser("").client.head(page)
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("address", ["192.0.2.10", "10.8.0.7", "10.20.0.7"])
def test_it_is_read_from_every_network(instance: Path, address: str) -> None:
    app = create_app({"INSTANCE": instance, "VPN_NETWORKS": ["10.8.0.0/16"], "STAFF_NETWORKS": ["10.20.0.0/16"]})
    client = app.test_client()
    answers = [client.get(page, environ_base={"REMOTE_ADDR": address}).status_code for page in PAGES]
    db.close()
    assert answers == [200] * len(PAGES)


def test_reading_it_leaves_no_trace(browser: People) -> None:
    before, stranger = AuditEntry.select().count(), browser("")
    for page in PAGES:
        stranger.get(page)
    assert AuditEntry.select().count() == before


def test_there_is_no_other_page(browser: People) -> None:
    assert browser("").get("/help/secrets").status_code == 404
    assert browser("").get("/help/faq/").status_code == 404


@pytest.mark.parametrize("page", PAGES)
def test_no_page_needs_another_host_and_each_keeps_the_rules(app: Flask, browser: People, page: str) -> None:
    answer = browser("").get(page)
    found = Page(answer.text)
    assert found.faults(app.url_map.bind("127.0.0.1")) == []
    assert [link for link in found.links if "//" in link] == []
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["", "taro", "jiro", "kiku", "dai"])
@pytest.mark.parametrize("page", ["/", "/onetime/", "/help/faq", "/nothing"])
def test_the_way_to_the_help_stands_at_the_same_place_on_every_page(browser: People, name: str, page: str) -> None:
    html = browser(name).get(page, follow_redirects=True).text
    header = html.partition("<header")[2].partition("</header>")[0]
    links = re.findall(r'<a class="([\w-]+)" href="([^"]*)"', header)
    assert links[:2] == [("td-brand", "/"), ("td-header__help", "/help/")]
    footer = html.partition("<footer")[2]
    assert re.findall(r'href="(/help/\w+)"', footer) == ["/help/faq", "/help/terms", "/help/accessibility"]


# ── whose words and names ──


def test_the_names_are_the_funds(browser: People) -> None:
    decided(fund_name="みらい企業年金基金", fund_contact="業務課 電話 00-0000-0000", service_name="届書の窓口")
    for page in PAGES:
        main = main_of(browser("").get(page).text)
        assert "みらい企業年金基金" in main
        assert "業務課 電話 00-0000-0000" in main
        assert "デモ" not in main


def test_without_a_name_and_a_contact_it_speaks_of_the_office_of_the_fund(browser: People) -> None:
    settings.Setting.delete().where(settings.Setting.key << ["fund_name", "fund_contact"]).execute()
    for page in PAGES:
        assert "基金事務局" in main_of(browser("").get(page).text)


def test_the_terms_are_ours_until_the_fund_writes_its_own(browser: People) -> None:
    ours = main_of(browser("").get("/help/terms").text)
    assert "個人番号（マイナンバー）を含めないでください" in ours
    decided(terms_text="第1条 <b>利用できる人</b>\n第2条 禁止すること")
    theirs = main_of(browser("").get("/help/terms").text)
    assert "第1条 &lt;b&gt;利用できる人&lt;/b&gt;\n第2条 禁止すること" in theirs
    assert "個人番号（マイナンバー）を含めないでください" not in theirs
    for heading in ("運営", "操作の記録", "個人情報", "Cookie"):
        assert f"{heading}</h2>" in ours
        assert f"{heading}</h2>" in theirs


# ── questions ──


def test_every_question_has_an_answer_that_other_pages_can_point_at(browser: People) -> None:
    html = main_of(browser("").get(FAQ).text)
    answers = re.findall(
        r'<details class="td-faq"><summary>[^<]+</summary><div class="td-faq__answer" id="([\w-]+)">', html
    )
    assert len(answers) == html.count("<details") > 15
    assert {
        *("letter", "download", "file", "smartscreen", "month", "download-locked", "activation", "other-pc"),
        *("code-mail", "vpn-first", "password", "locked", "authenticator", "consultant", "several-offices"),
    } <= set(answers)


@pytest.mark.parametrize("page", [*PAGES, "/onetime/"])
def test_every_pointer_into_the_questions_finds_one(browser: People, page: str) -> None:
    ids = set(Page(browser("").get(FAQ).text).ids)
    pointers = re.findall(r'href="/help/faq#([^"]+)"', browser("").get(page).text)
    assert [pointer for pointer in pointers if pointer not in ids] == []
    assert page not in ("/help/", "/onetime/") or len(pointers) >= 4


def test_the_receipt_of_a_one_time_password_points_at_the_mail_that_does_not_come(browser: People) -> None:
    stranger = browser("")
    stranger.post("/onetime/", {"contract_number": "1234567-12345678", "login_id": "nobody001"})
    assert 'href="/help/faq#code-mail"' in stranger.get("/onetime/receipt").text


def test_the_example_of_a_download_password_uses_no_character_that_keys_do_not_have(browser: People) -> None:
    examples = re.findall(r"<code>(\d{6})(\w+)</code>", browser("").get(FAQ).text)
    assert {key for _, key in examples} == {"Kawa2Ume"}
    assert [month for month, _ in examples] == ["202611", "202612"]


def test_times_and_days_are_those_in_force(browser: People) -> None:
    with db.atomic():
        settings.put("code_minutes", 25)
        settings.put("pickup_days", 13)
    faq = text_of(browser("").get(FAQ).text)
    assert "使えるのは発行から25分間です" in faq
    assert "申し出てから13日のあいだ" in faq
    assert "ログインしていられるのは90分までです。30分のあいだ操作がないときも" in faq
    assert "申し出てから13日のあいだ" in text_of(browser("").get("/help/flow").text)


def test_the_flow_tells_the_first_day_and_the_usual_one_in_their_order(browser: People) -> None:
    html = main_of(browser("").get("/help/flow").text)
    titles = re.findall(r'<p class="td-flow__title">([^<]+)</p>', html)
    assert titles == [
        *("届け出る", "登録して、お知らせを郵送する", "手順書とインストーラーをダウンロードする", "インストールする"),
        *("確認コードを送信する", "有効化する", "初めてログインする", "事業所と管理者の情報を登録する"),
        *("ほかの利用者を追加する", "ワンタイムパスワードを受け取る", "VPN接続を始める", "認証する"),
        *("書類を送る、受け取る", "ログアウトして、VPNを切断する"),
    ]


# ── machines and networks ──


def test_the_requirements_name_system_browser_and_the_end_of_windows_10(browser: People) -> None:
    page = text_of(browser("").get("/help/requirements").text)
    assert "Windows11（64ビット）、Windows10（64ビット）" in page
    assert "GoogleChromeバージョン106以降、MicrosoftEdgeバージョン106以降" in page
    assert "Windows10は、2025年10月にMicrosoftのサポートが終わりました。" in page


def test_the_sheet_for_the_network_is_made_from_the_configuration(instance: Path) -> None:
    app = create_app(
        {
            "INSTANCE": instance,
            "BASE_URL": "https://todoke.example:8443",
            "MAIL_FROM": "oshirase@mail.todoke.example",
            "MAX_FILE_BYTES": 50 * 2**20,
        }
    )
    with db.connection_context():
        decided(vpn_host="vpn.todoke.example", vpn_ports="TCP 992")
        page = main_of(app.test_client().get("/help/network", base_url="https://todoke.example:8443").text)
    assert page.count("<code>todoke.example</code>") == 2
    assert "TCP 8443</span>（HTTPS、TLS 1.2以上）" in page
    assert "<code>vpn.todoke.example</code>" in page
    assert ">TCP 992</td>" in page
    assert "<code>mail.todoke.example</code>" in page
    assert "約50MB（52,428,800バイト）" in page
    assert "127.0.0.1" not in page


@pytest.mark.parametrize(("base", "port"), [("https://todoke.example", 443), ("http://127.0.0.1:5000", 5000)])
def test_the_port_is_the_usual_one_unless_the_address_says_another(instance: Path, base: str, port: int) -> None:
    app = create_app({"INSTANCE": instance, "BASE_URL": base})
    page = app.test_client().get("/help/network", base_url=base).text
    db.close()
    assert f"TCP {port}</span>" in page
    assert ("HTTPS" in page) == base.startswith("https")


def test_until_the_fund_has_named_its_vpn_the_sheet_says_whom_to_ask(browser: People) -> None:
    decided(vpn_host="")
    assert re.search(r"<td data-label=\"宛先\">[^<]+にお尋ねください</td>", browser("").get("/help/network").text)


# ── honest ──


def test_the_statement_of_accessibility_claims_no_conformance_and_names_its_limits(browser: People) -> None:
    page = text_of(browser("").get("/help/accessibility").text)
    assert "JISX8341-3:2016の適合レベルAAを目標にしています" in page
    assert "正式な試験は、まだ行っていません" in page
    assert "画面読み上げソフトと、障害のある方ご本人による確認は、まだ行っていません" in page


def test_what_the_statement_says_is_tested_has_its_tests(browser: People) -> None:
    folder = Path(__file__).parent.parent / "browser"
    screens = (folder / "test_screens.py").read_text(encoding="utf-8")
    assert '{"width": 1280' in screens
    assert '{"width": 400' in screens
    assert '("serious", "critical")' in screens
    assert (folder / "test_keyboard.py").exists()
    forced = any("forced_colors" in file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    said = "コントラストテーマ）向けの表示は用意していますが、試験はまだありません" in text_of(
        browser("").get("/help/accessibility").text
    )
    assert said is not forced, "say in the statement what the tests show"
