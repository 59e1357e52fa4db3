"""A service of type ``pass`` as Postfix's smtpd has it, written from Postfix's source."""

import array
import asyncio
import contextlib
import socket

NAMES = ["client_address", "client_port", "server_address", "server_port"]


def receive(link: socket.socket) -> tuple[socket.socket, bytes]:
    """The connection, and the bytes behind it (``unix_recv_fd``, then ``attr_scan0``)."""
    carrier, [(_, kind, rights)], _, _ = link.recvmsg(1, socket.CMSG_SPACE(64))
    assert (carrier, kind) == (b"\0", socket.SCM_RIGHTS)
    [descriptor] = array.array("i", rights)
    told = b""
    while not told.endswith(b"\0\0"):
        piece = link.recv(1)
        assert piece, "the list of attributes has an end"
        told += piece
    return socket.socket(fileno=descriptor), told


def read_attributes(told: bytes) -> tuple[str, int, str, int]:
    """What was told of a connection."""
    words = told.removesuffix(b"\0").removesuffix(b"\0").decode().split("\0")
    assert words[::2] == NAMES
    client, client_port, server, server_port = words[1::2]
    return client, int(client_port), server, int(server_port)


class PassService:
    """Takes connections over, and speaks on them as a back end does."""

    def __init__(self, path, talk):
        self.path = path
        self.talk = talk
        self.told = []
        self.early = []
        self.tasks = set()
        self.listener = None

    def listen(self, backlog=100):
        """Have a queue, and serve nobody yet."""
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(backlog)
        self.listener.setblocking(False)
        return self

    def start(self):
        if self.listener is None:
            self.listen()
        asyncio.get_running_loop().add_reader(self.listener, self._accept)
        return self

    def close(self):
        with contextlib.suppress(ValueError):
            asyncio.get_running_loop().remove_reader(self.listener)
        self.listener.close()
        self.listener = None

    def _accept(self):
        link, _ = self.listener.accept()
        link.setblocking(True)
        with link:
            connection, told = receive(link)
        self.told.append(read_attributes(told))
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self.tasks.add(task)

    async def _serve(self, connection):
        with contextlib.suppress(BlockingIOError):
            connection.setblocking(False)
            self.early.append(connection.recv(4096, socket.MSG_PEEK))
        reader, writer = await asyncio.open_connection(sock=connection)
        with contextlib.suppress(OSError):
            await self.talk(reader, writer)
        writer.close()
