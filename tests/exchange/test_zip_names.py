"""How the names inside archives are read, and which are refused."""

import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import zip_names
from exchange.archives import inspect
from tests.exchange.archive_writer import CSV, PASSWORD, Item, made

# Names of single files, as a page knows them too (static/js/pack.js); tests/browser/test_packing.py asks it the same.
FINE = [
    *(
        "髙橋①㈱.csv",
        "表ソ能.csv",
        "～－∥￢.csv",
        "ﾃｽﾄ.csv",
        "薬師寺　届書（控）.csv",
        "ガ.csv",
        "カ\u3099.csv",
        "𠮷野.pdf",
    ),
    *(
        "a",
        ".csv",
        "a b.csv",
        " a.csv",
        "a.b.c",
        "a..csv",
        "a'&;%#!.csv",
        "名簿（１２月）.xlsx",
        "é.csv",
        "e\u0301.csv",
    ),
    *("con1.csv", "acon.csv", "com.csv", "com10.csv", "com⁴.csv", "lpt.txt", "nul_.txt", "CLOCK.csv", "conin.csv"),
    *("長" * 83 + ".pdf", "a" * 255, "😀.pdf", "ﷺ.csv", "a\u00a0.csv", "a\u3000.csv"),
]
REFUSED = [
    *(f"a{sign}.csv" for sign in '<>:"|?*\\'),
    *(
        "a\0.csv",
        "a\r\nb.csv",
        "a\x1b[31m.csv",
        "a\x7f.csv",
        "a\x85.csv",
        "a\u202evsc.exe",
        "a\u200b.csv",
        "a\ufeff.csv",
    ),
    *("a\u00ad.csv", "a\u2028b.csv", "a\u2029b.csv", "\uffff.csv", "\ufffe.csv", "\U0001fffe.csv", "\U0010ffff.csv"),
    *("a\ufdd0.csv", "\ufdef.csv", "\U000e0001.csv"),
    *("a.csv ", "a.csv.", ".", "..", " ", "a. ."),
    *("con", "con.csv", "NUL", "nul .txt", "Aux.pdf", "prn.", "com1.txt", "COM0", "COM¹.csv", "lpt³", "LPT9.a.b"),
    *("CONIN$", "conout$.csv", "clock$ .txt", "con\u0131n$.csv"),
    *("a<\u0338.csv", "a>\u0338.csv"),  # composed they are ≮ and ≯
    *("長" * 84 + ".pdf", "a" * 256, "e\u0301" * 90),
]
TWINS = [
    *(("a.csv", "A.CSV"), ("a.csv", "ａ.csv"), ("ガ.csv", "カ\u3099.csv"), ("ｶﾞ.csv", "ガ.csv"), ("①.csv", "1.csv")),
    *(("㈱.csv", "(株).csv"), ("straße", "STRASSE"), ("STRAẞE", "strasse"), ("ﬀ.csv", "FF.csv"), ("ſ", "s")),
    *(("Σ", "ς"), ("ΟΔΟΣ.csv", "οδος.csv"), ("Å", "å"), ("İ.csv", "i\u0307.csv"), ("㎏.csv", "KG.csv")),
]
STRANGERS = [
    *(("a.csv", "b.csv"), ("ハ.csv", "バ.csv"), ("ひ.csv", "ヒ.csv"), ("高.csv", "髙.csv"), ("a b.csv", "ab.csv")),
    *(("e.csv", "é.csv"), ("ー.csv", "-.csv"), ("あ.csv", "ぁ.csv")),
]


@pytest.mark.parametrize("name", FINE)
def test_names_of_files_are_taken(name: str) -> None:
    assert zip_names.fault(name) is None


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_windows_does_not_take_or_that_hide_something_are_refused(name: str) -> None:
    assert zip_names.fault(name) is not None


def test_names_that_are_one_on_some_computer_are_told_from_those_that_are_two() -> None:
    assert [pair for pair in TWINS if zip_names.folded(pair[0]) != zip_names.folded(pair[1])] == []
    assert [pair for pair in STRANGERS if zip_names.folded(pair[0]) == zip_names.folded(pair[1])] == []


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=40))
def test_a_name_is_either_refused_or_comes_back_composed(name: str) -> None:
    inspection = inspect(io.BytesIO(made(Item(name.encode("utf-8", "replace"), CSV, method=0, flags=0x801))), PASSWORD)
    fault = zip_names.fault(name.encode("utf-8", "replace").decode())
    if fault is None and not name.endswith("/"):
        assert inspection.entries[0].name == unicodedata.normalize("NFC", name)
        assert ".." not in name.split("/")
        assert not set(name) & set('\\<>:"|?*\0\r\n')
    elif fault is not None:
        assert "BAD_NAME" in {finding.code for finding in inspection.findings}


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(codec="cp932", categories=("Lo", "Nd")), min_size=1, max_size=20))
def test_two_names_fold_alike_however_they_are_written(name: str) -> None:
    key = zip_names.folded(name)
    assert zip_names.folded(key) == key
    assert zip_names.folded(unicodedata.normalize("NFD", name)) == key
    assert zip_names.folded(unicodedata.normalize("NFC", name) + "/") == key


@pytest.mark.parametrize("name", ["髙橋①㈱.csv", "表ソ能.csv", "～－∥￢.csv", "ﾃｽﾄ.csv", "薬師寺　届書（控）.csv"])
def test_names_of_japanese_windows_are_read(name: str) -> None:
    assert zip_names.decode(name.encode("cp932"), False) == name
    assert zip_names.decode(name.encode(), False) == name
    assert zip_names.fault(name) is None
