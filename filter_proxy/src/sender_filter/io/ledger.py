"""What clients do is written down here, and a rule that is violated becomes a block (F1, F3)."""

import asyncio
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from sender_filter.core import replies
from sender_filter.core.addresses import Address
from sender_filter.core.policy import FUNCTION_OF
from sender_filter.core.profiler import CountRow, Kind, Profiler, Seen
from sender_filter.core.profiler.judgement import Finding
from sender_filter.core.recent import Recent
from sender_filter.core.records import BlockRecord, timestamp
from sender_filter.core.replies import Reply
from sender_filter.core.runtime_lists import FOR_EVER, BlockStarted, Entry
from sender_filter.core.smtp.transactions import Transaction
from sender_filter.core.subject import Sender, Subjects
from sender_filter.core.throttling import AddressThrottle, SenderThrottle
from sender_filter.io.siblings import Siblings
from sender_filter.settings import schema, secrets
from sender_filter.settings.schema import Config
from sender_filter.state import Keeper, Notable
from sender_filter.state.interface import State
from sender_filter.state.sqlite import Sqlite
from sender_filter.state.through import Through

MOST_MESSAGES = 50_000
"""Messages of which is remembered whose they are, or that the scan service has reported them."""

_MOST_DEEDS = 200  # of which a letter to a sibling has room for, whatever they are
_TURN_SECONDS = 1.0


