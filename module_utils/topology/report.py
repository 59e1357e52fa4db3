"""A survey in the form that the modules return."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .diagnosis import conflicts, differences, lines, port_table, seen_topology
from .survey import Survey


def facts(survey: Survey, topology: str) -> dict[str, Any]:
    """What was seen, and how it compares with a topology."""
    rows = port_table(survey, topology)
    return {
        "seen": seen_topology(survey),
        "ports": [asdict(row) for row in rows],
        "table": lines(rows),
        "conflicts": conflicts(survey),
        "differences": differences(survey, topology),
    }
