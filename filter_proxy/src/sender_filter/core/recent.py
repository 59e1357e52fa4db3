"""The latest of many things, by their keys.

One dict whose keys go as others come is built anew again and again, when it is large some MiB at
once, which leaves holes in the heap of malloc(3): the process grows though the dict does not. Small
dicts that are filled once and then dropped fit where the former ones were.
"""

from collections import deque
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

GENERATION = 1_000


class Recent(Generic[Key, Value]):
    """Values by their keys; the oldest are forgotten, ``GENERATION`` of them at a time."""

    def __init__(self, most: int) -> None:
        """Remember at most so many values, and at times ``GENERATION`` fewer."""
        self._generations: deque[dict[Key, Value]] = deque([{}], maxlen=max(1, most // GENERATION))

    def put(self, key: Key, value: Value) -> None:
        """Remember a value, as the latest."""
        if len(self._generations[0]) == GENERATION:
            self._generations.appendleft({})
        self._generations[0][key] = value

    def get(self, key: Key, default: Value) -> Value:
        """What was put last with this key, the default if that is not remembered."""
        for generation in self._generations:
            if key in generation:
                return generation[key]
        return default

    def __contains__(self, key: Key) -> bool:
        """Whether a value with this key is remembered."""
        return any(key in generation for generation in self._generations)
