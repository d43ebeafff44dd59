"""What people type is brought into one form; width is never refused, other scripts and hidden characters are."""

import datetime
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import normalise

thorough = settings(max_examples=200, deadline=None, database=None, derandomize=True)
NORMALISERS = [
    normalise.text,
    normalise.half_width,
    normalise.contract_number,
    normalise.login_id,
    normalise.mail,
    normalise.person_name,
    normalise.kana,
    normalise.digits,
    normalise.code,
]
EVERY_NORMALISER = pytest.mark.parametrize("normaliser", NORMALISERS, ids=lambda normaliser: normaliser.__name__)
# kana, sound marks, dashes, spaces, combining marks, hidden characters: where normalisers meet themselves
TRICKY = st.text(alphabet="カガはばﾊｶﾞﾟ゛゜゙゚ーｰ－-−あゝゞヽ　 \u00a0\t\n\u200b\u2028\0①㍻Ａa@.1福\ufa1b", max_size=12)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  ABC商事　", "ABC商事"),
        ("ＡＢＣ商事", "ＡＢＣ商事"),
        ("㈱髙﨑", "㈱髙﨑"),
        ("が", "が"),
        ("ABC\r\n商事", "ABC  商事"),
        ("ABC\0\x1b\u200b\u202e商事", "ABC商事"),
        ("a\u2028b\vc\td", "a b c d"),
        ("\ufa1b田", "\ufa1b田"),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("𠮷野家", "𠮷野家"),
        ("\ud800", ""),
        ("", ""),
    ],
)
def test_text_is_one_clean_line_in_the_glyphs_that_were_typed(typed: str, kept: str) -> None:
    assert normalise.text(typed) == kept


@pytest.mark.parametrize("dash", list("-‐‑‒–—―−ー─━－ｰ﹣﹘"))
def test_every_dash_look_alike_is_a_hyphen_in_a_contract_number(dash: str) -> None:
    assert normalise.contract_number(f"1234567{dash}12345678") == "1234567-12345678"


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        (" 1234567 - 12345678　", "1234567-12345678"),
        ("１２３４５６７－１２３４５６７８", "1234567-12345678"),
        ("123456712345678", "1234567-12345678"),
        ("916237-0000021", "916237-0000021"),
        ("9162370000021", "9162370000021"),
    ],
)
def test_a_contract_number_may_be_typed_in_many_ways(typed: str, number: str) -> None:
    assert normalise.contract_number(typed) == number


@pytest.mark.parametrize("number", ["1234567-12345678", "916237-0000021", "1-1", "12345678901234567890-123456789"])
def test_contract_numbers_of_any_division_are_known(number: str) -> None:
    assert normalise.is_contract_number(number)


@pytest.mark.parametrize(
    "number",
    ["", "-", "123456712345678", "1234567-", "1-2-3", "a-1", "١-٢", "1-1\n", "12345678901234567890-12345678901"],
)
def test_other_strings_are_no_contract_numbers(number: str) -> None:
    assert not normalise.is_contract_number(number)


def test_a_user_id_keeps_its_case_and_loses_its_width() -> None:
    assert normalise.login_id(" ｋｉｋｉｎＴ００１　") == "kikinT001"


@pytest.mark.parametrize("login_id", ["kikinT01", "ABCDEFGH1234567", "12345678"])
def test_8_to_15_letters_and_digits_are_a_user_id(login_id: str) -> None:
    assert normalise.is_login_id(login_id)


@pytest.mark.parametrize(
    "login_id", ["kikin01", "ABCDEFGH12345678", "kikin-T001", "kikinT٠٠١", "キキンタロウ", "kikinT001\n"]
)
def test_anything_else_is_no_user_id(login_id: str) -> None:
    assert not normalise.is_login_id(login_id)
    assert not normalise.LOGIN_ID.match(login_id)


@pytest.mark.parametrize(
    ("typed", "mail"),
    [
        (" Taro@OFFICE.Example ", "Taro@office.example"),
        ("Ｔａｒｏ＠ｏｆｆｉｃｅ．ｅｘａｍｐｌｅ", "Taro@office.example"),
        ("Taro", "Taro"),
        ("taro@office.example\u200b", "taro@office.example"),
    ],
)
def test_a_mail_address_loses_its_width_and_the_case_of_its_domain(typed: str, mail: str) -> None:
    assert normalise.mail(typed) == mail


@pytest.mark.parametrize(
    "mail",
    ["taro@office.example", "a.b+c_d@x-y.co.example", "1@2.example", "o'neil@office.example", "a" * 64 + "@b.example"],
)
def test_plain_addresses_are_accepted(mail: str) -> None:
    assert normalise.is_mail(mail)


