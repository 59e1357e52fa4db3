"""Who has come in."""

import itertools
import os
import socket
import time
from functools import lru_cache
from typing import NamedTuple

from sender_filter.core import addresses
from sender_filter.core.records import Found
from sender_filter.settings.endpoints import Endpoint


class Arrival(NamedTuple):
    """A client at the door.

    Attributes:
        session: Id of its connection.
        client: Its address and port.
        started: When it came, on the monotonic clock.
        found: How its address is known.
    """

    session: str
    client: Endpoint
    started: float
    found: Found = "peer"


class Arrivals:
    """Meets the clients of one worker."""

    def __init__(self) -> None:
        """Begin a series of session ids: its start is unique across restarts and workers."""
        self._prefix = os.urandom(5).hex()
        self._counter = itertools.count(1)

    def meet(self, peer: tuple[str, int]) -> Arrival:
        """Note who has connected, from the peer's name as accept() gave it."""
        session = f"{self._prefix}-{next(self._counter):x}"
        return Arrival(session, endpoint(peer), time.monotonic())


def local_end(connection: socket.socket) -> Endpoint:
    """The address and port that a client has connected to, or may connect to."""
    return _own(connection.getsockname())


@lru_cache(maxsize=256)
def _own(name: tuple[str, int]) -> Endpoint:
    """One of the few names that this host has itself."""
    return endpoint(name)


def endpoint(name: tuple[str, int]) -> Endpoint:
    """One end of a connection from its name as the kernel gives it (IPv6: four parts)."""
    return Endpoint(addresses.parse(name[0]), name[1])
