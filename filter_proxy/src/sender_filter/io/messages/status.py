"""What the filter says of itself: the answer to ``status``.

What was added after the first release has a default: a filter and a command of two releases
understand each other.
"""

from typing import Literal

from msgspec import Struct

from sender_filter.core.records import Action, Function
from sender_filter.settings.fronts import FrontName
from sender_filter.settings.stamps import Stamp


class ZoneStatus(Struct, frozen=True):
    """One block list in the DNS, for one IP version.

    Attributes:
        name: Its name.
        version: 4 or 6.
        state: ``trusted``, or why it is not asked: ``untested``, ``distrusted``, ``silent``.
        reason: What was wrong in its last test.
        asked: Questions since the start.
        failed: Those without an answer of use.
        held_back: Whether its circuit breaker holds questions back just now.
        kept: Answers in the cache.
        last_failure: Why the last question that failed did so.
        last_failure_time: When that was.
        latency_millis: How long an answer takes of late; None: none has come yet.
    """

    name: str
    version: int
    state: str
    reason: str | None
    asked: int
    failed: int
    held_back: bool = False
    kept: int = 0
    last_failure: str | None = None
    last_failure_time: str | None = None
    latency_millis: float | None = None


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


class FunctionStatus(Struct, frozen=True):
    """What a function is told to do.

    Attributes:
        name: The function.
        mode: ``on``, ``shadow`` (it only records what it would do) or ``off``.
        rules: Of the IP Profiler the same for each rule.
    """

    name: Function
    mode: Literal["off", "shadow", "on"]
    rules: dict[str, Literal["off", "shadow", "on"]] = {}


class StoreStatus(Struct, frozen=True):
    """Where blocks and counters outlive the process.

    Attributes:
        kind: ``sqlite``, or ``redis`` for a server that gateways share.
        place: The file; of a server nothing, for its address may hold a password.
        problem: Why nothing is being kept now; None if it is.
        records_shared: Whether records go to the server as well.
        records_lost: Records that the server has not got since the start.
        records_problem: Why it gets none now.
    """

    kind: Literal["sqlite", "redis"]
    place: str
    problem: str | None
    records_shared: bool = False
    records_lost: int = 0
    records_problem: str | None = None


class ReportsStatus(Struct, frozen=True):
    """What the scan service has reported since the start.

    Attributes:
        spam: Messages that were spam.
        virus: Messages with a virus.
        last: When the last report came; None: none has.
    """

    spam: int = 0
    virus: int = 0
    last: str | None = None


class DecisionCount(Struct, frozen=True):
    """How often a function has decided so since the start."""

    function: Function
    action: Action
    count: int


class CheckFigures(Struct, frozen=True):
    """How long the checks of a function took since the start.

    Attributes:
        function: The function.
        buckets: How many took no longer than each of the limits of ``io.metrics``, and longer than
            the one before it.
        micros: How long all of them took.
    """

    function: Function
    buckets: list[int]
    micros: int


class WorkerStatus(Struct, frozen=True):
    """One of the processes that serve.

    Attributes:
        pid: The process; None: it does not answer now, and has no part in the sums.
        sessions: Sessions relayed now.
        relayed: Sessions relayed since it started.
        refused: Clients refused since it started.
    """

    pid: int | None
    sessions: int = 0
    relayed: int = 0
    refused: int = 0


class Status(Struct, frozen=True, tag_field="answer", tag="status"):
    """The running filter.

    Attributes:
        version: Its version.
        release: The directory that it runs from, links resolved.
        pid: Its process: the worker that serves, of several the first.
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
        gateway: The host's name.
        uptime_seconds: For how long it has been running.
        functions: What each function is told to do, in the order in which they decide.
        store: Where state is kept.
        reports: What the scan service has reported.
        decisions: How often each function has decided what.
        handed_over: Connections that Postfix itself has got, since the start.
        handover_problem: Why it could not get the last one.
        known_hosts: Known hosts that were added at run time, removals included.
        workers: The processes that serve; what is counted above is their sum.
        checks: How long checks took.
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
    gateway: str = ""
    uptime_seconds: float = 0.0
    functions: list[FunctionStatus] = []
    store: StoreStatus | None = None
    reports: ReportsStatus = ReportsStatus()
    decisions: list[DecisionCount] = []
    handed_over: int = 0
    handover_problem: str | None = None
    known_hosts: int = 0
    workers: list[WorkerStatus] = []
    checks: list[CheckFigures] = []
