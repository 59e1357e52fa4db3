"""Answers what pages and API ask of the index."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sender_filter.core.addresses import Address
from sender_filter.core.records import DecisionRecord, Function
from sender_filter_console import interface
from sender_filter_console.index import ids, kinds, packing, places, rows, search, sums
from sender_filter_console.index.kinds import Kind

LAST_ID = 2**53 - 1

EXISTS = "SELECT 1 FROM decisions WHERE id = ?"
DECISION = "SELECT kind, record FROM decisions JOIN records USING (id) WHERE id = ?"
END = "SELECT record FROM ends WHERE session = ?"
SIBLINGS = (
    "SELECT id FROM decisions INDEXED BY decisions_by_session"
    " WHERE session = ? ORDER BY id DESC LIMIT ?"
)
EVENTS = (
    "SELECT id, gateway, record FROM events INDEXED BY events_by_place"
    " WHERE place = ? ORDER BY id DESC LIMIT ?"
)
OLDEST = "SELECT id FROM decisions ORDER BY id LIMIT 1"
GATEWAYS = "SELECT name, heard FROM gateways"

MOST_SIBLINGS = 50


@dataclass(frozen=True, slots=True)
class Filters:
    """Which decisions; as ``DecisionQuery``, with its texts understood."""

    span: tuple[bytes, bytes] | None = None
    function: Function | None = None
    result: interface.Result | None = None
    gateway: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    end: int | None = None
    limit: int = 50


class Reader:
    """One state of the index: what a transaction sees, in which nothing is forgotten meanwhile."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Read there."""
        self._database = database

    def decisions(self, filters: Filters) -> interface.Page[interface.Decision]:
        """Decisions, the latest first."""
        known = kinds.all_of(self._database)
        chosen = kinds.wanted(known.values(), filters.function, filters.result, filters.gateway)
        wanted = search.Wanted(
            span=filters.span,
            kinds=None if len(chosen) == len(known) else chosen,
            first=0 if filters.since is None else ids.first_of(filters.since),
            end=min(
                LAST_ID if filters.until is None else ids.first_of(filters.until),
                LAST_ID if filters.end is None else filters.end,
            ),
            limit=filters.limit,
        )
        found = search.find(self._database, wanted, list(known))
        items = [self._row(number, known) for number in found.ids]
        return interface.Page(items, None if found.end is None else str(found.end))

    def decision(self, number: int) -> interface.FullDecision | None:
        """Everything about a decision; None: it is not kept."""
        if self._database.execute(EXISTS, (number,)).fetchone() is None:
            return None
        known = kinds.all_of(self._database)
        _, record = self._find(number)
        siblings = self._database.execute(SIBLINGS, (record.session, MOST_SIBLINGS)).fetchall()
        return interface.FullDecision(
            row=self._row(number, known),
            port=record.port,
            found=record.found,
            hop=record.hop,
            doubt=record.doubt,
            tls=record.tls,
            checks=[rows.check(each) for each in record.checks],
            walk=[rows.hop(each) for each in record.walk],
            end=self._end(record.session),
            siblings=[self._row(other, known) for (other,) in siblings if other != number],
        )

    def events(self, address: Address, limit: int) -> list[interface.BlockEvent]:
        """Blocks that cover an address, the latest first."""
        found = [
            row
            for place in places.around(address)
            for row in self._database.execute(EVENTS, (place, limit))
        ]
        latest = sorted(found, reverse=True)[:limit]
        return [rows.event(gateway, packing.event(record)) for _, gateway, record in latest]

    def chart(
        self, since: datetime, now: datetime, columns: int, gateway: str | None
    ) -> list[interface.ChartBucket]:
        """The chart of decisions."""
        known = kinds.all_of(self._database)
        shown = {kind.id: kind for kind in known.values() if gateway in (None, kind.gateway)}
        return sums.chart(self._database, since, now, columns, shown)

    def top(self, limit: int) -> list[interface.TopAddress]:
        """The addresses most often refused."""
        known = kinds.all_of(self._database).values()
        refusing = kinds.wanted(known, result="refused")
        return [
            interface.TopAddress(places.text(place), refused, self._latest(place, refusing))
            for place, refused in sums.top(self._database, limit)
        ]

    def refused(self, address: Address) -> int:
        """How often an address was refused in the window."""
        return sums.refused(self._database, places.of_address(address))

    def gateways(self) -> dict[str, datetime]:
        """Each gateway that was heard of, and when it was last."""
        return {name: ids.time_of(heard) for name, heard in self._database.execute(GATEWAYS)}

    def oldest(self) -> datetime | None:
        """When the oldest decision was that is kept."""
        found = self._database.execute(OLDEST).fetchone()
        return None if found is None else ids.time_of(found[0])

    def _find(self, number: int) -> tuple[int, DecisionRecord]:
        kind, record = self._database.execute(DECISION, (number,)).fetchone()
        return kind, packing.decision(record)

    def _row(self, number: int, known: Mapping[int, Kind]) -> interface.Decision:
        kind, record = self._find(number)
        return rows.decision(number, known[kind].gateway, record, shadow=known[kind].shadow)

    def _end(self, session: str) -> interface.SessionEnd | None:
        found = self._database.execute(END, (session,)).fetchone()
        return None if found is None else rows.end(packing.end(found[0]))

    def _latest(self, place: bytes, refusing: Sequence[int]) -> int | None:
        found = [
            row[0]
            for kind in refusing
            for row in self._database.execute(search.BY_ADDRESS, (place, kind, 0, LAST_ID, 1))
        ]
        return max(found, default=None)
