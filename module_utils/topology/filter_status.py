"""Whether the running sender filter uses what is installed: its release, its files, its unit.

A play that was killed has told nobody that it had written new files. So nothing is remembered:
the filter says what it has loaded, and that is compared with what is there.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import fronts
from .fronts import EDGE, Front

PATIENCE_SECONDS = 3.0
REPLACEMENT_SECONDS, POLL_SECONDS = 1.5, 0.1
FRESH, RELOAD, RESTART = "fresh", "reload", "restart"

Status = Mapping[str, Any]


def ask(front: Front = EDGE, command: str = "status") -> Status | None:
    """What a running front of the filter says, as a rule about itself; None: it does not answer.

    While a process of it is replaced, the socket is away for a moment.
    """
    deadline = time.monotonic() + REPLACEMENT_SECONDS
    while (answer := _ask(front.control, command)) is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return answer


def _ask(path: Path, command: str) -> Status | None:
    with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(str(path))
        connection.sendall(json.dumps({"command": command}).encode() + b"\n")
        answer = json.loads(connection.makefile("rb").readline())
        return answer if isinstance(answer, dict) else None
    return None


def needs(status: Status | None, program: str, *, unit_is_newer: bool) -> str:
    """What a running filter needs, to use what is installed: FRESH, RELOAD or RESTART.

    Args:
        status: what it says, None if it does not answer.
        program: the program that its unit starts, as /opt/sender-filter/current/bin/senderfilter.
        unit_is_newer: whether its unit was changed after it was started.
    """
    release = Path(program).parent.parent.resolve()
    if status is None or unit_is_newer or status.get("release") != str(release):
        return RESTART
    loaded = status.get("files", {})
    return FRESH if all(_is(path, *identity) for path, identity in loaded.items()) else RELOAD


def _is(path: str, inode: int, modified: int) -> bool:
    try:
        status = Path(path).stat()
    except OSError:
        return False
    return (status.st_ino, status.st_mtime_ns) == (inode, modified)


def address_changed_after(status: Status | None, seconds: float) -> bool:
    """Whether the address of the state server was put in place after a time.

    It has a password in it, so the unit copies it for the filter, at a start alone: the filter does
    not know the file, which lies beside those that it has loaded.
    """
    folders = {Path(path).parent for path in (status or {}).get("files", {})}
    files = [folder / fronts.STATE_ADDRESS for folder in folders]
    return any(file.stat().st_ctime > seconds for file in files if file.exists())


def changed_after(seconds: float, front: Front = EDGE) -> bool:
    """Whether a unit file of a front was put in place after a time (seconds of the epoch)."""
    times = [file.stat().st_ctime for file in front.unit_files if file.exists()]
    return any(time > seconds for time in times)
