"""HAProxy in TCP mode, one thread unless told otherwise."""

from __future__ import annotations

from pathlib import Path

from side_by_side.load import BLOCKED
from side_by_side.servers import Server, most_sessions

CONFIG = """\
global
    nbthread {threads}
    maxconn {most}
defaults
    mode tcp
    timeout connect 10s
    timeout client 300s
    timeout server 300s
frontend refusing
    bind 127.0.0.1:{refusing} backlog 4096
    tcp-request connection reject if {{ src -f {folder}/blocked }}
    default_backend upstream
frontend relaying
    bind 127.0.0.1:{relaying} backlog 4096
    default_backend upstream
backend upstream
    server upstream 127.0.0.1:{upstream} send-proxy-v2
"""


class HAProxy(Server):
    """Refuses without a word on one port, relays with the PROXY header on the other.

    In TCP mode it cannot say a reply of SMTP and wait for QUIT: its refusals are an upper bound.
    """

    name = "HAProxy"
    refusing = 2701
    port = 2702

    def __init__(self, folder: Path, upstream: int, threads: int = 1) -> None:
        super().__init__(folder)
        self._upstream, self._threads = upstream, threads

    def command(self) -> list[str]:
        """Everything stands in its configuration."""
        (self.folder / "blocked").write_text(f"{BLOCKED}/16\n")
        (self.folder / "haproxy.cfg").write_text(
            CONFIG.format(
                threads=self._threads,
                most=most_sessions(),
                folder=self.folder,
                upstream=self._upstream,
                refusing=self.refusing,
                relaying=self.port,
            )
        )
        return ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]
