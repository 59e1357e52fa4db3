"""``senderfilter log``: search the records."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import click
import msgspec

from sender_filter.cli import day_records, options, record_words
from sender_filter.cli.record_filter import Wanted, filtered
from sender_filter.cli.tables import Row, for_people, show
from sender_filter.core.networks import Network
from sender_filter.core.records import Record, timestamp


@click.command()
@click.option(
    "--since",
    callback=options.parsed(day_records.when),
    help="From this time on: 2026-11-24T10:00, 2h, 7d.",
)
@click.option("--until", callback=options.parsed(day_records.when), help="Before this time.")
@filtered
@click.option("--details", is_flag=True, help="Show each check, too.")
@options.config_option("The configuration that names the log's directory.")
@options.as_json
def log(
    since: datetime | None,
    until: datetime | None,
    within: list[Network] | None,
    function: str | None,
    action: str | None,
    session: str | None,
    path: Path | None,
    *,
    details: bool,
    json: bool,
) -> None:
    """Search the records of decisions, oldest first."""
    wanted = Wanted(
        within,
        function,
        action,
        session,
        "" if since is None else timestamp(since.timestamp()),
        "9999" if until is None else timestamp(until.timestamp()),
    )
    directory = day_records.directory(path)
    unreadable = 0
    table: list[Row] = []
    for line, record in _records(directory, wanted):
        if record is None:
            unreadable += 1
        elif not wanted.has(record):
            continue
        elif json:
            click.echo(line.rstrip(b"\n").decode())
        elif details:
            click.echo("\n".join(record_words.details(record)))
        elif for_people():
            table.append(record_words.row(record))
        else:
            click.echo(record_words.line(record))
    if table:
        show(record_words.COLUMNS, table, whole=2)
    if unreadable:
        click.echo(f"{unreadable} lines were no records and were skipped", err=True)


def _records(folder: Path, wanted: Wanted) -> Iterator[tuple[bytes, Record | None]]:
    """Each line of the days in question with its record, None where it is not one."""
    decoder = msgspec.json.Decoder(Record)
    for line in day_records.lines(folder, wanted.since, wanted.until):
        try:
            yield line, decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            yield line, None
