"""The door of topology ``inline``: Postfix comes in for each message, and says who its client is.

Nobody is judged before the first MAIL. Then the client is refused by the replies to RCPT, or the
next Postfix is told who it is and the transaction relayed.
"""

import asyncio
import functools
import socket
import time
from collections.abc import Callable
from typing import cast

from sender_filter.core.inline import refusal, xforward
from sender_filter.core.inline.introduction import Introduction
from sender_filter.core.inline.prologue import Announced, Prologue
from sender_filter.core.inline.refusal import RefusedTransaction
from sender_filter.core.inline.visits import Visits
from sender_filter.core.inline.xforward import Client
from sender_filter.core.records import End
from sender_filter.core.replies import Reply
from sender_filter.io import own_address
from sender_filter.io.arrival import Arrival
from sender_filter.io.deadlines import Deadlines
from sender_filter.io.door import Door, Services
from sender_filter.io.relay import Session
from sender_filter.io.upstream import Link
from sender_filter.settings import fronts
from sender_filter.settings.endpoints import Endpoint
from sender_filter.settings.loading import Settings

PROLOGUE_SECONDS = 30.0
"""How long Postfix may take until MAIL; it has it at hand."""

_PIECE = 4096


class Caller(asyncio.Protocol):
    """Postfix up to its first MAIL: the prologue on a real socket.

    Attributes:
        arrival: Which connection it is.
    """

    __slots__ = ("_deadlines", "_left", "_met", "_prologue", "_transport", "arrival")

    def __init__(
        self,
        arrival: Arrival,
        deadlines: Deadlines["Caller"],
        met: Callable[["Caller", asyncio.Transport, Announced], None],
        left: Callable[["Caller"], None],
    ) -> None:
        """Prepare to greet.

        Args:
            arrival: Which connection it is.
            deadlines: Those of all callers.
            met: Takes the connection over when MAIL has come.
            left: Called if it is gone before.
        """
        self.arrival = arrival
        self._deadlines = deadlines
        self._met = met
        self._left = left
        self._prologue = Prologue(socket.gethostname())
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._deadlines.start(self)
        self._transport.write(self._prologue.greeting())

    def data_received(self, data: bytes) -> None:
        """Answer, or hand over."""
        if self._transport is None or self._prologue.closed:
            return
        self._say(self._transport, self._prologue.receive(data))
        if self._prologue.announced is not None:
            self._deadlines.stop(self)
            self._met(self, self._transport, self._prologue.announced)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Postfix is gone."""
        self._deadlines.stop(self)
        self._left(self)

    def expire(self) -> None:
        """Its time is up."""
        if self._transport is not None:
            self._say(self._transport, self._prologue.expire())

    def abort(self) -> None:
        """Close now."""
        if self._transport is not None:
            self._transport.abort()

    def _say(self, transport: asyncio.Transport, answer: bytes) -> None:
        transport.write(answer)
        if self._prologue.closed:
            transport.close()


class InlineDoor(Door):
    """Knows a client by what Postfix says of it, and refuses within the transaction."""

    behind_postfix = True
    patience = 300.0  # its client takes its time between recipients (RFC 5321 section 4.5.3.2.3)

    def __init__(self, settings: Settings, services: Services) -> None:
        """Make a door that nobody has come through."""
        super().__init__(settings, services)
        self._callers: set[Caller] = set()
        self._deadlines = Deadlines[Caller](PROLOGUE_SECONDS, Caller.expire)
        self._visits = Visits()

    def admit(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Greet Postfix, if there is room for another transaction at all."""
        if len(self._callers) >= self.settings.config.limits.sessions:
            connection.close()  # for which Postfix has a 451 of its own
            return
        caller = Caller(self._arrivals.meet(peer), self._deadlines, self._meet, self._part)
        self._callers.add(caller)
        self._attach(connection, caller)

    def cut(self, why: End) -> None:
        """Send everybody away now."""
        for caller in list(self._callers):
            caller.abort()
        super().cut(why)

    def _part(self, caller: Caller) -> None:
        """A caller has left, or has become a session."""
        self._callers.discard(caller)
        self._left()

    def _meet(self, caller: Caller, transport: asyncio.Transport, announced: Announced) -> None:
        """Decide about a transaction that begins."""
        who, ours = _who(caller.arrival, xforward.client(announced.attributes))
        address = who.client.address
        decision = self._limit(self._judge.by_lists(address), address, ours=ours)
        session = Session(who, self._hooks, ours=ours)
        self._limits.enter(session)
        self._part(caller)
        session.client.take_over(transport, announced.unread)
        self._spawn(self._serve(session, decision, functools.partial(self._connect, announced)))

    async def _connect(self, announced: Announced) -> Link:
        front = fronts.of(self.settings.config, "inline")
        introduce = functools.partial(_introduce, announced)
        return await self._upstream.go_on(self._upstream.begin(front.upstream), introduce)

    def _refusal(self, session: Session, reply: Reply) -> RefusedTransaction:
        return RefusedTransaction(reply, session.client.early)

    def _worded(self, reply: Reply) -> Reply:
        return refusal.in_transaction(reply)

    def _is_new(self, who: Arrival) -> bool:
        return self._visits.begins(Client(*who.client), time.monotonic())

    def _busy(self) -> bool:
        return bool(self._callers) or super()._busy()


def _who(arrival: Arrival, client: Client) -> tuple[Arrival, bool]:
    """Who has come, and whether that is this host itself.

    Of whom Postfix cannot say the address, it is Postfix's own message, from the address that it
    has connected from.
    """
    if client.address is None:
        return arrival, True
    told = arrival._replace(client=Endpoint(client.address, client.port), found="xforward")
    return told, own_address.is_own(client.address)


async def _introduce(announced: Announced, link: socket.socket) -> str | None:
    """Tell the next Postfix who the client is; the result is why it cannot be told."""
    loop = asyncio.get_running_loop()
    introduction = Introduction(announced)
    while not introduction.over:
        data = await loop.sock_recv(link, _PIECE)
        if not data:
            return "it closed while it was told who the client is"
        await loop.sock_sendall(link, introduction.receive(data))
    return introduction.reason or None
