"""What the filter does between two services of Postfix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from filter_log import last_decision
from lab_hosts import Client, MailStore, eventually
from moves import INLINE, Fleet, Gateway
from services import Dns
from smtp import BODY, RECIPIENT, SENDER, Session, message, unique

BLOCKED, LISTED, HARVESTER, CLEAN, RELAY = range(1, 6)


@pytest.fixture(scope="module", autouse=True)
def _filtering(inline_fleet: Fleet, client: Client, dns: Dns) -> Iterator[None]:
    dns.publish(client.source(LISTED))
    inline_fleet.configure(
        INLINE,
        sessions_per_address=1,
        blocked=[client.source(BLOCKED), client.source(BLOCKED, 6)],
        email_reputation_enabled=True,
        email_reputation_zones=[{"name": "bl.example.test"}],
        dns_servers=[dns.server],
        ip_profiler_mode="on",
        ip_profiler_rules={
            "harvest": {"most_recipients": 2, "most_unknown": 1, "total_messages": 4},
        },
    )
    with inline_fleet.one_recipient():
        yield


def pass_mail(fleet: Fleet, client: Client, mailstore: MailStore) -> None:
    """See that each gateway takes a message and brings it to the mail store."""
    for gateway in fleet.gateways:
        subject = unique()
        with Session(client, gateway.host.address, source=client.source(CLEAN)) as session:
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1


def first_recipient(session: Session, recipient: str = RECIPIENT) -> str:
    """The reply to the first recipient: only then the filter is asked."""
    session.hello()
    session.must("250", f"MAIL FROM:<{SENDER}>")
    return session.say(f"RCPT TO:<{recipient}>")


@pytest.mark.parametrize("family", [4, 6])
def test_a_blocked_client_hears_it_at_each_recipient(
    inline_fleet: Fleet, client: Client, family: int
) -> None:
    source = client.source(BLOCKED, family)
    for gateway in inline_fleet.gateways:
        target = gateway.host.address_in(family)
        with Session(client, target, source=source) as session:
            assert session.greeting.startswith("220")
            assert first_recipient(session).startswith("550 5.7.1")
            assert session.say("RCPT TO:<other@example.test>").startswith("550 5.7.1")
            assert session.say("DATA")[:3] in ("503", "554")
            assert session.say("RSET").startswith("250")
        last_decision(
            gateway.host, source, function="blocked", action="permanent", found="xforward"
        )


def test_a_listed_client_is_refused(inline_fleet: Fleet, client: Client) -> None:
    for gateway in inline_fleet.gateways:

        def refused(gateway: Gateway = gateway) -> str | None:
            source = client.source(LISTED)
            with Session(client, gateway.host.address, source=source) as session:
                said = first_recipient(session)
            return said if said.startswith("550") else None

        assert "bl.example.test" in eventually(refused, f"{gateway.name} refuses a listed client")


@pytest.mark.parametrize("family", [4, 6])
def test_a_message_passes_and_the_scan_service_hears_who_sent_it(
    inline_fleet: Fleet, client: Client, mailstore: MailStore, family: int
) -> None:
    source = client.source(CLEAN, family)
    for gateway in inline_fleet.gateways:
        subject = unique()
        with Session(client, gateway.host.address_in(family), source=source) as session:
            queued = session.deliver(message(subject))
        (stored,) = mailstore.wait_for_stored(subject)
        assert BODY in stored.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert source.encode() in stored
        scanned = gateway.host.run(f"journalctl --no-pager --quiet -t amavis --grep={queued}")
        assert source in scanned
        last_decision(gateway.host, source, action="pass")


def test_how_many_sessions_a_client_has_is_for_postfix_to_say(
    inline_fleet: Fleet, client: Client
) -> None:
    source = client.source(CLEAN)
    for gateway in inline_fleet.gateways:
        with (
            Session(client, gateway.host.address, source=source) as first,
            Session(client, gateway.host.address, source=source) as second,
        ):
            assert [first_recipient(each)[:3] for each in (first, second)] == ["250", "250"]


def test_who_asks_for_recipients_that_are_not_there_is_blocked(
    inline_fleet: Fleet, client: Client
) -> None:
    source = client.source(HARVESTER)
    for gateway in inline_fleet.gateways:

        def blocked(gateway: Gateway = gateway) -> bool:
            with Session(client, gateway.host.address, source=source) as session:
                session.hello()
                session.must("250", f"MAIL FROM:<{SENDER}>")
                said = [session.say(f"RCPT TO:<{name}@example.test>") for name in ("a", "b", "c")]
            assert all(each.startswith(("550", "450")) for each in said), said
            return "5.1.1" not in said[0]

        eventually(blocked, f"{gateway.name} blocks a harvester", 60)
        last_decision(gateway.host, source, function="profiler")


def test_the_filter_opens_no_relay_and_no_door(inline_fleet: Fleet, client: Client) -> None:
    source = client.source(RELAY)
    for gateway in inline_fleet.gateways:
        with Session(client, gateway.host.address, source=source) as session:
            said = first_recipient(session, "somebody@elsewhere.test")
            assert said.startswith(("554", "454")), said
            assert "Relay access denied" in said
            assert not session.say("XFORWARD ADDR=127.0.0.1").startswith("250")
        for port in (10020, 10021):
            with pytest.raises(ConnectionError):
                Session(client, gateway.host.address, port=port)


def test_a_filter_that_is_away_loses_no_mail(
    inline_fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    stop = "systemctl stop sender-filter-inline.socket sender-filter-inline.service"
    start = "systemctl start sender-filter-inline.socket sender-filter-inline.service"
    with inline_fleet.broken(stop, start):
        for gateway in inline_fleet.gateways:
            with Session(client, gateway.host.address, source=client.source(CLEAN)) as session:
                assert first_recipient(session).startswith("451")
    pass_mail(inline_fleet, client, mailstore)


def test_a_filter_that_is_killed_or_restarted_refuses_nobody(
    inline_fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    for how in ("kill --signal=KILL --kill-whom=all", "restart"):
        inline_fleet.run(f"systemctl {how} sender-filter-inline.service")
        pass_mail(inline_fleet, client, mailstore)


def test_messages_of_a_known_host_are_judged_by_their_headers(
    inline_fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    origin = "203.0.113.66"
    inline_fleet.configure(INLINE, known_hosts_enabled=True, blocked=[origin])
    for gateway in inline_fleet.gateways:
        for address, refused in ((origin, True), ("203.0.113.67", False)):
            subject = unique()
            relay = client.source(CLEAN)
            trace = (
                f"Received: from origin.test (origin.test [{address}])\r\n"
                f"\tby relay.test (Postfix) with ESMTP id 4Xyz; Tue, 24 Nov 2026 10:00:00 +0000\r\n"
            )
            with Session(client, gateway.host.address, source=relay) as session:
                session.hello()
                session.start_tls()  # Postfix ends it, so that the filter sees what it hides
                session.hello()
                session.envelope()
                session.must("354", "DATA")
                session.send(trace.encode() + message(subject) + b".\r\n")
                assert session.reply().startswith("550" if refused else "250")
            last_decision(gateway.host, address, found="received", hop=1)
            if refused:
                assert mailstore.stored(subject) == []
            else:
                mailstore.wait_for_stored(subject)