@pytest.mark.parametrize(
    "mail",
    [
        "",
        "taro",
        "@office.example",
        "taro@",
        "taro@localhost",
        "taro@192.0.2.1",
        "taro@office.example.",
        "taro@office..example",
        "ta..ro@office.example",
        ".taro@office.example",
        "taro @office.example",
        "太郎@office.example",
        "taro@基金.example",
        "taro@office.example\n",
        '"ta ro"@office.example',
        "a@b@c.example",
        "a" * 65 + "@b.example",
        "a@" + "b." * 123 + "example",
    ],
)
def test_other_strings_are_no_mail_addresses(mail: str) -> None:
    assert not normalise.is_mail(mail)


@pytest.mark.parametrize("typed", ["基金 太郎", "基金　太郎", " 基金 　\u00a0太郎 ", "基金\t太郎", "基金\n太郎"])
def test_one_full_width_space_stands_between_the_names_of_a_person(typed: str) -> None:
    assert normalise.person_name(typed) == "基金　太郎"


@pytest.mark.parametrize(
    ("typed", "kana"),
    [
        ("キキン タロウ", "キキン　タロウ"),
        ("ｷｷﾝ ﾀﾛｳ", "キキン　タロウ"),
        ("ききん　　たろう", "キキン　タロウ"),
        ("ﾍﾞｯﾌﾟ ｶﾞｸ", "ベップ　ガク"),
        ("カ゛ク ハ゜", "ガク　パ"),
        ("か゛く ば", "ガク　バ"),
        ("がく", "ガク"),
        ("ゔぁん ｳﾞｧﾝ", "ヴァン　ヴァン"),
        ("わ゙", "ヷ"),
        ("いすゞ ﾐｽｽﾞ", "イスヾ　ミスズ"),
        ("ｵｰﾀ オ－タ オ-タ オ―タ", "オータ　オータ　オータ　オータ"),
        ("キキン -タロウ", "キキン　-タロウ"),
        ("ｼﾞｮﾝ･F", "ジョン・F"),
        ("基金 taro", "基金　taro"),
    ],
)
def test_kana_of_any_kind_becomes_full_width_katakana(typed: str, kana: str) -> None:
    assert normalise.kana(typed) == kana


@pytest.mark.parametrize(
    "kana",
    [
        "キキン　タロウ",
        "グエン　ヴァン　アン",
        "オータ　イスヾ",
        "ジョン・ポール　スミス",
        "ア" * 24 + "　" + "イ" * 25,
    ],
)
def test_full_width_kana_with_a_space_is_a_name_in_kana(kana: str) -> None:
    assert normalise.is_kana(kana)


@pytest.mark.parametrize(
    "kana",
    [
        "",
        "キキンタロウ",
        "キキン タロウ",
        "ｷｷﾝ　ﾀﾛｳ",
        "きき　たろ",
        "キ　",
        "　タロウ",
        "キ　　タ",
        "キ　ータ",
        "キ　・タ",
        "ア" * 25 + "　" + "イ" * 25,
    ],
)
def test_other_strings_are_no_name_in_kana(kana: str) -> None:
    assert not normalise.is_kana(kana)


def test_digits_lose_their_width() -> None:
    assert normalise.digits(" ００１２３　") == "00123"
    assert normalise.is_digits("00123")


@pytest.mark.parametrize("typed", ["", "12a", "1 2", "-1", "1.5", "١٢٣", "१२३", "一二三", "1\n2"])
def test_digits_of_other_scripts_are_not_digits(typed: str) -> None:
    assert not normalise.is_digits(normalise.digits(typed))


@pytest.mark.parametrize(
    "typed", ["12345678", "1234 5678", " 1234-5678 ", "１２３４　５６７８", "1234－5678", "12 34 56 78\n"]
)
def test_a_one_time_password_may_be_typed_in_groups(typed: str) -> None:
    assert normalise.code(typed) == "12345678"


@pytest.mark.parametrize(
    "typed",
    [
        "2024/5/26",
        "2024/05/26",
        "2024-5-26",
        "2024.5.26",
        "20240526",
        "2024年5月26日",
        "２０２４／５／２６",
        "２０２４－０５－２６",
        " 2024 / 5 / 26 ",
        "R6.5.26",
        "r6.5.26",
        "R6/5/26",
        "Ｒ６．５．２６",
        "令和6年5月26日",
        "令和 6 年 5 月 26 日",
        "令和６年５月２６日",
        "㋿6年5月26日",
    ],
)
def test_a_date_may_be_typed_in_many_ways(typed: str) -> None:
    assert normalise.date_on(typed) == datetime.date(2024, 5, 26)


