"""Asking one block list: the questions under way, and its test in its time."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple, TypeVar

from sender_filter.core.addresses import Address
from sender_filter.core.reputation import canary, question, zone
from sender_filter.core.reputation.canary import Trust
from sender_filter.core.reputation.settings import Reputation as Settings
from sender_filter.core.reputation.source import Source, ZoneHealth
from sender_filter.core.reputation.verdict import ZoneResult
from sender_filter.core.reputation.zone import Reading, Zone
from sender_filter.io.deadlines import Deadlines
from sender_filter.io.dns import Answer, DnsError, Resolver
from sender_filter.io.journal import log

_T = TypeVar("_T")

MOST_INQUIRIES = 1000
"""Addresses that one zone is asked about at once; a client beyond that is judged without it."""


class Recalled(NamedTuple):
    """A result that took no waiting.

    Attributes:
        result: What the zone says.
        complete: Whether the list's own words are there, or will never be.
    """

    result: ZoneResult
    complete: bool


class _Inquiry:
    """What is being asked about one address, one question after the other.

    Attributes:
        address: The address.
        result: What the zone says; None: that is not known yet.
        waiters: The clients that wait for it. It goes on without them.
        task: The asking.
    """

    __slots__ = ("address", "result", "task", "waiters")

    def __init__(self, address: Address, known: Recalled | None) -> None:
        self.address = address
        self.result = None if known is None else known.result
        self.waiters: list[_Waiter] = []
        self.task: asyncio.Task[None]


class _Waiter:
    """A client that waits for what a zone says.

    Attributes:
        inquiry: What it waits for.
        known: What was known before.
        said: What the zone says.
    """

    __slots__ = ("_start", "inquiry", "known", "said")

    def __init__(self, inquiry: _Inquiry, known: Recalled | None) -> None:
        self.inquiry = inquiry
        self.known = known
        self.said: asyncio.Future[ZoneResult] = asyncio.get_running_loop().create_future()
        self._start = time.perf_counter_ns()

    def tell(self, result: ZoneResult) -> None:
        """Wait no longer."""
        if not self.said.done():  # it may have gone away, or have been told that its time is up
            micros = (time.perf_counter_ns() - self._start) // 1000
            self.said.set_result(result._replace(micros=micros))


class AskedZone:
    """One zone for one IP version. It is tested from its making until it is closed."""

    def __init__(self, settings: Settings, zone: Zone, version: int, resolver: Resolver) -> None:
        """Begin with a test; a client that comes before its end waits for it."""
        self._settings = settings
        self._resolver = resolver
        self._source = Source(settings, zone, version)
        self._inquiries: dict[Address, _Inquiry] = {}
        self._tested = asyncio.Event()
        self._tested_at = 0.0
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(settings.deadline_seconds, self._inform)
        self._watch = self._loop.create_task(self._keep_testing())

    def change(self, settings: Settings, zone: Zone, resolver: Resolver) -> None:
        """Go on with other settings."""
        if settings.deadline_seconds != self._settings.deadline_seconds:
            self._deadlines = Deadlines(settings.deadline_seconds, self._inform)
        self._settings, self._resolver = settings, resolver
        if self._source.change(settings, zone):
            self._tested.clear()
            self._hurry.set()

    def stop(self) -> None:
        """Test it no more. Questions under way go on: clients wait for them."""
        self._watch.cancel()

    async def finished(self) -> None:
        """Wait for what is still under way after ``stop``; no longer than a deadline or two."""
        tasks = (self._watch, *(each.task for each in self._inquiries.values()))
        await asyncio.gather(*tasks, return_exceptions=True)

    def health(self) -> ZoneHealth:
        """How it is doing."""
        return self._source.health()

    def recall(self, address: Address) -> Recalled | None:
        """What can be said without waiting; None if the zone must be asked."""
        if self._source.trust.state == "untested":
            return None
        now = self._loop.time()
        result = self._source.recall(address, now)
        if result is None:
            return None
        return Recalled(result, not self._source.needs_text(address, result, now))

    def ask(self, address: Address, known: Recalled | None) -> asyncio.Future[ZoneResult]:
        """What the zone says about an address; it will be known within the deadline.

        Args:
            address: The client's address.
            known: What ``recall`` has just said.
        """
        inquiry = self._inquiries.get(address) or _Inquiry(address, known)
        waiter = _Waiter(inquiry, known)
        if not inquiry.waiters:
            if len(self._inquiries) >= MOST_INQUIRIES:
                reason = f"{MOST_INQUIRIES} questions are under way"
                waiter.tell(self._source.without_answer(address, reason, self._loop.time()))
                return waiter.said
            self._inquiries[address] = inquiry
            inquiry.task = self._loop.create_task(self._inquire(inquiry))
        inquiry.waiters.append(waiter)
        self._deadlines.start(waiter)
        return waiter.said

    async def _inquire(self, inquiry: _Inquiry) -> None:
        """Ask what there is to ask about an address, and tell who waits for it."""
        address = inquiry.address
        try:
            if inquiry.result is None:
                inquiry.result = await self._find(address)
            if self._source.needs_text(address, inquiry.result, self._loop.time()):
                await self._look_up_text(address)
        finally:
            del self._inquiries[address]
            for waiter in inquiry.waiters:
                self._inform(waiter)
                self._deadlines.stop(waiter)

    def _inform(self, waiter: _Waiter) -> None:
        """Tell a client what is known by now."""
        address = waiter.inquiry.address
        result = waiter.inquiry.result if waiter.known is None else waiter.known.result
        if result is None:
            result = self._without_answer(address)
        if result.result == "listed":
            result = result._replace(reason=self._source.text(address, self._loop.time()))
        waiter.tell(result)

    def _without_answer(self, address: Address) -> ZoneResult:
        reason = f"no answer in {self._settings.deadline_seconds:g} s"
        return self._source.without_answer(address, reason, self._loop.time())

    async def _find(self, address: Address) -> ZoneResult:
        if self._source.trust.state == "untested":
            try:
                async with asyncio.timeout(self._settings.deadline_seconds):
                    await self._tested.wait()
            except TimeoutError:
                return self._without_answer(address)
            known = self._source.recall(address, self._loop.time())
            if known is not None:
                return known
        # Another client may have taken the breaker's trial since ``recall``.
        if (instead := self._source.begin(address, self._loop.time())) is not None:
            return instead
        return await self._look_up(address)

    async def _look_up(self, address: Address) -> ZoneResult:
        """Ask whether an address is listed."""
        name = question.name(address, self._source.zone.name)
        start = self._loop.time()
        answer = await self._answer(self._resolver.addresses(name))
        now = self._loop.time()
        if isinstance(answer, str):
            return self._source.failed(address, answer, now)
        self._source.took(now - start)
        result = self._source.answered(address, answer.addresses, answer.ttl, now)
        if self._source.suspicious and now >= self._tested_at + canary.RETRY_SECONDS:
            self._hurry.set()
        return result

    async def _look_up_text(self, address: Address) -> None:
        """Ask why; no text is no failure, and is not asked for again."""
        name = question.name(address, self._source.zone.name)
        text = await self._answer(self._resolver.text(name))
        known = None if isinstance(text, str) else text
        self._source.explained(address, known, self._loop.time())

    async def _answer(self, asking: Coroutine[Any, Any, _T]) -> _T | str:
        """The answer to a question, or why there is none."""
        try:
            return await asking
        except DnsError as error:
            return str(error)
        except Exception as error:  # a defect must cost an answer, never a client
            log.exception("asking %s", self._source.zone.name)
            return f"{type(error).__name__}: {error}"

    async def _keep_testing(self) -> None:
        while True:
            self._hurry.clear()
            await self._test()
            seconds = canary.pause(self._source.trust, self._settings.canary_seconds)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurry.wait()

    async def _test(self) -> None:
        """Ask about the test points, and how long a negative answer holds."""
        source = self._source
        listed, unlisted = canary.names(source.zone, source.version)
        answers = await asyncio.gather(
            self._answer(self._resolver.addresses(listed)),
            self._answer(self._resolver.addresses(unlisted)),
            self._answer(self._resolver.negative_ttl(source.zone.name)),
        )
        points = [self._reading(answer) for answer in answers[:2]]
        source.minimum = None if isinstance(answers[2], str) else answers[2]
        before = source.tested(*points)
        self._tested_at = self._loop.time()
        self._tested.set()
        self._tell(before, source.trust)

    def _reading(self, answer: Answer | str) -> Reading:
        if isinstance(answer, str):
            return Reading("failed", reason=answer)
        return zone.read(self._source.zone, answer.addresses)

    def _tell(self, before: Trust, trust: Trust) -> None:
        """Log a test's outcome when it is another than before."""
        name = f"{self._source.zone.name} (IPv{self._source.version})"
        if trust.state == before.state:
            return
        if trust.state == "trusted":
            log.info("block list %s is asked: its test points are right", name)
        else:
            log.error("block list %s is not asked: %s", name, trust.reason)
