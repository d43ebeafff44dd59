"""Which confirmation codes are taken, and what the office reads about those that aren't."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from database import utc_now
from equipment import ActivationRequest, Installer
from exchange import activation_checks, activations, confirmation_code, settings, visits, vpn
from exchange.activation_checks import Rejected
from exchange.errors import Refused, TooMany
from models import AuditEntry, Device, Office
from tests.exchange.activating import at_counter, fresh, sends, slot, visit_of
from tests.exchange.codes import Built, Pc, built, code
from tests.exchange.vpn_server import VpnServer
from tests.people import Cast

pytestmark = pytest.mark.usefixtures("app")

Sent = tuple[Office, bytes]


@pytest.fixture(autouse=True)
def _by_hand(app: Any) -> None:
    vpn.configure(vpn.Manual())


def refused_codes() -> list[tuple[str, str]]:
    entries = AuditEntry.select().where(AuditEntry.action == "device.refused").order_by(AuditEntry.number)
    return [(entry.details["why"], entry.subject) for entry in entries]


def changed_by_hand(cast: Cast) -> Sent:
    data = code(built(cast.xyz, 2), encoding="utf-8")
    return cast.xyz, data.replace(b"SOUMU-PC01", b"SOUMU-PC02")


def with_another_key(cast: Cast) -> Sent:
    other = built(cast.xyz, 2)
    return cast.xyz, code(Built(other.installer, bytes(32)))


def of_another_office(cast: Cast) -> Sent:
    return cast.abc, code(built(cast.xyz, 2))


def of_a_renewed_installer(cast: Cast) -> Sent:
    old = built(cast.xyz, 2)
    built(cast.xyz, 2)
    return cast.xyz, code(old)


def of_an_unknown_installer(cast: Cast) -> Sent:
    return cast.xyz, code(built(cast.xyz, 2), installer="0" * 32)


def of_another_slots_installer(cast: Cast) -> Sent:
    return cast.xyz, code(built(cast.xyz, 2), slot="01", code="01A3F9")


def of_a_slot_that_never_was(cast: Cast) -> Sent:
    return cast.xyz, code(built(cast.xyz, 2), slot="77", code="77A3F9")


def beside_an_uploaded_installer(cast: Cast) -> Sent:
    made = built(cast.xyz, 2)
    Installer.update(certificate=None, key_sealed=None).where(Installer.id == made.installer.id).execute()
    return cast.xyz, code(made)


def beyond_the_limit(cast: Cast) -> Sent:
    made = built(cast.xyz, 2)
    Office.update(device_limit=1).where(Office.id == cast.xyz.id).execute()
    return cast.xyz, code(made)


def of_an_installer_in_use(cast: Cast) -> Sent:
    made = built(cast.xyz, 2)
    activations.accept(cast.dai, sends(made))
    return cast.xyz, code(made, Pc(computer="OTHER-PC"))


def of_an_installer_whose_pc_was_stopped(cast: Cast) -> Sent:
    office, data = of_an_installer_in_use(cast)
    Installer.update(unbound_at=utc_now()).execute()
    Device.update(state="stopped").where(Device.office == office, Device.slot == 2).execute()
    return office, data


def while_it_is_settled(cast: Cast) -> Sent:
    made = built(cast.xyz, 2)
    ActivationRequest.update(state="settling").where(ActivationRequest.id == sends(made).id).execute()
    return cast.xyz, code(made)


def of_a_pc_in_another_slot(cast: Cast) -> Sent:
    pc = Pc()
    activations.accept(cast.dai, sends(built(cast.xyz, 1), pc))
    return cast.xyz, code(built(cast.xyz, 2), pc)


def of_a_pc_of_another_office(cast: Cast) -> Sent:
    pc = Pc()
    activations.accept(cast.dai, sends(built(cast.abc, 2), pc))
    return cast.xyz, code(built(cast.xyz, 2), pc)


TABLE: dict[Callable[[Cast], Sent], tuple[str, str]] = {
    of_another_office: ("contract", "ほかの事業所の端末の確認コードです.*契約番号 {own}"),
    of_a_renewed_installer: ("installer", "古いインストーラー.*端末 02 の新しいインストーラー"),
    of_an_unknown_installer: ("installer", "古いインストーラー.*インストールし直し"),
    of_another_slots_installer: ("installer", "古いインストーラー.*端末 01"),
    of_a_slot_that_never_was: ("installer", "古いインストーラー.*端末 77"),
    beside_an_uploaded_installer: ("installer", "基金事務局.*へご連絡ください"),
    beyond_the_limit: ("installer", "利用台数（1台）に入っていません"),
    changed_by_hand: ("signature", "作られたあとで変わっています.*「インストール確認」をもう一度"),
    with_another_key: ("signature", "作られたあとで変わっています"),
    of_an_installer_in_use: ("used", "すでに端末の有効化に使われています.*「PCの入れ替え」"),
    of_an_installer_whose_pc_was_stopped: ("used", "すでに端末の有効化に使われています"),
    while_it_is_settled: ("used", "有効化の途中です.*お待ちください"),
    of_a_pc_in_another_slot: ("machine", "すでに端末 01 として登録されています.*端末 02 として使うPC"),
    of_a_pc_of_another_office: ("machine", "ほかの事業所の端末として登録されています.*別のPC"),
}


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.__name__)
def test_a_code_is_refused_with_what_is_wrong_and_what_to_do(cast: Cast, case: Callable[[Cast], Sent]) -> None:
    why, sentence = TABLE[case]
    office, data = case(cast)
    requests, devices = _everything()
    with pytest.raises(Rejected, match=sentence.format(own=office.contract_number)) as rejected:
        activations.request(at_counter(), visit_of(office), data)
    assert rejected.value.why == why
    assert refused_codes() == [(why, rejected.value.subject)]
    assert rejected.value.subject in [office.uid, *(device.uid for device in office.devices)]
    assert _everything() == (requests, devices)


def _everything() -> tuple[Any, Any]:
    requests = [(one.id, one.state) for one in ActivationRequest.select().order_by(ActivationRequest.id)]
    return requests, [(one.id, one.state) for one in Device.select().order_by(Device.id)]


def test_another_office_is_never_named(cast: Cast) -> None:
    for case, other in ((of_another_office, cast.xyz), (of_a_pc_of_another_office, cast.abc)):
        office, data = case(cast)
        with pytest.raises(Rejected) as rejected:
            activations.request(at_counter(), visit_of(office), data)
        for word in (other.name, other.short_name, other.contract_number, other.office_number):
            assert not word or word not in rejected.value.message


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "空です"),
        (b"x" * 16_385, "大きすぎます.*16,384 バイトまで"),
        (b"PK\x03\x04", "確認コードのファイルではありません.*デスクトップ"),
        (b"\xff\xff", "文字コードが正しい形ではありません"),
        (b"TODOKE1|916237-0000021|01", "項目の数が正しい形ではありません.*「インストール確認」をもう一度"),
    ],
)
def test_what_is_no_confirmation_code_is_refused_with_how_to_get_one(cast: Cast, data: bytes, sentence: str) -> None:
    with pytest.raises(Rejected, match=sentence):
        activations.request(at_counter(), visit_of(cast.xyz), data)
    assert refused_codes() == [("form", cast.xyz.uid)]


@pytest.mark.parametrize(
    ("server", "words"), [(vpn.Manual, "確認コードなしで有効化"), (VpnServer, "新しいインストーラーを用意")]
)
def test_who_has_an_uploaded_installer_is_told_whom_to_ask_and_what_happens_then(
    cast: Cast, server: Callable[[], vpn.Provider], words: str
) -> None:
    vpn.configure(server())
    settings.put("fund_contact", "業務課 03-0000-0000")
    office, data = beside_an_uploaded_installer(cast)
    with pytest.raises(Rejected, match=f"（業務課 03-0000-0000）へご連絡ください.*{words}"):
        activations.request(at_counter(), visit_of(office), data)


def test_every_reason_of_a_malformed_file_has_its_words() -> None:
    reasons = {"empty", "size", "encoding", "fields", "end", *confirmation_code.FIELDS}
    assert reasons == set(activation_checks.FORMS) | set(activation_checks.PARTS)


def test_whoever_has_no_key_learns_nothing_about_pcs(cast: Cast) -> None:
    pc = Pc()
    activations.accept(cast.dai, sends(built(cast.abc, 2), pc))
    forged = code(Built(built(cast.xyz, 2).installer, bytes(32)), pc)
    with pytest.raises(Rejected) as rejected:
        activations.request(at_counter(), visit_of(cast.xyz), forged)
    assert rejected.value.why == "signature"


def test_after_the_counter_is_closed_nothing_is_taken_or_logged(cast: Cast) -> None:
    made, visit = built(cast.xyz, 2), visit_of(cast.xyz)
    visits.end(visit, utc_now())
    with pytest.raises(Refused, match="窓口は閉じています"):
        activations.request(at_counter(), visit, code(made))
    late = utc_now() + timedelta(hours=1)
    with pytest.raises(Refused, match="窓口は閉じています"):
        activations.request(at_counter(late), visit_of(cast.xyz), code(made))
    assert (ActivationRequest.select().count(), refused_codes()) == (0, [])


def test_an_office_whose_contract_ended_meanwhile_sends_nothing(cast: Cast) -> None:
    made, visit = built(cast.xyz, 2), visit_of(cast.xyz)
    Office.update(closed_at=utc_now()).where(Office.id == cast.xyz.id).execute()
    with pytest.raises(Refused, match="窓口は閉じています"):
        activations.request(at_counter(), visit, code(made))
    assert ActivationRequest.select().count() == 0


def test_codes_are_not_taken_without_end(cast: Cast) -> None:
    visit, at = visit_of(cast.xyz), utc_now()
    for _ in range(60):
        with pytest.raises(Rejected):
            activations.request(at_counter(at), visit, b"")
    with pytest.raises(TooMany, match="1時間ほど待って"):
        activations.request(at_counter(at), visit, code(built(cast.xyz, 2)))
    assert sends(built(cast.abc, 2), at=at).state == "waiting"
    assert sends(built(cast.xyz, 2), at=at + timedelta(hours=1)).state == "waiting"


# ── notes for the desk ──


def test_an_ordinary_request_has_no_notes(cast: Cast) -> None:
    assert sends(built(cast.xyz, 2)).notes == []


def test_the_desk_is_told_what_is_worth_a_look(cast: Cast) -> None:
    made = built(cast.xyz, 2, state="stopped")
    Installer.update(fetched_at=None).where(Installer.id == made.installer.id).execute()
    assert sends(made, Pc(adapter="")).notes == ["no_adapter", "not_fetched", "stopped"]
    assert sends(made, Pc()).notes == ["not_fetched", "second_pc", "stopped"]


def test_a_pc_that_waits_for_two_slots_is_noted(cast: Cast) -> None:
    pc = Pc()
    assert sends(built(cast.xyz, 1), pc).notes == []
    assert sends(built(cast.xyz, 2), pc).notes == ["waiting_elsewhere"]


def test_another_pc_than_before_is_noted_and_the_same_one_is_not(cast: Cast) -> None:
    pc = Pc()
    activations.accept(cast.dai, sends(built(cast.xyz, 2), pc))
    again = built(cast.xyz, 2, state="active")
    assert sends(again, pc).notes == []
    assert sends(again, Pc()).notes == ["other_pc", "second_pc"]
    assert fresh(slot(cast.xyz, 2)).state == "active"


def test_every_note_has_its_words(cast: Cast) -> None:
    made = built(cast.xyz, 2)
    found = activation_checks.look_at(cast.xyz, code(made))
    assert (found.notes, found.installer) == ([], made.installer)
    assert all(words for words in activation_checks.NOTES.values())
