"""Who owns which port of the host, what differs from its topology, and what is dangerous."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..postfix.errors import PostfixError
from ..postfix.result import readable
from ..snapshots.store import Store
from ..topology import effective, fronts, journal, record, run_time
from ..topology.arguments import ports_of, provider_in
from ..topology.preflight import obstacles
from ..topology.report import facts
from ..topology.risks import PARAMETERS, risks
from ..topology.services import wait_until
from ..topology.survey import Survey, SurveyError, filter_state, take
from .failure import CallError

BACK_SECONDS = 3.0  # a filter that has crashed is back in less


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - it only looks
    """Look, and say what was seen."""
    try:
        survey = _look(params)
        settings = effective.read(survey, PARAMETERS)
    except (SurveyError, PostfixError) as error:
        raise CallError(error) from error
    topology = params["topology"] or record.declared()
    if topology is None:
        msg = (
            "no topology is declared: set mail_topology in the inventory, or bring the host "
            f"into one by a play (there is no {record.FILE})"
        )
        raise CallError(msg)
    found = facts(survey, topology)
    found["differences"] += journal.unfinished()
    return readable(
        {
            "changed": False,
            "declared": topology,
            **found,
            "listen_addresses": survey.listen_addresses(),
            "risks": [asdict(one) for one in risks(survey, topology, settings)],
            "snapshots": _snapshots(),
            "run_time": run_time.entries(survey),
            "obstacles": obstacles(survey, topology),
        }
    )


def _look(params: dict[str, Any]) -> Survey:
    """The host, after a filter that systemd is starting again has had the time for it."""

    def look() -> Survey:
        return take(Path(params["config_dir"]), ports_of(params), provider_in(params))

    survey = look()
    if any(survey.front(front).waits for front in fronts.ALL):
        wait_until(lambda: not any(filter_state(one).waits for one in fronts.ALL), BACK_SECONDS)
        survey = look()
    return survey


def _snapshots() -> list[dict[str, str]]:
    return [
        {"name": one.name, "topology": one.state.topology, "before": one.before}
        for one in Store().readable()
    ]
