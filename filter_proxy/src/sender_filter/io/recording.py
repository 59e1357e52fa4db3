"""What is written down of a decision and of a session that is over."""

import time

from sender_filter.core.policy import Decision
from sender_filter.core.received.source import Source
from sender_filter.core.records import DecisionRecord, SessionRecord, timestamp
from sender_filter.io.arrival import Arrival
from sender_filter.io.relay import Session


def of_decision(
    who: Arrival, decision: Decision, origin: Source | None, *, encrypted: bool
) -> DecisionRecord:
    """A decision about a client or, with an origin, about a message of it."""
    peer = who.client.address
    address, found, hop, doubt = origin or Source(peer, who.found, 0)
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
    )


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
