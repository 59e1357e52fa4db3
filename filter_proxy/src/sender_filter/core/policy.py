"""Who may pass: the checks in their order, and the decision with its reasons.

The order is approved, blocked, pass. A function that comes later (reputation, profiler) is one
more check in the chain; nothing else here has to change for it.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from sender_filter.core import replies
from sender_filter.core.addresses import Address
from sender_filter.core.lists import AddressList, Match
from sender_filter.core.records import Action, Check, Function
from sender_filter.core.replies import Reply

Clock = Callable[[], int]


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


class Policy(NamedTuple):
    """The lists in force. A change of a list makes a new policy; none is ever altered."""

    approved: AddressList
    blocked: AddressList

    def decide(self, address: Address, clock: Clock = time.perf_counter_ns) -> Decision:
        """Judge a client at connect.

        Args:
            address: The client's address.
            clock: Nanoseconds from any start, for the checks' latency.
        """
        text = str(address)
        approved, match = _look_up("approved", self.approved, text, address, clock)
        if match is not None:
            return Decision("approved", "pass", (approved,))
        blocked, match = _look_up("blocked", self.blocked, text, address, clock)
        if match is None:
            return Decision("none", "pass", (approved, blocked))
        if match.temporary:
            reply = replies.blocked_for_now(address)
            return Decision("blocked", "temporary", (approved, blocked), reply)
        reply = replies.blocked_for_good(address)
        return Decision("blocked", "permanent", (approved, blocked), reply)


def _look_up(
    function: Function, entries: AddressList, text: str, address: Address, clock: Clock
) -> tuple[Check, Match | None]:
    """Look an address up and note the question, the answer and the time it took."""
    start = clock()
    match = entries.find(address)
    micros = (clock() - start) // 1000
    if match is None:
        return Check(function, text, "no_match", micros), None
    return Check(function, text, "match", micros, str(match)), match
