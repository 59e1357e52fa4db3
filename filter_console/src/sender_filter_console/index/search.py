"""Finds decisions: which ids, the latest first.

What is asked is turned into a few stretches of an index, each ordered by id, of which as many rows
are read as are to be shown. Only a network has no such stretch, for its addresses lie beside each
other and its decisions do not: one with few decisions is collected by the index of addresses; one
with many is met soon when the latest decisions are walked, and that walk is bounded as well.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

FEW = 20_000
"""So many decisions of a network are collected and sorted."""

WALK = 250_000
"""So many decisions are walked for one answer."""

BY_TIME = "SELECT id FROM decisions WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
BY_KIND = (
    "SELECT id FROM decisions INDEXED BY decisions_by_kind"
    " WHERE kind = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
)
BY_ADDRESS = (
    "SELECT id FROM decisions INDEXED BY decisions_by_address"
    " WHERE address = ? AND kind = ? AND id >= ? AND id < ? ORDER BY id DESC LIMIT ?"
)
COUNT = (
    "SELECT count(*) FROM (SELECT 1 FROM decisions INDEXED BY decisions_by_address"
    " WHERE address >= ? AND address <= ? LIMIT ?)"
)
COLLECT = (
    "SELECT id FROM decisions INDEXED BY decisions_by_address"
    " WHERE address >= ? AND address <= ? AND id >= ? AND id < ?"
    " AND (? IS NULL OR kind IN (SELECT value FROM json_each(?)))"
)
WALKED = (
    "SELECT id FROM"
    " (SELECT * FROM decisions WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?)"
    " WHERE address >= ? AND address <= ?"
    " AND (? IS NULL OR kind IN (SELECT value FROM json_each(?))) LIMIT ?"
)
WALKED_TO = "SELECT id FROM decisions WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"


class Wanted(NamedTuple):
    """Which decisions.

    Attributes:
        span: From this address to that one; None: anywhere.
        kinds: Of one of these kinds; None: of any.
        first: The least id.
        end: All ids are less.
        limit: Most ids.
    """

    span: tuple[bytes, bytes] | None
    kinds: Sequence[int] | None
    first: int
    end: int
    limit: int


class Found(NamedTuple):
    """The ids, and the ``end`` of what comes after them; None: nothing does."""

    ids: list[int]
    end: int | None


def find(database: sqlite3.Connection, wanted: Wanted, all_kinds: Sequence[int]) -> Found:
    """Find them.

    Args:
        database: The index.
        wanted: Which.
        all_kinds: Every kind there is.
    """
    if wanted.kinds is not None and not wanted.kinds:
        return Found([], None)
    if wanted.span is None:
        return _by_kinds(database, wanted)
    first, last = wanted.span
    if first == last:
        kinds = all_kinds if wanted.kinds is None else wanted.kinds
        return _by_address(database, wanted, first, kinds)
    if database.execute(COUNT, (first, last, FEW)).fetchone()[0] < FEW:
        return _collect(database, wanted, wanted.span)
    return _walk(database, wanted, wanted.span)


def _by_kinds(database: sqlite3.Connection, wanted: Wanted) -> Found:
    stretch = wanted.first, wanted.end, wanted.limit + 1
    if wanted.kinds is None:
        return _latest(database.execute(BY_TIME, stretch), wanted.limit)
    rows = [row for kind in wanted.kinds for row in database.execute(BY_KIND, (kind, *stretch))]
    return _latest(rows, wanted.limit)


def _by_address(
    database: sqlite3.Connection, wanted: Wanted, place: bytes, kinds: Sequence[int]
) -> Found:
    stretch = wanted.first, wanted.end, wanted.limit + 1
    rows = [row for kind in kinds for row in database.execute(BY_ADDRESS, (place, kind, *stretch))]
    return _latest(rows, wanted.limit)


def _collect(database: sqlite3.Connection, wanted: Wanted, span: tuple[bytes, bytes]) -> Found:
    kinds = _listed(wanted.kinds)
    rows = database.execute(COLLECT, (*span, wanted.first, wanted.end, kinds, kinds))
    return _latest(rows, wanted.limit)


def _walk(database: sqlite3.Connection, wanted: Wanted, span: tuple[bytes, bytes]) -> Found:
    kinds = _listed(wanted.kinds)
    part = wanted.first, wanted.end, WALK
    rows = database.execute(WALKED, (*part, *span, kinds, kinds, wanted.limit + 1))
    found = _latest(rows, wanted.limit)
    if found.end is not None:
        return found
    walked_to = database.execute(WALKED_TO, (*part[:2], WALK - 1)).fetchone()
    return Found(found.ids, None if walked_to is None else walked_to[0])


def _listed(kinds: Sequence[int] | None) -> str | None:
    """The kinds as JSON: so many of them that no statement has a place for each."""
    return None if kinds is None else json.dumps(list(kinds))


def _latest(rows: Iterable[tuple[int]], limit: int) -> Found:
    """The greatest ids, of which there may be one more than are wanted."""
    found = sorted((number for (number,) in rows), reverse=True)[: limit + 1]
    return Found(found[:limit], found[limit - 1] if len(found) > limit else None)
