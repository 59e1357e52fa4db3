"""An SMTP proxy that refuses clients by their source address.

The package reads from the inside out:

* ``core``: what is decided and said. Pure: no socket, no file, no clock of its own.
* ``settings``: the configuration file and the lists, checked and loaded.
* ``io``: the thin shell of sockets, signals, files and systemd around the core.
* ``cli``: the command ``senderfilter``.

Each layer knows only those before it.
"""

import sys
from pathlib import Path

# As in pyproject.toml. Asking importlib.metadata takes a quarter of the time of a start, and
# clients wait for that.
__version__ = "0.1.0"

RELEASE = str(Path(sys.prefix).resolve())
"""Where this process is from. Looked up once: an upgrade points links elsewhere meanwhile."""
