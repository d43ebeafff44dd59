"""The registration file of an office: what is read from it, and what is found wrong, cell by cell."""

import dataclasses
import datetime
import json
import random
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import normalise, registration_file
from exchange.registration_file import RegistrationFile, read
from tests.exchange import registration_corpus as corpus
from tests.exchange.registration_corpus import ACCEPTED, REJECTED, SAMPLE, SAMPLE_VALUES, Case, form, one, record

TODAY = datetime.date(2024, 6, 1)
FIELDS = list(SAMPLE_VALUES)
EVERY_CASE = pytest.mark.parametrize("case", ACCEPTED + REJECTED, ids=lambda case: case.name)
thorough = settings(max_examples=200, deadline=None, database=None, derandomize=True)


def judged(case: Case) -> RegistrationFile:
    return read(case.data, case.password, TODAY)


def found(result: RegistrationFile) -> list[str]:
    """Everything found, as the corpus spells it."""
    spelled = []
    for row in result.as_json("届.csv")["rows"]:
        spelled += [f"{row['line']}{error['column']}:{error['code']}" for error in row["errors"]]
        spelled += [f"~{row['line']}{warning['column']}:{warning['code']}" for warning in row["warnings"]]
    return spelled


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_a_good_file_is_accepted(case: Case) -> None:
    assert judged(case).verdict == "accept"


@pytest.mark.parametrize("case", REJECTED, ids=lambda case: case.name)
def test_a_bad_file_is_rejected(case: Case) -> None:
    assert judged(case).verdict == "reject"


@EVERY_CASE
def test_exactly_the_expected_is_found_at_its_line_and_column(case: Case) -> None:
    assert sorted(found(judged(case))) == sorted(case.found.split())


@EVERY_CASE
def test_the_number_of_records_is_right(case: Case) -> None:
    assert len(judged(case).as_json("届.csv")["rows"]) == case.rows


@pytest.mark.parametrize(
    "case", [case for case in ACCEPTED + REJECTED if case.values is not None], ids=lambda case: case.name
)
def test_the_values_of_the_first_record_are_right(case: Case) -> None:
    assert judged(case).rows[0].values == SAMPLE_VALUES | case.values


@EVERY_CASE
def test_the_answer_has_exactly_the_pinned_shape(case: Case) -> None:
    answer = judged(case).as_json("届.csv")
    assert json.loads(json.dumps(answer)) == answer
    assert list(answer) == ["file", "verdict", "rows"]
    for row in answer["rows"]:
        assert list(row) == ["line", "verdict", "values", "errors", "warnings"]
        assert list(row["values"]) == FIELDS
        assert row["verdict"] == ("reject" if row["errors"] else "accept")
        for problem in row["errors"] + row["warnings"]:
            assert list(problem) == ["column", "code", "message"]
            assert problem["column"] in set("ABCDEFGH")


@pytest.mark.parametrize("case", [case for case in ACCEPTED + REJECTED if case.found], ids=lambda case: case.name)
def test_every_message_is_a_sentence_that_says_what_to_do(case: Case) -> None:
    for row in judged(case).as_json("届.csv")["rows"]:
        for problem in row["errors"] + row["warnings"]:
            assert problem["message"].endswith("ください。")
            assert "{" not in problem["message"]


def test_every_own_code_is_found_somewhere_in_the_corpus() -> None:
    codes = {spelled.partition(":")[2] for case in ACCEPTED + REJECTED for spelled in case.found.split()}
    assert set(registration_file.MESSAGES) <= codes


def test_a_line_break_in_the_last_heading_moves_the_records_down_one_line() -> None:
    heading = corpus.HEADING.replace("電子連携サービス 利用予定台数", '"電子連携サービス\r\n利用予定台数"')
    result = read(corpus.lines(heading, SAMPLE).encode(), None, TODAY)
    assert [row.line for row in result.rows] == [3]
    assert result.verdict == "accept"


def test_a_record_is_found_at_the_line_where_it_starts() -> None:
    result = read(form(record(B="1", G='"ABC商事\n\n"'), "", record(B="2")), None, TODAY)
    assert [row.line for row in result.rows] == [2, 6]


def test_a_message_names_the_item_as_the_form_does() -> None:
    (error,) = read(one(F="kikin01"), None, TODAY).rows[0].errors
    assert error.message == "ユーザーIDは8文字から15文字です（いまは7文字）。文字数を直してください。"


def test_the_later_of_two_records_names_the_line_of_the_first() -> None:
    result = read(form(SAMPLE, SAMPLE, SAMPLE), None, TODAY)
    messages = [[error.message for error in row.errors] for row in result.rows]
    assert messages[0] == []
    assert all("2行目" in message for row in messages[1:] for message in row)


def test_four_devices_are_sent_to_the_fund_for_a_talk() -> None:
    (error,) = read(one(H="4"), None, TODAY).rows[0].errors
    assert error.message == "電子連携サービス 利用予定台数は最大3台です。超える場合は基金事務局へご相談ください。"


def test_the_fund_may_allow_more_devices() -> None:
    result = read(one(H="5"), None, TODAY, max_devices=5)
    assert result.verdict == "accept"
    assert result.rows[0].values["device_limit"] == 5


