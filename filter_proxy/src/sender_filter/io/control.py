"""The control socket: lets ``senderfilter status`` and ``check`` ask the running filter."""

import asyncio
import contextlib
import itertools
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from sender_filter.io.listeners import Acceptor
from sender_filter.io.messages import Answer, Failure, Request

_LONGEST_REQUEST = 4096
_MOST_REQUESTS = 100
_MODE = 0o660
_MOST_CLIENTS = 16
_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = 1.5  # between two lives of a worker nobody answers
_AWAY = (FileNotFoundError, ConnectionError)

Handler = Callable[[Request], Awaitable[Answer]]


class ControlSocket:
    """The socket in the file system and who is connected to it."""

    def __init__(self, path: Path, handler: Handler) -> None:
        """Take the path over, from a dead filter or from one that is going, and listen.

        Raises:
            OSError: The socket cannot be made there; the message names it.
        """
        self._path = path
        self._handler = handler
        self._clients: set[asyncio.Task[None]] = set()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            path.unlink(missing_ok=True)
            listener.bind(str(path))
            path.chmod(_MODE)  # nobody can connect before listen()
            listener.listen()
        except OSError as error:
            listener.close()
            msg = f"control socket {path}: {error.strerror or error}"
            raise OSError(error.errno, msg) from None
        self._inode = path.stat().st_ino
        self._acceptor = Acceptor(listener, self._admit)

    def close(self, *, remove: bool) -> None:
        """Stop listening.

        Args:
            remove: Take the path away as well, unless a successor has it.
        """
        self._acceptor.close(empty_queue=False)
        if not remove:
            return
        try:
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()
        except OSError:
            return  # gone already

    def _admit(self, connection: socket.socket, _peer: object) -> None:
        if len(self._clients) >= _MOST_CLIENTS:
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(connection))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, connection: socket.socket) -> None:
        await answer_on(connection, self._handler)


async def answer_on(connection: socket.socket, handler: Handler) -> None:
    """Answer whoever asks on a connection."""
    await asyncio.get_running_loop().connect_accepted_socket(
        lambda: _ControlClient(handler), connection
    )


class _ControlClient(asyncio.Protocol):
    """One client of the control socket."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._buffer = b""
        self._lines: list[bytes] = []
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self._lines += lines
        if len(self._buffer) > _LONGEST_REQUEST or len(self._lines) > _MOST_REQUESTS:
            self._transport.abort()
        elif self._lines and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        """Answer in order: one question may have to be asked of the DNS."""
        while self._lines:
            answer = await self._answer(self._lines.pop(0))
            self._transport.write(msgspec.json.encode(answer) + b"\n")
            await asyncio.sleep(0)  # an order takes no waiting, and a hundred of them some time
        self._task = None

    async def _answer(self, line: bytes) -> Answer:
        try:
            return await self._handler(msgspec.json.decode(line, type=Request))
        except (ValueError, msgspec.MsgspecError) as error:
            return Failure(str(error))


def ask(paths: Sequence[Path], request: Request) -> Answer:
    """Ask the running filter, waiting for the answer; for the command line.

    Args:
        paths: Where it may be; the first that answers is asked.
        request: What is asked.

    Raises:
        OSError: No filter answers there.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        late = time.monotonic() > until
        for path in paths:
            try:
                return _ask_once(path, request)
            except _AWAY:
                if late and path == paths[-1]:
                    raise
        time.sleep(0.05)


def ask_all(path: Path, requests: Iterable[Request]) -> Iterator[Answer]:
    """Ask many things over one connection, some at a time; an answer for each, in order.

    Raises:
        OSError: No filter answers there, or not to the end.
    """
    with _connected(path) as connection, connection.makefile("rb") as lines:
        for window in _windows(requests):
            connection.sendall(b"".join(msgspec.json.encode(each) + b"\n" for each in window))
            for _ in window:
                yield _read(lines)


def _ask_once(path: Path, request: Request) -> Answer:
    with _connected(path) as connection, connection.makefile("rb") as lines:
        connection.sendall(msgspec.json.encode(request) + b"\n")
        return _read(lines)


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        connection.connect(os.fspath(path))
        yield connection


def _windows(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """So many requests that a filter takes them at once."""
    all_of_them = iter(requests)
    while window := list(itertools.islice(all_of_them, _MOST_REQUESTS // 2)):
        yield window


def _read(lines: BinaryIO) -> Answer:
    line = lines.readline()
    if not line:
        msg = "the filter closed the connection without an answer"
        raise ConnectionError(msg)
    try:
        answer: Answer = msgspec.json.decode(line, type=Answer)
    except msgspec.MsgspecError as error:
        msg = f"a filter of another version answers ({error})"
        raise OSError(msg) from None
    return answer
