"""The move that is under way on this host, on disk: what to go back to if it does not end well.

Without an entry the host is where the last move left it. In stage BEGUN a play has taken its
snapshot; in stage MOVING the ports are between two topologies, and whoever finds the entry while
nobody holds the lock puts the host back (`restore.recover`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ..postfix import atomic

FILE = Path("/var/lib/mail-topology/move.json")
BEGUN, MOVING = "begun", "moving"


@dataclass(frozen=True)
class Move:
    """A move.

    Attributes:
        snapshot: the name of the snapshot to go back to.
        topology: where the move goes.
        stage: BEGUN or MOVING.
        config_dir: Postfix's configuration directory.
        ports: the port numbers of the path, by their meaning.
    """

    snapshot: str
    topology: str
    stage: str
    config_dir: str
    ports: Mapping[str, int]


def read() -> Move | None:
    """The move under way, None if there is none."""
    try:
        return Move(**json.loads(FILE.read_bytes()))
    except FileNotFoundError:
        return None


@contextmanager
def alone(config_dir: Path, timeout: float) -> Iterator[None]:
    """Hold the host's lock: nobody else moves it, or edits Postfix's files (`change_file`).

    Args:
        config_dir: Postfix's configuration directory.
        timeout: how many seconds to wait for each of the two.

    Raises:
        Locked: somebody else still holds one of them.
    """
    # Everybody who takes both takes them in this order: nobody waits for the other for ever.
    with atomic.lock(config_dir / "master.cf", timeout), atomic.lock(config_dir, timeout):
        yield


@contextmanager
def abandoned() -> Iterator[Move | None]:
    """The move that was left unfinished, None if none was, as soon as nobody moves the host.

    The host's lock is held meanwhile.
    """
    move = read()
    if move is None:
        yield None
        return
    with alone(Path(move.config_dir), math.inf):
        move = read()
        yield move if move and move.stage == MOVING else None


def unfinished() -> list[str]:
    """That a move is under way, or was interrupted, as a sentence; nothing if there is none."""
    move = read()
    if move is None or move.stage != MOVING:
        return []
    text = "is under way, or was interrupted and is about to be taken back (mail-topology recover)"
    return [f"a move to {move.topology} {text}"]


def write(move: Move) -> None:
    """Keep a move; on disk before it returns."""
    FILE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    atomic.put(FILE, json.dumps(asdict(move), sort_keys=True).encode() + b"\n", 0o644)


def close() -> None:
    """The move has ended well, or the host is as it was before; on disk before it returns."""
    try:
        FILE.unlink()
    except FileNotFoundError:
        return
    atomic.sync_directory(FILE.parent)