def test_records_before_an_open_quote_are_judged_nevertheless() -> None:
    result = read(form(record(H="9"), record(B="2", G='"ABC商事')), None, TODAY)
    assert found(result) == ["2H:TOO_MANY_DEVICES", "3A:NOT_CSV"]


def test_the_day_after_a_leap_day_a_year_later_is_old() -> None:
    entered = one(A="2024/2/29")
    assert found(read(entered, None, datetime.date(2025, 2, 28))) == []
    assert found(read(entered, None, datetime.date(2025, 3, 1))) == ["~2A:OLD_DATE"]


def test_a_thousand_offices_fit_into_one_file() -> None:
    result = read(form(*(record(B=str(number)) for number in range(1000))), None, TODAY)
    assert result.verdict == "accept"
    assert len(result.rows) == 1000


def test_the_blank_form_opens_in_excel_and_is_accepted_once_filled_in() -> None:
    blank = registration_file.blank_form()
    assert blank == b"\xef\xbb\xbf" + corpus.HEADING.encode() + b"\r\n"
    assert found(read(blank, None, TODAY)) == ["1A:NO_DATA"]
    assert read(blank + SAMPLE.encode(), None, TODAY).verdict == "accept"


def test_an_answer_cannot_be_changed() -> None:
    result = read(form(SAMPLE), None, TODAY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.rows[0].line = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "data",
    [
        form() + "※\n".encode() * 2**17,
        form() + b"\n" * (2**20 - 500),
        form() + ("a" + "\u0316\u0301" * 140 + ",").encode() * 1700,
        form() + ("※" + "\u0316\u0301" * 60_000).encode() * 4,
        b"," * 2**20,
        "入力日,".encode() * 2**16,
        b'"' * 2**20,
    ],
    ids=["notes", "blank lines", "combining marks", "long notes", "commas", "headings", "quotes"],
)
def test_a_file_made_to_be_slow_is_judged_within_two_seconds(data: bytes) -> None:
    started = time.process_time()
    assert read(data, None, TODAY).verdict == "reject"
    assert time.process_time() - started < 2


@thorough
@given(st.binary(max_size=400))
def test_reading_never_raises_for_any_bytes(data: bytes) -> None:
    assert read(data, "x", TODAY).verdict == "reject"


CELLS = [st.sampled_from([cell, cell, corpus.SAMPLE_CELLS["B"]]) | st.text(max_size=20) for cell in record().split(",")]


@thorough
@given(st.lists(st.tuples(*CELLS), max_size=4), st.sampled_from(["utf-8", "cp932", "utf-16"]))
def test_reading_never_raises_for_any_cells(rows: list[tuple[str, ...]], encoding: str) -> None:
    quoted = (",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows)
    assert_sound(read(corpus.lines(corpus.HEADING, *quoted).encode(encoding, "replace"), None, TODAY))


def test_four_thousand_damaged_files_are_judged_without_an_exception() -> None:
    chance = random.Random(20240526)
    sources = [case for case in ACCEPTED + REJECTED if 0 < len(case.data) < 2000]
    started = time.process_time()
    records = Counter()
    for _ in range(4000):
        case = chance.choice(sources)
        result = read(damaged(case.data, chance), case.password, TODAY)
        assert_sound(result)
        records.update(row.verdict for row in result.rows)
    assert min(records["accept"], records["reject"]) > 100, "too few mutants came as far as a record"
    assert time.process_time() - started < 5


ASCII_PIECES = (b"", b"0", b"9", b"a", b" ", b"-", b"/", b"=", b'"', b",", b"\r", b"\n", b"\0", b"\t", b"\x1b")
PIECES = (*ASCII_PIECES, b"\xff", b"\xe3\x80\x80", b"\x81\x40", b"\xe2\x80\xa8", b"PK")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """One to four places changed, cut out or put in, half of the time only among the bytes of ASCII characters."""
    mutant = bytearray(data)
    is_gentle = chance.random() < 0.5
    for _ in range(chance.randint(1, 4)):
        places = [place for place, byte in enumerate(mutant) if byte < 0x80] if is_gentle else range(len(mutant))
        place = chance.choice(places or [0])
        mutant[place : place + chance.randint(0, 1)] = chance.choice(ASCII_PIECES if is_gentle else PIECES)
    return bytes(mutant)


def assert_sound(result: RegistrationFile) -> None:
    """Whatever was accepted may be stored as it is."""
    assert result.verdict in ("accept", "reject")
    assert json.dumps(result.as_json("届.csv"))
    for row in result.rows:
        if row.verdict == "accept":
            values = row.values
            assert values["name"]
            assert values["office_name"]
            assert normalise.is_kana(values["kana"])
            assert normalise.is_mail(values["mail"])
            assert normalise.is_login_id(values["login_id"])
            assert normalise.is_digits(values["office_number"])
            assert datetime.date.fromisoformat(values["entered_on"]) <= TODAY
            assert 1 <= values["device_limit"] <= 3
            assert not any(normalise.unfit(str(value)) for value in values.values())
