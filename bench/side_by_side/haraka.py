"""Haraka with one process, which refuses by its plugin access (``connect.rdns_access``)."""

from __future__ import annotations

from pathlib import Path

from side_by_side.load import BLOCKED
from side_by_side.servers import Server

PROGRAM = "/opt/haraka/node_modules/Haraka/bin/haraka"


class Haraka(Server):
    """Says its refusal and closes. It knows no networks, but regular expressions."""

    name, port = "Haraka", 2721

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        network = BLOCKED.removesuffix(".0.0").replace(".", r"\.")
        files = {
            "me": "gateway.test",
            "plugins": "access",
            "smtp.ini": f"listen=127.0.0.1:{self.port}\nnodes=0",
            "log.ini": "level=notice",
            "access.ini": "[check]\nany=false\nconn=true\nmail=false\nrcpt=false",
            "connect.rdns_access.blacklist_regex": rf"{network}\..*",
        }
        (folder / "config").mkdir()
        for name, text in files.items():
            (folder / "config" / name).write_text(f"{text}\n")

    @staticmethod
    def is_installed() -> bool:
        """Whether npm has brought it."""
        return Path(PROGRAM).exists()

    def command(self) -> list[str]:
        """Its configuration is there already."""
        return ["node", PROGRAM, "-c", str(self.folder)]
