"""What a worker tells its supervisor, over a pair of sockets.

Nothing is said the other way, commands are signals. But each end notices when the other one is
closed, and the kernel closes it however its process may have ended.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable

import msgspec
from msgspec import Struct

_LONGEST = 4096


class Ready(Struct, frozen=True, tag=True):
    """The worker takes clients, for the first time or again after a reload.

    Attributes:
        reloaded: Whether it has taken up new settings.
    """

    reloaded: bool = False


class Reloading(Struct, frozen=True, tag=True):
    """The worker reads its settings again."""


class Alive(Struct, frozen=True, tag=True):
    """The worker's event loop turns.

    Attributes:
        sessions: Sessions relayed now.
        relayed: Sessions relayed since it started.
        refused: Clients refused since it started.
    """

    sessions: int = 0
    relayed: int = 0
    refused: int = 0


class Stopping(Struct, frozen=True, tag=True):
    """The worker takes nobody new and lets its sessions end.

    Attributes:
        seconds: How long that may take.
    """

    seconds: float


Report = Ready | Reloading | Alive | Stopping


def open_pair() -> tuple["Receiver", "Reporter"]:
    """The two ends: the supervisor's and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    theirs.setblocking(False)
    return Receiver(ours), Reporter(theirs)


class Reporter:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        """Speak into one end of a pair."""
        self._end = end

    def tell(self, report: Report) -> None:
        """Send a report, if there is still somebody to hear it. Never waits."""
        with contextlib.suppress(OSError):
            self._end.send(msgspec.json.encode(report))

    def on_parting(self, call: Callable[[], None]) -> None:
        """Have a function called when the supervisor is gone, in the running event loop."""
        loop = asyncio.get_running_loop()

        def parted() -> None:  # the only thing that ever makes this end readable
            loop.remove_reader(self._end)
            call()

        loop.add_reader(self._end, parted)

    def close(self) -> None:
        """Close this end."""
        self._end.close()


class Receiver:
    """The supervisor's end.

    Attributes:
        parted: Whether the worker is gone; all that it has said was read then.
    """

    def __init__(self, end: socket.socket) -> None:
        """Listen at one end of a pair."""
        self._end = end
        self.parted = False

    def fileno(self) -> int:
        """The descriptor, for select()."""
        return self._end.fileno()

    def reports(self) -> list[Report]:
        """What was said since the last time. Never waits."""
        heard: list[Report] = []
        while not self.parted:
            try:
                data = self._end.recv(_LONGEST)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if data:
                heard.append(msgspec.json.decode(data, type=Report))
            self.parted = not data
        return heard

    def close(self) -> None:
        """Close this end."""
        self._end.close()
