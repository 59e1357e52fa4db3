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

    async def connect(
        self, settings: schema.Upstream, introduce: Introduce | None = None
    ) -> tuple[socket.socket | None, Check]:
        """Open a connection.

        Args:
            settings: Where to, and how long it may take.
            introduce: Says the first words on it.

        Returns:
            The connected socket, or None if there is no connection to be had, and the check for
            the decision's record.
        """
        endpoint = endpoints.parse(settings.address)
        family = socket.AF_INET if endpoint.address.version == 4 else socket.AF_INET6
        start = time.perf_counter_ns()
        problem = None
        link = None
        try:
            link = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            target = (str(endpoint.address), endpoint.port)
            async with asyncio.timeout(settings.connect_seconds):
                if not _at_once(link, target):
                    await asyncio.get_running_loop().sock_connect(link, target)
                if introduce is not None:
                    problem = await introduce(link)
        except TimeoutError:
            problem = f"no answer in {settings.connect_seconds} s"
        except OSError as error:
            problem = os.strerror(error.errno) if error.errno else str(error)
        if problem is not None and link is not None:
            link.close()
        self._note(settings.address, problem)
        micros = (time.perf_counter_ns() - start) // 1000
        if problem is not None:
            return None, Check("upstream", settings.address, "failed", micros, problem)
        return link, Check("upstream", settings.address, "ok", micros)

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
