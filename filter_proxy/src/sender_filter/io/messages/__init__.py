"""What is said on the control socket: one JSON object a line, one answer to each.

A filter and a command of two releases may meet: what is not asked for is left out of a request, and
what an answer has beyond the expected is passed over.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sender_filter.core.policy import Decision
from sender_filter.core.records import Action, Check, Function
from sender_filter.io.messages.lists import Entries, Found, ListName, Origin
from sender_filter.io.messages.records import Gateways, Records
from sender_filter.io.messages.status import Status

MOST_ROWS = 1000
"""Most rows of an answer."""


class Request(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A question or an order to the running filter.

    Attributes:
        command: ``status``; ``check``: what would be decided about an address; ``block``,
            ``approve`` and ``release``: an operator's word about a network; ``know`` and
            ``forget``: that it is one of known hosts, or no more; ``entries``: those words, and
            what the functions have blocked; ``search``: entries of the lists, declared
            ones too; ``profile``: who is suspicious; ``records``: what was decided; ``report``:
            what the scan service has found; ``gateways``: what each gateway that shares records
            has said of itself last.
        address: The address for ``check``, the network for an order (for ``release`` also an
            envelope sender), the client of a report.
        seconds: For how long; None: for good.
        comment: Why.
        kind: What a report says.
        queue_id: Which message it is about.
        limit: Most rows of ``profile``, ``records`` and ``search``.
        author: The name of the operator who gives an order.
        cursor: Where ``records`` and ``search`` go on: what the last answer said; of ``records``
            also ``start`` and ``now``.
        fleet: Whether ``records`` is about all gateways that share state.
        text: What ``search`` looks for: an address or a network, or a part of an entry or of its
            comment; nothing: everything.
        list: The only list to ``search``; None: all.
        origin: ``search`` among the declared entries or among those made at run time only.
    """

    command: Literal[
        "status", "check", "block", "approve", "release", "know", "forget", "entries", "search",
        "profile", "records", "report", "gateways",
    ]  # fmt: skip
    address: str = ""
    seconds: Annotated[float, Meta(gt=0, le=10 * 365 * 86_400)] | None = None
    comment: Annotated[str, Meta(max_length=500)] = ""
    kind: Literal["spam", "virus"] | None = None
    queue_id: Annotated[str, Meta(max_length=64)] = ""
    limit: Annotated[int, Meta(ge=1, le=MOST_ROWS)] = 100
    author: Annotated[str, Meta(max_length=64)] = ""
    cursor: Annotated[str, Meta(max_length=200)] = ""
    fleet: bool = False
    text: Annotated[str, Meta(max_length=200)] = ""
    list: ListName | None = None
    origin: Origin | None = None


class Failure(Struct, frozen=True, tag_field="answer", tag="error"):
    """The question could not be answered."""

    error: str


class Done(Struct, frozen=True, tag_field="answer", tag="done"):
    """An order was carried out.

    Attributes:
        text: What was done.
    """

    text: str


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


class RuleFigures(Struct, frozen=True):
    """What a rule of the IP Profiler has counted of an address, and its limits.

    Attributes:
        rule: The rule.
        mode: ``on`` or ``shadow``.
        bad: Bad messages in its period.
        total: All messages.
        period_hours: The period.
        rate_percent: The share of bad ones must be above this …
        total_messages: … and there must be more messages than this.
    """

    rule: str
    mode: str
    bad: int
    total: int
    period_hours: int
    rate_percent: float
    total_messages: int


class Profiles(Struct, frozen=True, omit_defaults=True, tag_field="answer", tag="profile"):
    """The addresses that are above the rate of a rule, those with the most bad messages first.

    Attributes:
        rows: As many as were asked for.
        found: How many there are.
        figures: Of one address, what each rule has counted of it.
    """

    rows: list[ProfileRow]
    found: int
    figures: list[RuleFigures] = []


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


Answer = Status | Explanation | Done | Entries | Found | Profiles | Records | Gateways | Failure


def explain(address: str, decision: Decision) -> Explanation:
    """Put a decision into words that can be sent."""
    reply = None if decision.reply is None else str(decision.reply)
    return Explanation(address, decision.function, decision.action, decision.checks, reply)
