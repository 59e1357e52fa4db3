"""A probe message: sent to the gateway's port as a client would, and followed to its departure."""

from __future__ import annotations

import smtplib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate

from . import decisions
from .decisions import Record
from .mail_log import Line
from .trace import Trace, trace

POLL_SECONDS = 0.5
SMTP_SECONDS = 60.0
LITERAL = "[127.0.0.1]"  # a name would have to be looked up
DIRECT = "direct"
DISCARD = 9  # any port will do


class ProbeError(Exception):
    """The probe message did not come through; the text says how far it came."""


@dataclass(frozen=True)
class Sent:
    """A message that the gateway took, and the client's end of the connection."""

    message_id: str
    reply: str
    address: str
    port: int


@dataclass(frozen=True)
class Way:
    """What a message has to pass.

    Attributes:
        topology: where the filter stands, if anywhere.
        judged: whether the filter leaves a record of each client (the vendor's own does not).
        port: the one that takes mail from the network.
        scan_port: the scan service's.
    """

    topology: str
    judged: bool
    port: int
    scan_port: int


@dataclass(frozen=True)
class Journey:
    """The hops of a message, one sentence each, the last its departure; and the seconds it took."""

    hops: list[str]
    seconds: float


def own_address() -> str:
    """The address under which this host is seen by others: that of its own name, else loopback.

    No packet is sent: the kernel is asked which address it would take towards the network.
    """
    for family, somewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as asked:
            try:
                asked.connect((somewhere, DISCARD))
            except OSError:
                continue
            return str(asked.getsockname()[0])
    return "127.0.0.1"


def send(address: str, port: int, sender: str, recipient: str, message_id: str) -> Sent:
    """Hand a message to the gateway.

    Raises:
        ProbeError: it was refused, or nobody answered.
    """
    try:
        with smtplib.SMTP(local_hostname=LITERAL, timeout=SMTP_SECONDS) as session:
            _accepted("connect", session.connect(address, port))
            here = session.sock.getsockname() if session.sock else ("", 0)
            _accepted("EHLO", session.ehlo())
            _accepted("MAIL FROM", session.mail(sender))
            _accepted("RCPT TO", session.rcpt(recipient))
            reply = _accepted("DATA", session.data(_message(sender, recipient, message_id)))
    except (OSError, smtplib.SMTPException) as error:
        msg = f"{address}:{port} took no message: {error}"
        raise ProbeError(msg) from error
    return Sent(message_id, reply, str(here[0]), int(here[1]))


def _accepted(command: str, answer: tuple[int, bytes]) -> str:
    code, text = answer[0], answer[1].decode("utf-8", "replace").replace("\n", " ")
    if not 200 <= code < 300:
        msg = f"the probe message was refused after {command}: {code} {text}"
        raise ProbeError(msg)
    return f"{code} {text}"


def _message(sender: str, recipient: str, message_id: str) -> bytes:
    message = EmailMessage()
    message["From"] = sender or f"postmaster@{socket.getfqdn()}"
    message["To"] = recipient
    message["Subject"] = f"Probe of gateway {socket.gethostname()}"
    message["Date"] = formatdate()
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("This message shows that mail passes the gateway. It may be deleted.\n")
    return message.as_bytes()


def follow(
    sent: Sent,
    way: Way,
    lines: Callable[[], Sequence[Line]],
    records: Callable[[], Sequence[Record]],
    seconds: float,
) -> Journey:
    """Wait until the message has left the host, through each hop.

    Args:
        sent: the message.
        way: what it has to pass.
        lines: gives the log from the moment on in which it was sent.
        records: gives the filter's records from then on.
        seconds: how long to wait.

    Raises:
        ProbeError: it was given up, has not left in time, or walked around a hop.
    """
    began = time.monotonic()
    while True:
        seen = trace(lines(), sent.message_id, way.scan_port)
        verdict = _verdict(sent, way, records())
        if seen.failure:
            msg = f"the probe message was given up by {seen.failure.relay}: {seen.failure.reply}"
            raise ProbeError(msg)
        if seen.departure and (verdict or not _must_be_judged(way)):
            break
        if time.monotonic() - began > seconds:
            raise ProbeError(_late(seen, verdict, way, seconds))
        time.sleep(POLL_SECONDS)
    if not seen.scanned:
        msg = f"the probe message left without the scan service on port {way.scan_port}"
        raise ProbeError(msg)
    return _journey(sent, seen, verdict, way, time.monotonic() - began)


def _must_be_judged(way: Way) -> bool:
    return way.judged and way.topology != DIRECT


def _verdict(sent: Sent, way: Way, records: Sequence[Record]) -> Record | None:
    return decisions.of_client(records, sent.address, sent.port) if _must_be_judged(way) else None


def _late(seen: Trace, verdict: Record | None, way: Way, seconds: float) -> str:
    if seen.departure and not verdict:
        return f"the probe message walked around the sender filter ({way.topology})"
    return f"the probe message has not left within {seconds:g} s: {seen.last}"


def _journey(sent: Sent, seen: Trace, verdict: Record | None, way: Way, seconds: float) -> Journey:
    hops = [f"port {way.port}: {sent.reply}"]
    if verdict:
        hops.append(f"sender filter: {verdict['action']} ({verdict['function']})")
    for hop in seen.hops:
        hops.append(f"{hop.taken_by}: {hop.queue_id}")
        hops += [f"{hop.delivery.relay}: {hop.delivery.reply}"] if hop.delivery else []
    return Journey(hops, round(seconds, 1))
