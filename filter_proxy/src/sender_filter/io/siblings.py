"""The other workers of this filter, and what is said between them.

Each address belongs to one worker (``core.shares``). Who accepts a client of another one passes its
connection on, and who learns something about a subject of another one tells it. An entry of the
run-time lists is told to all. Where the other one cannot be reached, because it leaves or its box
is full, a client is served, and a deed counted, where it is known.

Whoever needs to know what the others have found so far asks for a sign that they have come to that
point (``caught_up``): what they had to say about it was said by then.
"""

import asyncio
import itertools
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec
from msgspec import Raw

from sender_filter.core import addresses
from sender_filter.core.addresses import Address
from sender_filter.core.networks import Network
from sender_filter.core.profiler import CountRow, Seen
from sender_filter.core.runtime_lists import Entry
from sender_filter.core.shares import Shares
from sender_filter.core.subject import Sender, Subjects
from sender_filter.io import letters
from sender_filter.io.board import Place
from sender_filter.io.letters import (
    Arrived,
    Client,
    Deed,
    Deeds,
    Entries,
    Keep,
    Letter,
    Ping,
    Pong,
    Question,
    Rows,
    Sent,
)
from sender_filter.io.messages import Answer, Request
from sender_filter.io.post import Desk, Message
from sender_filter.state.interface import (
    entry_from_text,
    entry_to_text,
    row_from_text,
    row_to_text,
)

FIRST = 0
"""The worker that has the control socket, the metrics and the store."""

SIGN_SECONDS = 1.0
"""How long a sign is waited for; only a worker that hangs, or is just replaced, takes any time."""

_LEAVING_SECONDS = 2.0
_FULL_SECONDS = 0.02
_AT_ONCE = 64  # letters in one turn of the loop, so that running sessions get theirs
_PARCEL = 32_000
_LONGEST_ANSWER = 1 << 23


class Hearer(Protocol):
    """Who counts here, and keeps the entries."""

    def entries_told(self, entries: Sequence[Entry]) -> None:
        """Another worker has these in force."""

    def rows_told(self, rows: Sequence[CountRow]) -> None:
        """Others have counted this about addresses that belong here."""

    def keep_told(self, worker: int, rows: Sequence[CountRow]) -> None:
        """Another worker has counted this, which is to be kept."""

    def deeds_told(self, deeds: Sequence[Seen]) -> None:
        """An address that belongs here did this."""

    def sent_told(self, sender: Sender) -> None:
        """A sender that belongs here has sent a message."""

    def first_is_new(self) -> None:
        """The first worker has a successor, which knows only what is in the store."""

    def own_entries(self) -> Iterable[Entry]:
        """All that is in force here."""


