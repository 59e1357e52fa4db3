"""Who has come in."""

import itertools
import os
import time
from typing import NamedTuple

from sender_filter.core import addresses
from sender_filter.settings.endpoints import Endpoint

# A worker's own start of its session ids: unique across restarts, and across workers.
_PREFIX = os.urandom(5).hex()
_COUNTER = itertools.count(1)


class Arrival(NamedTuple):
    """A client at the door.

    Attributes:
        session: Id of its connection.
        client: Its address and port.
        started: When it came, on the monotonic clock.
    """

    session: str
    client: Endpoint
    started: float


def meet(peer: tuple[str, int]) -> Arrival:
    """Note who has connected, from the peer's name as accept() gave it."""
    return Arrival(f"{_PREFIX}-{next(_COUNTER):x}", endpoint(peer), time.monotonic())


def endpoint(name: tuple[str, int]) -> Endpoint:
    """One end of a connection from its name as the kernel gives it (IPv6: four parts)."""
    return Endpoint(addresses.parse(name[0]), name[1])
