"""Addresses out of a CSV: to all of its offices or to none, and never to the office in the next line."""

import csv
import io
from typing import Any

import pytest

from database import utc_now
from exchange import addresses, spreadsheet
from exchange.addresses import Outcome
from exchange.errors import Forbidden
from models import AuditEntry, Office
from tests.exchange.offices import third_office
from tests.people import Cast

HEADINGS = "事業所番号,郵便番号,住所\r\n"
ABC = "00101,100-0001,東京都千代田区千代田1-1\r\n"
XYZ = "00102,2310001,神奈川県横浜市中区新港2-2\r\n"


def bring_in(cast: Cast, text: str, encoding: str = "utf-8-sig") -> Outcome:
    return addresses.bring_in(cast.kiku, text.encode(encoding))


def found(outcome: Outcome) -> list[tuple[int, str]]:
    return [(problem.line, problem.code) for problem in outcome.problems]


def at(office: Office) -> tuple[str, str]:
    fresh = Office.get_by_id(office.id)
    return fresh.postal_code, fresh.address


def corrected() -> list[AuditEntry]:
    return list(AuditEntry.select().where(AuditEntry.action == "office.corrected").order_by(AuditEntry.number))


# ── what is written ──


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "cp932"])
def test_every_office_of_the_file_gets_its_address(cast: Cast, encoding: str) -> None:
    assert bring_in(cast, HEADINGS + ABC + XYZ, encoding) == Outcome(written=2)
    assert at(cast.abc) == ("100-0001", "東京都千代田区千代田1-1")
    assert at(cast.xyz) == ("231-0001", "神奈川県横浜市中区新港2-2")


def test_the_record_tells_of_each_office_what_it_was_and_why(cast: Cast) -> None:
    bring_in(cast, HEADINGS + ABC)
    (entry,) = corrected()
    assert (entry.office, entry.subject, entry.membership) == (cast.abc, cast.abc.uid, cast.member("kiku"))
    assert entry.details == {
        "changed": {"postal_code": ["", "100-0001"], "address": ["", "東京都千代田区千代田1-1"]},
        "reason": addresses.REASON,
    }


def test_what_is_so_already_is_counted_and_not_recorded_again(cast: Cast) -> None:
    bring_in(cast, HEADINGS + ABC)
    assert bring_in(cast, HEADINGS + ABC + XYZ) == Outcome(written=1, same=1)
    assert [entry.office for entry in corrected()] == [cast.abc, cast.xyz]


def test_what_is_missing_is_filled_in_and_only_that_stands_in_the_record(cast: Cast) -> None:
    Office.update(address="東京都千代田区千代田1-1").where(Office.id == cast.abc.id).execute()
    assert bring_in(cast, HEADINGS + ABC) == Outcome(written=1)
    assert corrected()[-1].details["changed"] == {"postal_code": ["", "100-0001"]}


@pytest.mark.parametrize(("was", "typed"), [("100-0001", "100-0002"), ("千代田1-1", "千代田1-2")])
def test_an_address_in_force_is_not_overwritten(cast: Cast, was: str, typed: str) -> None:
    bring_in(cast, HEADINGS + ABC)
    outcome = bring_in(cast, HEADINGS + ABC.replace(was, typed) + XYZ)
    assert found(outcome) == [(2, "TAKEN")]
    assert "「登録の訂正」" in outcome.problems[0].message
    assert (at(cast.abc), at(cast.xyz)) == (("100-0001", "東京都千代田区千代田1-1"), ("", ""))
    assert len(corrected()) == 1


@pytest.mark.parametrize(
    "typed", ["１００－０００１", "1000001", "〒100-0001", " 100 0001 ", "100ー0001", "〒１００‐０００１"]
)
def test_width_and_dashes_of_a_postal_code_refuse_nobody(cast: Cast, typed: str) -> None:
    assert not bring_in(cast, HEADINGS + ABC.replace("100-0001", typed)).problems
    assert at(cast.abc)[0] == "100-0001"


def test_an_address_may_have_lines_and_commas(cast: Cast) -> None:
    outcome = bring_in(cast, HEADINGS + '00101,1000001,"東京都千代田区千代田1-1\n\n 皇居ビル, 3階 "\r\n' + XYZ)
    assert outcome == Outcome(written=2)
    assert at(cast.abc)[1] == "東京都千代田区千代田1-1\n皇居ビル, 3階"


def test_headings_stand_in_any_order_and_others_do_not_matter(cast: Cast) -> None:
    text = "メモ,住　所,〒,事業所番号, 郵便番号 \r\nx,東京都千代田区千代田1-1,y,００１０１,1000001\r\n"
    assert bring_in(cast, text) == Outcome(written=1)


