"""Where each client goes: to Postfix, or away with a reply. And the tally of it.

The door asks the judge and carries out what it says; it has no opinion of its own. Neither has it
of the limits: who is too many, or too slow, it is told. How clients come in, how they are refused
and how Postfix is told who they are is the matter of the two kinds of door, ``io.edge`` and
``io.inline``.
"""

import asyncio
import functools
import socket
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import ClassVar, NamedTuple

from sender_filter.core import addresses, replies
from sender_filter.core.addresses import Address
from sender_filter.core.policy import Decision
from sender_filter.core.received.source import Source, Step
from sender_filter.core.records import Check, End
from sender_filter.core.replies import Reply
from sender_filter.core.smtp.transactions import Transaction
from sender_filter.core.subject import Sender
from sender_filter.io import recording
from sender_filter.io.arrival import Arrival, Arrivals
from sender_filter.io.board import Place
from sender_filter.io.connection import Connection
from sender_filter.io.handover import Handover
from sender_filter.io.judge import Judge, Judgement
from sender_filter.io.ledger import Ledger
from sender_filter.io.limits import Limits
from sender_filter.io.messages import Request
from sender_filter.io.observer import Interests, Observer, Verdict
from sender_filter.io.recorder import Recorder
from sender_filter.io.refusing import Guest, RefusedClient, Refusing, WaitingRoom
from sender_filter.io.relay import Hooks, Session
from sender_filter.io.siblings import Siblings
from sender_filter.io.upstream import Link, Upstream
from sender_filter.io.watch import Watch
from sender_filter.settings.loading import Settings

Connect = Callable[[], Awaitable[Link]]


class Services(NamedTuple):
    """Who serves a door.

    Attributes:
        judge: Judges clients and messages.
        ledger: Counts what they do.
        upstream: Connects to Postfix.
        handover: Hands connections over to Postfix.
        records: Takes the records.
        tally: Counts decisions.
        siblings: Serve what belongs to them.
        place: Shows how many sessions there are, here and in all workers.
    """

    judge: Judge
    ledger: Ledger
    upstream: Upstream
    handover: Handover
    records: Recorder
    tally: Callable[[Decision], None]
    siblings: Siblings
    place: Place


_NOBODY = Interests(lambda *_: None, None, lambda _: None)


