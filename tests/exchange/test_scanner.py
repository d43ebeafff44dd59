"""What clamd says of a file is believed, whatever else comes over the line is 未検査, and nothing of it is an error."""

import io
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exchange import scanner
from exchange.errors import NotConfigured
from tests.clamd import EICAR, NAME, Odd, drips, hangs, needs_clamd, running, says, stalls
from tests.softether import free_port

MEBIBYTE = 2**20


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    yield
    scanner.configure("")


def pieces(data: bytes, size: int = 64 * 1024) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def looks(asked: scanner.Scanner, data: bytes) -> list[tuple[str, str]]:
    """What the scanner finds in one file."""
    with asked.reader("届書.csv", len(data)) as reading:
        for piece in pieces(data):
            reading.write(piece)
        return list(reading.finish())


def verdict(address: str, data: bytes = b"x") -> tuple[str, str]:
    """(verdict, why) of one file."""
    asked = scanner.Scanner(address)
    found = looks(asked, data)
    result = asked.result()
    assert result is not None
    assert (found == [("NOT_SCANNED", "")]) is (result["verdict"] == "not_scanned")
    return result["verdict"], result.get("why", "")


# ── a real clamd ──


def test_a_clean_file_is_clean_and_the_result_names_engine_and_moment(clamd: str) -> None:
    asked = scanner.Scanner(clamd)
    before = datetime.now(UTC) - timedelta(seconds=1)
    assert looks(asked, b"name,kana\r\n") == []
    result = asked.result()
    assert result is not None
    assert before <= datetime.fromisoformat(result.pop("at")) <= datetime.now(UTC)
    assert result.pop("engine").startswith("ClamAV 1.")
    assert result == {"signatures_at": "", "verdict": "clean", "found": []}, "its only signature is of our making"


def test_malware_is_found_by_name_and_its_neighbours_stay_clean(clamd: str) -> None:
    asked = scanner.Scanner(clamd)
    assert looks(asked, b"before") == []
    assert looks(asked, b"\r\n" * 50_000 + EICAR) == [("MALWARE", NAME)]
    assert looks(asked, EICAR) == [("MALWARE", NAME)]
    assert looks(asked, b"after") == []
    result = asked.result()
    assert result is not None
    assert (result["verdict"], result["found"]) == ("found", [NAME])


@pytest.mark.parametrize("size", [1, 7, 64 * 1024])
def test_malware_is_found_however_its_bytes_are_cut(clamd: str, size: int) -> None:
    scanner.configure(clamd)
    assert scanner.scan(pieces(EICAR, size))["found"] == [NAME]


def test_an_empty_file_and_an_empty_piece_are_no_end_of_the_stream(clamd: str) -> None:
    scanner.configure(clamd)
    assert scanner.scan([])["verdict"] == "clean"
    assert scanner.scan([b"", EICAR[:20], b"", EICAR[20:], b""])["verdict"] == "found"


def test_a_thousand_small_files_take_no_second_each_and_leave_no_socket(clamd: str) -> None:
    asked, before = scanner.Scanner(clamd), len(os.listdir("/proc/self/fd"))
    started = time.monotonic()
    assert [looks(asked, b"row %d" % number) for number in range(300)] == [[]] * 300
    assert time.monotonic() - started < 10
    assert len(os.listdir("/proc/self/fd")) == before


@needs_clamd
def test_what_is_too_big_for_clamd_is_not_scanned_and_the_next_file_is(tmp_path: Path) -> None:
    with running(tmp_path, StreamMaxLength="28M", MaxFileSize="1M", MaxScanSize="1M") as address:
        asked = scanner.Scanner(address)
        assert looks(asked, bytes(32 * MEBIBYTE)) == [("NOT_SCANNED", "")], "more than it reads"
        assert looks(asked, b" " * (scanner.LARGE + 1) + EICAR) == [("NOT_SCANNED", "")], "more than it looks into"
        assert looks(asked, b"small") == []
        result = asked.result()
        assert result is not None
        assert (result["verdict"], result["why"], result["found"]) == ("not_scanned", "too_big", [])
        assert looks(asked, EICAR) == [("MALWARE", NAME)]
        assert asked.result()["verdict"] == "found", "what was found weighs more"  # type: ignore[index]


