"""Parts of the answer to ``status``, each from what is known of its subject."""

import time
from collections.abc import Mapping

from sender_filter.core.profiler.rules import Enabled
from sender_filter.core.records import Action, Function, timestamp
from sender_filter.core.reputation.source import ZoneHealth
from sender_filter.io.ledger import Ledger
from sender_filter.io.messages.status import (
    DecisionCount,
    FunctionStatus,
    ReportsStatus,
    StoreStatus,
    UpstreamStatus,
    ZoneStatus,
)
from sender_filter.io.upstream import Upstream
from sender_filter.settings.schema import Config, State
from sender_filter.state.interface import SharedRecords


def functions(config: Config) -> list[FunctionStatus]:
    """What each function is told to do, in the order in which they decide."""
    profiler = config.profiler
    rules: dict[str, Enabled] = {
        "spam": profiler.spam.enabled,
        "virus": profiler.virus.enabled,
        "bounced": profiler.bounced.enabled,
        "harvest": profiler.harvest.enabled,
    }
    return [
        FunctionStatus("known_hosts", "on" if config.known_hosts.enabled else "off"),
        FunctionStatus("approved", "on"),
        FunctionStatus("blocked", "on"),
        FunctionStatus("profiler", config.profiler.mode, rules),
        FunctionStatus("reputation", config.reputation.mode if config.reputation.zones else "off"),
        FunctionStatus("throttling", config.throttling.mode),
    ]


def zone(health: ZoneHealth, loop_time: float) -> ZoneStatus:
    """How a block list in the DNS is doing; its times are the loop's."""
    failure, seconds = health.failure, health.seconds
    return ZoneStatus(
        name=health.zone,
        version=health.version,
        state=health.state,
        reason=health.reason,
        asked=health.asked,
        failed=health.failed,
        held_back=health.held_back,
        kept=health.kept,
        last_failure=None if failure is None else failure.reason or "no answer of use",
        last_failure_time=(
            None if failure is None else timestamp(time.time() - loop_time + failure.at)
        ),
        latency_millis=None if seconds is None else round(seconds * 1000, 2),
    )


def upstream(address: str, known: Upstream) -> UpstreamStatus:
    """How Postfix is doing."""
    failed = known.last_error_time
    return UpstreamStatus(
        address=address,
        healthy=known.healthy,
        last_error=known.last_error,
        last_error_time=None if failed is None else timestamp(failed),
    )


def store(settings: State, problem: str | None, shared: SharedRecords | None) -> StoreStatus:
    """How the store of state is doing."""
    return StoreStatus(
        kind="redis" if settings.url else "sqlite",
        place="" if settings.url else settings.file,
        problem=problem,
        records_shared=shared is not None,
        records_lost=0 if shared is None else shared.lost,
        records_problem=None if shared is None else shared.problem,
    )


def reports(ledger: Ledger) -> ReportsStatus:
    """What the scan service has found."""
    last = ledger.last_report
    counts = ledger.reports
    return ReportsStatus(counts["spam"], counts["virus"], None if last is None else timestamp(last))


def decisions(decided: Mapping[tuple[Function, Action], int]) -> list[DecisionCount]:
    """How often each function has decided what."""
    return [DecisionCount(*what, count) for what, count in sorted(decided.items())]
