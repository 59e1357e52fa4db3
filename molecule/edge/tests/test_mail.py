"""Real mail through a gateway in topology `edge`, each hop shown by its own log."""

from __future__ import annotations

import hashlib
import json
import random
import re
import ssl
from base64 import b64encode
from collections.abc import Sequence
from email import message_from_bytes
from email.message import Message
from itertools import pairwise
from pathlib import Path

import pytest
from filter_log import decision_on
from lab_hosts import Client, LabHost, MailStore, eventually
from smtp import BODY, RECIPIENT, SENDER, Session, body_of, dotted, message, queue_id, unique

FLOOD = (Path(__file__).parents[2] / "shared/flood.py").read_text(encoding="utf-8")
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
# In two parts, so that a scanner does not take this file away.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
MANY, AT_ONCE = 80, 20
LOCK_MILLISECONDS = 9000  # ten attempts with a second between them


def one_line(header: str) -> str:
    return " ".join(header.split())


def the_one(stored: Sequence[bytes]) -> Message:
    (found,) = stored
    return message_from_bytes(found)


def queued_as(line: str) -> str:
    found = re.search(r"queued as (\w+)\)", line)
    assert found, line
    return found[1]


@pytest.mark.parametrize("family", [4, 6])
def test_a_clean_message_takes_every_hop(
    gateway: LabHost, client: Client, mailstore: MailStore, family: int
) -> None:
    subject, source = unique(), client.source(1, family)
    with Session(client, gateway.address_in(family), source=source) as session:
        first = session.deliver(message(subject))
    received = the_one(mailstore.wait_for_stored(subject)).get_all("Received", [])

    decision = decision_on(gateway, source, session.port)
    upstream = decision["checks"][-1]
    assert decision["action"] == "pass"
    assert (upstream["function"], upstream["input"], upstream["result"]) == (
        "upstream",
        "127.0.0.1:2500",
        "ok",
    )
    assert gateway.log_line("postfix/smtpd", f"{first}: client=").endswith(f"[{source}]")
    scanned = gateway.log_line("postfix/scan/smtp", f"{first}: to=<{RECIPIENT}>")
    assert "relay=127.0.0.1[127.0.0.1]:10025" in scanned
    assert "from MTA(smtp:[127.0.0.1]:10026)" in scanned
    second = queued_as(scanned)
    verdict = gateway.log_line("amavis", f"Queue-ID: {first}")
    assert "Passed CLEAN" in verdict
    assert f"queued_as: {second}" in verdict
    gateway.log_line("postfix/reinject/smtpd", f"{second}: client=localhost[127.0.0.1]")
    relayed = gateway.log_line("postfix/relay/smtp", f"{second}: to=<{RECIPIENT}>")
    assert "relay=mailstore[" in relayed
    third = queued_as(relayed)
    assert "delivered to maildir" in mailstore.log_line("postfix/virtual", f"{third}: to=")

    name = f"{gateway.name}.example.test"
    shown = f"IPv6:{source}" if family == 6 else source
    hops = [
        f"from {name} .* by mailstore.example.test .* id {third} ",
        f"from localhost .localhost .127.0.0.1.. by {name} .* id {second} ",
        f"from {name} .* by localhost .{name} .127.0.0.1.. .amavis.*, port 10025. ",
        f"from client.example.test .*{re.escape(f'[{shown}]')}.* by {name} .* id {first} ",
    ]
    assert len(received) == len(hops)
    for header, hop in zip(received, hops, strict=True):
        assert re.match(hop, one_line(header)), header


