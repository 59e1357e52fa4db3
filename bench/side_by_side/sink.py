"""Where relayed mail goes that is not meant to measure Postfix."""

from __future__ import annotations

from pathlib import Path

from side_by_side.load import compiled
from side_by_side.servers import Server


class Sink(Server):
    """Takes every message and forgets it; with or without a PROXY header before each session."""

    name = "sink"

    def __init__(self, folder: Path, port: int, *, header: bool) -> None:
        super().__init__(folder)
        self.port = port
        self._header = header

    def command(self) -> list[str]:
        """Compile it."""
        return [str(compiled("sink", self.folder)), str(self.port), str(int(self._header))]
