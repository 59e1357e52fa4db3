"""Signals to a process without an event loop, as something that select() can wait for."""

import contextlib
import signal
import socket
from collections.abc import Iterator

COMMANDS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


class SignalQueue:
    """The commands that have come in, in order."""

    def __init__(self) -> None:
        """From now on commands wait here to be taken."""
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        for number in COMMANDS:
            signal.signal(number, lambda *_: None)  # what counts is the byte in the socket
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

    def fileno(self) -> int:
        """The descriptor, for select()."""
        return self._reader.fileno()

    def take(self) -> list[int]:
        """The signals that have come since the last time."""
        with contextlib.suppress(BlockingIOError):
            return list(self._reader.recv(4096))
        return []

    def forget(self) -> None:
        """In a child: have nothing more to do with the parent's signals."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold commands back meanwhile. A child that is forked meanwhile begins with them held."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, COMMANDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def release() -> None:
    """Let commands in that were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, COMMANDS)
