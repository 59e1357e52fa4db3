"""What is written down of a decision and of a session that is over."""

import time
from collections.abc import Sequence

from sender_filter.core.policy import Decision
from sender_filter.core.received.source import Source, Step
from sender_filter.core.records import DecisionRecord, Hop, SessionRecord, timestamp
from sender_filter.io.arrival import Arrival
from sender_filter.io.relay import Session

MOST_HOPS = 30
LONGEST_HEADER = 500
"""So much of a walk is recorded; what a stranger writes must not fill the disk."""


def of_decision(
    who: Arrival,
    decision: Decision,
    origin: Source | None,
    walk: Sequence[Step] = (),
    *,
    encrypted: bool,
) -> DecisionRecord:
    """A decision about a client or, with an origin, about a message of it."""
    peer = who.client.address
    address, found, hop, doubt = origin or (peer, who.found, 0, None)
    return DecisionRecord(
        time=timestamp(time.time()),
        session=who.session,
        address=str(address),
        port=who.client.port,
        found=found,
        function=decision.function,
        action=decision.action,
        checks=decision.checks,
        reply=None if decision.reply is None else str(decision.reply),
        peer=None if address == peer else str(peer),
        hop=hop,
        doubt=doubt,
        tls="ended" if encrypted else None,
        walk=tuple(map(_hop, walk[:MOST_HOPS])),
    )


def _hop(step: Step) -> Hop:
    header = step.field.decode("ascii", "backslashreplace").strip()
    address = None if step.address is None else str(step.address)
    return Hop(step.number, header[:LONGEST_HEADER], address, step.known)


def of_session(session: Session) -> SessionRecord:
    """A relayed session that is over."""
    return SessionRecord(
        time=timestamp(time.time()),
        session=session.arrival.session,
        address=str(session.arrival.client.address),
        port=session.arrival.client.port,
        seconds=round(time.monotonic() - session.arrival.started, 3),
        from_client=session.client.received,
        from_upstream=session.upstream.received,
        ended=session.end or "cut",
        reply=None if session.reply is None else str(session.reply),
        unseen=session.unseen,
        tls="ended" if session.tls == "ended" else None,
        tls_problem=session.tls_problem,
    )
