"""Where each connection goes: to Postfix, or away with a reply. And the tally of it.

The door asks the policy and carries out what it says; it has no opinion of its own but one: no
more sessions than the limit.
"""

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine

from sender_filter.core import replies
from sender_filter.core.policy import Decision
from sender_filter.core.records import Check, DecisionRecord, End, SessionRecord, timestamp
from sender_filter.core.replies import Reply
from sender_filter.io import arrival
from sender_filter.io.arrival import Arrival, Arrivals
from sender_filter.io.record_writer import RecordWriter
from sender_filter.io.refusing import RefusedClient, WaitingRoom
from sender_filter.io.relay import Hooks, Session
from sender_filter.io.upstream import Upstream
from sender_filter.settings.loading import Settings


class Door:
    """Admits, refuses and counts clients.

    Attributes:
        settings: What is in force; a reload puts another one here.
        sessions: Those relayed now.
        refused: Refused clients that are still connected.
        relayed_total: Sessions relayed since the start.
        refused_total: Clients refused since the start.
    """

    def __init__(self, settings: Settings, upstream: Upstream, records: RecordWriter) -> None:
        """Make a door that nobody has come through."""
        self.settings = settings
        self.sessions: set[Session] = set()
        self.refused = WaitingRoom(self._left)
        self.relayed_total = 0
        self.refused_total = 0
        self._upstream = upstream
        self._records = records
        self._arrivals = Arrivals()
        self._hooks = Hooks(self._ended)
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_empty: Callable[[], None] = lambda: None

    def admit(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Decide about a connection that was just accepted."""
        who = self._arrivals.meet(peer)
        decision = self._limit(self.settings.policy.decide(who.client.address))
        if decision.reply is None:
            session = Session(who, arrival.endpoint(connection.getsockname()), self._hooks)
            self.sessions.add(session)
            self._spawn(self._relay(connection, session, decision))
        else:
            self._spawn(self._refuse(connection, who, decision, decision.reply))

    def hasten(self) -> None:
        """Take leave quickly of clients who stay after Postfix has closed."""
        self._hooks.hasten()

    async def emptied(self) -> None:
        """Wait until nobody is left."""
        if self._busy():
            waiter = asyncio.get_running_loop().create_future()
            self._on_empty = lambda: None if waiter.done() else waiter.set_result(None)
            await waiter

    def cut(self, why: End) -> None:
        """Send everybody away now."""
        for session in list(self.sessions):
            session.cut(why)
        self.refused.empty()

    def _limit(self, decision: Decision) -> Decision:
        """Turn a pass into a refusal when there is no room."""
        limit = self.settings.config.limits.sessions
        if decision.action != "pass" or len(self.sessions) < limit:
            return decision
        check = Check("limits", str(len(self.sessions)), "match", 0, f"limits.sessions = {limit}")
        checks = (*decision.checks, check)
        return Decision("limits", "temporary", checks, replies.too_many_sessions())

    async def _refuse(
        self, connection: socket.socket, who: Arrival, decision: Decision, reply: Reply
    ) -> None:
        self._record(who, decision)
        client = RefusedClient(reply, self.refused)
        if not await _attach(connection, client):
            return
        # The room is as large as the one for sessions. When it is full, a refused client gets
        # its reply and nobody waits for its QUIT: refusing must never cost the others.
        if len(self.refused) > self.settings.config.limits.sessions:
            client.hurry()

    async def _relay(self, connection: socket.socket, session: Session, decision: Decision) -> None:
        if not await _attach(connection, session.client):
            session.client.connection_lost(None)
        link, check = await self._upstream.connect(self.settings.config.upstream)
        decision = decision._replace(checks=(*decision.checks, check))
        if link is None:
            self._turn_away(session, decision)
            return
        self.relayed_total += 1
        self._record(session.arrival, decision)
        if not await _attach(link, session.upstream):
            session.upstream.connection_lost(None)

    def _turn_away(self, session: Session, decision: Decision) -> None:
        """Postfix is away: the client of a session becomes a refused one."""
        reply = replies.upstream_away()
        self._record(session.arrival, Decision("upstream", "temporary", decision.checks, reply))
        self.sessions.discard(session)
        transport = session.client.transport
        if transport is not None and not session.client.lost:
            client = RefusedClient(reply, self.refused)
            transport.set_protocol(client)
            client.connection_made(transport)
            transport.resume_reading()

    def _record(self, who: Arrival, decision: Decision) -> None:
        if decision.reply is not None:
            self.refused_total += 1
        self._records.put(
            DecisionRecord(
                time=timestamp(time.time()),
                session=who.session,
                address=str(who.client.address),
                port=who.client.port,
                found="peer",
                function=decision.function,
                action=decision.action,
                checks=decision.checks,
                reply=None if decision.reply is None else str(decision.reply),
            )
        )

    def _ended(self, session: Session) -> None:
        """A relayed session is over."""
        self.sessions.discard(session)
        self._records.put(
            SessionRecord(
                time=timestamp(time.time()),
                session=session.arrival.session,
                address=str(session.arrival.client.address),
                port=session.arrival.client.port,
                seconds=round(time.monotonic() - session.arrival.started, 3),
                from_client=session.client.received,
                from_upstream=session.upstream.received,
                ended=session.end or "cut",
                reply=None if session.reply is None else str(session.reply),
            )
        )
        self._left()

    def _left(self) -> None:
        if not self._busy():
            self._on_empty()

    def _busy(self) -> bool:
        return bool(self.sessions or len(self.refused) or self._tasks)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._left()


async def _attach(connection: socket.socket, protocol: asyncio.Protocol) -> bool:
    """Put a protocol on a connected socket; false if the other end has left meanwhile."""
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)
    except OSError:
        connection.close()
        return False
    return True