@pytest.mark.parametrize(
    ("typed", "date"),
    [
        ("令和元年5月1日", datetime.date(2019, 5, 1)),
        ("令和1年5月1日", datetime.date(2019, 5, 1)),
        ("R元.5.1", datetime.date(2019, 5, 1)),
        ("平成31年4月30日", datetime.date(2019, 4, 30)),
        ("平成元年1月8日", datetime.date(1989, 1, 8)),
        ("H1.1.8", datetime.date(1989, 1, 8)),
        ("昭和64年1月7日", datetime.date(1989, 1, 7)),
        ("S元.12.25", datetime.date(1926, 12, 25)),
        ("2024/2/29", datetime.date(2024, 2, 29)),
        ("1900/1/1", datetime.date(1900, 1, 1)),
    ],
)
def test_the_first_and_the_last_day_of_an_era_are_read(typed: str, date: datetime.date) -> None:
    assert normalise.date_on(typed) == date


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "平成36年5月26日",
        "平成31年5月1日",
        "令和元年4月30日",
        "昭和64年1月8日",
        "平成元年1月7日",
        "昭和元年12月24日",
        "令和0年5月1日",
        "2023/2/29",
        "2024/13/1",
        "2024/5/32",
        "0024/5/26",
        "1899/12/31",
        "24/5/26",
        "5/26/2024",
        "2024/5-26",
        "2024年5月26",
        "2024/5",
        "45438",
        "2024526",
        "202405260",
        "٢٠٢٤/٥/٢٦",
        "大正6年5月26日",
        "T6.5.26",
        "2024/5/26 10:00",
        "今日",
        "9" * 5000,
        "令和" + "9" * 5000 + "年1月1日",
    ],
)
def test_what_is_no_date_is_none(typed: str) -> None:
    assert normalise.date_on(typed) is None


@pytest.mark.parametrize(
    ("date", "spelled"),
    [
        (datetime.date(2024, 5, 26), "令和6年5月26日"),
        (datetime.date(2019, 5, 1), "令和元年5月1日"),
        (datetime.date(2019, 4, 30), "平成31年4月30日"),
        (datetime.date(1989, 1, 7), "昭和64年1月7日"),
        (datetime.date(1926, 12, 24), "1926年12月24日"),
    ],
)
def test_a_date_is_spelled_in_its_era(date: datetime.date, spelled: str) -> None:
    assert normalise.era(date) == spelled


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1", "-1", "@SUM", "\tx", "\rx", "＝1", "＋1", "－1", "＠x", "−1", "﹣1", " =1", "　＝1", "\u200b=1"],
)
def test_what_a_spreadsheet_may_run_is_formula_like(cell: str) -> None:
    assert normalise.is_formula_like(cell)


@pytest.mark.parametrize("cell", ["", " ", "ABC", "1-1", "a=b", "ーズ", "'=1", "※ =", "基金"])
def test_other_cells_are_not_formula_like(cell: str) -> None:
    assert not normalise.is_formula_like(cell)


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("ABC商事", []),
        (" 葛\U000e0100城　花\r\n", []),
        ("=1", ["FORMULA"]),
        ("a\nb", ["CONTROL"]),
        ("a\u202eb", ["CONTROL"]),
        ("\ue000田", ["GAIJI"]),
        ("\ufffd田", ["BROKEN_TEXT"]),
        ("＝\0\ue000\ufffd", ["FORMULA", "CONTROL", "GAIJI", "BROKEN_TEXT"]),
    ],
)
def test_what_makes_a_line_unfit_is_named_all_at_once(cell: str, codes: list[str]) -> None:
    assert normalise.unfit(cell) == codes


@EVERY_NORMALISER
def test_endless_combining_marks_do_not_hold_up_the_server(normaliser) -> None:
    started = time.process_time()
    assert len(normaliser("a" + "\u0316\u0301" * 100_000)) <= normalise.LONGEST
    assert time.process_time() - started < 1


@EVERY_NORMALISER
@thorough
@given(typed=st.text() | TRICKY)
def test_normalising_twice_changes_nothing_more(normaliser, typed: str) -> None:
    once = normaliser(typed)
    assert normaliser(once) == once


@EVERY_NORMALISER
@thorough
@given(typed=st.text(alphabet=st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Lo", "Nd"])))
def test_no_hidden_character_is_left(normaliser, typed: str) -> None:
    assert not normalise.has_hidden(normaliser(typed))


@thorough
@given(st.text(alphabet=st.characters(min_codepoint=0x3041, max_codepoint=0x3096), min_size=1, max_size=20))
def test_all_hiragana_becomes_katakana(typed: str) -> None:
    assert normalise.is_katakana(normalise.kana(typed))


@thorough
@given(st.text(alphabet=[chr(point) for point in range(0xFF66, 0xFF9E) if point != 0xFF70], min_size=1, max_size=20))
def test_all_half_width_kana_becomes_katakana(typed: str) -> None:
    assert normalise.is_katakana(normalise.kana(typed))


@thorough
@given(st.dates(min_value=datetime.date(1926, 12, 25), max_value=datetime.date(2117, 12, 31)))
def test_a_date_spelled_in_its_era_is_read_back(date: datetime.date) -> None:
    assert normalise.date_on(normalise.era(date)) == date
    assert normalise.date_on(unicodedata.normalize("NFKC", normalise.era(date))) == date


@thorough
@given(st.text(alphabet="0123456789年月日令和平成昭元RHS/.-／．ー ٠", max_size=12))
def test_no_spelling_of_a_date_raises(typed: str) -> None:
    date = normalise.date_on(typed)
    assert date is None or date.year >= 1900
