"""The nightly look at a gateway: it is healed first; only then is Postfix restarted.

Each run leaves one line of JSON in `FILE`, and tells somebody when it failed.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..postfix import atomic
from ..postfix.errors import PostfixError
from ..postfix.result import readable
from ..snapshots.snapshot import SnapshotError
from .diagnosis import seen_topology
from .heal import Healing, declared, heal, look
from .services import ServiceError, restart_postfix, wait_until
from .survey import Survey, SurveyError
from .switch import SwitchError, alone, switch

FILE = Path("/var/log/mail-topology/nightly.jsonl")
KEPT_RUNS = 400  # more than a year of nights
SETTLE_SECONDS = 30.0
NOTIFY_SECONDS = 60.0
SENDMAIL = "/usr/sbin/sendmail"
FAILURES = (SwitchError, SurveyError, SnapshotError, ServiceError, PostfixError, OSError)


@dataclass
class Report:
    """One run. `ok`: the host is as declared, proven; in a mere look, as far as can be seen."""

    time: str
    declared: str = ""
    before: str = ""
    wrong: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    after: str = ""
    error: str = ""
    ok: bool = False

    def lines(self) -> list[str]:
        """The same for people."""
        state = "as declared" if self.ok else "NOT AS DECLARED"
        found = [f"{self.declared or 'nothing'} was declared, {self.before or '?'} was seen"]
        found += [f"wrong: {one}" for one in self.wrong] + [f"done: {one}" for one in self.done]
        return [*found, *([f"error: {self.error}"] if self.error else []), f"The host is {state}."]


def run(config_dir: Path, *, restart: bool, check: bool = False) -> Report:
    """Look at the host, heal it, and with `restart` give Postfix its fresh start.

    Args:
        config_dir: Postfix's configuration directory.
        restart: whether a healthy Postfix is restarted.
        check: look only.
    """
    report = Report(datetime.now(UTC).isoformat(timespec="seconds"))
    healing = None
    try:
        request = declared(config_dir)
        report.declared = request.topology
        healing = look(request)
        report.before, report.wrong = seen_topology(healing.before), readable(healing.wrong)
        if check:
            report.after, report.ok = report.before, not healing.wrong
            return report
        _heal(report, healing, restart=restart)
        report.ok = True
    except FAILURES as error:
        report.error = readable(str(error))
        report.after = _seen(healing)
    return report


def _heal(report: Report, healing: Healing, *, restart: bool) -> None:
    report.done = healing.steps
    outcome = heal(healing)
    report.done = outcome.steps
    after = outcome.after
    if restart:
        after = _restart(healing.request.config_dir)
        report.done = [*report.done, "restart Postfix"]
    report.after = seen_topology(after)


def _seen(healing: Healing | None) -> str:
    """The topology after a failure; empty where the host cannot be looked at."""
    with suppress(*FAILURES):
        if healing:
            return seen_topology(healing.request.look())
    return ""


def _restart(config_dir: Path) -> Survey:
    """Restart Postfix, wait for its ports, and prove them.

    `heal` has just seen that master.cf asks for no port that is another program's. Nobody moves the
    host meanwhile: new sockets of Postfix would take the clients that are steered to the filter.
    """
    with alone(config_dir, check=False):
        request = declared(config_dir)
        restart_postfix(request.look().postfix)
        wait_until(lambda: not look(request).wrong, SETTLE_SECONDS)
    return switch(request).after


def keep(report: Report) -> None:
    """Leave the run on the host, one line of JSON; the oldest ones go."""
    FILE.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    before = FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []
    rows = [*before, json.dumps(asdict(report), sort_keys=True)][-KEPT_RUNS:]
    atomic.put(FILE, "".join(f"{row}\n" for row in rows).encode(), 0o644)


def notify(report: Report, command: str, address: str) -> list[str]:
    """Tell somebody of a failure: a program, by JSON on its standard input, and a mail address.

    Returns:
        Why somebody could not be told.
    """
    said = json.dumps(asdict(report), sort_keys=True) + "\n"
    mail = f"To: {address}\nSubject: mail gateway {os.uname().nodename} is not as declared\n\n"
    mail += "\n".join(report.lines()) + "\n"
    problems = []
    for words, text in (
        ([command] if command else [], said),
        ([SENDMAIL, "-i", "--", address] if address else [], mail),
    ):
        try:
            if words:
                subprocess.run(words, input=text, text=True, timeout=NOTIFY_SECONDS, check=True)
        except (OSError, subprocess.SubprocessError) as error:
            problems.append(f"{words[0]}: {error}")
    return problems
