"""Many sockets watched for the price of one: they share an epoll(7) of their own.

The event loop watches that epoll as one file, and one call tells of all sockets on which something
has happened. Whoever is told must not fail: those behind it in the same turn would have to wait.
"""

import select
from collections.abc import Callable

from sender_filter.io.turn import Turn

READABLE, WRITABLE = select.EPOLLIN, select.EPOLLOUT

_AT_ONCE = 256  # told in one turn of the loop, so that what else there is to do gets its turn


class Watch:
    """Tells of what happens on sockets, for as long as it is so (level-triggered).

    Attributes:
        turn: The turn of the loop in which it is told.
    """

    def __init__(self) -> None:
        """Nothing is watched. Make it inside the running loop."""
        self.turn = Turn()
        self._epoll = select.epoll()
        self._told: dict[int, Callable[[int], None]] = {}
        self.turn.loop.add_reader(self._epoll.fileno(), self._look)

    def begin(self, number: int, events: int, tell: Callable[[int], None]) -> None:
        """Watch a descriptor; errors and the other end's leaving are always told.

        Raises:
            OSError: The kernel has no room to watch another one.
        """
        self._epoll.register(number, events)
        self._told[number] = tell

    def change(self, number: int, events: int) -> None:
        """Watch a descriptor for something else."""
        self._epoll.modify(number, events)

    def end(self, number: int) -> None:
        """Watch a descriptor no more, which stays open."""
        self._epoll.unregister(number)
        del self._told[number]

    def closed(self, number: int) -> None:
        """A descriptor was or will at once be closed, which takes it out of the epoll."""
        self._told.pop(number, None)

    def _look(self) -> None:
        for number, events in self._epoll.poll(0, _AT_ONCE):
            tell = self._told.get(number)
            if tell is not None:  # not gone since, by what another one was told
                tell(events)
