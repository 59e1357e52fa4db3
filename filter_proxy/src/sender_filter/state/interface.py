"""What outlives the process, and how it gets to where it is kept.

The event loop never waits: ``put`` and its sisters only note what is to be written. A task writes
it behind the loop's back, a block at once and counters once a second, and tries again for as long
as the store is away. Meanwhile the filter judges by its own memory.

What is written may be written twice and in any order: a row of counters is absolute and belongs to
one source, and of an entry's versions the later one counts.
"""

import itertools
from collections.abc import Iterable
from typing import Annotated, NamedTuple, Protocol

import msgspec
from msgspec import Meta, Struct

from sender_filter.core import networks
from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow
from sender_filter.core.profiler.profile import COLUMNS
from sender_filter.core.profiler.window import BUCKETS
from sender_filter.core.received import width
from sender_filter.core.records import Record
from sender_filter.core.runtime_lists import FOR_EVER, Entry, Kind, Who
from sender_filter.core.subject import LONGEST_SENDER, Sender, parse_sender

MOST_WAITING = 200_000
"""Most rows of counters that wait for a store that is away; the oldest are given up."""


class Listener(Protocol):
    """Who keeps counters and entries in memory."""

    def counts_came(self, rows: Iterable[CountRow]) -> None:
        """Rows that were kept or that another gateway has written."""

    def entries_came(self, entries: Iterable[Entry]) -> None:
        """Entries that were kept or that another gateway has made."""

    def widths(self) -> Iterable[int]:
        """The lengths of buckets in use."""

    def own_counts(self) -> Iterable[CountRow]:
        """All rows of this process in their period, for a store that has lost them."""

    def own_entries(self) -> Iterable[Entry]:
        """All entries, for a store that has lost them."""


class State(Protocol):
    """Where counters and entries are kept."""

    @property
    def problem(self) -> str | None:
        """Why nothing is being written now; None if it is."""

    async def start(self, listener: Listener) -> None:
        """Give the listener what is kept; if the store is away, go on without it."""

    def put_counts(self, rows: Iterable[CountRow]) -> None:
        """Keep rows; an interrupted machine may lose those of the last second."""

    def put_entry(self, entry: Entry) -> None:
        """Keep an entry, as soon as the store takes it."""

    def drop_entry(self, entry: Entry) -> None:
        """Forget an entry that is over, unless a later version has taken its place."""

    async def flush(self) -> bool:
        """Wait until what was put before is safe; False: the store is away."""

    async def close(self) -> None:
        """Write what is left, and wait no longer than a few seconds for it."""


class SharedRecord(NamedTuple):
    """A record and the gateway that it is from."""

    gateway: str
    record: Record


class SharedPage(NamedTuple):
    """Some of the records that gateways share.

    Attributes:
        records: The records.
        cursor: Where to go on.
        more: Whether there may be more already.
        skipped: Entries that were no records.
    """

    records: list[SharedRecord]
    cursor: str
    more: bool
    skipped: int


class SharedRecords(Protocol):
    """The records of all gateways.

    Attributes:
        lost: Records of this gateway that are not among them.
        problem: Why records are being lost now; None if they are not.
    """

    lost: int
    problem: str | None

    def put(self, record: Record) -> None:
        """Take a record; it will be there in a moment, or counted as lost."""

    async def read(self, cursor: str, limit: int) -> SharedPage:
        """Read on from a cursor, from ``start`` or from ``now``.

        Raises:
            ValueError: They cannot be read, or this is no cursor.
        """

    async def announce(self, status: bytes) -> None:
        """Leave what this gateway says of itself there, in place of what it said before."""

    async def announced(self) -> dict[str, bytes]:
        """What each gateway has said of itself last.

        Raises:
            ValueError: It cannot be read.
        """

    async def close(self) -> None:
        """Write what is left, and wait no longer than a few seconds for it."""


