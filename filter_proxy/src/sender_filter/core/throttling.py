"""SMTP Traffic Throttling (F3): who connects or sends too often is blocked for a while.

The connection or message that reaches a limit is the last one that is served; the next is refused
until the block is over (421, never 554). One connection with five messages is 1 connection and 5
messages. The block of an address is an entry of the run-time lists; the block of a sender is kept
here, for there is no network to it.
"""

from collections import OrderedDict
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from sender_filter.core.networks import Network
from sender_filter.core.profiler.window import BUCKETS, Window
from sender_filter.core.runtime_lists import Entry

MOST_KEYS = 100_000
_LONGEST_SENDER = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
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


class SenderBlocked(NamedTuple):
    """A sender is refused until then; to be recorded."""

    sender: str
    until: float
    messages: int


class AddressThrottle:
    """Counts connections and messages of addresses."""

    def __init__(self, rule: AddressRule, most: int = MOST_KEYS) -> None:
        """Know nobody, and never more than so many."""
        self._rule = rule
        self._counters = _Counters(rule.period_seconds, most)

    def connected(self, subject: Network, now: float) -> Entry | None:
        """Count a connection; the result is the block to be ``put``, if the limit is reached."""
        return self._count(subject, now, _CONNECTIONS, self._rule.most_connections)

    def message(self, subject: Network, now: float) -> Entry | None:
        """Count a message; the result is the block to be ``put``, if the limit is reached."""
        return self._count(subject, now, _MESSAGES, self._rule.most_messages)

    def _count(self, subject: Network, now: float, column: int, limit: int) -> Entry | None:
        if not limit:
            return None
        count = self._counters.add(subject, now, column)
        if count < limit:
            return None
        self._counters.forget(subject)
        what = "connections" if column == _CONNECTIONS else "messages"
        comment = f"throttling: {count} {what} in {self._rule.period_seconds} s"
        return Entry(subject, "throttling", now, "block", now + self._rule.block_seconds, comment)


class SenderThrottle:
    """Counts messages of envelope senders.

    The null sender of bounces (RFC 5321 section 4.5.5) is never counted: it is everybody's.
    """

    def __init__(self, rule: SenderRule, most: int = MOST_KEYS) -> None:
        """Know nobody, and never more than so many."""
        self._rule = rule
        self._patterns = [pattern.casefold() for pattern in rule.patterns]
        self._counters = _Counters(rule.period_seconds, most)
        self._blocked: OrderedDict[str, float] = OrderedDict()
        self._most = most

    def blocked(self, sender: str, now: float) -> float | None:
        """Until when a sender is refused; None: it is not."""
        until = self._blocked.get(_key(sender), now)
        return until if until > now else None

    def message(self, sender: str, now: float) -> SenderBlocked | None:
        """Count a message; the result is the block that begins, if the limit is reached."""
        key = _key(sender)
        if not (key and self._rule.most_messages and self._applies(key)):
            return None
        count = self._counters.add(key, now, _MESSAGES)
        if count < self._rule.most_messages:
            return None
        self._counters.forget(key)
        until = now + self._rule.block_seconds
        self._blocked[key] = until
        self._blocked.move_to_end(key)
        if len(self._blocked) > self._most:
            self._blocked.popitem(last=False)
        return SenderBlocked(key, until, count)

    def expire(self, now: float) -> list[str]:
        """Forget the blocks that are over; the result is whose they were."""
        over: list[str] = []
        while self._blocked:
            sender, until = next(iter(self._blocked.items()))
            if until > now:
                break
            del self._blocked[sender]
            over.append(sender)
        return over

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

    def __init__(self, period_seconds: int, most: int) -> None:
        self._width = period_seconds / BUCKETS
        self._most = most
        self._windows: OrderedDict[object, Window] = OrderedDict()

    def add(self, key: object, now: float, column: int) -> int:
        """Count, and return the count of the period."""
        bucket = int(now / self._width)
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(2)
            if len(self._windows) > self._most:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
        window.add(bucket, column)
        return window.sums(bucket)[column]

    def forget(self, key: object) -> None:
        """Begin anew: the block is the answer to what was counted."""
        self._windows.pop(key, None)


def _key(sender: str) -> str:
    """A sender in the form that is compared; domains, and with most hosts mailboxes, have no case.

    RFC 5321 section 2.4 lets a host tell mailboxes apart by case; a sender must not get a second
    allowance by it.
    """
    return sender[:_LONGEST_SENDER].casefold()
