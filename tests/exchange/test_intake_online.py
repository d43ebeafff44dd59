"""Registrations that offices have filed online, until the fund accepts them or sends them back."""

from datetime import timedelta

import pytest

from database import today, utc_now
from exchange import intake, invitations
from exchange.actors import Actor
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from papers import Invitation, Registration
from tests.exchange.intakes import DAY, actions, ledger, received, register, row
from tests.people import Cast

CELLS = [DAY, "00777", "川辺 花", "ｶﾜﾍﾞ ﾊﾅ", "hana@kawabe.example", "kawabeHana", "川辺商会", "2"]
WHERE = ("100-0001", "東京都千代田区千代田1-1\n川辺ビル")


def invited(cast: Cast) -> Invitation:
    invitation = invitations.invite(cast.kiku, "川辺商会株式会社", "soumu@kawabe.example")
    invitations.open_form(stranger(), invitations.code_of(invitation.uid))
    return invitation


def stranger() -> Actor:
    return Actor(address="192.0.2.77", label="登録届の窓口")


def later(cast: Cast, **ahead: float) -> Actor:
    return Actor(cast.member("kiku"), at=utc_now() + timedelta(**ahead))


def filed(cast: Cast, *, cells: list[str] | None = None) -> Registration:
    return intake.file_online(stranger(), invited(cast), cells or CELLS, *WHERE)


def test_what_is_typed_online_is_judged_like_a_file() -> None:
    judged = intake.judge_online(["", "1E+05", *CELLS[2:7], "4"])
    assert [(error.column, error.code) for error in judged.errors] == [
        ("A", "REQUIRED"),
        ("B", "EXCEL_NUMBER"),
        ("H", "TOO_MANY_DEVICES"),
    ]


def test_what_is_filed_online_waits_for_the_fund(cast: Cast) -> None:
    before = ledger()
    registration = filed(cast)
    assert list(intake.waiting_online()) == [registration]
    assert ledger() == before
    assert registration.receipt_number.startswith(f"K{today():%Y%m%d}-")
    assert registration.office_name == "川辺商会"


def test_wrong_cells_are_never_filed(cast: Cast) -> None:
    with pytest.raises(Refused, match="誤り"):
        filed(cast, cells=[*CELLS[:7], "9"])
    with pytest.raises(Refused, match="誤り"):
        filed(cast, cells=[DAY, "00101", *CELLS[2:]])
    assert Registration.select().count() == 0


@pytest.mark.parametrize("where", [("1000001", "東京都"), ("100-0001", "あ" * 300), ("100-0001", "=1+1")])
def test_an_address_that_no_envelope_can_carry_is_never_filed(cast: Cast, where: tuple[str, str]) -> None:
    with pytest.raises(Refused, match="住所"):
        intake.file_online(stranger(), invited(cast), CELLS, *where)


def test_one_invitation_files_once(cast: Cast) -> None:
    invitation = invited(cast)
    intake.file_online(stranger(), invitation, CELLS, *WHERE)
    with pytest.raises(SomeoneWasFaster):
        intake.file_online(stranger(), invitation, CELLS, *WHERE)
    assert Registration.select().count() == 1


def test_accepted_it_becomes_an_office_with_its_address(cast: Cast) -> None:
    registration = filed(cast)
    office = intake.accept(cast.kiku, registration)
    assert (office.office_number, office.name, office.postal_code, office.address) == ("00777", "川辺商会", *WHERE)
    fresh = Registration.get_by_id(registration.id)
    assert (fresh.state, fresh.office, fresh.decided_by) == ("registered", office, cast.member("kiku"))
    assert [action for action, _ in actions(registration.uid)] == ["registration.filed", "registration.accepted"]


def test_accepted_twice_it_acts_once(cast: Cast) -> None:
    registration = filed(cast)
    intake.accept(cast.kiku, registration)
    before = ledger()
    for act in (
        lambda: intake.accept(cast.kiku, registration),
        lambda: intake.send_back(cast.kiku, registration, "番号"),
    ):
        with pytest.raises(SomeoneWasFaster):
            act()
    assert ledger() == before


