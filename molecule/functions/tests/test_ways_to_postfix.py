"""A client that is let through comes to Postfix by one of two ways, and all is the same for it.

`relay`: the filter passes its bytes on. `pass`: Postfix gets the connection itself.
"""

from __future__ import annotations

import json
import ssl
from email import message_from_bytes

import pytest
from filter_log import decision_on, end_of, last_decision
from lab_hosts import Client, LabHost, MailStore, eventually
from moves import DIRECT, EDGE, MASTER_CF, Fleet
from relay_probe import accepted_introductions, accepted_recipients
from services import eventually_greeted
from smtp import Session, message, unique

RELAY, PASS = "relay", "pass"
SOCKET = "/var/spool/postfix/public/sender-filter"
# Tries to reach Postfix's socket, and says what came of it.
CONNECT = (
    "import socket; print(socket.socket(socket.AF_UNIX).connect_ex('" + SOCKET + "'), flush=True)"
)
DENIED = "13"  # EACCES


@pytest.fixture(scope="module", params=[RELAY, PASS])
def way(request: pytest.FixtureRequest, fleet: Fleet) -> str:
    """The way on each gateway; no function reads along."""
    name: str = request.param
    fleet.configure(handover=name, **NOBODY_READS)
    return name


NOBODY_READS = {"ip_profiler_enabled": False, "email_reputation_enabled": True}


@pytest.fixture
def came(way: str, client: Client) -> Came:
    return Came(way, client)


class Came:
    """By which way a session has come, as the filter has recorded it."""

    def __init__(self, way: str, client: Client) -> None:
        self.way, self.client = way, client

    def check(self, gateway: LabHost, source: str, port: int) -> None:
        upstream = decision_on(gateway, source, port)["checks"][-1]
        place = SOCKET if self.way == PASS else "127.0.0.1:2500"
        assert (upstream["input"], upstream["result"]) == (place, "ok")
        ended = end_of(gateway, source, port)
        assert (ended["ended"] == "handed_over") == (self.way == PASS)
        assert (ended["from_client"] == 0) == (self.way == PASS)


@pytest.mark.parametrize("family", [4, 6])
def test_mail_arrives_and_postfix_knows_the_client(
    gateway: LabHost, client: Client, mailstore: MailStore, came: Came, family: int
) -> None:
    subject, source = unique(), client.source(1, family)
    with Session(client, gateway.address_in(family), source=source) as session:
        queued = session.deliver(message(subject))
    came.check(gateway, source, session.port)
    assert gateway.log_line("postfix/smtpd", f"{queued}: client=").endswith(f"[{source}]")
    (stored,) = mailstore.wait_for_stored(subject, by=gateway)
    first_hop = message_from_bytes(stored).get_all("Received", [])[-1]
    assert f"[{'IPv6:' if family == 6 else ''}{source}]" in first_hop


@pytest.mark.usefixtures("way")
def test_postfix_ends_tls(gateway: LabHost, client: Client, mailstore: MailStore) -> None:
    subject = unique()
    pem = gateway.read("/etc/ssl/certs/ssl-cert-snakeoil.pem").decode()
    with Session(client, gateway.address) as session:
        session.hello()
        assert session.start_tls() == ssl.PEM_cert_to_DER_cert(pem)
        session.deliver(message(subject))
    (stored,) = mailstore.wait_for_stored(subject, by=gateway)
    first_hop = message_from_bytes(stored).get_all("Received", [])[-1]
    assert "with ESMTPS id" in " ".join(first_hop.split())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("family", [4, 6])
def test_a_stranger_cannot_relay(gateway: LabHost, client: Client, family: int) -> None:
    address, source = gateway.address_in(family), client.source(1, family)
    assert accepted_introductions(client, address, gateway.name, source) == []
    assert accepted_recipients(client, address, source) == []


@pytest.mark.usefixtures("way")
def test_a_blocked_client_does_not_come_to_postfix(gateway: LabHost, client: Client) -> None:
    source = client.source(2)
    gateway.run(f"senderfilter block add {source}")
    try:
        eventually_greeted(client, gateway, 2, "554")
        before = gateway.log("postfix/smtpd").count(f"[{source}]")
        eventually_greeted(client, gateway, 2, "554")
        assert gateway.log("postfix/smtpd").count(f"[{source}]") == before
    finally:
        gateway.run(f"senderfilter block remove {source}")
    assert eventually_greeted(client, gateway, 2, "220")


