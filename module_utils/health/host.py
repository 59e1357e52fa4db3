"""Reads what a gateway itself keeps of its health: log, queues, the filter's records."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..postfix import programs
from ..topology import filter_status, fronts
from . import decisions, mail_log
from .mail_log import Line

RECORDS = Path("/var/log/sender-filter")
FILTER_UNITS = ("sender-filter.service", "sender-filter-inline.service")
WAITING = ("maildrop", "incoming", "active")
DEFERRED = "deferred"
COMMAND_SECONDS = 60


class HealthError(Exception):
    """A figure cannot be had; the text says which, and why."""


@dataclass(frozen=True)
class Health:
    """The figures of some time, and of this moment.

    Attributes:
        queue: messages that wait for their first delivery now.
        deferred: messages that wait for a further attempt now.
        accepted: messages taken from others.
        refused: clients and recipients refused, by the filter or by Postfix.
        refused_share: refused of accepted and refused, 0 to 1; 0 where there was neither.
        sent: deliveries to other hosts.
        attempts_deferred: attempts of that which failed for now.
        bounced: recipients given up.
        filter_passed: clients and messages that the filter let through.
        filter_refused: those that it refused.
        filter_errors: clients that it lost because Postfix was away, and errors that it has logged.
        state_problem: why it does not keep what it knows of clients now; empty if it does.
    """

    queue: int
    deferred: int
    accepted: int
    refused: int
    refused_share: float
    sent: int
    attempts_deferred: int
    bounced: int
    filter_passed: int
    filter_refused: int
    filter_errors: int
    state_problem: str

    def facts(self) -> dict[str, Any]:
        """The figures as a module returns them."""
        return asdict(self)


def health(config_dir: Path, since: float) -> Health:
    """The figures from a moment on (seconds of the epoch).

    Raises:
        HealthError: a figure cannot be had.
    """
    mail = mail_log.traffic(mail_lines(since))
    judged = decisions.count(records(since))
    refused = mail.refused + judged.refused
    queue = Path(_output("postconf", "-c", str(config_dir), "-hx", "queue_directory").strip())
    return Health(
        queue=sum(_files(queue / name) for name in WAITING),
        deferred=_files(queue / DEFERRED),
        accepted=mail.accepted,
        refused=refused,
        refused_share=round(refused / ((refused + mail.accepted) or 1), 4),
        sent=mail.sent,
        attempts_deferred=mail.deferred,
        bounced=mail.bounced,
        filter_passed=judged.passed,
        filter_refused=judged.refused,
        filter_errors=judged.errors + _logged_errors(since),
        state_problem=_state_problem(),
    )


def mail_lines(since: float) -> list[Line]:
    """What the mail system has logged from a moment on, as the journal has it."""
    return [
        Line(entry.get("SYSLOG_IDENTIFIER", ""), entry["MESSAGE"])
        for entry in _journal(since, "--facility=mail")
        # What is no text is a list of bytes, and nothing of Postfix.
        if isinstance(entry.get("MESSAGE"), str)
    ]


def records(since: float) -> list[decisions.Record]:
    """What the filter has recorded from a moment on."""
    files = [file for file in RECORDS.glob("decisions-*.jsonl") if file.stat().st_mtime >= since]
    found: list[decisions.Record] = []
    for file in sorted(files):
        with file.open(encoding="utf-8", errors="replace") as lines:
            found += decisions.parse(lines, since)
    return found


def _logged_errors(since: float) -> int:
    units = [f"--unit={unit}" for unit in FILTER_UNITS]
    return sum(1 for _ in _journal(since, "--priority=err", *units))


def _state_problem() -> str:
    """What the front of the filter that runs says; empty where none does."""
    running = (front for front in fronts.ALL if front.control.exists())
    problems = ((filter_status.ask(front) or {}).get("state_problem") for front in running)
    return next((str(problem) for problem in problems if problem), "")


def _journal(since: float, *options: str) -> Iterator[dict[str, Any]]:
    fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"
    shown = _output(
        "journalctl", "--quiet", "--no-pager", f"--since=@{math.floor(since)}", "--output=json",
        fields, *options,
    )  # fmt: skip
    for row in shown.splitlines():
        yield json.loads(row)


def _files(folder: Path) -> int:
    """How many messages lie in a queue, those in its hashed folders among them."""
    return sum(1 for path in folder.rglob("*") if path.is_file())


def _output(*command: str) -> str:
    try:
        return subprocess.run(
            command,
            check=True,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=programs.environment(),
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or error
        msg = f"{command[0]} failed: {said}"
        raise HealthError(msg) from error
