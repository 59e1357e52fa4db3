"""One client's session with Postfix: bytes there, bytes back, none altered.

The only bytes of our own are the PROXY header, before everything else, an apology if Postfix goes
away before it has said anything or the client's time is up, and what an observer says who refuses
a message. Where nobody wants to know what is said, there is no observer, and bytes are not looked
at.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Literal, cast

from sender_filter.core import replies
from sender_filter.core.pace import Pace, Traffic
from sender_filter.core.records import End
from sender_filter.core.replies import Reply
from sender_filter.core.smtp.events import (
    BeginTls,
    CloseClient,
    CloseServer,
    ToClient,
    ToServer,
)
from sender_filter.io.arrival import Arrival
from sender_filter.io.deadlines import Deadlines
from sender_filter.io.observer import Carry, Observer
from sender_filter.io.refusing import LINGER_SECONDS
from sender_filter.io.tls import TlsError, handshake

BUFFER_BYTES = 128 * 1024
"""How much may wait for one side before the other is no longer read."""

STALL_SECONDS = 600.0
"""How long a full buffer may stand still: RFC 5321 section 4.5.3.2 knows no longer wait."""

FAREWELL_SECONDS = 60.0
"""How long a client may stay after Postfix closed: as long as Linux's ``tcp_fin_timeout``."""

HASTY_FAREWELL_SECONDS = 1.0
"""The same while the filter stops: nobody may hold it up who has nothing left to say."""

_BY_US = frozenset({"refused", "timed_out"})
"""Ends that are the filter's own doing: it has told the client what there is to say."""


