"""``senderfilter chart``: decisions over time."""

import time
from datetime import datetime
from pathlib import Path

import click
import msgspec

from sender_filter.cli import day_records, options
from sender_filter.cli.tables import show
from sender_filter.core import statistics
from sender_filter.core.records import timestamp
from sender_filter.core.statistics import Slot

_BAR = 40


@click.command()
@click.option(
    "--since", default="24h", show_default=True, callback=options.parsed(day_records.when),
    help="From this time on: 2026-11-24T10:00, 2h, 7d.",
)  # fmt: skip
@click.option("--slots", type=click.IntRange(1, 500), default=24, show_default=True)
@options.config_option("The configuration that names the log's directory.")
@options.as_json
def chart(since: datetime, slots: int, path: Path | None, *, json: bool) -> None:
    """Show how many were let pass and how many were refused, over time."""
    start, end = since.timestamp(), time.time()
    if start >= end:
        msg = "the time is not past"
        raise click.BadParameter(msg, param_hint="--since")
    begin = timestamp(start)
    lines = day_records.lines(day_records.directory(path), begin)
    found = statistics.chart(statistics.decisions(lines, begin), start, end, slots)
    if json:
        click.echo(msgspec.json.encode(found).decode())
        return
    most = max(each.passed + each.refused for each in found)
    heads = ("from", "passed", "for now", "for good", "# refused, - passed")
    show(heads, (_row(each, most) for each in found))


def _row(slot: Slot, most: int) -> tuple[str, ...]:
    refused = _length(slot.refused, most)
    bar = "#" * refused + "-" * (_length(slot.passed + slot.refused, most) - refused)
    return slot.start, str(slot.passed), str(slot.temporary), str(slot.permanent), bar


def _length(count: int, most: int) -> int:
    """What little there is shows."""
    return -(-count * _BAR // most) if most else 0
