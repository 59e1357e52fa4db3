"""Connecting to Postfix, and remembering how that went."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import Awaitable, Callable

from sender_filter.core.records import Check
from sender_filter.io.journal import log
from sender_filter.settings import endpoints, schema

_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})

Link = tuple[socket.socket | None, Check]
"""A connection to Postfix, if there is one to be had, and the check for the decision's record."""

Introduce = Callable[[socket.socket], Awaitable[str | None]]
"""Says on a new connection what is to be said first; the result is why it cannot be used."""


class Upstream:
    """Opens connections to the service behind the filter.

    Attributes:
        healthy: How the last attempt went; None before the first.
        last_error: Why the last failed attempt failed.
        last_error_time: When that was, seconds since the epoch.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.healthy: bool | None = None
        self.last_error: str | None = None
        self.last_error_time: float | None = None

    def begin(self, settings: schema.Upstream) -> "Attempt":
        """Open a connection, as far as that takes no time."""
        endpoint = endpoints.parse(settings.address)
        family = socket.AF_INET if endpoint.address.version == 4 else socket.AF_INET6
        attempt = Attempt(settings, (str(endpoint.address), endpoint.port))
        try:
            attempt.link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            attempt.waits = not _at_once(attempt.link, attempt.target)
        except OSError as error:
            attempt.problem = reason_of(error)
        return attempt

    async def go_on(self, attempt: "Attempt", introduce: Introduce | None = None) -> Link:
        """Wait for a connection that was begun, and say the first words on it."""
        if attempt.problem is None:
            try:
                async with asyncio.timeout(attempt.settings.connect_seconds):
                    attempt.problem = await _finish(attempt, introduce)
            except TimeoutError:
                attempt.problem = f"no answer in {attempt.settings.connect_seconds} s"
            except OSError as error:
                attempt.problem = reason_of(error)
        return self.outcome(attempt)

    def outcome(self, attempt: "Attempt") -> Link:
        """What has become of an attempt that nobody has to wait for any more."""
        problem, link, address = attempt.problem, attempt.link, attempt.settings.address
        self._note(address, problem)
        micros = (time.perf_counter_ns() - attempt.start) // 1000
        if problem is None:
            return link, Check("upstream", address, "ok", micros)
        if link is not None:
            link.close()
        return None, Check("upstream", address, "failed", micros, problem)

    def _note(self, address: str, problem: str | None) -> None:
        """Remember the outcome; log it only when it changes, not once a client."""
        if problem is not None:
            self.last_error, self.last_error_time = problem, time.time()
            if self.healthy is not False:
                log.error(
                    "upstream %s cannot be reached, clients have to wait: %s", address, problem
                )
        elif self.healthy is False:
            log.info("upstream %s is back", address)
        self.healthy = problem is None


class Attempt:
    """A connection to Postfix that is made.

    Attributes:
        settings: Where to, and how long it may take.
        target: The same as address and port.
        start: When it was begun, in nanoseconds.
        link: The socket, if there is one.
        waits: Whether it has to be waited for.
        problem: Why there is no connection to be had.
    """

    __slots__ = ("link", "problem", "settings", "start", "target", "waits")

    def __init__(self, settings: schema.Upstream, target: tuple[str, int]) -> None:
        """Begin to count the time."""
        self.settings = settings
        self.target = target
        self.start = time.perf_counter_ns()
        self.link: socket.socket | None = None
        self.waits = False
        self.problem: str | None = None


async def _finish(attempt: Attempt, introduce: Introduce | None) -> str | None:
    """Why there is no connection that can be used, if that is so."""
    if attempt.link is None:
        return attempt.problem
    if attempt.waits:
        await asyncio.get_running_loop().sock_connect(attempt.link, attempt.target)
    return None if introduce is None else await introduce(attempt.link)


def reason_of(error: OSError) -> str:
    """Why a connection failed, in the words of the system and not of the event loop."""
    return os.strerror(error.errno) if error.errno else str(error)


def _at_once(link: socket.socket, target: tuple[str, int]) -> bool:
    """Connect, if that takes no time.

    On one host the handshake is over when the first call returns, but only a second one says so:
    connect(2) calls it in progress on any socket that does not block.

    Raises:
        OSError: There is no connection to be had.
    """
    for _ in range(2):
        error = link.connect_ex(target)
        if error == 0:
            return True
    if error in _UNDER_WAY:
        return False
    raise OSError(error, os.strerror(error))
