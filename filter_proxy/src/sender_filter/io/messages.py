"""What is said on the control socket: one JSON object a line, one answer to each."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sender_filter.core.policy import Decision
from sender_filter.core.records import Action, Check, Function
from sender_filter.settings.fronts import FrontName
from sender_filter.settings.stamps import Stamp

MOST_ROWS = 1000
"""Most rows of an answer about profiles."""


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """A question or an order to the running filter.

    Attributes:
        command: ``status``; ``check``: what would be decided about an address; ``block``,
            ``approve`` and ``release``: an operator's word about a network; ``entries``: those
            words, and what the functions have blocked; ``profile``: who is suspicious;
            ``report``: what the scan service has found.
        address: The address for ``check``, the network for an order (for ``release`` also an
            envelope sender), the client of a report.
        seconds: For how long; None: for good.
        comment: Why.
        kind: What a report says.
        queue_id: Which message it is about.
        limit: Most rows of ``profile``.
    """

    command: Literal[
        "status", "check", "block", "approve", "release", "entries", "profile", "report"
    ]
    address: str = ""
    seconds: Annotated[float, Meta(gt=0, le=10 * 365 * 86_400)] | None = None
    comment: Annotated[str, Meta(max_length=500)] = ""
    kind: Literal["spam", "virus"] | None = None
    queue_id: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 100


class Failure(Struct, frozen=True, tag_field="answer", tag="error"):
    """The question could not be answered."""

    error: str


class Done(Struct, frozen=True, tag_field="answer", tag="done"):
    """An order was carried out.

    Attributes:
        text: What was done.
    """

    text: str


class RuntimeEntry(Struct, frozen=True):
    """A block or an approval that was made while the filter runs.

    Attributes:
        network: The addresses; of a block by throttling also an envelope sender, ``<a@b>``.
        kind: ``block`` or ``approval``.
        who: Who made it.
        since: Since when.
        until: Until when; None: for good.
        comment: Why; of a rule, its figures.
    """

    network: str
    kind: str
    who: str
    since: str
    until: str | None
    comment: str


class Entries(Struct, frozen=True, tag_field="answer", tag="entries"):
    """All blocks and approvals that were made while the filter runs."""

    entries: list[RuntimeEntry]


class ProfileRow(Struct, frozen=True):
    """An address that is above the rate of a rule of the IP Profiler.

    Attributes:
        address: The address or, with IPv6, its network.
        rule: The rule.
        bad: Bad messages in its period.
        total: All messages.
        percent: The share of the bad ones.
        violated: Whether the rule is violated; if not, the address is merely suspicious.
    """

    address: str
    rule: str
    bad: int
    total: int
    percent: float
    violated: bool


class Profiles(Struct, frozen=True, tag_field="answer", tag="profile"):
    """The addresses that are above the rate of a rule, those with the most bad messages first.

    Attributes:
        rows: As many as were asked for.
        found: How many there are.
    """

    rows: list[ProfileRow]
    found: int


class ZoneStatus(Struct, frozen=True):
    """One block list in the DNS, for one IP version.

    Attributes:
        name: Its name.
        version: 4 or 6.
        state: ``trusted``, or why it is not asked: ``untested``, ``distrusted``, ``silent``.
        reason: What was wrong in its last test.
        asked: Questions since the start.
        failed: Those without an answer of use.
    """

    name: str
    version: int
    state: str
    reason: str | None
    asked: int
    failed: int


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
        front: Where it stands: in front of Postfix (``edge``), or behind its port 25 (``inline``).
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
        zones: The block lists in the DNS.
        entries: Blocks and approvals that were made at run time, removals included.
        profiles: Addresses that the IP Profiler remembers.
        state_problem: Why blocks and counters are not being kept now.
        unseen: Sessions whose rest could not be read along, by the reason.
        tls: Handshakes: how many the filter has made, and how many failed.
        handed_over: Connections that Postfix itself has got, since the start.
        handover_problem: Why it could not get the last one.
    """

    version: str
    release: str
    pid: int
    supervisor: int
    since: str
    state: Literal["running", "stopping"]
    front: FrontName
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
    zones: list[ZoneStatus]
    entries: int
    profiles: int
    state_problem: str | None
    unseen: dict[str, int]
    tls: dict[str, int]
    handed_over: int
    handover_problem: str | None


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


Answer = Status | Explanation | Done | Entries | Profiles | Failure


def explain(address: str, decision: Decision) -> Explanation:
    """Put a decision into words that can be sent."""
    reply = None if decision.reply is None else str(decision.reply)
    return Explanation(address, decision.function, decision.action, decision.checks, reply)
