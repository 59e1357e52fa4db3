"""The connection of a refused client: the refusal machine on a real socket."""

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from sender_filter.io.deadlines import Deadlines

LINGER_SECONDS = 2.0
"""How long a client's bytes are read and dropped after our FIN."""


class Refusing(Protocol):
    """The machine of a refusal, of a connection or of a transaction.

    Attributes:
        closed: Whether its last answer is the last one.
    """

    closed: bool

    def greeting(self) -> bytes:
        """What is said first."""

    def receive(self, data: bytes) -> bytes:
        """Take bytes and return the answer."""

    def expire(self) -> bytes:
        """The time is up; return the last answer."""


class Guest(Protocol):
    """A refused client that is still connected."""

    def __hash__(self) -> int:
        """Each is itself and no other."""

    def expire(self) -> None:
        """The client's time is up: say so once, then go for good."""

    def hurry(self) -> None:
        """Leave now, the greeting having been said."""


class RefusedClient(asyncio.Protocol):
    """Greets with the refusal, answers until it is closed, then goes in a way that is heard.

    Closing while the client's bytes lie unread makes the kernel send a RST, which can overtake
    the reply (RFC 1122 section 4.2.2.13). So: a FIN, then read what comes for a moment.
    """

    __slots__ = ("_finished", "_refusal", "_room", "_transport")

    def __init__(self, refusal: Refusing, room: "WaitingRoom") -> None:
        """Prepare to refuse."""
        self._refusal = refusal
        self._room = room
        self._finished = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self._room.enter(self)
        self._say(self._refusal.greeting())

    def data_received(self, data: bytes) -> None:
        """Answer, or drop what comes after the end."""
        if not self._finished:
            self._say(self._refusal.receive(data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The client is gone."""
        self._room.leave(self)

    def expire(self) -> None:
        """The client's time is up: say so once, then go for good."""
        if self._finished:
            self._transport.abort()
        else:
            self._say(self._refusal.expire())

    def hurry(self) -> None:
        """Leave now, the greeting having been said."""
        self._transport.close()

    def _say(self, answer: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(answer)
        if self._refusal.closed:
            self._finished = True
            self._room.linger(self)
            self._transport.write_eof()


class WaitingRoom:
    """All refused clients that are still connected."""

    def __init__(self, emptied: Callable[[], None], wait_seconds: float) -> None:
        """Make an empty room.

        Args:
            emptied: Called whenever the last client has left.
            wait_seconds: How long a client may take to say QUIT.
        """
        self._emptied = emptied
        self._clients: set[Guest] = set()
        self._waits = Deadlines[Guest](wait_seconds, lambda guest: guest.expire())
        self._lingers = Deadlines[Guest](LINGER_SECONDS, lambda guest: guest.expire())

    def __len__(self) -> int:
        """How many clients are here."""
        return len(self._clients)

    def enter(self, client: Guest) -> None:
        """A client was let in to be refused."""
        self._clients.add(client)
        self._waits.start(client)

    def linger(self, client: Guest) -> None:
        """The last word to the client was said."""
        self._waits.stop(client)
        self._lingers.start(client)

    def leave(self, client: Guest) -> None:
        """The client's connection is closed."""
        self._waits.stop(client)
        self._lingers.stop(client)
        self._clients.discard(client)
        if not self._clients:
            self._emptied()

    def empty(self) -> None:
        """Send everybody away."""
        for client in list(self._clients):
            client.hurry()
