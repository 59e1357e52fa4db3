"""The door of topology ``edge``: clients come from outside.

Postfix is told of a client by the PROXY header of a relayed session, or gets the client's
connection itself.
"""

import asyncio
import socket

from sender_filter.core import pass_attributes, proxy_protocol
from sender_filter.core.addresses import Address
from sender_filter.core.policy import Decision
from sender_filter.core.records import Check
from sender_filter.core.refusal import Refusal
from sender_filter.core.replies import Reply
from sender_filter.io import arrival
from sender_filter.io.arrival import Arrival
from sender_filter.io.door import Door, Services
from sender_filter.io.doorstep import Doorstep
from sender_filter.io.journal import log
from sender_filter.io.relay import Session
from sender_filter.io.upstream import Link
from sender_filter.settings.loading import Settings


class EdgeDoor(Door):
    """Knows a client by its connection, and refuses in the greeting."""

    behind_postfix = False
    patience = 10.0

    def __init__(self, settings: Settings, services: Services) -> None:
        """Make a door that nobody has come through."""
        super().__init__(settings, services)
        self._doorstep = Doorstep(self.refused, self._watch)

    def admit(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Decide about a connection that was just accepted."""
        self._decide(connection, peer, passes_on=bool(self._siblings.others))

    def take_over(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Decide about a connection that a sibling has accepted, of a client that belongs here."""
        self._decide(connection, peer, passes_on=False)

    def _decide(self, connection: socket.socket, peer: tuple[str, int], *, passes_on: bool) -> None:
        """Refuse a client here, leave it to the worker that it belongs to, or go on with it.

        Who is on a list is refused by whichever worker, for they all have the same ones.
        """
        who = self._arrivals.meet(peer)
        address = who.client.address
        decision = self._judge.by_lists(address)
        if decision.reply is not None:
            self._refuse(connection, who, decision, decision.reply)
            return
        passes_on = passes_on and self._is_counted(decision, address)
        if passes_on and self._siblings.pass_on(connection, peer, address):
            return
        ours = address == arrival.local_end(connection).address
        decision = self._limit(decision, address, ours=ours)
        judged = decision if ours else self._judge.at_once(decision, address)
        if judged is not None and judged.reply is not None:
            self._refuse(connection, who, judged, judged.reply)
            return
        session = Session(who, self._hooks, ours=ours)
        self._limits.enter(session)
        if judged is None:
            self._spawn(self._judge_and_serve(connection, session, decision))
            return
        try:  # who has to ask nobody needs no task
            self._let_in(connection, session, judged)
        except Exception:  # whatever it is, it is one client's trouble
            self._give_up(connection, session)

    def _is_counted(self, decision: Decision, address: Address) -> bool:
        """Whether anything is counted of a client by the address that it has connected from.

        Of a known host that is only what throttling counts; all its sessions are not to be one
        worker's if they need not be.
        """
        if decision.function == "approved":
            return False
        return self._ledger.throttles or not self._judge.is_known(address)

    def _refuse(
        self, connection: socket.socket, who: Arrival, decision: Decision, reply: Reply
    ) -> None:
        self._record(who, decision)
        self._hurry_if_crowded(self._doorstep.refuse(connection, Refusal(reply)))

    async def _judge_and_serve(
        self, connection: socket.socket, session: Session, decision: Decision
    ) -> None:
        """Ask who has to be asked; until then nobody reads from the connection."""
        try:
            decision = await self._judge.by_asking(decision, session.arrival.client.address)
            if decision.reply is not None:
                self._limits.leave(session)
                self._refuse(connection, session.arrival, decision, decision.reply)
                session.part()
            else:
                self._let_in(connection, session, decision)
        except Exception:  # whatever it is, the place must not stay taken
            self._give_up(connection, session)

    def _give_up(self, connection: socket.socket, session: Session) -> None:
        """Something has failed that cannot: the client goes, and comes again."""
        log.exception("a client could not be served")
        if session.client.transport is not None:
            session.cut("cut")
        else:
            connection.close()
            self._limits.leave(session)

    def _let_in(self, connection: socket.socket, session: Session, decision: Decision) -> None:
        """Bring a client to Postfix."""
        if self._may_hand_over(session, decision):
            self._hand_over(connection, session, decision)
        else:
            self._relay(connection, session, decision)

    def _relay(self, connection: socket.socket, session: Session, decision: Decision) -> None:
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._gone(connection, session, decision)
            return
        session.first = proxy_protocol.header(
            *session.arrival.client, *arrival.local_end(connection)
        )
        session.context = self.settings.tls
        if session.context is not None:
            self._spawn(self._relay_with_tls(connection, session, decision))
            return
        self._attach(connection, session.client)
        attempt = self._upstream.begin(self.settings.config.upstream)
        if attempt.waits:
            self._spawn(self._go_on(session, decision, lambda: self._upstream.go_on(attempt)))
        else:
            self._join(session, decision, self._upstream.outcome(attempt))

    async def _relay_with_tls(
        self, connection: socket.socket, session: Session, decision: Decision
    ) -> None:
        if not await _attach_for_tls(connection, session.client):
            session.client.connection_lost(None)
        await self._go_on(session, decision, self._connect)

    def _gone(self, connection: socket.socket, session: Session, decision: Decision) -> None:
        """The client has reset its connection meanwhile: Postfix need not hear of it."""
        connection.close()
        self._record(session.arrival, decision)
        session.client.connection_lost(None)
        session.part()

    def _may_hand_over(self, session: Session, decision: Decision) -> bool:
        """Whether Postfix may have the connection itself: the filter has nothing to do with it."""
        settings = self.settings
        wanted = settings.config.upstream.handover == "pass" and settings.tls is None
        return wanted and not self._is_of_interest(session, decision)

    def _hand_over(self, connection: socket.socket, session: Session, decision: Decision) -> None:
        """Let Postfix have a connection; where it does not take it, the session is relayed."""

        def told(check: Check) -> None:
            checked = decision._replace(checks=(*decision.checks, check))
            try:
                if check.result == "ok":
                    connection.close()
                    self._handed_over(session, checked)
                else:
                    self._relay(connection, session, checked)
            except Exception:  # those who are told of something in the same turn must not wait
                self._give_up(connection, session)

        message = pass_attributes.message(*session.arrival.client, *arrival.local_end(connection))
        path = self.settings.config.upstream.pass_socket
        self._handover.hand_over(connection, message, path, self._watch, told)

    def _handed_over(self, session: Session, decision: Decision) -> None:
        self._count(session, decision)
        self._record(session.arrival, decision)
        session.end = "handed_over"
        self._ended(session)
        session.part()

    async def _connect(self) -> Link:
        return await self._upstream.go_on(self._upstream.begin(self.settings.config.upstream))

    def _refusal(self, session: Session, reply: Reply) -> Refusal:  # noqa: ARG002 - nothing of it was read
        return Refusal(reply)

    def _worded(self, reply: Reply) -> Reply:
        return reply

    def _is_new(self, who: Arrival) -> bool:  # noqa: ARG002 - each connection is a client's own
        return True


async def _attach_for_tls(connection: socket.socket, protocol: asyncio.Protocol) -> bool:
    """Put a protocol on a connected socket by the event loop, which alone knows how to encrypt.

    False if the other end has left meanwhile.
    """
    try:
        await asyncio.get_running_loop().connect_accepted_socket(lambda: protocol, connection)
    except OSError:
        connection.close()
        return False
    return True
