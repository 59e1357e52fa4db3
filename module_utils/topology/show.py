"""What a gateway is: who owns its ports, what differs from the declaration, and what mends it.

For people, and as JSON for whoever shows it to them without being root. Nothing is changed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..postfix.errors import PostfixError
from ..postfix.result import readable
from . import effective, journal
from .diagnosis import scan_service_is_away
from .heal import declared
from .report import facts
from .risks import PARAMETERS, Risk, risks
from .survey import Survey, SurveyError
from .switch import SwitchError

HEAL, RECOVER = "mail-topology heal", "mail-topology recover"
PLAY = "ansible-playbook playbooks/repair_port_conflict.yml --limit"
SCAN = "systemctl restart amavis"
SCAN_PLAY = "ansible {} --become --module-name service --args 'name=amavis state=restarted'"
"""Neither of the above starts the scan service, and a repair goes no further while it is away."""

FAILURES = (SwitchError, SurveyError, PostfixError, OSError)

Shown = dict[str, Any]


def look(config_dir: Path) -> Shown:
    """Compare the host with the topology that the last play declared.

    Returns:
        What `facts` says, and

        - host, time: whose state it is, and when it was seen;
        - declared: the declared topology;
        - risks: what is dangerous, each with its cure;
        - cures: the command for this host, and the one for the control node, if anything differs;
        - error: why the host could not be looked at; then the rest is empty.
    """
    host, time = os.uname().nodename, datetime.now(UTC).isoformat(timespec="seconds")
    shown: Shown = {"host": host, "time": time, "declared": "", "error": ""}
    try:
        request = declared(config_dir)
        survey = request.look()
        settings = effective.read(survey, PARAMETERS)
    except FAILURES as error:
        nothing: Shown = {"seen": "", "ports": [], "table": [], "conflicts": [], "differences": []}
        return readable(shown | nothing | {"risks": [], "cures": [], "error": str(error)})
    found = facts(survey, request.topology)
    unfinished = journal.unfinished()
    found["differences"] += unfinished
    shown["declared"] = request.topology
    shown["risks"] = [asdict(one) for one in risks(survey, request.topology, settings)]
    cures = _cures(host, survey, found["differences"], unfinished)
    return readable(shown | found | {"cures": cures})


def _cures(host: str, survey: Survey, differences: list[str], unfinished: list[str]) -> list[str]:
    """The command for the host and the one for the control node; none if nothing differs."""
    # Beside the vendor's filter the scan service is the vendor's as well.
    away = scan_service_is_away(survey) and not survey.provider.home
    here, there = [SCAN] * away, [SCAN_PLAY.format(host)] * away
    if len(differences) > away:
        here.append(RECOVER if unfinished else HEAL)
        there.append(f"{PLAY} {host}")
    return [" && ".join(here), " && ".join(there)] if differences else []


def text(shown: Shown) -> list[str]:
    """The same as lines for people."""
    if shown["error"]:
        return [f"{shown['host']} could not be looked at: {shown['error']}"]
    lines = [f"{shown['host']}: {shown['declared']} was declared, {shown['seen']} was seen"]
    lines += shown["table"]
    lines += [f"differs: {one}" for one in shown["differences"]]
    lines += [_danger(Risk(**one)) for one in shown["risks"]]
    return lines + [f"to mend it: {one}" for one in shown["cures"]]


def document(shown: Shown) -> str:
    """The same as one line of JSON."""
    return json.dumps(shown, sort_keys=True)


def _danger(risk: Risk) -> str:
    return f"{risk.level} {risk.id}: {risk.place}: {risk.text}. Cure: {risk.cure}"