def test_spamassassin_stops_gtube(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    subject = unique()
    with Session(client, gateway.address) as session:
        queued = session.deliver(message(subject, GTUBE))
    assert "Blocked SPAM" in gateway.log_line("amavis", f"Queue-ID: {queued}")
    assert "discarded" in gateway.log_line("postfix/scan/smtp", f"{queued}: to=")
    assert mailstore.stored(subject) == []


def test_a_lock_that_a_loss_of_power_has_left_keeps_no_message_waiting(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    """Those that SpamAssassin learns from waited ten seconds each."""
    lock = "/var/lib/amavis/.spamassassin/bayes.lock"
    gateway.run(f"runuser -u amavis -- sh -c 'echo {gateway.name}.99999 >{lock}'")
    subject = unique()
    with Session(client, gateway.address) as session:
        queued = session.deliver(message(subject))
    scanned = gateway.log_line("amavis", f"Queue-ID: {queued}")
    gateway.run(f"rm {lock}")
    assert int(re.findall(r", (\d+) ms$", scanned)[0]) < LOCK_MILLISECONDS, scanned
    assert len(mailstore.wait_for_stored(subject)) == 1


def test_clamav_stops_eicar(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    subject = unique()
    attachment = b64encode(EICAR).decode()
    parts = (
        "--part\r\nContent-Type: text/plain\r\n\r\nSee the attachment.\r\n"
        '--part\r\nContent-Type: application/octet-stream; name="file.bin"\r\n'
        f"Content-Transfer-Encoding: base64\r\n\r\n{attachment}\r\n--part--\r\n"
    )
    headers = ["MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="part"']
    with Session(client, gateway.address) as session:
        queued = session.deliver(message(subject, parts.encode(), headers))
    verdict = gateway.log_line("amavis", f"Queue-ID: {queued}")
    assert "Blocked INFECTED (Lab.Eicar.Test-Signature" in verdict
    assert "discarded" in gateway.log_line("postfix/scan/smtp", f"{queued}: to=")
    assert mailstore.stored(subject) == []


def test_a_message_of_30_megabytes_arrives_byte_for_byte(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject = unique()
    content = random.Random(subject).randbytes(22_500_000)
    text = b64encode(content)
    body = b"".join(text[start : start + 76] + b"\r\n" for start in range(0, len(text), 76))
    assert len(body) > 30_000_000
    with Session(client, gateway.address) as session:
        session.deliver(message(subject, body))
    (stored,) = mailstore.wait_for_stored(subject, seconds=120)
    assert body_of(stored) == body


def test_80_messages_20_at_once_arrive_each_once_and_byte_for_byte(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    token = unique()
    arguments = (gateway.address, client.source(2), token, str(MANY), str(AT_ONCE))
    sent = client.python(FLOOD, *arguments)
    expected = sorted(json.loads(sent).items())
    assert len(expected) == MANY
    mailstore.wait_for_stored(f"Subject: {token}", seconds=180, count=MANY)
    # Another copy of one of them would still be on its way.
    eventually(lambda: "empty" in gateway.run("postqueue -p"), f"{gateway.name} has sent all")
    eventually(lambda: "empty" in mailstore.run("postqueue -p"), "the mail store has stored all")
    arrived = mailstore.stored(f"Subject: {token}")
    found = [
        (
            str(message_from_bytes(stored)["Subject"]),
            hashlib.sha256(body_of(stored)).hexdigest(),
        )
        for stored in arrived
    ]
    assert sorted(found) == expected


def test_utf8_addresses_arrive(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    subject = unique()
    sender, recipient = "müller@bücher.test", "jürgen@example.test"
    headers = [f"X-Sender: {sender}"]
    with Session(client, gateway.address) as session:
        assert "SMTPUTF8" in session.hello()
        session.envelope(sender, recipient, " SMTPUTF8")
        session.content(message(subject, headers=headers))
    (stored,) = mailstore.wait_for_stored(subject)
    text = stored.decode()
    assert f"Return-Path: <{sender}>\n" in text
    assert f"Delivered-To: {recipient}\n" in text
    assert f"X-Sender: {sender}\n" in text


def test_an_8bit_body_arrives_unconverted(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject = unique()
    body = b"Gr\xfc\xdfe, \xc3\xa4\xc3\xb6\xc3\xbc\r\n" + bytes(range(128, 256)) + b"\r\n"
    headers = ["MIME-Version: 1.0", "Content-Type: text/plain", "Content-Transfer-Encoding: 8bit"]
    with Session(client, gateway.address) as session:
        assert "8BITMIME" in session.hello()
        session.envelope(options=" BODY=8BITMIME")
        session.content(message(subject, body, headers))
    (stored,) = mailstore.wait_for_stored(subject)
    assert body_of(stored) == body


def test_pipelined_commands_are_answered_in_their_order(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject = unique()
    commands = f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{RECIPIENT}>", "RCPT TO:<no@relay.test>", "DATA"
    envelope = "".join(f"{command}\r\n" for command in commands)
    with Session(client, gateway.address) as session:
        assert "PIPELINING" in session.hello()
        session.send(envelope.encode())
        assert [session.reply()[:3] for _ in range(4)] == ["250", "250", "454", "354"]
        # The end of one message and the next envelope travel together (RFC 2920, section 3.1).
        session.send(dotted(message(f"{subject}-1")) + envelope.encode())
        queue_id(session.reply())
        assert [session.reply()[:3] for _ in range(4)] == ["250", "250", "454", "354"]
        session.send(dotted(message(f"{subject}-2")) + b"QUIT\r\n")
        queue_id(session.reply())
        assert session.reply()[:3] == "221"
        assert session.reply() == ""
    for number in (1, 2):
        assert the_one(mailstore.wait_for_stored(f"{subject}-{number}"))["To"] == f"<{RECIPIENT}>"


def test_chunks_arrive_as_one_message(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject = unique()
    # No dot is doubled in a chunk, and no end of data is looked for (RFC 3030).
    every_byte = bytes(byte for byte in range(1, 256) if byte not in b"\r\n")
    body = b".\r\n..\r\n" + every_byte * 3 + b"\r\nQUIT\r\n.\r\nend\r\n"
    text = message(subject, body)
    middle = len(text) - len(body)
    cuts = [0, 7, middle + 2, middle + 3, middle + 300, len(text)]
    with Session(client, gateway.address) as session:
        assert "CHUNKING" in session.hello()
        session.envelope(options=" BODY=8BITMIME")
        for start, end in pairwise(cuts[:-1]):
            session.send(f"BDAT {end - start}\r\n".encode() + text[start:end])
            assert session.reply().startswith("250 ")
        last = text[cuts[-2] :]
        session.send(f"BDAT {len(last)} LAST\r\n".encode() + last)
        queue_id(session.reply())
    (stored,) = mailstore.wait_for_stored(subject)
    assert body_of(stored) == body


def test_starttls_shows_postfix_own_certificate_and_mail_follows(
    gateway: LabHost, client: Client, mailstore: MailStore
) -> None:
    subject = unique()
    with Session(client, gateway.address) as session:
        assert "STARTTLS" in session.hello()
        certificate = session.start_tls()
        session.deliver(message(subject))
    file = gateway.run("postconf -hx smtpd_tls_cert_file").strip()
    own = ssl.PEM_cert_to_DER_cert(gateway.read(file).decode())
    assert hashlib.sha256(certificate).hexdigest() == hashlib.sha256(own).hexdigest()
    stored = the_one(mailstore.wait_for_stored(subject))
    assert f"by {gateway.name}.example.test (Postfix) with ESMTPS id" in one_line(
        stored.get_all("Received", [])[-1]
    )
    assert stored.get_payload() == BODY.decode().replace("\r\n", "\n")
