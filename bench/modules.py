"""What the modules cost beside postconf(1): a play with one task, for few and many settings.

The peers are one call of postconf(1) in one task, which neither compares nor tries the new file,
and a task for each setting. All run on gw1 of the lab that SENDER_FILTER_LAB names, on copies of
its configuration, with this project's ansible.cfg. A play that does nothing but connect is taken
off.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import ROOT, inventory, podman
from outcome import outcome

MODULE, ONE_CALL, A_TASK_EACH = "module", "one call", "a task each"
COPY = "/root/bench-modules"
PARAMETERS, ENTRIES = (1, 20, 200), (50, 5000)
RUNS = 3
SHORTEST = 0.01  # what a play takes beyond its start is no less, whatever the noise
PING = "ansible.builtin.ping"
ONE_PARAMETER = "parameters: 1"
SIMPLE = re.compile(r"^(\w+) = (\d+[smhdw]?|yes|no)$", re.MULTILINE)
TIMES_A_CALL, TIMES_FASTER = 3, 5


@dataclass(frozen=True)
class Measured:
    """Seconds of a play beyond its start, in each way; None where a way is not measured."""

    name: str
    module: float
    again: float
    one_call: float
    a_task_each: float | None = None


class Gateway:
    """gw1, and plays on a copy of its configuration."""

    def __init__(self) -> None:
        self._container = inventory()["gw1"]["lab_container"]
        self._start_seconds = 0.0
        self._start_seconds = statistics.median(self._play(PING) for _ in range(RUNS))

    def run(self, command: str) -> str:
        """What a shell command prints there."""
        return podman("exec", self._container, "sh", "-c", command)

    def fresh(self, entries: int = 0) -> None:
        """Make the copy anew; its master.cf has at least so many entries."""
        more = 'i=0; while [ $i -lt %d ]; do echo "s$i unix - - n - 0 error"; i=$((i+1)); done'
        self.run(
            f"rm -rf {COPY} && cp -a /etc/postfix {COPY} && "
            f"{{ {more % entries}; }} >>{COPY}/master.cf"
        )

    def seconds(self, playbook: str, way: str, **variables: Any) -> float:
        """How long a play takes, without its start."""
        return self._play(f"bench/one_task/{playbook}.yml", way=way, config_dir=COPY, **variables)

    def _play(self, what: str, **variables: Any) -> float:
        program = (
            ["ansible-playbook", what, "--extra-vars", json.dumps(variables)]
            if what.endswith(".yml")
            else ["ansible", "gateways", "-m", what]
        )
        began = time.monotonic()
        done = subprocess.run(
            [*program, "--inventory", "inventories/lab", "--limit", "gw1"],
            check=False, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"{what} failed:\n{done.stdout}")
        return max(time.monotonic() - began - self._start_seconds, SHORTEST)


def parameters(gateway: Gateway, number: int) -> dict[str, str]:
    """So many parameters with a plain value of theirs, as Postfix there knows them."""
    found = SIMPLE.findall(gateway.run("postconf -d"))
    if len(found) < number:
        sys.exit(f"Postfix has {len(found)} plain parameters, {number} are wanted")
    return dict(found[:number])


def of_parameters(gateway: Gateway, number: int) -> Measured:
    """So many parameters of main.cf."""
    params = parameters(gateway, number)
    variables = {"params": params, "assignments": [f"{key}={params[key]}" for key in params]}
    runs = []
    for _ in range(RUNS):
        gateway.fresh()
        ours = gateway.seconds("parameters", MODULE, **variables)
        again = gateway.seconds("parameters", MODULE, **variables)
        gateway.fresh()
        runs.append((ours, again, gateway.seconds("parameters", ONE_CALL, **variables)))
    gateway.fresh()
    each = gateway.seconds("parameters", A_TASK_EACH, **variables)
    return Measured(f"parameters: {number}", *_medians(runs), each)


def of_entries(gateway: Gateway, number: int) -> Measured:
    """An option of one entry of a master.cf with so many."""
    runs = []
    for run in range(RUNS):
        gateway.fresh(number)
        ours = gateway.seconds("option", MODULE, token=run)
        again = gateway.seconds("option", MODULE, token=run)
        gateway.fresh(number)
        runs.append((ours, again, gateway.seconds("option", ONE_CALL, token=run)))
    return Measured(f"an option, entries of master.cf: {number}", *_medians(runs))


def _medians(runs: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    first, second, third = (statistics.median(each) for each in zip(*runs, strict=True))
    return first, second, third


def line(row: Measured) -> str:
    """A row of the table."""
    each = "-" if row.a_task_each is None else f"{row.a_task_each:.2f}"
    return f"| {row.name} | {row.module:.2f} | {row.again:.2f} | {row.one_call:.2f} | {each} |"


def records(rows: list[Measured]) -> list[dict[str, Any]]:
    """The rows in the form of all benchmarks."""
    found = []
    for row in rows:
        times = row.module / row.one_call
        aim = f"<= {TIMES_A_CALL} times as long"
        found.append(_record(row, "one call of postconf", row.one_call, aim, times <= TIMES_A_CALL))
        if row.a_task_each is None:
            continue
        if row.name == ONE_PARAMETER:
            found.append(_record(row, "a task each", row.a_task_each))
            continue
        faster = row.a_task_each / row.module
        aim = f">= {TIMES_FASTER} times faster"
        found.append(_record(row, "a task each", row.a_task_each, aim, faster >= TIMES_FASTER))
    return found


def _record(
    row: Measured, what: str, peer: float, aim: str | None = None, met: bool | None = None
) -> dict[str, Any]:
    return {
        "row": f"modules: {row.name}, beside {what}", "ours": round(row.module, 3),
        "peer": round(peer, 3), "unit": "s", "ratio": round(row.module / peer, 3), "aim": aim,
        "met": met,
    }  # fmt: skip


def main() -> int:
    """Measure, print the table as it grows, and then the aims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    columns = ("seconds beyond the start of a play", "module", "again", "one call", "a task each")
    print(f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|")
    gateway = Gateway()
    rows = []
    for measure, numbers in ((of_parameters, PARAMETERS), (of_entries, ENTRIES)):
        for number in numbers:
            rows.append(measure(gateway, number))
            print(line(rows[-1]), flush=True)
    found = records(rows)
    for row in found:
        if row["aim"]:
            print(f"{row['row']}: aim {row['aim']}: {'met' if row['met'] else 'NOT MET'}")
    return outcome(found, options.json)


if __name__ == "__main__":
    sys.exit(main())
