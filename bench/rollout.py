"""A fleet is rolled out under mail, and things go wrong: is a message lost, a host half moved?

Makes N gateways in the lab that SENDER_FILTER_LAB names, and sends mail to all of them without a
pause. Meanwhile rollout.yml moves them to `edge` and back, and is disturbed: by a program that
takes port 25, by SIGKILL of the play, by a gateway that loses power, by one that cannot be reached
any more, by lists that refuse everybody. After each run the report is compared with the hosts. In
the end each acknowledged message is looked for in the mail store.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import ROOT, count_arrivals, inventory, podman
from outcome import outcome
from smtp_load import Load

EDGE, DIRECT = "edge", "direct"
BATCHES = [1, "20%", "40%"]
SETTINGS = {
    "rollout_batches": BATCHES,
    "rollout_out_percent": 100,
    "rollout_soak_seconds": 4,
    "rollout_look_seconds": 2,
}
MOVE = "Gateway is in topology "  # a task of each batch, when its hosts have been looked at
UNDER_WAY = ("touched", "moved")
BACK = "Gateway is as the snapshot has it"  # a task of a batch that goes back
# With SO_REUSEADDR too, for smtpd's running sessions are another user's.
STRANGER = (
    "import socket, time; s = socket.socket(); "
    "[s.setsockopt(socket.SOL_SOCKET, o, 1) for o in (socket.SO_REUSEADDR, socket.SO_REUSEPORT)]; "
    "s.bind(('0.0.0.0', 25)); s.listen(); time.sleep(900)"
)
REFUSE_ALL = {
    "sender_filter_blocked": ["0.0.0.0/0", "::/0"],
    "sender_filter_approved": ["127.0.0.1", "::1"],
}

Disturb = Callable[["Fleet", "asyncio.subprocess.Process"], Awaitable[None]]


@dataclass(frozen=True)
class Act:
    """One run of rollout.yml.

    Attributes:
        title: What goes wrong, for the table.
        topology: Where to.
        ends: Whether it has to end well; None: it is killed.
        settings: Its variables beside those of all.
        disturb: How it is disturbed.
        when_with: In the batch of which gateway.
        at: At which task; left out, when the port is about to change hands.
        cure: A shell command that is run on each gateway after it.
    """

    title: str
    topology: str
    ends: bool | None
    settings: dict[str, Any] = field(default_factory=dict)
    disturb: Disturb | None = None
    when_with: str | None = None
    at: str = MOVE
    cure: str = "true"


@dataclass(frozen=True)
class Happened:
    """What became of an act."""

    act: Act
    seconds: float
    ended_well: bool | None
    states: dict[str, int]
    reason: str
    untrue: list[str]


class Fleet:
    """The gateways, by name."""

    def __init__(self, hosts: dict[str, dict[str, str]]) -> None:
        self.mailstore = hosts["mailstore"]
        self.gateways = {name: host for name, host in hosts.items() if name.startswith("gw")}

    def container(self, name: str) -> str:
        """The container of a gateway."""
        return self.gateways[name]["lab_container"]

    def run(self, name: str, command: str) -> str:
        """What a shell command prints on a gateway."""
        return podman("exec", self.container(name), "sh", "-c", command)

    def topologies(self) -> dict[str, str]:
        """Who has port 25 of each gateway; anything but one owner is none."""
        return {name: self._topology(name) for name in self.gateways}

    def _topology(self, name: str) -> str:
        rows = self.run(name, "ss -Hltnp 'sport = :25 and src 0.0.0.0'").splitlines()
        owners = {
            EDGE if "senderfilter" in row else DIRECT if "master" in row else row for row in rows
        }
        return owners.pop() if len(owners) == 1 else f"between topologies: {owners or 'nobody'}"


def loses_power(name: str) -> Disturb:
    """A gateway is gone with all its processes, and boots again."""

    async def disturb(fleet: Fleet, _play: asyncio.subprocess.Process) -> None:
        await asyncio.sleep(1.5)
        for command in (["kill", "--signal=KILL"], ["start"]):
            await asyncio.to_thread(podman, *command, fleet.container(name))
        subprocess.run(["ip", "neigh", "flush", "all"], check=True)

    return disturb


def is_cut_off(name: str) -> Disturb:
    """A gateway takes no SSH connection any more, and those that are open end."""

    async def disturb(fleet: Fleet, _play: asyncio.subprocess.Process) -> None:
        command = "systemctl stop ssh.socket ssh.service; pkill sshd; true"
        await asyncio.to_thread(fleet.run, name, command)

    return disturb


def hangs(name: str) -> Disturb:
    """A gateway's SSH server says nothing any more, on old connections or new ones."""

    async def disturb(fleet: Fleet, _play: asyncio.subprocess.Process) -> None:
        await asyncio.to_thread(fleet.run, name, "pkill -STOP sshd")

    return disturb


def scans_no_more(name: str) -> Disturb:
    """A gateway's scan service is gone: its mail waits in the queue."""

    async def disturb(fleet: Fleet, _play: asyncio.subprocess.Process) -> None:
        await asyncio.to_thread(fleet.run, name, "systemctl stop amavis.service")

    return disturb


