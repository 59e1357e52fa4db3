"""The answers of one zone, for as long as they hold and a while longer.

A positive answer holds for its records' TTL, a negative one for what the zone's SOA says (RFC
2308 section 5), both within bounds. After that it is stale: it is asked again, and stands in
only if there is no answer (RFC 8767).
"""

import itertools
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

LONGEST = 86_400
"""A longer TTL counts as a day: an entry taken off a list must not be refused for a week."""


class Hit(NamedTuple, Generic[Value]):
    """What was found, and whether its time is over."""

    value: Value
    stale: bool


class Cache(Generic[Key, Value]):
    """A bounded number of values; the one put longest ago makes room."""

    def __init__(self, entries: int, stale_seconds: float) -> None:
        """Keep so many values, each so long after its time."""
        self._entries = entries
        self._stale_seconds = stale_seconds
        self._kept: dict[Key, tuple[Value, float]] = {}

    def __len__(self) -> int:
        """How many values are kept, those whose time is over included."""
        return len(self._kept)

    def resize(self, entries: int, stale_seconds: float) -> None:
        """Keep so many values from now on, each so long after its time."""
        self._entries, self._stale_seconds = entries, stale_seconds
        # One at a time would take a square of the time: a dict walks over what was deleted before.
        for key in list(itertools.islice(self._kept, max(0, len(self._kept) - entries))):
            del self._kept[key]

    def put(self, key: Key, value: Value, seconds: float, now: float) -> None:
        """Keep a value that holds for so many seconds."""
        self._kept.pop(key, None)
        if len(self._kept) >= self._entries:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = value, now + min(seconds, LONGEST)

    def get(self, key: Key, now: float) -> Hit[Value] | None:
        """A value that holds or is stale; one that is neither is thrown away."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        value, until = kept
        if now >= until + self._stale_seconds:
            del self._kept[key]
            return None
        return Hit(value, now >= until)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()


def negative_seconds(minimum: float | None, bounds: tuple[float, float]) -> float:
    """How long "not listed" holds, from the SOA's answer; unknown counts as the shortest time."""
    shortest, longest = bounds
    return shortest if minimum is None else min(max(minimum, shortest), longest)
