"""Every action of the audit has its Japanese, whatever its facts."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blueprints import deeds
from exchange import audit, people, permissions, settings, trail
from models import MEMBER_KINDS

ROOT = Path(__file__).resolve().parent.parent
SAMPLES: dict[str, tuple[Any, ...]] = {
    "fund_name": ("みらい企業年金基金",),
    "changed": ({}, {"short_name": ["", "ABC"], "forbids_self_approval": [False, True]}, ["name", "kana", "mail"], []),
    "filters": ({}, {"q": "甲野", "member": "abcJun001", "office": "ABC", "action": "login", "since": "2026-04-01"}),
    "entries": (0, 12345),
    "login_id": ("abcJun001",),
    "kind": (*MEMBER_KINDS,),
    "words": ([], ["upload", "approve"], ["staff", "audit"]),
    "before": ([], ["upload", "cancel"]),
    "after": (["approve", "deliver", "upload"], []),
    "contract_number": ("1234567-12345678",),
    "office_number": ("00101",),
    "device_limit": (3,),
    "slot": (1, 12),
    "device": ("", "1234567-12345678.02"),
    "word": (*sorted(permissions.KNOWN | permissions.ACTS), "answer"),
    "number": ("123-456",),
    "is_sent": (True, False),
    "why": (*deeds.WHYS, "something new"),
    "minutes": (30,),
    "left": (0, 7),
    "short_name": ("ABC商事",),
    "archive_password_version": (1,),
    "receipt_number": ("20261123-1234567",),
    "size": (0, 1234567),
    "bytes": (0, 1234567),
    "sha256": ("0" * 64,),
    "replaces": ("", "20261123-7654321"),
    "verdict": (*deeds.VERDICTS,),
    "scan": ("", "ClamAV 1.4.6　定義ファイル 2026/11/20"),
    "codes": ([], ["WRONG_PASSWORD"]),
    "cause": ("office", "account"),
    "reason": ("生年月日が違います",),
    "label": ("操作手順書",),
    "edition_on": ("2026-11-01",),
    "file_name": ("四月分の登録届",),
    "rows": (1, 200),
    "line": (2,),
    "columns": (["A"], ["E", "H"]),
    "office_name": ("ABC商事",),
    "letters": (1, 200),
    "reissues": (0, 3),
    "dispatched_on": ("2026-11-24",),
    "is_automatic": (True, False),
    "is_on": (True, False),
    "predecessor": ("abcTaro01",),
    "successor": ("abcJun001",),
    "entry_number": (0, 3),
    "entry_sha256": ("0" * 64,),
}
# What else than words can stand before and after a change.
MOVED = {"before": ("uploaded",), "after": ("approved",)}
SPECIAL = {
    "handover.asked": {"kind": ("planned", "emergency")},
    "handover.done": {"kind": ("planned", "emergency")},
    "device.requested": {"code": ("01A3F9",)},
    "member.limited": {"before": ("", "2026/12/31"), "after": ("2026/12/31", "")},
    "office.devices_changed": {"before": (3,), "after": (4,)},
}
ENGLISH = re.compile(r"[A-Za-z_]{3,}")
MEANT = {"abcJun", "abcTaro", "ABC", "ZIP", "ZipCrypto", "VPN", "ClamAV"}


def shapes(action: str) -> Iterator[dict[str, Any]]:
    """Facts as this action may carry them: each value of each fact once."""
    special = MOVED if action.startswith(("filing", "statement")) else SPECIAL.get(action, {})
    samples = {name: (SAMPLES | special)[name] for name in audit.ACTIONS[action]}
    for number in range(max((len(values) for values in samples.values()), default=1)):
        yield {name: values[number % len(values)] for name, values in samples.items()}


@pytest.mark.parametrize("action", audit.ACTIONS)
def test_every_action_has_a_word_and_a_group(action: str) -> None:
    assert deeds.label(action)
    assert not ENGLISH.search(re.sub("ZIP|CSV|PDF|VPN", "", deeds.label(action)))
    assert deeds.group(action)


def test_the_words_are_those_of_the_actions_there_are() -> None:
    assert set(deeds.DEEDS) == set(audit.ACTIONS)
    assert set(deeds.GROUP_LABELS) == set(trail.GROUPS)


def test_every_action_belongs_to_one_group_but_the_end_of_a_download_to_both_directions() -> None:
    of = {action: [key for key, actions in trail.GROUPS.items() if action in actions] for action in audit.ACTIONS}
    assert {action for action, keys in of.items() if len(keys) != 1} == {"transfer.sent_whole"}
    assert deeds.group("transfer.sent_whole") == "届書・帳票"


@pytest.mark.parametrize("action", audit.ACTIONS)
def test_every_shape_of_its_facts_is_told_in_japanese(action: str) -> None:
    for facts in shapes(action):
        told = deeds.text(action, facts)
        assert not re.search(r"None|[{}\n]", told)
        assert set(ENGLISH.findall(told)) <= MEANT, told


@pytest.mark.parametrize("action", ["filing.returned", "filing.rejected"])
def test_a_reason_that_was_kept_from_the_reader_is_left_out(action: str) -> None:
    assert deeds.text(action, {"before": "uploaded", "after": "returned"}) == ""
    assert deeds.text(action, {"reason": "印がありません"}) == "理由：印がありません"


def test_a_change_of_permissions_names_what_was_given_and_what_was_taken() -> None:
    facts = {"login_id": "abcJun001", "before": ["cancel", "upload"], "after": ["approve", "deliver", "upload"]}
    assert deeds.text("permissions.changed", facts) == "ユーザーID abcJun001　承認、配信 を付与／取消 を外す"


def test_a_new_person_is_told_with_kind_and_words() -> None:
    facts = {"login_id": "srHanako1", "kind": "consultant", "words": ["upload", "cancel"]}
    assert deeds.text("member.added", facts) == "ユーザーID srHanako1（社労士・税理士）　権限：アップロード、取消"


def test_a_changed_setting_is_told_in_the_words_of_the_settings_page() -> None:
    facts = {"changed": {"code_minutes": [10, 15], "statement_second_clerk": [False, True]}}
    told = deeds.text("settings.changed", facts)
    assert told == "、".join(
        f"{settings.DECLARED[key].label}：{settings.spoken(key, before)} → {settings.spoken(key, after)}"
        for key, (before, after) in facts["changed"].items()
    )


def test_what_was_taken_away_is_told_with_what_was_asked_for() -> None:
    filters = {"action": "login", "until": "2026-04-30", "q": "甲野"}
    told = deeds.text("audit.exported", {"entries": 1234, "filters": filters})
    assert told == "1,234件（種類「ログイン」、名前・ユーザーID「甲野」、期間 ～2026/04/30）"


def test_every_reason_that_the_verbs_write_has_its_words() -> None:
    written = set(_reasons())
    assert {"password", "wrong", "no active device"} <= written
    assert written <= set(deeds.WHYS)


def test_everything_that_can_be_refused_has_its_words() -> None:
    assert set(deeds.REFUSED) >= permissions.KNOWN | permissions.ACTS


def test_every_kind_and_column_has_its_words() -> None:
    assert set(deeds.KINDS) == set(MEMBER_KINDS)
    assert set(people.OFFICE_COLUMNS) <= set(deeds.COLUMNS)


def _reasons() -> Iterator[str]:
    """The texts in exchange/ that become the `why` of an entry."""
    for file in (ROOT / "exchange").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "record":
                yield from _texts(word.value for word in node.keywords if word.arg == "why")
            elif name == "_log_refusal":
                yield from _texts(node.args)


def _texts(nodes: Any) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.IfExp):
            yield from _texts((node.body, node.orelse))
        elif isinstance(node, ast.Constant):
            yield node.value
