"""What topology `inline` adds to a move: the front that Postfix hands its mail to.

It is opened before Postfix knows of it, and closed when nobody's mail is in it any more. The port
that takes mail from the network is the business of `overlap` and `plain`.
"""

from __future__ import annotations

from functools import partial

from . import fronts, model, probe, services
from .hands import Hands, Step

LOOPBACK = "127.0.0.1"


def opens(hands: Hands) -> bool:
    """Whether the front is to be opened."""
    return model.INLINE in hands.goal.fronts and not hands.before.inline.running


def closes(hands: Hands) -> bool:
    """Whether it is to be closed."""
    return model.INLINE not in hands.goal.fronts and not hands.before.inline.stopped


def opening(hands: Hands) -> list[Step]:
    """Before Postfix's services: who has a filter must find one."""
    start = partial(hands.start_filter, fronts.INLINE)
    return [("start the sender filter for Postfix", start)] if opens(hands) else []


def trying(hands: Hands) -> list[Step]:
    """After Postfix's services, and before any mail goes that way."""
    if not opens(hands):
        return []
    return [
        ("see the filter live", hands.watch_filter),
        ("try the way through the filter", partial(_try, hands)),
    ]


def closing(hands: Hands) -> list[Step]:
    """Before Postfix's service after the filter is taken away."""
    if not closes(hands):
        return []
    goal, ports, owners = hands.goal, hands.ports, hands.before.owners
    stays = ports.listen in goal.postfix_on and model.POSTFIX in owners(ports.listen)
    # A move that came no further than to open the front has nobody's mail to lead past it.
    used = stays and model.POSTFIX in owners(ports.after_proxy)
    passing = [("let Postfix pass the filter by", hands.pass_filter_by)] if used else []
    return [
        *passing,
        ("wait for the mail in the filter", hands.drain_proxy),
        ("stop the sender filter for Postfix", partial(hands.stop_filter, fronts.INLINE)),
    ]


def joining(hands: Hands) -> list[Step]:
    """Where Postfix has the port before and after: it gets the filter, and who came before goes."""
    before, listen = hands.before, hands.ports.listen
    between = hands.request.between(before)
    passes = between.passes(before.postfix.document, hands.request.service)
    stays = model.POSTFIX in before.owners(listen)
    if model.INLINE not in hands.goal.fronts or passes or not stays:
        return []
    return [
        ("let Postfix hand its mail to the filter", partial(_hand_over, hands)),
        ("wait for sessions that began without the filter", hands.drain_former),
    ]


def _hand_over(hands: Hands) -> None:
    hands.note_former_sessions()
    hands.settle_postfix()


def _try(hands: Hands) -> None:
    """A transaction up to RCPT, as Postfix itself will make it.

    Raises:
        ServiceError: it does not come as far; mail would wait at its senders.
    """
    answer = probe.transaction(LOOPBACK, hands.ports.proxy)
    if answer.command != "RCPT TO" or answer.reply.startswith("4"):
        msg = f"the filter on port {hands.ports.proxy} does not pass mail on: {answer}"
        raise services.ServiceError(msg)
