"""The fund: that there is one, and what it decides."""

from typing import Any

import pytest

from exchange import audit, fund, settings
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Grant, Setting
from tests.people import Cast

NOTICE = "年末年始は休業します。\n1月4日から受け付けます。"


def entries() -> list[AuditEntry]:
    return list(AuditEntry.select().where(AuditEntry.action == "settings.changed"))


def test_a_fund_is_established_once(cast: Cast) -> None:
    assert fund.has_fund()
    with pytest.raises(Refused, match="すでに"):
        fund.establish_fund(command_line(), "別の基金", "")
    assert settings.get("fund_name") != "別の基金"


@pytest.mark.parametrize("name", ["", "あ" * 101])
def test_a_fund_without_a_name_that_fits_is_not_established(cast: Cast, name: str) -> None:
    Setting.delete().execute()
    with pytest.raises(Refused, match="基金名"):
        fund.establish_fund(command_line(), name, "")
    assert not fund.has_fund()


def test_a_decision_is_written_with_what_was_before(cast: Cast) -> None:
    changed = fund.decide(cast.kiku, {"pickup_days": (7, 14), "notice": ("", NOTICE)})
    assert changed == ["pickup_days", "notice"]
    assert (settings.get("pickup_days"), settings.get("notice")) == (14, NOTICE)
    (entry,) = entries()
    assert entry.details == {"changed": {"pickup_days": [7, 14], "notice": ["", NOTICE]}}
    assert entry.membership == cast.member("kiku")
    assert audit.verify().is_sound


def test_whoever_lacks_the_word_decides_nothing_and_it_is_logged(cast: Cast) -> None:
    for actor in (cast.ume, cast.dai, cast.taro, Actor()):
        with pytest.raises(Forbidden):
            fund.decide(actor, {"pickup_days": (7, 14)})
    assert (settings.get("pickup_days"), entries()) == (7, [])
    refusals = AuditEntry.select().where(AuditEntry.action == "permission.refused")
    assert [entry.details for entry in refusals] == [{"word": "settings"}] * 4


def test_a_word_taken_away_counts_at_once(cast: Cast) -> None:
    kiku = cast.kiku
    fund.decide(kiku, {"pickup_days": (7, 14)})
    Grant.delete().where(Grant.membership == kiku.membership, Grant.word == "settings").execute()
    with pytest.raises(Forbidden):
        fund.decide(kiku, {"pickup_days": (14, 7)})
    assert settings.get("pickup_days") == 14


def test_who_comes_second_is_told_which_setting_and_changes_none(cast: Cast) -> None:
    fund.decide(cast.kiku, {"pickup_days": (7, 14)})
    with pytest.raises(SomeoneWasFaster, match="「受取要求からダウンロードできる日数」は"):
        fund.decide(cast.kiku, {"code_minutes": (10, 20), "pickup_days": (7, 10)})
    assert (settings.get("pickup_days"), settings.get("code_minutes")) == (14, 10)
    assert len(entries()) == 1


def test_two_clerks_change_different_settings_side_by_side(cast: Cast) -> None:
    fund.decide(cast.kiku, {"pickup_days": (7, 14)})
    fund.decide(cast.kiku, {"code_minutes": (10, 20)})
    assert (settings.get("pickup_days"), settings.get("code_minutes")) == (14, 20)


def test_a_decision_sent_twice_acts_once(cast: Cast) -> None:
    assert fund.decide(cast.kiku, {"pickup_days": (7, 14)}) == ["pickup_days"]
    assert fund.decide(cast.kiku, {"pickup_days": (7, 14)}) == []
    assert len(entries()) == 1


def test_a_decision_about_nothing_leaves_no_trace(cast: Cast) -> None:
    assert fund.decide(cast.kiku, {}) == []
    assert entries() == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("fund_name", "", "基金名：空欄にはできません"),
        ("fund_name", " \u3000\u200b", "基金名：空欄にはできません"),
        ("service_name", "", "サービス名：空欄にはできません"),
        ("service_name", "あ" * 51, "50文字まで.*今は51文字"),
        ("notice", "あ\n" * 200 + "い" * 2, "400文字まで"),
        ("code_minutes", 4, "5～30分の範囲"),
        ("code_minutes", 31, "5～30分の範囲"),
        ("code_minutes", "十", "5～30分の範囲"),
        ("code_minutes", True, "5～30分の範囲"),
        ("password_length", 11, "12～64文字の範囲"),
        ("pickup_days", 10**30, "1～31日の範囲"),
        ("zipcrypto", "accept", "選んでください"),
        ("notice_kind", "", "選んでください"),
        ("notice_kind", ["info"], "選んでください"),
        ("statement_second_clerk", "y", "選んでください"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_with_its_sentence_and_nothing_is_written(
    cast: Cast, key: str, value: Any, words: str
) -> None:
    before = settings.every()
    with pytest.raises(Refused, match=words):
        fund.decide(cast.kiku, {"credential_line": ("", "指定番号 1"), key: (before[key], value)})
    assert settings.every() == before
    assert entries() == []


def test_what_nobody_sees_in_a_text_is_not_kept(cast: Cast) -> None:
    typed = "\n\u202e 休業\u200bの\x00お知らせ　\r\n\r\n1月4日まで\u2028以上\n\n"
    fund.decide(cast.kiku, {"notice": ("", typed), "fund_contact": (settings.get("fund_contact"), "業務\n課\x7f")})
    assert settings.get("notice") == "休業のお知らせ\n\n1月4日まで\n以上"
    assert settings.get("fund_contact") == "業務 課"


def test_an_undeclared_setting_is_nobodys_to_decide(cast: Cast) -> None:
    with pytest.raises(KeyError):
        fund.decide(cast.kiku, {"no_such_setting": ("", "x")})
    assert Setting.get_or_none(Setting.key == "no_such_setting") is None
