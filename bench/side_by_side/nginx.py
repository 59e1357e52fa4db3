"""nginx with one worker: as a stream proxy, and as a mail proxy that believes everybody.

The mail proxy asks an HTTP service where each client is to go (ngx_mail_auth_http_module); here
that is nginx itself, with the same answer for all.
"""

from __future__ import annotations

from pathlib import Path

from side_by_side.load import BLOCKED
from side_by_side.servers import Server, most_sessions

CONFIG = """\
load_module modules/ngx_stream_module.so;
load_module modules/ngx_mail_module.so;
daemon off;
worker_processes 1;
error_log {folder}/error.log;
pid {folder}/pid;
events {{ worker_connections {files}; }}
stream {{
    server {{
        listen 127.0.0.1:{refusing} backlog=4096;
        deny {blocked}/16;
        proxy_pass 127.0.0.1:{upstream};
    }}
    server {{
        listen 127.0.0.1:{relaying} backlog=4096;
        proxy_pass 127.0.0.1:{upstream};
        proxy_protocol on;
    }}
}}
mail {{
    auth_http 127.0.0.1:{asking}/;
    server {{
        listen 127.0.0.1:{mail} backlog=4096;
        protocol smtp;
        smtp_auth none;
        xclient off;
    }}
}}
http {{
    access_log off;
    keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{asking};
        location / {{
            add_header Auth-Status OK;
            add_header Auth-Server 127.0.0.1;
            add_header Auth-Port {bare};
            return 200;
        }}
    }}
}}
"""


class Nginx(Server):
    """Denies without a word on one port, relays on the others."""

    name = "nginx"
    refusing, port, mail, asking = 2711, 2712, 2713, 2714

    def __init__(self, folder: Path, upstream: int, bare: int) -> None:
        """Relay to ``upstream`` with the PROXY header, and from the mail proxy to ``bare``."""
        super().__init__(folder)
        self._upstream, self._bare = upstream, bare

    def command(self) -> list[str]:
        """Everything stands in its configuration."""
        file = self.folder / "nginx.conf"
        file.write_text(
            CONFIG.format(
                folder=self.folder,
                files=2 * most_sessions(),
                blocked=BLOCKED,
                refusing=self.refusing,
                relaying=self.port,
                mail=self.mail,
                asking=self.asking,
                upstream=self._upstream,
                bare=self._bare,
            )
        )
        return ["nginx", "-c", str(file), "-e", str(self.folder / "error.log")]