class Pending:
    """What waits to be written: of each row and each entry the last version."""

    def __init__(self, most: int = MOST_WAITING) -> None:
        """Nothing waits."""
        self._most = most
        self.rows: dict[tuple[Network, str, int, int], CountRow] = {}
        self.entries: dict[tuple[Network | Sender, str], tuple[Entry, bool]] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self.rows or self.entries)

    def add_rows(self, rows: Iterable[CountRow]) -> None:
        """Take rows."""
        for row in rows:
            self.rows[row[:4]] = row
        # One at a time would take a square of the time: a dict walks over what was deleted before.
        for key in list(itertools.islice(self.rows, max(0, len(self.rows) - self._most))):
            del self.rows[key]

    def add_entry(self, entry: Entry, *, over: bool) -> None:
        """Take an entry; ``over``: it is to be forgotten."""
        self.entries[entry.network, entry.slot] = entry, over

    def take(self) -> "Pending":
        """All that waits; nothing waits any more."""
        taken = Pending(self._most)
        taken.rows, self.rows = self.rows, {}
        taken.entries, self.entries = self.entries, {}
        return taken

    def give_back(self, taken: "Pending") -> None:
        """What could not be written waits again, unless there is a later version of it."""
        self.rows, newer = taken.rows, self.rows
        self.add_rows(newer.values())
        self.entries = taken.entries | self.entries


class _RowText(Struct, array_like=True, frozen=True):
    subject: Annotated[str, Meta(max_length=64)]
    source: Annotated[str, Meta(max_length=200)]
    width: Annotated[int, Meta(ge=1, le=10**6)]
    bucket: Annotated[int, Meta(ge=0, le=2**40)]
    counts: Annotated[
        list[Annotated[int, Meta(ge=0, le=2**40)]],
        Meta(min_length=len(COLUMNS), max_length=len(COLUMNS)),
    ]


class _EntryText(Struct, frozen=True):
    network: Annotated[str, Meta(max_length=LONGEST_SENDER + 2)]
    who: Who
    since: float
    kind: Kind
    until: float | None
    comment: Annotated[str, Meta(max_length=1000)]
    author: Annotated[str, Meta(max_length=64)] = ""


def row_over(row: CountRow) -> int:
    """The second at which a row is out of the period, on whatever gateway's clock."""
    return (row.bucket + BUCKETS + 1) * row.width


def row_to_text(row: CountRow) -> bytes:
    """A row as JSON."""
    return msgspec.json.encode(
        _RowText(str(row.subject), row.source, row.width, row.bucket, list(row.counts))
    )


def row_from_text(text: bytes) -> CountRow:
    """A row from JSON.

    Raises:
        ValueError: It is none; the store is not believed blindly.
    """
    row = msgspec.json.decode(text, type=_RowText)
    return CountRow(_network(row.subject), row.source, row.width, row.bucket, tuple(row.counts))


def entry_to_text(entry: Entry) -> bytes:
    """An entry as JSON, in which there is no infinity."""
    until = None if entry.permanent else entry.until
    comment, author = entry.comment[:1000], entry.author[:64]
    return msgspec.json.encode(
        _EntryText(str(entry.network), entry.who, entry.since, entry.kind, until, comment, author)
    )


def entry_from_text(text: bytes) -> Entry:
    """An entry from JSON.

    Raises:
        ValueError: It is none, or one of known hosts that is too wide.
    """
    e = msgspec.json.decode(text, type=_EntryText)
    until = FOR_EVER if e.until is None else e.until
    sender = parse_sender(e.network)
    network = sender or _network(e.network)
    if e.kind == "known":
        width.check(_network(e.network))
    return Entry(network, e.who, e.since, e.kind, until, e.comment, e.author)


def _network(text: str) -> Network:
    """A network in the one form in which it is written.

    Raises:
        ValueError: It is written otherwise.
    """
    [network] = networks.parse(text)
    return network
