"""The sender filter, as a gateway has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from side_by_side.load import BLOCKED
from side_by_side.servers import Server, most_sessions

FILTER = str(Path(sys.prefix) / "bin/senderfilter")

FULL_POLICY = """
[known_hosts]
enabled = true
networks = ["192.0.2.0/28"]
[profiler.spam]
enabled = "on"
[profiler.virus]
enabled = "on"
[profiler.bounced]
enabled = "on"
[profiler.harvest]
enabled = "on"
[throttling]
mode = "on"
address = { most_connections = 1000000, most_messages = 1000000 }
sender = { most_messages = 1000000 }
"""
"""Every function that needs no DNS, with limits that nobody reaches."""

LISTS_ONLY = ""
"""Nobody wants to know what a client says that the lists let through."""


class SenderFilter(Server):
    """Our own."""

    name = "sender filter"

    def __init__(
        self,
        folder: Path,
        port: int,
        upstream: int,
        policy: str,
        handover: str = "",
        workers: int = 1,
    ) -> None:
        """Blocks a network and nobody else; ``handover`` is more of the section upstream."""
        super().__init__(folder)
        self.port = port
        self.blocked = folder / "blocked.list"
        self.blocked.write_text(f"{BLOCKED}/16\n")
        (folder / "approved.list").touch()
        (folder / "records").mkdir(exist_ok=True)
        self._config = folder / "config.toml"
        self._config.write_text(
            f'[listen]\naddresses = ["127.0.0.1:{port}"]\nworkers = {workers}\n'
            f'[upstream]\naddress = "127.0.0.1:{upstream}"\n{handover}'
            '[lists]\nblocked = ["blocked.list"]\napproved = ["approved.list"]\n'
            f"[limits]\nsessions = {most_sessions()}\nsessions_per_address = 0\n"
            f'[control]\nsocket = "{folder}/control"\n'
            f'[log]\ndirectory = "{folder}/records"\n'
            f'[state]\nfile = "{folder}/state.sqlite"\n{policy}'
        )

    def command(self) -> list[str]:
        """Its configuration is there already."""
        return [FILTER, "serve", "--config", str(self._config)]

    def status(self) -> dict[str, Any]:
        """What it says of itself."""
        environment = os.environ | {"SENDER_FILTER_CONFIG": str(self._config)}
        command = [FILTER, "status", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, check=True)
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def decisions(self) -> int:
        """How many decisions were written down."""
        return sum(
            b'"event":"decision"' in line
            for file in (self.folder / "records").iterdir()
            for line in file.open("rb")
        )
