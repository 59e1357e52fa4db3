"""Writing behind the event loop's back, and the store that is only memory.

``Memory`` is for a gateway that need not remember: nothing outlives the process, but a change of
settings, which makes a new profiler, finds its counters again.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow
from sender_filter.core.runtime_lists import Entry
from sender_filter.core.subject import Sender
from sender_filter.io.journal import log
from sender_filter.state.interface import MOST_WAITING, Listener, Pending, row_over

WRITE_SECONDS = 1.0
CLOSE_SECONDS = 5.0
START_SECONDS = 10.0
"""How long a start waits for the store; later its contents come while mail is handled."""

_CHUNK = 1000


class WriteBehind:
    """What all stores share; one of them adds ``_connect``, ``_write`` and ``_disconnect``.

    Attributes:
        problem: Why nothing is being written now; None if it is.
    """

    name = "memory"

    def __init__(self) -> None:
        """Nothing is known or waits."""
        self.problem: str | None = None
        self._pending = Pending()
        self._listener: Listener | None = None
        self._connected = False
        self._closing = False
        self._started = asyncio.Event()
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self, listener: Listener) -> None:
        """Give the listener what is kept; if the store is away, go on without it."""
        self._listener, self._closing = listener, False
        self._started.clear()
        self._task = asyncio.create_task(self._run())
        await _wait(self._started, START_SECONDS)

    def put_counts(self, rows: Iterable[CountRow]) -> None:
        """Keep rows, within a second."""
        self._pending.add_rows(rows)

    def put_entry(self, entry: Entry) -> None:
        """Keep an entry, at once."""
        self._pending.add_entry(entry, over=False)
        self._wake.set()

    def drop_entry(self, entry: Entry) -> None:
        """Forget an entry that is over."""
        self._pending.add_entry(entry, over=True)

    async def flush(self) -> bool:
        """Wait until what was put before is safe; False: the store is away."""
        await self._turn()
        return self.problem is None

    async def close(self) -> None:
        """Write what is left, and wait no longer than a few seconds for it."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
            self._task.cancel()
            self._task = None
        await self._disconnect()
        self._connected = False

    async def _run(self) -> None:
        await self._turn()
        self._started.set()
        while not self._closing:
            if self.problem is None:
                await _wait(self._wake, WRITE_SECONDS)
            else:  # what is urgent makes a store that is away no nearer
                await asyncio.sleep(WRITE_SECONDS)
            self._wake.clear()
            await self._turn()
        await self._turn()  # what was put while the last turn was writing

    async def _turn(self) -> None:
        """Connect if need be and write what waits; failing that, it goes on waiting."""
        async with self._lock:
            taken = Pending()
            written = False
            try:
                if not self._connected:
                    await self._begin()
                taken = self._pending.take()
                await self._write(taken)
                written = True
                self._note(None)
            except Exception as error:  # whatever it is, mail goes on and writing must as well
                self._connected = False
                self._note(f"{type(error).__name__}: {error}")
            finally:
                if not written:
                    self._pending.give_back(taken)

    async def _begin(self) -> None:
        """Connect; a store that was away is told what it has missed or, if it is new, lost."""
        await self._connect()
        if self.problem is not None and self._listener is not None:
            self._pending.add_rows(self._listener.own_counts())
            for entry in self._listener.own_entries():
                self._pending.add_entry(entry, over=False)
        self._connected = True

    async def _give(self, entries: Sequence[Entry], rows: Sequence[CountRow]) -> None:
        """Hand over what was read: entries first, for they tell which rows are void."""
        if self._listener is None:
            return
        for start in range(0, len(entries), _CHUNK):
            self._listener.entries_came(entries[start : start + _CHUNK])
            await asyncio.sleep(0)
        for start in range(0, len(rows), _CHUNK):
            self._listener.counts_came(rows[start : start + _CHUNK])
            await asyncio.sleep(0)

    def _note(self, problem: str | None) -> None:
        """Remember the outcome; log it only when it changes."""
        if problem is not None and self.problem is None:
            log.error("state cannot be kept in %s, mail goes on: %s", self.name, problem)
        elif problem is None and self.problem is not None:
            log.info("state is kept in %s again", self.name)
        self.problem = problem

    async def _connect(self) -> None:
        """Reach the store and ``_give`` what is in it."""
        raise NotImplementedError

    async def _write(self, pending: Pending) -> None:
        """Write; called once a second at least, even if there is nothing to write."""
        raise NotImplementedError

    async def _disconnect(self) -> None:
        """Let the store go."""


class Memory(WriteBehind):
    """A store that is gone with the process."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        super().__init__()
        self._rows: dict[tuple[Network, str, int, int], CountRow] = {}
        self._entries: dict[tuple[Network | Sender, str], Entry] = {}

    async def _connect(self) -> None:
        now = time.time()
        rows = [row for row in self._rows.values() if now < row_over(row)]
        self._rows = {row[:4]: row for row in rows}
        await self._give(list(self._entries.values()), rows)

    async def _write(self, pending: Pending) -> None:
        self._rows |= pending.rows
        for key in list(self._rows)[: max(0, len(self._rows) - MOST_WAITING)]:
            del self._rows[key]
        for place, (entry, over) in pending.entries.items():
            old = self._entries.get(place)
            if over and old is not None and old.since == entry.since:
                del self._entries[place]
            elif not over and (old is None or old.since <= entry.since):
                self._entries[place] = entry


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
