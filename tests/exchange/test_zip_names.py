"""How the names inside archives are read, and which are refused."""

import io
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import zip_names
from exchange.archives import inspect
from tests.exchange.archive_writer import CSV, PASSWORD, Item, made


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
