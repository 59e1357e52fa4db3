"""Lists as text, to be carried elsewhere.

=========  =========================================================================
``cidr``   one entry a line, networks in CIDR notation, its comment behind a ``#``
``vendor`` one entry a line, IPv4 networks with a mask (``192.168.2.0:255.255.255.0``),
           as the vendor's console writes them; it knows no comments
``yaml``   items for the variables of role ``sender_filter``, comments inside
=========  =========================================================================
"""

import json
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from sender_filter.core import lists, networks
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network

Format = Literal["cidr", "vendor", "yaml"]

_NO_TEMPLATE = str.maketrans("{}", "()")  # Ansible would take what stands in braces for code
_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"

VARIABLES = {
    "blocked": "sender_filter_blocked",
    "approved": "sender_filter_approved",
    "known_hosts": "sender_filter_known_hosts",
}


class Item(NamedTuple):
    """One entry on its way.

    Attributes:
        entry: Addresses, as ``networks.parse`` reads them, or a domain.
        temporary: Whether a client blocked by it is refused for now.
        comment: Why.
        until: When it ends by itself, as it is to be read; None: never.
    """

    entry: str
    temporary: bool = False
    comment: str = ""
    until: str | None = None


class Problem(NamedTuple):
    """A line that is no entry."""

    line: int
    text: str
    why: str


def cidr(items: Iterable[Item]) -> Iterator[str]:
    """The lines of a list file of this filter; one that ends by itself says so."""
    for item in items:
        flag = " temporary" if item.temporary else ""
        ends = f"until {item.until}" if item.until else ""
        comment = "; ".join(filter(None, (ends, _one_line(item.comment))))
        for text in _networks(item.entry):
            yield f"{text}{flag} # {comment}" if comment else f"{text}{flag}"


def vendor(items: Iterable[Item]) -> Iterator[str]:
    """Lines as the vendor's console writes them."""
    for item in items:
        try:
            found = networks.parse(item.entry)
        except ValueError:
            yield item.entry
            continue
        for network in found:
            yield _with_mask(network)


def yaml(name: str, items: Iterable[Item]) -> Iterator[str]:
    """A variable of role ``sender_filter``; what ends by itself is not to be declared."""
    lines, ending = [], []
    for item in items:
        flag = " temporary" if item.temporary and item.until is None else ""
        comment = _one_line(item.comment).translate(_NO_TEMPLATE)
        text = f"{item.entry}{flag} # {comment}" if comment else f"{item.entry}{flag}"
        quoted = json.dumps(text, ensure_ascii=False)
        if item.until is None:
            lines.append(f"  - {quoted}")
        else:
            ending.append(f"  # ends by itself at {item.until}: {quoted}")
    yield f"{VARIABLES[name]}:" if lines else f"{VARIABLES[name]}: []"
    yield from lines
    yield from ending


def parse(text: str) -> tuple[list[Item], list[Problem]]:
    """Read lines of either of the first two formats.

    Returns:
        The entries, and the lines that are none; a domain is none here.
    """
    items, problems = [], []
    for number, line in enumerate(text.removeprefix(_BOM).splitlines(), 1):
        entry, _, comment = line.partition("#")
        words, temporary = lists.flagged(entry.split())
        if not words:
            continue
        try:
            networks.parse(" ".join(words))
        except ValueError as error:
            problems.append(Problem(number, line.strip(), str(error)))
        else:
            items.append(Item(" ".join(words), temporary, comment.strip()))
    return items, problems


def _networks(entry: str) -> list[str]:
    """An entry in CIDR notation; a range is several, a domain stays as it is."""
    try:
        return [str(network) for network in networks.parse(entry)]
    except ValueError:
        return [entry]


def _with_mask(network: Network) -> str:
    host_bits = BITS[network.version] - network.prefix
    if network.version == 6 or not host_bits:
        return str(network)
    mask = Address(4, (1 << 32) - (1 << host_bits))
    return f"{Address(4, network.value)}:{mask}"


def _one_line(text: str) -> str:
    """A comment from outside, which must not begin another line."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
