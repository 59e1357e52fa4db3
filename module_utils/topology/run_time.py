"""What operators have told the running filter beside the lists that are declared.

It is no difference from the declaration: an address may have to be blocked at once. But who looks
at a host sees it, and can declare it.
"""

from __future__ import annotations

from typing import Any

from . import filter_status, fronts
from .survey import Survey

FIELDS = ("network", "kind", "author", "since", "until", "comment")
MOST = 1000

Entry = dict[str, Any]


def entries(survey: Survey) -> list[Entry]:
    """What operators have made at run time, the newest first: blocks, approvals, known hosts.

    Both fronts share them, so the first that runs is asked. What a function of the filter has
    blocked ends by itself and is left out.

    Returns:
        FIELDS of each; a thousand at most.
    """
    for front in survey.provider.fronts:
        if survey.front(front).service_active:
            return _said(front)
    return []


def _said(front: fronts.Front) -> list[Entry]:
    answer = filter_status.ask(front, command="entries") or {}
    found = [one for one in answer.get("entries", []) if one.get("who") == "operator"]
    newest = sorted(found, key=lambda one: str(one.get("since", "")), reverse=True)
    return [{name: one.get(name) for name in FIELDS} for one in newest[:MOST]]
