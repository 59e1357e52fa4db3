"""Runs on the client: sends many messages at once and prints the SHA-256 of each one's body.

Arguments: the target's address, the source address, a token for the subjects, the number of
messages and of connections at once.
"""

from __future__ import annotations

import hashlib
import json
import random
import smtplib
import sys
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

ENDS = [b"", b" ", b".", b"..", b".\t", b"From here", b"\xc3\xa4\xff"]


def body(chooser: random.Random) -> bytes:
    """Lines that a careless hop would alter: dots, blanks, eight bits, the longest length."""
    lines = [chooser.choice(ENDS) + b"x" * chooser.randrange(100) for _ in range(20)]
    lines += [b"y" * 998, b"", b"."]
    chooser.shuffle(lines)
    return b"\r\n".join(lines) + b"\r\n"


def send(number: int) -> tuple[str, str]:
    """Send one message over a connection of its own."""
    target, source, token = sys.argv[1:4]
    subject = f"{token}-{number:04}"
    text = body(random.Random(subject))
    headers = f"From: <sender@remote.test>\r\nTo: <r@example.test>\r\nSubject: {subject}\r\n"
    headers += f"Date: {formatdate()}\r\nMessage-ID: <{subject}@remote.test>\r\n"
    with smtplib.SMTP(target, 25, timeout=120, source_address=(source, 0)) as session:
        session.sendmail(
            "sender@remote.test",
            [f"recipient-{number}@example.test"],
            headers.encode() + b"\r\n" + text,
            ["BODY=8BITMIME"],
        )
    return subject, hashlib.sha256(text).hexdigest()


def main() -> None:
    messages, connections = map(int, sys.argv[4:6])
    with ThreadPoolExecutor(connections) as pool:
        print(json.dumps(dict(pool.map(send, range(messages)))))


main()
