"""Look-ups among half a million entries, in process; and what reading them anew does to clients.

The look-ups are measured inside the filter's own code (``in_process.py``), the reload on a running
filter that refuses clients at a steady rate.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from side_by_side import in_process
from side_by_side.figures import row
from side_by_side.load import BLOCKED, Load
from side_by_side.ours import FULL_POLICY, SenderFilter
from side_by_side.servers import running

ENTRIES = 500_000
RATE = 500
P50_MICROS, P99_MICROS, TIMES_DURING_RELOAD = 20, 100, 2


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:
    """The rows."""
    ours = SenderFilter(folder / "ours", 2800, 9, FULL_POLICY)
    with ours.blocked.open("a") as entries:
        entries.writelines(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(ENTRIES))
    command = [sys.executable, in_process.__file__, str(ours.blocked)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seen: dict[str, float] = json.loads(done.stdout)
    size = f"{ENTRIES} entries"
    rows = [
        row(f"verdict by lists of {size}, p50", seen["lists_p50"], None, "µs", below=P50_MICROS),
        row(f"verdict by lists of {size}, p99", seen["lists_p99"], None, "µs", below=P99_MICROS),
        row("verdict from the cache, p50", seen["cache_p50"], None, "µs", below=P50_MICROS),
        row("verdict from the cache, p99", seen["cache_p99"], None, "µs", below=P99_MICROS),
        row(f"a list of {size} is loaded", seen["load_seconds"], None, "s"),
        row(f"memory for a list of {size}", seen["megabytes"], None, "MiB"),
    ]
    with running(ours):
        quiet = _latency(load, max(4 * seconds, 4.0), ours)
        reloading = threading.Thread(target=_reload, args=[ours])
        reloading.start()
        busy = _latency(load, max(4 * seconds, 4.0), ours)
        reloading.join()
    name = f"latency of a refusal while a list of {size} is loaded anew, p99: without that"
    return [*rows, row(name, busy, quiet, "µs", most=TIMES_DURING_RELOAD)]


def _latency(load: Load, seconds: float, ours: SenderFilter) -> float:
    run = load.run("refused", ours.port, 1000, seconds, first=BLOCKED, rate=RATE)
    return run.replies.p99


def _reload(ours: SenderFilter) -> None:
    time.sleep(0.6)
    ours.signal(signal.SIGHUP)
