"""rbldnsd with one zone, as if it were far away: each answer comes a while later."""

from __future__ import annotations

import sys
from pathlib import Path

from side_by_side import late_answers
from side_by_side.servers import Server

DELAY_SECONDS = 0.020
ZONE = """\
$SOA 3000 ns.bl.test host.bl.test 0 600 300 86400 90
$TTL 1800
:127.0.0.2:Listed for a benchmark
127.0.0.2
{listed}
"""


class BlockList(Server):
    """The name server, behind a relay that holds answers back (``late_answers.py``)."""

    name, zone, port = "rbldnsd", "bl.test", 53

    def __init__(self, folder: Path, listed: str) -> None:
        super().__init__(folder)
        folder.chmod(0o755)
        (folder / "zone").write_text(ZONE.format(listed=listed))

    def command(self) -> list[str]:
        """The relay starts the name server."""
        near = f"127.0.0.1/{self.port + 1}"
        rbldnsd = ["rbldnsd", "-n", "-b", near, "-w", str(self.folder), f"{self.zone}:ip4trie:zone"]
        return [sys.executable, late_answers.__file__, str(self.port), str(DELAY_SECONDS), *rbldnsd]