@needs_clamd
def test_a_small_file_that_only_blinds_the_scanner_is_no_unscanned_one(tmp_path: Path) -> None:
    nested = EICAR
    for _ in range(30):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("届書", nested)
        nested = out.getvalue()
    with running(tmp_path) as address:
        ((code, name),) = looks(scanner.Scanner(address), nested)
    assert (code, name.split(".")[:3]) == ("MALWARE", ["Heuristics", "Limits", "Exceeded"])


# ── a file left half way ──


def test_an_archive_of_which_a_file_was_left_half_way_is_neither_clean_nor_to_be_scanned_later(clamd: str) -> None:
    asked = scanner.Scanner(clamd)
    assert asked.result() is None, "nothing was read"
    assert looks(asked, b"whole") == []
    with asked.reader("壊れた.csv", 9) as reading:
        reading.write(b"half")
    assert asked.result() is None
    assert looks(asked, EICAR) == [("MALWARE", NAME)]
    assert asked.result()["verdict"] == "found"  # type: ignore[index]


# ── no clamd ──


@pytest.mark.parametrize(
    "address",
    [
        "/nowhere/clamd.ctl",
        "/" + "x" * 200,
        pytest.param("127.0.0.1:{}", id="a port nobody listens on"),
        "no-such-host.invalid:3310",
        "",
    ],
)
def test_where_nobody_answers_nothing_is_scanned_and_nothing_is_raised(address: str) -> None:
    assert verdict(address.format(free_port())) == ("not_scanned", "unreachable")


def test_a_scanner_that_has_gone_is_not_asked_again_for_each_of_a_thousand_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scanner, "ANSWER_SECONDS", 0.2)
    with Odd(hangs).listening() as odd:
        asked = scanner.Scanner(odd.address)
        started = time.monotonic()
        assert [looks(asked, b"x") for _ in range(1000)] == [[("NOT_SCANNED", "")]] * 1000
        assert time.monotonic() - started < 5
        assert odd.connections == 2, "its version and the first file"
        result = asked.result()
    assert result is not None
    assert (result["engine"], result["why"]) == ("ClamAV 1.4.6", "unreachable")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"stream: OK", "broken"),  # cut before its end
        (b"stre", "broken"),
        (b"", "broken"),
        (b"\0", "broken"),
        (b"OK\0", "broken"),
        (b"stream: OK FOUND you\0", "broken"),
        (b"stream: Can't allocate memory ERROR\0", "broken"),
        (b"UNKNOWN COMMAND\0", "broken"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "broken"),
        (bytes(range(128, 256)) * 100, "broken"),  # and no end of it
        (b"INSTREAM size limit exceeded. ERROR\0", "too_big"),
        (b"stream: Heuristics.Limits.Exceeded.MaxScanTime FOUND\0", "broken"),
    ],
)
def test_an_answer_that_is_none_is_no_clean_file(answer: bytes, why: str) -> None:
    with Odd(says(answer)).listening() as odd:
        assert verdict(odd.address) == ("not_scanned", why)


@pytest.mark.parametrize("answer", [b"", b"stream: OK\0", b"INSTREAM size limit exceeded. ERROR\0"])
def test_one_that_hangs_up_in_the_middle_of_a_file_is_heard_to_its_end(answer: bytes) -> None:
    with Odd(says(answer), is_patient=False).listening() as odd:
        told, why = verdict(odd.address, os.urandom(8 * MEBIBYTE))
    assert told == "not_scanned"
    assert why in (("too_big", "broken") if b"limit" in answer else ("broken",))


def test_one_that_stops_reading_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "ANSWER_SECONDS", 0.3)
    with Odd(stalls, is_patient=False).listening() as odd:
        asked = scanner.Scanner(odd.address)
        with asked.reader("大きい.bin", 0) as reading:
            for _ in range(400):
                reading.write(bytes(64 * 1024))
            assert list(reading.finish()) == [("NOT_SCANNED", "")]


