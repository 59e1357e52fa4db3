"""Takes records into the index, and forgets what is too old or too much.

Each batch is one transaction, and the place to go on reading is part of it: a record is counted
once, whatever is killed when.
"""

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sender_filter.core import addresses
from sender_filter.core.records import (
    BlockRecord,
    DecisionRecord,
    OrderRecord,
    Record,
    SessionRecord,
)
from sender_filter_console.index import ids, packing, places
from sender_filter_console.index.database import transaction

DAY = 86_400
WINDOW_DAYS = 7
"""Days of which refusals are counted for each address, today included."""

WIDTHS = {300: 2 * DAY, 3600: 15 * DAY, 6 * 3600: 100 * DAY, DAY: 4000 * DAY}
"""Buckets of the chart, in seconds, and for how long each width is kept."""

AHEAD = timedelta(days=1)
"""The clock of another gateway may be so wrong."""

PART = 2000
"""Rows forgotten in one go, so that nobody waits for long."""

_CURSOR = "SELECT cursor FROM cursors WHERE source = ?"
_GO_ON = "INSERT OR REPLACE INTO cursors VALUES (?, ?)"
_DECISION = "INSERT INTO decisions (id, kind, address, session) VALUES (?, ?, ?, ?)"
_RECORD = "INSERT INTO records VALUES (?, ?)"
_END = "INSERT OR IGNORE INTO ends VALUES (?, ?, ?)"
_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?)"
_GATEWAY = "INSERT INTO gateways VALUES (?, ?) ON CONFLICT DO UPDATE SET heard = max(heard, ?)"
_NEW_KIND = "INSERT OR IGNORE INTO kinds (gateway, function, action, shadow) VALUES (?, ?, ?, ?)"
_KIND = "SELECT id FROM kinds WHERE (gateway, function, action, shadow) = (?, ?, ?, ?)"
_COUNT = "INSERT INTO counts VALUES (?, ?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
_REFUSED = "INSERT INTO days VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET refused = refused + 1"
_REFUSED_EVER = "INSERT INTO week VALUES (?, 1) ON CONFLICT DO UPDATE SET refused = refused + 1"

_LAST = {
    "decisions": "SELECT max(id) FROM decisions WHERE id >= ? AND id < ?",
    "ends": "SELECT max(id) FROM ends WHERE id >= ? AND id < ?",
    "events": "SELECT max(id) FROM events WHERE id >= ? AND id < ?",
}
_FORGET = {
    table: f"DELETE FROM {table} WHERE id IN"  # noqa: S608  # names of ours
    f" (SELECT id FROM {table} WHERE id < ? ORDER BY id LIMIT ?)"
    for table in ("decisions", "records", "ends", "events")
}
_BEYOND = "SELECT id FROM decisions ORDER BY id LIMIT 1 OFFSET ?"
_FORGET_COUNTS = "DELETE FROM counts WHERE width = ? AND bucket < ?"
_LEAVING = "SELECT day, address, refused FROM days WHERE day < ? ORDER BY day, address LIMIT ?"
_FORGET_DAY = "DELETE FROM days WHERE day = ? AND address = ?"
_LESS = "UPDATE week SET refused = refused - ? WHERE address = ?"
_NONE_LEFT = "DELETE FROM week WHERE address = ? AND refused <= 0"

log = logging.getLogger(__name__)


class Heard(NamedTuple):
    """A record and the gateway that it is from."""

    gateway: str
    record: Record