async def mail_server_is_away(fleet: Fleet, _play: asyncio.subprocess.Process) -> None:
    """The mail server behind all gateways takes no mail for a minute."""
    container = fleet.mailstore["lab_container"]
    await asyncio.to_thread(podman, "pause", container)
    await asyncio.sleep(60)
    await asyncio.to_thread(podman, "unpause", container)


async def killed(_fleet: Fleet, play: asyncio.subprocess.Process) -> None:
    """The control process ends, and all that it has started on its machine."""
    await asyncio.sleep(0.5)
    os.killpg(play.pid, signal.SIGKILL)


def stranger_on(fleet: Fleet, name: str, folder: Path) -> dict[str, Any]:
    """A drain hook that lets a strange program join port 25 of a gateway, behind the preflight."""
    unit = ["systemd-run", "--quiet", "--unit=stranger", "python3", "-c", STRANGER]
    script = folder / "hook"
    start = shlex.join(["podman", "exec", fleet.container(name), *unit])
    script.write_text(f"[ $1 != {name} ] || {start}\n")
    return {"rollout_before_host": ["sh", str(script), "{{ inventory_hostname }}"]}


def story(fleet: Fleet, folder: Path) -> list[Act]:
    """Each run after the other: there with disturbances, there, and back with others."""
    names = list(fleet.gateways)
    second, third = names[2], names[-2]
    return [
        Act(
            f"a strange program takes port 25 of {third}", EDGE, ends=False,
            settings=stranger_on(fleet, third, folder), cure="systemctl stop stranger || true",
        ),
        Act("the play is killed", EDGE, ends=None, disturb=killed, when_with=third),
        Act(
            f"{third} loses power", EDGE, ends=False, disturb=loses_power(third), when_with=third,
        ),
        Act(
            f"SSH of {third} hangs", EDGE, ends=False, disturb=hangs(third), when_with=third,
            cure="pkill -CONT sshd || true",
        ),
        Act(
            f"the scan service of {third} ends", EDGE, ends=False, disturb=scans_no_more(third),
            when_with=third, cure="systemctl start amavis.service",
        ),
        Act("nothing", EDGE, ends=True),
        Act("nothing, once more", EDGE, ends=True),
        Act("lists that refuse everybody", EDGE, ends=False, settings=REFUSE_ALL),
        Act(
            "the same, and the play is killed on the way back", EDGE, ends=None,
            settings=REFUSE_ALL, disturb=killed, when_with=names[0], at=BACK,
        ),
        Act("nothing", EDGE, ends=True),
        Act(
            "the mail server is away for a minute", DIRECT, ends=True,  # the probes wait for it
            disturb=mail_server_is_away, when_with=second,
        ),
        Act(
            f"{second} cannot be reached any more, all are to go back", DIRECT, ends=False,
            settings={"rollout_back": "fleet"}, disturb=is_cut_off(second), when_with=second,
            cure="systemctl start ssh.service",
        ),
        Act("the play is killed", DIRECT, ends=None, disturb=killed, when_with=second),
        Act("nothing", DIRECT, ends=True),
    ]  # fmt: skip


