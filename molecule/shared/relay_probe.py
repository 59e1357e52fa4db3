"""Whether a port relays mail of strangers: envelopes that an open relay would take."""

from __future__ import annotations

from lab_hosts import LabHost
from smtp import Session

FOREIGN = "victim@foreign.test"

# How a client may introduce itself to look like the gateway, and whom it may pretend to be.
INTRODUCTIONS = [
    "EHLO stranger.test",
    "HELO localhost",
    "EHLO [127.0.0.1]",
    "EHLO [IPv6:::1]",
    "EHLO {gateway}.example.test",
]
SENDERS = ["stranger@remote.test", "", "root", "postmaster@{gateway}.example.test"]

# The same foreign mailbox, in the forms in which relays have been talked into taking it.
RECIPIENTS = [
    FOREIGN,
    "@example.test:victim@foreign.test",
    "victim%foreign.test@example.test",
    "victim%foreign.test",
    "foreign.test!victim@example.test",
    "foreign.test!victim",
    '"victim@foreign.test"@example.test',
    '"victim@foreign.test"',
    "victim@[192.0.2.1]",
]


def refusal_of(
    host: LabHost,
    target: str,
    recipient: str = FOREIGN,
    *,
    port: int = 25,
    source: str = "",
    introduction: str = INTRODUCTIONS[0],
    sender: str = SENDERS[0],
) -> str:
    """The reply to a recipient. No message is sent, whatever it is."""
    with Session(host, target, port=port, source=source) as session:
        session.must("250", introduction)
        session.must("250", f"MAIL FROM:<{sender}>")
        reply = session.say(f"RCPT TO:<{recipient}>")
        session.say("QUIT")
        return reply


def accepted_introductions(host: LabHost, target: str, gateway: str, source: str) -> list[str]:
    """The introductions and senders with which the foreign recipient is not refused."""
    accepted = []
    for introduction in INTRODUCTIONS:
        with Session(host, target, source=source) as session:
            session.must("250", introduction.format(gateway=gateway))
            for sender in SENDERS:
                mail = f"MAIL FROM:<{sender.format(gateway=gateway)}>"
                session.must("250", mail)
                reply = session.say(f"RCPT TO:<{FOREIGN}>")
                if not is_relay_refusal(reply):
                    accepted.append(f"{introduction}, {mail}: {reply}")
                session.must("250", "RSET")
    return accepted


def accepted_recipients(host: LabHost, target: str, source: str) -> list[str]:
    """The forms of the foreign recipient that are not refused."""
    with Session(host, target, source=source) as session:
        session.hello()
        session.must("250", f"MAIL FROM:<{SENDERS[0]}>")
        replies = {each: session.say(f"RCPT TO:<{each}>") for each in RECIPIENTS}
    return [f"{each}: {reply}" for each, reply in replies.items() if reply[:1] not in "45"]


def is_relay_refusal(reply: str) -> bool:
    """Whether a reply says that mail to there is not relayed."""
    return reply[:3] in ("454", "554") and "Relay access denied" in reply
