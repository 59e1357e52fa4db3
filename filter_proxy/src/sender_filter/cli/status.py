"""``senderfilter status``."""

from pathlib import Path

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.io.messages import Request
from sender_filter.io.messages.status import (
    FunctionStatus,
    ListStatus,
    ReportsStatus,
    Status,
    UpstreamStatus,
    WorkerStatus,
    ZoneStatus,
)

_HEALTH = {None: "no client yet", True: "reachable", False: "away"}


@click.command()
@options.config_option("The configuration that the filter runs with.")
@options.as_json
def status(path: Path | None, *, json: bool) -> None:
    """Show how the running filter does; exit 1 if none answers."""
    answer = options.ask(path, Request("status"))
    if json:
        click.echo(msgspec.json.encode(answer).decode())
    elif isinstance(answer, Status):
        show(("", ""), _rows(answer))


def _rows(answer: Status) -> list[tuple[str, str]]:
    records = f"{answer.records_dropped} dropped"
    if answer.records_error is not None:
        records += f", being lost now: {answer.records_error}"
    several = len(answer.workers) > 1
    loaded = f"{answer.loaded} in {answer.load_seconds} s"
    if answer.reload_error is not None:
        loaded += f"; last reload refused: {answer.reload_error}"
    return [
        ("filter", f"{answer.version}, {answer.state} since {answer.since}"),
        *([("gateway", answer.gateway)] if answer.gateway else []),
        ("release", answer.release),
        ("processes", f"{_workers(answer)}, supervisor {answer.supervisor}"),
        *((f"worker {one.pid}", _worker(one)) for one in answer.workers if one.pid and several),
        ("listens on", f"{', '.join(answer.listeners)} ({answer.front})"),
        ("sessions", _sessions(answer)),
        ("refused", f"{answer.refusing} now, {answer.refused} in all"),
        ("upstream", _upstream(answer.upstream)),
        *(
            ("function " + each.name.replace("_", " "), _function(each))
            for each in answer.functions
        ),
        *((f"{each.function} {each.action}", str(each.count)) for each in answer.decisions),
        ("blocked", _list(answer.blocked)),
        ("approved", _list(answer.approved)),
        ("loaded", loaded),
        ("records", records),
        *((f"zone {zone.name} IPv{zone.version}", _zone(zone)) for zone in answer.zones),
        ("run time", _run_time(answer)),
        ("state", _store(answer)),
        ("scan reports", _reports(answer.reports)),
        *(("not seen", f"{count} sessions: {why}") for why, count in answer.unseen.items()),
        *(("TLS", f"{count} sessions: {result}") for result, count in answer.tls.items()),
    ]


def _run_time(answer: Status) -> str:
    known = f"{answer.known_hosts} known hosts, " if answer.known_hosts else ""
    return f"{answer.entries} blocks and approvals, {known}{answer.profiles} profiles"


def _workers(answer: Status) -> str:
    if len(answer.workers) < 2:
        return f"worker {answer.pid}"
    pids = (str(one.pid or "one that does not answer") for one in answer.workers)
    return f"workers {', '.join(pids)}"


def _worker(one: WorkerStatus) -> str:
    return f"{one.sessions} sessions now, {one.relayed} relayed, {one.refused} refused"


def _sessions(answer: Status) -> str:
    text = f"{answer.sessions} now, {answer.relayed} relayed"
    if answer.handed_over:
        text += f", {answer.handed_over} handed over"
    if answer.handover_problem is not None:
        text += f" (Postfix did not take the last one: {answer.handover_problem})"
    return text


def _zone(zone: ZoneStatus) -> str:
    why = f" ({zone.reason})" if zone.reason else ""
    text = f"{zone.state}{why}, {zone.asked} asked, {zone.failed} failed"
    text += ", held back" if zone.held_back else ""
    text += f", {zone.latency_millis:g} ms" if zone.latency_millis is not None else ""
    if zone.last_failure is not None:
        text += f" (last failure {zone.last_failure_time}: {zone.last_failure})"
    return text


def _function(function: FunctionStatus) -> str:
    rules = ", ".join(f"{name} {mode}" for name, mode in function.rules.items())
    return f"{function.mode} ({rules})" if rules else function.mode


def _store(answer: Status) -> str:
    text = answer.state_problem or "kept"
    store = answer.store
    if store is None:
        return text
    text = f"{text} ({store.kind})"
    if store.records_shared:
        text += f", records {store.records_problem or 'shared'}, {store.records_lost} lost"
    return text


def _reports(reports: ReportsStatus) -> str:
    if reports.last is None:
        return "none yet"
    return f"{reports.spam} spam, {reports.virus} virus, the last {reports.last}"


def _upstream(upstream: UpstreamStatus) -> str:
    text = f"{upstream.address}, {_HEALTH[upstream.healthy]}"
    if upstream.last_error is not None:
        text += f" (last error {upstream.last_error_time}: {upstream.last_error})"
    return text


def _list(entries: ListStatus) -> str:
    return f"{entries.entries} entries in {', '.join(entries.files) or 'no file'}"
