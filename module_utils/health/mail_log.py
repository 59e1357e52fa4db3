"""Lines of the mail system's log, and what they say of the mail that a gateway took and sent.

The lines are those of Postfix 3.5 to 3.10; smtpd(8), smtp(8) and cleanup(8) say them, whatever
`syslog_name` their services have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_REFUSED = re.compile(r"NOQUEUE: reject: ")
_TAKEN = re.compile(r"(?P<id>\w+): client=(?P<client>[^,]+)(?P<rest>.*)")
_TRUE_CLIENT = re.compile(r"orig_client=(?P<client>[^,]+)")
_DELIVERY = re.compile(
    r"(?P<id>\w+): to=<(?P<to>[^>]*)>, (?:orig_to=<[^>]*>, )?relay=(?P<relay>[^,]+), "
    r".*?status=(?P<status>\w+) \((?P<reply>.*)\)"
)
_LOOPBACK = ("[127.", "[::1]")
NO_QUEUE = "NOQUEUE"


@dataclass(frozen=True)
class Line:
    """A line: the program that said it (`postfix/smtpd`), and its text."""

    program: str
    text: str

    @property
    def service(self) -> str:
        """The program without the names in front of it: `smtpd` of `postfix/reinject/smtpd`."""
        return self.program.rpartition("/")[2]


@dataclass(frozen=True)
class Delivery:
    """An attempt to hand a message on: to whom, by which server, and what that answered."""

    queue_id: str
    recipient: str
    relay: str
    status: str
    reply: str


@dataclass(frozen=True)
class Traffic:
    """What a gateway did with mail in some time.

    Attributes:
        accepted: messages that it took from others than itself.
        refused: recipients and clients that its Postfix refused.
        sent: messages that it handed to another host, each recipient counted.
        deferred: attempts of that which are to be made again.
        bounced: recipients for which it gave up.
    """

    accepted: int
    refused: int
    sent: int
    deferred: int
    bounced: int


def delivery(line: Line) -> Delivery | None:
    """The attempt that a line tells of, None if it tells of none."""
    found = _DELIVERY.fullmatch(line.text)
    if found is None:
        return None
    return Delivery(found["id"], found["to"], found["relay"], found["status"], found["reply"])


def is_inner(relay: str) -> bool:
    """Whether a server that mail was handed to is a program of this host, the scan service."""
    return any(mark in relay for mark in _LOOPBACK)


def traffic(lines: Iterable[Line]) -> Traffic:
    """What these lines say of the mail from and to other hosts."""
    accepted = refused = 0
    ends = {"sent": 0, "deferred": 0, "bounced": 0}
    for line in lines:
        if line.service in ("smtpd", "postscreen"):
            accepted += _is_from_outside(line.text)
            refused += _REFUSED.match(line.text) is not None
        attempt = delivery(line)
        if attempt and attempt.status in ends and not is_inner(attempt.relay):
            ends[attempt.status] += 1
    return Traffic(accepted, refused, **ends)


def _is_from_outside(text: str) -> bool:
    """Whether a message begins here: it got a queue id, and had none on this host before."""
    found = _TAKEN.fullmatch(text)
    # What the scan service hands back came in before, and names the queue id that it had then.
    if found is None or found["id"] == NO_QUEUE or "orig_queue_id=" in found["rest"]:
        return False
    behind = _TRUE_CLIENT.search(found["rest"])
    return not is_inner(behind["client"] if behind else found["client"])