def test_a_line_left_blank_changes_nothing(cast: Cast) -> None:
    assert bring_in(cast, HEADINGS + ABC + "00102,,\r\n\r\n,,\r\n") == Outcome(written=1, blank=1)
    assert at(cast.xyz) == ("", "")


def test_zeros_that_excel_took_away_are_found_again(cast: Cast) -> None:
    assert bring_in(cast, HEADINGS + ABC.replace("00101", "101")) == Outcome(written=1)
    assert at(cast.abc)[0] == "100-0001"


def test_zeros_that_could_be_two_offices_decide_nothing(cast: Cast) -> None:
    Office.update(office_number="0101").where(Office.id == cast.xyz.id).execute()
    assert found(bring_in(cast, HEADINGS + ABC.replace("00101", "101"))) == [(2, "AMBIGUOUS")]
    assert bring_in(cast, HEADINGS + ABC) == Outcome(written=1)
    assert at(cast.abc)[0] == "100-0001"


# ── the form ──


def form(cast: Cast) -> list[list[str]]:
    data = b"".join(spreadsheet.as_csv(addresses.form_rows(cast.kiku)))
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_form_names_the_offices_without_an_address(cast: Cast) -> None:
    third_office()
    bring_in(cast, HEADINGS + ABC)
    assert form(cast) == [
        ["事業所番号", "郵便番号", "住所", "事業所名"],
        ["00102", "", "", "XYZ工業株式会社"],
        ["00103", "", "", "QRS物産株式会社"],
    ]


def test_the_form_can_be_brought_in_when_it_is_filled_in(cast: Cast) -> None:
    rows = [
        [*row[:1], "1000001", "東京都千代田区千代田1-1", *row[3:]] if at else row for at, row in enumerate(form(cast))
    ]
    assert addresses.bring_in(cast.kiku, b"".join(spreadsheet.as_csv(rows))) == Outcome(written=2)
    assert form(cast) == [["事業所番号", "郵便番号", "住所", "事業所名"]]


def test_who_took_the_form_away_is_recorded(cast: Cast) -> None:
    form(cast)
    entry = AuditEntry.select().order_by(AuditEntry.number.desc()).get()
    assert (entry.action, entry.membership, entry.details) == (
        "letters.addresses_listed",
        cast.member("kiku"),
        {"entries": 2},
    )