class Writer:
    """The one writer of the index. Its methods take a while: call them in a thread of its own.

    Attributes:
        stored: How many decisions are kept.
    """

    def __init__(self, database: sqlite3.Connection, *, days: int, most: int) -> None:
        """Write there, and keep so many days and so many decisions at most."""
        self._database = database
        self._days = days
        self._most = most
        self._kinds: dict[tuple[str, str, str, bool], int] = {}
        self.stored: int = database.execute("SELECT count(*) FROM decisions").fetchone()[0]

    def cursor(self, source: str) -> str | None:
        """Where to go on reading a source; None: it was never read."""
        found = self._execute(_CURSOR, (source,)).fetchone()
        return None if found is None else str(found[0])

    def add(self, heard: Iterable[Heard], source: str, cursor: str, now: datetime) -> None:
        """Take records, in the order of their source, and where to go on reading it.

        One that is no sense is left out: a gateway that went wrong must not stop the others.
        """
        stored = 0
        self._kinds.clear()  # a batch that failed may have left some that are not written
        with transaction(self._database):
            for gateway, record in heard:
                try:
                    stored += self._add(gateway, record, now)
                except ValueError as error:
                    log.warning("a record of %s is left out: %s", gateway, error)
            self._execute(_GO_ON, (source, cursor))
        self.stored += stored

    def forget(self, now: datetime) -> bool:
        """Forget a part of what is too much; returns whether there may be more of it."""
        with transaction(self._database):
            parts = [self._forget_decisions(now), self._forget_refusals(now)]
            for width, seconds in WIDTHS.items():
                oldest = int(now.timestamp() - seconds) // width
                self._execute(_FORGET_COUNTS, (width, oldest))
        return max(parts) >= PART

    def _add(self, gateway: str, record: Record, now: datetime) -> bool:
        """Take a record; returns whether it is a decision.

        Raises:
            ValueError: Its time or its address is none.
        """
        time = ids.parse(record.time)
        if time > now + AHEAD:
            msg = f"it is of {record.time}, which is to come"
            raise ValueError(msg)
        match record:
            case DecisionRecord():
                self._add_decision(gateway, record, time, now)
                return True
            case SessionRecord():
                number = self._free("ends", time)
                self._execute(_END, (number, record.session, packing.pack(record)))
            case BlockRecord() | OrderRecord():
                number, place = self._free("events", time), places.of_subject(record.address)
                self._execute(_EVENT, (number, place, gateway, packing.pack(record)))
        return False

    def _add_decision(
        self, gateway: str, record: DecisionRecord, time: datetime, now: datetime
    ) -> None:
        place = places.of_address(addresses.parse(record.address))
        number = self._free("decisions", time)
        kind = self._kind(gateway, record.function, record.action, shadow=_in_shadow(record))
        self._execute(_DECISION, (number, kind, place, record.session))
        self._execute(_RECORD, (number, packing.pack(record)))
        self._execute(_GATEWAY, (gateway, number, number))
        seconds = int(time.timestamp())
        self._database.executemany(_COUNT, [(width, seconds // width, kind) for width in WIDTHS])
        # A Postfix that is away says nothing about the address.
        refused = record.action != "pass" and record.function != "upstream"
        if refused and _day(time) >= _first_day(now):
            self._execute(_REFUSED, (_day(time), place))
            self._execute(_REFUSED_EVER, (place,))

    def _free(self, table: str, time: datetime) -> int:
        """The first free id at that time: records of gateways come out of order."""
        first = ids.first_of(time)
        while True:
            end = first + ids.A_MILLISECOND
            last = self._execute(_LAST[table], (first, end)).fetchone()[0]
            if last is None:
                return first
            if last + 1 < end:
                return int(last) + 1
            first = end

    def _kind(self, gateway: str, function: str, action: str, *, shadow: bool) -> int:
        kind = gateway, function, action, shadow
        if kind not in self._kinds:
            self._execute(_NEW_KIND, kind)
            self._kinds[kind] = self._execute(_KIND, kind).fetchone()[0]
        return self._kinds[kind]

    def _forget_decisions(self, now: datetime) -> int:
        """Forget the oldest, and what belongs to them."""
        limit = ids.first_of(now - timedelta(days=self._days))
        surplus = min(max(0, self.stored - self._most), PART)
        if surplus:
            beyond = self._execute(_BEYOND, (surplus,)).fetchone()
            limit = max(limit, beyond[0])
        gone = {
            table: self._execute(words, (limit, PART)).rowcount for table, words in _FORGET.items()
        }
        self.stored -= gone["decisions"]
        return max(gone.values())

    def _forget_refusals(self, now: datetime) -> int:
        """Take days that have left the window out of the sums."""
        leaving = self._execute(_LEAVING, (_first_day(now), PART)).fetchall()
        for day, place, refused in leaving:
            self._execute(_FORGET_DAY, (day, place))
            self._execute(_LESS, (refused, place))
            self._execute(_NONE_LEFT, (place,))
        return len(leaving)

    def _execute(self, words: str, values: Sequence[str | bytes | int]) -> sqlite3.Cursor:
        return self._database.execute(words, values)


def _in_shadow(record: DecisionRecord) -> bool:
    """Whether a function that only watches would have refused."""
    return any(made.shadow and made.result in ("match", "listed") for made in record.checks)


def _day(time: datetime) -> int:
    return int(time.timestamp()) // DAY


def _first_day(now: datetime) -> int:
    return _day(now) - WINDOW_DAYS + 1
