"""Mail from smtp-source(1), Postfix's own generator: what anybody can measure without our load.

It takes more of the processor than that load does, and all its clients are this host itself, whom
Known Hosts would know: so it is for a filter that has nothing but lists.
"""

from __future__ import annotations

import subprocess
import time

SESSIONS, MESSAGES, BYTES = 50, 5000, 2048


def per_second(port: int) -> float:
    """Messages a second, one a session, to a port on loopback."""
    sizes = ["-s", str(SESSIONS), "-m", str(MESSAGES), "-l", str(BYTES)]
    envelope = ["-f", "sender@example.com", "-t", "recipient@example.test"]
    began = time.monotonic()
    subprocess.run(["smtp-source", *sizes, *envelope, f"127.0.0.1:{port}"], check=True)
    return MESSAGES / (time.monotonic() - began)
