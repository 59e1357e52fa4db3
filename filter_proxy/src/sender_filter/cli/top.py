"""``senderfilter top``: who was refused most."""

from datetime import datetime
from pathlib import Path

import click
import msgspec

from sender_filter.cli import day_records, options
from sender_filter.cli.tables import show
from sender_filter.core import statistics
from sender_filter.core.records import timestamp


@click.command()
@click.option(
    "--since", default="7d", show_default=True, callback=options.parsed(day_records.when),
    help="From this time on: 2026-11-24T10:00, 2h, 7d.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(1, 1000), default=10, show_default=True)
@options.config_option("The configuration that names the log's directory.")
@options.as_json
def top(since: datetime, limit: int, path: Path | None, *, json: bool) -> None:
    """Show the addresses that were refused most often."""
    begin = timestamp(since.timestamp())
    lines = day_records.lines(day_records.directory(path), begin)
    found = statistics.top(statistics.decisions(lines, begin), limit)
    if json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        show(("address", "refused", "by", "last"), map(_row, found))


def _row(refused: statistics.Refused) -> tuple[str, ...]:
    by = sorted(refused.functions.items(), key=lambda item: -item[1])
    words = ", ".join(f"{name} {count}" for name, count in by)
    return refused.address, str(refused.count), words, refused.last
