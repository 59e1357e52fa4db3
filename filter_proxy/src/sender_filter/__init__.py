"""An SMTP proxy that refuses clients by their source address.

The package reads from the inside out:

* ``core``: what is decided and said. Pure: no socket, no file, no clock of its own.
* ``settings``: the configuration file and the lists, checked and loaded.
* ``io``: the thin shell of sockets, signals, files and systemd around the core.
* ``cli``: the command ``senderfilter``.

Each layer knows only those before it.
"""

from importlib.metadata import version

__version__ = version("sender-filter")
