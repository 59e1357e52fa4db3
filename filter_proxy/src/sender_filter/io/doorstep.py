"""Refused clients on bare sockets, for the price of a few system calls each.

Who is refused at once is greeted where the connection was accepted. Most say QUIT and are gone
within a millisecond: a task and a transport for each would cost more than all the rest.
"""

import socket

from sender_filter.core.refusal import Refusal
from sender_filter.io.refusing import WaitingRoom
from sender_filter.io.watch import READABLE, Watch

_READ_BYTES = 4096


class Doorstep:
    """Where refused clients stand who were never let in.

    Attributes:
        turn: The turn in which they speak.
    """

    def __init__(self, room: WaitingRoom, watch: Watch) -> None:
        """Nobody stands here."""
        self.turn = watch.turn
        self._room = room
        self._watch = watch

    def refuse(self, connection: socket.socket, refusal: Refusal) -> "StandingClient":
        """Greet a client with its refusal, and hear what it has to say to that."""
        client = StandingClient(connection, refusal, self)
        number = connection.fileno()
        self._room.enter(client)
        client.say(refusal.greeting())
        try:
            self._watch.begin(number, READABLE, client.hear)
        except OSError:  # the kernel has no room to watch another one: it has its reply, and goes
            client.hurry()
        return client

    def part(self, number: int, client: "StandingClient") -> None:
        """The connection with this descriptor is closed."""
        self._watch.closed(number)
        self._room.leave(client)

    def linger(self, client: "StandingClient") -> None:
        """The last word to the client was said."""
        self._room.linger(client)


class StandingClient:
    """One of them; what ``io.refusing`` says of closing holds here as well."""

    __slots__ = ("_answer", "_connection", "_doorstep", "_finished", "_refusal")

    def __init__(self, connection: socket.socket, refusal: Refusal, doorstep: Doorstep) -> None:
        """Prepare to refuse."""
        self._connection = connection
        self._refusal = refusal
        self._doorstep = doorstep
        self._answer = b""  # what is said at the end of the turn
        self._finished = False

    def hear(self, _events: int) -> None:
        """Answer what was said, or drop it after the end."""
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.hurry()
        elif not self._finished and (answer := self._refusal.receive(data)):
            self.say(answer)

    def say(self, answer: bytes) -> None:
        """Say it at the end of the turn, and after the last word take leave."""
        if not self._answer:
            self._doorstep.turn.at_end(self._speak)
        self._answer += answer

    def _speak(self) -> None:
        """Say what there is to be said.

        All that is ever said fits into an empty buffer of the kernel's, so a client that has not
        taken the former replies is not worth waiting for.
        """
        answer, self._answer = self._answer, b""
        if not answer:  # it had to leave, and was told before
            return
        try:
            heard = self._connection.send(answer) == len(answer)
            if heard and self._refusal.closed and not self._refusal.goodbye:
                self._connection.shutdown(socket.SHUT_WR)
        except OSError:
            heard = False
        if not heard or self._refusal.goodbye:
            self._go()
        elif self._refusal.closed:
            self._finished = True
            self._doorstep.linger(self)

    def expire(self) -> None:
        """The client's time is up: say so once, then go for good."""
        if self._finished:
            self.hurry()
        else:
            self.say(self._refusal.expire())

    def hurry(self) -> None:
        """Leave now, all that there is to say having been said."""
        self._speak()
        self._go()

    def _go(self) -> None:
        number = self._connection.fileno()
        if number >= 0:
            self._connection.close()
            self._doorstep.part(number, self)
