"""Rollouts over the lab's gateways, and what their reports say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab_hosts import LabHost
from moves import Run

# No batch of the lab is waited for longer than the tests need.
QUICK = {"rollout_soak_seconds": 2, "rollout_look_seconds": 2, "rollout_out_percent": 100}


@dataclass(frozen=True)
class Report:
    """What a run left on the control node: its JSON file, and the page beside it."""

    run: dict[str, Any]
    page: str

    @property
    def states(self) -> dict[str, str]:
        """The state of each host that the run has begun with."""
        return {host: row["state"] for host, row in self.run["rows"].items()}


class Rollouts:
    """Rollouts that keep their runs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *batches: int, limit: str = "all", **settings: object) -> Run:
        """Begin a rollout in these batches, with these variables beside the lab's.

        It is one over all gateways, or over those that `limit` names.
        """
        variables = {"rollout_batches": batches, "rollout_reports": str(self.folder)}
        return Run(
            "ansible-playbook",
            "playbooks/rollout.yml",
            "--limit",
            limit,
            "--extra-vars",
            json.dumps({**QUICK, **variables, **settings}),
        )

    def report(self) -> Report:
        """That of the last run."""
        file = max(self.folder.glob("rollout-*.json"))
        page = file.with_suffix(".html").read_text(encoding="utf-8")
        return Report(json.loads(file.read_text(encoding="utf-8")), page)


def topologies(gateways: list[LabHost]) -> str:
    """Who has port 25 of each gateway in turn: `e` for the filter, `d` for Postfix."""
    return "".join(
        "e" if "senderfilter" in host.owner_of(25, "0.0.0.0") else "d" for host in gateways
    )
