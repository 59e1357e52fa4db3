"""Follows one message through the log: each queue that it was in, until it has left the host."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .mail_log import Delivery, Line, delivery, is_inner

_MESSAGE_ID = re.compile(r"(?P<id>\w+): message-id=(?P<message>.+)")
_TAKEN = re.compile(r"(?P<id>\w+): client=")
_QUEUED = re.compile(r"queued as (?P<id>\w+)")
SENT, BOUNCED = "sent", "bounced"


@dataclass(frozen=True)
class Hop:
    """A queue that the message was in.

    Attributes:
        queue_id: its name there.
        taken_by: the program that took it, by which Postfix's services are told apart.
        delivery: the last attempt to hand it on, None while there was none.
    """

    queue_id: str
    taken_by: str
    delivery: Delivery | None


@dataclass(frozen=True)
class Trace:
    """The way of a message so far, and which of Postfix's deliveries are to the scan service."""

    hops: tuple[Hop, ...]
    scan_port: int

    @property
    def scanned(self) -> bool:
        """Whether the scan service took it."""
        return any(
            self._is_scan(hop.delivery) and hop.delivery.status == SENT
            for hop in self.hops
            if hop.delivery
        )

    @property
    def departure(self) -> Delivery | None:
        """How another host took it, None while none has, or while a queue before has not said so.

        The scan service is logged as the receiver of a message when it has answered. That may be
        after Postfix behind it has handed the message on.
        """
        for hop in self.hops:
            done = hop.delivery
            if done is None:
                return None
            if done.status == SENT and not self._is_scan(done):
                return done
        return None

    @property
    def failure(self) -> Delivery | None:
        """The attempt after which Postfix gave it up."""
        attempts = [hop.delivery for hop in self.hops if hop.delivery]
        return next((one for one in attempts if one.status == BOUNCED), None)

    @property
    def last(self) -> str:
        """Where it was seen last, for who waits for it in vain."""
        if not self.hops:
            return "the log has no line of it"
        hop = self.hops[-1]
        if hop.delivery is None:
            return f"{hop.queue_id} is queued, and nobody has tried to hand it on"
        done = hop.delivery
        return f"{hop.queue_id}: {done.relay}: {done.status} ({done.reply})"

    def _is_scan(self, done: Delivery) -> bool:
        return done.relay.endswith(f":{self.scan_port}") and is_inner(done.relay)


def trace(lines: Iterable[Line], message_id: str, scan_port: int) -> Trace:
    """The way of the message with this Message-ID.

    Args:
        lines: the log from the moment in which it was sent, the oldest first.
        message_id: with its angle brackets.
        scan_port: the scan service's port on loopback.
    """
    lines = list(lines)
    ids = [found["id"] for line in lines if (found := _named(line, message_id))]
    takers = {found["id"]: line.program for line in lines if (found := _TAKEN.match(line.text))}
    attempts = {one.queue_id: one for line in lines if (one := delivery(line))}
    hops = [Hop(one, takers.get(one, ""), attempts.get(one)) for one in _in_order(ids, attempts)]
    return Trace(tuple(hops), scan_port)


def _named(line: Line, message_id: str) -> re.Match[str] | None:
    found = _MESSAGE_ID.fullmatch(line.text) if line.service == "cleanup" else None
    return found if found and found["message"] == message_id else None


def _in_order(ids: list[str], attempts: dict[str, Delivery]) -> list[str]:
    """The queue ids as the message had them; a reply names the next one, where the next is here."""
    order: list[str] = []
    for start in dict.fromkeys(ids):
        one: str | None = start
        while one and one in ids and one not in order:
            order.append(one)
            found = _QUEUED.search(attempts[one].reply) if one in attempts else None
            one = found["id"] if found else None
    return order
