"""Runs on a gateway: waits for a moment of a move, does something at it, and sees it end.

The argument is a JSON object. `moments` is a list of what to wait for, one after the other: `stage`
of the move, `rewritten` (master.cf is not what it was), `master_cf` (the topology whose it is),
`listeners` (how many sockets on which ports), and `then`, seconds to wait after all that. `act` is
what to do then: the name of a function below and its arguments. `ends` gives the SHA-256 of
master.cf in each topology; the program waits up to `seconds` until the host is in one of them, and
prints what it saw.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

MASTER_CF = Path("/etc/postfix/master.cf")
STATE = Path("/var/lib/mail-topology")
LISTEN = "0A"
MOMENT_SECONDS, POLL_SECONDS = 60.0, 0.002


def sockets(port: int) -> list[str]:
    """The inode of each listening socket on a port."""
    found = []
    for name in ("tcp", "tcp6"):
        for row in Path("/proc/net", name).read_text().splitlines()[1:]:
            fields = row.split()
            if fields[3] == LISTEN and int(fields[1].split(":")[1], 16) == port:
                found.append(fields[9])
    return found


def owners(port: int) -> list[list[str]]:
    """Who has each socket on a port open: for each the names of the programs, sorted."""
    named: dict[str, set[str]] = {f"socket:[{inode}]": set() for inode in sockets(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            for file in (process / "fd").iterdir():
                link = str(file.readlink())
                if link in named:
                    named[link].add((process / "comm").read_text().strip())
        except OSError:  # it has ended, or closed the file
            continue
    return sorted(sorted(names) for names in named.values())


def read_json(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}


def digest() -> str:
    return hashlib.sha256(MASTER_CF.read_bytes()).hexdigest()


def output(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()


def look() -> dict[str, Any]:
    """What the host is like now."""
    return {
        "master_cf": digest(),
        "listen": owners(25),
        "smtp": owners(2500),
        "proxy": owners(10020),
        "stage": read_json(STATE / "move.json").get("stage"),
        "declared": read_json(STATE / "declared.json").get("topology"),
        "guards": output(
            "systemctl", "list-units", "--plain", "--no-legend", "mail-topology-guard-*"
        ),
        "open": units("is-active", "active"),
        "at boot": units("is-enabled", "enabled"),
    }


def units(question: str, wanted: str) -> list[str]:
    """The topologies of those of the filter's sockets of which systemctl says this."""
    named = {"edge": "sender-filter.socket", "inline": "sender-filter-inline.socket"}
    return [name for name, unit in named.items() if output("systemctl", question, unit) == wanted]


def topology(seen: dict[str, Any], ends: dict[str, str]) -> str | None:
    """The topology that all of it agrees on, None while the host is between two."""
    ours = {"direct": "master", "edge": "senderfilter", "inline": "master"}
    if seen["stage"] == "moving" or seen["guards"]:
        return None
    for name, wanted in ends.items():
        fronts = [] if name == "direct" else [name]
        if (
            seen["master_cf"] == wanted
            and len(seen["listen"]) == 2
            and all(ours[name] in each for each in seen["listen"])
            and [each for each in seen["smtp"] if "master" in each] == seen["smtp"]
            and len(seen["smtp"]) == (name == "edge")
            and len(seen["proxy"]) == (name == "inline")
            and seen["declared"] in (name, None)
            and seen["open"] == seen["at boot"] == fronts
        ):
            return name
    return None


def wait_for(moments: list[dict[str, Any]], ends: dict[str, str]) -> None:
    """Return when the last of the moments has come."""
    before = digest()
    deadline = time.monotonic() + MOMENT_SECONDS
    for moment in moments:
        while not at(moment, before, ends):
            if time.monotonic() > deadline:
                sys.exit(f"no such moment in {MOMENT_SECONDS:.0f} s: {moment}; {look()}")
            time.sleep(POLL_SECONDS)
        time.sleep(moment.get("then", 0))


def at(moment: dict[str, Any], before: str, ends: dict[str, str]) -> bool:
    if "stage" in moment and read_json(STATE / "move.json").get("stage") != moment["stage"]:
        return False
    if moment.get("rewritten") and digest() == before:
        return False
    if "master_cf" in moment and digest() != ends[moment["master_cf"]]:
        return False
    counts = moment.get("listeners", {})
    return all(len(sockets(int(port))) == count for port, count in counts.items())


def holder() -> int | None:
    """The process that moves the host, None when it has ended."""
    files = Path("/run/sender-filter-0").glob("master.cf-*.lock")
    return next(filter(None, map(locked_by, files)), None)


def locked_by(file: Path) -> int | None:
    """Who holds a lock file; its name stays in the file when it has let go."""
    with file.open() as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(opened.read())
    return None


def nothing() -> None:
    """Only look."""


def kill_module(name: str) -> None:
    with contextlib.suppress(ProcessLookupError):  # it was faster
        if pid := holder():
            os.kill(pid, signal.Signals[name])


def kill_module_and_guard() -> None:
    """Nobody is left who would take the move back."""
    subprocess.run(["systemctl", "stop", "mail-topology-guard-*"], check=True)
    kill_module("SIGKILL")


def kill_filter(whom: str) -> None:
    """`main` or `all` of its processes."""
    command = ["systemctl", "kill", "--signal=KILL", f"--kill-whom={whom}", "sender-filter.service"]
    subprocess.run(command, check=True)


def kill_postfix() -> None:
    os.kill(int(Path("/var/spool/postfix/pid/master.pid").read_text()), signal.SIGKILL)


def kill_connection() -> None:
    """The SSH session in which the module runs."""
    pid = holder() or 0
    while pid > 1:
        status = Path(f"/proc/{pid}/status").read_text()
        if re.search(r"^Name:\tsshd", status, re.MULTILINE):
            os.kill(pid, signal.SIGKILL)
            return
        pid = int(re.findall(r"^PPid:\t(\d+)", status, re.MULTILINE)[0])
    sys.exit("the module does not run in an SSH session")


def shell(command: str) -> None:
    subprocess.run(["sh", "-c", command], check=True)


def main() -> None:
    order = json.loads(sys.argv[1])
    ends, seconds = order["ends"], order["seconds"]
    wait_for(order["moments"], ends)
    name, *arguments = order["act"]
    globals()[name](*arguments)
    began = time.monotonic()
    while not (found := topology(seen := look(), ends)):
        if time.monotonic() - began > seconds:
            break
        time.sleep(0.02)
    passed = round(time.monotonic() - began, 1)
    print(json.dumps({"topology": found, "seconds": passed, "seen": seen}))


main()