def test_one_that_drips_its_answer_holds_nobody_up_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "ANSWER_SECONDS", 0.3)
    started = time.monotonic()
    with Odd(drips).listening() as odd:
        assert verdict(odd.address) == ("not_scanned", "unreachable")
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("version", [b"220 mail.example ESMTP\r\n\0", b"ClamAV\0", b"\xff\xfe\0", b"ClamAV 1.4.6"])
def test_what_does_not_say_that_it_is_clamd_gets_no_bytes_of_a_file(version: bytes) -> None:
    with Odd(says(b"stream: OK\0"), version=version).listening() as odd:
        assert verdict(odd.address) == ("not_scanned", "broken")
        assert odd.connections == 1


def test_names_of_malware_are_safe_to_show() -> None:
    name = "Win.Test\x1b[31m\r\n" + "あ" * 300
    with Odd(says(f"stream: {name}({'0' * 32}:9) FOUND\0".encode())).listening() as odd:
        ((code, told),) = looks(scanner.Scanner(odd.address), b"x")
    assert (code, told.isprintable(), len(told)) == ("MALWARE", True, 100)
    with Odd(says(f"stream: Win.Test-1({'a' * 32}:68) FOUND\0".encode())).listening() as odd:
        assert looks(scanner.Scanner(odd.address), b"x") == [("MALWARE", "Win.Test-1")], "without clamd's own details"


# ── engine and signatures ──


@pytest.fixture
def at_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """The clock on the wall of this machine."""

    def put(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("zone", "hour"), [("UTC", 8), ("Asia/Tokyo", 23)])
def test_the_date_of_the_signatures_is_read_by_the_clock_of_the_machine(
    at_zone: Callable[[str], None], zone: str, hour: int
) -> None:
    at_zone(zone)
    with Odd(says(b"stream: OK\0")).listening() as odd:
        asked = scanner.Scanner(odd.address)
        looks(asked, b"x")
        scanner.configure(odd.address)
        health = scanner.health()
    result = asked.result()
    day = 20 if hour == 8 else 19
    assert result is not None
    assert result["signatures_at"] == f"2026-11-{day}T{hour:02}:26:00+00:00"
    assert (health.is_up, health.engine) == (True, "ClamAV 1.4.6")
    assert health.signatures_at == datetime(2026, 11, day, hour, 26, tzinfo=UTC)


@pytest.mark.parametrize("version", [b"ClamAV 1.4.6\0", b"ClamAV 1.4.6/27800/yesterday\0"])
def test_without_a_date_there_is_none(version: bytes) -> None:
    with Odd(says(b"stream: OK\0"), version=version).listening() as odd:
        scanner.configure(odd.address)
        assert scanner.scan([b"x"])["signatures_at"] == ""
        assert scanner.health().signatures_at is None


def test_who_looked_is_told_in_one_line() -> None:
    scan = {"engine": "ClamAV 1.4.6", "signatures_at": "2026-11-19T23:26:00+00:00", "verdict": "clean"}
    assert scanner.told(scan) == "ClamAV 1.4.6　定義ファイル 2026/11/20", "the day in Japan"
    assert scanner.told({**scan, "signatures_at": ""}) == "ClamAV 1.4.6"
    assert scanner.told({**scan, "engine": ""}) == ""
    assert scanner.told(None) == ""


def test_its_health_says_what_to_do(clamd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanner, "HEALTH_SECONDS", 0.2)
    scanner.configure(clamd)
    assert scanner.health().is_up
    scanner.configure("/nowhere/clamd.ctl")
    assert "clamav-daemon" in scanner.health().problem
    with Odd(hangs, version=b"SSH-2.0\0").listening() as odd:
        scanner.configure(odd.address)
        assert "設定 CLAMD" in scanner.health().problem
    scanner.configure("")
    assert (scanner.is_configured(), scanner.health().is_up) == (False, False)


@pytest.mark.parametrize(
    "address", ["clamd", "localhost:", ":3310", "localhost:clamd", "localhost:99999", "host:３３１０"]
)
def test_an_address_that_is_none_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(NotConfigured, match="CLAMD"):
        scanner.configure(address)
