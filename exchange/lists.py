"""What a list of documents shows, and how many there are of each state: at one place, or at several offices at once.

Lists tell some states further apart than the rows do, since then somebody else has to act: what is not delivered and
was refused by its inspection, or has a virus by now, is `unusable`, for its own side takes it back; a 差戻し that has
been sent again is `replaced`; what turned out to have a virus after its delivery, and is not over and done with, is
`quarantined`.
"""

from collections.abc import Sequence
from typing import Any

from peewee import Value, fn

from models import FILING, STATEMENT, Inspection, Membership, Transfer

# State in lists → states in the row.
PARTED: dict[str, tuple[str, ...]] = {
    "unusable": ("uploaded", "approved"),
    "replaced": ("returned",),
    "quarantined": ("delivered", "requested", "received"),
}
PARTED_STATES = tuple(state for states in PARTED.values() for state in states)
REFUSED = ("failed", "quarantined")  # by the inspection

Key = tuple[int | None, str, str]  # office's id (None: seen from the fund), direction, state in lists


def listed(places: Sequence[Membership], direction: str, state: str = "") -> Any:
    """A list, newest first: by arrival for the side that receives, by upload for the side that makes."""
    is_receiver = (direction == FILING) == (places[0].office_id is None)
    newest = Transfer.delivered_at.desc() if is_receiver else Transfer.id.desc()
    query = Transfer.visible_to(*places).where(Transfer.direction == direction).order_by(newest, Transfer.id.desc())
    if state in PARTED:
        return query.where(_parts()[state])
    if state in PARTED_STATES:
        return query.where(Transfer.state == state, ~_parts()[part_of(state)])
    return query.where(Transfer.state == state) if state else query


def counts(places: Sequence[Membership], direction: str) -> dict[str, int]:
    """State in lists → how many can be seen from these places, for the filter above a list."""
    found: dict[str, int] = {}
    for (_, _, state), number in tally(places, direction).items():
        found[state] = found.get(state, 0) + number
    return found


def tally(places: Sequence[Membership], *directions: str) -> dict[Key, int]:
    """Everything of these directions (of both, if none is named) that can be seen from these places, in three queries.

    What is parted is few: the first query counts in an index alone, the last begins with what has a virus, since what
    was ever received is many.
    """
    parts, whole = _parts(), _counted(places, directions)
    is_own = (Transfer.state << (*PARTED["unusable"], *PARTED["replaced"])) & (parts["unusable"] | parts["replaced"])
    for parted in (is_own, parts["quarantined"]):
        for (office, direction, state), number in _counted(places, directions, parted).items():
            part = part_of(state)
            # Never below nothing: between the queries somebody may have sent or moved one.
            whole[office, direction, state] = max(0, whole.get((office, direction, state), 0) - number)
            whole[office, direction, part] = whole.get((office, direction, part), 0) + number
    return {key: number for key, number in whole.items() if number}


def part_of(state: str) -> str:
    """The state in lists of what is told apart from the other rows in one of PARTED_STATES."""
    return next(name for name, states in PARTED.items() if state in states)


def _counted(places: Sequence[Membership], directions: Sequence[str], *conditions: Any) -> dict[Key, int]:
    is_office = places[0].office_id is not None
    columns = [Transfer.office] if is_office else []
    columns += [Transfer.direction, Transfer.state]
    wanted = Transfer.direction << (list(directions) or [FILING, STATEMENT])
    rows = Transfer.select(*columns, fn.COUNT(Transfer.id)).where(wanted, Transfer.known_at(*places), *conditions)
    found = rows.group_by(*columns).tuples()
    return {(tuple(key) if is_office else (None, *key)): number for *key, number in found}


def _parts() -> dict[str, Any]:
    """State in lists → refused by its inspection, sent again by a filing that wasn't cancelled, or with a virus."""
    newer = Transfer.alias()
    refused = Inspection.select(Value(1)).where(Inspection.transfer == Transfer.id, Inspection.state << REFUSED)
    again = newer.select(Value(1)).where(newer.replaces == Transfer.id, newer.state != "cancelled")
    infected = Inspection.select(Inspection.transfer).where(Inspection.has_virus())
    found = {"unusable": fn.EXISTS(refused), "replaced": fn.EXISTS(again), "quarantined": Transfer.id << infected}
    return {name: (Transfer.state << states) & found[name] for name, states in PARTED.items()}
