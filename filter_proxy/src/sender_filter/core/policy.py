"""Who may pass by what is known without asking anybody: the lists, then the blocks in force.

The order of all functions is approved, blocked, IP Profiler, Email Reputation, Throttling
(spec F1 to F5). Reputation has to be waited for, so it is the shell that goes on from here
(``io.judge``); nobody who is refused here is ever looked up.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from sender_filter.core import replies
from sender_filter.core.addresses import Address
from sender_filter.core.lists import AddressList, Match
from sender_filter.core.profiler.rules import Enabled
from sender_filter.core.records import Action, Check, Function
from sender_filter.core.replies import Reply
from sender_filter.core.runtime_lists import Entry, RuntimeLists, Who

Clock = Callable[[], int]

FUNCTION_OF: dict[Who, Function] = {
    "operator": "blocked",
    "profiler": "profiler",
    "throttling": "throttling",
}
"""Whose decision a block is that was made at run time."""


class Decision(NamedTuple):
    """What happens to a client and why.

    Attributes:
        function: The function that decided; ``none`` if no function objected.
        action: ``pass``, or a refusal for good (``permanent``) or for now (``temporary``).
        checks: Each check that was made, in order.
        reply: What a refused client is told.
    """

    function: Function
    action: Action
    checks: tuple[Check, ...]
    reply: Reply | None = None

    @property
    def settled(self) -> bool:
        """Whether no further function has a say."""
        return self.function != "none"


class Policy(NamedTuple):
    """The lists in force. A change of a list makes a new policy; none is ever altered.

    Attributes:
        approved: Clients that are never refused.
        blocked: Clients that are always refused.
        known: Hosts of our own side (Known Hosts); None if that function is off.
        names_approved: The addresses that the domains on the approved list have now.
        names_blocked: The same of the blocked list.
        profiler: Whether the IP Profiler's blocks count; ``shadow``: they are only recorded.
        throttling: The same of Throttling's blocks of addresses.
    """

    approved: AddressList
    blocked: AddressList
    known: AddressList | None = None
    names_approved: AddressList = AddressList()
    names_blocked: AddressList = AddressList()
    profiler: Enabled = "on"
    throttling: Enabled = "on"

    def known_by(self, address: Address, runtime: RuntimeLists, now: float) -> Match | Entry | None:
        """The entry by which an address is a known host: not it, but who is behind it, is judged.

        Args:
            address: The address.
            runtime: Known hosts that were added while the filter runs.
            now: Seconds since the epoch.

        Returns:
            The entry; None: it is no known host, or the function is off.
        """
        if self.known is None:
            return None
        match = self.known.find(address)
        # Most gateways have no known hosts at run time, and then none are looked for.
        return runtime.known(address, now) if match is None and runtime else match

    def approves(self, address: Address, runtime: RuntimeLists, now: float) -> bool:
        """Whether an address is never refused, as ``decide`` has it."""
        return bool(self._approved(address) or runtime.approval(address, now))

    def decide(
        self,
        address: Address,
        runtime: RuntimeLists,
        now: float,
        clock: Clock = time.perf_counter_ns,
    ) -> Decision:
        """Judge an address by the lists.

        Args:
            address: The client's address.
            runtime: Blocks and approvals made while the filter runs.
            now: Seconds since the epoch.
            clock: Nanoseconds from any start, for the checks' latency.
        """
        text = str(address)
        start = clock()
        match = self._approved(address)
        allowed = None if match else runtime.approval(address, now)
        approved = _check("approved", text, start, clock, match, allowed)
        if match or allowed:
            return Decision("approved", "pass", (approved,))
        start = clock()
        match = self.blocked.find(address) or self.names_blocked.find(address)
        block, watched = (None, ()) if match else self._block(address, runtime, now)
        function: Function = FUNCTION_OF[block.who] if block else "blocked"
        said = _check(function, text, start, clock, match, block)
        checks = (approved, said, *(_shadow(text, entry) for entry in watched))
        if not match and not block:
            return Decision("none", "pass", checks)
        if match.temporary if match else block is not None and not block.permanent:
            return Decision(function, "temporary", checks, replies.blocked_for_now(address))
        return Decision(function, "permanent", checks, replies.blocked_for_good(address))

    def _approved(self, address: Address) -> Match | None:
        return self.approved.find(address) or self.names_approved.find(address)

    def _block(
        self, address: Address, runtime: RuntimeLists, now: float
    ) -> tuple[Entry | None, Sequence[Entry]]:
        """The narrowest block that counts, and narrower ones whose maker is in ``shadow``.

        A block outlives the mode in which it was made, and may be another gateway's.
        """
        modes: dict[Who, Enabled] = {"profiler": self.profiler, "throttling": self.throttling}
        watched: list[Entry] = []
        for entry in runtime.blocks(address, now):
            mode = modes.get(entry.who, "on")
            if mode == "on":
                return entry, watched
            if mode == "shadow":
                watched.append(entry)
        return None, watched


def _shadow(text: str, entry: Entry) -> Check:
    """Note a block that has no consequence."""
    return Check(FUNCTION_OF[entry.who], text, "match", 0, str(entry), shadow=True)


def _check(
    function: Function,
    text: str,
    start: int,
    clock: Clock,
    match: Match | None,
    entry: Entry | None,
) -> Check:
    """Note the question, the answer and the time it took."""
    micros = (clock() - start) // 1000
    if match is not None:
        return Check(function, text, "match", micros, str(match))
    if entry is not None:
        return Check(function, text, "match", micros, str(entry))
    return Check(function, text, "no_match", micros)
