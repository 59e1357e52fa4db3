"""One number of each worker, in memory that all of them see.

It is made before the first worker is forked. Each worker writes its own number alone, so nobody has
to wait for anybody; a sum may be older than a moment by what the others have just done.
"""

import mmap

_BYTES = 8


class Board:
    """The numbers."""

    def __init__(self, workers: int) -> None:
        """All are 0."""
        self._numbers = memoryview(mmap.mmap(-1, _BYTES * workers)).cast("Q")

    def clear(self, worker: int) -> None:
        """A worker is gone."""
        self._numbers[worker] = 0

    def place(self, worker: int) -> "Place":
        """The place of a worker that begins."""
        self.clear(worker)
        return Place(self._numbers, worker)


class Place:
    """Where one worker writes."""

    def __init__(self, numbers: "memoryview[int]", worker: int) -> None:
        """Write nothing yet."""
        self._numbers = numbers
        self._worker = worker
        self._left = False

    def put(self, number: int) -> None:
        """Replace this worker's number; after ``leave`` the place is a successor's."""
        if not self._left:
            self._numbers[self._worker] = number

    def total(self) -> int:
        """The sum of all numbers."""
        return sum(self._numbers)

    def leave(self) -> None:
        """Give the place up."""
        self.put(0)
        self._left = True
