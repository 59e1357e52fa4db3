"""The records of what was decided and of how each session ended (F6).

One JSON object a line. A connection leaves one ``decision``; one that was relayed leaves a
``session`` as well when it ends, under the same session id.
"""

from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

Function = Literal["approved", "blocked", "limits", "upstream", "none"]
"""Who decided: a list, the limit of sessions, Postfix being away, or nobody objected."""

Action = Literal["pass", "permanent", "temporary"]
"""What was done: let pass, refused for good, refused for now."""

Result = Literal["match", "no_match", "ok", "failed"]
"""Of a list, whether it holds the address; of anything else, whether it worked."""

End = Literal[
    "client_closed",
    "client_lost",
    "upstream_closed",
    "upstream_lost",
    "stalled",
    "drain_limit",
    "cut",
]
"""Who ended a relayed session first, and whether in order (``closed``) or not (``lost``)."""


class Check(Struct, frozen=True, omit_defaults=True, gc=False):
    """One check on the way to a decision.

    Attributes:
        function: What checked.
        input: What it was asked about: the client's address, or the upstream's.
        result: What it said.
        micros: How long it took, in microseconds.
        detail: The entry that matched with its file and line, or why it failed.
    """

    function: Function
    input: str
    result: Result
    micros: int
    detail: str | None = None


class DecisionRecord(Struct, frozen=True, omit_defaults=True, tag_field="event", tag="decision"):
    """What was decided about one connection.

    Attributes:
        time: When, RFC 3339 in UTC with milliseconds.
        session: Id of the connection, unique for this gateway.
        address: The client's address.
        port: The client's port.
        found: How the address was found; ``peer``: it is the other end of the connection.
        function: The function that decided.
        action: What was done.
        checks: Each check, in order.
        reply: What a refused client was told.
    """

    time: str
    session: str
    address: str
    port: int
    found: Literal["peer"]
    function: Function
    action: Action
    checks: tuple[Check, ...]
    reply: str | None = None


class SessionRecord(Struct, frozen=True, omit_defaults=True, tag_field="event", tag="session"):
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
        reply: What the filter said because Postfix went away before its greeting.
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


Record = DecisionRecord | SessionRecord


def timestamp(seconds: float) -> str:
    """A point in time (seconds since the epoch) as RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
