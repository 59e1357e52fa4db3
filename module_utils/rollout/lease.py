"""Keeps two rollouts apart on the gateways themselves, whatever control nodes they come from.

A lease is a file below /run that says who has the gateway and until when. Its control node renews
it with each batch. One that is gone does not, so that a lease ends by itself. Its time is that
since the gateway's boot, which nobody sets.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import TextIOWrapper
from pathlib import Path

FILE = Path("/run/sender-filter-rollout.json")
MACHINE = Path("/etc/machine-id")


class LeasedError(Exception):
    """Another control node has the gateway; the text names it, and the cure."""


@dataclass(frozen=True)
class Lease:
    """Who has a gateway.

    Attributes:
        node: the control node, as `node_of` names it.
        run: its run.
        who: user and machine, for people.
        until: until when, in seconds since the gateway's boot.
    """

    node: str
    run: str
    who: str
    until: float


def node_of(folder: Path) -> str:
    """A name for this control node, the same one in each of its plays that keep their runs there.

    A play that was killed is taken up on the same control node at once: the lock says it is dead.
    """
    machine = MACHINE.read_text(encoding="ascii") if MACHINE.exists() else ""
    name = f"{machine} {socket.gethostname()} {folder.resolve()}"
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def take(node: str, run: str, who: str, seconds: float) -> None:
    """Take this gateway for some time, or for some more.

    Raises:
        LeasedError: another control node has it.
    """
    with _alone() as file:
        former, now = _read(file), _now()
        if former and former.node != node and former.until > now:
            msg = (
                f"another control node rolls out over this gateway: {former.who}, run "
                f"{former.run}. Wait for its end. If it is gone, this ends by itself in "
                f"{former.until - now:.0f} s, or remove {FILE} on the gateway"
            )
            raise LeasedError(msg)
        _write(file, json.dumps(asdict(Lease(node, run, who, now + seconds))))


def release(node: str) -> None:
    """Let this gateway go, if that control node has it."""
    with _alone() as file:
        former = _read(file)
        if former and former.node == node:
            _write(file, "")


@contextlib.contextmanager
def _alone() -> Iterator[TextIOWrapper]:
    """The file, which one has at a time."""
    descriptor = os.open(FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    with open(descriptor, "r+", encoding="utf-8") as file:  # noqa: PTH123 - takes it over
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: TextIOWrapper) -> Lease | None:
    """The lease; None where there is none, or what was cut off while it was written."""
    with contextlib.suppress(ValueError, TypeError):
        return Lease(**json.loads(file.read()))
    return None


def _write(file: TextIOWrapper, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
