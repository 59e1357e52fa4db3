"""What a stranger can do to a gateway in topology `edge`, and what Postfix knows about him."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes

import pytest
from filter_log import decision_on
from lab_hosts import Client, LabHost, MailStore, eventually
from relay_probe import (
    FOREIGN,
    accepted_introductions,
    accepted_recipients,
    is_relay_refusal,
    refusal_of,
)
from smtp import RECIPIENT, SENDER, Session, message, unique

MASTER_CF = "/etc/postfix/master.cf"
OPEN_PORTS = {22, 25}
CLOSED_PORTS = {2500, 10025, 10026}
HIDDEN = "hidden@example.test"

# Runs on the client: which of these ports take a connection, and what the others say.
CONNECT = """
import json, socket, sys
outcomes = {}
for port in sys.argv[2:]:
    try:
        socket.create_connection((sys.argv[1], int(port)), timeout=5).close()
        outcomes[port] = "open"
    except OSError as error:
        outcomes[port] = type(error).__name__
print(json.dumps(outcomes))
"""


@dataclass(frozen=True)
class Bad:
    """Ports that the tests add to a gateway, to show what their probes find on a bad one.

    Attributes:
        naive: A plain TCP proxy in front of Postfix: no PROXY protocol.
        lax: Postfix itself, taking any end of data.
        strict: Postfix itself, with the settings that its service behind the filter has.
    """

    gateway: LabHost
    naive: int = 2590
    lax: int = 2592
    strict: int = 2593


BEHIND_NAIVE = 2591
SERVICES = f"""
# Added by a test, which removes it.
127.0.0.1:{BEHIND_NAIVE} inet n - y - - smtpd
  -o syslog_name=postfix/naive
  -o smtpd_forbid_bare_newline=normalize
{Bad.lax} inet n - y - - smtpd
  -o syslog_name=postfix/lax
  -o smtpd_forbid_bare_newline=no
{Bad.strict} inet n - y - - smtpd
  -o syslog_name=postfix/strict
  -o smtpd_forbid_bare_newline=normalize
  -o smtpd_forbid_bare_newline_exclusions=
