"""The lab as the benchmarks see it: its hosts, and what arrived behind them."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORE = "/var/mail/store/new"
STANDSTILL_SECONDS = 60  # mail that does not arrive in this time after other mail never will


def podman(*arguments: str) -> str:
    """What podman prints."""
    command = ["podman", "--log-level=error", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def inventory() -> dict[str, dict[str, str]]:
    """The lab's hosts."""
    program = str(ROOT / "inventories/lab/hosts.py")
    output = subprocess.run([program], check=True, capture_output=True).stdout
    hosts: dict[str, dict[str, str]] = json.loads(output)["_meta"]["hostvars"]
    return hosts


def count_arrivals(subjects: list[str], mailstore: dict[str, str]) -> tuple[int, int]:
    """How many acknowledged messages did not arrive, and how many arrived more than once."""
    deadline, fewest = time.monotonic() + STANDSTILL_SECONDS, len(subjects)
    wanted = set(subjects)
    while True:
        search = f"grep --recursive --no-filename '^Subject: load-' {STORE} || true"
        arrived = podman("exec", mailstore["lab_container"], "sh", "-c", search).split("\n")
        names = [line.removeprefix("Subject: ") for line in arrived]
        missing = wanted - set(names)
        if len(missing) < fewest:
            deadline, fewest = time.monotonic() + STANDSTILL_SECONDS, len(missing)
        if not missing or time.monotonic() > deadline:
            return len(missing), sum(names.count(name) > 1 for name in wanted)
        time.sleep(2)
