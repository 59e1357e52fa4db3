"""What a move would come to, told without making it: whose the ports would be, and what would act.

For check mode. A play that only looks has written nothing: what it would have written before the
switch is `pending`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from . import filter_status, fronts, model
from .fronts import Front
from .goal import Goal
from .survey import Survey

CURRENT = "current"  # the link to the filter's release
NOTHING, RELOAD, RESTART, START, STOP = "nothing", "reload", "restart", "start", "stop"
_OURS = (model.POSTFIX, model.FILTER, model.REMNANT)


@dataclass(frozen=True)
class Change:
    """Who has a port, and who would have it after the move."""

    port: int
    now: str
    then: str


def foreseen(survey: Survey, pending: Iterable[str]) -> Survey:
    """A host as the switch would find it: a running filter does not use what is pending yet."""
    paths = [Path(one) for one in pending]
    states = {front: survey.front(front) for front in fronts.ALL}
    for front, state in states.items():
        if state.service_active and state.needs != filter_status.RESTART:
            states[front] = replace(state, needs=_needs(front, paths) or state.needs)
    return replace(survey, filter=states[fronts.EDGE], inline=states[fronts.INLINE])


def _needs(front: Front, pending: list[Path]) -> str:
    """What a front would need for these files; empty for nothing."""
    if any(
        path in front.unit_files or path.name in (CURRENT, fronts.STATE_ADDRESS) for path in pending
    ):
        return filter_status.RESTART
    read = [path for path in pending if path.parent != fronts.UNIT_FOLDER]
    return filter_status.RELOAD if read else ""


def told(survey: Survey, goal: Goal) -> dict[str, Any]:
    """All of it in the form that the modules return."""
    changes = port_map(survey, goal)
    return {
        "actions": actions(survey, goal),
        "forecast": [asdict(one) for one in changes],
        "forecast_table": lines(changes),
    }


def port_map(survey: Survey, goal: Goal) -> list[Change]:
    """The owners of each port of the path, before and after."""
    return [
        Change(port, _names(survey.owners(port)), _names(_owners(survey, goal, port)))
        for port in sorted(survey.ports.all())
    ]


def _owners(survey: Survey, goal: Goal, port: int) -> list[str]:
    """A port that does not move, and a stranger, stay as they are."""
    now = survey.owners(port)
    if port not in survey.ports.moving():
        return now
    opened = [front.port(survey.ports) for front in fronts.ALL if front.topology in goal.fronts]
    then = [one for one in now if one not in _OURS]
    then += [model.POSTFIX] if port in goal.postfix_on else []
    return sorted(then + ([model.FILTER] if port in opened else []))


def _names(owners: list[str]) -> str:
    return "; ".join(owners) or model.NOBODY


def lines(changes: list[Change]) -> list[str]:
    """The port map as text, its columns as wide as they must be."""
    rows = [("port", "now", "then"), *((str(one.port), one.now, one.then) for one in changes)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def actions(survey: Survey, goal: Goal) -> dict[str, str]:
    """What Postfix and each front of the filter (by its unit) would do."""
    return {"postfix": _of_postfix(survey, goal)} | {
        front.service_unit: _of_front(survey, goal, front) for front in fronts.ALL
    }


def _of_postfix(survey: Survey, goal: Goal) -> str:
    if survey.postfix.master_pid is None:
        return START
    if survey.provider.will_restart(survey):
        return RESTART
    listens = {port for port in survey.ports.of_postfix() if model.POSTFIX in survey.owners(port)}
    same = goal.master_cf == survey.postfix.master_cf and listens == goal.postfix_on
    return NOTHING if same else RELOAD


def _of_front(survey: Survey, goal: Goal, front: Front) -> str:
    state = survey.front(front)
    if front.topology not in goal.fronts:
        return NOTHING if state.stopped else STOP
    if not state.running:
        return START
    return {filter_status.FRESH: NOTHING}.get(state.needs, state.needs)
