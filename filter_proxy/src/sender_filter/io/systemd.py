"""What a service says to systemd, and the sockets it gets from it.

Both protocols are a few bytes in the environment: sd_notify(3) and sd_listen_fds(3).
"""

import os
import socket
import time
from collections.abc import MutableMapping

_FIRST_DESCRIPTOR = 3


def take_sockets(environ: MutableMapping[str, str]) -> list[socket.socket]:
    """The listening sockets that systemd passed, none if it passed none.

    The variables are removed, so that no child takes them for its own.

    Raises:
        OSError: A descriptor is not a listening TCP socket.
    """
    pid, count = environ.pop("LISTEN_PID", ""), environ.pop("LISTEN_FDS", "0")
    environ.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()):
        return []
    return [_listener(_FIRST_DESCRIPTOR + index) for index in range(int(count))]


def _listener(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    listener = socket.socket(fileno=descriptor)
    listens = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        msg = f"descriptor {descriptor} from systemd is not a listening TCP socket"
        raise OSError(msg)
    listener.setblocking(False)
    return listener


class Notifier:
    """Sends states to systemd; without one (no NOTIFY_SOCKET) it does nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take socket and watchdog interval from the environment."""
        self._address = environ.pop("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):  # a name in the abstract namespace, unix(7)
            self._address = "\0" + self._address[1:]
        mine = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        micros = environ.pop("WATCHDOG_USEC", "0")
        self.watchdog_seconds = int(micros) / 1e6 if mine else 0.0

    def ready(self) -> None:
        """The service takes clients, for the first time or again after a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is being read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, seconds: float) -> None:
        """The service is on its way out and may need this long."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def alive(self) -> None:
        """This process is not stuck."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def _send(self, *fields: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as channel:
            try:
                channel.sendto("\n".join(fields).encode(), self._address)
            except OSError:
                # A notice that cannot be sent is systemd's to miss (its watchdog then acts);
                # it is no reason to stop the mail.
                return
