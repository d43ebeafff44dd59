"""届出受付: rows of files and online registrations until a clerk has decided, all or none, once."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from database import utc_now
from exchange import audit, intake, normalise
from exchange.actors import command_line
from exchange.errors import Forbidden, Refused, SomeoneWasFaster
from exchange.intake import UnreadableFile
from models import AuditEntry, Office
from papers import Intake, Registration
from tests.exchange.intakes import DAY, actions, correct, ledger, looked, received, register, row, wrong
from tests.exchange.registration_corpus import (
    HEADING,
    HEADING_CELLS,
    PASSWORD,
    SAMPLE_CELLS,
    form,
    lines,
    one,
    password_zip,
)
from tests.exchange.workbook_writer import Number, Sheet, workbook
from tests.people import Cast
from tests.processes import IS_SOAK, alone, kill, together

Property = Callable[[str, object], None]
TRIALS = 50 if IS_SOAK else 6
ROWS = 40


# ── receiving ──


def test_a_file_is_kept_row_by_row_as_it_came_and_registers_nothing(cast: Cast) -> None:
    before = ledger()
    file = received(cast.kiku, row("00301", D="ｷｷﾝ ﾀﾛｳ"), "", row("00302", H="9"))
    assert [(found.registration.line, found.registration.cells[3]) for found in looked(file)] == [
        (2, "ｷｷﾝ ﾀﾛｳ"),
        (4, "キキン タロウ"),
    ]
    assert wrong(file) == [(4, "H", "TOO_MANY_DEVICES")]
    assert ledger() == before
    assert actions(file.uid) == [("registrations.received", {"file_name": "登録届.csv", "rows": 2})]


def test_a_file_that_is_wrong_as_a_whole_is_not_kept(cast: Cast) -> None:
    entries = AuditEntry.select().count()
    with pytest.raises(UnreadableFile, match="文字コード") as refused:
        intake.receive(cast.kiku, lines(HEADING, row("1")).encode("euc_jp"), "a.csv", "", "t1")
    assert [error.code for error in refused.value.file.errors] == ["ENCODING"]
    assert (Intake.select().count(), Registration.select().count()) == (0, 0)
    assert AuditEntry.select().count() == entries


def test_the_password_of_a_zip_opens_it_and_is_kept_nowhere(cast: Cast, instance: Path) -> None:
    data = password_zip(form(row("00301")))
    with pytest.raises(UnreadableFile):
        intake.receive(cast.kiku, data, "届.zip", "not this one", "t1")
    file = intake.receive(cast.kiku, data, "届.zip", PASSWORD, "t2")
    assert wrong(file) == []
    kept = b"".join(path.read_bytes() for path in instance.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in kept


def test_the_same_form_sent_twice_is_one_file(cast: Cast) -> None:
    first, second = (received(cast.kiku, row("00301"), token="same") for _ in range(2))
    assert first == second
    assert Registration.select().count() == 1


def test_an_office_in_the_ledger_and_one_twice_in_the_file_are_found(cast: Cast) -> None:
    file = received(cast.kiku, row("00101"), row("00301"), row("００３０１"))
    assert wrong(file) == [(2, "B", "REGISTERED"), (4, "B", "DUPLICATE")]


def test_a_row_is_judged_anew_when_the_ledger_has_changed(cast: Cast) -> None:
    first, second = received(cast.kiku, row("00301")), received(cast.kiku, row("00301"))
    register(cast.kiku, first)
    assert wrong(second) == [(2, "B", "REGISTERED")]


@pytest.mark.parametrize("name", ["ume", "dai", "taro"])
def test_only_clerks_with_the_word_act_on_files(cast: Cast, name: str) -> None:
    file = received(cast.kiku, row("00301"))
    (found,), actor = looked(file), getattr(cast, name)
    for act in (
        lambda: received(actor, row("00302")),
        lambda: correct(actor, found, H="1"),
        lambda: intake.leave_out(actor, found.registration, found.seen),
        lambda: register(actor, file),
        lambda: intake.discard(actor, file),
    ):
        with pytest.raises(Forbidden):
            act()
    assert (Intake.get().state, wrong(file)) == ("open", [])


# ── what the clerk sees ──


def test_what_is_evened_out_stands_beside_what_came(cast: Cast) -> None:
    file = received(
        cast.kiku, row("００３０１", A="令和8年4月1日", C=" 基金  太郎", D="ｷｷﾝ ﾀﾛｳ", E="Ａ@B.example", H="２台")
    )
    (found,) = looked(file)
    assert [(field.letter, field.raw, field.stored) for field in found.fields if field.is_changed] == [
        ("A", "令和8年4月1日", "2026/04/01"),
        ("B", "００３０１", "00301"),
        ("D", "ｷｷﾝ ﾀﾛｳ", "キキン　タロウ"),
        ("E", "Ａ@B.example", "A@b.example"),
        ("H", "２台", "2"),
    ]


def test_nothing_is_marked_in_a_row_that_is_stored_as_it_came(cast: Cast) -> None:
    (found,) = looked(received(cast.kiku, row("00301", A="2026/4/1")))
    assert [field.letter for field in found.fields if field.is_changed] == []


def test_a_form_begins_without_what_nobody_can_see(cast: Cast) -> None:
    (found,) = looked(received(cast.kiku, row("00301", G='"ABC\n商事"')))
    assert wrong(Intake.get()) == [(2, "G", "CONTROL")]
    assert found.fields[6].typed == "ABC 商事"
    assert correct(cast.kiku, found) is True
    assert wrong(Intake.get()) == []


# ── correcting ──


def test_a_corrected_row_is_stored_as_typed_and_logged_without_its_values(cast: Cast) -> None:
    file = received(cast.kiku, row("00301", E="taro", H="9"))
    (found,) = looked(file)
    assert correct(cast.kiku, found, E="taro@office.example") is True
    assert wrong(file) == [(2, "H", "TOO_MANY_DEVICES")]
    assert actions(file.uid)[1:] == [("registrations.corrected", {"line": 2, "columns": ["E"]})]


def test_what_was_left_as_it_is_changes_nothing(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"))
    (found,) = looked(file)
    assert correct(cast.kiku, found) is False
    assert [action for action, _ in actions(file.uid)] == ["registrations.received"]


def test_the_later_of_two_clerks_does_not_undo_the_first(cast: Cast) -> None:
    file = received(cast.kiku, row("00301", E="taro", H="9"))
    (found,) = looked(file)
    correct(cast.kiku, found, E="taro@office.example")
    with pytest.raises(SomeoneWasFaster, match="ほかの方が先に直しました"):
        correct(cast.kiku, found, H="1")
    assert wrong(file) == [(2, "H", "TOO_MANY_DEVICES")]


def test_a_number_that_was_a_number_stays_one_until_it_is_typed(cast: Cast) -> None:
    cells = [*SAMPLE_CELLS.values()]
    data = workbook(Sheet([HEADING_CELLS, [DAY, Number("301"), *cells[2:]]]))
    file = intake.receive(cast.kiku, data, "届.xlsx", "", "t1")
    (found,) = looked(file)
    assert [one.code for one in found.row.warnings] == ["NUMBER_CELL"]
    correct(cast.kiku, found, H="1")
    (found,) = looked(file)
    assert [one.code for one in found.row.warnings] == ["NUMBER_CELL"]
    correct(cast.kiku, found, B="00301")
    (found,) = looked(file)
    assert (found.row.warnings, found.row.values["office_number"]) == ((), "00301")


def test_values_right_of_the_form_go_when_the_row_is_saved(cast: Cast) -> None:
    file = received(cast.kiku, row("00301") + ",extra")
    (found,) = looked(file)
    assert (wrong(file), found.extra) == ([(2, "H", "EXTRA_CELLS")], "extra")
    assert correct(cast.kiku, found) is True
    assert wrong(file) == []


def test_cells_far_to_the_right_are_kept_together_and_shown_in_part(cast: Cast) -> None:
    file = received(cast.kiku, row("00301") + "," * 3000 + "far" + ",right" * 3000)
    (found,) = looked(file)
    assert wrong(file) == [(2, "H", "EXTRA_CELLS")]
    assert len(found.registration.cells) == intake.CELLS
    assert len(found.registration.cells[-1]) <= normalise.LONGEST
    assert found.extra.startswith("far、right、right")
    assert len(found.extra) == intake.EXTRA_SHOWN
    assert correct(cast.kiku, found) is True
    assert wrong(file) == []


def test_text_that_no_database_takes_is_kept_as_far_as_it_can_be(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"))
    (found,) = looked(file)
    correct(cast.kiku, found, G="ABC\ud800商事", C="長" * 100_000)
    (found,) = looked(file)
    assert found.registration.cells[6] == "ABC?商事"
    assert wrong(file) == [(2, "C", "TOO_LONG")]


def test_a_row_that_is_left_out_is_forgotten_and_the_others_stay(cast: Cast) -> None:
    file = received(cast.kiku, row("00101", C="甲野　花"), row("00301"))
    first, _ = looked(file)
    intake.leave_out(cast.kiku, first.registration, first.seen)
    assert [found.row.line for found in looked(file)] == [3]
    assert Registration.get(Registration.line == 2).cells == []
    assert actions(file.uid)[-1] == ("registrations.left_out", {"line": 2})
    with pytest.raises(SomeoneWasFaster):
        intake.leave_out(cast.kiku, first.registration, first.seen)
    assert [office.office_number for office in register(cast.kiku, file)] == ["00301"]


# ── deciding ──


def test_all_rows_become_offices_in_one_step(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"), row("00302", G="XYZ商会"))
    offices = register(cast.kiku, file)
    assert [(office.office_number, office.name) for office in offices] == [("00301", "ABC商事"), ("00302", "XYZ商会")]
    assert Intake.get().state == "registered"
    assert [(one.state, one.office) for one in intake.offices_of(file)] == [
        ("registered", offices[0]),
        ("registered", offices[1]),
    ]
    assert actions(file.uid)[-1] == ("registrations.registered", {"file_name": "登録届.csv", "rows": 2})


def test_one_wrong_row_registers_nothing_and_the_file_stays_open(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"), row("00302", H="9"))
    before = ledger()
    with pytest.raises(Refused, match="1件も登録していません"):
        register(cast.kiku, file)
    assert ledger() == before
    assert Intake.get().state == "open"
    assert {one.state for one in Registration.select()} == {"open"}


def test_registered_twice_it_acts_once(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"))
    seen = intake.seen_of(looked(file))
    intake.register(cast.kiku, file, seen)
    before = ledger()
    with pytest.raises(SomeoneWasFaster):
        intake.register(cast.kiku, file, seen)
    assert ledger() == before


def test_what_a_colleague_changed_meanwhile_is_not_registered_unseen(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"))
    seen = intake.seen_of(looked(file))
    correct(cast.kiku, looked(file)[0], G="別の商事")
    before = ledger()
    with pytest.raises(SomeoneWasFaster, match="内容が変わりました"):
        intake.register(cast.kiku, file, seen)
    assert ledger() == before
    assert Intake.get().state == "open"


def test_a_file_without_rows_registers_nothing(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"))
    (found,) = looked(file)
    intake.leave_out(cast.kiku, found.registration, found.seen)
    with pytest.raises(Refused, match="残っていません"):
        register(cast.kiku, file)


def test_a_discarded_file_keeps_nothing_of_its_people(cast: Cast) -> None:
    file = received(cast.kiku, row("00301"), row("00302"))
    (found, _) = looked(file)
    intake.discard(cast.kiku, file)
    assert [(one.state, one.cells) for one in Registration.select()] == [("discarded", []), ("discarded", [])]
    assert actions(file.uid)[-1] == ("registrations.discarded", {"file_name": "登録届.csv", "rows": 2})
    for act in (
        lambda: intake.discard(cast.kiku, file),
        lambda: register(cast.kiku, file),
        lambda: correct(cast.kiku, found, H="1"),
    ):
        with pytest.raises(SomeoneWasFaster):
            act()


def register_in_a_process(uid: str) -> int:
    file = Intake.by_uid(uid)
    return len(intake.register(command_line(), file, intake.seen_of(looked(file))))


def test_of_clerks_who_register_at_once_one_does(cast: Cast, instance: Path) -> None:
    file = received(cast.kiku, *(row(f"{number:05}") for number in range(301, 311)))
    before = ledger()
    answers = together(instance, [(register_in_a_process, file.uid)] * 4)
    assert sorted(answers, key=str) == [10, "SomeoneWasFaster", "SomeoneWasFaster", "SomeoneWasFaster"]
    assert ledger()[0] == before[0] + 10


def register_until_killed(line: Connection, uid: str) -> None:
    file = Intake.by_uid(uid)
    seen = intake.seen_of(looked(file))
    line.send("begins")
    intake.register(command_line(), file, seen)
    line.send("done")


def test_a_kill_in_the_middle_leaves_all_or_nothing(cast: Cast, instance: Path, record_property: Property) -> None:
    outcomes = {"all": 0, "none": 0}
    for trial in range(TRIALS):
        numbers = [f"{10_000 + trial * 100 + number}" for number in range(ROWS)]
        file = received(cast.kiku, *(row(number) for number in numbers))
        with alone(instance, register_until_killed, file.uid) as (process, ear):
            assert ear.recv() == "begins"
            time.sleep(0.015 * trial)  # the moment of the kill is the experiment, not a wait for something
            kill(process)
        there = Office.select().where(Office.office_number << numbers).count()
        assert there in (0, ROWS)
        is_done = Intake.get_by_id(file.id).state == "registered"
        assert is_done == (there == ROWS)
        done = Registration.select().where(Registration.intake == file, Registration.state == "registered").count()
        assert done == there
        outcomes["all" if there else "none"] += 1
        if not there:
            assert len(register(cast.kiku, file)) == ROWS
    assert audit.verify().is_sound
    assert outcomes["none"] > 0
    record_property("kills while registering", f"{TRIALS}: {outcomes}")


def test_two_hundred_rows_are_judged_in_less_than_a_third_of_a_second(cast: Cast, record_property: Property) -> None:
    file = received(cast.kiku, *(row(f"{number:05}") for number in range(300, 500)))
    started = time.process_time()
    rows = looked(file)
    taken = time.process_time() - started
    record_property("200 rows judged", f"{taken:.3f} s")
    assert len(rows) == 200
    assert taken < 0.3


def test_the_sample_of_the_guide_is_old_by_now_but_may_be_registered(cast: Cast) -> None:
    file = intake.receive(cast.kiku, one(), "届.csv", "", "t1")
    (found,) = looked(file)
    assert [warning.code for warning in found.row.warnings] == ["OLD_DATE"]
    assert len(register(cast.kiku, file)) == 1
    assert Intake.get().decided_at <= utc_now()
