"""The settings as they are declared: words for people, values that fit, and the list in the manual."""

import re
from pathlib import Path

import pytest

from database import db
from exchange import settings
from exchange.settings import DECLARED
from tests.people import Cast

JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def test_every_setting_says_what_it_does_in_japanese() -> None:
    for key, declared in DECLARED.items():
        for words in (declared.group, declared.label, declared.explanation):
            assert JAPANESE.search(words), key
        assert declared.explanation.endswith("。"), key
    labels = [declared.label for declared in DECLARED.values()]
    assert len(set(labels)) == len(labels)


def test_settings_of_one_group_stand_together() -> None:
    groups = [declared.group for declared in DECLARED.values()]
    assert groups == sorted(groups, key=groups.index)


def test_every_setting_has_a_limit() -> None:
    for key, declared in DECLARED.items():
        is_limited = declared.bounds or declared.choices or declared.longest or declared.kind is bool
        assert is_limited, key


def test_every_default_fits_but_the_name_that_setup_asks_for() -> None:
    problems = {key for key, declared in DECLARED.items() if settings.problem(key, declared.default)}
    assert problems == {"fund_name"}


@pytest.mark.parametrize("key", [key for key, declared in DECLARED.items() if declared.longest])
def test_a_text_may_be_as_long_as_declared_and_no_longer(cast: Cast, key: str) -> None:
    longest = DECLARED[key].longest
    assert settings.problem(key, "あ" * longest) is None
    with pytest.raises(ValueError, match=f"{longest}文字まで"), db.atomic():
        settings.put(key, "あ" * (longest + 1))
    assert settings.get(key) != "あ" * (longest + 1)


@pytest.mark.parametrize("key", [key for key, declared in DECLARED.items() if declared.bounds])
def test_a_number_may_be_its_bounds_and_nothing_beyond(key: str) -> None:
    low, high = DECLARED[key].bounds
    assert [settings.problem(key, value) is None for value in (low - 1, low, high, high + 1)] == [
        *(False, True, True, False)
    ]


def test_a_very_long_text_is_judged_quickly_and_refused() -> None:
    value = settings.tidy("notice", "あ\u0301" * 100_000)
    assert len(value) <= 4000
    assert "400文字まで" in (settings.problem("notice", value) or "")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("code_minutes", 10, "10分"),
        ("zipcrypto", "refuse", "受け付けない"),
        ("notice_kind", "warning", "注意"),
        ("statement_second_clerk", True, "チェックあり"),
        ("statement_second_clerk", False, "チェックなし"),
        ("notice", "", "空欄"),
        ("notice", "休業します", "休業します"),
    ],
)
def test_a_value_is_told_as_a_person_reads_it(key: str, value: object, words: str) -> None:
    assert settings.spoken(key, value) == words


def test_the_manual_lists_every_setting_with_its_default() -> None:
    section = OPERATIONS.read_text(encoding="utf-8").partition("## 基金が決めること")[2].partition("\n## ")[0]
    listed = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|", section, re.MULTILINE))
    declared = {one.label: settings.spoken(key, one.default) for key, one in DECLARED.items()}
    assert listed == {"項目": "初期値", **declared}
