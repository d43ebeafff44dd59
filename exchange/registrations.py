"""From an accepted 電子連携管理者登録届 to an office with its contract number, device slots and admin.

No secrets: letters make them.
"""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from database import db
from exchange import audit, devices, permissions
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.registration_file import CellError, RegistrationFile, Row
from models import Membership, Office, User

ALREADY = "事業所番号 {number} はすでに登録されています。内容を変える場合は、登録届ではなく変更届をお使いください。"
TWICE = "事業所番号 {number} が、同時に指定された別のファイルにもあります。どちらか一方にしてください。"

AT_ONCE = 500  # numbers asked for in one query


def judge(files: Sequence[RegistrationFile]) -> list[RegistrationFile]:
    """The files again, with the rows marked whose office is known already or stands in another of the files."""
    known = _known({str(row.values["office_number"]) for file in files for row in file.rows})
    seen: set[str] = set()
    judged = []
    for file in files:
        numbers = {str(row.values["office_number"]) for row in file.rows}
        judged.append(replace(file, rows=tuple(_judge_row(row, known, seen) for row in file.rows)))
        seen |= numbers
    return judged


def register(actor: Actor, files: Sequence[RegistrationFile]) -> list[Office]:
    """Every row of every file, or Refused and none."""
    permissions.require(actor, "register")
    with db.atomic():
        if any(file.verdict == "reject" for file in judge(files)):
            raise Refused("登録届に誤りがあるため、1件も登録していません。誤りを直してもう一度読み込んでください。")
        return [_register_row(actor, row) for file in files for row in file.rows]


def register_one(actor: Actor, row: Row, postal_code: str, address: str) -> Office:
    """One that was filed online, with where its letter goes; or Refused."""
    permissions.require(actor, "register")
    with db.atomic():
        (judged,) = judge([RegistrationFile((row,))])
        if judged.verdict == "reject":
            raise Refused("登録届に誤りがあるため、登録していません。理由を書いて差し戻してください。")
        return _register_row(actor, row, postal_code, address)


def _known(numbers: set[str]) -> frozenset[str]:
    """Those of the numbers that offices have already, closed ones included: a number never comes back."""
    found: set[str] = set()
    wanted = sorted(numbers)
    for start in range(0, len(wanted), AT_ONCE):
        part = Office.select(Office.office_number).where(Office.office_number << wanted[start : start + AT_ONCE])
        found.update(office.office_number for office in part)
    return frozenset(found)


def _judge_row(row: Row, known: frozenset[str], seen: set[str]) -> Row:
    number = str(row.values["office_number"])
    if not number:
        return row
    if number in known:
        error = CellError("B", "REGISTERED", ALREADY.format(number=number))
    elif number in seen:
        error = CellError("B", "DUPLICATE", TWICE.format(number=number))
    else:
        return row
    return replace(row, errors=(*row.errors, error))


def _register_row(actor: Actor, row: Row, postal_code: str = "", address: str = "") -> Office:
    values = row.values
    office = Office.create(
        contract_number=_new_contract_number(),
        office_number=values["office_number"],
        name=values["office_name"],
        name_filed=values["office_name"],
        device_limit=values["device_limit"],
        entered_on=date.fromisoformat(str(values["entered_on"])),
        registered_at=actor.at,
        postal_code=postal_code,
        address=address,
    )
    devices.make_slots(office)
    user = User.create(name=values["name"], kana=values["kana"], mail=values["mail"], created_at=actor.at)
    admin = Membership.create(
        user=user, office=office, login_id=values["login_id"], kind="office_admin", created_at=actor.at
    )
    permissions.give(admin, permissions.ALL_WORDS)
    audit.record(
        actor,
        "office.registered",
        office.uid,
        office,
        contract_number=office.contract_number,
        office_number=office.office_number,
        device_limit=office.device_limit,
    )
    return office


def _new_contract_number() -> str:
    """Seven and eight digits; random, so that one number tells nothing of the next."""
    while True:
        number = f"{secrets.randbelow(9_000_000) + 1_000_000}-{secrets.randbelow(10**8):08d}"
        if Office.by_contract(number) is None:
            return number
