"""What the fund changes about an office: its registration, its PCs, a new letter, the end of its contract."""

from collections.abc import Callable

import pytest
from flask import Flask

from database import db
from exchange import (
    contracts,
    visits,
)
from exchange.actors import Actor, command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from models import AuditEntry, Mail, Office
from tests.people import Cast

REASON = "変更届（2026/11/20受付）"


def values(office: Office, **other: str) -> dict[str, str]:
    return {column: getattr(office, column) for column in contracts.LABELS} | other


def corrects(cast: Cast, actor: Actor | None = None, **other: str) -> list[str]:
    """From a page just opened."""
    office = cast.abc
    return contracts.correct(actor or cast.kiku, office, values(office, **other), REASON, contracts.seen(office))


def resizes(cast: Cast, limit: int, is_agreed: bool = False, office: Office | None = None) -> bool:
    office = office or cast.abc
    return contracts.change_devices(cast.kiku, office, limit, REASON, office.device_limit, is_agreed)


def closes(actor: Actor, office: Office, despite: bool = False) -> None:
    contracts.close(actor, office, REASON, contracts.under_way_seen(contracts.under_way(office)), despite)


def last(action: str) -> AuditEntry | None:
    return AuditEntry.select().where(AuditEntry.action == action).order_by(AuditEntry.number.desc()).first()


def visit_to(office: Office) -> str:
    with db.atomic():
        return visits.begin(Actor(address="192.0.2.20"), "download", office=office)


