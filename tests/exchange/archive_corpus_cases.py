"""How an archive to judge is written down: its bytes, and the verdict and codes that a person put beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.exchange.archive_writer import PASSWORD, PDF, Item, made

Names = tuple[str, ...] | None


@dataclass(frozen=True)
class Case:
    """names: what the entries must be called, where it matters."""

    label: str
    build: Callable[[], bytes]
    verdict: str
    codes: frozenset[str]
    names: Names = None
    password: str = PASSWORD


def case(label: str, build: Callable[[], bytes], codes: str = "", names: Names = None, **more: str) -> Case:
    """codes with a "!" in front only warn."""
    verdict = "accept" if not codes else "warn" if all(code[0] == "!" for code in codes.split()) else "reject"
    return Case(label, build, verdict, frozenset(code.lstrip("!") for code in codes.split()), names, **more)


def one(label: str, codes: str = "", names: Names = None, /, **item: object) -> Case:
    """An archive of a single entry."""
    return case(label, partial(made, Item(**{"name": "届書.csv", **item})), codes, names)


def pair(label: str, codes: str = "", /, **archive: object) -> Case:
    """An archive of two good entries in a crooked container."""
    return case(label, partial(made, Item("届書.csv"), Item("通知.pdf", PDF), **archive), codes)
