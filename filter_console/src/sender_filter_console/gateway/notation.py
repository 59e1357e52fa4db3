"""Lists as text: what is read in, and the three forms in which they are written out."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from sender_filter.core import networks
from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter_console.interface import Entry, ExportFormat

COMMENT = "#"
_V4_BITS = 32


class Line(NamedTuple):
    """A line of a text that is imported; ``problem``: why it is left out."""

    number: int
    entry: str
    comment: str
    problem: str | None


def lines(text: str) -> Iterator[Line]:
    """Each entry of a text; empty lines and comments are none."""
    for number, line in enumerate(text.splitlines(), 1):
        words, _, comment = line.partition(COMMENT)
        if words.strip():
            yield _line(number, words.strip(), comment.strip())


def _line(number: int, entry: str, comment: str) -> Line:
    try:
        networks.parse(entry)
    except ValueError as error:
        return Line(number, entry, comment, str(error))
    return Line(number, entry, comment, None)


def written(entries: Iterable[Entry], form: ExportFormat, key: str) -> str:
    """Entries as text.

    Args:
        entries: What is written.
        form: ``cidr`` or ``vendor``: an entry a line; ``yaml``: for the inventory.
        key: The variable of the inventory.
    """
    return _yaml(entries, key) if form == "yaml" else _plain(entries, form)


def _plain(entries: Iterable[Entry], form: ExportFormat) -> str:
    write: Callable[[Network], str] = vendor if form == "vendor" else str
    rows = [
        network + (f"  {COMMENT} {_one_line(entry.comment)}" if entry.comment else "")
        for entry in entries
        for network in _networks(entry.network, write)
    ]
    return "".join(f"{row}\n" for row in rows)


def _networks(text: str, write: Callable[[Network], str]) -> list[str]:
    """A range has no form of its own there; a domain stays what it is."""
    try:
        return [write(network) for network in networks.parse(text)]
    except ValueError:
        return [text]


def vendor(network: Network) -> str:
    """A network as the vendor's console writes it: a mask for IPv4."""
    if network.version != 4 or network.prefix == _V4_BITS:
        return str(network)
    mask = (1 << _V4_BITS) - (1 << (_V4_BITS - network.prefix))
    return f"{Address(4, network.value)}:{Address(4, mask)}"


def _yaml(entries: Iterable[Entry], key: str) -> str:
    rows = [_item(entry) for entry in entries]
    nothing = all(COMMENT in row.partition('"')[0] for row in rows)
    return f"{key}:{' []' if nothing else ''}\n" + "".join(rows)


def _item(entry: Entry) -> str:
    """What ends by itself is shown, but is nothing to declare."""
    notes = [entry.who or entry.maker or "", entry.comment]
    if entry.since is not None:
        notes.append(f"since {entry.since:%Y-%m-%d}")
    if entry.until is not None:
        notes.append(f"until {entry.until:%Y-%m-%d %H:%M} UTC")
    note = _one_line(", ".join(filter(None, notes)))
    dash = "  # - " if entry.until is not None else "  - "
    return f"{dash}{json.dumps(entry.network)}" + (f"  {COMMENT} {note}\n" if note else "\n")


def _one_line(text: str) -> str:
    """A comment ends with its line, whatever an operator or a stranger has put into it."""
    return "".join(each if each.isprintable() else " " for each in text)