async def perform(act: Act, fleet: Fleet, folder: Path) -> Happened:
    """Run the rollout, disturb it, and compare its report with the hosts."""
    began = time.monotonic()
    before = await asyncio.to_thread(fleet.topologies)
    variables = {
        **SETTINGS, **act.settings, "rollout_reports": str(folder), "mail_topology": act.topology,
    }  # fmt: skip
    play = await asyncio.create_subprocess_exec(
        "ansible-playbook", "--inventory", "inventories/lab", "playbooks/rollout.yml",
        "--extra-vars", json.dumps(variables),
        cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, limit=2**24,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    output = await _follow(play, act, fleet)
    (folder / "last.log").write_text(output)
    seconds = time.monotonic() - began
    if act.ends is None:
        await _settled(fleet)
    for name in fleet.gateways:
        await asyncio.to_thread(fleet.run, name, act.cure)
    report = json.loads(max(folder.glob("rollout-*.json")).read_text())
    after = await asyncio.to_thread(fleet.topologies)
    states = [row["state"] for row in report["rows"].values()]
    ended_well = None if act.ends is None else play.returncode == 0
    if ended_well is not act.ends:
        print(output, file=sys.stderr)
    return Happened(
        act, seconds, ended_well, {state: states.count(state) for state in sorted(set(states))},
        report.get("reason", ""), _untrue(report, before, after, act),
    )  # fmt: skip


async def _follow(play: asyncio.subprocess.Process, act: Act, fleet: Fleet) -> str:
    """The output of a play, which is disturbed when a batch comes to a task."""
    lines: list[str] = []
    batch = 0  # the line with which it has begun
    disturbing = None
    async for line in play.stdout or asyncio.StreamReader():
        lines.append(line.decode())
        if lines[-1].startswith("PLAY ["):
            batch = len(lines)
        due = act.disturb and disturbing is None and act.at in lines[-1]
        if due and any(f"[{act.when_with}]" in each for each in lines[batch:]):
            disturbing = asyncio.ensure_future(act.disturb(fleet, play))
    await play.wait()
    if disturbing is not None:
        await disturbing
    elif act.disturb is not None:
        sys.exit(f"the batch of {act.when_with} was not reached:\n{''.join(lines)}")
    return "".join(lines)


async def _settled(fleet: Fleet, seconds: float = 60) -> None:
    """Gateways whose play was killed end their move, or take it back, by themselves."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = await asyncio.to_thread(fleet.topologies)
        if all(topology in (EDGE, DIRECT) for topology in found.values()):
            return
        await asyncio.sleep(1)


def _untrue(
    report: dict[str, Any], before: dict[str, str], after: dict[str, str], act: Act
) -> list[str]:
    """What a report says that the hosts do not show, and what is between two topologies."""
    wrong = [f"{name}: {seen}" for name, seen in after.items() if seen not in (EDGE, DIRECT)]
    for name, row in report["rows"].items():
        state = row["state"]
        truth = {"done": act.topology, "back": row.get("from")}
        truth |= dict.fromkeys(("untouched", "ready"), before[name])
        if truth.get(state, after[name]) != after[name]:
            wrong.append(f"{name} is said to be {state}, and is in {after[name]}")
        if state in UNDER_WAY and act.ends is not None:
            wrong.append(f"{name} is said to be {state}, and nobody works on it")
    return wrong


def verify(topology: str) -> str:
    """What verify_topology.yml finds wrong with any gateway."""
    done = subprocess.run(
        [
            "ansible-playbook", "--inventory", "inventories/lab", "playbooks/verify_topology.yml",
            "--extra-vars", json.dumps({"mail_topology": topology}),
        ],
        check=False, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )  # fmt: skip
    return "" if done.returncode == 0 else done.stdout


def line(happened: Happened) -> str:
    """A row of the table."""
    act = happened.act
    end = {True: "well", False: "stopped", None: "killed"}[happened.ended_well]
    states = ", ".join(f"{count} {state}" for state, count in happened.states.items())
    untrue = "; ".join(happened.untrue) or "nothing"
    return (
        f"| {act.topology} | {act.title} | {end} | {states} | {untrue} | {happened.seconds:.0f} |"
    )


def records(told: list[Happened], lost: int, doubled: int, wrong: str) -> list[dict[str, Any]]:
    """The rows in the form that every benchmark of this project writes."""
    figures = {
        "acknowledged messages lost": lost,
        "acknowledged messages doubled": doubled,
        "runs that did not end as they should": sum(
            one.ended_well is not one.act.ends for one in told
        ),
        "things that a report said and no host showed": sum(len(one.untrue) for one in told),
        "fleets that verify_topology.yml finds fault with in the end": int(bool(wrong)),
    }
    return [
        {
            "row": f"rollout: {name}", "ours": ours, "peer": None, "unit": "count", "ratio": None,
            "aim": "0", "met": ours == 0,
        }
        for name, ours in figures.items()
    ]  # fmt: skip


async def tell(hosts: int, rate: int) -> list[dict[str, Any]]:
    """The story from its beginning, with mail all the time."""
    done = await asyncio.create_subprocess_exec(
        ROOT / "scripts/lab", "up", str(hosts), stdout=subprocess.DEVNULL
    )
    if await done.wait() != 0:
        sys.exit(f"no lab of {hosts} gateways")
    fleet = Fleet(inventory())
    addresses = [one["lab_address"] for one in fleet.gateways.values()]
    load = Load(addresses, rate, sessions=2, senders=3)
    load.start()
    happened: list[Happened] = []
    with tempfile.TemporaryDirectory() as folder:
        for act in story(fleet, Path(folder)):
            happened.append(await perform(act, fleet, Path(folder)))
            print(line(happened[-1]), flush=True)
            if happened[-1].reason:
                print(f"    {happened[-1].reason}", flush=True)
    tally = await load.stop()
    print(f"messages: {len(tally.acknowledged)}, connections: {dict(tally.connections)}")
    print(f"sessions: {dict(tally.sessions)}")
    lost, doubled = count_arrivals(tally.acknowledged, fleet.mailstore)
    wrong = verify(DIRECT)
    print(wrong)
    return records(happened, lost, doubled, wrong)


def main() -> int:
    """Tell the story, print the table as it grows, and then the aims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, default=20)
    parser.add_argument("--rate", type=int, default=10, help="connections a second to the fleet")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    columns = ("to", "what goes wrong", "ends", "hosts", "untrue in the report", "seconds")
    print(f"| {' | '.join(columns)} |\n" + "| --- " * len(columns) + "|")
    rows = asyncio.run(tell(options.hosts, options.rate))
    for row in rows:
        verdict = "met" if row["met"] else "NOT MET"
        print(f"{row['row']}: {row['ours']}, aim {row['aim']}: {verdict}")
    return outcome(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
