"""Handing an accepted connection over to Postfix, which then speaks with the client itself.

Postfix's ``pass`` service is a UNIX socket. The descriptor and what is to be said of it go there;
smtpd takes both and closes its end, and that is how it is known. Until then the connection stays
open here as well: where Postfix goes away with it still in its queue, nobody has said a word to the
client, who can be served in another way.
"""

import array
import asyncio
import os
import socket
import time

from sender_filter.core.records import Check
from sender_filter.io.journal import log


class Handover:
    """Hands connections over to one Postfix.

    Attributes:
        total: How many Postfix has taken since the start.
        problem: Why it has not taken the last one; None if it has.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.total = 0
        self.problem: str | None = None
        self._waiting: set[asyncio.Future[None]] = set()
        self._patient = True

    def let_go(self) -> None:
        """Wait for nobody any more: what lies in Postfix's queue is Postfix's, who will take it."""
        self._patient = False
        for waiting in self._waiting:
            _wake(waiting)

    async def hand_over(self, connection: socket.socket, message: bytes, path: str) -> Check:
        """Give a connection away that nothing was read from and nothing written to.

        There is no time limit: a client that Postfix has no process for waits as it does without a
        filter, and Postfix's queue is short. When it is full, that is a problem at once.

        Args:
            connection: The connection. It is still to be closed here.
            message: What to say of it (``core.pass_attributes``).
            path: The service's socket.

        Returns:
            The check for the decision's record: ``failed`` if Postfix has not got it.
        """
        start = time.perf_counter_ns()
        problem = None
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as link:
                link.connect(path)
                _send(link, message, connection)
                await self._taken(link)
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else str(error)
        self._note(path, problem)
        micros = (time.perf_counter_ns() - start) // 1000
        return Check("upstream", path, "failed" if problem else "ok", micros, problem)

    async def _taken(self, link: socket.socket) -> None:
        """Wait until Postfix has it all.

        Raises:
            ConnectionResetError: It has gone, and has not.
        """
        if not self._patient:
            return
        loop = asyncio.get_running_loop()
        waiting = loop.create_future()
        self._waiting.add(waiting)
        loop.add_reader(link, _wake, waiting)
        try:
            await waiting
        finally:
            loop.remove_reader(link)
            self._waiting.discard(waiting)
        if self._patient:
            link.recv(1)

    def _note(self, path: str, problem: str | None) -> None:
        """Log when it changes, not once a client."""
        if problem is not None and self.problem is None:
            log.error("nothing can be handed over to %s, sessions are relayed: %s", path, problem)
        elif problem is None and self.problem is not None:
            log.info("connections are handed over to %s again", path)
        self.problem = problem
        self.total += problem is None


def _send(link: socket.socket, message: bytes, connection: socket.socket) -> None:
    """Send it all in one piece, which an empty socket always has room for."""
    rights = array.array("i", [connection.fileno()])
    link.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)
