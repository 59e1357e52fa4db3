"""What is known of one address: its counters, the other gateways' counters, its recipients.

A harvest is a message to more than N recipients of whom more than M do not exist. Counting by
message would miss who asks for one recipient a connection, so the recipients of an address are
lined up across connections and cut into batches of N + 1. A batch with more than M unknown ones is
a harvest, and all transactions begun in it are harvests; a batch in which none was begun (a part
of a long message) counts as one itself. So a harvest is found wherever its RCPT commands are, an
honest sender with a few wrong addresses is below M in each batch, and a batch that is not full
within the period is forgotten.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from sender_filter.core.profiler.rules import HarvestRule
from sender_filter.core.profiler.window import Window

Column = Literal["message", "spam", "virus", "bounced", "transaction", "harvest"]

COLUMNS: tuple[Column, ...] = ("message", "spam", "virus", "bounced", "transaction", "harvest")
"""What is counted."""

_PLACES = {column: place for place, column in enumerate(COLUMNS)}
_BAD = {_PLACES[column] for column in ("spam", "virus", "bounced", "harvest")}
Counts = tuple[int, ...]
Additions = list[tuple[Column, int]]

MOST_SOURCES = 64
"""Most other gateways whose counters are kept for an address."""


class Batch(NamedTuple):
    """The recipients that were not judged yet."""

    began: float
    recipients: int = 0
    unknown: int = 0
    transactions: int = 0


class Profile:
    """One address.

    Attributes:
        own: This gateway's counters, a window for each length of bucket.
        others: The same of each other gateway.
        quiet: Until when a rule that has fired does not fire again.
        innocent: Whether nothing bad was ever counted, so that there is no rule to be violated.
    """

    __slots__ = ("_batch", "innocent", "others", "own", "quiet")

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.own: dict[int, Window] = {}
        self.others: dict[str, dict[int, Window]] | None = None
        self.quiet: dict[str, float] | None = None
        self.innocent = True
        self._batch: Batch | None = None

    def unmute(self, rules: Iterable[str]) -> None:
        """Let rules fire again."""
        if self.quiet is not None:
            for name in rules:
                self.quiet.pop(name, None)

    def count(self, width: int, bucket: int, additions: Additions) -> None:
        """Count in this gateway's window of that width."""
        window = self.own.get(width)
        if window is None:
            window = self.own[width] = Window(len(COLUMNS))
        for column, amount in additions:
            place = _PLACES[column]
            window.add(bucket, place, amount)
            if place in _BAD:
                self.innocent = False

    def put(self, source: str, width: int, bucket: int, counts: Counts, newest: int) -> None:
        """Take over what another gateway has counted in a bucket."""
        if any(counts[place] for place in _BAD):
            self.innocent = False
        if self.others is None:
            self.others = {}
        if source not in self.others and len(self.others) >= MOST_SOURCES:
            del self.others[next(iter(self.others))]
        windows = self.others.setdefault(source, {})
        if width not in windows:
            windows[width] = Window(len(COLUMNS))
        windows[width].put(bucket, counts, newest)

    def sums(self, width: int, newest: int) -> dict[str, int]:
        """What all gateways have counted in the period that ends with the bucket ``newest``."""
        totals = [0] * len(COLUMNS)
        for windows in (self.own, *(self.others or {}).values()):
            if width in windows:
                one = windows[width].sums(newest)
                totals = [total + count for total, count in zip(totals, one, strict=True)]
        return dict(zip(COLUMNS, totals, strict=True))

    def recipient(self, rule: HarvestRule, at: float, *, unknown: bool, first: bool) -> Additions:
        """Line up a recipient; the result is what is to be counted for it.

        Args:
            rule: The numbers N and M, and the period.
            at: When it was.
            unknown: Whether there is no such recipient.
            first: Whether it was the first recipient of its transaction.
        """
        batch = self._batch
        if batch is None or not 0 <= at - batch.began <= rule.period_hours * 3600:
            batch = Batch(at)
        batch = batch._replace(
            recipients=batch.recipients + 1,
            unknown=batch.unknown + unknown,
            transactions=batch.transactions + first,
        )
        additions: Additions = [("transaction", 1)] if first else []
        if batch.recipients > rule.most_recipients:
            if not batch.transactions:
                additions.append(("transaction", 1))
            if batch.unknown > rule.most_unknown:
                additions.append(("harvest", max(1, batch.transactions)))
            self._batch = None
        else:
            self._batch = batch
        return additions
