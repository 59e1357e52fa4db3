"""``senderfilter export``: lists as text, for elsewhere or for the inventory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import get_args

import click

from sender_filter.cli import options
from sender_filter.cli.lists import ORIGINS, entries_of, only_list, only_origin
from sender_filter.core import list_formats
from sender_filter.core.list_formats import Format, Item
from sender_filter.io.messages import Request
from sender_filter.io.messages.lists import ListEntry, ListName

_MOST = 10_000_000
_OWN_KNOWN_HOSTS = "known_hosts.networks"
"""Known hosts by default, and those of a pre-filter in the cloud, are declared elsewhere."""

_LINES: dict[str, Callable[[Iterable[Item]], Iterator[str]]] = {
    "cidr": list_formats.cidr,
    "vendor": list_formats.vendor,
}


@click.command()
@click.option(
    "--format", "form", type=click.Choice(get_args(Format)), default="cidr", show_default=True,
    help="Lines in CIDR notation, lines as the vendor's console has them, or inventory variables.",
)  # fmt: skip
@only_list
@only_origin
@options.config_option("The configuration that the filter runs with.")
def export(form: Format, name: ListName | None, origin: str | None, path: Path | None) -> None:
    """Print lists. What a function has blocked by itself is left out, as it ends by itself.

    With ``--format yaml --origin run-time`` what operators have said at run time is ready to be
    declared: add it to the lists in the inventory.
    """
    if name is None and form != "yaml":
        msg = "a file holds one list: say which"
        raise click.UsageError(msg)
    for each in (name,) if name else get_args(ListName):
        entries = entries_of(Request("search", list=each, origin=ORIGINS[origin]), _MOST, path)
        if form == "yaml":
            lines = list_formats.yaml(each, _items(filter(_is_of_variable, entries)))
        else:
            lines = _LINES[form](_items(entries))
        for line in lines:
            click.echo(line)


def _is_of_variable(entry: ListEntry) -> bool:
    """Whether the inventory's variable of its list is where an entry belongs."""
    if entry.list != "known_hosts" or entry.origin == "run time":
        return True
    return entry.file == _OWN_KNOWN_HOSTS


def _items(entries: Iterable[ListEntry]) -> Iterator[Item]:
    for entry in entries:
        if entry.origin == "declared":
            yield Item(entry.entry, entry.temporary, entry.comment)
        elif entry.who == "operator":
            yield Item(entry.entry, entry.temporary, _said(entry), entry.until)


def _said(entry: ListEntry) -> str:
    """Who has said it when, and why."""
    day = (entry.since or "")[:10]
    who = " ".join(filter(None, (entry.author, day)))
    return ": ".join(filter(None, (who, entry.comment)))
