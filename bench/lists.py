"""A blocked list of half a million entries: how long does it take to read, and to look one up?

Runs inside the filter's own environment, on the code that the filter runs. The peer is what a
script would do: compare an address with one network of `ipaddress` after the other. It gets 200
networks; with all of them it would take two and a half thousand times as long.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from outcome import outcome, table

from sender_filter.core.addresses import parse
from sender_filter.core.lists import AddressList

READ_SECONDS, FIND_MICROSECONDS, TIMES_FASTER = 10, 10, 10
PEER_NETWORKS, PEER_QUESTIONS, QUESTIONS = 200, 2_000, 50_000
# Of each hundred entries: how many, of how many bits, with which lengths of prefix.
KINDS = [(80, 32, [32]), (12, 32, [16, 20, 24, 28]), (8, 128, [32, 48, 64, 128])]


def entries(count: int, chance: random.Random) -> Iterator[str]:
    """Addresses and networks of both families, as they stand in a list."""
    for share, bits, lengths in KINDS:
        for _ in range(count * share // 100):
            length = chance.choice(lengths)
            network = chance.getrandbits(length) << (bits - length)
            yield f"{_address(network, bits)}/{length}"


def _address(number: int, bits: int) -> str:
    return str((ipaddress.IPv4Address if bits == 32 else ipaddress.IPv6Address)(number))


def seconds(work: Callable[[], object]) -> float:
    """The processor's time for some work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(count: int) -> list[dict[str, Any]]:
    """The rows, in the form that every benchmark of this project writes."""
    chance = random.Random(count)
    lines = list(entries(count, chance))
    found = AddressList()
    read = seconds(lambda: found.read("blocked.list", lines, flags=True))
    texts = [_address(chance.getrandbits(bits), bits) for bits in (32, 128) * (QUESTIONS // 2)]
    asked = list(map(parse, texts))
    one = seconds(lambda: [found.find(each) for each in asked]) / len(asked) * 1e6
    networks = [ipaddress.ip_network(line) for line in lines[:PEER_NETWORKS]]
    questions = [ipaddress.ip_address(text) for text in texts[:PEER_QUESTIONS]]
    peer = seconds(lambda: [any(q in n for n in networks) for q in questions])
    peer = peer / len(questions) * 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        (f"lists: {count} entries are read", read, None, "s", f"< {READ_SECONDS}",
         read < READ_SECONDS),
        ("lists: an address is looked up", one, peer, "µs",
         f"< {FIND_MICROSECONDS}, {TIMES_FASTER} times faster",
         one < FIND_MICROSECONDS and peer > TIMES_FASTER * one),
        ("lists: the whole process", memory, None, "MiB", None, None),
    ]  # fmt: skip
    return [
        {
            "row": row, "ours": round(ours, 2), "peer": beside and round(beside, 2), "unit": unit,
            "ratio": beside and round(beside / ours), "aim": aim, "met": met,
        }
        for row, ours, beside, unit, aim, met in rows
    ]  # fmt: skip


def main() -> int:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=500_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = measure(options.entries)
    print(table(rows))
    return outcome(rows, options.json)


if __name__ == "__main__":
    sys.exit(main())
