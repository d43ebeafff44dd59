"""Long lists in pages."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for

PAGE = 50
KEPT = ("state", "q")  # of the address, from one page to the next


@dataclass(frozen=True)
class Pager:
    page: int
    pages: int
    total: int
    items: list[Any]

    @property
    def prev_url(self) -> str | None:
        return _url(self.page - 1) if self.page > 1 else None

    @property
    def next_url(self) -> str | None:
        return _url(self.page + 1) if self.page < self.pages else None


def total_of(counts: dict[str, int], state: str) -> int:
    """How many rows a list has, from the counts that its filter shows anyway."""
    return counts.get(state, 0) if state else sum(counts.values())


def page_of(query: Any, total: int) -> Pager:
    """The page the address asks for; one beyond the end is the last."""
    pages = max(1, -(-total // PAGE))
    page = min(max(1, request.args.get("page", 1, type=int)), pages)
    return Pager(page, pages, total, list(query.paginate(page, PAGE)))


def _url(page: int) -> str:
    kept = {name: request.args[name] for name in KEPT if name in request.args}
    return url_for(request.endpoint or "", **(request.view_args or {}), **kept, page=page)
