"""Asking one block list: the questions under way, and its test in its time."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

from sender_filter.core.addresses import Address
from sender_filter.core.reputation import canary, question, zone
from sender_filter.core.reputation.canary import Trust
from sender_filter.core.reputation.settings import Reputation as Settings
from sender_filter.core.reputation.source import Source, ZoneHealth
from sender_filter.core.reputation.verdict import ZoneResult
from sender_filter.core.reputation.zone import Reading, Zone
from sender_filter.io.dns import Answer, DnsError, Resolver
from sender_filter.io.journal import log

_T = TypeVar("_T")
_UnderWay = dict[Address, asyncio.Task[_T]]

MOST_QUESTIONS = 1000
"""Questions under way to one zone; a client beyond that is judged without it."""


class Recalled(NamedTuple):
    """A result that took no waiting.

    Attributes:
        result: What the zone says.
        complete: Whether the list's own words are there, or will never be.
    """

    result: ZoneResult
    complete: bool


class AskedZone:
    """One zone for one IP version. It is tested from its making until it is closed."""

    def __init__(self, settings: Settings, zone: Zone, version: int, resolver: Resolver) -> None:
        """Begin with a test; a client that comes before its end waits for it."""
        self._settings = settings
        self._resolver = resolver
        self._source = Source(settings, zone, version)
        self._questions: _UnderWay[ZoneResult] = {}
        self._texts: _UnderWay[None] = {}
        self._tested = asyncio.Event()
        self._tested_at = 0.0
        self._hurry = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._watch = self._loop.create_task(self._keep_testing())

    def change(self, settings: Settings, zone: Zone, resolver: Resolver) -> None:
        """Go on with other settings."""
        self._settings, self._resolver = settings, resolver
        if self._source.change(settings, zone):
            self._tested.clear()
            self._hurry.set()

    def stop(self) -> None:
        """Test it no more. Questions under way go on: clients wait for them."""
        self._watch.cancel()

    async def finished(self) -> None:
        """Wait for what is still under way after ``stop``; no longer than a deadline or two."""
        tasks = (self._watch, *self._questions.values(), *self._texts.values())
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

    async def ask(self, address: Address, known: Recalled | None, until: float) -> ZoneResult:
        """What the zone says about an address, by a point in the loop's time.

        Args:
            address: The client's address.
            known: What ``recall`` has just said.
            until: When an answer is needed.
        """
        start = time.perf_counter_ns()
        result = None if known is None else known.result
        try:
            async with asyncio.timeout_at(until):
                if result is None:
                    result = await self._find(address)
                if self._source.needs_text(address, result, self._loop.time()):
                    result = await self._explain(address, result)
        except TimeoutError:
            if result is None:
                reason = f"no answer in {self._settings.deadline_seconds:g} s"
                result = self._source.without_answer(address, reason, self._loop.time())
        return result._replace(micros=(time.perf_counter_ns() - start) // 1000)

    async def _find(self, address: Address) -> ZoneResult:
        if self._source.trust.state == "untested":
            await self._tested.wait()
            known = self._source.recall(address, self._loop.time())
            if known is not None:
                return known
        if address not in self._questions:
            now = self._loop.time()
            if len(self._questions) >= MOST_QUESTIONS:
                reason = f"{MOST_QUESTIONS} questions are under way"
                return self._source.without_answer(address, reason, now)
            # Another client may have taken the breaker's trial since ``recall``.
            if (instead := self._source.begin(address, now)) is not None:
                return instead
        return await self._once(self._questions, address, self._look_up)

    async def _explain(self, address: Address, result: ZoneResult) -> ZoneResult:
        """Add the list's own words, if it has any."""
        await self._once(self._texts, address, self._look_up_text)
        return result._replace(reason=self._source.text(address, self._loop.time()))

    async def _once(
        self,
        under_way: _UnderWay[_T],
        address: Address,
        look_up: Callable[[Address], Coroutine[Any, Any, _T]],
    ) -> _T:
        """Ask, or wait for the one who has asked already; who goes away stops no question."""
        task = under_way.get(address)
        if task is None:
            task = under_way[address] = self._loop.create_task(look_up(address))
            task.add_done_callback(lambda _: under_way.pop(address))
        return await asyncio.shield(task)

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
        """The answer to a question, or why there is none, within the deadline."""
        seconds = self._settings.deadline_seconds
        try:
            async with asyncio.timeout(seconds):
                return await asking
        except TimeoutError:
            return f"no answer in {seconds:g} s"
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