@pytest.mark.usefixtures("way")
def test_while_postfix_is_away_clients_are_told_to_come_again(
    gateway: LabHost, client: Client, came: Came
) -> None:
    gateway.run("systemctl stop postfix 'postfix@-'")
    try:
        assert eventually_greeted(client, gateway, 1, "421").startswith("421 4.3.2 ")
        last_decision(gateway, client.source(1), function="upstream", action="temporary")
    finally:
        gateway.run("systemctl start postfix")
    eventually_greeted(client, gateway, 1, "220")
    with Session(client, gateway.address, source=client.source(1)) as session:
        session.hello()
        session.quit()
    came.check(gateway, client.source(1), session.port)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("how", ["restart", "kill --signal=KILL --kill-whom=main"])
def test_a_session_outlives_the_filter(
    gateway: LabHost, client: Client, mailstore: MailStore, how: str
) -> None:
    subject, source = unique(), client.source(1)
    before = filter_of(gateway)["pid"]
    with Session(client, gateway.address, source=source) as session:
        session.hello()
        session.envelope()
        gateway.run(f"systemctl {how} sender-filter.service")
        eventually(lambda: filter_of(gateway).get("pid") not in (None, before), "there is another")
        session.content(message(subject))
        session.quit()
    mailstore.wait_for_stored(subject, by=gateway)


def filter_of(gateway: LabHost) -> dict[str, object]:
    text = gateway.run("senderfilter status --json || echo '{}'")
    found: dict[str, object] = json.loads(text.splitlines()[-1])
    return found


def test_a_session_outlives_the_way_to_direct_and_back(
    fleet: Fleet, client: Client, mailstore: MailStore, way: str
) -> None:
    for topology in (DIRECT, EDGE):
        subject = unique()
        sessions = [Session(client, one.host.address) for one in fleet.gateways]
        try:
            for session in sessions:
                session.hello()
                session.envelope()
            run = fleet.move(topology, clients=way, watch_seconds=0)
            for gateway in fleet.gateways:
                eventually(lambda host=gateway.host: both_listen(host), "both listen", 60)
            for session in sessions:
                session.content(message(subject))
                session.quit()
            output = run.must_pass()
        finally:
            for session in sessions:
                session.close()
        assert output.count('"sessions_cut": 0') == len(sessions)
        assert output.count('"connections_refused": 0') == len(sessions)
        mailstore.wait_for_stored(subject, count=len(sessions))
        for gateway in fleet.gateways:
            said = gateway.host.read(MASTER_CF)
            assert (said == gateway.master_cf[topology]) == (way == RELAY or topology == DIRECT)
            entry = b"\nsender-filter  pass  n " in said
            assert entry == (way == PASS and topology == EDGE)


def both_listen(gateway: LabHost) -> bool:
    found = set().union(*(one.processes for one in gateway.listeners(25)))
    return {"senderfilter", "master"} <= found


def test_a_session_outlives_the_change_to_the_other_way(
    fleet: Fleet, client: Client, mailstore: MailStore, way: str
) -> None:
    subject, other = unique(), {RELAY: PASS, PASS: RELAY}[way]
    with Session(client, fleet.gateways[0].host.address) as session:
        session.hello()
        session.envelope()
        variables = {f"sender_filter_{name}": value for name, value in NOBODY_READS.items()}
        variables["sender_filter_handover"] = other
        change = fleet.play("enable_sender_filter.yml", "--extra-vars", json.dumps(variables))
        # From relay to pass nothing has to be waited for.
        change.reach("Gateway is in topology edge")
        assert session.say("NOOP").startswith("250")
        session.content(message(subject))
        session.quit()
        assert "and 0 cut" in change.must_pass()
    mailstore.wait_for_stored(subject, by=fleet.gateways[0].host)
    fleet.configure(handover=way, **NOBODY_READS)
    for gateway in fleet.gateways:
        entry = b"\nsender-filter  pass  n " in gateway.host.read(MASTER_CF)
        assert entry == (way == PASS)


def test_nobody_else_comes_to_the_socket(gateway: LabHost, way: str) -> None:
    reached = gateway.run(f'setpriv --reuid=nobody --clear-groups python3 -c "{CONNECT}"').strip()
    if way == RELAY:
        assert gateway.run(f'python3 -c "{CONNECT}"').strip() != "0"
        return
    assert reached == DENIED
    pid = filter_of(gateway)["pid"]
    assert gateway.run(f"ls /proc/{pid}/root/var/spool/postfix").split() == ["public"]
    exposure = gateway.run("systemd-analyze security --no-pager sender-filter.service | tail -n 1")
    assert float(exposure.rpartition(": ")[2].split()[0]) <= 2.0
