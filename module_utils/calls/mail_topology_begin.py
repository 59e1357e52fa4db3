"""Whether the way to a topology is free; if it is, the host is kept as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..postfix.errors import PostfixError
from ..postfix.result import readable
from ..snapshots.store import Store
from ..topology import passing
from ..topology.arguments import ports_of, provider_in
from ..topology.diagnosis import differences, seen_topology
from ..topology.request import Request
from ..topology.survey import SurveyError
from ..topology.switch import SwitchError, begin
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Look, and keep the host."""
    try:
        request = Request(
            topology=params["topology"],
            config_dir=Path(params["config_dir"]),
            ports=ports_of(params),
            smtp_address="127.0.0.1",
            options={},
            paths=tuple(params["paths"]),
            provider=provider_in(params),
        )
        snapshot, survey = begin(request, repair=params["repair"], check=check)
    except (SwitchError, SurveyError, PostfixError) as error:
        raise CallError(error) from error
    return readable(
        {
            "changed": False,
            "snapshot": snapshot,
            "seen": seen_topology(survey),
            "differences": differences(survey, request.topology),
            "listen_addresses": survey.listen_addresses(),
            "way_to_postfix": passing.way_in(survey),
            "linked": sorted(Store().linked()),
        }
    )
