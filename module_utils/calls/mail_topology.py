"""A host is moved to a topology."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from ..postfix.desired import to_text
from ..postfix.errors import PostfixError
from ..postfix.result import readable
from ..topology.arguments import ports_of, provider_in
from ..topology.diagnosis import differences, seen_topology
from ..topology.forecast import foreseen, told
from ..topology.goal import of_topology
from ..topology.heal import heal, look
from ..topology.report import facts
from ..topology.request import Keep, Outcome, Request
from ..topology.services import ServiceError
from ..topology.survey import SurveyError
from ..topology.switch import SwitchError, switch
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Move the host, and say what it took."""
    # A lost connection does not end a move half way.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        request = _request(params)
        if params["repair"]:
            outcome = heal(look(request), check=check)
        else:
            outcome = switch(request, check=check)
    except (SwitchError, SurveyError, ServiceError, PostfixError) as error:
        raise CallError(error) from error
    forecast = _forecast(outcome, request) if check else {}
    return readable({**_result(outcome, request), **_diff(outcome, request), **forecast})


def _request(params: dict[str, Any]) -> Request:
    return Request(
        topology=params["topology"],
        config_dir=Path(params["config_dir"]),
        ports=ports_of(params),
        smtp_address=params["smtp_address"],
        listen_addresses=tuple(params["listen_addresses"]),
        handover=params["handover"],
        drain_seconds=params["drain_seconds"],
        drain_action=params["drain_action"],
        watch_seconds=params["watch_seconds"],
        keep=Keep(params["snapshots"], params["snapshot_megabytes"]),
        pending=tuple(params["pending"]),
        paths=tuple(params["paths"]),
        begun=params["snapshot"],
        options={name: to_text(value) for name, value in params["smtp_options"].items()},
        provider=provider_in(params),
    )


def _result(outcome: Outcome, request: Request) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "before": seen_topology(outcome.before),
        "wrong": differences(outcome.before, request.topology),
        "steps": outcome.steps,
        "handover": outcome.handover,
        **outcome.costs,
        **facts(outcome.after, request.topology),
    }


def _forecast(outcome: Outcome, request: Request) -> dict[str, Any]:
    end = of_topology(request.topology, request.ports, outcome.master_cf)
    forecast: dict[str, Any] = told(foreseen(outcome.before, request.pending), end)
    return forecast


def _diff(outcome: Outcome, request: Request) -> dict[str, Any]:
    before = outcome.before.postfix.master_cf
    file = str(request.config_dir / "master.cf")
    return {
        "diff": {
            "before_header": file,
            "after_header": file,
            "before": before.decode("utf-8", "replace"),
            "after": outcome.master_cf.decode("utf-8", "replace"),
        }
    }
