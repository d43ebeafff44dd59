"""From an accepted 登録届 to an office: all or nothing, never twice."""

import re

import pytest

from exchange import registrations
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused
from exchange.permissions import ALL_WORDS
from exchange.registration_file import CellError, RegistrationFile, Row
from models import AuditEntry, Device, Membership, Office, User
from tests.people import Cast


def row(number: str, line: int = 2, **changes: object) -> Row:
    values = {
        "entered_on": "2026-05-26",
        "office_number": number,
        "name": "己田　花",
        "kana": "キダ　ハナ",
        "mail": f"hana{number}@office.example",
        "login_id": "hanaKida1",
        "office_name": f"事業所{number}",
        "device_limit": 2,
        **changes,
    }
    return Row(line, values)


def errors(files: list[RegistrationFile]) -> list[list[tuple[str, str]]]:
    return [[(error.column, error.code) for one in file.rows for error in one.errors] for file in files]


def test_each_row_becomes_an_office_with_admin_and_slots(cast: Cast) -> None:
    (office,) = registrations.register(command_line(), [RegistrationFile((row("00301"),))])
    admin = office.admin
    assert re.fullmatch(r"[1-9]\d{6}-\d{8}", office.contract_number)
    assert (office.name, office.name_filed, office.entered_on.isoformat()) == (
        "事業所00301",
        "事業所00301",
        "2026-05-26",
    )
    assert [(device.slot, device.state) for device in office.devices] == [(1, "vacant"), (2, "vacant")]
    assert (admin.login_id, admin.kind, admin.words()) == ("hanaKida1", "office_admin", set(ALL_WORDS))
    assert (admin.user.password_hash, admin.user.is_initial_password) == (None, True)
    entry = AuditEntry.get(AuditEntry.action == "office.registered", AuditEntry.subject == office.uid)
    assert entry.details == {"contract_number": office.contract_number, "office_number": "00301", "device_limit": 2}


def test_one_bad_row_in_one_of_three_files_registers_nothing(cast: Cast) -> None:
    before = [model.select().count() for model in (Office, User, Membership, Device, AuditEntry)]
    bad = Row(3, row("00303").values, (CellError("E", "MAIL", "列E"),))
    files = [
        RegistrationFile((row("00301"),)),
        RegistrationFile((row("00302"), bad)),
        RegistrationFile((row("00304"),)),
    ]
    with pytest.raises(Refused, match="1件も登録していません"):
        registrations.register(command_line(), files)
    assert [model.select().count() for model in (Office, User, Membership, Device, AuditEntry)] == before


def test_an_office_that_is_registered_already_is_refused_in_words(cast: Cast) -> None:
    judged = registrations.judge([RegistrationFile((row("00301"), row("00101", 3)))])
    assert errors(judged) == [[("B", "REGISTERED")]]
    assert "変更届" in judged[0].rows[1].errors[0].message
    assert judged[0].verdict == "reject"


def test_an_office_in_two_files_at_once_is_refused_in_the_second(cast: Cast) -> None:
    files = [RegistrationFile((row("00301"),)), RegistrationFile((row("00302"), row("00301", 3)))]
    assert errors(registrations.judge(files)) == [[], [("B", "DUPLICATE")]]
    with pytest.raises(Refused):
        registrations.register(command_line(), files)


def test_the_same_files_a_second_time_register_nothing_more(cast: Cast) -> None:
    files = [RegistrationFile((row("00301"), row("00302", 3)))]
    registrations.register(command_line(), files)
    count = Office.select().count()
    with pytest.raises(Refused):
        registrations.register(command_line(), files)
    assert Office.select().count() == count


def test_judging_registers_nothing(cast: Cast) -> None:
    before = Office.select().count()
    registrations.judge([RegistrationFile((row("00301"),))])
    assert Office.select().count() == before


def test_contract_numbers_tell_nothing_of_the_next(cast: Cast) -> None:
    rows = tuple(row(f"{number:05}", number) for number in range(400, 440))
    numbers = [office.contract_number for office in registrations.register(command_line(), [RegistrationFile(rows)])]
    assert len(set(numbers)) == 40
    assert len({number[:4] for number in numbers}) > 20


@pytest.mark.parametrize("name", ["ume", "dai", "taro"])
def test_only_clerks_with_the_word_register(cast: Cast, name: str) -> None:
    with pytest.raises(Forbidden):
        registrations.register(getattr(cast, name), [RegistrationFile((row("00301"),))])
    assert Office.select().count() == 2
    registrations.register(cast.kiku, [RegistrationFile((row("00301"),))])
    assert Office.select().count() == 3
