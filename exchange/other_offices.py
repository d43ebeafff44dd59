"""Names inside a 帳票 that carry the number of another office: the sheet may have been put into the wrong envelope.

Only what the fund makes is looked at, since an office knows no numbers but its own.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import date

from exchange import normalise
from exchange.zip_findings import Collector, Entry, Finding, Inspection, Policy, inspection_of
from models import Office, Transfer

SHORTEST = 4  # digits: shorter ones count pages and copies
_DIGITS = re.compile(r"(?<![0-9])[0-9]+(?![0-9])")
_CONTRACT = re.compile(r"(?<![0-9])[0-9]{7}-?[0-9]{8}(?![0-9])")
_DASH = re.compile(f"[{re.escape(normalise.DASHES)}]")


def added_to(inspection: Inspection, transfer: Transfer, policy: Policy) -> Inspection:
    """The judgement with what its names show."""
    more = findings(transfer, inspection.entries, policy)
    return inspection_of((*inspection.findings, *more), inspection.entries)


def findings(transfer: Transfer, entries: Sequence[Entry], policy: Policy) -> tuple[Finding, ...]:
    """OTHER_OFFICE for each name of a statement with a number that is another office's, whatever became of it since.

    One query. Nothing for a filing.
    """
    found = Collector(policy)
    seen = [] if transfer.is_filing else [(entry, number) for entry in entries for number in _numbers(entry.name)]
    others = _of_others(transfer.office) if seen else frozenset()
    for entry, number in seen:
        if number in others:
            found.check("other_office", entry.name, number)
    return found.findings()


def _numbers(name: str) -> Iterator[str]:
    """What may be an office's number or a contract's, as they are kept: whole numbers, in any width, and no dates."""
    plain = _DASH.sub("-", normalise.half_width(name))
    for match in _CONTRACT.finditer(plain):
        yield normalise.contract_number(match[0])
    yield from (digits for digits in _DIGITS.findall(plain) if len(digits) >= SHORTEST and not _is_date(digits))


def _of_others(office: Office) -> frozenset[str]:
    """Every number of every other office. All of them are read: a few hundred short strings cost less than a search for
    each number that stands in a name.
    """
    rows = Office.select(Office.office_number, Office.contract_number).where(Office.id != office.id).tuples()
    own = {office.office_number, office.contract_number}
    return frozenset(number for row in rows for number in row if number not in own)


def _is_date(digits: str) -> bool:
    """2026, 1123, 202611, 261123, 20261123: a year, a day of one, a month, a day, also with the year in two digits."""
    has_year = digits.startswith(("19", "20"))
    if len(digits) == 4:
        return has_year or _is_day(f"2024{digits}")  # a leap year
    if len(digits) == 6:
        return (has_year and _is_day(f"{digits}01")) or _is_day(f"20{digits}")
    return len(digits) == 8 and has_year and _is_day(digits)


def _is_day(eight: str) -> bool:
    try:
        date(int(eight[:4]), int(eight[4:6]), int(eight[6:]))
    except ValueError:
        return False
    return True
