"""The control socket of the running filter."""

import asyncio
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from sender_filter.io.messages import Answer, Failure, Request
from sender_filter_console.interface import RefusedError, UnavailableError

PATIENCE_SECONDS = 10.0
LARGEST_ANSWER = 64 * 1024 * 1024
AT_ONCE = 8
"""Connections; the filter takes no more than sixteen, and its own command needs some."""

AHEAD = 50
"""Orders on their way; the filter cuts off whoever sends a hundred."""

Kind = TypeVar("Kind", bound=msgspec.Struct)

_decoder: msgspec.json.Decoder[Answer] = msgspec.json.Decoder(Answer)


class Link:
    """Asks the filter."""

    def __init__(self, sockets: Sequence[str]) -> None:
        """It may be at any of these; the first that answers is asked."""
        self._sockets = sockets
        self._free = asyncio.Semaphore(AT_ONCE)

    async def ask(self, request: Request, kind: type[Kind]) -> Kind:
        """Ask, and expect such an answer.

        Raises:
            UnavailableError: No filter answers.
            RefusedError: It says why it does not do that.
        """
        [answer] = await self.ask_all([request])
        if isinstance(answer, Failure):
            raise RefusedError(answer.error)
        if not isinstance(answer, kind):
            msg = "a filter of another version answers"
            raise UnavailableError(msg)
        return answer

    async def ask_all(self, requests: Sequence[Request]) -> list[Answer]:
        """Ask one after the other over one connection; a failure is one of the answers.

        Raises:
            UnavailableError: No filter answers.
        """
        problem = "there is no socket"
        async with self._free:
            for path in self._sockets:
                try:
                    return await _converse(path, requests)
                except _Away as error:
                    problem = f"{path}: {error}"
                except (OSError, TimeoutError, ValueError, msgspec.MsgspecError) as error:
                    msg = f"the filter gave no answer that could be read: {error}"
                    raise UnavailableError(msg) from None
        msg = f"the filter does not answer ({problem})"
        raise UnavailableError(msg)


class _Away(Exception):  # noqa: N818  # that is what it is
    """Nobody is there."""


async def _converse(path: str, requests: Sequence[Request]) -> list[Answer]:
    """Ask there.

    Raises:
        _Away: Nobody has taken the first question.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(path, limit=LARGEST_ANSWER)
    except OSError as error:
        raise _Away(error.strerror) from None
    answers: list[Answer] = []
    try:
        for start in range(0, len(requests), AHEAD):
            part = requests[start : start + AHEAD]
            writer.write(b"".join(msgspec.json.encode(request) + b"\n" for request in part))
            async with asyncio.timeout(PATIENCE_SECONDS):
                answers += [_decoder.decode(await _line(reader)) for _ in part]
    except ConnectionError as error:
        if answers:
            raise
        raise _Away(str(error)) from None
    finally:
        writer.close()
    return answers


async def _line(reader: asyncio.StreamReader) -> bytes:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        msg = "it hung up"
        raise ConnectionError(msg)
    return line
