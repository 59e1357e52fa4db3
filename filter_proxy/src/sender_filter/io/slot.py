"""A place that a worker fills, and another one after it."""

import time

from sender_filter.io.child import Child

_FIRST_PAUSE_SECONDS = 0.1  # before another try, after a worker that never got ready
_LONGEST_PAUSE_SECONDS = 2.0


class Slot:
    """One of the workers' places.

    Attributes:
        number: Its number, which is the worker's.
        serving: Who serves there; None: somebody is to.
        filled: Whether anybody ever did.
        due: When the next one is to be started, on the monotonic clock.
    """

    def __init__(self, number: int) -> None:
        """Nobody is there."""
        self.number = number
        self.serving: Child | None = None
        self.filled = False
        self.due = 0.0
        self._pause = 0.0

    @property
    def settled(self) -> bool:
        """Whether somebody is there who takes clients, with all that it was told to take up."""
        return self.serving is not None and self.serving.settled

    def fill(self, child: Child) -> None:
        """Somebody is there now."""
        self.serving = child
        self.filled = True

    def proven(self) -> None:
        """Whoever is there has got ready."""
        self._pause = 0.0

    def put_off(self) -> None:
        """Let the next try wait, longer each time."""
        self._pause = min(max(_FIRST_PAUSE_SECONDS, self._pause * 2), _LONGEST_PAUSE_SECONDS)
        self.due = time.monotonic() + self._pause
