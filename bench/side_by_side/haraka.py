"""Haraka with one process and one plugin that refuses; it says so and closes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from side_by_side.load import BLOCKED
from side_by_side.servers import Server

PROGRAM = "/opt/haraka/node_modules/Haraka/bin/haraka"
IT_ASKS = Path("/etc/resolv.conf")


class Haraka(Server):
    """Does nothing beside its plugin."""

    name = "Haraka"

    def __init__(self, folder: Path, port: int, plugin: str, more: Mapping[str, str]) -> None:
        super().__init__(folder)
        self.port = port
        files = {
            "me": "gateway.test",
            "plugins": plugin,
            "smtp.ini": f"listen=127.0.0.1:{port}\nnodes=0",
            "log.ini": "level=notice",
        }
        (folder / "config").mkdir()
        for name, text in (files | dict(more)).items():
            (folder / "config" / name).write_text(f"{text}\n")

    @staticmethod
    def is_installed() -> bool:
        """Whether npm has brought it."""
        if not Path(PROGRAM).exists():
            print("Haraka is not measured: npm could not install it when the box was made")
            return False
        return True

    def command(self) -> list[str]:
        """Its configuration is there already."""
        return ["node", PROGRAM, "-c", str(self.folder)]


def with_access(folder: Path) -> Haraka:
    """Refuses a network by its plugin access, which knows regular expressions alone."""
    network = BLOCKED.removesuffix(".0.0").replace(".", r"\.")
    files = {
        "access.ini": "[check]\nany=false\nconn=true\nmail=false\nrcpt=false",
        "connect.rdns_access.blacklist_regex": rf"{network}\..*",
    }
    return Haraka(folder, 2721, "access", files)


def with_dns_list(folder: Path, zone: str) -> Haraka:
    """Asks a block list about each client by its plugin dns-list, which keeps no answers.

    It asks the name server of the host, on port 53.
    """
    IT_ASKS.write_text("nameserver 127.0.0.1\n")
    every = f"[main]\nperiodic_checks=0\nzones={zone}\nsearch=first"
    return Haraka(folder, 2722, "dns-list", {"dns-list.ini": every})
