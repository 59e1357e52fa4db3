"""A stand-in for Postfix's master: listens where master.cf says, and reads it again when told.

As the real one it ends when it cannot bind a port, and cuts the sessions of a service that goes.
SIGHUP lets it read its file, any other signal ends it. With a file `postfix-spins` it is as the
real one that waits for a child: it hears no signal, and only ends when it is killed.
Run as: stand_in_master.py CONFIG_DIR HOST PID_FILE shared|alone
"""

import os
import re
import signal
import sys
from pathlib import Path

from stand_in import SIGNALS, Service, end, go_on_alone

config_dir, host, pid_file = map(Path, sys.argv[1:4])
shared = sys.argv[4] == "shared"
services: dict[int, Service] = {}


def apply() -> None:
    """Have the listeners of master.cf."""
    text = (config_dir / "master.cf").read_text()
    wanted = {int(port) for port in re.findall(r"^(?:\S+:)?(\d+)\s+inet\s", text, re.MULTILINE)}
    for port in set(services) - wanted:
        services.pop(port).stop(cut=True)
    for port in sorted(wanted - set(services)):
        services[port] = Service(host, "postfix", port, shared=shared)
        services[port].serve()


def main() -> None:
    """Serve until the end."""
    ready = go_on_alone(host, "master")
    apply()
    pid_file.write_text(f"{os.getpid():>16}\n")
    ready()
    while signal.sigwait(SIGNALS) == signal.SIGHUP:
        if (host / "postfix-deaf").exists():
            continue
        while (host / "postfix-spins").exists() and signal.SIGUSR2 not in signal.sigpending():
            pass
        try:
            apply()
        except OSError:
            break
    end()


main()
