"""A pytest plug-in of `make test` and `.ci/run`: which skips are allowed, and the figures that tests measured.

A test reports a figure with pytest's own fixture: `record_property("kill -9 trials", "500, none lost")`.
"""

from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed_skips.txt")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--only-listed-skips", action="store_true", help="fail on a skip whose reason is not in tests/allowed_skips.txt"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Watcher(config.getoption("--only-listed-skips")), "todoke-reporting")


def allowed_reasons() -> set[str]:
    """The reasons in allowed_skips.txt, without its comments."""
    lines = (line.strip() for line in ALLOWED.read_text(encoding="utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a report was skipped, as pytest shows it; an expected failure counts as a skip."""
    if hasattr(report, "wasxfail"):
        return f"expected failure: {report.wasxfail}"
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


class Watcher:
    """Collects figures and unlisted skips of one run; shown above pytest's closing line."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.allowed = allowed_reasons()
        self.unlisted: list[str] = []
        self.figures: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and reason_of(report) not in self.allowed:
            self.unlisted.append(f"{report.nodeid}: {reason_of(report)}")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)
        if report.when == "teardown":
            name = report.nodeid.rpartition("::")[2]
            self.figures += [f"{name}: {what}: {value}" for what, value in report.user_properties]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.strict and self.unlisted and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.figures:
            terminalreporter.section("measured")
            terminalreporter.write_line("\n".join(self.figures))
        if self.unlisted:
            title = "skipped without a listed reason" + (" (this fails the run)" if self.strict else "")
            terminalreporter.section(title, red=self.strict, yellow=not self.strict)
            terminalreporter.write_line("\n".join(self.unlisted))
