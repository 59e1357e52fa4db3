"""What the first worker answers for all: it asks those who know, and sums.

Of several workers only the first is asked from outside. What all know alike it says itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from sender_filter.core import addresses
from sender_filter.io.messages import Answer, Done, Failure, Profiles, Request, sums
from sender_filter.io.messages.status import Status, WorkerStatus
from sender_filter.io.siblings import Siblings

_SECONDS = 2.0  # in which a worker answers that does not hang

Handler = Callable[[Request], Awaitable[Answer]]


class Together:
    """All workers, as if they were one."""

    def __init__(
        self,
        siblings: Siblings,
        own: Handler,
        status: Callable[[], Status],
        has_taken: Callable[[str], bool],
        dns_seconds: Callable[[], float],
    ) -> None:
        """Ask these.

        Args:
            siblings: The others.
            own: What this worker answers by itself.
            status: Its status.
            has_taken: Whether it has taken a message.
            dns_seconds: How long a check may take.
        """
        self._siblings = siblings
        self._own = own
        self._status = status
        self._has_taken = has_taken
        self._dns_seconds = dns_seconds

    async def answer(self, request: Request) -> Answer:
        """Answer the control socket.

        Raises:
            ValueError: The request is none that can be answered.
        """
        match request.command:
            case "status":
                return await self.status()
            case "check":
                return await self._check(request)
            case "profile" if request.address:
                return await self._by_owner(request, _SECONDS)
            case "profile":
                return await self._profiles(request)
            case "report":
                return await self._report(request)
            case "block" | "approve" | "release" | "know" | "forget":
                answer = await self._own(request)
                await self._siblings.caught_up()
                return answer
            case _:
                return await self._own(request)

    async def status(self) -> Status:
        """The sum of all."""
        parts = await self._of_others(Request("status"))
        own = self._status()
        known = [each for each in parts if isinstance(each, Status)]
        missing = [WorkerStatus(None) for _ in parts[len(known) :]]
        total = sums.of([own, *known])
        return msgspec.structs.replace(total, workers=[*total.workers, *missing])

    async def answer_sibling(self, request: Request) -> Answer:
        """Answer what the first worker asks this one."""
        if request.command == "report" and not self._has_taken(request.queue_id):
            return Failure("the message was taken elsewhere")
        return await self._own(request)

    async def _check(self, request: Request) -> Answer:
        return await self._by_owner(request, _SECONDS + self._dns_seconds())

    async def _by_owner(self, request: Request, seconds: float) -> Answer:
        """What is known of an address to the worker that counts it, and has asked about it."""
        owner = self._siblings.owner_of(addresses.parse(request.address))
        if owner == self._siblings.worker:
            return await self._own(request)
        answer = await self._siblings.ask(owner, request, seconds)
        return await self._own(request) if answer is None else answer

    async def _profiles(self, request: Request) -> Answer:
        own = await self._own(request)
        parts = [own, *await self._of_others(request)]
        known = [each for each in parts if isinstance(each, Profiles)]
        rows = [row for each in known for row in each.rows]
        rows.sort(key=lambda row: (row.bad, row.percent), reverse=True)
        return Profiles(rows[: request.limit], sum(each.found for each in known))

    async def _report(self, request: Request) -> Answer:
        """Count a report where the message was taken: who sent it is known there."""
        answer: Answer | None = None
        if not self._has_taken(request.queue_id):
            nobody = msgspec.structs.replace(request, address="")
            parts = await self._of_others(nobody)
            answer = next((each for each in parts if isinstance(each, Done)), None)
        if answer is None:
            answer = await self._own(request)
        await self._siblings.caught_up()
        return answer

    async def _of_others(self, request: Request) -> Sequence[Answer | None]:
        """What each of the others answers; None: nothing."""
        asked = (self._siblings.ask(each, request, _SECONDS) for each in self._siblings.others)
        return await asyncio.gather(*asked)