class Door(ABC):
    """Admits, refuses and counts clients.

    Attributes:
        behind_postfix: Whether Postfix is in front of the door as well. Then greeting and EHLO are
            over where a session begins, and a message has a Received field of this host.
        patience: How long a refused client may take to leave, in seconds.
        settings: What is in force; a reload puts another one here.
        sessions: Those relayed now.
        refused: Refused clients that are still connected.
        relayed_total: Sessions relayed since the start.
        refused_total: Clients and messages refused since the start.
        unseen_total: Sessions whose rest could not be read along, by the reason.
        tls_total: Handshakes that the filter has made, and those that have failed.
    """

    behind_postfix: ClassVar[bool]
    patience: ClassVar[float]

    def __init__(self, settings: Settings, services: Services) -> None:
        """Make a door that nobody has come through."""
        self.settings = settings
        self.unseen_total: Counter[str] = Counter()
        self.tls_total: Counter[str] = Counter()
        # Behind Postfix its own limits have been in force (anvil(8), smtpd_timeout).
        expired = None if self.behind_postfix else self._expired
        self._limits = Limits(lambda: self.settings.config.limits, services.place, expired)
        self.sessions = self._limits.sessions
        self.refused = WaitingRoom(self._left, self.patience)
        self.relayed_total = 0
        self.refused_total = 0
        self._judge, self._ledger = services.judge, services.ledger
        self._upstream, self._handover = services.upstream, services.handover
        self._records, self._tally = services.records, services.tally
        self._siblings = services.siblings
        self._arrivals = Arrivals()
        self._watch = Watch()
        self._hooks = Hooks(self._ended, self._spawn, self._worded(replies.upstream_away()))
        self._tasks: set[asyncio.Task[None]] = set()
        self._on_empty: Callable[[], None] = lambda: None

    @abstractmethod
    def admit(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Decide about a connection that was just accepted."""

    def take_over(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        """Decide about a connection that a sibling has accepted, of a client that belongs here."""
        self.admit(connection, peer)

    @abstractmethod
    def _refusal(self, session: Session, reply: Reply) -> Refusing:
        """How the client of a session is refused."""

    @abstractmethod
    def _worded(self, reply: Reply) -> Reply:
        """A refusal in the words that are understood here."""

    @abstractmethod
    def _is_new(self, who: Arrival) -> bool:
        """Whether it is another connection of a client, to be counted."""

    def has_taken(self, queue_id: str) -> bool:
        """Whether a message was taken here, so that a report about it is best made here."""
        return self._ledger.has_taken(queue_id)

    def report(self, request: Request) -> None:
        """The scan service has found a message to be bad: it counts against who sent it.

        Raises:
            ValueError: The report names no address, or no kind.
        """
        if request.kind is None:
            msg = "a report says what was found"
            raise ValueError(msg)
        client = addresses.parse(request.address) if request.address else None
        self._ledger.report(request.queue_id, request.kind, client, self._may_be_profiled)

    def _may_be_profiled(self, address: Address) -> bool:
        return not (self._judge.approves(address) or self._judge.is_known(address))

    def hasten(self) -> None:
        """Take leave quickly of clients who stay after Postfix has closed, or whom it will take."""
        self._hooks.hasten()
        self._handover.let_go()

    async def emptied(self) -> None:
        """Wait until nobody is left."""
        if self._busy():
            waiter = asyncio.get_running_loop().create_future()
            self._on_empty = lambda: None if waiter.done() else waiter.set_result(None)
            await waiter

    def cut(self, why: End) -> None:
        """Send everybody away now."""
        for session in list(self.sessions):
            session.cut(why)
        self.refused.empty()

    def _limit(self, decision: Decision, address: Address, *, ours: bool) -> Decision:
        """Turn a pass into a refusal when there is no room."""

        def exempt() -> bool:
            if ours or self.behind_postfix or decision.function == "approved":
                return True
            return self._judge.is_known(address)

        return self._limits.admit(decision, address, exempt)

    def _expired(self, session: Session, decision: Decision) -> None:
        """The time of a client is up."""
        self._record(session.arrival, decision)
        session.time_out()

    async def _serve(self, session: Session, decision: Decision, connect: Connect) -> None:
        """Go on with a client that the lists have been asked about, and that is connected."""
        await self._go_on(session, await self._judged(session, decision), connect)

    async def _judged(self, session: Session, decision: Decision) -> Decision:
        """What is decided once all have been asked; this host itself is judged by the lists."""
        if session.ours:
            return decision
        return await self._judge.of_client(decision, session.arrival.client.address)

    async def _go_on(self, session: Session, decision: Decision, connect: Connect) -> None:
        """Do what was decided about a client that is connected."""
        if decision.reply is not None:
            self._turn_away(session, decision, decision.reply)
            return
        self._join(session, decision, await connect())

    def _join(self, session: Session, decision: Decision, found: Link) -> None:
        """Bring a client who is connected to Postfix, if that can be reached."""
        link, check = found
        decision = decision._replace(checks=(*decision.checks, check))
        if link is None:
            reply = replies.upstream_away()
            away = Decision("upstream", "temporary", decision.checks, reply)
            self._turn_away(session, away, reply)
            return
        self._attend(session, decision)
        self.relayed_total += 1
        self._record(session.arrival, decision)
        self._attach(link, session.upstream)

    def _attend(self, session: Session, decision: Decision) -> None:
        """Count a client who is served, and read along if anybody wants to know what it says."""
        self._count(session, decision)
        if not self._is_of_interest(session, decision):
            self._observe(session, None, _NOBODY)
            return
        peer = session.arrival.client.address
        known = session.unjudged = self._judge.is_known(peer)

        def unseen(why: str) -> None:
            session.unseen = why
            self.unseen_total[why] += 1

        def transaction(subject: Address | None, done: Transaction) -> None:
            if self._judge.approves(peer):  # since it has connected
                return
            profiled = subject is not None and self._may_be_profiled(subject)
            self._ledger.transaction(peer, subject if profiled else None, done)

        judges = known or self._ledger.judges_senders
        judge = functools.partial(self._judge_message, session) if judges else None
        interests = Interests(transaction, judge, unseen)
        self._observe(session, None if known else peer, interests)

    def _count(self, session: Session, decision: Decision) -> None:
        """Count a client who is served, unless that is this host itself, or one to be let alone."""
        if session.ours or decision.function == "approved":
            return
        if self._is_new(session.arrival):
            self._ledger.connected(session.arrival.client.address)

    def _is_of_interest(self, session: Session, decision: Decision) -> bool:
        """Whether anybody wants to know what a client says."""
        if session.ours or decision.function == "approved":
            return False
        known = self._judge.is_known(session.arrival.client.address)
        return known or self._ledger.reads_along

    def _observe(self, session: Session, subject: Address | None, interests: Interests) -> None:
        """Read along, for those who want to know or to end TLS."""
        ends_tls = session.context is not None
        if ends_tls or interests is not _NOBODY:
            session.observer = Observer(
                subject, interests, session.carry, greeted=self.behind_postfix, ends_tls=ends_tls
            )

    def _judge_message(
        self, session: Session, section: bytes, sender: str
    ) -> Verdict | Awaitable[Verdict]:
        """Judge a message by its headers and its envelope sender: now, if there is no wait."""
        asks = session.unjudged or self._judge.is_known(session.arrival.client.address)
        counts = self._ledger.judges_senders
        if asks or (counts and self._siblings.who_knows_more(Sender.of(sender)) is not None):
            return self._judge_in_time(session, section, sender)
        return self._verdict(session, sender, _by_nobody(session))

    async def _judge_in_time(self, session: Session, section: bytes, sender: str) -> Verdict:
        """Judge a message where somebody has to be asked."""
        peer = session.arrival.client.address
        judgement = _by_nobody(session)
        if self._judge.is_known(peer):
            judgement = await self._judge.of_message(
                peer, section, behind_postfix=self.behind_postfix
            )
        elif session.unjudged:  # it was a known host, and is one no longer
            judgement = judgement._replace(decision=await self._judge.of_unjudged(peer))
        if self._ledger.judges_senders:
            await self._siblings.caught_up_on(Sender.of(sender))
        return self._verdict(session, sender, judgement)

    def _verdict(self, session: Session, sender: str, judgement: Judgement) -> Verdict:
        """What becomes of a message whose sender may be blocked as well; it is recorded."""
        origin, decision, walk = judgement
        exempt = decision.settled or self._judge.approves(session.arrival.client.address)
        if not exempt and (reply := self._ledger.sender_reply(sender)) is not None:
            check = Check("throttling", sender, "match", 0)
            checks = (*decision.checks, check)
            decision = Decision("throttling", "temporary", checks, reply)
        decision = self.worded(decision)
        encrypted = session.tls == "ended"
        self._record(session.arrival, decision, origin, walk, encrypted=encrypted)
        profiled = origin.found != "none" and decision.function != "approved"
        return Verdict(origin.address if profiled else None, decision.reply)

    def worded(self, decision: Decision) -> Decision:
        """A decision with the reply that the client will hear."""
        reply = decision.reply
        return decision if reply is None else decision._replace(reply=self._worded(reply))

    def _turn_away(self, session: Session, decision: Decision, reply: Reply) -> None:
        """The client of a session becomes a refused one."""
        reply = self._worded(reply)
        self._record(session.arrival, decision._replace(reply=reply))
        self._limits.leave(session)
        transport = session.client.transport
        if transport is not None and not session.client.lost:
            client = RefusedClient(self._refusal(session, reply), self.refused)
            transport.set_protocol(client)
            client.connection_made(transport)
            transport.resume_reading()
            self._hurry_if_crowded(client)
        session.part()

    def _hurry_if_crowded(self, client: Guest) -> None:
        """See to it that refusing never costs the others.

        The room is as large as the one for sessions. When it is full, a refused client gets its
        reply and nobody waits for its QUIT.
        """
        if len(self.refused) > self.settings.config.limits.sessions:
            client.hurry()

    def _record(
        self,
        who: Arrival,
        decision: Decision,
        origin: Source | None = None,
        walk: Sequence[Step] = (),
        *,
        encrypted: bool = False,
    ) -> None:
        if decision.reply is not None:
            self.refused_total += 1
        self._tally(decision)
        self._records.put(recording.of_decision(who, decision, origin, walk, encrypted=encrypted))

    def _ended(self, session: Session) -> None:
        """A relayed session is over."""
        self._limits.leave(session)
        if session.tls is not None:
            self.tls_total["ended" if session.tls == "ended" else "failed"] += 1
        self._records.put(recording.of_session(session))
        self._left()

    def _left(self) -> None:
        if not self._busy():
            self._on_empty()

    def _busy(self) -> bool:
        return bool(self.sessions or len(self.refused) or self._tasks)

    def _attach(self, connection: socket.socket, protocol: asyncio.Protocol) -> None:
        """Put a protocol on a connected socket, which holds it from now on."""
        Connection(connection, protocol, self._watch)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._left()


def _by_nobody(session: Session) -> Judgement:
    """Of a message that comes from the client itself, who was judged when it connected."""
    origin = Source(session.arrival.client.address, session.arrival.found, 0)
    return Judgement(origin, Decision("none", "pass", ()), ())
