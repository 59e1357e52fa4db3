"""A TCP connection as an asyncio transport, on a bare socket.

It costs less than the event loop's own transport: what is written goes out at the end of the turn
(``io.turn``), what is read is read once, and all connections share one epoll(7) (``io.watch``). It
knows no TLS.
"""

import asyncio
import os
import socket
from typing import cast

from sender_filter.io.journal import log
from sender_filter.io.watch import READABLE, WRITABLE, Watch

_PIECE = bytearray(64 * 1024)  # one for all: what was read is copied out of it
_VIEW = memoryview(_PIECE)
_LOW_SHARE = 4  # of the high mark, at which writing goes on, as in asyncio


class Connection(asyncio.Transport):
    """A connected socket and the protocol that hears of it.

    As with every transport of asyncio, the protocol hears of the end in a later turn of the loop.
    """

    __slots__ = (
        "_closing", "_eof", "_events", "_finishing", "_full", "_held", "_high", "_number",
        "_paused", "_protocol", "_socket", "_waiting", "_watch",
    )  # fmt: skip

    def __init__(self, connection: socket.socket, protocol: asyncio.Protocol, watch: Watch) -> None:
        """Take a connected socket, which does not block, and begin to read."""
        super().__init__()
        self._socket = connection
        self._number = connection.fileno()
        self._protocol = protocol
        self._watch = watch
        self._held = b""  # what was written in this turn
        self._waiting = bytearray()  # what the kernel has not taken so far
        self._high = len(_PIECE)
        self._events = 0
        self._closing = self._eof = self._finishing = self._full = self._paused = False
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:  # the other end has left
            self._lose(error)
        protocol.connection_made(self)
        self._adapt()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol hear from now on."""
        self._protocol = cast("asyncio.Protocol", protocol)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Say how many bytes may wait before the protocol is told to pause; ``low`` follows."""
        if high is None or low is not None:
            raise NotImplementedError
        self._high = high

    def get_write_buffer_size(self) -> int:
        """How many bytes wait for the other end."""
        return len(self._waiting or self._held)

    def is_closing(self) -> bool:
        """Whether it is closed, or will be when all was written."""
        return self._closing

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._paused = True
        self._adapt()

    def resume_reading(self) -> None:
        """Read again."""
        if self._paused:
            self._paused = False
            self._adapt()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send at the end of the turn what the kernel takes, and the rest when it takes more.

        Raises:
            RuntimeError: A FIN was ordered before.
        """
        if self._closing or not data:
            return
        if self._finishing:
            msg = "nothing can be written after a FIN"
            raise RuntimeError(msg)
        if self._waiting:
            self._waiting += data
        elif self._held:
            self._held += data
        else:
            self._held = bytes(data)
            self._watch.turn.at_end(self._go_out)
        if len(self._waiting or self._held) > self._high and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        """Send a FIN after all that was written."""
        if not self._finishing and not self._closing:
            self._finishing = True
            if not (self._waiting or self._held):
                self._shut_down()

    def close(self) -> None:
        """Close after all that was written has gone out."""
        if self._closing:
            return
        if self._waiting or self._held:
            self._closing = True
            self._adapt()
        else:
            self._lose(None)

    def abort(self) -> None:
        """Close now."""
        self._lose(None)

    def _adapt(self) -> None:
        """Be told of what there is a use for; a dead connection would never stop telling else."""
        if self._number < 0:
            return
        reads = not (self._paused or self._eof or self._closing)
        events = (READABLE if reads else 0) | (WRITABLE if self._waiting else 0)
        former, self._events = self._events, events
        try:
            if events == former:
                return
            if not former:
                self._watch.begin(self._number, events, self._happened)
            elif events:
                self._watch.change(self._number, events)
            else:
                self._watch.end(self._number)
        except OSError as error:
            log.error("a connection cannot be watched: %s", os.strerror(error.errno or 0))
            self._lose(error)

    def _happened(self, events: int) -> None:
        """Something has; errors show when something is sent or read."""
        try:
            if self._waiting and events != READABLE:
                self._flush()
            if self._events & READABLE and events != WRITABLE:
                self._receive()
        except Exception:  # whatever it is, it is one connection's trouble
            self._give_up()

    def _receive(self) -> None:
        try:
            size = self._socket.recv_into(_PIECE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lose(error)
            return
        if size:
            self._protocol.data_received(bytes(_VIEW[:size]))
            return
        self._eof = True
        if self._protocol.eof_received():
            self._adapt()
        else:
            self.close()

    def _go_out(self) -> None:
        """The turn is over: send what was written in it."""
        held, self._held = self._held, b""
        sent = self._send(held) if held else 0
        if self._number < 0:
            return
        if sent < len(held):
            self._waiting += memoryview(held)[sent:]
        if self._waiting or self._closing or self._finishing or self._full:
            try:
                self._went_out()
            except Exception:  # as above
                self._give_up()

    def _send(self, data: bytes | bytearray) -> int:
        """How many bytes the kernel has taken."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._lose(error)
            return 0

    def _flush(self) -> None:
        """Send what had to wait."""
        sent = self._send(self._waiting)
        del self._waiting[:sent]
        self._went_out()

    def _went_out(self) -> None:
        """Go on with what has waited for that."""
        if self._number < 0:
            return
        if not self._waiting:
            if self._closing:
                self._lose(None)
                return
            if self._finishing:
                self._shut_down()
        self._adapt()
        if self._full and len(self._waiting) <= self._high // _LOW_SHARE:
            self._full = False
            self._protocol.resume_writing()

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def _give_up(self) -> None:
        log.exception("a connection is given up")
        self._lose(None)

    def _lose(self, error: OSError | None) -> None:
        """Close, and tell of it later: whoever calls this may be in the midst of something."""
        if self._number < 0:
            return
        self._watch.closed(self._number)
        self._number = -1
        self._events = 0
        self._closing = True
        self._held = b""
        self._waiting.clear()
        self._socket.close()
        self._watch.turn.loop.call_soon(self._tell_of_end, error)

    def _tell_of_end(self, error: OSError | None) -> None:
        protocol = self._protocol
        del self._protocol  # which may hold this
        protocol.connection_lost(error)
