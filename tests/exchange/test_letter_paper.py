"""The page of the letter: what it says, in which order, and that it is one sheet whatever the names are."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pypdf
import pytest

from exchange import letter_paper, normalise, settings
from exchange.errors import Unusable
from exchange.letter_paper import Facts, Press, PressFailed, Window
from tests import pdf

FACTS = Facts(
    office_name="ABC商事株式会社",
    postal_code="100-0001",
    address="東京都千代田区千代田1-2-3\nサンプルビル5階",
    fund_name="サンプル企業年金基金",
    fund_contact="業務課 gyoumu@fund.example",
    service_name="企業年金電子連携サービス",
    credential_line="",
    issued_on=date(2026, 11, 24),
    entered_on=date(2019, 5, 1),
    admin_name="甲野　太郎",
    admin_kana="コウノ　タロウ",
    admin_mail="taro@abc-shoji.example",
    device_limit=3,
    contract_number="1234567-12345678",
    base_url="https://todoke.example",
    download_key="XdiV2rKa",
    login_id="abcTaro01",
    initial_password="ABCdefGH2345",
    last_day=date(2026, 12, 23),
)
WINDOW = Window(20, 12, 90, 45)
LONGEST = replace(
    FACTS,
    office_name="亜" * normalise.OFFICE_NAME_LENGTH,
    address="\n".join(["伊" * 30] * 4),
    fund_name="宇" * 100,
    fund_contact="江" * 200,
    service_name="尾" * 50,
    credential_line="佳" * 200,
    admin_name="紀" * (normalise.NAME_LENGTH - 1) + "　",
    admin_kana="カ" * 25 + "　" + "ナ" * (normalise.KANA_LENGTH - 26),
    admin_mail=f"{'m' * 64}@{'d' * 60}.{'e' * 60}.{'f' * 59}.example",
    contract_number="1" * 14 + "-" + "2" * 15,
    login_id="W" * 15,
    device_limit=999,
)
BLOCKS = (
    "利用者詳細内容",
    "電子連携契約番号",
    "インストーラーダウンロードサイト",
    "ログイン詳細（管理者）",
    "ご利用開始までの流れ",
)

pytestmark = pdf.needs_readers


def page(facts: Facts = FACTS, window: Window = WINDOW) -> bytes:
    with Press() as press:
        press.begin(facts, window)
        return press.page()


@pytest.fixture(scope="module")
def letter() -> bytes:
    return page()


def test_the_five_blocks_stand_in_the_order_of_the_guide(letter: bytes) -> None:
    text = pdf.text(letter)
    found = [text.index(f"■ {block}") for block in BLOCKS]
    assert found == sorted(found)


def test_the_letter_has_the_form_of_one(letter: bytes) -> None:
    text = pdf.text(letter)
    title = "「企業年金電子連携サービス 管理者情報登録完了」のお知らせ"
    found = [text.index(word) for word in ("発行日 令和8年11月24日", title, "拝啓", "敬具\n", "\n 記\n", BLOCKS[0])]
    assert found == sorted(found)
    assert text.rindex("以上") > text.index(BLOCKS[-1])


@pytest.mark.parametrize(
    ("is_set_up", "told", "untold"),
    [(False, "確認コード", "これまでのまま"), (True, "インストールのやり直しは要りません", "確認コード")],
)
def test_a_reissued_letter_says_so_and_asks_nothing_that_is_done(is_set_up: bool, told: str, untold: str) -> None:
    again = "".join(pdf.text(page(replace(FACTS, is_reissue=True, is_set_up=is_set_up))).split())
    assert "のお知らせ（再発行）" in again
    assert "前にお送りした書面のダウンロードキーと初期パスワードは使えません" in again
    assert told in again
    assert untold not in again


def test_each_fact_stands_in_its_block(letter: bytes) -> None:
    text = pdf.text(letter)
    parts = [text[text.index(f"■ {one}") :].split("\n■")[0] for one in BLOCKS]
    wanted = (
        ["令和元年5月1日", "甲野 太郎（コウノ タロウ）", "taro@abc-shoji.example", "3台"],
        ["1234567-12345678"],
        ["https://todoke.example/download/", "XdiV2rKa", "202611", "14文字"],
        ["abcTaro01", "ABCdefGH2345", "令和8年12月23日まで", "使っていません"],
        ["https://todoke.example/activate/", "https://todoke.example/onetime/", "https://todoke.example/auth/"],
    )
    assert [[word for word in words if word not in part] for words, part in zip(wanted, parts, strict=True)] == [[]] * 5


def test_each_secret_stands_once_and_without_gaps(letter: bytes) -> None:
    text = pdf.text(letter)
    assert (text.count("XdiV2rKa"), text.count("ABCdefGH2345"), text.count("202611XdiV2rKa")) == (1, 1, 0)


def test_the_qr_code_leads_to_the_download_counter_and_holds_no_secret(letter: bytes) -> None:
    assert pdf.qr_codes(letter) == ["https://todoke.example/download/"]


def test_the_fonts_are_in_the_file(letter: bytes) -> None:
    fonts = pypdf.PdfReader(io.BytesIO(letter)).pages[0]["/Resources"]["/Font"].values()
    descendants = [font.get_object()["/DescendantFonts"][0].get_object() for font in fonts]
    assert descendants
    assert all("/FontFile2" in one["/FontDescriptor"] or "/FontFile3" in one["/FontDescriptor"] for one in descendants)


@pytest.mark.parametrize(
    "window", [WINDOW, Window(5, 5, 60, 25), Window(50, 40, 60, 25), Window(5, 5, 110, 55), Window(50, 40, 110, 55)]
)
@pytest.mark.parametrize("facts", [FACTS, LONGEST], ids=["usual", "longest"])
def test_the_address_stands_inside_the_window_and_nothing_else_does(facts: Facts, window: Window) -> None:
    made = page(facts, window)
    right, bottom = window.left + window.width, window.top + window.height
    inside, cut = [], []
    for word, *(x1, y1, x2, y2) in pdf.places(made):
        if window.left <= x1 and x2 <= right and window.top <= y1 and y2 <= bottom:
            inside.append(word)
        elif x1 < right and x2 > window.left and y1 < bottom and y2 > window.top:
            cut.append(word)
    assert cut == []
    whole = f"〒{facts.postal_code}{facts.address}{facts.office_name}御中"
    assert "".join(inside) == "".join(whole.split())
    assert len(pdf.pages(made)) == 1


def test_the_windows_tried_are_the_corners_of_what_the_fund_can_set() -> None:
    bounds = {side: settings.DECLARED[f"envelope_{side}"].bounds for side in ("left", "top", "width", "height")}
    assert bounds == {"left": (5, 50), "top": (5, 40), "width": (60, 110), "height": (25, 55)}
    assert {side: settings.DECLARED[f"envelope_{side}"].default for side in bounds} == vars(WINDOW)


def test_the_longest_letter_loses_nothing() -> None:
    text = "".join(pdf.text(page(LONGEST)).split())
    counted = {sign: text.count(sign) for sign in "亜伊宇江尾佳紀カ"}
    assert counted == {"亜": 100, "伊": 120, "宇": 100, "江": 200, "尾": 50, "佳": 200, "紀": 49, "カ": 25}
    assert LONGEST.login_id in text


def test_an_office_without_an_address_gets_its_letter() -> None:
    made = pdf.text(page(replace(FACTS, postal_code="", address="")))
    assert "ABC商事株式会社 御中" in made
    assert "〒" not in made


def test_what_people_type_is_text_and_fetches_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.css"
    secret.write_text("* { color: red }")
    name = f'<img src="file://{secret}"><link rel="stylesheet" href="file://{secret}"><b>太郎</b>'
    assert "<b>太郎</b>" in "".join(pdf.text(page(replace(FACTS, admin_name=name))).split())


@pytest.mark.parametrize("address", ["file:///etc/hostname", "https://todoke.example/a.png", "data:text/css,*{}"])
def test_the_press_refuses_to_fetch(address: str) -> None:
    with Press() as press:
        press.ask({"html": f'<link rel="stylesheet" href="{address}"><p>', "sheets": [""]})
        with pytest.raises(PressFailed, match="FatalURLFetchingError"):
            press.page()


def test_what_never_fits_on_one_page_is_refused_and_the_press_goes_on() -> None:
    with Press() as press:
        press.begin(replace(FACTS, admin_name="亜" * 9000), WINDOW)
        with pytest.raises(PressFailed, match="OverflowError"):
            press.page()
        press.begin(FACTS, WINDOW)
        assert press.page().startswith(b"%PDF")


def test_many_letters_become_one_file_in_their_order(letter: bytes) -> None:
    out = io.BytesIO()
    second = page(replace(FACTS, office_name="XYZ工業株式会社"))
    letter_paper.bind(([made[:1000], made[1000:]] for made in (letter, second)), out)
    first_page, second_page = pdf.pages(out.getvalue())
    assert "ABC商事株式会社" in first_page
    assert "XYZ工業株式会社" in second_page


def test_the_press_cannot_write_a_byte_into_a_file() -> None:
    with Press() as press:
        press.begin(FACTS, WINDOW)
        press.page()
        limits = Path(f"/proc/{press._process.pid}/limits").read_text()
    found = [line.split()[-3:-1] for line in limits.splitlines() if line.startswith(("Max file size", "Max core"))]
    assert found == [["0", "0"]] * 2


def test_the_press_has_an_end_of_memory_and_of_time() -> None:
    with Press() as press:
        press.begin(FACTS, WINDOW)
        press.page()
        limits = Path(f"/proc/{press._process.pid}/limits").read_text()
    found = {line[:16].strip(): line.split()[3] for line in limits.splitlines()}
    assert found["Max address spac"] == str(letter_paper.MEMORY)
    assert letter_paper.PAGE_SECONDS <= int(found["Max cpu time"]) <= 2 * letter_paper.PAGE_SECONDS


@pytest.mark.parametrize("wait", [lambda press: press.page(), lambda press: press.ask({"html": "x" * 2**20})])
def test_a_press_that_hangs_is_ended_whether_it_should_answer_or_listen(wait: Callable[[Press], object]) -> None:
    with Press(patience=0.05) as press:
        press.ask({"html": "<p>", "sheets": [""]})
        os.kill(press._process.pid, signal.SIGSTOP)
        with pytest.raises(PressFailed, match="too long"):
            wait(press)
        assert press._process.wait(10) == -signal.SIGKILL


def test_a_binding_that_hangs_is_ended(letter: bytes) -> None:
    before = children()

    def pages() -> Iterator[list[bytes]]:
        (binding,) = children() - before
        os.kill(binding, signal.SIGSTOP)
        yield [letter]

    with pytest.raises(PressFailed, match="too long"):
        letter_paper.bind(pages(), io.BytesIO(), patience=0.05)
    assert children() <= before


def children() -> set[int]:
    """The processes that this one has started and not buried."""
    return {int(pid) for one in Path("/proc/self/task").iterdir() for pid in (one / "children").read_text().split()}


def test_a_press_that_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PressFailed):
        page()


def test_a_machine_without_the_libraries_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    monkeypatch.setattr(letter_paper, "_has_worked", [False])
    with pytest.raises(Unusable, match="weasyprint"):
        letter_paper.require_press()