def test_an_office_registered_meanwhile_is_not_registered_again(cast: Cast) -> None:
    registration = filed(cast)
    register(cast.kiku, received(cast.kiku, row("00777")))
    assert [error.code for error in intake.look_at(registration).row.errors] == ["REGISTERED"]
    with pytest.raises(Refused, match="差し戻してください"):
        intake.accept(cast.kiku, registration)
    assert Registration.get_by_id(registration.id).state == "open"


def test_sent_back_it_comes_again_and_the_old_cells_go(cast: Cast) -> None:
    registration = filed(cast)
    again = intake.send_back(cast.kiku, registration, "事業所番号を確かめてください")
    fresh = Registration.get_by_id(registration.id)
    assert (fresh.state, fresh.reason, fresh.cells) == ("returned", "事業所番号を確かめてください", CELLS)
    assert list(invitations.draft(again, today()).cells) == CELLS
    assert [action for action, _ in actions(registration.uid)] == ["registration.filed", "registration.returned"]
    intake.file_online(stranger(), Invitation.get_by_id(again.id), [DAY, "00778", *CELLS[2:]], *WHERE)
    fresh = Registration.get_by_id(registration.id)
    assert (fresh.cells, fresh.postal_code, fresh.address) == ([], "", "")
    assert (fresh.office_name, intake.waiting_online().count()) == ("川辺商会株式会社", 1)


def test_what_nobody_files_anew_is_forgotten_thirty_days_after_its_return(cast: Cast) -> None:
    registration, intake_open = filed(cast), filed(cast)
    again = intake.send_back(cast.kiku, registration, "番号")
    for days, kept in ((29, CELLS), (31, [])):
        invitations.sweep(utc_now() + timedelta(days=days))
        assert Registration.get_by_id(registration.id).cells == kept
    blank = Registration.get_by_id(registration.id)
    assert (blank.postal_code, blank.address, blank.office_name) == ("", "", "川辺商会株式会社")
    assert Registration.get_by_id(intake_open.id).cells == CELLS
    anew = invitations.invite(later(cast, days=31), again.office_name, again.mail)
    assert (anew.returned, anew.reason) == (None, "")


@pytest.mark.parametrize("is_opened", [False, True])
def test_what_was_sent_back_stays_while_its_form_can_be_filed(cast: Cast, is_opened: bool) -> None:
    registration = filed(cast)
    first = intake.send_back(cast.kiku, registration, "番号")
    again = invitations.invite(later(cast, days=29), first.office_name, first.mail)
    if is_opened:
        opening = Actor(address="192.0.2.77", at=utc_now() + timedelta(days=30, hours=23))
        invitations.open_form(opening, invitations.code_of(again.uid))
    invitations.sweep(utc_now() + timedelta(days=31))
    assert list(invitations.draft(Invitation.get_by_id(again.id), today()).cells) == CELLS
    invitations.sweep(utc_now() + timedelta(days=44))
    assert Registration.get_by_id(registration.id).cells == []


@pytest.mark.parametrize("name", ["ume", "dai", "taro"])
def test_only_clerks_with_the_word_decide_about_online_ones(cast: Cast, name: str) -> None:
    registration, actor = filed(cast), getattr(cast, name)
    with pytest.raises(Forbidden):
        intake.accept(actor, registration)
    with pytest.raises(Forbidden):
        intake.send_back(actor, registration, "番号")
    assert Registration.get().state == "open"


def test_the_lists_tell_what_waits_and_what_was_decided(cast: Cast) -> None:
    first, second = received(cast.kiku, row("00301")), received(cast.kiku, row("00302"), row("00303"))
    assert [(file, rows) for file, rows in intake.open_files()] == [(second, 2), (first, 1)]
    intake.discard(cast.kiku, second)
    register(cast.kiku, first)
    assert intake.open_files() == []
    assert [file.state for file in intake.decided_files()] == ["registered", "discarded"]
    registration = filed(cast)
    intake.accept(cast.kiku, registration)
    assert (list(intake.waiting_online()), list(intake.decided_online())) == ([], [registration])