class Siblings:
    """The other workers, seen from one of them. Make it inside the running loop.

    Attributes:
        worker: The number of this one.
        others: The numbers of the others.
    """

    def __init__(self, desk: Desk, place: Place) -> None:
        """Write to the others; nothing is heard yet."""
        self._place = place
        self.worker = desk.worker
        self.others = [each for each in range(desk.workers) if each != desk.worker]
        self._desk = desk
        self._shares = Shares(desk.workers)
        self._subjects = Subjects()
        self._away: set[int] = set()
        self._owed: set[int] = set()
        self._paying: dict[int, asyncio.Task[None]] = {}
        self._arriving: set[asyncio.Task[None]] = set()
        self._signs: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count(int.from_bytes(os.urandom(6)))  # no predecessor's
        self._loop = asyncio.get_running_loop()
        self._hearer: Hearer
        self._admit: Callable[[socket.socket, tuple[str, int]], None]
        self._answer: Callable[[socket.socket], None]

    @property
    def leads(self) -> bool:
        """Whether this is the first worker."""
        return self.worker == FIRST

    @property
    def _present(self) -> list[int]:
        """The others that hear what they are told, now or in a moment."""
        return [each for each in self.others if self._hears(each)]

    def _hears(self, worker: int) -> bool:
        return worker not in self._away and not self._place.fails(worker)

    def listen(
        self,
        hearer: Hearer,
        admit: Callable[[socket.socket, tuple[str, int]], None],
        answer: Callable[[socket.socket], None],
    ) -> None:
        """Hear the others from now on.

        Args:
            hearer: Who counts here.
            admit: Takes clients that belong here.
            answer: Answers the first worker's questions on a connection.
        """
        self._hearer, self._admit, self._answer = hearer, admit, answer
        if self._desk.box is not None:
            self._loop.add_reader(self._desk.box, self._hear)

    def arrive(self) -> None:
        """Tell the others that a former worker has a successor here."""
        for each in self.others:
            task = self._loop.create_task(self._insist(each, Arrived(self.worker)))
            self._arriving.add(task)
            task.add_done_callback(self._arriving.discard)

    async def leave(self) -> None:
        """Hear nobody any more; what others have passed on until they know was heard then."""
        await self._sign_of(self._present, _LEAVING_SECONDS, leaving=True)
        for task in (*self._paying.values(), *self._arriving):
            task.cancel()
        if self._desk.box is not None:
            self._loop.remove_reader(self._desk.box)
            self._desk.close()

    # Whose is it

    def owner(self, subject: Network | Sender) -> int:
        """The worker that a subject belongs to."""
        return self._shares.of(subject)

    def owner_of(self, address: Address) -> int:
        """The worker that an address belongs to."""
        return self._shares.of(self._subjects.of(address))

    # To the one that it belongs to

    def pass_on(self, connection: socket.socket, peer: tuple[str, int], address: Address) -> bool:
        """Give a client to its worker.

        Returns:
            Whether it is gone; if not, it is to be served here.
        """
        owner = self.owner_of(address)
        if owner == self.worker or not self._hears(owner):
            return False
        if not self._send(owner, Client(*peer[:2]), connection):
            return False
        connection.close()
        return True

    def tell_deeds(self, deeds: Sequence[Seen]) -> bool:
        """Tell what an address did; false: it is to be counted here."""
        owner = self.owner_of(deeds[0].address)
        if owner == self.worker or not self._hears(owner):
            return False
        told = [Deed(str(each.address), each.at, each.kind, each.first) for each in deeds]
        return self._send(owner, Deeds(told))

    def tell_sent(self, sender: Sender) -> bool:
        """Tell that a sender has sent a message; false: it is to be counted here."""
        owner = self.owner(sender)
        if owner == self.worker or not self._hears(owner):
            return False
        return self._send(owner, Sent(sender.mailbox))

    def mine(self, rows: Iterable[CountRow]) -> list[CountRow]:
        """The rows that belong here."""
        return [row for row in rows if self.owner(row.subject) == self.worker]

    def divide(self, rows: Iterable[CountRow], counted_by: int | None = None) -> list[CountRow]:
        """Tell others the rows that belong to them.

        Args:
            rows: What was counted.
            counted_by: The worker that has counted it, which knows it.

        Returns:
            The rows that belong here.
        """
        if not self.others:
            return list(rows)
        shares: dict[int, list[CountRow]] = {each: [] for each in (self.worker, *self.others)}
        for row in rows:
            shares[self.owner(row.subject)].append(row)
        for each in self.others:
            if each != counted_by:
                for parcel in _parcels(map(row_to_text, shares[each])):
                    self._send(each, Rows(parcel))
        return shares[self.worker]

    def keep(self, rows: Iterable[CountRow]) -> list[CountRow]:
        """Have rows kept by the first worker.

        Returns:
            Those that it could not be told.
        """
        waiting = list(rows)
        for count, parcel in _counted(_parcels(map(row_to_text, waiting))):
            if not self._send(FIRST, Keep(self.worker, parcel)):
                break
            del waiting[:count]
        return waiting

    # To all

    def share(self, entry: Entry) -> None:
        """Tell the others an entry; who cannot be told now is told all a little later."""
        if not self.others:
            return
        letter = Entries([Raw(entry_to_text(entry))])
        for each in self.others:
            if each not in self._away and not self._send(each, letter):
                self._owe(each)

    async def caught_up(self) -> None:
        """Wait until all others have taken up what was told them."""
        await self._sign_of(self._present, SIGN_SECONDS)

    def who_knows_more(self, subject: Network | Sender) -> int | None:
        """The other worker whose subject this is, if it can be asked."""
        owner = self.owner(subject)
        return owner if owner != self.worker and self._hears(owner) else None

    async def caught_up_on(self, subject: Network | Sender) -> None:
        """Wait until what its worker knows of a subject by now is known here."""
        other = self.who_knows_more(subject)
        if other is not None:
            await self._sign_of([other], SIGN_SECONDS)

    async def caught_up_on_address(self, address: Address) -> None:
        """The same of an address."""
        await self.caught_up_on(self._subjects.of(address))

    async def ask(self, worker: int, request: Request, seconds: float) -> Answer | None:
        """Ask another worker what may be asked on a control socket; None: it does not answer.

        An answer may have to wait for the DNS. Whether one will come at all is known sooner.
        """
        if not self._hears(worker) or not await self._sign_of([worker], SIGN_SECONDS):
            return None
        ours, theirs = socket.socketpair()
        with theirs:
            if not self._send(worker, Question(), theirs):
                ours.close()
                return None
        try:
            async with asyncio.timeout(seconds):
                return await _ask(ours, request)
        except (OSError, ValueError, asyncio.IncompleteReadError):
            return None

    # What is heard

    def _hear(self) -> None:
        for _ in range(_AT_ONCE):
            message = self._desk.take()
            if message is None:
                return
            self._take(letters.decode(message.data), message)

    def _take(self, letter: Letter, message: Message) -> None:
        hearer, connection = self._hearer, message.connection
        match letter:
            case Client() if connection is not None:
                self._admit(connection, (letter.host, letter.port))
            case Question() if connection is not None:
                self._answer(connection)
            case Deeds():
                hearer.deeds_told([_seen(each) for each in letter.deeds])
            case Sent():
                hearer.sent_told(Sender(letter.sender))
            case Entries():
                hearer.entries_told([entry_from_text(bytes(each)) for each in letter.entries])
            case Rows():
                hearer.rows_told([row_from_text(bytes(each)) for each in letter.rows])
            case Keep():
                rows = [row_from_text(bytes(each)) for each in letter.rows]
                hearer.keep_told(letter.worker, rows)
            case Ping():
                self._give_sign(letter)
            case Pong() if (sign := self._signs.get(letter.number)) is not None:
                sign.set_result(None)
            case Arrived():
                self._welcome(letter.worker)

    def _give_sign(self, ping: Ping) -> None:
        if ping.leaving:
            self._away.add(ping.worker)
        self._desk.send(ping.worker, letters.encode(Pong(ping.number)))

    def _welcome(self, worker: int) -> None:
        self._away.discard(worker)
        self._owe(worker)
        if worker == FIRST:
            self._hearer.first_is_new()

    # How it is said

    def _send(self, worker: int, letter: Letter, connection: socket.socket | None = None) -> bool:
        if worker in self._away:
            return False
        return self._desk.send(worker, letters.encode(letter), connection)

    async def _insist(self, worker: int, letter: Letter) -> None:
        """Say it as soon as there is room in the box."""
        while worker not in self._away and not self._send(worker, letter):
            await asyncio.sleep(_FULL_SECONDS)

    async def _sign_of(
        self, workers: Sequence[int], seconds: float, *, leaving: bool = False
    ) -> bool:
        """Wait until workers have come to this point, but not for ever; who has left hears none.

        Returns:
            Whether all of them have.
        """
        if self._desk.box is None:
            return False
        signs: dict[int, asyncio.Future[None]] = {}
        for each in workers:
            number = next(self._numbers)
            if self._send(each, Ping(self.worker, number, leaving)):
                signs[number] = self._signs[number] = self._loop.create_future()
        try:
            if signs:
                await asyncio.wait(signs.values(), timeout=seconds)
        finally:
            for number in signs:
                del self._signs[number]
        return len(signs) == len(workers) and all(sign.done() for sign in signs.values())

    def _owe(self, worker: int) -> None:
        """A worker has missed something: tell it all, as its box has room."""
        self._owed.add(worker)
        if worker not in self._paying:
            task = self._loop.create_task(self._pay(worker))
            self._paying[worker] = task
            task.add_done_callback(lambda _: self._paying.pop(worker))

    async def _pay(self, worker: int) -> None:
        while worker in self._owed:
            self._owed.discard(worker)
            entries = list(self._hearer.own_entries())
            async for parcel in _slowly(_parcels(map(entry_to_text, entries))):
                await self._insist(worker, Entries(parcel))