class Ledger:
    """Counts, blocks, and remembers both. Make it inside the running loop.

    Attributes:
        keeper: The profiles and the blocks.
        reports: What the scan service has found since the start.
        last_report: When it found something last, seconds since the epoch.
        throttles: Whether connections and messages of each address are counted.
        reads_along: Whether anybody wants to know what is said in a session.
        judges_senders: Whether a message may be refused because of its envelope sender.
    """

    def __init__(
        self, config: Config, record: Callable[[BlockRecord], None], siblings: Siblings
    ) -> None:
        """Count by these settings; ``record`` hears of each block that starts or stops.

        What belongs to a sibling is counted there, if it can be told.
        """
        self._set(config)
        self._record = record
        self._siblings = siblings
        self._subjects = Subjects()
        source = f"{socket.gethostname()}-{os.getpid()}-{time.time():.0f}"
        profiler = Profiler(config.profiler, source, self._subjects)
        self._store = _store(config.state, repairs=siblings.leads)
        self._through = None if siblings.leads else Through(self._store, siblings.keep)
        self.keeper = Keeper(
            profiler, self._through or self._store, self._note, colleagues=siblings
        )
        self._addresses = AddressThrottle(config.throttling.address)
        self._senders = SenderThrottle(config.throttling.sender)
        self._messages: Recent[str, Address | Literal["reported"] | None] = Recent(MOST_MESSAGES)
        self._turning: asyncio.Task[None] | None = None
        self.reports: Counter[Kind] = Counter()
        self.last_report: float | None = None

    async def start(self) -> None:
        """Take up what was kept."""
        await self.keeper.start()
        self._turning = asyncio.get_running_loop().create_task(self._turn())

    def part(self) -> None:
        """From now on keep by itself what is counted here: the others may leave before."""
        if self._through is not None:
            self._through.part()

    async def close(self) -> None:
        """Keep what is left."""
        if self._turning is not None:
            self._turning.cancel()
        await self.keeper.close()

    def change(self, config: Config) -> None:
        """Count by other settings; what was counted by the same limits goes on."""
        former = self._config.throttling
        self._set(config)
        self.keeper.profiler.change(config.profiler)
        if former.address != config.throttling.address:
            self._addresses = AddressThrottle(config.throttling.address)
        if former.sender != config.throttling.sender:
            self._senders = SenderThrottle(config.throttling.sender)

    @property
    def problem(self) -> str | None:
        """Why nothing is being kept now; None if it is."""
        return self._store.problem if self._through is None else self._through.problem

    def connected(self, address: Address) -> None:
        """Count a connection."""
        if self.throttles:
            self._throttle(self._addresses.connected(self._subjects.of(address), time.time()))

    def transaction(self, peer: Address, subject: Address | None, done: Transaction) -> None:
        """Count a transaction.

        Args:
            peer: The client, whom throttling counts whoever is behind it.
            subject: Whom the profiler counts; None: nobody.
            done: The transaction.
        """
        if done.queue_id is not None:
            self._messages.put(done.queue_id, subject)
        if subject is not None:
            self._profile(subject, done)
        if done.outcome == "taken" and self.throttles:
            self._throttle(self._addresses.message(self._subjects.of(peer), time.time()))
            self._count_sender(Sender.of(done.sender))

    def has_taken(self, queue_id: str) -> bool:
        """Whether a message was taken here, and may be reported, or has been."""
        return queue_id in self._messages

    def report(
        self,
        queue_id: str,
        kind: Kind,
        client: Address | None,
        may_be_profiled: Callable[[Address], bool],
    ) -> None:
        """Count what the scan service has found, once for each message.

        Args:
            queue_id: Which message it is about.
            kind: What was found.
            client: Who brought it, if no process here has taken the message itself; the origin
                is not known then.
            may_be_profiled: Whether an address is neither approved nor known, now.
        """
        subject = self._messages.get(queue_id, client)
        if subject == "reported":
            return
        self.reports[kind] += 1
        self.last_report = time.time()
        self._messages.put(queue_id, "reported")
        if subject is not None and may_be_profiled(subject):
            self._count([Seen(subject, time.time(), kind)])

    def sender_reply(self, sender: str) -> Reply | None:
        """The refusal of a message because of its envelope sender, if it is refused."""
        lists = self.keeper.lists
        blocked = self.judges_senders and lists.sender_block(Sender.of(sender), time.time())
        return replies.sender_blocked() if blocked else None

    def entries_told(self, entries: Sequence[Entry]) -> None:
        """Another worker has these in force."""
        self.keeper.entries_told(entries)

    def rows_told(self, rows: Sequence[CountRow]) -> None:
        """Others have counted this about addresses that belong here."""
        self.keeper.rows_told(rows)

    def keep_told(self, worker: int, rows: Sequence[CountRow]) -> None:
        """Another worker has counted this, some of it in another one's stead."""
        self.keeper.keep_told(rows)
        self.keeper.rows_told(self._siblings.divide(rows, worker))

    def deeds_told(self, deeds: Sequence[Seen]) -> None:
        """An address that is counted here did this."""
        for each in deeds:
            self.keeper.seen(each)

    def sent_told(self, sender: Sender) -> None:
        """A sender that is counted here has sent a message."""
        self._throttle(self._senders.message(sender, time.time()))

    def first_is_new(self) -> None:
        """The first worker has a successor: have it keep all that was counted here."""
        if self._through is not None:
            self._through.first_is_new()

    def own_entries(self) -> Iterable[Entry]:
        """All that is in force here."""
        return self.keeper.own_entries()

    def _set(self, config: Config) -> None:
        """Take up settings, and what each session asks about them."""
        self._config = config
        throttling = config.throttling
        self.throttles = throttling.mode != "off"
        self.reads_along = self.throttles or bool(config.profiler.enabled())
        self.judges_senders = throttling.mode == "on" and throttling.sender.most_messages > 0

    def _profile(self, subject: Address, done: Transaction) -> None:
        now = time.time()
        deeds = []
        for number, unknown in enumerate(done.unknown):
            kind: Kind = "recipient_refused" if unknown else "recipient_accepted"
            deeds.append(Seen(subject, now, kind, first=number == 0))
        if done.outcome != "neither":
            deeds.append(Seen(subject, now, "message"))
        if done.outcome == "refused":
            deeds.append(Seen(subject, now, "bounced"))
        self._count(deeds)

    def _count(self, deeds: Sequence[Seen]) -> None:
        """Count what an address did where it belongs."""
        for start in range(0, len(deeds), _MOST_DEEDS):
            part = deeds[start : start + _MOST_DEEDS]
            if not self._siblings.tell_deeds(part):
                self.deeds_told(part)

    def _count_sender(self, sender: Sender) -> None:
        counts = self._config.throttling.sender.most_messages > 0
        if counts and not self._siblings.tell_sent(sender):
            self.sent_told(sender)

    def _throttle(self, block: Entry | None) -> None:
        if block is None:
            return
        if self._config.throttling.mode == "on":
            self.keeper.put(block)
            return
        since, until = timestamp(block.since), timestamp(block.until)
        whom, comment = str(block.network), block.comment
        self._record(BlockRecord(since, whom, "throttling", "started", until, comment, shadow=True))

    def _note(self, event: Notable) -> None:
        now = time.time()
        if isinstance(event, Finding):
            until = event.until(now)
            self._record(
                BlockRecord(
                    timestamp(now),
                    str(event.subject),
                    "profiler",
                    "started",
                    None if until is None else timestamp(until),
                    str(event),
                    shadow=True,
                )
            )
            return
        entry = event.entry
        self._record(
            BlockRecord(
                timestamp(now),
                str(entry.network),
                FUNCTION_OF[entry.who],
                "started" if isinstance(event, BlockStarted) else event.why,
                None if entry.until == FOR_EVER else timestamp(entry.until),
                entry.comment,
            )
        )

    async def _turn(self) -> None:
        while True:
            await asyncio.sleep(_TURN_SECONDS)
            self.keeper.turn()


def _store(settings: schema.State, *, repairs: bool) -> State:
    if not settings.url:
        return Sqlite(Path(settings.file), repairs=repairs)
    # Only who shares state between gateways pays for the client library.
    from sender_filter.state.redis import Redis  # noqa: PLC0415

    return Redis(secrets.read("state.url", settings.url))
