"""Many deadlines of one length, for the price of one timer."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)


class Deadlines(Generic[Item]):
    """Calls ``expire(item)`` when an item has been here for ``seconds``.

    All deadlines are equally long, so the first item in is the first one due, and a dict that
    keeps its order is all it takes: starting and stopping one costs no timer.
    """

    def __init__(self, seconds: float, expire: Callable[[Item], None]) -> None:
        """Make an empty set of deadlines, inside the running loop."""
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._expire = expire
        self._due: dict[Item, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self, item: Item) -> None:
        """Start the item's deadline, or start it anew."""
        self._due.pop(item, None)
        self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._sweep)

    def stop(self, item: Item) -> None:
        """Forget the item, which need not be here."""
        self._due.pop(item, None)

    def shorten(self, seconds: float) -> None:
        """Let every deadline, also those to come, be so long from now on and no longer."""
        latest = self._loop.time() + seconds
        self._seconds = seconds
        self._due = {item: min(when, latest) for item, when in self._due.items()}
        if self._timer is not None:
            self._timer.cancel()
            self._sweep()

    def _sweep(self) -> None:
        now = self._loop.time()
        due = []
        for item, when in self._due.items():
            if when > now:
                break
            due.append(item)
        for item in due:
            del self._due[item]
        first = next(iter(self._due.values()), None)
        self._timer = None if first is None else self._loop.call_at(first, self._sweep)
        for item in due:
            self._expire(item)
