"""The port changes hands under load, again and again: what do the clients notice?

Makes the table of docs/performance.md: the vendor's instructions by hand (`by hand`: another
master.cf, `postfix reload`, start or stop the filter) beside the overlap that this project uses.
Runs on the gateway gw1 of the lab that SENDER_FILTER_LAB names.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import ROOT, count_arrivals, inventory, podman
from outcome import outcome
from smtp_load import Load, Tally

BY_HAND, OVERLAP = "by hand", "overlap"
STRATEGIES = (BY_HAND, OVERLAP)
PLAYS = ("enable_sender_filter.yml", "disable_sender_filter.yml")
UNITS = "sender-filter.socket sender-filter.service"
PAUSE_SECONDS = 3.0  # between two switches by hand: a play takes its time anyway


@dataclass
class Row:
    """One strategy and what it cost over all its switches."""

    strategy: str
    switches: int = 0
    tally: Tally = field(default_factory=Tally)
    deaths: int = 0
    milliseconds: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    doubled: int = 0


async def play(name: str) -> str:
    """Run a playbook on gw1; its output."""
    process = await asyncio.create_subprocess_exec(
        "ansible-playbook", f"playbooks/{name}", "--limit", "gw1",
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    output = (await process.communicate())[0].decode()
    if process.returncode != 0:
        sys.exit(f"{name} failed:\n{output}")
    return output


async def by_hand(name: str, row: Row, container: str) -> None:
    """What the vendor's instructions say, as one line of shell; a dead Postfix is started again."""
    move = "cp /root/{}.cf /etc/postfix/master.cf && postfix reload"
    there = f"{move.format('edge')} && systemctl start {UNITS}"
    back = f"systemctl stop {UNITS} && {move.format('direct')}"
    steps = there if name == PLAYS[0] else back
    await asyncio.to_thread(podman, "exec", container, "sh", "-c", steps)
    await asyncio.sleep(PAUSE_SECONDS)
    revive = "postfix status 2>/dev/null || { postfix start 2>/dev/null; echo dead; }"
    row.deaths += "dead" in await asyncio.to_thread(podman, "exec", container, "sh", "-c", revive)


async def keep_both(container: str) -> None:
    """The master.cf of each topology, for the switches by hand."""
    for name, file in zip(PLAYS, ("edge.cf", "direct.cf"), strict=True):
        await play(name)
        podman("exec", container, "cp", "/etc/postfix/master.cf", f"/root/{file}")


async def switch(name: str, strategy: str, row: Row, container: str) -> None:
    """One switch, noted in the row."""
    began = time.monotonic()
    if strategy == BY_HAND:
        await by_hand(name, row, container)
    else:
        output = await play(name)
        found = re.search(rf"\({OVERLAP}\), (\d+) ms without", output)
        if not found:
            sys.exit(f"{name} did not go by {OVERLAP}:\n{output}")
        row.milliseconds.append(int(found[1]))
    row.seconds.append(time.monotonic() - began)
    row.switches += 1


async def measure(strategy: str, switches: int, rate: int, hosts: dict[str, Any]) -> Row:
    """Switch there and back under load."""
    row = Row(strategy)
    gateway = hosts["gw1"]
    load = Load([gateway["lab_address"], gateway["lab_address6"]], rate, sessions=5, senders=2)
    load.start()
    await asyncio.sleep(2)
    for _ in range(switches):
        for name in PLAYS:
            await switch(name, strategy, row, gateway["lab_container"])
    await asyncio.sleep(2)
    row.tally = await load.stop()
    row.lost, row.doubled = count_arrivals(row.tally.acknowledged, hosts["mailstore"])
    return row


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    columns = (
        "strategy", "switches", "connections", "refused or reset", "latest greeting", "sessions",
        "sessions cut", "messages", "lost", "Postfix found dead", "ms without a listener",
        "seconds a switch",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    for row in rows:
        tally = row.tally
        ended = sum(tally.sessions.values()) + len(tally.acknowledged)
        lines.append(
            f"| {row.strategy} | {row.switches} | {sum(tally.connections.values())} "
            f"| {tally.refused_or_reset} | {tally.latest_greeting:.1f} s | {ended} "
            f"| {tally.sessions_cut} | {len(tally.acknowledged)} | {row.lost} | {row.deaths} "
            f"| {_at_most(row.milliseconds)} | {sum(row.seconds) / len(row.seconds):.1f} |"
        )
    return "\n".join(lines)


def _at_most(milliseconds: list[int]) -> str:
    return f"{max(milliseconds)} at most" if milliseconds else "not seen"


def records(rows: list[Row]) -> list[dict[str, Any]]:
    """The rows in the form that every benchmark of this project writes."""
    peer, ours = rows
    figures = {
        "connections refused or reset": lambda row: row.tally.refused_or_reset,
        "sessions cut": lambda row: row.tally.sessions_cut,
        "acknowledged messages lost": lambda row: row.lost,
        "acknowledged messages doubled": lambda row: row.doubled,
    }
    return [
        {
            "row": f"handover: {name} in {ours.switches} switches",
            "ours": figure(ours),
            "peer": figure(peer),
            "unit": "count",
            "ratio": figure(ours) / figure(peer) if figure(peer) else None,
            "aim": "0",
            "met": figure(ours) == 0,
        }
        for name, figure in figures.items()
    ]


async def main() -> int:
    """Measure each strategy, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--switches", type=int, default=20, help="each way, for each strategy")
    parser.add_argument("--rate", type=int, default=500, help="new connections a second")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=STRATEGIES, help="measure one strategy, without a table")
    options = parser.parse_args()
    # Connections pile up while nobody answers them.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    hosts = inventory()
    container = hosts["gw1"]["lab_container"]
    # One host plays many clients, and no name server knows its name.
    podman("exec", container, "postconf", "smtpd_client_connection_count_limit=0")
    podman("exec", container, "postconf", "smtpd_peername_lookup=no")
    podman("exec", container, "postfix", "reload")
    await asyncio.sleep(3)
    await keep_both(container)
    rows = [
        await measure(strategy, options.switches, options.rate, hosts)
        for strategy in STRATEGIES
        if options.only in (None, strategy)
    ]
    print(table(rows))
    for row in rows:
        print(f"{row.strategy}: {dict(row.tally.connections)} {dict(row.tally.sessions)}")
    if options.only:
        return 0
    return outcome(records(rows), options.json)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
