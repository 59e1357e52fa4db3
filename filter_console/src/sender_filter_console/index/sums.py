"""What was counted while decisions came in: the chart, and who was refused most."""

import math
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sender_filter.core.records import Action, Function
from sender_filter_console import interface
from sender_filter_console.index import ids
from sender_filter_console.index.kinds import Kind
from sender_filter_console.index.writer import WIDTHS

CHART = (
    "SELECT bucket / ?, kind, sum(count) FROM counts"
    " WHERE width = ? AND bucket >= ? AND bucket <= ? GROUP BY 1, 2"
)
TOP = "SELECT address, refused FROM week ORDER BY refused DESC LIMIT ?"
REFUSED = "SELECT refused FROM week WHERE address = ?"


def chart(
    database: sqlite3.Connection,
    since: datetime,
    now: datetime,
    columns: int,
    kinds: Mapping[int, Kind],
) -> list[interface.ChartBucket]:
    """Decisions of some kinds, in about so many columns of one length, up to now."""
    since = max(since, ids.EPOCH)
    width = _width(since, now, columns)
    span = now.timestamp() - since.timestamp()
    each = max(1, math.ceil(span / columns / width))  # buckets in a column
    first = int(since.timestamp()) // width // each
    last = int(now.timestamp()) // width // each
    sums = [Counter[tuple[Function, Action, bool]]() for _ in range(first, last + 1)]
    stretch = each, width, first * each, (last + 1) * each - 1
    for column, number, count in database.execute(CHART, stretch):
        if number in kinds:
            kind = kinds[number]
            sums[column - first][kind.function, kind.action, kind.shadow] += count
    return [
        interface.ChartBucket(
            start=datetime.fromtimestamp(column * width * each, UTC),
            seconds=width * each,
            parts=[interface.ChartPart(*kind, count) for kind, count in sorted(parts.items())],
        )
        for column, parts in enumerate(sums, first)
    ]


def top(database: sqlite3.Connection, limit: int) -> Sequence[tuple[bytes, int]]:
    """The addresses that were refused most in the window, and how often."""
    return database.execute(TOP, (limit,)).fetchall()


def refused(database: sqlite3.Connection, place: bytes) -> int:
    """How often an address was refused in the window."""
    found = database.execute(REFUSED, (place,)).fetchone()
    return 0 if found is None else int(found[0])


def _width(since: datetime, now: datetime, columns: int) -> int:
    """The widest bucket that fits into a column and that is kept for so long."""
    span = now.timestamp() - since.timestamp()
    kept = [width for width, seconds in WIDTHS.items() if seconds >= span] or [max(WIDTHS)]
    return max((width for width in kept if width * columns <= span), default=min(kept))
