"""SMTP as the tests speak it: from the lab's client, command by command, byte by byte."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from lab_hosts import LabHost, exec_on

REMOTE = Path(__file__).with_name("remote_connection.py").read_text(encoding="utf-8")
SENDER = "sender@remote.test"
RECIPIENT = "recipient@example.test"
BODY = b"A message of the tests.\r\n"


class Session:
    """One connection from a host of the lab to an SMTP port, greeting read.

    It is not closed in order unless a test says QUIT.
    """

    def __init__(self, host: LabHost, target: str, *, port: int = 25, source: str = "") -> None:
        self._process = subprocess.Popen(
            [*exec_on(host), "python3", "-c", REMOTE, target, str(port), source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self.port: int = self._answer()
            self.greeting = self.reply()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, in whatever state it is."""
        if self._process.returncode is None:
            self._process.communicate(timeout=30)

    def send(self, data: bytes) -> None:
        """Send bytes as they are, in one write."""
        self._ask("send", base64.b64encode(data).decode())

    def reply(self) -> str:
        """The next reply, all its lines; empty when the other end has closed."""
        return str(self._ask("reply"))

    def say(self, command: str) -> str:
        """Send one command and read its reply."""
        self.send(f"{command}\r\n".encode())
        return self.reply()

    def must(self, code: str, command: str) -> str:
        """Send one command; its reply must have this code."""
        answer = self.say(command)
        assert answer.startswith(code), f"{command}: {answer}"
        return answer

    def start_tls(self) -> bytes:
        """STARTTLS and the handshake.

        Returns:
            The certificate of the other end (DER).
        """
        self.must("220", "STARTTLS")
        return base64.b64decode(self._ask("start_tls"))

    def hello(self) -> str:
        """Introduce the client."""
        return self.must("250", "EHLO client.example.test")

    def envelope(self, sender: str = SENDER, recipient: str = RECIPIENT, options: str = "") -> None:
        """Say who writes to whom."""
        self.must("250", f"MAIL FROM:<{sender}>{options}")
        self.must("250", f"RCPT TO:<{recipient}>")

    def content(self, message: bytes) -> str:
        """DATA and the message.

        Returns:
            The queue id that the gateway's Postfix gave it.
        """
        self.must("354", "DATA")
        self.send(dotted(message))
        return queue_id(self.reply())

    def deliver(self, message: bytes) -> str:
        """A whole session, from EHLO to QUIT.

        Returns:
            The queue id that the gateway's Postfix gave the message.
        """
        self.hello()
        self.envelope()
        queued = self.content(message)
        self.quit()
        return queued

    def quit(self) -> None:
        """Take leave, and close after the other end has."""
        self.must("221", "QUIT")
        assert self.reply() == ""
        self.close()

    def _ask(self, *request: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the connection's program on the client has ended"
        answer = json.loads(line)
        if "error" in answer:
            raise ConnectionError(answer["error"])
        return answer["answer"]


def unique() -> str:
    """A subject that no other message has."""
    return f"test-{uuid4().hex}"


def message(subject: str, body: bytes = BODY, headers: Sequence[str] = ()) -> bytes:
    """A message with CRLF line ends; `body` must have them already."""
    lines = [f"From: <{SENDER}>", f"To: <{RECIPIENT}>", f"Subject: {subject}"]
    lines += [f"Date: {formatdate()}", f"Message-ID: <{uuid4().hex}@remote.test>"]
    return "".join(f"{line}\r\n" for line in [*lines, *headers]).encode() + b"\r\n" + body


def dotted(text: bytes) -> bytes:
    """A message as it goes after DATA, its end included (RFC 5321 section 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", text) + b".\r\n"


def queue_id(reply: str) -> str:
    """The queue id in Postfix's reply to a message."""
    found = re.fullmatch(r"250 2\.0\.0 Ok: (?:\d+ bytes )?queued as (\w+)", reply)
    assert found, reply
    return found[1]


def body_of(stored: bytes) -> bytes:
    """The body of a stored message, with the line ends it had on the wire."""
    return stored.partition(b"\n\n")[2].replace(b"\n", b"\r\n")
