"""The store of a worker that is not the first: the first one keeps for all.

So one process has the store, as with one worker, and nobody reads again and again what siblings
have just written. Only what is kept already each worker reads by itself, when it begins. Who leaves
has the store itself from then on, for the first worker may have left before.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable

from sender_filter.core.profiler import CountRow
from sender_filter.core.runtime_lists import Entry
from sender_filter.state.interface import Listener, Pending, State

_SURELY_KEPT_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
_CLOSING_SECONDS = (
    1.0  # a store that is away then is waited for no longer; records are to be closed
)


class Through:
    """Keeps by way of the first worker.

    Attributes:
        problem: Why nothing is being written now; the first worker knows.
    """

    def __init__(self, store: State, keep: Callable[[Iterable[CountRow]], list[CountRow]]) -> None:
        """Read from the store; rows go to ``keep``, which gives back those it could not tell."""
        self._store = store
        self._keep = keep
        self._waiting = Pending()
        self._made: deque[tuple[float, Entry]] = deque()
        self._listener: Listener | None = None
        self._reading: asyncio.Task[None] | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def problem(self) -> str | None:
        """Why nothing is being written now, if this worker writes by itself."""
        return None if self._reopening is None else self._store.problem

    async def start(self, listener: Listener) -> None:
        """Give the listener what is kept; if the store is away, it comes later."""
        self._listener = listener
        await self._store.start(listener)
        self._reading = asyncio.get_running_loop().create_task(self._let_go())

    def put_counts(self, rows: Iterable[CountRow]) -> None:
        """Have rows kept; what the first worker cannot be told waits for the next time."""
        self._waiting.add_rows(rows)
        ready = self._waiting.take().rows.values()
        if self._reopening is not None:
            self._store.put_counts(ready)
        else:
            self._waiting.add_rows(self._keep(ready))

    def put_entry(self, entry: Entry) -> None:
        """All workers have been told of it, and the first one keeps it."""
        if self._reopening is not None:
            self._store.put_entry(entry)
            return
        now = time.monotonic()
        self._made.append((now, entry))
        while self._made[0][0] < now - _SURELY_KEPT_SECONDS:
            self._made.popleft()

    def drop_entry(self, entry: Entry) -> None:
        """The first one sees that itself."""
        if self._reopening is not None:
            self._store.drop_entry(entry)

    async def flush(self) -> bool:
        """Wait until what was put before is safe; False: the store is away, or not at hand."""
        return self._reopening is not None and await self._store.flush()

    def first_is_new(self) -> None:
        """Have all rows kept: some that the former worker was told may not have been written."""
        if self._listener is not None:
            self.put_counts(self._listener.own_counts())

    async def _let_go(self) -> None:
        """Let the store go, once all that is kept was read."""
        while not await self._store.flush():
            await asyncio.sleep(_AGAIN_SECONDS)
        await self._store.close()

    def part(self) -> None:
        """Have the store itself from now on."""
        if self._reopening is None and self._listener is not None and self._reading is not None:
            reopening = self._reopen(self._reading, self._listener)
            self._reopening = asyncio.get_running_loop().create_task(reopening)
            self.put_counts(())
            for _, entry in self._made:  # the first worker may have left before it was told
                self._store.put_entry(entry)

    async def _reopen(self, reading: asyncio.Task[None], listener: Listener) -> None:
        if self._store.problem is not None:  # it was never let go
            reading.cancel()
            return
        await reading
        await self._store.start(listener)

    async def close(self) -> None:
        """Write what is left."""
        self.part()
        if self._reopening is not None:
            await asyncio.wait([self._reopening], timeout=_CLOSING_SECONDS)
        await self._store.close()