VERBS: dict[str, Callable[[Actor, Office], object]] = {
    "correct": lambda actor, office: contracts.correct(actor, office, values(office), REASON, contracts.seen(office)),
    "devices": lambda actor, office: contracts.change_devices(actor, office, 2, REASON, office.device_limit),
    "reissue": lambda actor, office: contracts.reissue(actor, office, REASON),
    "close": closes,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", ["taro", "jun", "ume", "dai"])
def test_only_who_holds_register_changes_a_contract(cast: Cast, name: str, verb: str) -> None:
    with pytest.raises(Forbidden):
        VERBS[verb](getattr(cast, name), cast.abc)
    assert not cast.abc.is_closed
    entry = last("permission.refused")
    assert entry is not None
    assert entry.details == {"word": "register"}


@pytest.mark.parametrize("reason", ["", "　 ", "理" * 301])
def test_without_a_fit_reason_nothing_happens(cast: Cast, reason: str) -> None:
    office = cast.abc
    nothing = contracts.under_way_seen([])
    for act in (
        lambda: contracts.correct(cast.kiku, office, values(office, name="別"), reason, contracts.seen(office)),
        lambda: contracts.change_devices(cast.kiku, office, 4, reason, 3, True),
        lambda: contracts.reissue(cast.kiku, office, reason),
        lambda: contracts.close(cast.kiku, office, reason, nothing),
    ):
        with pytest.raises(Refused, match="理由を1～300文字"):
            act()
    assert (cast.abc.name, cast.abc.device_limit, cast.abc.closed_at) == ("ABC商事株式会社", 3, None)


# ── the registration ──


def test_what_is_corrected_stands_with_its_reason_in_the_audit(cast: Cast) -> None:
    changed = corrects(
        cast, name=" ＡＢＣ商事 ", office_number="００２０１", postal_code="〒100ー0001", address="東京都\r\n\r\n１番地"
    )
    assert changed == ["name", "office_number", "postal_code", "address"]
    office = Office.get(Office.office_number == "00201")
    assert values(office) == {
        **{"name": "ＡＢＣ商事", "office_number": "00201"},
        **{"postal_code": "100-0001", "address": "東京都\n１番地"},
    }
    entry = last("office.corrected")
    assert entry is not None
    assert entry.details["reason"] == REASON
    assert entry.details["changed"]["office_name"] == ["ABC商事株式会社", "ＡＢＣ商事"]
    assert entry.office == office


def test_a_form_without_changes_leaves_no_trace(cast: Cast) -> None:
    before = AuditEntry.select().count()
    assert corrects(cast) == []
    assert AuditEntry.select().count() == before


def test_a_stale_form_can_not_undo_a_colleagues_change(cast: Cast) -> None:
    office, stale = cast.abc, contracts.seen(cast.abc)
    corrects(cast, address="東京都新しい町1")
    with pytest.raises(SomeoneWasFaster, match="画面を開き直して"):
        contracts.correct(cast.kiku, office, values(office, name="別の名前"), REASON, stale)
    assert (cast.abc.address, cast.abc.name) == ("東京都新しい町1", "ABC商事株式会社")


def test_no_two_offices_have_one_number(cast: Cast) -> None:
    with pytest.raises(Refused, match="XYZ工業株式会社"):
        corrects(cast, office_number=" ００１０２")
    assert cast.abc.office_number == "00101"
    closes(command_line(), cast.xyz)
    with pytest.raises(Refused, match="00102"):  # nor that of a contract that is over
        corrects(cast, office_number="00102")


@pytest.mark.parametrize(
    ("column", "typed", "sentence"),
    [
        ("name", "", "事業所名を入力してください"),
        ("name", "　", "事業所名を入力してください"),
        ("name", "社" * 101, "100文字以内"),
        ("name", "=SUM(A1)", "先頭に"),
        ("name", "\ue000商事", "外字"),
        ("name", "\ufffd商事", "文字化け"),
        ("office_number", "", "事業所番号を入力してください"),
        ("office_number", "12A", "数字だけ"),
        ("office_number", "1" * 11, "10文字以内"),
        ("office_number", "٣٤", "数字だけ"),
        ("postal_code", "100-000", "数字7桁"),
        ("postal_code", "abcdefg", "数字7桁"),
        ("address", "町" * 121, "120文字まで"),
        ("address", "1\n2\n3\n4\n5", "4行"),
        ("address", "東京都\n=1+1", "先頭に"),
        ("address", "東京都\n\ue000町", "外字"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(cast: Cast, column: str, typed: str, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        corrects(cast, **{column: typed})
    assert values(cast.abc) == values(cast.abc, name="ABC商事株式会社", office_number="00101", address="")


def test_the_admin_is_told_of_the_correction(app: Flask, cast: Cast) -> None:
    corrects(cast, address="東京都新しい町1")
    lines = Mail.get(Mail.kind == "account_changed", Mail.to_user == cast.member("taro").user).facts["lines"]
    assert lines[-1]["what"] == "事業所の登録の訂正（住所）"
    assert lines[-1]["by"] == "基金事務局"


# ── 利用台数 ──


def test_more_than_three_pcs_take_an_explicit_tick(cast: Cast) -> None:
    with pytest.raises(Refused, match="基金が認めた"):
        resizes(cast, 4)
    assert cast.abc.device_limit == 3
    assert resizes(cast, 4, is_agreed=True)
    assert cast.abc.device_limit == 4
    assert [(one.slot, one.state) for one in cast.abc.devices][3:] == [(4, "vacant")]
    entry = last("office.devices_changed")
    assert entry is not None
    assert entry.details == {"before": 3, "after": 4, "reason": REASON}


def test_what_was_agreed_once_is_not_asked_again_when_it_becomes_less(cast: Cast) -> None:
    resizes(cast, 6, is_agreed=True)
    assert resizes(cast, 5)
    assert cast.abc.devices.count() == 5


def test_the_limit_never_falls_below_what_is_in_use(cast: Cast) -> None:
    with pytest.raises(Refused, match="02、03"):
        resizes(cast, 1)
    assert cast.abc.device_limit == 3
    assert cast.abc.devices.count() == 3


def test_vacant_slots_go(cast: Cast) -> None:
    assert resizes(cast, 1, office=cast.xyz)
    assert (cast.xyz.device_limit, [one.slot for one in cast.xyz.devices]) == (1, [1])


@pytest.mark.parametrize("limit", [0, -1, 100, 10**9])
def test_impossible_limits_are_refused(cast: Cast, limit: int) -> None:
    with pytest.raises(Refused, match="1～99"):
        resizes(cast, limit, is_agreed=True)


def test_a_limit_that_was_changed_meanwhile_is_not_overwritten(cast: Cast) -> None:
    resizes(cast, 4, is_agreed=True)
    with pytest.raises(SomeoneWasFaster):
        contracts.change_devices(cast.kiku, cast.abc, 3, REASON, before=3)
    assert cast.abc.device_limit == 4


def test_the_same_limit_leaves_no_trace(cast: Cast) -> None:
    assert not resizes(cast, 3)
    assert last("office.devices_changed") is None
