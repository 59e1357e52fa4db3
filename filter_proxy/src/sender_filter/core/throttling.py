"""SMTP Traffic Throttling (F3): who connects or sends too often is blocked for a while.

The connection or message that reaches a limit is the last one that is served; the next is refused
until the block is over (421, never 554). One connection with five messages is 1 connection and 5
messages. A block, of an address or of a sender, is an entry of the run-time lists.
"""

from collections import OrderedDict
from typing import Annotated

from msgspec import Meta, Struct

from sender_filter.core.networks import Network
from sender_filter.core.profiler.window import BUCKETS, Window
from sender_filter.core.runtime_lists import Entry
from sender_filter.core.subject import Sender

MOST_KEYS = 100_000
_CONNECTIONS, _MESSAGES = 0, 1

Period = Annotated[int, Meta(ge=12, le=604_800)]
Limit = Annotated[int, Meta(ge=0, le=1_000_000)]
BlockSeconds = Annotated[int, Meta(ge=1, le=604_800)]


class AddressRule(Struct, frozen=True, forbid_unknown_fields=True):
    """``[throttling.address]``: limits for each client address.

    Attributes:
        period_seconds: How far back is counted.
        most_connections: This many in the period are served; 0: any number.
        most_messages: The same of messages.
        block_seconds: How long an address that has reached a limit is refused.
    """

    period_seconds: Period = 3600
    most_connections: Limit = 0
    most_messages: Limit = 0
    block_seconds: BlockSeconds = 3600


class SenderRule(Struct, frozen=True, forbid_unknown_fields=True):
    """``[throttling.sender]``: a limit for each envelope sender.

    Attributes:
        period_seconds: How far back is counted.
        most_messages: This many in the period are served; 0: any number.
        block_seconds: How long a sender that has reached the limit is refused.
        patterns: Only senders that match one of these are counted, ``*`` being any characters;
            empty: every sender.
    """

    period_seconds: Period = 3600
    most_messages: Limit = 0
    block_seconds: BlockSeconds = 3600
    patterns: Annotated[tuple[Annotated[str, Meta(max_length=254)], ...], Meta(max_length=256)] = ()


class AddressThrottle:
    """Counts connections and messages of addresses."""

    def __init__(self, rule: AddressRule, most: int = MOST_KEYS) -> None:
        """Know nobody, and never more than so many."""
        self._rule = rule
        self._counters = _Counters(rule, most)

    def connected(self, subject: Network, now: float) -> Entry | None:
        """Count a connection; the result is the block to be ``put``, if the limit is reached."""
        return self._count(subject, now, _CONNECTIONS, self._rule.most_connections)

    def message(self, subject: Network, now: float) -> Entry | None:
        """Count a message; the result is the block to be ``put``, if the limit is reached."""
        return self._count(subject, now, _MESSAGES, self._rule.most_messages)

    def _count(self, subject: Network, now: float, column: int, limit: int) -> Entry | None:
        if not limit:
            return None
        return self._counters.add(subject, now, column, limit)


class SenderThrottle:
    """Counts messages of envelope senders.

    The null sender of bounces (RFC 5321 section 4.5.5) is never counted: it is everybody's.
    """

    def __init__(self, rule: SenderRule, most: int = MOST_KEYS) -> None:
        """Know nobody, and never more than so many."""
        self._rule = rule
        self._patterns = [pattern.casefold() for pattern in rule.patterns]
        self._counters = _Counters(rule, most)

    def message(self, sender: Sender, now: float) -> Entry | None:
        """Count a message; the result is the block to be ``put``, if the limit is reached."""
        limit = self._rule.most_messages
        if not (sender.mailbox and limit and self._applies(sender.mailbox)):
            return None
        return self._counters.add(sender, now, _MESSAGES, limit)

    def _applies(self, key: str) -> bool:
        return not self._patterns or any(matches(pattern, key) for pattern in self._patterns)


def matches(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, where ``*`` may be any characters; case counts.

    Each piece between two stars is looked for once, from left to right, which is enough for the
    leftmost place is never a worse one. No regular expression, so nothing to explode.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last):
        return False
    start, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, start, end)
        if found < 0:
            return False
        start = found + len(piece)
    return start <= end


class _Counters:
    """A window for each key; those that were not counted for longest are forgotten."""

    def __init__(self, rule: AddressRule | SenderRule, most: int) -> None:
        self._rule = rule
        self._width = rule.period_seconds / BUCKETS
        self._most = most
        self._windows: OrderedDict[Network | Sender, Window] = OrderedDict()

    def add(self, key: Network | Sender, now: float, column: int, limit: int) -> Entry | None:
        """Count; at the limit a block is made, and the count begins anew: the block answers it."""
        bucket = int(now / self._width)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(2)
            if len(self._windows) > self._most:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        window.add(bucket, column)
        count = window.sum(column, bucket)
        if count < limit:
            return None
        del self._windows[key]
        what = "connections" if column == _CONNECTIONS else "messages"
        comment = f"throttling: {count} {what} in {self._rule.period_seconds} s"
        return Entry(key, "throttling", now, "block", now + self._rule.block_seconds, comment)
