"""Records of made-up traffic, the same ones each time: for tests and for the benchmark."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from sender_filter.core.records import (
    BlockRecord,
    Check,
    DecisionRecord,
    Record,
    SessionRecord,
    timestamp,
)
from sender_filter_console.index.writer import Heard

GATEWAYS = ("mx1.example.test", "mx2.example.test", "mx3.example.test")

# Of a hundred decisions so many: the function, its action, what its check says, and the reply.
KINDS = (
    (62, "none", "pass", "no_match", None, None),
    (6, "approved", "pass", "match", "192.0.2.0/24 (approved.list:7)", None),
    (12, "blocked", "permanent", "match", "203.0.113.0/24 (blocked.list:12)", "554 5.7.1 Blocked"),
    (10, "reputation", "permanent", "listed", "bl.example.test (127.0.0.2)", "550 5.7.1 Listed"),
    (4, "profiler", "temporary", "match", "spam 40 of 120 (33 %)", "421 4.7.1 Try later"),
    (3, "throttling", "temporary", "match", "120 connections in 1 h", "421 4.7.1 Too many"),
    (3, "limits", "temporary", "failed", "50 sessions of one address", "421 4.7.0 Too many"),
)
WEIGHTS = [kind[0] for kind in KINDS]


def decisions(count: int, until: datetime, span: timedelta) -> Iterator[Heard]:
    """Decisions at even distances; a few addresses come often, many once."""
    chance = random.Random(count)
    step = span / count
    for number in range(count):
        time = until - span + step * (number + 1)
        yield Heard(chance.choice(GATEWAYS), decision(chance, number, time))


def decision(chance: random.Random, number: int, time: datetime) -> DecisionRecord:
    """One decision."""
    _, function, action, result, detail, reply = chance.choices(KINDS, WEIGHTS)[0]
    address = _address(chance)
    checks = [Check("approved", address, "match" if function == "approved" else "no_match", 2)]
    if function != "approved":
        shadow = Check("profiler", address, "match", 9, "bounced 12 of 40", shadow=True)
        if chance.random() < 0.02:
            checks.append(shadow)
        whose = "blocked" if function == "none" else function
        checks.append(Check(whose, address, result, chance.randrange(1, 900), detail))
    return DecisionRecord(
        time=timestamp(time.timestamp()),
        session=f"{chance.getrandbits(8):010x}-{number:x}",
        address=address,
        port=chance.randrange(1024, 65536),
        found="peer",
        function=function,
        action=action,
        checks=tuple(checks),
        reply=reply,
    )


def end(record: DecisionRecord) -> SessionRecord:
    """How the session of a decision ended."""
    return SessionRecord(
        record.time, record.session, record.address, record.port, 1.5, 2048, 512, "client_closed"
    )


def block(time: datetime, whom: str, change: str = "started") -> Record:
    """A block that starts or stops."""
    return BlockRecord(
        timestamp(time.timestamp()), whom, "profiler", change, None, "spam 40 of 120"
    )


def _address(chance: random.Random) -> str:
    often = chance.random()
    if often < 0.3:
        return f"198.51.100.{int(chance.expovariate(0.1)) % 256}"
    if often < 0.9:
        return ".".join(str(chance.randrange(1, 224)) for _ in range(4))
    return f"2001:db8:{chance.getrandbits(16):x}::{chance.getrandbits(8) + 1:x}"
