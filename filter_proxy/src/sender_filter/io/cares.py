"""A channel of c-ares, whose sockets the event loop watches.

c-ares can watch them in a thread of its own, as aiodns has it do. Every answer then waits for
Python's lock, and the loop for that thread: a third more of the processor for a new client.
"""

import asyncio
from collections.abc import Sequence

import pycares

_NO_SOCKET = pycares.ARES_SOCKET_BAD
_TICK_SECONDS = 0.1  # c-ares gives no server less than a quarter of a second


Question = asyncio.Future[list[pycares.DNSRecord]]
"""The records of an answer, when it has come."""


class Channel:
    """Questions under way to some servers. Make it inside the running loop."""

    def __init__(self, servers: Sequence[str], seconds: float, tries: int) -> None:
        """Ask these servers (``address:port``; none: the system's), each for so long at first."""
        self._loop = asyncio.get_running_loop()
        self._sockets: set[int] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._closed = False
        self._channel = pycares.Channel(
            servers=servers,
            timeout=seconds,
            tries=tries,
            flags=pycares.ARES_FLAG_EDNS,
            sock_state_cb=self._watch,
        )

    def ask(self, name: str, kind: int) -> Question:
        """Ask; ``pycares.AresError`` where there is no answer.

        Raises:
            RuntimeError: It is closed.
            ValueError: No name has these bytes.
        """
        future: Question = self._loop.create_future()

        def answered(result: pycares.DNSResult, status: int | None) -> None:
            if future.done():  # nobody waits any more
                return
            if status is None:
                future.set_result(result.answer)
            else:
                future.set_exception(pycares.AresError(status, pycares.errno.strerror(status)))

        try:
            self._channel.query(name, kind, callback=answered)
        except pycares.AresError as error:
            if not future.done():
                future.set_exception(error)
        return future

    def close(self) -> None:
        """Give up what is under way."""
        if self._closed:
            return
        self._channel.cancel()
        # c-ares closes its sockets later, in another thread, and tells of it there.
        self._closed = True
        for number in self._sockets:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)
        if self._tick is not None:
            self._tick.cancel()
        self._channel.close()

    def _watch(self, number: int, readable: bool, writable: bool) -> None:
        """What c-ares waits for on a socket; nothing before it is closed."""
        if self._closed:
            return
        if readable:
            self._loop.add_reader(number, self._channel.process_read_fd, number)
        else:
            self._loop.remove_reader(number)
        if writable:
            self._loop.add_writer(number, self._channel.process_write_fd, number)
        else:
            self._loop.remove_writer(number)
        if readable or writable:
            self._sockets.add(number)
        else:
            self._sockets.discard(number)
        self._keep_time()

    def _keep_time(self) -> None:
        if self._sockets and self._tick is None:
            self._tick = self._loop.call_later(_TICK_SECONDS, self._time_out)

    def _time_out(self) -> None:
        """Have c-ares ask again where an answer is overdue."""
        self._tick = None
        self._channel.process_fd(_NO_SOCKET, _NO_SOCKET)
        self._keep_time()
