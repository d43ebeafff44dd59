"""Malware that was found is never lost: not to another run that ended first, nor to a judge that doesn't come to its
end, nor to a verb that has looked already.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from exchange import archives, inspections, pickups, rescans, scanner, transfers
from exchange.actors import system
from exchange.errors import Refused
from models import Inspection, Transfer
from tests.clamd import Odd, Talk, says
from tests.exchange.judges import kill
from tests.exchange.scanning import CLEAN, UNREACHABLE, aged, asked, codes, inspected, opened, quarantined, requested
from tests.exchange.test_judges_ends import at_the_second_file, its_judge
from tests.people import Cast, aes_zip, filing, logged, state, uploads

HIT = says(b"stream: Test.Malware FOUND\0")
ALL_WELL = says(b"stream: OK\0")


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    scanner.configure("")


def scanned(what: Callable[..., None], transfer: Transfer, talk: Talk, meanwhile: Callable[[], object]) -> Inspection:
    """What a job leaves, where something happens while it is at its work."""
    with Odd(talk).listening() as odd:
        scanner.configure(odd.address)
        what(system(), transfer.id, archives.Limits(), lambda done, total: meanwhile())
    return Inspection.get(Inspection.transfer == transfer)


def nothing() -> None:
    pass


@pytest.mark.parametrize("scan", [CLEAN, UNREACHABLE])
def test_a_rescan_that_was_overtaken_still_quarantines_what_it_has_found(cast: Cast, scan: dict[str, Any]) -> None:
    transfer = aged(filing(cast, "approved"))
    row = scanned(rescans.rescan, transfer, HIT, lambda: aged(transfer, days=0, scan=scan))
    assert (row.state, row.scan["found"], codes(transfer)) == ("quarantined", ["Test.Malware"], ["MALWARE"])
    assert logged(transfer)[-1] == "filing.rescanned"


def test_one_that_has_found_nothing_leaves_what_was_written_meanwhile(cast: Cast) -> None:
    transfer = aged(filing(cast, "approved"))
    row = scanned(rescans.rescan, transfer, ALL_WELL, lambda: quarantined(transfer))
    assert row.state == "quarantined"
    assert "filing.rescanned" not in logged(transfer)


def test_an_inspection_that_was_overtaken_still_quarantines_what_it_has_found(cast: Cast) -> None:
    transfer = uploads(cast.hanako, aes_zip(cast.archive_password))
    row = scanned(inspections.run, transfer, HIT, lambda: inspected(transfer, state="passed", scan=CLEAN))
    assert (row.state, codes(transfer)) == ("quarantined", ["MALWARE"])


@pytest.mark.parametrize("what", [inspections.run, rescans.rescan])
def test_what_was_found_before_the_judge_was_killed_is_quarantined(cast: Cast, what: Callable[..., None]) -> None:
    two = aes_zip(cast.archive_password, {"a.csv": b"1", "b.csv": b"2"})
    transfer = uploads(cast.hanako, two)
    if what is rescans.rescan:
        aged(transfer, state="passed")
    row = scanned(what, transfer, at_the_second_file(lambda: kill(its_judge())), nothing)
    assert (row.state, row.scan["found"], codes(transfer)) == ("quarantined", ["Test.Malware"], ["MALWARE"])
    with pytest.raises(Refused, match="隔離"):
        transfers.approve(cast.taro, transfer)


# ── between the look and the transaction ──


@pytest.mark.parametrize(
    ("make", "who", "act"),
    [
        (lambda cast: filing(cast, "received"), "kiku", pickups.copy),
        (filing, "jun", pickups.copy),
        (lambda cast: filing(cast, "received"), "kiku", opened),
        (requested, "hanako", pickups.download),
    ],
)
def test_a_rescan_that_ends_between_the_look_and_the_handing_out_is_heard(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, make: Any, who: str, act: Any
) -> None:
    transfer, look = make(cast), rescans.require_usable_or_rescan

    def look_and_then(*about: Any) -> None:
        look(*about)
        quarantined(transfer)

    monkeypatch.setattr(rescans, "require_usable_or_rescan", look_and_then)
    before = state(transfer), logged(transfer)
    with pytest.raises(Refused, match="隔離"):
        act(getattr(cast, who), transfer)
    assert (state(transfer), logged(transfer)) == before
    assert asked() == []
