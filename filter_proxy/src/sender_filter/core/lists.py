"""A list of addresses: read from lines, looked up in microseconds.

For each prefix length that occurs there is a table from the network's leading bits to where the
entry came from. A look-up asks one table after the other, longest prefix first: of several entries
that match, the narrowest one decides, and of two equal ones the first.

A table is many dicts, and the leading bits tell which. A single one of half a million entries keeps
everybody else waiting for some 50 ms when it grows, and for 20 ms when it is thrown away.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sender_filter.core import networks
from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network

_DOMAIN = re.compile(
    r"(?=.{4,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])",
    re.ASCII | re.IGNORECASE,
)
"""A name (RFC 1123 section 2.1); its last label begins with a letter, as no address does."""

_FLAGS = {"permanent": False, "temporary": True}
_DICTS = 61
"""How many a table has: a prime number, for which no pattern in addresses makes a difference."""

Table = list[dict[int, int]]

_LINE_BITS = 48  # of a place; the bits above are the file's number


class ListError(ValueError):
    """A line of a list cannot be read; the message names file and line."""


class Match(NamedTuple):
    """The entry that an address was found under."""

    network: str
    file: str
    line: int
    temporary: bool

    def __str__(self) -> str:
        """The entry and where it is written, for people."""
        return f"{self.network} ({self.file}:{self.line})"


class Domain(NamedTuple):
    """A domain name on a list: it stands for the addresses that it has now.

    Attributes:
        name: The name, in small letters.
        file: Where it is written.
        line: On which line.
        temporary: Whether the word follows it.
    """

    name: str
    file: str
    line: int
    temporary: bool


def flagged(words: list[str]) -> tuple[list[str], bool]:
    """The words of an entry without its flag, and whether that is ``temporary``."""
    if len(words) > 1 and words[-1] in _FLAGS:
        return words[:-1], _FLAGS[words[-1]]
    return words, False


class AddressList:
    """The entries of one list, of any number of files.

    Attributes:
        entries: How many there are.
        domains: Those that are names; whoever looks them up makes a list of what he finds.
    """

    def __init__(self) -> None:
        """Start with no entry."""
        self.entries = 0
        self.domains: list[Domain] = []
        self._files: list[str] = []
        # version -> prefix length -> leading bits -> packed origin. An origin is one integer
        # and not an object: half a million of them must fit into little memory.
        self._tables: dict[int, dict[int, Table]] = {4: {}, 6: {}}
        self._search: dict[int, list[tuple[int, Table]]] = {4: [], 6: []}

    def read(self, file: str, lines: Iterable[str], *, flags: bool) -> None:
        """Add the entries of one file.

        Args:
            file: The file's name, for messages and matches.
            lines: Its lines; ``#`` starts a comment, blank lines are skipped.
            flags: Whether ``permanent`` or ``temporary`` may follow an entry.

        Raises:
            ListError: A line cannot be read. The list must then be thrown away.
        """
        self._files.append(file)
        number = 0
        try:
            for number, line in enumerate(lines, 1):
                if entry := line.partition("#")[0].split():
                    self._add(entry, number, flags=flags)
        except ValueError as error:
            msg = f"{file}:{number}: {error}"
            raise ListError(msg) from None
        self._sort()

    def put(self, found: Mapping[Domain, Iterable[Address]]) -> None:
        """Add the addresses that domains have, each under the line that names the domain."""
        for domain, addresses in found.items():
            if domain.file not in self._files:
                self._files.append(domain.file)
            origin = self._origin(domain.line, self._files.index(domain.file), domain.temporary)
            for address in addresses:
                self._set(Network(*address, BITS[address.version]), origin)
                self.entries += 1
        self._sort()

    def _sort(self) -> None:
        self._search = {version: self._in_order(version) for version in self._tables}

    def find(self, address: Address) -> Match | None:
        """The narrowest entry that holds the address, if there is one."""
        value = address.value
        for shift, table in self._search[address.version]:
            bits = value >> shift
            origin = table[bits % _DICTS].get(bits)
            if origin is not None:
                network = Network(address.version, bits << shift, BITS[address.version] - shift)
                return self._match(network, origin)
        return None

    def parts(self) -> list[dict[int, int]]:
        """All that it consists of, for who lets go of it piece by piece."""
        tables = (table for each in self._tables.values() for table in each.values())
        return [part for table in tables for part in table]

    def touching(self, wanted: Iterable[Network], after: int, most: int) -> list[tuple[int, Match]]:
        """The entries that hold some networks or lie in them, in the order of files and lines.

        Args:
            wanted: The networks.
            after: Only those behind this place; -1: from the first one on.
            most: So many at most.

        Returns:
            Each entry, and before it its place.
        """
        found: dict[int, tuple[int, int, int, int]] = {}
        for network in wanted:
            for each in self._touching(network):
                origin = each[3]
                place = (origin & 0xFF) << _LINE_BITS | origin >> 9
                if place > after:
                    found[place] = each
        # Not sorted() and not all at once: of half a million the loop would notice it.
        first = heapq.nsmallest(most, found)
        return [(place, self._match_of(*found[place])) for place in first]

    def _touching(self, network: Network) -> Iterator[tuple[int, int, int, int]]:
        """IP version, shift, leading bits and origin of each of them."""
        version = network.version
        for shift, table in self._search[version]:
            prefix, value = BITS[version] - shift, network.value >> shift
            if prefix <= network.prefix:
                origin = table[value % _DICTS].get(value)
                if origin is not None:
                    yield version, shift, value, origin
                continue
            inside = prefix - network.prefix
            head = value >> inside
            yield from (
                (version, shift, key, origin)
                for part in table
                for key, origin in part.items()
                if key >> inside == head
            )

    def _match_of(self, version: int, shift: int, value: int, origin: int) -> Match:
        return self._match(Network(version, value << shift, BITS[version] - shift), origin)

    def _add(self, words: list[str], line: int, *, flags: bool) -> None:
        if words[-1] in _FLAGS and not flags:
            msg = f"{words[-1]!r} has no meaning on an approved list: remove the word"
            raise ValueError(msg)
        words, temporary = flagged(words)
        text = " ".join(words)
        if _DOMAIN.fullmatch(text):
            self.domains.append(Domain(text.lower(), self._files[-1], line, temporary))
        else:
            origin = self._origin(line, len(self._files) - 1, temporary)
            for network in networks.parse(text):
                self._set(network, origin)
        self.entries += 1

    @staticmethod
    def _origin(line: int, file: int, temporary: bool) -> int:
        return (line << 1 | temporary) << 8 | file

    def _set(self, network: Network, origin: int) -> None:
        bits = BITS[network.version]
        tables = self._tables[network.version]
        if network.prefix not in tables:
            tables[network.prefix] = [{} for _ in range(_DICTS)]
        leading = network.value >> (bits - network.prefix)
        tables[network.prefix][leading % _DICTS].setdefault(leading, origin)

    def _in_order(self, version: int) -> list[tuple[int, Table]]:
        """The tables of one IP version, longest prefix first, with the shift to reach them."""
        tables = self._tables[version]
        return [(BITS[version] - prefix, tables[prefix]) for prefix in sorted(tables, reverse=True)]

    def _match(self, network: Network, origin: int) -> Match:
        line, temporary = origin >> 9, bool(origin >> 8 & 1)
        return Match(str(network), self._files[origin & 0xFF], line, temporary)
