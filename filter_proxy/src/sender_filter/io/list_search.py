"""Searches the lists: what is declared in files, and what was made at run time.

An address or a network is looked up in what is in force: found is each entry that holds it, or lies
in it. Anything else is a text, looked for in the entries and their comments as they are written.
All of it is done by a thread, on lists that nobody alters (``Policy``) and on a copy of the entries
made at run time.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

from sender_filter.core import networks
from sender_filter.core.lists import AddressList, Match, flagged
from sender_filter.core.networks import Network
from sender_filter.core.received import source
from sender_filter.core.records import timestamp
from sender_filter.core.runtime_lists import Entry, Kind
from sender_filter.core.subject import Sender, holds
from sender_filter.io import list_scan
from sender_filter.io.list_scan import Line, Position
from sender_filter.io.messages import Request
from sender_filter.io.messages.lists import Found, ListEntry, ListName
from sender_filter.settings import loading
from sender_filter.settings.loading import Settings
from sender_filter.settings.reading import ConfigError

Rows = tuple[list[ListEntry], str | None]
"""Some entries, and where the same source goes on; None: it has no more."""

_LIST_OF: dict[Kind, ListName] = {
    "block": "blocked",
    "approval": "approved",
    "known": "known_hosts",
}


class Snapshot(NamedTuple):
    """What is searched.

    Attributes:
        settings: The lists in force.
        entries: Those made at run time, the oldest first.
        now: Seconds since the epoch.
    """

    settings: Settings
    entries: Sequence[Entry]
    now: float


class _Source(Protocol):
    """A part of what is searched, in a fixed order."""

    def page(self, place: str, most: int) -> Rows:
        """At most so many entries from a place on, which is empty at the beginning.

        Raises:
            ValueError: There is no such place.
        """


def search(snapshot: Snapshot, request: Request) -> Found:
    """A page of the entries that are asked for.

    Raises:
        ValueError: The cursor is none, or is of no use any more.
    """
    sources = list(_sources(snapshot, request))
    number, place = _read_cursor(request.cursor, len(sources))
    found: list[ListEntry] = []
    for each in range(number, len(sources)):
        rows, next_place = sources[each].page(place, request.limit - len(found))
        found += rows
        if next_place is not None:
            return Found(found, f"{each}/{next_place}")
        if len(found) == request.limit and each + 1 < len(sources):
            return Found(found, f"{each + 1}/")
        place = ""
    return Found(found, None)


def _read_cursor(cursor: str, sources: int) -> tuple[int, str]:
    if not cursor:
        return 0, ""
    number, slash, place = cursor.partition("/")
    if not slash or not number.isdecimal() or int(number) >= sources:
        msg = f"{cursor!r} is no cursor of this search"
        raise ValueError(msg)
    return int(number), place


def _sources(snapshot: Snapshot, request: Request) -> Iterator[_Source]:
    within = _networks(request.text)
    if request.origin != "declared":
        yield _AtRunTime(snapshot, request, within)
    if request.origin == "run time":
        return
    settings = snapshot.settings
    for each in _declared(settings):
        if request.list not in (None, each.list):
            continue
        if within is not None:
            yield from (_Holding(each, table, within) for table in each.tables)
            continue
        for file in each.files:
            yield _Written(each.list, file, request.text)


def _networks(text: str) -> list[Network] | None:
    """The networks that a text stands for; None if it is none."""
    try:
        return networks.parse(text.strip())
    except ValueError:
        return None


class _File(NamedTuple):
    """A list as it is written.

    Attributes:
        name: What it is called.
        open: Opens it.
        state: What changes when it does.
    """

    name: str
    open: Callable[[], BinaryIO]
    state: Callable[[], str]


class _Declared(NamedTuple):
    """A list that is declared: what is in force, and how it is written."""

    list: ListName
    tables: Sequence[AddressList]
    files: Sequence[_File]


def _declared(settings: Settings) -> Iterator[_Declared]:
    policy, config, folder = settings.policy, settings.config, settings.path.parent
    blocked = [_on_disk(folder / name) for name in config.lists.blocked]
    approved = [_on_disk(folder / name) for name in config.lists.approved]
    yield _Declared("blocked", (policy.blocked, policy.names_blocked), blocked)
    yield _Declared("approved", (policy.approved, policy.names_approved), approved)
    hosts = config.known_hosts
    texts = [
        _in_memory("known by default", source.KNOWN_BY_DEFAULT),
        _in_memory("known_hosts.networks", hosts.networks),
        _in_memory("known_hosts.cloud_prefilter_networks", hosts.cloud_prefilter_networks),
    ]
    yield _Declared("known_hosts", (policy.known or _not_in_force(settings),), texts)


def _not_in_force(settings: Settings) -> AddressList:
    """The known hosts of a function that is off; nobody has minded what is written there."""
    try:
        return loading.known_hosts(settings.path, settings.config.known_hosts)
    except ConfigError:
        return AddressList()


def _on_disk(path: Path) -> _File:
    return _File(str(path), lambda: path.open("rb"), lambda: str(path.stat().st_mtime_ns))


def _in_memory(name: str, entries: Sequence[str]) -> _File:
    content = "\n".join(entries).encode()
    return _File(name, lambda: io.BytesIO(content), lambda: str(len(content)))


Item = TypeVar("Item")


def _slice(items: Sequence[Item], place: str, most: int) -> tuple[list[Item], str | None]:
    """Some of the items from a place on, which is the number of the first."""
    start = _number(place, 0)
    end = start + most
    return list(items[start:end]), str(end) if end < len(items) else None


def _number(place: str, beginning: int) -> int:
    if place and not place.isdecimal():
        msg = f"{place!r} is no place in a list"
        raise ValueError(msg)
    return int(place) if place else beginning


class _AtRunTime(NamedTuple):
    """What was made at run time, the newest first. A place is a number."""

    snapshot: Snapshot
    request: Request
    within: list[Network] | None

    def page(self, place: str, most: int) -> Rows:
        wanted = [each for each in reversed(self.snapshot.entries) if self._is_wanted(each)]
        wanted.sort(key=lambda entry: -entry.since)
        rows, next_place = _slice(wanted, place, most)
        return [_at_run_time(each) for each in rows], next_place

    def _is_wanted(self, entry: Entry) -> bool:
        if entry.is_removal or entry.until <= self.snapshot.now:
            return False
        if self.request.list not in (None, _LIST_OF[entry.kind]):
            return False
        if self.within is None:
            text = self.request.text.lower()
            fields = (str(entry.network), entry.comment, entry.author, entry.who)
            return any(text in field.lower() for field in fields)
        return not isinstance(entry.network, Sender) and _touches(entry.network, self.within)


class _Holding(NamedTuple):
    """The entries that hold some networks or lie in them. A place is that of an entry."""

    declared: _Declared
    table: AddressList
    within: list[Network]

    def page(self, place: str, most: int) -> Rows:
        found = self.table.touching(self.within, _number(place, -1), most + 1)
        rows = [match for _, match in found[:most]]
        return list(self._written(rows)), str(found[most - 1][0]) if len(found) > most else None

    def _written(self, matches: Sequence[Match]) -> Iterator[ListEntry]:
        """The entries as they are written; a file may have changed since it was read."""
        texts: dict[str, dict[int, Line]] = {}
        for file in self.declared.files:
            numbers = {match.line for match in matches if match.file == file.name}
            if numbers:
                with file.open() as opened:
                    texts[file.name] = list_scan.lines(opened, numbers)
        for match in matches:
            line = texts.get(match.file, {}).get(match.line)
            if line is None:
                line = Line(match.line, match.network, "")
            yield _as_written(self.declared.list, match.file, line)


class _Written(NamedTuple):
    """The entries of a file that contain a text. A place is an offset, a line, and a state."""

    list: ListName
    file: _File
    text: str

    def page(self, place: str, most: int) -> Rows:
        state = self.file.state()
        with self.file.open() as opened:
            found, after = list_scan.scan(opened, self.text, _position(place, state), most)
        rows = [_as_written(self.list, self.file.name, line) for line in found]
        return rows, None if after is None else f"{after.offset}:{after.line}:{state}"


def _position(place: str, state: str) -> Position:
    if not place:
        return Position()
    words = place.split(":")
    if len(words) != 3 or not all(word.isdecimal() for word in words):
        msg = f"{place!r} is no place in a list"
        raise ValueError(msg)
    if words[2] != state:
        msg = "the list has changed meanwhile: search again"
        raise ValueError(msg)
    return Position(int(words[0]), int(words[1]))


def _touches(network: Network, within: Sequence[Network]) -> bool:
    return any(holds(network, each) or holds(each, network) for each in within)


def _at_run_time(entry: Entry) -> ListEntry:
    return ListEntry(
        list=_LIST_OF[entry.kind],
        origin="run time",
        entry=str(entry.network),
        comment=entry.comment,
        temporary=entry.kind == "block" and not entry.permanent,
        who=entry.who,
        author=entry.author,
        since=timestamp(entry.since),
        until=None if entry.permanent else timestamp(entry.until),
    )


def _as_written(name: ListName, file: str, line: Line) -> ListEntry:
    words, temporary = flagged(line.entry.split())
    return ListEntry(
        list=name,
        origin="declared",
        entry=" ".join(words),
        comment=line.comment,
        temporary=temporary,
        file=file,
        line=line.number,
    )
