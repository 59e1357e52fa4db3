"""What can be seen of the gateways' filters, and what can be done with them.

Pages and API are written against ``Fleet`` and know nothing of sockets, Redis or SQLite. All of it
is plain data: times are aware datetimes, networks and addresses are text in the filter's own
notation, and every text may have come from a stranger, so it is escaped where it is shown.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from sender_filter.core.records import Action, Cache, Found, Function

Item = TypeVar("Item")

ListName = Literal["blocked", "approved", "known_hosts"]
Mode = Literal["off", "shadow", "on"]
Result = Literal["pass", "refused", "permanent", "temporary", "shadow"]
"""What to look for: an action, either refusal, or a decision that a function in shadow would have
turned into one."""
ExportFormat = Literal["cidr", "vendor", "yaml"]


class FleetError(Exception):
    """It could not be done; the message is for the user."""


class NotFoundError(FleetError):
    """There is no such thing (any more)."""


class RefusedError(FleetError):
    """The request makes no sense; the message says what to write instead."""


class UnavailableError(FleetError):
    """No filter answers now."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows, and where the next ones begin.

    Attributes:
        items: The rows, at most as many as were asked for.
        next: What to pass as ``after`` for the rows that follow; None: there are none.
    """

    items: list[Item]
    next: str | None


# What a gateway is and does


@dataclass(frozen=True, slots=True)
class FunctionState:
    """One function of the filter: whether it acts, only watches, or is off."""

    name: Function
    mode: Mode


@dataclass(frozen=True, slots=True)
class Zone:
    """One DNS block list for one IP version.

    Attributes:
        name: Its domain.
        version: 4 or 6.
        state: ``trusted``, or why it is not asked: ``untested``, ``distrusted``, ``silent``.
        reason: What was wrong in its last test.
        asked: Questions since the filter's start.
        failed: Those without an answer of use.
    """

    name: str
    version: int
    state: str
    reason: str | None
    asked: int
    failed: int


@dataclass(frozen=True, slots=True)
class Health:
    """One thing the filter depends on.

    Attributes:
        name: ``filter``, ``postfix``, ``state``, ``records``, ``settings`` or ``scan_service``.
        good: Whether it is well; None: not known yet.
        detail: What is wrong, or since when it is well.
    """

    name: Literal["filter", "postfix", "state", "records", "settings", "scan_service"]
    good: bool | None
    detail: str


@dataclass(frozen=True, slots=True)
class Gateway:
    """One gateway.

    Attributes:
        name: Its host name.
        here: Whether the console runs on it; of another one what it has said last is known.
        heard: When its last decision came; None: none is kept.
        version: The filter's version; None: it does not answer, or has said nothing yet.
        front: ``edge``, ``inline``; None: not known.
        since: When the filter started.
        sessions: Sessions relayed now.
        relayed: Sessions relayed since the start.
        refused: Clients refused since the start.
        functions: What each function does.
        zones: The DNS block lists.
        health: What it depends on.
    """

    name: str
    here: bool
    heard: datetime | None
    version: str | None = None
    front: str | None = None
    since: datetime | None = None
    sessions: int = 0
    relayed: int = 0
    refused: int = 0
    functions: list[FunctionState] = field(default_factory=list)
    zones: list[Zone] = field(default_factory=list)
    health: list[Health] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TopAddress:
    """An address that was refused often.

    Attributes:
        address: The address.
        refused: How often in the last seven days.
        last: Id of its latest decision.
    """

    address: str
    refused: int
    last: int | None


@dataclass(frozen=True, slots=True)
class ChartPart:
    """How many decisions of a kind there were in one bucket."""

    function: Function
    action: Action
    shadow: bool
    count: int


@dataclass(frozen=True, slots=True)
class ChartBucket:
    """One column of the chart.

    Attributes:
        start: Its beginning.
        seconds: Its length.
        parts: What was decided in it; what did not happen is left out.
    """

    start: datetime
    seconds: int
    parts: list[ChartPart]


@dataclass(frozen=True, slots=True)
class Overview:
    """The first page.

    Attributes:
        gateways: Each gateway; the one of this console first.
        shared: Whether the console sees a fleet (shared state) or its own gateway alone.
        stored: How many decisions are kept.
        oldest: When the oldest of them was.
        behind: Why the console may lag behind the filter; None: it does not.
    """

    gateways: list[Gateway]
    shared: bool
    stored: int
    oldest: datetime | None
    behind: str | None


# Decisions


@dataclass(frozen=True, slots=True)
class Check:
    """One check on the way to a decision.

    Attributes:
        function: What checked.
        input: What it was asked about.
        result: What it said.
        micros: How long it took, in microseconds.
        detail: The entry that matched with its place, or why it failed.
        cache: Of an answer that may be kept: whether it was.
        shadow: Whether a match has no consequence, because the function only watches.
    """

    function: Function
    input: str
    result: str
    micros: int
    detail: str | None = None
    cache: Cache | None = None
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision as a row of a table.

    Attributes:
        id: Its id in this console; later decisions have greater ids.
        time: When.
        gateway: Where.
        session: Id of the connection.
        address: The address that was judged.
        function: The function that decided.
        action: What was done.
        shadow: Whether a function that only watches would have refused.
        reason: The check that decided, in its own words; None if nobody objected.
        reply: What a refused client was told.
        peer: The client, where that is not the address.
    """

    id: int
    time: datetime
    gateway: str
    session: str
    address: str
    function: Function
    action: Action
    shadow: bool
    reason: str | None
    reply: str | None
    peer: str | None


