"""What several workers say of themselves, in one answer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec

from sender_filter.core.records import Action, Function
from sender_filter.io.messages.status import (
    CheckFigures,
    DecisionCount,
    ReportsStatus,
    Status,
    UpstreamStatus,
    ZoneStatus,
)
from sender_filter.settings import stamps
from sender_filter.settings.stamps import Stamp

_T = TypeVar("_T")


def of(parts: Sequence[Status]) -> Status:
    """The status of all workers.

    Args:
        parts: That of each that answers; the first one's goes for what all have alike.
    """
    return msgspec.structs.replace(
        parts[0],
        sessions=sum(each.sessions for each in parts),
        relayed=sum(each.relayed for each in parts),
        refusing=sum(each.refusing for each in parts),
        refused=sum(each.refused for each in parts),
        upstream=_upstream([each.upstream for each in parts]),
        files=_files([each.files for each in parts]),
        reload_error=_first(each.reload_error for each in parts),
        records_dropped=sum(each.records_dropped for each in parts),
        records_error=_first(each.records_error for each in parts),
        zones=_zones(parts),
        profiles=sum(each.profiles for each in parts),
        state_problem=_first(each.state_problem for each in parts),
        unseen=_counts(each.unseen for each in parts),
        tls=_counts(each.tls for each in parts),
        reports=_reports([each.reports for each in parts]),
        decisions=_decisions(parts),
        handed_over=sum(each.handed_over for each in parts),
        handover_problem=_first(each.handover_problem for each in parts),
        workers=[worker for each in parts for worker in each.workers],
        checks=_checks(parts),
    )


def _first(values: Iterable[_T | None]) -> _T | None:
    """The first value that there is."""
    return next((each for each in values if each is not None), None)


def _counts(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total)


def _upstream(parts: Sequence[UpstreamStatus]) -> UpstreamStatus:
    """Away if it is for any; with the last error."""
    known = [each.healthy for each in parts if each.healthy is not None]
    failed = max(parts, key=lambda each: each.last_error_time or "")
    return msgspec.structs.replace(failed, healthy=all(known) if known else None)


def _files(parts: Sequence[dict[str, Stamp]]) -> dict[str, Stamp]:
    """The files in use; of one that workers have in two states, the one that is out of date."""
    files: dict[str, Stamp] = {}
    for part in parts:
        for path, stamp in part.items():
            if path not in files or stamps.unchanged({path: files[path]}):
                files[path] = stamp
    return files


def _zones(parts: Sequence[Status]) -> list[ZoneStatus]:
    """Each block list once, as it is for the worker that it is worst for."""
    found: dict[tuple[str, int], list[ZoneStatus]] = {}
    for part in parts:
        for each in part.zones:
            found.setdefault((each.name, each.version), []).append(each)
    return [_zone(each) for each in found.values()]


def _zone(parts: Sequence[ZoneStatus]) -> ZoneStatus:
    worst = max(parts, key=lambda each: each.state != "trusted")
    failed = max(parts, key=lambda each: each.last_failure_time or "")
    millis = [each.latency_millis for each in parts if each.latency_millis is not None]
    return msgspec.structs.replace(
        worst,
        asked=sum(each.asked for each in parts),
        failed=sum(each.failed for each in parts),
        held_back=any(each.held_back for each in parts),
        kept=sum(each.kept for each in parts),
        last_failure=failed.last_failure,
        last_failure_time=failed.last_failure_time,
        latency_millis=max(millis, default=None),
    )


def _reports(parts: Sequence[ReportsStatus]) -> ReportsStatus:
    return ReportsStatus(
        sum(each.spam for each in parts),
        sum(each.virus for each in parts),
        max((each.last for each in parts if each.last is not None), default=None),
    )


def _decisions(parts: Sequence[Status]) -> list[DecisionCount]:
    counts: Counter[tuple[Function, Action]] = Counter()
    for part in parts:
        for each in part.decisions:
            counts[each.function, each.action] += each.count
    return [DecisionCount(*what, count) for what, count in sorted(counts.items())]


def _checks(parts: Sequence[Status]) -> list[CheckFigures]:
    found: dict[str, CheckFigures] = {}
    for part in parts:
        for each in part.checks:
            former = found.get(each.function)
            found[each.function] = each if former is None else _added(former, each)
    return list(found.values())


def _added(one: CheckFigures, other: CheckFigures) -> CheckFigures:
    buckets = [a + b for a, b in zip(one.buckets, other.buckets, strict=True)]
    return CheckFigures(one.function, buckets, one.micros + other.micros)
