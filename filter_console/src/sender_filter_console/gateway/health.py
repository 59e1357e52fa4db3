"""What the filter says of itself, in the words of ``interface``."""

from dataclasses import replace
from datetime import datetime, timedelta

from sender_filter.io.messages.records import GatewayStatus
from sender_filter.io.messages.status import Status
from sender_filter_console import interface
from sender_filter_console.interface import Health

SILENT = timedelta(minutes=1)
"""After so long without a word another gateway is not well."""


def gateway(
    status: Status, name: str, heard: datetime | None, *, here: bool = True
) -> interface.Gateway:
    """A gateway whose filter has said how it is doing: that of this console, or another one."""
    return interface.Gateway(
        name=name,
        here=here,
        heard=heard,
        version=status.version,
        front=status.front,
        since=datetime.fromisoformat(status.since),
        sessions=status.sessions,
        relayed=status.relayed,
        refused=status.refused,
        functions=[interface.FunctionState(each.name, each.mode) for each in status.functions],
        zones=[
            interface.Zone(
                each.name, each.version, each.state, each.reason, each.asked, each.failed
            )
            for each in status.zones
        ],
        health=[
            _filter(status),
            _postfix(status),
            _state(status),
            _records(status),
            _settings(status),
            _scan_service(status),
        ],
    )


def silent(name: str, heard: datetime | None, why: str) -> interface.Gateway:
    """The gateway of this console, whose filter has not answered."""
    return interface.Gateway(
        name=name, here=True, heard=heard, health=[Health("filter", False, why)]
    )


def elsewhere(said: GatewayStatus, heard: datetime | None, now: datetime) -> interface.Gateway:
    """Another gateway by what it has said last; one that is well says so every few seconds."""
    found = gateway(said.status, said.gateway, heard, here=False)
    if now - datetime.fromisoformat(said.time) < SILENT:
        return found
    why = Health("filter", False, f"has said nothing since {said.time}")
    return replace(found, health=[why, *found.health[1:]])


def _filter(status: Status) -> Health:
    return Health("filter", status.state == "running", f"{status.state}, {status.version}")


def _postfix(status: Status) -> Health:
    upstream = status.upstream
    detail = upstream.address
    if upstream.last_error is not None:
        detail += f", last error {upstream.last_error_time}: {upstream.last_error}"
    return Health("postfix", upstream.healthy, detail)


def _state(status: Status) -> Health:
    store = status.store
    problem = status.state_problem or (store and store.problem)
    place = "" if store is None else store.place or store.kind
    return Health("state", not problem, problem or place)


def _records(status: Status) -> Health:
    shared = status.store and status.store.records_problem
    problem = status.records_error or shared
    return Health("records", not problem, problem or f"{status.records_dropped} lost")


def _settings(status: Status) -> Health:
    good = status.reload_error is None
    return Health("settings", good, status.reload_error or f"loaded {status.loaded}")


def _scan_service(status: Status) -> Health:
    """What it has reported: of one that finds nothing nobody knows whether it is well."""
    reports = status.reports
    if reports.last is None:
        return Health("scan_service", None, "has reported nothing yet")
    found = f"{reports.spam} spam, {reports.virus} viruses, last {reports.last}"
    return Health("scan_service", True, found)
