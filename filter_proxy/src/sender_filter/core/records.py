"""The records of what was decided and of how each session ended (F6).

One JSON object a line. A connection leaves one ``decision``, and one more for each message that
was judged by its headers; one that was relayed leaves a ``session`` as well when it ends, under
the same session id. A block that the filter makes, or that is made at run time, leaves a ``block``
when it starts and another one when it stops. What an operator says at run time leaves an ``order``.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

from msgspec import Struct

Function = Literal[
    "approved",
    "blocked",
    "profiler",
    "known_hosts",
    "reputation",
    "throttling",
    "limits",
    "upstream",
    "none",
]
"""Who decided: a list, a function, the limits of sessions, Postfix being away, or nobody."""

Action = Literal["pass", "permanent", "temporary"]
"""What was done: let pass, refused for good, refused for now."""

Result = Literal["match", "no_match", "listed", "not_listed", "skipped", "ok", "failed"]
"""Of a list or a function, whether it holds the address; of a zone of Email Reputation, whether it
lists it; of anything else, whether it worked."""

Found = Literal["peer", "xforward", "received", "none"]
"""How the address was found: it is the other end of the connection, Postfix has told it with
XFORWARD, or a Received header names it; ``none``: all hosts on the way are known, so that nobody is
judged."""

Order = Literal["block", "approve", "release", "know", "forget"]
"""A network is to be refused, let through, or neither any more; it is one of known hosts, or no
more."""

Cache = Literal["hit", "miss", "stale"]
"""Whether an answer was kept from before, and whether its time was over."""

End = Literal[
    "client_closed",
    "client_lost",
    "upstream_closed",
    "upstream_lost",
    "stalled",
    "drain_limit",
    "cut",
    "refused",
    "timed_out",
    "tls_failed",
    "handed_over",
]
"""Who ended a relayed session first, and whether in order (``closed``) or not (``lost``);
``refused``: the filter itself, by refusing a message; ``timed_out``: because the client was silent
or too slow; ``tls_failed``: a handshake with it; ``handed_over``: it goes on, in Postfix's hands,
and what becomes of it only Postfix knows."""

Tls = Literal["ended"]
"""Of a session that was encrypted: that the filter has ended TLS, and seen what was said."""


class Check(Struct, frozen=True, omit_defaults=True, gc=False):
    """One check on the way to a decision.

    Attributes:
        function: What checked.
        input: What it was asked about: the client's address, or the upstream's.
        result: What it said.
        micros: How long it took, in microseconds.
        detail: The entry that matched with its file and line, or why it failed.
        cache: Of an answer that may be kept: whether it was.
        shadow: Whether a match has no consequence, because the function only watches.
    """

    function: Function
    input: str
    result: Result
    micros: int
    detail: str | None = None
    cache: Cache | None = None
    shadow: bool = False


class Hop(Struct, frozen=True, omit_defaults=True, gc=False):
    """A Received header on the walk to the origin.

    Attributes:
        number: Which one, the topmost being 1.
        header: Its body, shortened if it is long.
        address: The host that it names as its client; None: it cannot be read.
        known: Whether that is a known host, so that the walk went on.
    """

    number: int
    header: str
    address: str | None = None
    known: bool = False


class DecisionRecord(
    Struct, frozen=True, omit_defaults=True, gc=False, tag_field="event", tag="decision"
):
    """What was decided about one connection, or about one message of it.

    Attributes:
        time: When, RFC 3339 in UTC with milliseconds.
        session: Id of the connection, unique for this gateway.
        address: The address that was judged.
        port: The client's port.
        found: How the address was found.
        function: The function that decided.
        action: What was done.
        checks: Each check, in order.
        reply: What a refused client was told.
        peer: The client, where that is not the address.
        hop: Which Received header named the address, the topmost being 1.
        doubt: Why the walk through the Received headers stopped where it did.
        tls: How headers were seen that came encrypted.
        walk: The walk through the Received headers, where there was one.
    """

    time: str
    session: str
    address: str
    port: int
    found: Found
    function: Function
    action: Action
    checks: tuple[Check, ...]
    reply: str | None = None
    peer: str | None = None
    hop: int = 0
    doubt: str | None = None
    tls: Tls | None = None
    walk: tuple[Hop, ...] = ()


class SessionRecord(
    Struct, frozen=True, omit_defaults=True, gc=False, tag_field="event", tag="session"
):
    """How a relayed session ended.

    Attributes:
        time: When it ended, RFC 3339 in UTC with milliseconds.
        session: Id of the connection, as in its decision.
        address: The client's address.
        port: The client's port.
        seconds: How long it lasted.
        from_client: Bytes taken from the client.
        from_upstream: Bytes taken from Postfix.
        ended: What ended it.
        reply: What the filter said because Postfix went away before its greeting, or because the
            client's time was up.
        unseen: Why the filter did not see all of it: ``tls``, or what it could not follow.
        tls: Whether the filter has ended its TLS.
        tls_problem: Why the handshake with the filter failed.
    """

    time: str
    session: str
    address: str
    port: int
    seconds: float
    from_client: int
    from_upstream: int
    ended: End
    reply: str | None = None
    unseen: str | None = None
    tls: Tls | None = None
    tls_problem: str | None = None


class BlockRecord(Struct, frozen=True, omit_defaults=True, tag_field="event", tag="block"):
    """A block that was made at run time starts or stops.

    Attributes:
        time: When, RFC 3339 in UTC with milliseconds.
        address: The network, in CIDR notation; a single address without its prefix length.
        function: Who made it: ``profiler``, ``throttling``, or ``blocked`` for an operator.
        change: What happened: ``started``, or why it stopped.
        until: When it will be over; None: never.
        comment: Why it was made; of a rule, its figures.
        shadow: Whether nobody is blocked, because the function only watches.
    """

    time: str
    address: str
    function: Function
    change: Literal["started", "over", "removed", "replaced", "displaced"]
    until: str | None = None
    comment: str = ""
    shadow: bool = False


class OrderRecord(Struct, frozen=True, omit_defaults=True, tag_field="event", tag="order"):
    """An operator has changed at run time who may pass, or whose headers are believed.

    Attributes:
        time: When, RFC 3339 in UTC with milliseconds.
        address: The network, or the envelope sender, as it was said.
        order: What was said of it.
        author: The operator's name, as far as it is known.
        until: When it will be over; None: never.
        comment: Why.
    """

    time: str
    address: str
    order: Order
    author: str = ""
    until: str | None = None
    comment: str = ""


Record = DecisionRecord | SessionRecord | BlockRecord | OrderRecord


def timestamp(seconds: float) -> str:
    """A point in time (seconds since the epoch) as RFC 3339 in UTC with milliseconds."""
    whole, millis = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{millis:03d}Z"


@lru_cache(maxsize=16)
def _second(seconds: int) -> str:
    """The text of a second, in which there may be thousands of records."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
