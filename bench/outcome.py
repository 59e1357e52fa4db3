"""How a benchmark of this project ends: its rows as a table, as a file, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("row", "ours", "peer", "unit", "ratio", "aim")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown; what a row does not have is a dash."""
    lines = [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|"]
    for row in rows:
        cells = ("-" if row[name] is None else str(row[name]) for name in COLUMNS)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def outcome(rows: Sequence[dict[str, Any]], file: Path | None) -> int:
    """Write the rows as JSON; 1 where an aim is not met, else 0. A row without an aim has none."""
    if file:
        file.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(row["met"] is False for row in rows))
