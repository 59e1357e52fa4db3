"""The order of the vendor's instructions: one lets the port go, then the other takes it.

For a moment nobody listens, and sessions on the port are cut. It heals any state, so it is also the
way out of a half-changed one.
"""

from __future__ import annotations

from . import model, sessions
from .hands import Hands, Step


def steps(hands: Hands) -> list[Step]:
    """What is left to do, in order."""
    edge = hands.request.topology == model.EDGE
    todo: list[Step] = []
    if not edge and not hands.before.filter.stopped:
        todo.append(("stop the sender filter", hands.stop_filter))
    if hands.wanted != hands.before.postfix.master_cf:
        todo.append(("move Postfix in master.cf and reload it", lambda: _move_postfix(hands)))
    elif not hands.in_place(hands.before):
        todo.append(
            ("reload Postfix", lambda: hands.reload_postfix(hands.in_place, hands.given_up))
        )
    if edge and not hands.before.filter.running:
        todo.append(("start the sender filter", hands.start_filter))
    return todo


def _move_postfix(hands: Hands) -> None:
    port = hands.request.ports.listen
    hands.outcome.sessions_running = sessions.of_postfix(port)
    if hands.request.topology == model.EDGE:
        hands.outcome.sessions_cut = hands.outcome.sessions_running
    hands.write_master_cf(hands.wanted)
    hands.reload_postfix(hands.in_place, hands.given_up)
