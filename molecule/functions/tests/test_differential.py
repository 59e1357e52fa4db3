"""What comes through the filter is answered, and arrives, as if Postfix were alone.

The same bytes go through the filter, and to Postfix behind it with a PROXY header of that client.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

import pytest
from lab_hosts import Client, LabHost, MailStore, eventually, exec_on
from moves import Fleet, Gateway

REMOTE = (Path(__file__).parents[2] / "shared/transcripts.py").read_text(encoding="utf-8")
SOURCE = 8
HELLO = b"EHLO client.example.test\r\n"
ENVELOPE = b"MAIL FROM:<sender@remote.test>\r\nRCPT TO:<recipient@example.test>\r\n"
HEAD = (
    b"From: <sender@remote.test>\r\nTo: <recipient@example.test>\r\nSubject: {token}\r\n"
    b"Date: " + formatdate().encode() + b"\r\nMessage-ID: <{token}@remote.test>\r\n\r\n"
)
SECOND = HEAD.replace(b"{token}", b"{token}-smuggled")
QUIT = b"QUIT\r\n"


def smuggled(end: bytes) -> list[bytes]:
    """A message, something that may be its end, and commands behind it."""
    more = b"MAIL FROM:<x@remote.test>\r\nRCPT TO:<recipient@example.test>\r\nDATA\r\n" + SECOND
    return [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"first" + end + more + b"second\r\n.\r\n", QUIT]


EARLY, ENDLESS = "early talker", "very long line"
TRANSCRIPTS = {
    "usual": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"text\r\n.\r\n", QUIT],
    "helo": [HELLO.replace(b"EHLO", b"HELO"), ENVELOPE, b"DATA\r\n", HEAD + b"a\r\n.\r\n", QUIT],
    "pipelined": [HELLO, ENVELOPE + b"DATA\r\n", HEAD + b"..dot\r\n.\r\n" + QUIT],
    "two messages": [HELLO, *[ENVELOPE, b"DATA\r\n", HEAD + b"a\r\n.\r\n"] * 2, QUIT],
    "content before 354": [HELLO, ENVELOPE, b"DATA\r\n" + HEAD + b"early\r\n.\r\n", QUIT],
    "unknown recipient": [
        HELLO,
        b"MAIL FROM:<>\r\nRCPT TO:<nobody@example.test>\r\nDATA\r\n",
        QUIT,
    ],
    "other domain": [HELLO, ENVELOPE.replace(b"example.test>\r\n", b"other.test>\r\n"), QUIT],
    "no recipient": [HELLO, b"MAIL FROM:<a@remote.test>\r\n", b"DATA\r\n", b"RSET\r\n", QUIT],
    "empty message": [HELLO, ENVELOPE, b"DATA\r\n", b".\r\n", QUIT],
    "bare lf": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"one\ntwo\r\n.\r\n", QUIT],
    "bare cr": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"one\rtwo\r\n.\r\n", QUIT],
    "nul and 8 bit": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"a\0b\xff\xfe\r\n.\r\n", QUIT],
    "bdat": [HELLO, ENVELOPE, b"BDAT 3\r\nFro", b"BDAT %d LAST\r\n", QUIT],
    "bdat of nothing": [HELLO, ENVELOPE, b"BDAT 0\r\n", b"BDAT 0 LAST\r\n", QUIT],
    "bdat too large": [HELLO, ENVELOPE, b"BDAT 99999999999999999999\r\n", QUIT],
    "bdat unreadable": [HELLO, ENVELOPE, b"BDAT -1\r\n", b"BDAT x LAST\r\n", QUIT],
    "lf dot lf": smuggled(b"\n.\n"),
    "crlf dot lf": smuggled(b"\r\n.\n"),
    "lf dot crlf": smuggled(b"\n.\r\n"),
    "crlf dot cr": smuggled(b"\r\n.\r"),
    "cr dot cr": smuggled(b"\r.\r"),
    "dot cr cr lf": smuggled(b"\r\n.\r\r\n"),
    "nul dot": smuggled(b"\r\n\0.\r\n"),
    EARLY: [HELLO + ENVELOPE + QUIT],
    "commands in a row": [HELLO + b"NOOP\r\nRSET\r\nVRFY x\r\nHELP\r\nFOO\r\n" + QUIT],
    "lower case and blanks": [
        b"ehlo x\r\n",
        b"mail from: <a@remote.test> \r\n",
        b"rset \r\n",
        QUIT,
    ],
    "long line": [HELLO, b"NOOP " + b"x" * 3000 + b"\r\n", QUIT],
    ENDLESS: [HELLO, b"X" * 20000 + b"\r\n", QUIT],
    "long text line": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"y" * 9000 + b"\r\n.\r\n", QUIT],
    "http": [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", QUIT],
    "garbage": [bytes(range(256)) * 4 + b"\r\n", QUIT],
    "starttls and more": [HELLO, b"STARTTLS\r\nMAIL FROM:<a@remote.test>\r\n"],
    "auth": [HELLO, b"AUTH PLAIN AGEAYg==\r\n", QUIT],
    "etrn and xforward": [HELLO, b"ETRN example.test\r\n", b"XFORWARD ADDR=192.0.2.1\r\n", QUIT],
    "smtputf8": [HELLO, "MAIL FROM:<ü@remote.test> SMTPUTF8\r\n".encode(), b"RSET\r\n", QUIT],
    "given up": [HELLO, ENVELOPE, b"DATA\r\n", HEAD + b"no end"],
}
TRANSCRIPTS["bdat"][3] = b"BDAT %d LAST\r\n" % (len(HEAD) - 3) + HEAD[3:]


def spoken(chunks: list[bytes], token: str) -> list[str]:
    """The bytes of a transcript; a token is as long as its place."""
    assert len(token) == len("{token}")
    said = (chunk.replace(b"{token}", token.encode()) for chunk in chunks)
    return [base64.b64encode(chunk).decode() for chunk in said]


def run_on(host: LabHost, orders: list[dict[str, object]]) -> list[list[str]]:
    result = subprocess.run(
        [*exec_on(host), "python3", "-c", REMOTE],
        input=json.dumps(orders), capture_output=True, text=True, check=True,
    )  # fmt: skip
    answers: list[list[str]] = json.loads(result.stdout)
    return answers


def codes(lines: list[str], name: str) -> list[str]:
    """The codes of the replies, with each line's mark for one that goes on.

    Who talks before the greeting may get it or not: it is a matter of when Postfix hears of it. As
    often as Postfix 3.10 reads a part of a line that has no end, it refuses it, until it hangs up:
    how often is a matter of how the bytes arrive.
    """
    found = [line[:4] for line in lines]
    if name == ENDLESS:
        return sorted({*found} - {"221 "})
    return found[1:] if name == EARLY and found[:1] == ["220 "] else found


def bodies(mailstore: MailStore, token: str) -> list[bytes]:
    """What has arrived under a token, without the headers that the way has added."""
    found = [re.split(rb"\r?\n\r?\n", each, maxsplit=1)[1] for each in mailstore.stored(token)]
    return sorted(each.replace(token.encode(), b"{token}") for each in found)


def differences(
    gateway: Gateway, client: Client, mailstore: MailStore, names: list[str]
) -> dict[str, object]:
    """Transcripts by their name that were not answered alike, or did not arrive alike."""
    run = uuid4().hex[:4]
    tokens = {name: [f"{run}{n:02d}{way}" for way in "fa"] for n, name in enumerate(names)}
    source = client.source(SOURCE)
    through, alone = [], []
    proxy = f"PROXY TCP4 {source} {gateway.host.address} 40000 25\r\n".encode()
    for name, (one, other) in tokens.items():
        chunks, early = TRANSCRIPTS[name], name == EARLY
        through.append({
            "address": gateway.host.address, "port": 25, "prefix": "", "early": early,
            "chunks": spoken(chunks, one),
        })  # fmt: skip
        alone.append({
            "address": "127.0.0.1", "port": 2500, "prefix": base64.b64encode(proxy).decode(),
            "early": early, "chunks": spoken(chunks, other),
        })  # fmt: skip
    answers = zip(run_on(client, through), run_on(gateway.host, alone), strict=True)
    found: dict[str, object] = {
        name: (ours, theirs)
        for name, (ours, theirs) in zip(names, answers, strict=True)
        if codes(ours, name) != codes(theirs, name)
    }
    eventually(lambda: "empty" in gateway.host.run("postqueue -p"), "all mail has gone on", 180)
    for name, (one, other) in tokens.items():
        ours, theirs = bodies(mailstore, one), bodies(mailstore, other)
        if ours != theirs:
            found[f"{name}: what arrived"] = (ours, theirs)
    return found


# Whose end Postfix alone can tell: while headers are judged such a client is sent away.
DOUBTFUL = {
    "lf dot lf",
    "crlf dot lf",
    "lf dot crlf",
    "dot cr cr lf",
    "long line",
    ENDLESS,
}
DOUBTFUL |= {"bdat too large", "bdat unreadable", "garbage"}
# Content that waits is not there when Postfix 3.9 and newer look whether the client was hasty.
DOUBTFUL |= {"content before 354"}


@pytest.mark.parametrize("way", ["observed", "judged", "handed over"])
def test_the_filter_changes_neither_replies_nor_mail(
    fleet: Fleet, client: Client, mailstore: MailStore, way: str
) -> None:
    if way == "observed":
        fleet.configure(ip_profiler_mode="shadow")
        names = list(TRANSCRIPTS)
    elif way == "handed over":
        unread = {"ip_profiler_enabled": False, "email_reputation_enabled": True}
        fleet.configure(handover="pass", **unread)
        names = list(TRANSCRIPTS)
    else:
        fleet.configure(known_hosts_enabled=True)
        names = [name for name in TRANSCRIPTS if name not in DOUBTFUL]
    for gateway in fleet.gateways:
        found = differences(gateway, client, mailstore, names)
        assert not found, json.dumps(found, indent=1, default=repr)
