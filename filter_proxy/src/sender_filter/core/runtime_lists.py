"""Entries that are made while the filter runs, by an operator or by a rule.

One list is of clients, with blocks and approvals; another one is of known hosts (F4), which
operators alone add. They have nothing to do with each other: a relay may be known and approved.

For each network and each maker (operator, profiler, throttling) there is one entry, and of two
versions of it the later one counts; throttling blocks envelope senders too, by the same rules. So
it does not matter in which order gateways that were apart learn of each other's entries. A removal
is an entry too, kept for a month: without it a gateway that was away would bring the block back.
Clocks must agree to within a second or so (NTP).
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from sender_filter.core.addresses import BITS, Address
from sender_filter.core.networks import Network
from sender_filter.core.subject import Sender, holds

Who = Literal["operator", "profiler", "throttling"]
Kind = Literal["block", "approval", "removal", "known", "known removal"]

MAKERS: tuple[Who, ...] = ("operator", "profiler", "throttling")
"""Who makes entries of clients; known hosts are operators' alone."""

MOST_ENTRIES = 100_000
MOST_KNOWN = 10_000
"""Most known hosts; the configuration takes no more of them either."""

REMOVAL_SECONDS = 30 * 86_400.0
FOR_EVER = float("inf")


class FullError(ValueError):
    """There is no room for another entry of an operator's."""


class Entry(NamedTuple):
    """One entry.

    Attributes:
        network: The addresses it is about; of a block by throttling also an envelope sender.
        who: Who made it.
        since: When, seconds since the epoch.
        kind: What it says.
        until: When it is over; infinity: never.
        comment: Why, for people; of a rule's block, its name and figures.
        author: The operator's name, as far as it is known.
    """

    network: Network | Sender
    who: Who
    since: float
    kind: Kind
    until: float = FOR_EVER
    comment: str = ""
    author: str = ""

    def __str__(self) -> str:
        """The entry and who has made it, for people."""
        return f"{self.network} ({self.who}: {self.comment or 'no comment'})"

    @property
    def permanent(self) -> bool:
        """Whether the entry has no end: a client blocked by it gets 554 and not 421."""
        return self.until == FOR_EVER

    @property
    def is_of_known_hosts(self) -> bool:
        """Whether it is of the list of known hosts, and not of that of clients."""
        return self.kind in ("known", "known removal")

    @property
    def is_removal(self) -> bool:
        """Whether it says that another one no longer holds."""
        return self.kind in ("removal", "known removal")

    @property
    def slot(self) -> str:
        """What tells apart the entries of one network: the list, and of clients the maker."""
        return "known_hosts" if self.is_of_known_hosts else self.who


class BlockStarted(NamedTuple):
    """A network is blocked from now on; to be recorded."""

    entry: Entry


class BlockStopped(NamedTuple):
    """A network is no longer blocked by this entry; to be recorded."""

    entry: Entry
    at: float
    why: Literal["over", "removed", "replaced", "displaced"]


Event = BlockStarted | BlockStopped


