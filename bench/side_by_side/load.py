"""The load: a C program of one thread, so that it is never what is measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

CLIENTS, BLOCKED, LISTED = "198.18.0.1", "198.19.0.0", "198.18.128.0"
"""The first of those whom nobody objects to, of a /16 on a list, and of a /17 on a block list.

All are strangers: the filter would take addresses of 127.0.0.0/8 for hosts of its own side.
"""
SOURCES = 4096

Dialog = Literal["refused", "dropped", "mail"]


class BrokenError(RuntimeError):
    """Sessions have ended as no session should: the figure would mean nothing."""


@dataclass(frozen=True)
class Times:
    """Microseconds."""

    p50: float
    p99: float
    max: float


@dataclass(frozen=True)
class Result:
    """What one run of load has seen; of each step, and of all replies, the latency.

    Attributes:
        all_ended: Sessions that have ended, those before the counting began included.
    """

    served: int
    refused: int
    broken: int
    all_ended: int
    per_second: float
    replies: Times
    steps: dict[str, Times]


def compiled(name: str, folder: Path) -> Path:
    """A program of this folder."""
    program = folder / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["gcc", "-O2", "-o", program, source], check=True)
    return program


class Load:
    """The program, compiled."""

    def __init__(self, folder: Path) -> None:
        self._program = compiled("load", folder)

    def run(
        self, dialog: Dialog, port: int, sessions: int, seconds: float, *,
        first: str = CLIENTS, sources: int = SOURCES, rate: int = 0,
    ) -> Result:  # fmt: skip
        """Put load on a port of loopback.

        Raises:
            BrokenError: More than one session in a thousand was not served.
        """
        arguments = [dialog, port, sessions, seconds, first, sources, rate]
        done = subprocess.run(
            [self._program, *map(str, arguments)], check=True, capture_output=True, text=True
        )
        seen: dict[str, Any] = json.loads(done.stdout)
        whole = seen["served"] + seen["refused"]
        if seen["broken"] > whole / 1000:
            msg = f"port {port}: {seen['broken']} sessions broken, {whole} whole: {seen['trouble']}"
            raise BrokenError(msg)
        return Result(
            seen["served"],
            seen["refused"],
            seen["broken"],
            seen["all_ended"],
            seen["per_second"],
            Times(**seen["replies"]),
            {name: Times(**times) for name, times in seen["steps"].items()},
        )
