"""What the sender filter's records say of some time: who was let through, who was refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

RELAYED = "pass"
# Postfix behind the filter was away, or went away in the middle.
UPSTREAM, LOST = "upstream", ("upstream_lost", "stalled")
Record = dict[str, Any]


@dataclass(frozen=True)
class Decisions:
    """Counted records: clients let through, refused by a list or function, and failures.

    `errors` are clients that were sent away or lost because Postfix behind the filter did not
    answer; they are not among the refused.
    """

    passed: int
    refused: int
    errors: int


def parse(lines: Iterable[str], since: float) -> Iterator[Record]:
    """The records from a moment on (seconds of the epoch); half a line at the end is left out.

    A record's time is cut to milliseconds, so the moment is too.
    """
    moment = math.floor(since * 1000) / 1000
    for line in lines:
        try:
            record = json.loads(line)
            late = datetime.fromisoformat(record["time"]).timestamp() >= moment
        except (ValueError, KeyError, TypeError):
            continue
        if late:
            yield record


def count(records: Iterable[Record]) -> Decisions:
    """How many clients and messages met which end."""
    passed = refused = errors = 0
    for record in records:
        if record["event"] == "session":
            errors += record.get("ended") in LOST
        if record["event"] != "decision":
            continue
        failed = record.get("function") == UPSTREAM
        errors += failed
        passed += record.get("action") == RELAYED
        refused += record.get("action") != RELAYED and not failed
    return Decisions(passed, refused, errors)


def of_client(records: Iterable[Record], address: str, port: int) -> Record | None:
    """The decision about one connection, None if there is none yet."""
    return next(
        (
            record
            for record in records
            if record["event"] == "decision"
            and (record.get("peer", record["address"]), record["port"]) == (address, port)
        ),
        None,
    )