@dataclass(frozen=True, slots=True)
class Hop:
    """One Received header on the walk to the origin, the topmost being 1.

    Attributes:
        number: Which header.
        address: The host that it names as its client; None: it could not be read.
        known: Whether that is a known host, so that the walk goes on.
        text: The header, as it came.
    """

    number: int
    address: str | None
    known: bool
    text: str


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """How the relayed session ended; the names are those of the filter's records."""

    time: datetime
    seconds: float
    from_client: int
    from_upstream: int
    ended: str
    reply: str | None
    unseen: str | None
    tls: str | None
    tls_problem: str | None


@dataclass(frozen=True, slots=True)
class FullDecision:
    """Everything that is known of a decision.

    Attributes:
        row: What the table shows of it.
        port: The client's port.
        found: How the address was found.
        hop: Which Received header named it; 0: none did.
        doubt: Why the walk stopped where it did.
        tls: How headers were seen that came encrypted.
        checks: Each check, in order.
        walk: The walk through the Received headers, where there was one.
        end: How the session ended; None: it was refused, goes on, or its end is not kept.
        siblings: Other decisions of the same connection (one for each judged message).
    """

    row: Decision
    port: int
    found: Found
    hop: int
    doubt: str | None
    tls: str | None
    checks: list[Check]
    walk: list[Hop]
    end: SessionEnd | None
    siblings: list[Decision]


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """Which decisions to show, the latest first.

    Attributes:
        network: An address, network or range; empty: any.
        function: Only this function's; None: any.
        result: Only these results; None: any.
        gateway: Only this gateway's; None: any.
        since: Not before.
        until: Before.
        after: Go on where ``Page.next`` says.
        limit: Most rows.
    """

    network: str = ""
    function: Function | None = None
    result: Result | None = None
    gateway: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: str | None = None
    limit: int = 50


# An address


@dataclass(frozen=True, slots=True)
class ProfileRow:
    """What a rule of the IP Profiler knows of an address; see ``senderfilter profile``."""

    rule: str
    bad: int
    total: int
    percent: float
    violated: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would be decided now, and why."""

    function: Function
    action: Action
    checks: list[Check]
    reply: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a list.

    Attributes:
        network: The addresses, or a domain, or of a block by throttling an envelope sender.
        declared: Whether it stands in the inventory's files; if not, it was made at run time.
        place: File and line of a declared entry.
        maker: Who made it at run time: ``operator``, ``profiler`` or ``throttling``.
        who: The operator's name.
        since: When it was made.
        until: When it is over; None: never.
        comment: Why.
        temporary: Whether its refusals are temporary (421).
    """

    network: str
    declared: bool
    place: str | None = None
    maker: str | None = None
    who: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    comment: str = ""
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class BlockEvent:
    """A block that started or stopped, or what an operator has said.

    Attributes:
        time: When.
        gateway: Where.
        network: Whom it is about.
        function: Who blocked; of what an operator has said ``blocked``, ``approved`` or
            ``known_hosts``.
        change: ``started``, or why it stopped (``over``, ``removed``, ``replaced``, ``displaced``);
            of what an operator has said ``block``, ``approve``, ``release``, ``know``, ``forget``.
        until: When it will be over; None: never.
        comment: Why.
        shadow: Whether nobody is blocked, because the function only watches.
        author: The operator's name.
    """

    time: datetime
    gateway: str
    network: str
    function: Function
    change: str
    until: datetime | None
    comment: str
    shadow: bool
    author: str = ""


