"""A box for each worker, into which the others put what is for it.

The boxes are pairs of sockets, made before the first worker is forked, and the supervisor keeps
both ends. So a box outlives its worker: as with a listening socket, what was put into it while one
died is found by the next one. A message is whole or not there at all, and messages of one worker to
another keep their order.
"""

import array
import socket
from typing import NamedTuple

_LONGEST = 65_536
_ROOM = 1 << 20  # the kernel gives as much of it as net.core.wmem_max allows
_DESCRIPTOR = array.array("i").itemsize


class Message(NamedTuple):
    """Something that lay in a box.

    Attributes:
        data: What it says.
        connection: The connection that came with it, if one did.
    """

    data: bytes
    connection: socket.socket | None


class Post:
    """All boxes, as the supervisor has them; none where one worker is alone."""

    def __init__(self, workers: int) -> None:
        """Make so many boxes."""
        pairs = [_pair() for _ in range(workers if workers > 1 else 0)]
        self._readers = [reader for reader, _ in pairs]
        self._writers = [writer for _, writer in pairs]
        self._workers = workers

    def desk(self, worker: int) -> "Desk":
        """In the process of a worker: its own box to read, and all to write to.

        The other ends are closed, so that a box whose worker and supervisor are gone is known for
        one that nobody reads any more.
        """
        box = None
        for number, reader in enumerate(self._readers):
            if number == worker:
                box = reader
            else:
                reader.close()
        return Desk(worker, self._workers, box, self._writers)


class Desk:
    """The boxes as one worker has them.

    Attributes:
        worker: Its number.
        workers: How many there are.
        box: The end that its own box is read from; None: it is alone, or has left.
    """

    def __init__(
        self, worker: int, workers: int, box: socket.socket | None, writers: list[socket.socket]
    ) -> None:
        """Take the ends over."""
        self.worker = worker
        self.workers = workers
        self.box = box
        self._writers = writers

    def send(self, worker: int, data: bytes, connection: socket.socket | None = None) -> bool:
        """Put something into a box, without waiting.

        Args:
            worker: Whose box.
            data: What it says.
            connection: A connection to go with it; it is still to be closed here.

        Returns:
            Whether it is in the box; not if that is full, or nobody will read it any more.
        """
        rights = []
        if connection is not None:
            numbers = array.array("i", [connection.fileno()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)]
        try:
            self._writers[worker].sendmsg([data], rights)
        except OSError:
            return False
        return True

    def take(self) -> Message | None:
        """The next thing in the own box, if there is any."""
        if self.box is None:
            return None
        try:
            data, rights, _, _ = self.box.recvmsg(
                _LONGEST, socket.CMSG_SPACE(_DESCRIPTOR), socket.MSG_CMSG_CLOEXEC
            )
        except OSError:
            return None
        if not data:
            return None
        return Message(data, _connection(rights))

    def close(self) -> None:
        """Read the own box no more: it is a successor's now."""
        if self.box is not None:
            self.box.close()
            self.box = None


def _pair() -> tuple[socket.socket, socket.socket]:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ROOM)
    for end in (reader, writer):
        end.setblocking(False)
    return reader, writer


def _connection(rights: list[tuple[int, int, bytes]]) -> socket.socket | None:
    """The connection among what came beside a message."""
    for _, _, data in rights:
        numbers = array.array("i", data[:_DESCRIPTOR])
        connection = socket.socket(fileno=numbers[0])
        connection.setblocking(False)
        return connection
    return None
