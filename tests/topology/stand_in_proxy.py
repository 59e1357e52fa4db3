"""A stand-in for the vendor's proxy: it listens, alone, and SIGUSR2 ends it with its sessions.

Run as: stand_in_proxy.py NAME PORT HOST
"""

import os
import signal
import sys
from pathlib import Path

from stand_in import SIGNALS, Service, end, go_on_alone

name, port, host = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])


def main() -> None:
    """Serve until the end."""
    ready = go_on_alone(host, name)
    service = Service(host, "proxy", port, shared=False)
    (host / "proxy.pid").write_text(f"{os.getpid()}\n")
    service.serve()
    ready()
    signal.sigwait(SIGNALS)
    end()


main()