@dataclass(frozen=True, slots=True)
class AddressReport:
    """All about one address.

    Attributes:
        address: The address in its normal form.
        explanation: What would be decided now.
        profile: What the IP Profiler knows.
        blocks: Blocks at run time that cover it.
        approvals: Approvals at run time that cover it.
        known: Known hosts at run time that cover it.
        history: Its latest decisions.
        events: Blocks of it that started and stopped, the latest first.
        refused_week: How often it was refused in seven days.
    """

    address: str
    explanation: Explanation
    profile: list[ProfileRow]
    blocks: list[Entry]
    approvals: list[Entry]
    known: list[Entry]
    history: Page[Decision]
    events: list[BlockEvent]
    refused_week: int


# Lists


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which entries of a list to show.

    Attributes:
        name: The list.
        search: An address (entries that hold it), a network (entries inside or around it), or a
            part of an entry or of its comment; empty: all.
        run_time: Only entries that were made at run time.
        after: Go on where ``Page.next`` says.
        limit: Most rows.
    """

    name: ListName
    search: str = ""
    run_time: bool = False
    after: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ListSummary:
    """How many entries a list has."""

    name: ListName
    declared: int
    run_time: int


@dataclass(frozen=True, slots=True)
class Order:
    """A change that an operator wants.

    Attributes:
        network: An address, network or range.
        seconds: For how long; None: for good.
        comment: Why.
        who: The operator's name.
    """

    network: str
    seconds: float | None
    comment: str
    who: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import.

    Attributes:
        added: How many entries are in force now.
        problems: One for each line that was left out: its number and why.
    """

    added: int
    problems: list[str]


# Topology


@dataclass(frozen=True, slots=True)
class Port:
    """One port of the mail path, as the kernel's socket table shows it.

    Attributes:
        port: Its number.
        family: ``ipv4`` or ``ipv6``.
        address: The address it is bound to.
        owner: ``sender filter``, ``postfix``, ``scan service``, or the program's name.
        process: The program and its pid.
        unit: Its unit.
        expected: Who owns it in the declared topology.
    """

    port: int
    family: str
    address: str
    owner: str
    process: str
    unit: str
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Topology:
    """How mail goes through this gateway.

    Attributes:
        gateway: Whose it is.
        declared: The topology of the last play; None: no play was run.
        seen: What the host is found to be.
        checked: When it was looked at.
        ports: Each port of the path with its owner.
        differences: What differs from the declaration, in words.
        risks: What is dangerous, in words.
        cure: The command for the control node that mends it; empty: nothing differs.
    """

    gateway: str
    declared: str | None
    seen: str
    checked: datetime
    ports: list[Port]
    differences: list[str]
    risks: list[str]
    cure: str


class Fleet(Protocol):
    """All of it. Every method may raise ``UnavailableError``."""

    async def overview(self) -> Overview:
        """Functions, health and gateways."""

    async def chart(self, since: datetime, buckets: int, gateway: str | None) -> list[ChartBucket]:
        """Decisions from then until now in about so many columns."""

    async def top(self, limit: int) -> list[TopAddress]:
        """The addresses most often refused in the last seven days."""

    async def decisions(self, query: DecisionQuery) -> Page[Decision]:
        """Decisions, the latest first.

        Raises:
            RefusedError: The network cannot be read.
        """

    async def decision(self, number: int) -> FullDecision:
        """One decision.

        Raises:
            NotFoundError: It is not kept (any more).
        """

    async def address(self, text: str) -> AddressReport:
        """All about an address.

        Raises:
            RefusedError: It is none.
        """

    async def lists(self) -> list[ListSummary]:
        """The lists."""

    async def entries(self, query: ListQuery) -> Page[Entry]:
        """Entries of a list."""

    async def block(self, order: Order) -> str:
        """Refuse clients from now on; returns what was done, in words.

        Raises:
            RefusedError: The network cannot be read.
        """

    async def approve(self, order: Order) -> str:
        """Never refuse clients from now on; returns what was done.

        Raises:
            RefusedError: The network cannot be read.
        """

    async def release(self, network: str, who: str) -> str:
        """Take back what was said at run time about a network or an envelope sender.

        Raises:
            RefusedError: The network cannot be read.
        """

    async def know(self, order: Order) -> str:
        """Take hosts for known ones from now on; returns what was done.

        Raises:
            RefusedError: The network cannot be read, or is too wide.
        """

    async def forget(self, network: str, who: str) -> str:
        """Take back what was said at run time about known hosts.

        Raises:
            RefusedError: The network cannot be read.
        """

    async def import_list(self, name: ListName, text: str, comment: str, who: str) -> Imported:
        """Make entries of the lines of a text, in any notation of the filter or of the vendor."""

    async def export_list(self, name: ListName, form: ExportFormat, *, run_time: bool) -> str:
        """The list as text; ``yaml``: what was made at run time, ready for the inventory."""

    async def topology(self) -> Topology:
        """The mail path of the console's own gateway."""
