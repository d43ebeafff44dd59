"""A sheet in the wrong envelope: another office's number in the name of a file inside a 帳票."""

import pytest

from exchange import arrivals, other_offices, statements, transfers
from exchange.errors import Refused
from exchange.zip_findings import DEFAULTS, Entry
from models import STATEMENT, DocumentKind, Office, Transfer
from tests.exchange.scanning import codes, decide
from tests.people import Cast, filing, inspect, state, statement


def numbered(office: Office, number: str, contract: str = "") -> None:
    columns = {"office_number": number, **({"contract_number": contract} if contract else {})}
    Office.update(columns).where(Office.id == office.id).execute()


def seen(paper: Transfer, *names: str) -> list[str | None]:
    """The names that carry another office's number."""
    entries = [Entry(name, 1, "AES-256", "") for name in names]
    return [finding.entry for finding in other_offices.findings(paper, entries, DEFAULTS)]


def test_another_offices_number_in_a_name_is_seen(cast: Cast) -> None:
    numbered(cast.xyz, "00102", "7654321-87654321")
    names = [
        "00102_決定通知書.pdf",
        "決定通知書（００１０２）.pdf",
        "00102/一覧.csv",
        "00101と00102.pdf",
        "事業所番号00102.pdf",
        "7654321-87654321.pdf",
        "7654321－87654321.pdf",
        "765432187654321.pdf",
        "7654321ー87654321 決定通知書.pdf",
    ]
    assert seen(statement(cast), "挨拶状.pdf", *names) == names


def test_ones_own_number_and_parts_of_numbers_are_no_alarm(cast: Cast) -> None:
    numbered(cast.xyz, "00102", "7654321-87654321")
    names = ["00101_決定通知書.pdf", "決定通知書.pdf", "100102.pdf", "00102345.pdf", "102.pdf"]
    parts = ["7654321.pdf", "87654321.pdf", "17654321-87654321.pdf"]
    assert seen(statement(cast), *names, *parts) == []


def test_what_is_a_date_or_too_short_is_no_number_and_everything_else_is_one(cast: Cast) -> None:
    paper, xyz = statement(cast), cast.xyz
    for number in ("2026", "1123", "202611", "261123", "20261123", "123"):
        numbered(xyz, number)
        assert seen(paper, f"決定通知書_{number}.pdf", f"{number}/一覧.csv") == [], number
    for number in ("9911", "202613", "261332", "20261301", "18991231", "12345"):
        numbered(xyz, number)
        assert seen(paper, f"決定通知書_{number}.pdf") == [f"決定通知書_{number}.pdf"], number


def test_a_number_that_both_offices_share_is_no_alarm(cast: Cast) -> None:
    numbered(cast.xyz, "00102", f"{cast.abc.contract_number[:7]}-00000000")
    assert seen(statement(cast), f"{cast.abc.contract_number}.pdf", f"{cast.abc.contract_number[:7]}.pdf") == []


def test_an_office_may_name_its_files_as_it_likes(cast: Cast) -> None:
    assert seen(filing(cast), "00102.csv") == []


def test_hundreds_of_offices_take_one_query(cast: Cast, caplog: pytest.LogCaptureFixture) -> None:
    paper, names = statement(cast), [f"{number:05}_決定通知書.pdf" for number in range(100, 400)]
    copy = {column: getattr(cast.xyz, column) for column in ("name", "name_filed", "entered_on")}
    rows = [{**copy, "contract_number": f"9-{n}", "office_number": f"{n:05}", "uid": f"o{n}"} for n in range(200, 800)]
    Office.insert_many(rows).execute()
    assert paper.office
    with caplog.at_level("DEBUG", "peewee"):
        found = other_offices.findings(paper, [Entry(name, 1, "AES-256", "") for name in names], DEFAULTS)
    assert len([record for record in caplog.records if record.name == "peewee"]) == 1
    assert len(found) == 20
    assert found[-1].message.endswith("同じ問題がほかに181件あります。")


@pytest.mark.parametrize(("decision", "after"), [("refuse", "failed"), ("warn", "warned"), ("ignore", "passed")])
def test_the_fund_decides_what_comes_of_it(cast: Cast, decision: str, after: str) -> None:
    decide(other_office=decision)
    packing = statements.Packing(cast.abc)
    with packing.open("00102_決定通知書.pdf") as entry:
        entry.write(b"%PDF-1.7\n%%EOF\n")
    slip = arrivals.Slip(DocumentKind.named(STATEMENT, "decision"), "決定通知書.zip", "", "", "token")
    paper = inspect(statements.prepare(cast.kiku, packing, slip))
    assert (paper.inspection.state, codes(paper)) == (after, [] if decision == "ignore" else ["OTHER_OFFICE"])
    if decision == "refuse":
        with pytest.raises(Refused, match="検査で不備"):
            transfers.approve_and_deliver(cast.kiku, paper)
    else:
        transfers.approve_and_deliver(cast.kiku, paper)
    assert state(paper) == ("uploaded" if decision == "refuse" else "delivered")
    assert next(e for e in paper.timeline() if e.action == "statement.inspected").details["codes"] == codes(paper)
