"""A relay of one's own that nobody has declared, made a known host in a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import Browser
from filter_log import decision_on, last_decision
from lab_hosts import Client, LabHost, MailStore, play
from smtp import Session, dotted, message, unique

pytestmark = pytest.mark.usefixtures("by_headers")

RELAY = "198.51.100.9"
"""All other addresses of the lab are private, and so known by default."""

ORIGIN = "203.0.113.7"
HEADER = (
    f"Received: from origin.example.test (origin.example.test [{ORIGIN}])\r\n"
    "\tby relay.example.test (Postfix) with ESMTPS id 4TEST\r\n"
    "\tfor <recipient@example.test>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)\r\n"
).encode()


@pytest.fixture(scope="module")
def relay(gateway: LabHost, client: Client) -> Iterator[Client]:
    """The client as an MTA with an address of the Internet, whose clients have a blocked one."""
    client.run(f"ip address add {RELAY}/32 dev eth0")
    gateway.run(f"ip route add {RELAY}/32 via {client.address}")
    gateway.run(f"senderfilter block add {ORIGIN} --comment 'the origin'")
    yield client
    gateway.run(f"senderfilter block remove {ORIGIN}; senderfilter known remove {RELAY}")
    gateway.run(f"ip route delete {RELAY}/32")
    client.run(f"ip address delete {RELAY}/32 dev eth0")


def begun(relay: Client, gateway: LabHost) -> Session:
    session = Session(relay, gateway.address, source=RELAY)
    session.hello()
    return session


def answer_to(session: Session, subject: str) -> str:
    """What is said to a message that the relay has from its client."""
    session.envelope()
    session.must("354", "DATA")
    session.send(dotted(HEADER + message(subject)))
    return session.reply()


def judged(gateway: LabHost, session: Session) -> tuple[str, str]:
    """How the relay itself was found in a session, and what was done."""
    decision = decision_on(gateway, RELAY, session.port)
    return decision["found"], decision["action"]


def test_the_next_message_is_judged_by_its_origin_and_after_that_as_before(
    browser: Browser, gateway: LabHost, relay: Client, mailstore: MailStore
) -> None:
    before, refused, after, long = unique(), unique(), unique(), unique()
    with begun(relay, gateway) as session:
        assert answer_to(session, before).startswith("250 ")
    assert judged(gateway, session) == ("peer", "pass")

    with begun(relay, gateway) as going_on:
        browser.go("/lists/known_hosts")
        browser.sees("A known host is not judged itself")
        browser.fill("Address, network or range", RELAY)
        browser.fill("Comment", "our relay in the cloud", within="form[@action='/address/know']")
        browser.press("Add", within="form")
        browser.sees(f"{RELAY} is a known host")
        assert "added at run time" in browser.row(RELAY)
        browser.picture("known-hosts")

        with begun(relay, gateway) as session:
            assert answer_to(session, refused).startswith("554 5.7.1 ")
        last_decision(gateway, ORIGIN, found="received", action="permanent")
        assert answer_to(going_on, long).startswith("250 ")  # no session is dropped

    said = play("verify_topology.yml", "--limit", gateway.name)
    assert said.returncode == 0, said.stdout
    assert f"added at run time: {RELAY} made a known host by alice" in said.stdout
    assert "sender_filter_known_hosts:" in said.stdout

    browser.go(f"/address?address={RELAY}")
    browser.sees("our relay in the cloud")
    browser.go("/lists/known_hosts?only=run_time")
    browser.press(f"Remove {RELAY}")
    browser.sees("No entries match.")
    with begun(relay, gateway) as session:
        assert answer_to(session, after).startswith("250 ")
    assert judged(gateway, session) == ("peer", "pass")

    for subject in (before, after, long):
        assert len(mailstore.wait_for_stored(subject)) == 1
    assert mailstore.stored(refused) == []
    audit = gateway.run("cat /var/log/sender-filter-console/audit.jsonl")
    for action in ("know", "forget"):
        assert f'"who": "alice", "action": "{action}", "outcome": "done", "network": "{RELAY}"' in (
            audit
        )


def test_what_is_kept_outlives_a_restart_and_goes_to_the_inventory(
    browser: Browser, gateway: LabHost
) -> None:
    gateway.run(f"senderfilter known add {RELAY} --comment 'from a terminal'")
    gateway.run("systemctl restart sender-filter")
    browser.go("/lists/known_hosts?only=run_time")
    browser.sees("from a terminal")
    exported = gateway.run("senderfilter export --format yaml --origin run-time")
    assert f'sender_filter_known_hosts:\n  - "{RELAY} # root ' in exported
    gateway.run(f"senderfilter known remove {RELAY}")


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_half_of_the_internet_is_refused_in_words(browser: Browser, network: str) -> None:
    browser.go("/lists/known_hosts")
    browser.fill("Address, network or range", network)
    browser.press("Add", within="form")
    browser.sees("too wide for known hosts")
