"""What is said on the control socket: one JSON object a line, one answer to each."""

from typing import Literal

from msgspec import Struct

from sender_filter.core.policy import Decision
from sender_filter.core.records import Action, Check, Function
from sender_filter.settings.stamps import Stamp


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """A question to the running filter.

    Attributes:
        command: ``status``, or ``check`` for what would be decided about an address.
        address: The address for ``check``.
    """

    command: Literal["status", "check"]
    address: str = ""


class Failure(Struct, frozen=True, tag_field="answer", tag="error"):
    """The question could not be answered."""

    error: str


class ListStatus(Struct, frozen=True):
    """One list: its files and how many entries they have."""

    files: list[str]
    entries: int


class UpstreamStatus(Struct, frozen=True):
    """Postfix as the filter sees it; ``healthy`` is None until the first client."""

    address: str
    healthy: bool | None
    last_error: str | None
    last_error_time: str | None


class Status(Struct, frozen=True, tag_field="answer", tag="status"):
    """The running filter.

    Attributes:
        version: Its version.
        release: The directory that it runs from, links resolved.
        pid: Its process: the worker that serves.
        supervisor: The process above, which systemd knows.
        since: When it started.
        state: ``running``, or ``stopping`` while it waits for sessions to end.
        listeners: Where it accepts clients.
        sessions: Sessions relayed now.
        relayed: Sessions relayed since the start.
        refusing: Refused clients still connected.
        refused: Clients refused since the start.
        upstream: The service behind.
        blocked: The blocked list.
        approved: The approved list.
        files: Configuration and lists as they were read: absolute path, inode, mtime in ns.
        loaded: When configuration and lists were loaded.
        load_seconds: How long that took.
        reload_error: Why the last reload was refused; None if it was taken.
        records_dropped: Records lost since the start.
        records_error: Why records are being lost now.
    """

    version: str
    release: str
    pid: int
    supervisor: int
    since: str
    state: Literal["running", "stopping"]
    listeners: list[str]
    sessions: int
    relayed: int
    refusing: int
    refused: int
    upstream: UpstreamStatus
    blocked: ListStatus
    approved: ListStatus
    files: dict[str, Stamp]
    loaded: str
    load_seconds: float
    reload_error: str | None
    records_dropped: int
    records_error: str | None


class Explanation(Struct, frozen=True, tag_field="answer", tag="check"):
    """What would be decided about an address, and each step on the way.

    Attributes:
        address: The address.
        function: The function that would decide.
        action: What would be done.
        checks: Each check, in order.
        reply: What the client would be told.
    """

    address: str
    function: Function
    action: Action
    checks: tuple[Check, ...]
    reply: str | None


Answer = Status | Explanation | Failure


def explain(address: str, decision: Decision) -> Explanation:
    """Put a decision into words that can be sent."""
    reply = None if decision.reply is None else str(decision.reply)
    return Explanation(address, decision.function, decision.action, decision.checks, reply)