class RuntimeLists:
    """The entries of one list in force. Approvals are to be asked for before blocks."""

    def __init__(self, most: int = MOST_ENTRIES, removal: Kind = "removal") -> None:
        """Start with no entry, and never have more than ``most``.

        Args:
            most: So many at most.
            removal: What an entry is called here that takes another one back.
        """
        self._most = most
        self._removal = removal
        self._makers: tuple[Who, ...] = MAKERS if removal == "removal" else ("operator",)
        self._entries: dict[Network | Sender, dict[Who, Entry]] = {}
        self._prefixes: dict[int, Counter[int]] = {4: Counter(), 6: Counter()}
        self._search: dict[int, list[int]] = {4: [], 6: []}
        self._ends = _Ends()
        self._operators_ends = _Ends()
        self._count = 0

    def __len__(self) -> int:
        """How many entries there are, removals included."""
        return self._count

    def __iter__(self) -> Iterator[Entry]:
        """All entries, removals included."""
        for slots in self._entries.values():
            yield from slots.values()

    def get(self, network: Network | Sender, who: Who) -> Entry | None:
        """The entry of exactly this network, or sender, and maker."""
        return self._entries.get(network, {}).get(who)

    def approval(self, address: Address, now: float) -> Entry | None:
        """The narrowest approval in force."""
        return next(self._in_force(address, "approval", now), None)

    def blocks(self, address: Address, now: float) -> Iterator[Entry]:
        """The blocks in force, narrowest first, an operator's before a rule's of one network."""
        return self._in_force(address, "block", now)

    def known(self, address: Address, now: float) -> Entry | None:
        """The narrowest entry in force by which an address is a known host."""
        return next(self._in_force(address, "known", now), None)

    def sender_block(self, sender: Sender, now: float) -> Entry | None:
        """The block of an envelope sender, if it is in force."""
        entry = self.get(sender, "throttling")
        in_force = entry is not None and entry.kind == "block" and now < entry.until
        return entry if in_force else None

    def cleared(self, subject: Network) -> float:
        """Since when an operator has held a subject for innocent: what was before is void."""
        return max(
            (entry.since for entry in self._holding(subject) if entry.kind != "block"), default=0.0
        )

    def put(self, entry: Entry, now: float) -> list[Event] | None:
        """Take an entry.

        Returns:
            Which blocks have started and stopped; None if the entry was not taken because it is
            over, a later version of it is there, or no room could be made for a rule's block.

        Raises:
            FullError: There is no room for an operator's entry.
        """
        old = self.get(entry.network, entry.who)
        if entry.until <= now or (old is not None and _version(old) >= _version(entry)):
            return None
        events: list[Event] = []
        if old is None and self._count >= self._most:
            displaced = self._ends.first(self)
            if displaced is None:
                if entry.who != "operator":
                    return None
                msg = "there is no room for another entry: remove some, or use the list files"
                raise FullError(msg)
            self._drop(displaced)
            if displaced.kind == "block":
                events.append(BlockStopped(displaced, now, "displaced"))
        self._set(entry)
        return [*events, *_change(old, entry, now)]

    def removals(
        self, network: Network | Sender, now: float, author: str = "", *, approvals: bool = True
    ) -> list[Entry]:
        """The entries that take back what was said of a network or a sender; to be ``put``.

        They take back whatever lies inside of the network, and what a rule has made about a network
        around it: who unblocks one IPv6 address means the /64 that was blocked because of it. Of
        the network itself they take back each maker's word, known here or not: a store that is
        read later may have a block.

        Args:
            network: The network or the sender.
            now: Seconds since the epoch.
            author: The operator's name.
            approvals: Whether approvals of what lies inside of the network are taken back as well.
        """
        keys: dict[tuple[Network | Sender, Who], None]
        if isinstance(network, Sender):
            keys = {(network, "throttling"): None}
        else:
            keys = dict.fromkeys((network, who) for who in self._makers)
            keys |= dict.fromkeys(self._taken_back(network, approvals=approvals))
        until = now + REMOVAL_SECONDS
        return [
            Entry(*key, self.next_version(*key, now), self._removal, until, author=author)
            for key in keys
        ]

    def next_version(self, network: Network | Sender, who: Who, now: float) -> float:
        """A time for ``since`` that is later than the present entry's.

        It is now, unless the present entry was made by a gateway whose clock is ahead.
        """
        old = self.get(network, who)
        return now if old is None else max(now, old.since + 0.001)

    def expire(self, now: float) -> tuple[list[Entry], list[Event]]:
        """Forget what is over.

        Returns:
            The entries that were forgotten, and which blocks have stopped.
        """
        over: list[Entry] = []
        for ends in (self._ends, self._operators_ends):
            while (entry := ends.first(self)) is not None and entry.until <= now:
                self._drop(entry)
                over.append(entry)
        return over, [BlockStopped(e, e.until, "over") for e in over if e.kind == "block"]

    def _taken_back(self, network: Network, *, approvals: bool) -> Iterator[tuple[Network, Who]]:
        """Whose entries no longer hold when a network is unblocked."""
        for entry in self:
            if entry.is_removal or isinstance(entry.network, Sender):
                continue
            if entry.kind == "approval" and not approvals:
                continue
            inside = holds(network, entry.network)
            if inside or (entry.who != "operator" and holds(entry.network, network)):
                yield entry.network, entry.who

    def _in_force(self, address: Address, kind: Kind, now: float) -> Iterator[Entry]:
        if not self._count:  # as with most gateways, and then nothing is looked for
            return iter(())
        holding = self._holding(Network(*address, BITS[address.version]))
        return (entry for entry in holding if entry.kind == kind and now < entry.until)

    def _holding(self, network: Network) -> Iterator[Entry]:
        """The entries of this network and of those around it, narrowest first.

        Of one network an operator's word goes before what a rule has made (and that by name).
        """
        for prefix in self._search[network.version]:
            if prefix <= network.prefix:
                host_bits = BITS[network.version] - prefix
                value = network.value >> host_bits << host_bits
                slots = self._entries.get(Network(network.version, value, prefix))
                if slots is not None:
                    yield from (slots[who] for who in sorted(slots))

    def _set(self, entry: Entry) -> None:
        slots = self._entries.get(entry.network)
        if slots is None:
            slots = self._entries[entry.network] = {}
            self._note_prefix(entry.network, 1)
        self._count += entry.who not in slots
        slots[entry.who] = entry
        ends = self._operators_ends if entry.who == "operator" else self._ends
        ends.add(entry, self)

    def _drop(self, entry: Entry) -> None:
        slots = self._entries[entry.network]
        del slots[entry.who]
        self._count -= 1
        if not slots:
            del self._entries[entry.network]
            self._note_prefix(entry.network, -1)

    def _note_prefix(self, network: Network | Sender, change: int) -> None:
        """Keep the list of prefix lengths that occur, longest first."""
        if isinstance(network, Sender):
            return
        prefixes = self._prefixes[network.version]
        prefixes[network.prefix] += change
        if prefixes[network.prefix] == max(change, 0):  # the first one came or the last one went
            self._search[network.version] = sorted((+prefixes).keys(), reverse=True)


