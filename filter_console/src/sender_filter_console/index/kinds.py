"""What decisions have in common that they are filtered and counted by."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from sender_filter.core.records import Action, Function
from sender_filter_console.interface import Result

KINDS = "SELECT id, gateway, function, action, shadow FROM kinds"


class Kind(NamedTuple):
    """One of a few dozen kinds."""

    id: int
    gateway: str
    function: Function
    action: Action
    shadow: bool


def all_of(database: sqlite3.Connection) -> dict[int, Kind]:
    """Every kind there is, by its id."""
    return {
        number: Kind(number, gateway, function, action, bool(shadow))
        for number, gateway, function, action, shadow in database.execute(KINDS)
    }


def wanted(
    known: Iterable[Kind],
    function: Function | None = None,
    result: Result | None = None,
    gateway: str | None = None,
) -> list[int]:
    """The ids of the kinds that are looked for."""
    return [
        kind.id
        for kind in known
        if function in (None, kind.function)
        and gateway in (None, kind.gateway)
        and (result is None or _has(kind, result))
    ]


def _has(kind: Kind, result: Result) -> bool:
    match result:
        case "refused":
            return kind.action != "pass"
        case "shadow":
            return kind.shadow
        case _:
            return kind.action == result
