"""Keeps two rollouts apart on one control node.

The lock names a process, and ends with it, however that ends: who finds a lock of a process that
is gone takes it over.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

NAME, GUARD = "lock.json", "lock.guard"
PLAY = "ansible-playbook"


class HeldError(Exception):
    """Somebody else has the lock; the text names who."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock.

    Attributes:
        pid: the process of the play.
        started: when it was started, in ticks since the boot; a number used again differs in it.
        boot: the boot of the machine in which that was.
        who: user and machine.
        since: since when, for people.
    """

    pid: int
    started: str
    boot: str
    who: str
    since: str

    @property
    def alive(self) -> bool:
        """Whether that process still runs."""
        return (self.boot, self.started) == (_boot(), _started(self.pid))

    def is_process_of(self, other: Holder) -> bool:
        """Whether both are the same play."""
        return (self.pid, self.started, self.boot) == (other.pid, other.started, other.boot)


def holder(since: str) -> Holder:
    """The play that this process belongs to."""
    pid = play_process(os.getppid())
    who = f"{getpass.getuser()} on {socket.gethostname()}"
    return Holder(pid, _started(pid), _boot(), who, since)


def play_process(pid: int) -> int:
    """The topmost process of the play above and with a process.

    A module is the child of a worker, and that of the play. In a container the play may be
    process 1.
    """
    found = pid
    while pid > 0:
        if PLAY in _command(pid):
            found = pid
        pid = _parent(pid)
    return found


def take(folder: Path, mine: Holder) -> None:
    """Take the lock, if nobody else who lives has it.

    Raises:
        HeldError: somebody has.
    """
    with _guarded(folder):
        former = read(folder)
        if former and former.alive and not former.is_process_of(mine):
            msg = (
                f"another rollout runs since {former.since}: {former.who}, process {former.pid}. "
                "Wait for its end, or end it; its hosts are taken up by the next run"
            )
            raise HeldError(msg)
        file = _file(folder)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(asdict(mine)), encoding="utf-8")
        new.replace(file)


def release(folder: Path) -> None:
    """Let the lock go."""
    with _guarded(folder):
        _file(folder).unlink(missing_ok=True)


def read(folder: Path) -> Holder | None:
    """Who has taken the lock last, None if it was let go, or if nobody can tell any more."""
    with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
        return Holder(**json.loads(_file(folder).read_text(encoding="utf-8")))
    return None


@contextlib.contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """One looks at the lock at a time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / GUARD).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _file(folder: Path) -> Path:
    return folder / NAME


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _started(pid: int) -> str:
    """The start of a process (proc(5), field 22), empty if it has ended."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else ""


def _parent(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[1]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of a process behind its name, which may have anything in it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()


def _command(pid: int) -> list[str]:
    """The names of the programs that a process was started as: interpreter and script."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2]
    except OSError:
        return []
    return [Path(word.decode("utf-8", "replace")).name for word in words]
