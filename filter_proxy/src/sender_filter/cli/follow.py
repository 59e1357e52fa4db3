"""``senderfilter follow``: decisions as they are made."""

import time
from pathlib import Path

import click
import msgspec

from sender_filter.cli import options, record_words
from sender_filter.cli.record_filter import Wanted, filtered
from sender_filter.core.networks import Network
from sender_filter.io.messages import MOST_ROWS, Request
from sender_filter.io.messages.records import GatewayRecord, Records
from sender_filter.io.record_reader import NOW

_PAUSE_SECONDS = 0.5


@click.command()
@filtered
@click.option("--fleet", is_flag=True, help="Those of all gateways that share state.")
@options.config_option("The configuration that the filter runs with.")
@options.as_json
def follow(
    within: list[Network] | None,
    function: str | None,
    action: str | None,
    session: str | None,
    path: Path | None,
    *,
    fleet: bool,
    json: bool,
) -> None:
    """Show records as they are written, until you stop it."""
    wanted = Wanted(within, function, action, session)
    cursor = NOW
    while True:
        request = Request("records", cursor=cursor, limit=MOST_ROWS, fleet=fleet)
        answer = options.ask(path, request)
        if not isinstance(answer, Records):
            return
        for each in answer.records:
            if wanted.has(each.record):
                click.echo(_line(each, fleet=fleet, json=json))
        cursor = answer.cursor
        if not answer.more:
            time.sleep(_PAUSE_SECONDS)


def _line(seen: GatewayRecord, *, fleet: bool, json: bool) -> str:
    if json:
        return msgspec.json.encode(seen).decode()
    gateway = f"{options.plain(seen.gateway)} " if fleet else ""
    return f"{gateway}{record_words.line(seen.record)}"
