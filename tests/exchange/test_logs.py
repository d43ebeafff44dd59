"""Log lines: one JSON object each, whatever is put into them."""

import json
import logging

import pytest

from exchange import logs


def line_of(message: str, *arguments: object, **more: object) -> str:
    record = logging.LogRecord("todoke.test", logging.INFO, __file__, 1, message, arguments, more.pop("exc_info", None))
    record.__dict__.update(more)
    return logs.JsonLines().format(record)


@pytest.mark.parametrize("nasty", ["\n{}", "\r\n", "\x1b[31m", "\u2028", "\u2029", "\x00", '"}', "\x85", "改行"])
def test_nothing_typed_by_a_stranger_makes_a_second_line(nasty: str) -> None:
    line = line_of("said %s", nasty, facts={"what": nasty})
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["message"], json.loads(line)["what"]) == (f"said {nasty}", nasty)


def test_a_line_tells_when_how_grave_and_from_where() -> None:
    facts = json.loads(line_of("hello"))
    assert (facts["level"], facts["logger"], facts["message"]) == ("info", "todoke.test", "hello")
    assert facts["at"].endswith("+00:00")


def test_a_trace_names_the_error_and_its_place_without_its_text() -> None:
    try:
        raise ValueError("甲野's data\nin the text")
    except ValueError as error:
        line = line_of("failed", exc_info=(ValueError, error, error.__traceback__))
    assert len(line.splitlines()) == 1
    trace = json.loads(line)["trace"]
    assert trace[0] == "ValueError"
    assert "test_logs.py" in trace[1]
    assert "data" not in str(trace)


def test_installing_twice_logs_once() -> None:
    logs.install()
    before = list(logging.getLogger("todoke").handlers)
    logs.install()
    assert logging.getLogger("todoke").handlers == before
