"""``senderfilter fleet``: how all gateways that share records are doing."""

from pathlib import Path

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.io.messages import Request
from sender_filter.io.messages.records import Gateways, GatewayStatus

_HEADS = ("gateway", "heard", "filter", "sessions", "refused", "Postfix", "problems")
_HEALTH = {None: "no client yet", True: "reachable", False: "away"}


@click.command()
@options.config_option("The configuration that the filter runs with.")
@options.as_json
def fleet(path: Path | None, *, json: bool) -> None:
    """Show how all gateways do that share records, as each has said of itself last."""
    answer = options.ask(path, Request("gateways"))
    if json:
        click.echo(msgspec.json.encode(answer).decode())
    elif isinstance(answer, Gateways):
        show(_HEADS, map(_row, answer.gateways))


def _row(said: GatewayStatus) -> tuple[str, ...]:
    status = said.status
    doing = f"{status.version} {status.state} ({status.front})"
    counts = str(status.sessions), str(status.refused)
    postfix = _HEALTH[status.upstream.healthy]
    return said.gateway, said.time, doing, *counts, postfix, "; ".join(_problems(said))


def _problems(said: GatewayStatus) -> list[str]:
    status = said.status
    named = {
        "reload refused": status.reload_error,
        "records lost": status.records_error,
        "state": status.state_problem,
        "shared records": status.store.records_problem if status.store else None,
    }
    zones = [f"zone {zone.name} {zone.state}" for zone in status.zones if zone.state != "trusted"]
    return [f"{name}: {why}" for name, why in named.items() if why] + zones
