"""What a goal's file hands over: one line of figures, and the median of interleaved rounds."""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Line:
    """One line of `make bench`. `ratio` is value / reference_value, both None where a goal is an absolute figure."""

    name: str
    value: float | None
    unit: str
    reference: str | None
    reference_value: float | None
    ratio: float | None
    goal: str
    met: bool

    def as_json(self) -> str:
        return json.dumps(
            {key: round(entry, 3) if isinstance(entry, float) else entry for key, entry in asdict(self).items()},
            ensure_ascii=False,
        )


def against(name: str, value: float, unit: str, reference: str, reference_value: float, at_least: float) -> Line:
    """A goal of the form: at least so many times the reference."""
    ratio = value / reference_value
    return Line(name, value, unit, reference, reference_value, ratio, f"ratio >= {at_least}", ratio >= at_least)


def at_most(name: str, value: float, unit: str, limit: float) -> Line:
    """A goal of the form: no more than so much."""
    return Line(name, value, unit, None, None, None, f"<= {limit} {unit}", value <= limit)


def not_measured(name: str, why: str, goal: str) -> Line:
    """A goal that could not be measured here counts as missed and says why."""
    return Line(f"{name} (not measured: {why})", None, "", None, None, None, goal, False)


def rounds(count: int, candidates: dict[str, Callable[[], float]]) -> dict[str, float]:
    """Runs every candidate once per round, one after the other, and gives the median of each: drift hits all alike."""
    figures: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(count):
        for name, measure in candidates.items():
            figures[name].append(measure())
    return {name: statistics.median(values) for name, values in figures.items()}