"""


def reload_postfix(gateway: LabHost, port: int, *, listens: bool) -> None:
    gateway.run("postfix reload")
    eventually(
        lambda: bool(gateway.listeners(port)) == listens,
        f"{gateway.name}: port {port} is {'there' if listens else 'gone'}",
    )


@pytest.fixture
def bad(gateway: LabHost) -> Iterator[Bad]:
    before = gateway.read(MASTER_CF)
    ports = Bad(gateway)
    gateway.write(MASTER_CF, before + SERVICES.encode())
    try:
        reload_postfix(gateway, ports.lax, listens=True)
        gateway.run(
            f"systemd-run --quiet --unit=naive-proxy --socket-property=ListenStream={ports.naive}"
            f" /usr/lib/systemd/systemd-socket-proxyd 127.0.0.1:{BEHIND_NAIVE}"
        )
        yield ports
    finally:
        gateway.write(MASTER_CF, before)
        reload_postfix(gateway, ports.lax, listens=False)
        gateway.run("systemctl stop 'naive-proxy.*'")
        assert gateway.read(MASTER_CF) == before


@pytest.mark.parametrize("family", [4, 6])
def test_only_the_filter_and_ssh_can_be_reached(
    gateway: LabHost, client: Client, family: int
) -> None:
    rows = gateway.run("ss --no-header --listening --tcp --numeric").splitlines()
    listening = {int(row.split()[3].rsplit(":", 1)[1]) for row in rows}
    assert listening >= OPEN_PORTS | CLOSED_PORTS
    ports = map(str, sorted(listening))
    outcomes = json.loads(client.python(CONNECT, gateway.address_in(family), *ports))
    reachable = {int(port) for port, outcome in outcomes.items() if outcome == "open"}
    assert reachable == OPEN_PORTS
    assert {outcomes[str(port)] for port in CLOSED_PORTS} == {"ConnectionRefusedError"}


@pytest.mark.parametrize("family", [4, 6])
def test_no_introduction_makes_it_a_relay(gateway: LabHost, client: Client, family: int) -> None:
    address, source = gateway.address_in(family), client.source(1, family)
    assert accepted_introductions(client, address, gateway.name, source) == []


@pytest.mark.parametrize("family", [4, 6])
def test_no_form_of_a_recipient_makes_it_a_relay(
    gateway: LabHost, client: Client, family: int
) -> None:
    assert accepted_recipients(client, gateway.address_in(family), client.source(1, family)) == []


def test_a_proxy_that_hides_the_client_would_be_an_open_relay(bad: Bad, client: Client) -> None:
    source, address = client.source(1), bad.gateway.address
    assert refusal_of(client, address, port=bad.naive, source=source).startswith("250 ")
    assert is_relay_refusal(refusal_of(client, address, source=source))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("family", [4, 6])
def test_postfix_knows_the_true_client(
    gateway: LabHost, client: Client, mailstore: MailStore, family: int, number: int
) -> None:
    subject, source = unique(), client.source(number, family)
    with Session(client, gateway.address_in(family), source=source) as session:
        queued = session.deliver(message(subject))
    assert gateway.log_line("postfix/smtpd", f"{queued}: client=").endswith(f"[{source}]")
    (stored,) = mailstore.wait_for_stored(subject)
    first_hop = message_from_bytes(stored).get_all("Received", [])[-1]
    assert f"[{'IPv6:' if family == 6 else ''}{source}]" in first_hop


def test_a_stranger_is_not_offered_to_name_another_client(gateway: LabHost, client: Client) -> None:
    source = client.source(1)
    with Session(client, gateway.address, source=source) as session:
        offered = session.hello()
        assert "XCLIENT" not in offered
        assert "XFORWARD" not in offered
        assert session.say("XCLIENT ADDR=127.0.0.1 NAME=localhost")[:1] == "5"
        assert session.say("XFORWARD ADDR=127.0.0.1 NAME=localhost")[:1] == "5"
        session.must("250", "MAIL FROM:<stranger@remote.test>")
        assert is_relay_refusal(session.say(f"RCPT TO:<{FOREIGN}>"))


@pytest.mark.parametrize("family", [4, 6])
def test_a_forged_proxy_line_is_just_an_unknown_command(
    gateway: LabHost, client: Client, mailstore: MailStore, family: int
) -> None:
    subject, source = unique(), client.source(1, family)
    here = ("127.0.0.1 127.0.0.1", "::1 ::1")[family == 6]
    with Session(client, gateway.address_in(family), source=source) as session:
        assert session.say(f"PROXY TCP{family} {here} 40000 25")[:1] == "5"
        session.hello()
        session.must("250", "MAIL FROM:<stranger@remote.test>")
        assert is_relay_refusal(session.say(f"RCPT TO:<{FOREIGN}>"))
        session.must("250", f"RCPT TO:<{RECIPIENT}>")
        queued = session.content(message(subject))
    assert decision_on(gateway, source, session.port)["address"] == source
    assert gateway.log_line("postfix/smtpd", f"{queued}: client=").endswith(f"[{source}]")
    mailstore.wait_for_stored(subject)


@pytest.mark.parametrize("command", [0x20, 0x21], ids=["local", "proxy"])
def test_a_forged_binary_header_ends_the_session(
    gateway: LabHost, client: Client, command: int
) -> None:
    source = client.source(1)
    loopback = bytes([127, 0, 0, 1])
    forged = b"\r\n\r\n\0\r\nQUIT\n" + bytes([command, 0x11, 0, 12])
    forged += loopback + loopback + b"\x9c\x40\x00\x19"
    before = len(gateway.log("postfix/smtpd"))
    with Session(client, gateway.address, source=source) as session:
        probe = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{FOREIGN}>\r\n"
        session.send(forged + b"\r\nEHLO stranger.test\r\n" + probe.encode())
        replies = list(iter(session.reply, ""))
    # The header has the word QUIT in it; newer releases do not even wait for that.
    assert replies[-1].startswith(("221 ", "554 5.5.0 "))
    assert {reply[:1] for reply in replies[:-1]} <= {"5"}

    def logged() -> list[str]:
        rows = gateway.log("postfix/smtpd")[before:].splitlines()
        return rows if any(row.startswith("disconnect") for row in rows) else []

    rows = eventually(logged, "Postfix logs the end of the session")
    seen = [row for row in rows if row.startswith(("connect", "disconnect"))]
    assert all(f"[{source}]" in row for row in seen)
    assert "rcpt" not in seen[-1]


# How a message can seem to end for a server that takes a bare LF for a line's end.
ENDS = {"lf-lf": b"\n.\n", "crlf-lf": b"\r\n.\n", "lf-crlf": b"\n.\r\n"}


def smuggling(subject: str, end: bytes) -> bytes:
    """The content of one message, with a second one hidden behind a false end."""
    hidden = message(f"{subject}-hidden", b"This one was smuggled.\r\n")
    commands = f"MAIL FROM:<smuggler@remote.test>\r\nRCPT TO:<{HIDDEN}>\r\n"
    return (
        message(subject, b"This one is allowed.")
        + end
        + commands.encode()
        # Not DATA: some releases cut a client that does not wait for its 354.
        + f"BDAT {len(hidden)} LAST\r\n".encode()
        + hidden
        + b"NOOP\r\n.\r\n"
    )


def replies_to_smuggling(
    host: LabHost, address: str, source: str, port: int, subject: str, end: str
) -> list[str]:
    with Session(host, address, port=port, source=source) as session:
        session.hello()
        session.envelope()
        session.must("354", "DATA")
        session.send(smuggling(subject, ENDS[end]) + b"QUIT\r\n")
        return list(iter(session.reply, ""))


def test_nothing_is_smuggled_behind_a_false_end_of_data(
    bad: Bad, client: Client, mailstore: MailStore
) -> None:
    """`normalize` takes a bare LF for a line's end, but only CRLF.CRLF for the end of a message."""
    gateway, source, subject = bad.gateway, client.source(1), unique()
    one_message = ["250 2.0.0", "221 2.0.0"]

    def replies(host: LabHost, address: str, port: int, to: str) -> list[str]:
        here = source if host is client else ""
        name = f"{subject}-{to}-{end}."
        return [each[:9] for each in replies_to_smuggling(host, address, here, port, name, end)]

    for end in ENDS:
        assert replies(client, gateway.address, 25, "filter") == one_message, end
        assert replies(client, gateway.address, bad.strict, "strict") == one_message, end
        # Nor for those in mynetworks, whom Postfix's own default leaves out of the check.
        assert replies(gateway, "127.0.0.1", 25, "local") == one_message, end
        # The probe can fail: without the setting, and with it where the client's address is lost.
        assert len(replies(client, gateway.address, bad.lax, "lax")) > len(one_message), end
        assert len(replies(client, gateway.address, bad.naive, "naive")) > len(one_message), end

    for to in ("lax", "naive"):
        smuggled = mailstore.wait_for_stored(f"Subject: {subject}-{to}-", count=2 * len(ENDS))
        assert sum(f"Delivered-To: {HIDDEN}\n".encode() in each for each in smuggled) == len(ENDS)
    for to in ("filter", "strict", "local"):
        whole = mailstore.wait_for_stored(f"Subject: {subject}-{to}-", count=len(ENDS))
        assert len(whole) == len(ENDS)
        for stored in whole:
            assert f"\nRCPT TO:<{HIDDEN}>\n".encode() in stored
            assert f"Delivered-To: {RECIPIENT}\n".encode() in stored


def test_the_service_behind_the_filter_has_the_settings(gateway: LabHost) -> None:
    service = "127.0.0.1:2500/inet"
    options = gateway.run(f"postconf -P '{service}/*'").splitlines()
    values = dict(re.split(r" = ?", row.removeprefix(f"{service}/"), maxsplit=1) for row in options)
    assert values["smtpd_upstream_proxy_protocol"] == "haproxy"
    assert values["smtpd_forbid_bare_newline"] == "normalize"
    assert values["smtpd_forbid_bare_newline_exclusions"] == ""
