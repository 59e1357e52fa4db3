"""``senderfilter lists``: what is on the lists, declared and at run time."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import msgspec

from sender_filter.cli import options
from sender_filter.cli.tables import show
from sender_filter.io.messages import MOST_ROWS, Request
from sender_filter.io.messages.lists import Found, ListEntry, ListName, Origin
from sender_filter.io.messages.status import Status

ORIGINS: dict[str | None, Origin | None] = {
    None: None,
    "declared": "declared",
    "run-time": "run time",
}

only_list = click.option(
    "--list", "name", type=click.Choice(get_args(ListName)), help="Only this list."
)
only_origin = click.option(
    "--origin",
    type=click.Choice([name for name in ORIGINS if name]),
    help="Only what is declared, or made at run time.",
)


@click.group(invoke_without_command=True)
@click.pass_context
def lists(context: click.Context) -> None:
    """Show how long the lists are; ``search`` looks into them."""
    if context.invoked_subcommand is not None:
        return
    answer = options.ask(None, Request("status"))
    if isinstance(answer, Status):
        rows = [
            ("blocked", str(answer.blocked.entries), ", ".join(answer.blocked.files)),
            ("approved", str(answer.approved.entries), ", ".join(answer.approved.files)),
            ("at run time", str(answer.entries), "blocks, approvals, and what was taken back"),
            ("known hosts", str(answer.known_hosts), "at run time, and what was taken back"),
        ]
        show(("list", "entries", "where"), rows)


@lists.command()
@click.argument("text", default="")
@only_list
@only_origin
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@options.config_option("The configuration that the filter runs with.")
@options.as_json
def search(
    text: str,
    name: ListName | None,
    origin: str | None,
    limit: int,
    path: Path | None,
    *,
    json: bool,
) -> None:
    """Find entries: those that hold an address or lie in a network, or have TEXT in them.

    Comments are looked through, too.
    """
    request = Request("search", text=text, list=name, origin=ORIGINS[origin])
    entries = list(entries_of(request, limit + 1, path))
    shown = entries[:limit]
    if json:
        click.echo(msgspec.json.encode(shown).decode())
    else:
        show(("list", "entry", "where", "until", "comment"), map(_row, shown), whole=2)
    if len(entries) > limit:
        click.echo(f"There are more than {limit}: see --limit", err=True)


def entries_of(request: Request, most: int, path: Path | None) -> Iterator[ListEntry]:
    """The entries that a request finds, page by page."""
    cursor: str | None = ""
    while cursor is not None and most > 0:
        limit = min(most, MOST_ROWS)
        answer = options.ask(path, msgspec.structs.replace(request, cursor=cursor, limit=limit))
        if not isinstance(answer, Found):
            return
        yield from answer.entries
        most -= len(answer.entries)
        cursor = answer.cursor


def _row(entry: ListEntry) -> tuple[str, ...]:
    if entry.origin == "declared":
        where = f"{entry.file}:{entry.line}"
        until = "temporary" if entry.temporary else ""
    else:
        where = f"run time, {entry.author or entry.who}, {entry.since}"
        until = entry.until or "for good"
    return entry.list, entry.entry, where, until, entry.comment
