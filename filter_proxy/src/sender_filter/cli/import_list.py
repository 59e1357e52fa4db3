"""``senderfilter import``: entries from a file, at run time."""

from collections import Counter
from pathlib import Path
from typing import Literal, TextIO

import click

from sender_filter.cli import options
from sender_filter.cli.orders import span
from sender_filter.core import list_formats
from sender_filter.core.list_formats import Item
from sender_filter.io.messages import Failure, Request
from sender_filter.io.messages.lists import ListName

MOST_ENTRIES = 10_000
"""More are to be declared: an entry at run time costs more than a line of a file."""

_ORDERS: dict[ListName, Literal["block", "approve", "know"]] = {
    "blocked": "block",
    "approved": "approve",
    "known_hosts": "know",
}


@click.command("import")
@click.option(
    "--list", "name", type=click.Choice(list(_ORDERS)), required=True, help="To which list."
)
@click.argument("file", type=click.File(encoding="utf-8", errors="replace"))
@click.option("--for", "seconds", callback=options.parsed(span), help="30m, 2h, 7d.")
@click.option("--comment", default="", help="Why, for entries that have no comment of their own.")
@click.option("--check", is_flag=True, help="Only say what would be done.")
@options.config_option("The configuration that the filter runs with.")
def command(
    name: ListName,
    file: TextIO,
    seconds: float | None,
    comment: str,
    path: Path | None,
    *,
    check: bool,
) -> None:
    """Add the entries of FILE, or with - of standard input, at run time.

    One a line: an address, a network in CIDR notation or with a mask as the vendor's console has
    it, or a range; a comment behind a #. Lines that are no entries, domains among them, are named
    and left out; then the exit code is 1.
    """
    items, problems = list_formats.parse(file.read())
    if len(items) > MOST_ENTRIES:
        msg = f"{len(items)} entries are too many at run time: declare them (sender_filter_{name})"
        raise click.ClickException(msg)
    requests = [_request(each, name, seconds, comment) for each in items]
    answers = [] if check else options.ask_all(path, requests)
    failures = [each.error for each in answers if isinstance(each, Failure)]
    for problem in problems:
        text = options.plain(problem.text)
        click.echo(f"line {problem.line}: {text}: {options.plain(problem.why)}", err=True)
    for failure, count in Counter(failures).items():
        click.echo(f"{count} times: {options.plain(failure)}", err=True)
    verb = "would be" if check else "are"
    click.echo(f"{len(items) - len(failures)} entries {verb} {name.replace('_', ' ')}")
    if problems or failures:
        raise SystemExit(1)


def _request(item: Item, name: ListName, seconds: float | None, comment: str) -> Request:
    words = (item.comment or comment)[:500]
    return Request(_ORDERS[name], item.entry, seconds, words, author=options.author())