class _Ends:
    """Entries in the order of their ends; replaced ones are passed over when they come up."""

    def __init__(self) -> None:
        # The number decides between equal ends: senders and networks have no order among them.
        self._heap: list[tuple[float, int, Entry]] = []
        self._numbers = itertools.count()

    def add(self, entry: Entry, lists: RuntimeLists) -> None:
        heapq.heappush(self._heap, (entry.until, next(self._numbers), entry))
        if len(self._heap) > 2 * len(lists) + 64:
            self._heap = [end for end in self._heap if _is_there(end[2], lists)]
            heapq.heapify(self._heap)

    def first(self, lists: RuntimeLists) -> Entry | None:
        """The entry that ends first."""
        while self._heap and not _is_there(self._heap[0][2], lists):
            heapq.heappop(self._heap)
        return self._heap[0][2] if self._heap else None


def _is_there(entry: Entry, lists: RuntimeLists) -> bool:
    return lists.get(entry.network, entry.who) == entry


def _version(entry: Entry) -> tuple[float, str, float, str, str]:
    """What decides which of two versions is the later one; without a tie, on every gateway."""
    return entry.since, entry.kind, entry.until, entry.comment, entry.author


def _change(old: Entry | None, new: Entry, now: float) -> Iterator[Event]:
    """Which blocks start and stop because one entry takes the place of another."""
    if old is not None and old.kind == "block":
        if old.until <= now:
            yield BlockStopped(old, old.until, "over")
        else:
            yield BlockStopped(old, now, "replaced" if new.kind == "block" else "removed")
    if new.kind == "block":
        yield BlockStarted(new)
