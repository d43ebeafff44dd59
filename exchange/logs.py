"""Logs as one JSON line an event, so that nothing a stranger types can forge a second one."""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """Time in UTC, level, logger, message, and the facts given as `extra={"facts": …}`; of an error its class and
    place.
    """

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["trace"] = _trace(record.exc_info[1])
        return json.dumps(line, ensure_ascii=True)


def _trace(error: BaseException | None) -> list[str]:
    """Class and frames of an exception and its causes; never its text, which may hold names of files and people."""
    lines = []
    while error is not None:
        lines.append(type(error).__qualname__)
        lines += [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
        error = error.__cause__ or error.__context__
    return lines


ACCESS_LINE = re.compile(r"\S+ - - \[")


class NoAccessLines(logging.Filter):
    """Drops the development server's own line per request: it carries addresses and full paths, ours doesn't."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not ACCESS_LINE.match(record.getMessage())


_no_access_lines = NoAccessLines()


def install() -> None:
    """Send everything under `todoke` to standard error; asked again, nothing changes."""
    logging.getLogger("werkzeug").addFilter(_no_access_lines)
    logger = logging.getLogger("todoke")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
