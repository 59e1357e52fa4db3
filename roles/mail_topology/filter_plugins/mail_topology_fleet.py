"""Filters that make of each host's mail_topology_info a row, and of all rows a report and a table.

A host that could not be reached, or looked at, has a row as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ERROR = "error"
COLUMNS = ("host", "declared", "seen", "ports", "verdict")
KEPT = ("declared", "seen", "ports", "conflicts", "differences", "risks", "run_time")
VARIABLES = {
    "block": "sender_filter_blocked",
    "approval": "sender_filter_approved",
    "known": "sender_filter_known_hosts",
}
DONE = {"block": "blocked", "approval": "approved", "known": "made a known host"}
Row = dict[str, Any]


def row(result: Mapping[str, Any], host: str, *, strict: bool = False) -> Row:
    """What is to be said of a host.

    Args:
        result: what mail_topology_info returned there; `msg` alone where it could not look, with
            `unreachable` where there was no connection.
        host: its name in the inventory.
        strict: whether risks of level warning count as well.

    Returns:
        The host's part of the module's answer, and

        - ok (bool): whether the host is as declared, and safe;
        - verdict (str): the same in a few words;
        - reachable (bool): whether there was a connection;
        - error (str): why the host could not be looked at, empty if it could;
        - sentence (str): all of it, with what is wrong.
    """
    found = {name: result.get(name) or [] for name in KEPT}
    found |= {name: result.get(name) or "" for name in ("declared", "seen")}
    reachable = not result.get("unreachable", False)
    error = "" if "seen" in result else str(result.get("msg") or "no answer").strip()
    errors = [risk for risk in found["risks"] if risk["level"] == ERROR or strict]
    ok = not (error or found["differences"] or errors)
    verdict = _verdict(found, error, reachable=reachable)
    said = {"host": host, "ok": ok, "verdict": verdict, "reachable": reachable, "error": error}
    return {**said, **found, "sentence": _sentence(host, found, error)}


def report(results: Mapping[str, Mapping[str, Any]], *, strict: bool = False) -> dict[str, Any]:
    """The rows of all hosts (`hosts`), and whether each of them is ok (`ok`)."""
    rows = [row(result, host, strict=strict) for host, result in results.items()]
    return {"ok": all(one["ok"] for one in rows), "strict": strict, "hosts": rows}


def table(said: Mapping[str, Any]) -> list[str]:
    """A report as lines of text: a row for each host, then what was found on each."""
    cells = [COLUMNS, *(_cells(one) for one in said["hosts"])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(each, widths, strict=True)).rstrip()
        for each in cells
    ]
    return lines + [line for one in said["hosts"] for line in _findings(one)]


def _cells(one: Row) -> tuple[str, ...]:
    owners = dict.fromkeys(f"{port['port']} {port['owner']}" for port in one["ports"])
    declared, seen = one["declared"] or "-", one["seen"] or "-"
    return one["host"], declared, seen, ", ".join(owners) or "-", one["verdict"]


def _findings(one: Row) -> list[str]:
    said = [one["error"]] if one["error"] else [f"differs: {each}" for each in one["differences"]]
    said += [_risk(risk) for risk in one["risks"]]
    said += [f"added at run time: {_entry(entry)}" for entry in one["run_time"]]
    return [f"{one['host']}: {' '.join(each.split())}" for each in said]


def declaration(said: Mapping[str, Any]) -> list[str]:
    """What was added at run time and has no end, as lines of YAML for the inventory.

    An entry that several hosts have is there once: they share it.
    """
    lines = []
    for kind, variable in VARIABLES.items():
        entries = [entry for one in said["hosts"] for entry in one["run_time"]]
        items = dict.fromkeys(
            _item(one) for one in entries if one["kind"] == kind and not one["until"]
        )
        lines += [f"{variable}:", *(f"  - {item}" for item in items)] if items else []
    return lines


def _item(entry: Mapping[str, Any]) -> str:
    """An item of a list; a comment is kept inside of it, and is no template for Ansible."""
    who = " ".join(filter(None, (entry["author"], str(entry["since"])[:10])))
    comment = ": ".join(filter(None, (who, " ".join(str(entry["comment"]).split()))))
    return json.dumps(f"{entry['network']} # {comment}".translate(str.maketrans("{}", "()")))


def _entry(entry: Mapping[str, Any]) -> str:
    done = DONE.get(entry["kind"], entry["kind"])
    by = f" by {entry['author']}" if entry["author"] else ""
    until = f"until {entry['until']}" if entry["until"] else "for good"
    why = f": {entry['comment']}" if entry["comment"] else ""
    return f"{entry['network']} {done}{by} at {entry['since']} {until}{why}"


def _risk(risk: Mapping[str, str]) -> str:
    head = f"{risk['level']} {risk['id']}: {risk['place']}"
    return f"{head}: {risk['text']}. Cure: {risk['cure']}"


def _verdict(found: Mapping[str, Any], error: str, *, reachable: bool) -> str:
    if error:
        return "not looked at" if reachable else "unreachable"
    errors = sum(risk["level"] == ERROR for risk in found["risks"])
    counts = {
        "difference": len(found["differences"]),
        "error": errors,
        "warning": len(found["risks"]) - errors,
    }
    said = [f"{number} {name}{'s' * (number > 1)}" for name, number in counts.items() if number]
    return ", ".join(said) or "as declared"


def _sentence(host: str, found: Mapping[str, Any], error: str) -> str:
    if error:
        return f"{host} could not be looked at: {error}"
    away = "not " if found["differences"] else ""
    wrong = [*found["differences"], *map(_risk, found["risks"])]
    return f"{host} is {away}in topology {found['declared']}" + (
        f": {'; '.join(wrong)}" if wrong else ""
    )


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """The filters by the names that they have in a play."""
        return {
            "mail_topology_row": row,
            "mail_topology_report": report,
            "mail_topology_table": table,
            "mail_topology_declaration": declaration,
        }
