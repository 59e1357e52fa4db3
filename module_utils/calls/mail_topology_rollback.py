"""A host is brought back to a snapshot."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from ..postfix.errors import PostfixError
from ..postfix.result import readable
from ..snapshots.store import Store
from ..topology.diagnosis import seen_topology
from ..topology.forecast import told
from ..topology.report import facts
from ..topology.request import Outcome
from ..topology.restore import goal_of
from ..topology.survey import SurveyError
from ..topology.switch import SwitchError, rollback
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Bring the host back, and say how it is."""
    # A lost connection does not end a move half way.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    config_dir = Path(params["config_dir"])
    try:
        name, outcome = rollback(config_dir, params["name"], check=check)
    except (SwitchError, SurveyError, PostfixError) as error:
        raise CallError(error) from error
    seen = seen_topology(outcome.after)
    return readable(
        {
            "changed": outcome.changed,
            "snapshot": name,
            "steps": outcome.steps,
            "seen": seen,
            **outcome.costs,
            "table": facts(outcome.after, seen)["table"],
            **(_forecast(name, outcome, config_dir) if check else {}),
        }
    )


def _forecast(name: str, outcome: Outcome, config_dir: Path) -> dict[str, Any]:
    store, file = Store(), str(config_dir / "master.cf")
    return {
        **told(outcome.before, goal_of(store.load(name), store)),
        "diff": {
            "before_header": file,
            "after_header": file,
            "before": outcome.before.postfix.master_cf.decode("utf-8", "replace"),
            "after": outcome.master_cf.decode("utf-8", "replace"),
        },
    }
