"""Email Reputation: new addresses at a steady rate, and a block list that answers late.

Each address is asked about for the first time and is listed, so that each costs two questions, one
after the other: whether, and why. If a session waited for another's look-up, the greeting would
come later than these two.

Then as many at once as either can do, beside Haraka's plugin dns-list. It asks only whether, and
gives no reason.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from side_by_side.block_list import DELAY_SECONDS, BlockList
from side_by_side.figures import row
from side_by_side.haraka import with_dns_list
from side_by_side.load import LISTED, Load
from side_by_side.ours import FULL_POLICY, SenderFilter
from side_by_side.servers import running

RATE = 2000
SECONDS = 10
AT_ONCE, BRIEFLY = 200, 4
"""So many clients, for so long: nobody comes twice, for the filter would know the answer then."""
MOST_TIMES = 2
"""What the slowest client in a hundred waits for at most, in answers beyond its own two."""


def measure(folder: Path, load: Load, seconds: float) -> list[dict[str, Any]]:  # noqa: ARG001 - as its siblings
    """The rows."""
    block_list = BlockList(folder / "rbldnsd", f"{LISTED}/17")
    policy = f"""{FULL_POLICY}
[reputation]
servers = ["127.0.0.1:{block_list.port}"]
cache_entries = 200000
[[reputation.zones]]
name = "{block_list.zone}"
"""
    ours = SenderFilter(folder / "ours", 2800, 9, policy)
    fresh = SenderFilter(folder / "fresh", 2801, 9, policy)
    haraka = with_dns_list(folder / "haraka", block_list.zone)
    peers = [haraka] * haraka.is_installed()

    def most(port: int) -> float:
        run = load.run("refused", port, AT_ONCE, BRIEFLY, first=LISTED, sources=1 << 15)
        return run.per_second

    with running(block_list, ours):
        run = load.run(
            "refused", ours.port, 2000, SECONDS, first=LISTED, sources=1 << 15, rate=RATE
        )
    with running(block_list, fresh, *peers):
        judged, by_haraka = most(fresh.port), most(haraka.port) if peers else None
    own = 2 * DELAY_SECONDS * 1e6
    greeting, below = run.steps["greeting"], own + MOST_TIMES * DELAY_SECONDS * 1e6
    what = f"greeting of new addresses, listed after two answers of {DELAY_SECONDS * 1000:g} ms"
    return [
        row(f"{what}, p50", greeting.p50, own, "µs"),
        row(f"{what}, p99", greeting.p99, own, "µs", below=below),
        row("new addresses judged", run.per_second, RATE, "1/s", least=0.99),
        row(
            f"as many as it can, {AT_ONCE} at once: Haraka with dns-list", judged, by_haraka, "1/s"
        ),
    ]
