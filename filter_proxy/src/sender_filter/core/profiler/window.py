"""Counters over a monitoring period, in twelve buckets that are forgotten one after the other.

The sum covers the current bucket and the eleven before it: never anything older than the period,
and at least eleven twelfths of it. Buckets are numbered from the epoch, so that the counters of
several gateways, and those of a gateway before and after a restart, fit together.
"""

from array import array
from collections.abc import Iterator, Sequence

BUCKETS = 12
"""How many buckets a period is cut into."""


def in_period(bucket: int, newest: int) -> bool:
    """Whether a bucket belongs to the period that ends with the bucket ``newest``.

    The next bucket does as well: another gateway's clock may be a little ahead.
    """
    return newest - BUCKETS < bucket <= newest + 1


class Window:
    """Rows of a bucket's number and its counters; at most one more row than there are buckets."""

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: int) -> None:
        """Count nothing yet, in so many columns."""
        self._columns = columns
        self._rows = array("Q")

    def add(self, bucket: int, column: int, amount: int = 1) -> None:
        """Count in the current bucket, and forget the rows that are out of the period."""
        start = self._find(bucket)
        if start is None:
            self._forget(bucket)
            start = len(self._rows)
            self._rows.extend((bucket, *([0] * self._columns)))
        self._rows[start + 1 + column] += amount

    def put(self, bucket: int, counts: Sequence[int], newest: int) -> None:
        """Set the counters of a bucket of the period; ``newest`` is the current one."""
        start = self._find(bucket)
        if start is None:
            self._forget(newest)
            self._rows.extend((bucket, *counts))
        else:
            self._rows[start + 1 : start + 1 + self._columns] = array("Q", counts)

    def row(self, bucket: int) -> tuple[int, ...] | None:
        """The counters of one bucket, if anything was counted in it."""
        start = self._find(bucket)
        return None if start is None else tuple(self._rows[start + 1 : start + 1 + self._columns])

    def rows(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Each bucket's number and its counters."""
        for start in range(0, len(self._rows), self._columns + 1):
            yield self._rows[start], tuple(self._rows[start + 1 : start + 1 + self._columns])

    def sums(self, newest: int) -> tuple[int, ...]:
        """The sums over the period that ends with the bucket ``newest``."""
        return tuple(self.sum(column, newest) for column in range(self._columns))

    def sum(self, column: int, newest: int) -> int:
        """The sum of one column."""
        rows, total = self._rows, 0
        for start in range(0, len(rows), self._columns + 1):
            if in_period(rows[start], newest):
                total += rows[start + 1 + column]
        return total

    def _find(self, bucket: int) -> int | None:
        for start in range(len(self._rows) - self._columns - 1, -1, -self._columns - 1):
            if self._rows[start] == bucket:
                return start
        return None

    def _forget(self, newest: int) -> None:
        """Drop what is out of the period, be it past or, after the clock was set back, ahead."""
        kept = array("Q")
        for start in range(0, len(self._rows), self._columns + 1):
            if in_period(self._rows[start], newest):
                kept.extend(self._rows[start : start + self._columns + 1])
        self._rows = kept