class Side(asyncio.Protocol):
    """One of the two connections of a session.

    When the buffer towards the other side is full, reading here stops until it has emptied, so
    a session holds a bounded number of bytes however slow one end is.
    """

    __slots__ = (
        "early", "encrypted", "eof", "finished", "full", "lost", "other", "received", "session",
        "transport", "whole",
    )  # fmt: skip

    def __init__(self, session: "Session") -> None:
        """Make a side that is not connected yet."""
        self.session = session
        self.other: Side
        self.transport: asyncio.Transport | None = None
        self.early = b""
        self.encrypted = False
        self.received = 0
        self.whole = True  # whether all that came ends with the end of a line
        self.eof = False
        self.finished = False  # whether a FIN was ordered, after which nothing can be sent
        self.full = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the connection; Postfix's completes the session."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES)
        if self.other.transport is not None:
            self.session.join()

    def take_over(self, transport: asyncio.Transport, early: bytes) -> None:
        """Be the protocol of a connection whose client has been talked to, and has said more."""
        transport.set_protocol(self)
        self.connection_made(transport)
        self.data_received(early)

    def encrypt(self, transport: asyncio.Transport) -> None:
        """Go on with the same connection, which is encrypted from now on."""
        self.session.hooks.stalls.stop(self)
        self.full = False
        self.encrypted = True
        self.transport = transport
        transport.set_write_buffer_limits(high=BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; hold those of a client that talks before Postfix is there."""
        self.received += len(data)
        self.whole = data.endswith(b"\r\n")
        there = self.other.transport
        if there is None:
            self._hold(data)
        else:
            self.session.pass_on(self, there, data)

    def _hold(self, data: bytes) -> None:
        """Keep what is early, and read no more for now."""
        if self.transport is not None:
            self.early += data
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """Pass a half-close on; what the other side still says is passed too, but not under TLS."""
        self.eof = True
        self.session.side_closed(self)
        return not self.encrypted

    def pause_writing(self) -> None:
        """This side takes no more: stop reading from the other one."""
        self.full = True
        if self.other.transport is not None:
            self.other.transport.pause_reading()
        self.session.hooks.stalls.start(self)

    def resume_writing(self) -> None:
        """This side takes bytes again."""
        self.full = False
        self.session.hooks.stalls.stop(self)
        self.session.read_on(self.other)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The connection is gone, in order or not; a failed handshake may say so twice."""
        if self.lost:
            return
        self.lost = True
        self.session.hooks.stalls.stop(self)
        self.session.side_lost(self)

    def send(self, data: bytes) -> None:
        """Write, unless this side is on its way out: an observer may order that after the FIN."""
        if self.transport is None or self.finished or self.transport.is_closing():
            return
        self.transport.write(data)

    def finish(self) -> None:
        """Send a FIN after all that was written; TLS knows only one for both directions."""
        if self.transport is None or self.transport.is_closing():
            return
        self.finished = True
        if self.encrypted:
            self.transport.close()
        else:
            self.transport.write_eof()

    @property
    def unsent(self) -> int:
        """How many bytes still wait to go out."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def close(self) -> None:
        """Close after all that was written has gone out."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close now."""
        if self.transport is not None:
            self.transport.abort()


class Hooks:
    """What all sessions share: the deadlines, who hears of their end, and the apology."""

    def __init__(
        self,
        ended: Callable[["Session"], None],
        spawn: Callable[[Coroutine[object, object, None]], None],
        apology: Reply,
    ) -> None:
        """Prepare for any number of sessions.

        Args:
            ended: Called once for each session, when both its connections are gone.
            spawn: Does something that takes time.
            apology: What a client hears if Postfix leaves without a word.
        """
        self.ended = ended
        self.spawn = spawn
        self.apology = apology
        self.refusals = Deadlines[Session](STALL_SECONDS, lambda session: session.cut("refused"))
        self.stalls = Deadlines[Side](STALL_SECONDS, lambda side: side.session.cut("stalled"))
        self.farewells = Deadlines[Session](FAREWELL_SECONDS, Session.end_farewell)
        self.lingers = Deadlines[Session](LINGER_SECONDS, lambda session: session.client.abort())

    def hasten(self) -> None:
        """The filter stops: a session that Postfix has closed is over soon."""
        self.farewells.shorten(HASTY_FAREWELL_SECONDS)


class Session:
    """The two connections of one relayed client and what became of them.

    Attributes:
        arrival: Who came and when.
        end: What ended it, once it has.
        latest: The side that has sent something last.
        over: Whether its end was reported.
        reply: What the filter itself told the client, if it had to.
        ours: Whether this host itself has connected: its own probes are not judged or counted.
        first: What Postfix gets before the client's bytes.
        observer: Who reads along, if anybody does.
        unseen: Why it could not read all of it.
        pace: Whether the client keeps it going.
        context: What it takes to end TLS here; None: Postfix ends it.
        tls: What became of that, once the client has said STARTTLS.
        tls_problem: Why the handshake failed.
        unjudged: Whether the client was a known host when the session began: nobody has judged it.
    """

    __slots__ = (
        "_enough", "_fin_waits", "_unsent", "arrival", "client", "context", "end", "first", "hooks",
        "latest", "observer", "ours", "over", "pace", "reply", "tls", "tls_problem", "unjudged",
        "unseen", "upstream",
    )  # fmt: skip

    def __init__(self, arrival: Arrival, hooks: Hooks, *, ours: bool) -> None:
        """Make a session for a client that has arrived."""
        self.arrival = arrival
        self.hooks = hooks
        self.ours = ours
        self.first = b""
        self.end: End | None = None
        self.over = False
        self.reply: Reply | None = None
        self.observer: Observer | None = None
        self.unseen: str | None = None
        self.pace = Pace()
        self.context: ssl.SSLContext | None = None
        self.tls: Literal["handshake", "ended", "failed"] | None = None
        self.tls_problem: str | None = None
        self.unjudged = False
        self._enough = False  # whether the client is not read because so much of it waits
        self._fin_waits = False
        self._unsent = 0  # what a client had still to take when its farewell began
        self.client, self.upstream = Side(self), Side(self)
        self.client.other, self.upstream.other = self.upstream, self.client
        self.latest = self.client

    @property
    def traffic(self) -> Traffic:
        """How far it is."""
        answered = self.latest is self.upstream
        return Traffic(self.client.received, self.upstream.received, answered)

    @property
    def hampered(self) -> bool:
        """Whether it is not up to the client that it sends nothing: it is not being read.

        A handshake has its own deadline.
        """
        if self.upstream.transport is None or self.upstream.full or self.tls == "handshake":
            return True
        observer = self.observer
        return observer is not None and (observer.judging or not observer.wants_client_data)

    def join(self) -> None:
        """Postfix is there: announce the client, then let go what it has sent already.

        The PROXY header goes first on an empty socket, so it travels in one segment, which is what
        Postfix wants (it peeks once).
        """
        if self.client.lost:
            self.upstream.abort()
            return
        if self.first:
            self.upstream.send(self.first)
        client, there = self.client, self.upstream.transport
        if client.early and there is not None:
            early, client.early = client.early, b""
            self.pass_on(client, there, early)
        if client.eof:
            self._finish_upstream()
        else:
            self.read_on(client)

    def pass_on(self, side: Side, there: asyncio.Transport, data: bytes) -> None:
        """Bytes of one side go there, to the other one, unless an observer has it otherwise."""
        self.latest = side
        observer = self.observer
        if observer is None:
            there.write(data)
        elif side is self.client:
            self.carry(observer.from_client(data))
        else:
            self.carry(observer.from_server(data))

    def carry(self, orders: list[Carry]) -> None:
        """Do what an observer says, then see who may go on sending."""
        for order in orders:
            match order:
                case ToServer():
                    self.upstream.send(order.data)
                case ToClient():
                    self.latest = self.upstream  # also where the filter speaks in its place
                    self.client.send(order.data)
                case CloseServer():
                    self._set_end("refused")
                    self.upstream.abort()
                    self.hooks.refusals.start(self)
                case CloseClient():
                    self.hooks.refusals.stop(self)
                    self.client.finish()
                    self._begin_farewell()
                case BeginTls():
                    self._begin_tls()
        if self._fin_waits:
            self._finish_upstream()
        observer = self.observer
        enough = observer is not None and not observer.wants_client_data
        if enough is not self._enough:
            self._enough = enough
            self.read_on(self.client)

    def _begin_tls(self) -> None:
        """Let nobody speak while there is a handshake."""
        client, upstream = self.client.transport, self.upstream.transport
        if client is None or client.is_closing() or upstream is None or self.context is None:
            return
        self.tls = "handshake"
        client.pause_reading()
        if not upstream.is_closing():
            upstream.pause_reading()
        self.hooks.spawn(self._encrypt(client, self.context))

    async def _encrypt(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            encrypting = await handshake(transport, self.client, context)
        except TlsError as problem:
            self.tls, self.tls_problem = "failed", str(problem)
            self._set_end("tls_failed")
            self.client.connection_lost(None)
            return
        self.tls = "ended"
        self.client.encrypt(encrypting)
        if self.observer is not None:
            self.observer.tls_begun()
        self.read_on(self.upstream)

    def read_on(self, side: Side) -> None:
        """Read from a side, unless an observer has enough of the client for now."""
        if side.transport is None or side.transport.is_closing() or side.eof:
            return
        if self.tls == "handshake":
            return
        if side is self.client and self.observer and not self.observer.wants_client_data:
            side.transport.pause_reading()
        elif not side.other.full:
            side.transport.resume_reading()

    def _finish_upstream(self) -> None:
        """Send the client's FIN on, after what it has sent before."""
        observer = self.observer
        self._fin_waits = observer is not None and (observer.judging or observer.withholds)
        if not self._fin_waits:
            self.upstream.finish()

    def side_closed(self, side: Side) -> None:
        """One side has sent all it will ever send."""
        if side is self.upstream:
            self._set_end("upstream_closed")
            self._apologise()
        else:
            self._set_end("client_closed")
        if side.other.eof or self.end in _BY_US:
            self._close_client()
            self.upstream.close()
        elif side is self.upstream:
            self._begin_farewell()
            self.client.finish()
        else:
            self._finish_upstream()

    def side_lost(self, side: Side) -> None:
        """One connection is gone; the other one follows."""
        if side is self.upstream:
            self._set_end("upstream_lost")
            if self.end not in _BY_US:
                self._apologise()
                self._close_client()
        else:
            self._set_end("client_lost")
            self.upstream.abort()
        if side.other.lost or side.other.transport is None:
            self.hooks.farewells.stop(self)
            self.hooks.refusals.stop(self)
            self.hooks.lingers.stop(self)
            self._over()
        if side.other.lost:
            self.part()

    def cut(self, why: End) -> None:
        """End the session from our side."""
        self._set_end(why)
        self.client.abort()
        self.upstream.abort()

    def time_out(self) -> None:
        """Tell the client that its time is up, and hear for a moment longer what it says.

        Where Postfix ends TLS nothing can be said into an encrypted session. It is known by what
        Postfix has sent last, which is then no line.
        """
        self._set_end("timed_out")
        self.upstream.abort()
        if self.observer is not None:
            self.observer.close()
            self.observer = None
        if self.upstream.whole:
            self.reply = replies.TIMED_OUT
            self.client.send(self.reply.line())
        self.client.finish()
        self.hooks.lingers.start(self)

    def _close_client(self) -> None:
        """Close after the last bytes have gone out, if the client takes them in its time."""
        self.client.close()
        if self.client.unsent:
            self._begin_farewell()

    def _begin_farewell(self) -> None:
        self._unsent = self.client.unsent
        self.hooks.farewells.start(self)

    def end_farewell(self) -> None:
        """Postfix closed a while ago: close, unless the client still takes its last bytes."""
        if 0 < self.client.unsent < self._unsent:
            self._begin_farewell()
        else:
            self.client.abort()

    def _over(self) -> None:
        """Report the end, once: a client may have left while Postfix was being connected."""
        if not self.over:
            self.over = True
            if self.observer is not None:
                self.observer.close()
            self.hooks.ended(self)

    def part(self) -> None:
        """Let go of each other, for both connections are gone, and nobody calls any more.

        What holds itself would stay until Python's collector of cycles comes, and that comes the
        less often, the more sessions there are.
        """
        self.observer = None
        for side in (self.client, self.upstream):
            side.transport = None
            del side.session, side.other

    def _set_end(self, end: End) -> None:
        """Keep the first cause; what follows from it is no news."""
        if self.end is None:
            self.end = end

    def _apologise(self) -> None:
        """Postfix left without a word: then, and only then, the reply is ours to say."""
        transport = self.client.transport
        silent = self.reply is None and not self.upstream.received
        if silent and transport is not None and not transport.is_closing():
            self.reply = self.hooks.apology
            transport.write(self.reply.line())
