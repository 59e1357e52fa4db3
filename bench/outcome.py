"""How each benchmark of this project ends: its rows as a file, if asked for, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def outcome(rows: Sequence[dict[str, Any]], file: Path | None) -> int:
    """Write the rows as JSON; 1 where an aim is not met, else 0. A row without an aim has none."""
    if file:
        file.write_text(json.dumps(rows, indent=2) + "\n")
    return int(any(row["met"] is False for row in rows))
