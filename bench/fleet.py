"""A fleet is moved to `edge` and back: how long does it take, and how does that grow?

For each number of gateways this project's playbooks, and beside them the same work done the usual
way (bench/usual_way: a task a setting, the default ansible.cfg). Makes its gateways in the lab that
SENDER_FILTER_LAB names. Each way begins with hosts that do not have the filter, and without an open
SSH connection; the usual way comes second, so that what is warm by then is warm for it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import ROOT, podman
from outcome import outcome

FIRST, SECOND, VERIFY, DISABLE = PHASES = ("first enable", "second enable", "verify", "disable")
OURS = {
    FIRST: "playbooks/enable_sender_filter.yml",
    SECOND: "playbooks/enable_sender_filter.yml",
    VERIFY: "playbooks/verify_topology.yml",
    DISABLE: "playbooks/disable_sender_filter.yml",
}
USUAL = {
    FIRST: "bench/usual_way/enable.yml",
    SECOND: "bench/usual_way/enable.yml",
    VERIFY: "bench/usual_way/verify.yml",
    DISABLE: "bench/usual_way/disable.yml",
}
FORKS = 20  # those of ansible.cfg
HOSTS_AT_ONCE = 5  # that boot beside each other: more keep a small machine from answering in time
SECOND_SECONDS, TIMES_FASTER, VERIFY_SECONDS = 3, 5, 30
CONNECTED_BY = ("ssh", "sftp", "scp")
# What either way leaves on a gateway that is in `direct` again.
REMAINS = (
    "/opt/sender-filter /etc/sender-filter /usr/local/bin/senderfilter"
    " /etc/systemd/system/sender-filter*"
)


@dataclass(frozen=True)
class Run:
    """What one play cost; a task that Ansible announces again, for other hosts, counts again."""

    seconds: float
    tasks: int
    calls: int
    changed: int


Measured = dict[tuple[int, str], tuple[Run, Run]]  # by hosts and phase: ours, and the usual way


class Counter:
    """Counts remote calls: starts of ssh, sftp or scp, also over a connection that is open."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self._calls = folder / "calls"
        self.programs.mkdir()
        for name in CONNECTED_BY:
            program = self.programs / name
            script = f'#!/bin/sh\necho {name} >>{self._calls}\nexec {shutil.which(name)} "$@"\n'
            program.write_text(script)
            program.chmod(0o755)

    def start(self) -> None:
        """From here on."""
        self._calls.write_text("")

    def calls(self) -> int:
        """How many there were."""
        return len(self._calls.read_text().splitlines())


