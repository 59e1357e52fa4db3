"""The records of the sender filter on a gateway."""

from __future__ import annotations

import json
from typing import Any

from lab_hosts import LabHost, eventually

Record = dict[str, Any]


def records(gateway: LabHost, address: str, port: int) -> list[Record]:
    """What the filter has recorded about one connection; blocks and orders are of none."""
    lines = gateway.run(f"senderfilter log --json --ip {address}").splitlines()
    return [record for record in map(json.loads, lines) if record.get("port") == port]


def decisions(gateway: LabHost, *options: str) -> list[Record]:
    """The decisions on record, the oldest first; options as those of `senderfilter log`."""
    text = gateway.run(f"senderfilter log --json {' '.join(options)}")
    return [each for each in map(json.loads, text.splitlines()) if each["event"] == "decision"]


def last_decision(gateway: LabHost, address: str, **told: object) -> Record:
    """The latest decision about a client, which must come to say what is told.

    The filter writes its records a moment after its reply; until then another one is the latest.
    """

    def find() -> Record | None:
        (*_, last) = decisions(gateway, f"--ip {address}") or [None]
        return last if last is not None and told.items() <= last.items() else None

    return eventually(find, f"{gateway.name} records {told} of {address}")


def decision_on(gateway: LabHost, address: str, port: int) -> Record:
    """The decision about a connection; there must be exactly one."""
    return _the_record(gateway, address, port, "decision")


def end_of(gateway: LabHost, address: str, port: int) -> Record:
    """How a relayed session ended."""
    return _the_record(gateway, address, port, "session")


def _the_record(gateway: LabHost, address: str, port: int, event: str) -> Record:
    def find() -> list[Record]:
        return [each for each in records(gateway, address, port) if each["event"] == event]

    found = eventually(find, f"{gateway.name} records the {event} of {address} port {port}")
    # The client's kernel uses a port again, in the end.
    (latest,) = (each for each in found if each["session"] == found[-1]["session"])
    return latest
