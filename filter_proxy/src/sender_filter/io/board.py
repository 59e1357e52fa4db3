"""What all workers see of each other: how many sessions each has, and who cannot get going.

It is memory that they share, made before the first of them is forked. Each number has one writer, a
worker or the supervisor, so nobody has to wait for anybody; a sum may be older than what the others
have done within the last moment.
"""

import mmap

_BYTES = 8


class Board:
    """The board, as the supervisor has it."""

    def __init__(self, workers: int) -> None:
        """Nobody has a session."""
        self._sessions = _numbers(workers)
        self._failing = _numbers(workers)

    def failing(self, worker: int, *, fails: bool) -> None:
        """Whether a worker has ended before it was ready, and the next one may as well."""
        self._failing[worker] = fails

    def place(self, worker: int) -> "Place":
        """The place of a worker that begins, which the one before it may not have cleared."""
        self._sessions[worker] = 0
        return Place(worker, self._sessions, self._failing)


class Place:
    """The board, as one worker has it."""

    def __init__(
        self, worker: int, sessions: "memoryview[int]", failing: "memoryview[int]"
    ) -> None:
        """Write nothing yet."""
        self._worker = worker
        self._sessions = sessions
        self._failing = failing
        self._left = False

    def put(self, sessions: int) -> None:
        """Show how many sessions there are here; after ``leave`` the place is a successor's."""
        if not self._left:
            self._sessions[self._worker] = sessions

    def total(self) -> int:
        """How many there are in all."""
        return sum(self._sessions)

    def leave(self) -> None:
        """Give the place up."""
        self.put(0)
        self._left = True

    def fails(self, worker: int) -> bool:
        """Whether another worker cannot get going."""
        return bool(self._failing[worker])


def _numbers(count: int) -> "memoryview[int]":
    return memoryview(mmap.mmap(-1, _BYTES * count)).cast("Q")
