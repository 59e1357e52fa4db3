"""What a move has to do where the filter's clients are with Postfix: it ends no session of theirs.

Postfix ends every session of a service that is taken away. So the filter hands nobody over any
more, and the sessions that Postfix has taken over end by themselves, before the service goes.
"""

from __future__ import annotations

from . import fronts, model, passing
from .hands import Hands, Step


def closes(hands: Hands) -> bool:
    """Whether the service is to be taken away."""
    is_there = passing.entries(hands.before.postfix.document)
    return bool(is_there) and not hands.hands_over()


def closing(hands: Hands) -> list[Step]:
    """Before Postfix gives the service up. Where the filter leaves the port its drain is enough."""
    if not closes(hands):
        return []
    todo: list[Step] = []
    if relays(hands):
        todo.append(("let the filter relay all sessions", hands.refresh_filter))
    if hands.goal.filter_on or model.FILTER not in hands.before.owners(hands.ports.listen):
        todo.append(("wait for the sessions that Postfix has taken over", hands.drain_handed_over))
    return todo


def relays(hands: Hands) -> bool:
    """Whether the running filter is told of it before Postfix is."""
    return closes(hands) and fronts.EDGE in hands.stale_fronts()
