"""Postfix: alone, behind postscreen, and behind those who tell it the client by the PROXY protocol.

One instance with a service for each way in. Set as its documentation says: POSTSCREEN_README (the
list goes before all tests, ``drop`` closes after the reply), postlogd(8) writes the log.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from side_by_side.load import BLOCKED
from side_by_side.servers import Server

ALONE, SCREENED, PROXIED = 2525, 2526, 2500
PROGRAMS = Path("/usr/lib/postfix/sbin")

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = /var/log/postfix-{name}.log
myhostname = gateway.test
mynetworks = 192.0.2.1
mydestination =
relay_domains = example.test
relay_transport = discard
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_upstream_proxy_timeout = 20s
smtpd_relay_restrictions = reject_unauth_destination
anvil_status_update_time = 0
postscreen_access_list = cidr:{folder}/access.cidr
postscreen_denylist_action = drop
postscreen_client_connection_count_limit = 0
postscreen_pre_queue_limit = 2000
postscreen_post_queue_limit = 2000
postscreen_cache_map =
default_process_limit = 200
"""

MASTER = """\
{alone} inet n - n - - smtpd
{screened} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
filter pass - - n - - smtpd
{proxied} inet n - n - - smtpd
  -o smtpd_upstream_proxy_protocol=haproxy
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix(Server):
    """All of them in one instance."""

    name = "Postfix"
    port = ALONE

    @property
    def pass_socket(self) -> Path:
        """Where smtpd takes connections that somebody else has accepted."""
        return self.folder / "queue/private/filter"

    def command(self) -> list[str]:
        """Make its folders, as ``postfix start`` wants them."""
        folder = self.folder
        (folder / "access.cidr").write_text(f"{BLOCKED}/16 reject\n198.18.0.0/15 permit\n")
        (folder / "main.cf").write_text(MAIN.format(folder=folder, name=folder.name))
        ports = {"alone": ALONE, "screened": SCREENED, "proxied": PROXIED}
        (folder / "master.cf").write_text(MASTER.format(**ports))
        (folder / "queue").mkdir(exist_ok=True)
        (folder / "data").mkdir(exist_ok=True)
        subprocess.run(["chown", "postfix", folder / "data"], check=True)
        return ["postfix", "-c", str(folder), "start-fg"]

    def processes(self) -> Iterator[Path]:
        """All that were started out of its folder of programs."""
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                program = (folder / "exe").readlink()
            except OSError:
                continue
            if program.parent == PROGRAMS:
                yield folder

    def stop(self) -> None:
        """End master, and it ends the others."""
        subprocess.run(["postfix", "-c", str(self.folder), "stop"], check=False)
        super().stop()
