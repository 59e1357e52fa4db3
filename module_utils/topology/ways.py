"""Which way a move goes: by overlap where the host can do it, else in the plain order.

Between `direct` and `inline` the port stays where it is, and nothing has to be handed over.
"""

from __future__ import annotations

from . import inline, overlap, plain
from .hands import Hands, Step


def steps(hands: Hands) -> list[Step]:
    """The steps that are left; the outcome says which way they go, and why."""
    todo = plain.steps(hands)
    if not todo:
        return []
    if hands.before.owners(hands.ports.listen) == [hands.goal.owner(hands.ports)] and (
        inline.opens(hands) or inline.closes(hands)
    ):
        # No sockets are steered: a host that cannot do that goes this way too.
        hands.outcome.handover = "in place"
        return todo
    hindrance = overlap.hindrance(hands)
    if hands.request.handover == "overlap" and not hindrance:
        hands.outcome.handover = "overlap"
        return overlap.steps(hands)
    hands.outcome.handover = f"plain: {hindrance}" if hindrance else "plain"
    return todo
