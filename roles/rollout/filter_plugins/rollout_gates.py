"""A filter that judges a gateway's figures by what they were before it was changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {"queue": "messages in the queue", "deferred": "deferred messages"}
FEWEST_CLIENTS = 20
NOISE = 0.5


def gates(
    after: Mapping[str, Any], before: Mapping[str, Any], rises: Mapping[str, Any]
) -> list[str]:
    """What makes a gateway doubtful, one sentence each.

    Args:
        after: what gateway_health returned, counted from the change on.
        before: what it returned before the change.
        rises: how much each figure may rise: `queue` and `deferred` in messages (or by half of
            what there was before, where that is more), `refused_share` as a part of 1 and
            `filter_errors` as a number.

    Returns:
        Nothing where all is well. The refused share says nothing until some clients have come.
    """
    return [
        *_queues(after, before, rises),
        *_refused(after, before, rises),
        *_errors(after, rises),
        *_state(after, before),
    ]


def _queues(
    after: Mapping[str, Any], before: Mapping[str, Any], rises: Mapping[str, Any]
) -> list[str]:
    limits = {name: before[name] + max(int(rises[name]), before[name] * NOISE) for name in NAMES}
    return [
        f"{after[name]} {words}, {before[name]} before, at most {limits[name]:g} are allowed"
        for name, words in NAMES.items()
        if after[name] > limits[name]
    ]


def _refused(
    after: Mapping[str, Any], before: Mapping[str, Any], rises: Mapping[str, Any]
) -> list[str]:
    share, former = _share(after), _share(before) or 0.0
    limit = former + float(rises["refused_share"])
    if share is None or share <= limit:
        return []
    clients = _clients(after)
    return [f"{share:.0%} of {clients} were refused, {former:.0%} before, allowed is {limit:.0%}"]


def _share(figures: Mapping[str, Any]) -> float | None:
    """The refused share, None where too few have come for it to say anything."""
    return float(figures["refused_share"]) if _clients(figures) >= FEWEST_CLIENTS else None


def _clients(figures: Mapping[str, Any]) -> int:
    return int(figures["refused"] + figures["accepted"])


def _errors(after: Mapping[str, Any], rises: Mapping[str, Any]) -> list[str]:
    found, limit = after["filter_errors"], int(rises["filter_errors"])
    return [f"{found} errors of the filter, allowed are {limit}"] if found > limit else []


def _state(after: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    """A server that was away before as well is no doubt about what was changed."""
    problem = after["state_problem"]
    known = before.get("state_problem")  # not in a run of a former release that is taken up
    return [f"the filter does not keep what it knows: {problem}"] if problem and not known else []


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, Any]:
        """The filter by the name that it has in a play."""
        return {"rollout_gates": gates}
