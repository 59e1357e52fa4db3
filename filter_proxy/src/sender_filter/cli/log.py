"""``senderfilter log``: search the records."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, get_args

import click
import msgspec

from sender_filter.cli import options, record_words
from sender_filter.cli.tables import Row, for_people, show
from sender_filter.core import networks
from sender_filter.core.networks import Network
from sender_filter.core.records import Action, Function, Record, timestamp
from sender_filter.core.subject import holds
from sender_filter.io import day_files

_AGO = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _when(text: str) -> datetime:
    """A point in time: ``2026-11-24T10:00`` (UTC unless it says otherwise) or ``2h`` ago.

    Raises:
        ValueError: It is neither.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        msg = f"{text!r} is neither a time such as 2026-11-24T10:00 nor an age such as 2h or 7d"
        raise ValueError(msg) from None
    return when if when.tzinfo is not None else when.replace(tzinfo=UTC)


class _Wanted(NamedTuple):
    """What a record must be like to be shown."""

    since: str
    until: str
    within: list[Network] | None
    function: str | None
    action: str | None

    def has(self, record: Record) -> bool:
        """Whether the record is one of those; how a session ended has no function or action."""
        if not self.since <= record.time < self.until:
            return False
        if self.function is not None and self.function != getattr(record, "function", None):
            return False
        if self.action is not None and self.action != getattr(record, "action", None):
            return False
        return self.within is None or _is_within(record.address, self.within)


@click.command()
@click.option(
    "--since", callback=options.parsed(_when), help="From this time on: 2026-11-24T10:00, 2h, 7d."
)
@click.option("--until", callback=options.parsed(_when), help="Before this time.")
@click.option(
    "--ip", "within", callback=options.parsed(networks.parse), help="Only this address or network."
)
@click.option("--function", type=click.Choice(get_args(Function)), help="Only what it decided.")
@click.option("--action", type=click.Choice(get_args(Action)), help="Only this outcome.")
@options.config_option("The configuration that names the log's directory.")
@options.as_json
def log(
    since: datetime | None,
    until: datetime | None,
    within: list[Network] | None,
    function: str | None,
    action: str | None,
    path: Path | None,
    *,
    json: bool,
) -> None:
    """Search the records of decisions, oldest first."""
    wanted = _Wanted(
        since="" if since is None else timestamp(since.timestamp()),
        until="9999" if until is None else timestamp(until.timestamp()),
        within=within,
        function=function,
        action=action,
    )
    directory = Path(read_directory(path))
    unreadable = 0
    table: list[Row] = []
    for line, record in _records(directory, wanted):
        if record is None:
            unreadable += 1
        elif not wanted.has(record):
            continue
        elif json:
            click.echo(line.rstrip(b"\n").decode())
        elif for_people():
            table.append(record_words.row(record))
        else:
            click.echo(record_words.line(record))
    if table:
        show(record_words.COLUMNS, table, whole=2)
    if unreadable:
        click.echo(f"{unreadable} lines were no records and were skipped", err=True)


def read_directory(path: Path | None) -> str:
    """Where the records are.

    Raises:
        ClickException: The configuration cannot be used, or the directory not be read.
    """
    directory = options.read_config(path).log.directory
    try:
        next(Path(directory).iterdir(), None)
    except OSError as error:
        msg = f"log.directory: {directory}: {error.strerror}"
        raise click.ClickException(msg) from None
    return directory


def _records(directory: Path, wanted: _Wanted) -> Iterator[tuple[bytes, Record | None]]:
    """Each line of the days in question with its record, None where it is not one."""
    decoder = msgspec.json.Decoder(Record)
    for day, file in day_files.days(directory):
        if not wanted.since[:10] <= day.isoformat() <= wanted.until[:10]:
            continue
        with file.open("rb") as lines:
            for line in lines:
                if line == b"\n":
                    continue
                try:
                    yield line, decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError):
                    yield line, None


def _is_within(text: str, within: list[Network]) -> bool:
    """Whether an address, or any of a network, is one of those asked for."""
    try:
        found = networks.parse(text)
    except ValueError:  # the sender that throttling has blocked
        return False
    return any(holds(outer, each) or holds(each, outer) for each in found for outer in within)
