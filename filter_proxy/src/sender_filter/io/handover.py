"""Handing an accepted connection over to Postfix, which then speaks with the client itself.

Postfix's ``pass`` service is a UNIX socket. The descriptor and what is to be said of it go there;
smtpd takes both and closes its end, and that is how it is known. Until then the connection stays
open here as well: where Postfix goes away with it still in its queue, nobody has said a word to the
client, who can be served in another way.
"""

import array
import socket
import time
from collections.abc import Callable

from sender_filter.core.records import Check
from sender_filter.io.journal import log
from sender_filter.io.upstream import reason_of
from sender_filter.io.watch import READABLE, Watch

Told = Callable[[Check], None]
"""Hears how it went, as a check for the decision's record: ``failed`` if Postfix has not got it."""


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
        self._offers: set[_Offer] = set()
        self._patient = True

    def let_go(self) -> None:
        """Wait for nobody any more: what lies in Postfix's queue is Postfix's, who will take it."""
        self._patient = False
        for offer in list(self._offers):
            offer.end(None)

    def hand_over(
        self, connection: socket.socket, message: bytes, path: str, watch: Watch, told: Told
    ) -> None:
        """Give a connection away that nothing was read from and nothing written to.

        There is no time limit: a client that Postfix has no process for waits as it does without a
        filter, and Postfix's queue is short. When it is full, that is a problem at once.

        Args:
            connection: The connection. It is still to be closed here.
            message: What to say of it (``core.pass_attributes``).
            path: The service's socket.
            watch: Tells when Postfix has it.
            told: Called once, perhaps before this returns.
        """
        offer = _Offer(path, told, self._over)
        self._offers.add(offer)
        try:
            link = offer.make(connection, message)
        except OSError as error:
            offer.end(reason_of(error))
            return
        if not (self._patient and offer.wait(link, watch)):
            offer.end(None)

    def _over(self, offer: "_Offer", problem: str | None) -> None:
        """Log when it changes, not once a client."""
        self._offers.discard(offer)
        if problem is not None and self.problem is None:
            log.error(
                "nothing can be handed over to %s, sessions are relayed: %s", offer.path, problem
            )
        elif problem is None and self.problem is not None:
            log.info("connections are handed over to %s again", offer.path)
        self.problem = problem
        self.total += problem is None


class _Offer:
    """A connection that Postfix was given and perhaps has not taken yet."""

    __slots__ = ("_link", "_over", "_start", "_told", "_watch", "path")

    def __init__(self, path: str, told: Told, over: Callable[["_Offer", str | None], None]) -> None:
        """Prepare to give a connection to the service at ``path``."""
        self.path = path
        self._told = told
        self._over = over
        self._start = time.perf_counter_ns()
        self._link: socket.socket | None = None
        self._watch: Watch | None = None

    def make(self, connection: socket.socket, message: bytes) -> socket.socket:
        """Send it all in one piece, which an empty socket always has room for.

        Returns:
            The link to Postfix.

        Raises:
            OSError: Postfix does not take it.
        """
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._link = link
        link.connect(self.path)
        rights = array.array("i", [connection.fileno()])
        link.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        return link

    def wait(self, link: socket.socket, watch: Watch) -> bool:
        """Wait until Postfix closes its end; false if the kernel has no room to watch another."""
        try:
            watch.begin(link.fileno(), READABLE, lambda _events: self._closed(link))
        except OSError:
            return False
        self._watch = watch
        return True

    def end(self, problem: str | None) -> None:
        """Tell how it went."""
        if self._link is not None:
            if self._watch is not None:
                self._watch.closed(self._link.fileno())
            self._link.close()
        self._over(self, problem)
        micros = (time.perf_counter_ns() - self._start) // 1000
        self._told(Check("upstream", self.path, "failed" if problem else "ok", micros, problem))

    def _closed(self, link: socket.socket) -> None:
        """Postfix has it all, or has gone with it still in its queue."""
        try:
            link.recv(1)
        except BlockingIOError:
            return
        except OSError as error:
            self.end(reason_of(error))
        else:
            self.end(None)