@pytest.mark.parametrize("name", ["taro", "ume", "dai"])
def test_only_clerks_with_the_word_get_the_form(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        addresses.form_rows(getattr(cast, name))
    assert not AuditEntry.select().where(AuditEntry.action == "letters.addresses_listed").exists()


def test_a_name_of_another_office_betrays_a_line_that_slipped(cast: Cast) -> None:
    text = "事業所番号,郵便番号,住所,事業所名\r\n00101,1000001,東京都千代田区1-1,XYZ工業株式会社\r\n"
    outcome = bring_in(cast, text)
    assert found(outcome) == [(2, "NAME")]
    assert "ABC商事株式会社" in outcome.problems[0].message
    assert not bring_in(cast, text.replace("XYZ工業株式会社", "ＡＢＣ商事株式会社")).problems


# ── what is refused ──

WRONG: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "unknown": ("99999,1000001,東京都\r\n", [(3, "UNKNOWN")]),
    "no number": (",1000001,東京都\r\n", [(3, "NO_NUMBER")]),
    "digits of another script": ("٠٠١٠٢,1000001,東京都\r\n", [(3, "UNKNOWN")]),
    "six digits": ("00102,100000,東京都\r\n", [(3, "ZERO_LOST")]),
    "eight digits": ("00102,100-00011,東京都\r\n", [(3, "POSTAL_CODE")]),
    "postal letters": ("00102,abc-defg,東京都\r\n", [(3, "POSTAL_CODE")]),
    "no postal code": ("00102,,東京都\r\n", [(3, "REQUIRED")]),
    "no address": ("00102,1000001, \r\n", [(3, "REQUIRED")]),
    "same office twice": (XYZ + "102,1000001,東京都\r\n", [(4, "DUPLICATE")]),
    "formula": ('00102,1000001,"=HYPERLINK(""x"")"\r\n', [(3, "FORMULA")]),
    "full-width formula": ("00102,1000001,＝1+1\r\n", [(3, "FORMULA")]),
    "formula in the second line": ('00102,1000001,"東京都\n+1"\r\n', [(3, "FORMULA")]),
    "formula for a number": ("=00102,1000001,東京都\r\n", [(3, "FORMULA"), (3, "UNKNOWN")]),
    "minus": ("00102,-1000001,東京都\r\n", [(3, "FORMULA"), (3, "POSTAL_CODE")]),
    "tab": ("00102,1000001,\t東京都\r\n", [(3, "FORMULA")]),
    "writing direction": ("00102,1000001,東京\u202e都\r\n", [(3, "CONTROL")]),
    "hidden in the second line": ('00102,1000001,"東京都\n千\u200b代田区"\r\n', [(3, "CONTROL")]),
    "line break in a postal code": ('00102,"100\n0001",東京都\r\n', [(3, "CONTROL")]),
    "private character": ("00102,1000001,東京都\ue000区\r\n", [(3, "GAIJI")]),
    "lost character": ("00102,1000001,東京都\ufffd区\r\n", [(3, "BROKEN_TEXT")]),
    "comma that is not quoted": ("00102,1000001,東京都1-1,3階\r\n", [(3, "EXTRA_CELLS")]),
    "121 characters": (f"00102,1000001,{'あ' * 121}\r\n", [(3, "TOO_LONG")]),
    "five lines": ('00102,1000001,"a\nb\nc\nd\ne"\r\n', [(3, "TOO_LONG")]),
    "two in one line": ("99999,1,東京都\r\n", [(3, "UNKNOWN"), (3, "POSTAL_CODE")]),
    "two lines": ("99999,1000001,東京都\r\n\r\n99998,1000001,東京都\r\n", [(3, "UNKNOWN"), (5, "UNKNOWN")]),
    "open quote": ('00102,1000001,"東京都\r\n', [(3, "NOT_CSV")]),
    "after lines inside a cell": ('00102,1000001,"a\nb"\r\n99999,1,東京都\r\n', [(4, "UNKNOWN"), (4, "POSTAL_CODE")]),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_wrong_line_and_nothing_is_written(cast: Cast, case: str) -> None:
    lines, wanted = WRONG[case]
    outcome = bring_in(cast, HEADINGS + ABC + lines)
    assert found(outcome) == wanted
    assert (outcome.written, at(cast.abc), at(cast.xyz), corrected()) == (0, ("", ""), ("", ""), [])


FILES: dict[str, tuple[Any, str]] = {
    "nothing": (b"", "EMPTY"),
    "only line breaks": (b"\r\n\r\n", "EMPTY"),
    "only headings": (HEADINGS.encode(), "NO_DATA"),
    "nothing filled in": ((HEADINGS + "00101,,\r\n").encode(), "NO_DATA"),
    "no headings": (ABC.encode(), "HEADER"),
    "another table": ("氏名,住所\r\n".encode(), "HEADER"),
    "a heading twice": ("事業所番号,郵便番号,住所,住所\r\n".encode(), "TWICE"),
    "tabs": ((HEADINGS + ABC).replace(",", "\t").encode(), "HEADER"),
    "workbook": (b"PK\x03\x04" + b"\0" * 100, "WORKBOOK"),
    "old workbook": (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "WORKBOOK"),
    "UTF-16": ((HEADINGS + ABC).encode("utf-16"), "ENCODING"),
    "UTF-16 without a mark": (("0,a" * 20).encode("utf-16-le"), "ENCODING"),
    "EUC-JP": ((HEADINGS + ABC).encode("euc_jp"), "ENCODING"),
    "damaged": ((HEADINGS + ABC).encode()[:-10] + b"\xff\xfe", "ENCODING"),
    "one cell of 200,000": ((HEADINGS + "00101,1000001," + "あ" * 200_000).encode(), "NOT_CSV"),
    "more than a megabyte": (HEADINGS.encode() + b" " * 2**20, "TOO_LARGE"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_is_no_such_table_is_told_apart(cast: Cast, case: str) -> None:
    data, code = FILES[case]
    outcome = addresses.bring_in(cast.kiku, data)
    assert [problem.code for problem in outcome.problems] == [code]
    assert corrected() == []


def test_more_lines_than_one_file_may_have(cast: Cast) -> None:
    outcome = bring_in(cast, HEADINGS + ABC * (addresses.RECORDS + 1))
    assert found(outcome) == [(addresses.RECORDS + 2, "TOO_MANY")]


def test_a_closed_office_has_no_address_any_more(cast: Cast) -> None:
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    assert found(bring_in(cast, HEADINGS + ABC + XYZ)) == [(3, "UNKNOWN")]


@pytest.mark.parametrize("name", ["taro", "ume", "dai"])
def test_only_clerks_with_the_word_bring_addresses_in(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        addresses.bring_in(getattr(cast, name), (HEADINGS + ABC).encode())
    assert at(cast.abc) == ("", "")
