"""The profiler and the run-time lists, with a store behind them.

``Keeper`` is what the shell talks to. All judgement is the core's; this only carries what was
judged to the lists, to the records and to the store, and what comes from the store to the core.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow, Profiler, Seen
from sender_filter.core.profiler.judgement import Finding
from sender_filter.core.runtime_lists import (
    FOR_EVER,
    MOST_KNOWN,
    BlockStarted,
    BlockStopped,
    Entry,
    FullError,
    RuntimeLists,
)
from sender_filter.core.subject import Sender
from sender_filter.io.journal import log
from sender_filter.state.interface import State

Notable = BlockStarted | BlockStopped | Finding
"""What is to be recorded; a finding is of a rule that is ``shadow``."""


class Colleagues(Protocol):
    """Other workers of this filter, which have the same entries, and each some of the profiles."""

    @property
    def leads(self) -> bool:
        """Whether this one writes down what no worker has made: it would be there many times."""

    def share(self, entry: Entry) -> None:
        """Tell the others an entry that is new."""

    def mine(self, rows: Iterable[CountRow]) -> Sequence[CountRow]:
        """The rows that belong here."""

    def divide(self, rows: Iterable[CountRow]) -> Sequence[CountRow]:
        """The same, and the others are told those that belong to them."""


class Alone:
    """There are none."""

    leads = True

    def share(self, entry: Entry) -> None:
        """Tell nobody."""

    def mine(self, rows: Iterable[CountRow]) -> Sequence[CountRow]:
        """All of them."""
        return list(rows)

    divide = mine


class Keeper:
    """Holds profiles and entries, and keeps them.

    Attributes:
        lists: Blocks and approvals, for looking clients up.
        known: Known hosts that operators have added.
        profiler: The profiles, for looking at them and for other settings.
    """

    def __init__(
        self,
        profiler: Profiler,
        state: State,
        record: Callable[[Notable], None],
        clock: Callable[[], float] = time.time,
        colleagues: Colleagues | None = None,
    ) -> None:
        """Tell ``record`` of each block that starts or stops, here or at another gateway.

        With colleagues each tells of those that it makes, and their leader of all others.
        """
        self.profiler = profiler
        self.lists = RuntimeLists()
        self.known = RuntimeLists(MOST_KNOWN, "known removal")
        self._state = state
        self._record = record
        self._clock = clock
        self._colleagues = colleagues or Alone()
        self._loading = False

    async def start(self) -> None:
        """Take up what was kept; blocks that were in force are not recorded again."""
        self._loading = True
        try:
            await self._state.start(self)
        finally:
            self._loading = False

    async def close(self) -> None:
        """Write what is left."""
        self._state.put_counts(self.profiler.changed())
        await self._state.close()

    def turn(self) -> None:
        """To be called once a second: end blocks that are over, keep the counters."""
        for lists in (self.lists, self.known):
            over, events = lists.expire(self._clock())
            if self._colleagues.leads:
                self._tell(events)
                for entry in over:
                    self._state.drop_entry(entry)
        changed = self.profiler.changed()
        self._state.put_counts(changed)
        if self._colleagues.leads:
            self._colleagues.divide(changed)

    def seen(self, event: Seen) -> None:
        """Count something an address did; never to be called for an approved or known one."""
        for finding in self.profiler.seen(event):
            if finding.rule.enabled == "shadow":
                self._record(finding)
                continue
            until = finding.until(event.at)
            self.put(
                Entry(
                    finding.subject, "profiler", event.at, "block",
                    FOR_EVER if until is None else until, str(finding),
                )
            )  # fmt: skip

    def put(self, entry: Entry) -> bool:
        """Put an entry in force: what throttling has made, or one of the methods below.

        Returns:
            Whether it was taken; a rule's block is not if one that ends no earlier is in force.

        Raises:
            FullError: There is no room for an operator's entry.
        """
        lists = self._list_of(entry)
        old = lists.get(entry.network, entry.who)
        again = old is not None and old.kind == entry.kind and old.until >= entry.until
        if again and entry.who != "operator":
            return False
        events = lists.put(entry, self._clock())
        if events is None:
            return False
        self._forgive(entry)
        self._tell(events)
        self._state.put_entry(entry)
        self._colleagues.share(entry)
        return True

    def block(self, network: Network, until: float, comment: str, author: str = "") -> None:
        """An operator blocks a network for a time, or with ``FOR_EVER`` for good.

        Raises:
            FullError: There is no room for it.
        """
        since = self.lists.next_version(network, "operator", self._clock())
        self.put(Entry(network, "operator", since, "block", until, comment, author))

    def approve(self, network: Network, until: float, comment: str, author: str = "") -> None:
        """An operator approves of a network; what was blocked inside of it is no longer.

        What was approved inside of it stays so: that may be for longer.

        Raises:
            FullError: There is no room for it.
        """
        self._take_back(self.lists, network, author, approvals=False)
        since = self.lists.next_version(network, "operator", self._clock())
        self.put(Entry(network, "operator", since, "approval", until, comment, author))

    def unblock(self, network: Network | Sender, author: str = "") -> bool:
        """Take back the blocks and approvals of a network, or the block of a sender.

        What a network has done is forgotten.

        Returns:
            Whether there was any.
        """
        return self._take_back(self.lists, network, author)

    def know(self, network: Network, until: float, comment: str, author: str = "") -> None:
        """An operator says that the hosts of a network are known ones.

        Raises:
            FullError: There is no room for it.
        """
        since = self.known.next_version(network, "operator", self._clock())
        self.put(Entry(network, "operator", since, "known", until, comment, author))

    def forget(self, network: Network, author: str = "") -> bool:
        """Take back that hosts are known, of a network and of those inside of it.

        Returns:
            Whether there was any.
        """
        return self._take_back(self.known, network, author)

    def counts_came(self, rows: Iterable[CountRow]) -> None:
        """Add what others have counted, and what was counted here before the start."""
        valid = (row for row in rows if row.bucket * row.width >= self.lists.cleared(row.subject))
        self.profiler.merge(self._of_mine(valid), self._clock())

    def entries_came(self, entries: Iterable[Entry]) -> None:
        """Put in force what others have put in force, and what was in force before the start."""
        for entry in entries:
            events = self._take(entry)
            if events is not None and not self._loading and self._colleagues.leads:
                self._tell(events)
                self._colleagues.share(entry)

    def entries_told(self, entries: Iterable[Entry]) -> None:
        """Put in force what a colleague has put in force, who has told of it."""
        for entry in entries:
            events = self._take(entry)
            if events is not None and self._colleagues.leads:
                self._drop_displaced(events)
                self._state.put_entry(entry)

    def rows_told(self, rows: Iterable[CountRow]) -> None:
        """Add what colleagues know that others have counted."""
        self.profiler.merge(rows, self._clock())

    def keep_told(self, rows: Sequence[CountRow]) -> None:
        """Keep what a colleague has counted."""
        self._state.put_counts(rows)

    def widths(self) -> Iterable[int]:
        """The lengths of buckets in use."""
        return self.profiler.widths

    def own_counts(self) -> Iterable[CountRow]:
        """All rows of this process that are in their period."""
        return self.profiler.rows(self._clock())

    def own_entries(self) -> Sequence[Entry]:
        """All entries."""
        return [*self.lists, *self.known]

    def _list_of(self, entry: Entry) -> RuntimeLists:
        return self.known if entry.is_of_known_hosts else self.lists

    def _take_back(
        self,
        lists: RuntimeLists,
        network: Network | Sender,
        author: str,
        *,
        approvals: bool = True,
    ) -> bool:
        found = False
        for removal in lists.removals(network, self._clock(), author, approvals=approvals):
            old = lists.get(removal.network, removal.who)
            found |= old is not None and not old.is_removal
            self.put(removal)
        return found

    def _take(self, entry: Entry) -> list[BlockStarted | BlockStopped] | None:
        """Put in force what was made elsewhere; None: it is no news, or there is no room."""
        try:
            events = self._list_of(entry).put(entry, self._clock())
        except FullError:
            log.error("no room for %s of %s", entry.kind, entry.network)
            return None
        if events is not None:
            self._forgive(entry)
        return events

    def _of_mine(self, rows: Iterable[CountRow]) -> Sequence[CountRow]:
        """The rows that belong here; what is there at the start all workers read themselves."""
        if self._loading or not self._colleagues.leads:
            return self._colleagues.mine(rows)
        return self._colleagues.divide(rows)

    def _forgive(self, entry: Entry) -> None:
        """Forget what a network has done that an operator holds for innocent."""
        if entry.kind in ("approval", "removal") and not isinstance(entry.network, Sender):
            self.profiler.forget(entry.network)

    def _tell(self, events: Sequence[BlockStarted | BlockStopped]) -> None:
        for event in events:
            self._record(event)
        self._drop_displaced(events)

    def _drop_displaced(self, events: Sequence[BlockStarted | BlockStopped]) -> None:
        for event in events:
            if isinstance(event, BlockStopped) and event.why == "displaced":
                self._state.drop_entry(event.entry)
