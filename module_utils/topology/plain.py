"""The order of the vendor's instructions: one lets the port go, then the other takes it.

For a moment nobody listens, and sessions of Postfix on the port are cut. It works on every host.
"""

from __future__ import annotations

from . import handed_over, inline, model, sessions
from .hands import Hands, Step

MOVE = "move Postfix in master.cf and reload it"
TAKE = "take away what Postfix has no more"


def steps(hands: Hands) -> list[Step]:
    """What is left to do, in order."""
    goal, before, listen = hands.goal, hands.before, hands.ports.listen
    todo = inline.opening(hands)
    leaves = not goal.filter_on and not before.filter.stopped
    if leaves:
        todo.append(("stop the sender filter", hands.stop_filter))
    if hands.missing_on():
        todo.append(("add Postfix's new service", hands.add_services))
    todo += inline.trying(hands)
    if leaves and model.FILTER in before.owners(listen):
        todo.append(("wait for the filter's sessions to end", lambda: hands.drain(of_filter=True)))
    stays = listen in goal.postfix_on
    if stays:
        todo += inline.closing(hands)
    todo += handed_over.closing(hands)
    if goal.master_cf != before.postfix.master_cf or not hands.in_place(before):
        moving = TAKE if stays and inline.closes(hands) else MOVE
        todo += inline.joining(hands) or [(moving, lambda: _settle(hands))]
    if goal.filter_on and not before.filter.running:
        todo += [
            ("start the sender filter", hands.start_filter),
            ("see the filter live", hands.watch_filter),
        ]
    return todo if stays else todo + inline.closing(hands)


def _settle(hands: Hands) -> None:
    listen = hands.ports.listen
    if listen not in hands.goal.postfix_on and model.POSTFIX in hands.before.owners(listen):
        hands.outcome.sessions_running = hands.outcome.sessions_cut = sessions.of_postfix(listen)
    hands.settle_postfix()
