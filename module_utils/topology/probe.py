"""An SMTP transaction up to RCPT: proof that the path from the port to Postfix works.

No message is sent. The recipient is the one that every server must know (RFC 5321, section
4.5.1), the sender is the null path.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import BinaryIO

SECONDS = 30.0  # a server that looks a name up in vain greets late
LONGEST_LINE = 512


@dataclass(frozen=True)
class Answer:
    """How far a transaction came: the last command, and the reply to it."""

    command: str
    reply: str

    @property
    def greeted(self) -> bool:
        """Whether there was a greeting, so that the commands could be said."""
        return self.command != "connect"

    @property
    def accepted(self) -> bool:
        """Whether the recipient was accepted."""
        return self.command == "RCPT TO" and self.reply.startswith("2")

    def like(self, other: Answer) -> bool:
        """Whether two transactions came equally far, with the same kind of reply."""
        return (self.command, self.reply[:1]) == (other.command, other.reply[:1])

    def __str__(self) -> str:
        return f"{self.command}: {self.reply}"


def transaction(address: str, port: int, seconds: float = SECONDS) -> Answer:
    """Say EHLO, MAIL and RCPT to the server at an address, then take it back."""
    steps = (
        ("EHLO", b"EHLO [127.0.0.1]\r\n"),
        ("MAIL FROM", b"MAIL FROM:<>\r\n"),
        ("RCPT TO", b"RCPT TO:<postmaster>\r\n"),
    )
    answer = Answer("connect", "")
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            reader = connection.makefile("rb")
            answer = Answer("connect", _reply(reader))
            if not answer.reply.startswith("2"):
                return answer
            for name, command in steps:
                connection.sendall(command)
                answer = Answer(name, _reply(reader))
                if not answer.reply.startswith("2"):
                    break
            # What was to be proven is proven; how the server takes leave does not matter.
            with contextlib.suppress(OSError):
                connection.sendall(b"RSET\r\nQUIT\r\n")
                _reply(reader)
                _reply(reader)
    except OSError as error:
        return Answer(answer.command, f"no answer: {error}")
    return answer


def _reply(reader: BinaryIO) -> str:
    """The last line of a reply, RFC 5321 section 4.2."""
    while True:
        line = rest = reader.readline(LONGEST_LINE)
        while rest and not rest.endswith(b"\n"):
            rest = reader.readline(LONGEST_LINE)
        if not line:
            raise OSError("the connection was closed")
        if line[3:4] != b"-":
            return line.decode("ascii", "replace").strip()
