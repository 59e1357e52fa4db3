"""What is said in one turn of the event loop goes out at its end, one send(2) after the other.

A send that finds the other end asleep has to wake it. Of sends in a row only the first ones do; of
sends with other work between them, each one does.
"""

import asyncio
from collections.abc import Callable

from sender_filter.io.journal import log


class Turn:
    """What is left to be done in this turn. Make it inside the running loop.

    Attributes:
        loop: The running loop.
    """

    def __init__(self) -> None:
        """Nothing is to be done."""
        self.loop = asyncio.get_running_loop()
        self._acts: list[Callable[[], None]] = []

    def at_end(self, act: Callable[[], None]) -> None:
        """Do something when all that has happened was looked at."""
        if not self._acts:
            self.loop.call_soon(self._end)
        self._acts.append(act)

    def _end(self) -> None:
        acts, self._acts = self._acts, []
        for act in acts:
            try:
                act()
            except Exception:  # whatever it is, it is one connection's trouble
                log.exception("what was to be said at the end of a turn was not")
