"""The sender filter beside postscreen, HAProxy, nginx, Haraka: rates, latency, memory, look-ups.

Runs in a box of its own (scripts/lib/box.sh): all servers and the load are on its loopback, and
take turns in one run.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from pathlib import Path

from outcome import outcome
from side_by_side.figures import table
from side_by_side.load import Load

ROWS = ("refuse", "mail", "relay", "idle", "lookups", "reputation")


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", default=",".join(ROWS), help="which, by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each run (default: %(default)g)"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for name in options.rows.split(","):
        if name not in ROWS:
            parser.error(f"there is no {name}; there are {', '.join(ROWS)}")
        print(f"-- {name}", flush=True)
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            folder.chmod(0o755)  # Postfix and others look into it without being root
            new = importlib.import_module(f"side_by_side.{name}").measure(
                folder, Load(folder), options.seconds
            )
        print(table(new), flush=True)
        rows += new
    return outcome(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
