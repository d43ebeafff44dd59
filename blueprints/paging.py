"""Long lists in pages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from flask_login import current_user

from exchange import lists
from models import Membership

PAGE = 50
# Of the address, from one page to the next.
KEPT = ("direction", "state", "q", "member", "office", "action", "since", "until", "closed", "step", "stuck")


@dataclass(frozen=True)
class Pager:
    page: int
    pages: int
    total: int
    items: list[Any]
    endpoint: str

    @property
    def prev_url(self) -> str | None:
        return _url(self.endpoint, self.page - 1) if self.page > 1 else None

    @property
    def next_url(self) -> str | None:
        return _url(self.endpoint, self.page + 1) if self.page < self.pages else None


def total_of(counts: dict[str, int], state: str) -> int:
    """How many rows a list has, from the counts that its filter shows anyway."""
    return counts.get(state, 0) if state else sum(counts.values())


def page_of(query: Any, total: int, endpoint: str = "") -> Pager:
    """The page the address asks for; one beyond the end is the last. `endpoint`: where the list stands, if not here."""
    return page_found(lambda skip, size: list(query.limit(size).offset(skip)), total, endpoint)


def page_found(find: Callable[[int, int], list[Any]], total: int, endpoint: str = "") -> Pager:
    """The same for a list that finds its own pages, by how many rows to skip and how many to show."""
    pages = max(1, -(-total // PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    return Pager(page, pages, total, find((page - 1) * PAGE, PAGE), endpoint or request.endpoint or "")


def transfers(direction: str, endpoint: str = "", places: Sequence[Membership] = ()) -> dict[str, Any]:
    """What a list of transfers shows: the page, its rows, the counts of the filter above it, the state asked for.

    `places`: whose documents, if not those of the place the visitor works at now.
    """
    places, state = places or [current_user.member], request.args.get("state", "")
    counts = lists.counts(places, direction)
    pager = page_of(lists.listed(places, direction, state), total_of(counts, state), endpoint)
    return {"pager": pager, "items": pager.items, "counts": counts, "state": state}


def here() -> dict[str, str]:
    """Of a list's address, what leads back to the same place in it."""
    return {name: request.args[name] for name in ("state", "page") if request.args.get(name)}


def _url(endpoint: str, page: int) -> str:
    kept = {name: request.args[name] for name in KEPT if name in request.args}
    return url_for(endpoint, **(request.view_args or {}), **kept, page=page)
