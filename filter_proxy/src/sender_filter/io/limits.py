"""No more sessions than there is room for, and none that only holds its place.

One timer goes round all sessions and looks at their counts of bytes (``core.pace``).
"""

import asyncio
from collections.abc import Callable

from sender_filter.core import replies
from sender_filter.core.addresses import Address
from sender_filter.core.crowd import Crowd
from sender_filter.core.pace import Lateness, Patience
from sender_filter.core.policy import Decision
from sender_filter.core.records import Check
from sender_filter.core.replies import Reply
from sender_filter.io.board import Place
from sender_filter.io.relay import Session
from sender_filter.settings import schema

ROUND_SECONDS = 1.0
_STRESS = 0.75
"""The share of ``limits.sessions`` above which a client has less time."""


class Limits:
    """Those who are relayed now.

    Attributes:
        sessions: The sessions.
    """

    def __init__(
        self,
        settings: Callable[[], schema.Limits],
        place: Place,
        expired: Callable[[Session, Decision], None] | None,
    ) -> None:
        """Nobody is here. Make it inside the running loop.

        Args:
            settings: The limits in force.
            place: Shows how many sessions there are, here and in all workers.
            expired: Called with each client whose time is up, and what it is to be told; None:
                nobody's time is ever up.
        """
        self.sessions: set[Session] = set()
        self._settings = settings
        self._place = place
        self._crowd = Crowd()
        self._loop = asyncio.get_running_loop()
        if expired is not None:
            self._loop.call_later(ROUND_SECONDS, self._go_round, expired)

    def enter(self, session: Session) -> None:
        """A session begins."""
        self.sessions.add(session)
        self._place.put(len(self.sessions))
        self._crowd.enter(session.arrival.client.address)

    def leave(self, session: Session) -> None:
        """A session is over, or was none."""
        if session in self.sessions:
            self.sessions.discard(session)
            self._place.put(len(self.sessions))
            self._crowd.leave(session.arrival.client.address)

    def admit(self, decision: Decision, address: Address, exempt: Callable[[], bool]) -> Decision:
        """Turn a pass into a refusal when there is no room.

        Args:
            decision: What was decided so far.
            address: The client's.
            exempt: Says whether it may have any number of sessions.
        """
        if decision.action != "pass":
            return decision
        limits, present = self._settings(), self._present()
        if present >= limits.sessions:
            detail = f"limits.sessions = {limits.sessions}"
            return _refused(decision, str(present), detail, replies.too_many_sessions())
        most = limits.sessions_per_address
        if most and self._crowd.count(address) >= most and not exempt():
            detail = f"limits.sessions_per_address = {most}"
            return _refused(decision, str(address), detail, replies.too_many_of_one(address))
        return decision

    def _present(self) -> int:
        """How many sessions all workers have; one that leaves has given its place up."""
        return max(self._place.total(), len(self.sessions))

    def _go_round(self, expired: Callable[[Session, Decision], None]) -> None:
        """Look at each session, and send away who is late.

        A round counts as one, however late it is: what holds the loop up is not the clients' doing.
        """
        self._loop.call_later(ROUND_SECONDS, self._go_round, expired)
        limits = self._settings()
        stress = self._present() > _STRESS * limits.sessions
        patience = Patience(limits.idle_seconds, None)
        if stress:
            patience = Patience(
                min(limits.idle_seconds, limits.stress_seconds), limits.stress_seconds
            )
        rate = limits.minimum_bytes_per_second
        late = []
        for session in self.sessions:
            if session.end is None and not session.hampered:
                session.pace.look(ROUND_SECONDS, session.traffic, rate)
                if (lateness := session.pace.lateness(patience)) is not None:
                    late.append((session, lateness))
        for session, lateness in late:
            detail = _why(lateness, limits, stress=stress)
            none = Decision("none", "pass", ())
            address = str(session.arrival.client.address)
            expired(session, _refused(none, address, detail, replies.TIMED_OUT))


def _refused(decision: Decision, asked: str, detail: str, reply: Reply) -> Decision:
    check = Check("limits", asked, "match", 0, detail)
    return Decision("limits", "temporary", (*decision.checks, check), reply)


def _why(lateness: Lateness, limits: schema.Limits, *, stress: bool) -> str:
    if lateness == "slow":
        return f"limits.minimum_bytes_per_second = {limits.minimum_bytes_per_second}"
    if stress:
        return f"limits.stress_seconds = {limits.stress_seconds:g}"
    return f"limits.idle_seconds = {limits.idle_seconds:g}"