def play(playbook: str, counter: Counter, settings: dict[str, str], *more: str) -> Run:
    """Run a playbook on all gateways of the lab."""
    environment = {**os.environ, **settings, "ANSIBLE_NOCOLOR": "1"}
    environment["PATH"] = f"{counter.programs}:{environment['PATH']}"
    counter.start()
    began = time.monotonic()
    done = subprocess.run(
        ["ansible-playbook", "--inventory", "inventories/lab", playbook, *more],
        check=False, cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode != 0:
        sys.exit(f"{playbook} failed:\n{done.stdout}")
    return Run(
        seconds=seconds,
        tasks=len(re.findall(r"^(?:TASK|RUNNING HANDLER) \[", done.stdout, re.MULTILINE)),
        calls=counter.calls(),
        changed=sum(int(count) for count in re.findall(r" : ok=\d+ +changed=(\d+)", done.stdout)),
    )


def run_all(playbooks: dict[str, str], settings: dict[str, str], *more: str) -> dict[str, Run]:
    """Each phase, one after the other, from hosts without the filter."""
    purge()
    with tempfile.TemporaryDirectory() as folder:
        counter = Counter(Path(folder))
        connections = {"ANSIBLE_SSH_CONTROL_PATH_DIR": f"{folder}/connections"}
        return {
            phase: play(playbooks[phase], counter, {**settings, **connections}, *more)
            for phase in PHASES
        }


def purge() -> None:
    """Take away what an earlier run has left on the gateways."""
    label = f"label=sender-filter-lab={os.environ['SENDER_FILTER_LAB']}"
    filters = ["--filter", label, "--filter", "label=sender-filter-role=gateway"]
    for name in podman("ps", "--format", "{{.Names}}", *filters).split():
        podman("exec", name, "sh", "-c", f"rm -rf {REMAINS} && systemctl daemon-reload")


def bring_up(before: int, wanted: int) -> None:
    """More gateways, a few at a time."""
    for count in [*range(before + HOSTS_AT_ONCE, wanted, HOSTS_AT_ONCE), wanted]:
        done = subprocess.run(
            [ROOT / "scripts/lab", "up", str(count)],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"no lab of {count} gateways:\n{done.stdout}")


def measure(numbers: list[int]) -> Measured:
    """Both ways, for each number of gateways."""
    # Made once for each version: neither way waits for it.
    subprocess.run([ROOT / "scripts/wheelhouse"], check=True, stdout=subprocess.DEVNULL)
    made = subprocess.run(
        [ROOT / "bench/usual_way/wheels"], check=True, stdout=subprocess.PIPE, text=True
    )
    archive = made.stdout.split()[-1]
    usual = {"ANSIBLE_CONFIG": str(ROOT / "bench/usual_way/ansible.cfg")}
    measured: Measured = {}
    before = 0
    for hosts in numbers:
        bring_up(before, hosts)
        before = hosts
        ours = run_all(OURS, {})
        peer = run_all(USUAL, usual, "--extra-vars", f"sender_filter_archive={archive}")
        for phase in PHASES:
            measured[hosts, phase] = ours[phase], peer[phase]
            print(_line(hosts, phase, ours[phase], peer[phase]), flush=True)
    return measured


def heading() -> str:
    """The table's head, as Markdown."""
    columns = (
        "hosts", "play", "seconds", "the usual way", "times faster", "tasks", "the usual way",
        "remote calls", "the usual way", "changed", "the usual way",
    )  # fmt: skip
    return f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|"


def _line(hosts: int, phase: str, ours: Run, peer: Run) -> str:
    return (
        f"| {hosts} | {phase} | {ours.seconds:.1f} | {peer.seconds:.1f} "
        f"| {peer.seconds / ours.seconds:.1f} | {ours.tasks} | {peer.tasks} "
        f"| {ours.calls} | {peer.calls} | {ours.changed} | {peer.changed} |"
    )


def records(measured: Measured) -> list[dict[str, Any]]:
    """The rows in the form of all benchmarks; `met` is null without an aim, or a figure for it."""
    rows: list[dict[str, Any]] = []
    for (hosts, phase), (ours, peer) in measured.items():
        name = f"{phase}, hosts: {hosts}"
        rows += [
            _record(name, round(ours.seconds, 2), round(peer.seconds, 2), "s"),
            _record(f"{name}, tasks", ours.tasks, peer.tasks, "count"),
            _record(f"{name}, remote calls", ours.calls, peer.calls, "count"),
        ]
    numbers = sorted({hosts for hosts, _ in measured})
    return [
        *rows,
        *_aims_of_second(measured, numbers),
        *_aims_of_growth(measured, numbers),
        *_aims_of_fleets(measured),
    ]


def _aims_of_second(measured: Measured, numbers: list[int]) -> list[dict[str, Any]]:
    rows = []
    for hosts in numbers:
        ours, peer = measured[hosts, SECOND]
        name = f"changed by a second enable, hosts: {hosts}"
        rows.append(_record(name, ours.changed, peer.changed, "count", "0", met=ours.changed == 0))
    name, aim = "second enable with one host", f"<= {SECOND_SECONDS} s"
    if (1, SECOND) not in measured:
        return [*rows, _not_measured(name, "s", aim, "1")]
    ours, peer = measured[1, SECOND]
    met = ours.seconds <= SECOND_SECONDS
    figures = round(ours.seconds, 2), round(peer.seconds, 2)
    return [*rows, _record(name, *figures, "s", aim, met=met)]


def _aims_of_growth(measured: Measured, numbers: list[int]) -> list[dict[str, Any]]:
    """Up to the forks, N hosts cost less than N times what one does."""
    name = f"growth of a second enable up to {FORKS} forks"
    more = [hosts for hosts in numbers if 1 < hosts <= FORKS]
    if 1 not in numbers or not more:
        return [_not_measured(name, "times one host", "less than linear", "1 and a larger one")]
    rows = []
    for hosts in more:
        ours, peer = (
            round(many.seconds / one.seconds, 2)
            for many, one in zip(measured[hosts, SECOND], measured[1, SECOND], strict=True)
        )
        text = f"{name}, hosts: {hosts}"
        rows.append(_record(text, ours, peer, "times one host", f"< {hosts}", met=ours < hosts))
    return rows


def _aims_of_fleets(measured: Measured) -> list[dict[str, Any]]:
    """What is said of 20 hosts and of 40 is claimed of no other number."""
    rows = []
    for phase in PHASES:
        name, aim = f"times faster than the usual way, {phase}", f">= {TIMES_FASTER} at 20 hosts"
        if (20, phase) not in measured:
            rows.append(_not_measured(name, "times", aim, "20"))
            continue
        ours, peer = measured[20, phase]
        times = round(peer.seconds / ours.seconds, 2)
        rows.append(_record(name, times, 1, "times", aim, met=times >= TIMES_FASTER))
    name, aim = "verify with 40 hosts", f"< {VERIFY_SECONDS} s"
    if (40, VERIFY) not in measured:
        return [*rows, _not_measured(name, "s", aim, "40")]
    ours, peer = measured[40, VERIFY]
    figures = round(ours.seconds, 2), round(peer.seconds, 2)
    return [*rows, _record(name, *figures, "s", aim, met=ours.seconds < VERIFY_SECONDS)]


def _record(
    name: str, ours: float, peer: float, unit: str, aim: str | None = None, met: bool | None = None
) -> dict[str, Any]:
    ratio = round(ours / peer, 3) if peer else None
    return {
        "row": f"fleet: {name}", "ours": ours, "peer": peer, "unit": unit, "ratio": ratio,
        "aim": aim, "met": met,
    }  # fmt: skip


def _not_measured(name: str, unit: str, aim: str, hosts: str) -> dict[str, Any]:
    return {
        "row": f"fleet: {name}", "ours": None, "peer": None, "unit": unit, "ratio": None,
        "aim": f"{aim} (not measured: needs --hosts {hosts})", "met": None,
    }  # fmt: skip


def main() -> int:
    """Measure, print the table as it grows, and then the aims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 5, 10, 20, 40])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(heading())
    rows = records(measure(sorted(set(options.hosts))))
    for row in rows:
        if row["aim"]:
            verdict = {True: "met", False: "NOT MET", None: "-"}[row["met"]]
            figure = "-" if row["ours"] is None else f"{row['ours']:g} {row['unit']}"
            print(f"{row['row']}: {figure}, aim {row['aim']}: {verdict}")
    return outcome(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