async def _ask(connection: socket.socket, request: Request) -> Answer:
    reader, writer = await asyncio.open_connection(sock=connection, limit=_LONGEST_ANSWER)
    try:
        writer.write(msgspec.json.encode(request) + b"\n")
        answer: Answer = msgspec.json.decode(await reader.readuntil(), type=Answer)
    finally:
        writer.close()
    return answer


async def _slowly(parcels: Iterator[list[Raw]]) -> AsyncIterator[list[Raw]]:
    """Parcels, and between two of them the loop turns."""
    for parcel in parcels:
        yield parcel
        await asyncio.sleep(0)


def _parcels(texts: Iterable[bytes]) -> Iterator[list[Raw]]:
    """Texts, so many at a time that a letter holds them."""
    parcel: list[Raw] = []
    size = 0
    for text in texts:
        if parcel and size + len(text) > _PARCEL:
            yield parcel
            parcel, size = [], 0
        parcel.append(Raw(text))
        size += len(text)
    if parcel:
        yield parcel


def _counted(parcels: Iterator[list[Raw]]) -> Iterator[tuple[int, list[Raw]]]:
    for parcel in parcels:
        yield len(parcel), parcel


def _seen(deed: Deed) -> Seen:
    return Seen(addresses.parse_literal(deed.address), deed.at, deed.kind, deed.first)
