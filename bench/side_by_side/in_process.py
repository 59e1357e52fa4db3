"""Verdicts in process, one after the other.

Usage: in_process.py LIST; prints one object of JSON.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sender_filter.core.addresses import Address
from sender_filter.core.lists import AddressList
from sender_filter.core.policy import Policy
from sender_filter.core.reputation import verdict
from sender_filter.core.reputation.canary import Trust
from sender_filter.core.reputation.settings import Reputation
from sender_filter.core.reputation.source import Source
from sender_filter.core.reputation.zone import Zone
from sender_filter.core.runtime_lists import RuntimeLists

QUESTIONS = 20_000


def percentiles(name: str, ask: Callable[[Address], object]) -> dict[str, float]:
    """Microseconds for each of many questions about addresses that have not been asked before."""
    chance = random.Random(name)
    taken = []
    for _ in range(QUESTIONS):
        address = Address(4, 10 << 24 | chance.randrange(1_000_000))
        start = time.perf_counter_ns()
        ask(address)
        taken.append(time.perf_counter_ns() - start)
    taken.sort()
    return {f"{name}_p{share}": taken[len(taken) * share // 100] / 1000 for share in (50, 99)}


def resident() -> float:
    """The most memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Load the list, ask."""
    before, start = resident(), time.perf_counter()
    blocked = AddressList()
    with Path(sys.argv[1]).open() as lines:
        blocked.read("blocked.list", lines, flags=True)
    figures = {"load_seconds": time.perf_counter() - start, "megabytes": resident() - before}
    policy, runtime, now = Policy(AddressList(), blocked), RuntimeLists(), time.time()
    figures |= percentiles("lists", lambda address: policy.decide(address, runtime, now))
    settings = Reputation((Zone("bl.test"),), cache_entries=1_000_000)
    source = Source(settings, settings.zones[0], 4)
    source.trust = Trust("trusted")
    for number in range(1_000_000):
        codes = ("127.0.0.2",) if number % 2 else ()
        source.answered(Address(4, 10 << 24 | number), codes, 3600, now)

    def from_cache(address: Address) -> object:
        result = source.recall(address, now)
        return verdict.decide(settings, [] if result is None else [result])

    print(json.dumps(figures | percentiles("cache", from_cache)))


if __name__ == "__main__":
    main()
