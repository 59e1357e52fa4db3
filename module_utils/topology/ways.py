"""Which way a move goes: by overlap where the host can do it, else in the plain order."""

from __future__ import annotations

from . import overlap, plain
from .hands import Hands, Step


def steps(hands: Hands) -> list[Step]:
    """The steps that are left; the outcome says which way they go, and why."""
    todo = plain.steps(hands)
    if not todo:
        return []
    hindrance = overlap.hindrance(hands)
    if hands.request.handover == "overlap" and not hindrance:
        hands.outcome.handover = "overlap"
        return overlap.steps(hands)
    hands.outcome.handover = f"plain: {hindrance}" if hindrance else "plain"
    return todo
