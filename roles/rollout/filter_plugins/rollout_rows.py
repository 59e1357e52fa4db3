"""Filters that make of what modules returned on a host the lines of its row in a report."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

HANDOVER = (
    "before",
    "seen",
    "handover",
    "steps",
    "milliseconds_without_listener",
    "sessions_running",
    "sessions_cut",
    "seconds_waited",
)
OF_ANSIBLE = ("changed", "failed", "warnings", "deprecations", "ansible_facts")
AWAY = "unreachable: "
COLUMNS = ("host", "batch", "state", "topology", "probe", "what")


def moved(result: Mapping[str, Any]) -> dict[str, Any]:
    """What mail_topology did on a host, as far as it is of interest afterwards.

    `connections_refused` is left out where it cannot be known, as the module does.
    """
    found = {name: result[name] for name in HANDOVER if name in result}
    if "connections_refused" in result:
        found["connections_refused"] = result["connections_refused"]
    return found


def said(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a module returned, without what Ansible adds to it."""
    return {name: value for name, value in result.items() if name not in OF_ANSIBLE}


def differences(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of a unified diff of all files that modules have changed.

    Args:
        results: what they returned; `diff` is one of Ansible's or a list of them, or missing.
    """
    lines: list[str] = []
    for result in results:
        found = result.get("diff") or []
        for one in [found] if isinstance(found, Mapping) else found:
            lines += _diff(one)
    return lines


def _diff(one: Mapping[str, Any]) -> list[str]:
    before, after = one.get("before", ""), one.get("after", "")
    if not (isinstance(before, str) and isinstance(after, str)):
        return []
    names = one.get("before_header", "before"), one.get("after_header", "after")
    pairs = difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return list(pairs)


def trouble(result: Mapping[str, Any] | None, task: str) -> str:
    """Why a host failed: the task, and what its module said, of a loop the first that failed.

    Of a host that could not be reached the task says nothing.
    """
    found = result or {}
    found = next((one for one in found.get("results", []) if one.get("failed")), found)
    said = " ".join(str(found.get("msg") or found.get("module_stderr") or "no answer").split())
    return said if said.startswith(AWAY) else f"{said} (task “{task}”)"


def lost(results: Iterable[Mapping[str, Any]]) -> str:
    """Why a host could not be reached, empty if each of its answers has come."""
    away = (one for one in results if one.get("unreachable"))
    return next((f"{AWAY}{' '.join(str(one.get('msg')).split())}" for one in away), "")


def reason(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a batch is a reason to stop, empty if it is none."""
    return "; ".join(f"{host}: {row['trouble']}" for host, row in rows.items() if row["trouble"])


def way(row: Mapping[str, Any]) -> str:
    """The topologies that a host was in one after the other: `direct → edge → direct`."""
    seen = [row.get("from"), row.get("move", {}).get("seen"), row.get("to")]
    known = [each for each in seen if each]
    return " → ".join(one for one, _ in itertools.groupby(known)) or "-"


def table(run: Mapping[str, Any]) -> list[str]:
    """A run as lines of text, a host each."""
    rows = [COLUMNS, *_cells(run)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [_line(row, widths) for row in rows]


def _cells(run: Mapping[str, Any]) -> list[tuple[str, ...]]:
    batches: Sequence[Sequence[str]] = run["batches"]
    return [
        _row(host, number, run["rows"].get(host, {}))
        for number, batch in enumerate(batches, start=1)
        for host in batch
    ]


def _row(host: str, number: int, row: Mapping[str, Any]) -> tuple[str, ...]:
    seconds = row.get("probe", {}).get("seconds")
    probe = "-" if seconds is None else f"{seconds} s"
    state = row.get("state", "untouched")
    return host, str(number), state, way(row), probe, row.get("trouble") or "-"


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by the names that they have in a play."""
        return {
            "rollout_moved": moved,
            "rollout_differences": differences,
            "rollout_trouble": trouble,
            "rollout_said": said,
            "rollout_lost": lost,
            "rollout_reason": reason,
            "rollout_way": way,
            "rollout_table": table,
        }
