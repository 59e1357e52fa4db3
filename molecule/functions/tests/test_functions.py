"""Email Reputation, IP Profiler, Known Hosts, Throttling and shared state, on real gateways."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from filter_log import decision_on, decisions, last_decision
from harvest import harvest
from lab_hosts import Client, MailStore, eventually
from moves import Fleet, Gateway
from services import Dns, Redis, eventually_greeted, eventually_judged, greeting_of
from smtp import Session, message, unique

LISTED, CLEAN, HARVESTER, BUSY, SPAMMER, INFECTED = range(1, 7)
GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
# In two parts, so that a scanner does not take this file away.
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + rb"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*" + b"\r\n"
GO_AWAY = ":127.255.255.254:Ask us from elsewhere"


def status(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gateway.host.run("senderfilter status --json"))
    return found


@pytest.fixture(scope="module", autouse=True)
def _only_one_recipient(fleet: Fleet) -> Iterator[None]:
    with fleet.one_recipient():
        yield


# Email Reputation


@pytest.fixture(scope="module")
def asking(fleet: Fleet, dns: Dns, client: Client) -> Dns:
    """Each gateway asks the lab's list, which has one of the client's addresses on it."""
    dns.publish(client.source(LISTED))
    fleet.configure(
        email_reputation_enabled=True,
        email_reputation_zones=[{"name": "bl.example.test"}],
        email_reputation_options={"deadline_seconds": 2, "canary_seconds": 2, "stale_seconds": 0},
        dns_servers=[dns.server],
    )
    return dns


@pytest.mark.usefixtures("asking")
def test_a_listed_client_is_refused_and_another_is_not(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    for gateway in fleet.gateways:
        said = eventually_greeted(client, gateway.host, LISTED, "550")
        assert said == (
            f"550 5.7.1 Service unavailable; client [{client.source(LISTED)}] blocked using "
            "bl.example.test; Listed by the lab, see https://example.test/"
            f"{client.source(LISTED)}"
        )
        subject = unique()
        with Session(client, gateway.host.address, source=client.source(CLEAN)) as session:
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1
        last = last_decision(
            gateway.host, client.source(LISTED), function="reputation", action="permanent"
        )
        zone = last["checks"][-1]
        assert (zone["input"], zone["result"]) == ("bl.example.test", "listed")


def test_a_list_that_lists_the_world_or_refuses_to_answer_stops_no_mail(
    fleet: Fleet, asking: Dns, client: Client
) -> None:
    everybody = f"{client.source(CLEAN)} {GO_AWAY}"
    for entries, point in (
        (["127.0.0.1", client.source(CLEAN)], "127.0.0.2"),
        ([everybody], f"127.0.0.2 {GO_AWAY}"),
    ):
        asking.publish(*entries, point=point)
        for gateway in fleet.gateways:
            eventually(
                lambda gateway=gateway: status(gateway)["zones"][0]["state"] != "trusted",
                f"{gateway.name} no longer believes its list",
            )
            assert greeting_of(client, gateway.host, CLEAN).startswith("220")
        asking.publish(client.source(LISTED))
        for gateway in fleet.gateways:
            eventually_greeted(client, gateway.host, LISTED, "550")


@pytest.mark.parametrize("how", ["stop", "stun"])
def test_a_dead_list_refuses_nobody(fleet: Fleet, asking: Dns, client: Client, how: str) -> None:
    getattr(asking, how)()
    for gateway in fleet.gateways:
        with Session(client, gateway.host.address, source=client.source(CLEAN)) as session:
            assert session.greeting.startswith("220")
        checked = decision_on(gateway.host, client.source(CLEAN), session.port)["checks"]
        (zone,) = [each for each in checked if each["function"] == "reputation"]
        assert zone["result"] in ("failed", "skipped", "not_listed")
    asking.publish(client.source(LISTED))
    for gateway in fleet.gateways:
        eventually_greeted(client, gateway.host, LISTED, "550")


# IP Profiler


def test_who_harvests_is_blocked_until_an_operator_says_otherwise(
    fleet: Fleet, client: Client
) -> None:
    small = {"most_recipients": 2, "most_unknown": 1, "total_messages": 4}
    fleet.configure(ip_profiler_mode="on", ip_profiler_rules={"harvest": small})
    source = client.source(HARVESTER)
    fleet.run(f"senderfilter block remove {source}")
    for gateway in fleet.gateways:
        assert 5 <= harvest(client, gateway.host, HARVESTER, 9) < 9
        eventually_greeted(client, gateway.host, HARVESTER, "421")
        assert "by profiler started until" in gateway.host.run(f"senderfilter log --ip {source}")
        assert greeting_of(client, gateway.host, CLEAN).startswith("220")
        gateway.host.run("systemctl kill --signal=KILL --kill-whom=all sender-filter.service")
        eventually_greeted(client, gateway.host, HARVESTER, "421")
        gateway.host.run(f"senderfilter approve add {source} --for 1h --comment 'our own scanner'")
        eventually_greeted(client, gateway.host, HARVESTER, "220")
        gateway.host.run(f"senderfilter approve remove {source}")
        assert "stopped: removed" in gateway.host.run(f"senderfilter log --ip {source}")


def test_what_the_scan_service_finds_counts_also_while_nobody_listens(
    fleet: Fleet, client: Client
) -> None:
    few = {"total_messages": 1, "rate_percent": 10}
    rules = {
        "spam": few,
        "virus": few,
        "harvest": {"enabled": "off"},
        "bounced": {"enabled": "off"},
    }
    fleet.configure(ip_profiler_mode="on", ip_profiler_rules=rules)
    reader = "sender-filter-scan-reports.service"
    place = "/var/lib/sender-filter/scan-reports.cursor"
    fleet.run(
        f"timeout 20 sh -c 'until test -s {place}; do sleep 0.1; done'; systemctl stop {reader}"
    )
    for number, content in ((SPAMMER, GTUBE), (INFECTED, EICAR)):
        for gateway in fleet.gateways:
            for _ in range(2):
                with Session(client, gateway.host.address, source=client.source(number)) as session:
                    session.deliver(message(unique(), content))
    count = "journalctl --unit=amavis --since=-2min | grep -cE 'report .*\"(Spam|Virus)\"' || true"
    for gateway in fleet.gateways:
        eventually(lambda gateway=gateway: int(gateway.host.run(count)) >= 4, "all are found")
        assert greeting_of(client, gateway.host, SPAMMER).startswith("220")
    fleet.run(f"systemctl start {reader}")
    for gateway in fleet.gateways:
        for number, rule in ((SPAMMER, "spam"), (INFECTED, "virus")):
            eventually_greeted(client, gateway.host, number, "421")
            said = gateway.host.run(f"senderfilter log --ip {client.source(number)}")
            assert "by profiler started until" in said
            assert f"({rule}: " in said


# Known Hosts


def chain(*addresses: str) -> bytes:
    """The Received fields of a message that came by these hosts, the last hop first."""
    return "".join(
        f"Received: from h{n}.example.test (h{n}.example.test [{address}])\r\n"
        f"\tby mx{n}.example.test (Postfix) with ESMTPS id 4TEST{n}\r\n"
        "\tfor <recipient@example.test>; Tue, 24 Nov 2026 10:00:00 +0000 (UTC)\r\n"
        for n, address in enumerate(addresses)
    ).encode()


def test_behind_a_known_host_the_origin_is_judged(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    fleet.configure(known_hosts_enabled=True, blocked=["203.0.113.0/24"])
    for gateway in fleet.gateways:
        refused, passed, forged = unique(), unique(), unique()
        with Session(client, gateway.host.address) as session:
            session.hello()
            session.envelope()
            session.must("354", "DATA")
            session.send(chain("10.9.9.9", "203.0.113.7") + message(refused) + b".\r\n")
            assert session.reply().startswith("554 5.7.1 ")
        with Session(client, gateway.host.address) as session:
            session.deliver(chain("10.9.9.9", "198.51.100.7") + message(passed))
        with Session(client, gateway.host.address) as session:  # what a stranger wrote is no proof
            session.deliver(chain("198.51.100.7", "203.0.113.7") + message(forged))
        for subject in (passed, forged):
            assert len(mailstore.wait_for_stored(subject)) == 1
        assert mailstore.stored(refused) == []
        found = [each for each in decisions(gateway.host) if each["found"] == "received"]
        assert [(each["address"], each["hop"], each["action"]) for each in found[-3:]] == [
            ("203.0.113.7", 2, "permanent"),
            ("198.51.100.7", 2, "pass"),
            ("198.51.100.7", 1, "pass"),
        ]


def test_an_encrypted_session_is_not_judged_by_its_headers_and_counted(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    for gateway in fleet.gateways:
        before = status(gateway)["unseen"].get("tls", 0)
        subject = unique()
        with Session(client, gateway.host.address) as session:
            session.hello()
            session.start_tls()
            session.deliver(chain("203.0.113.7") + message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1
        assert status(gateway)["unseen"]["tls"] == before + 1


CERTIFICATE, KEY = "/etc/ssl/filter.pem", "/etc/ssl/private/filter.key"
SECRETS = "/run/sender-filter-secrets"
NEW_CERTIFICATE = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mx.example.test "
    f"-out {CERTIFICATE} -keyout {KEY} && chmod 600 {KEY}"
)


def certificate_of(gateway: Gateway) -> bytes:
    return ssl.PEM_cert_to_DER_cert(gateway.host.read(CERTIFICATE).decode())


def shown_certificate(client: Client, gateway: Gateway) -> bytes:
    with Session(client, gateway.host.address) as session:
        session.hello()
        return session.start_tls()


def test_an_encrypted_session_is_judged_by_its_headers_where_the_filter_ends_tls(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    fleet.run(NEW_CERTIFICATE)
    fleet.configure(
        known_hosts_enabled=True,
        blocked=["203.0.113.0/24"],
        tls_certificate=CERTIFICATE,
        tls_key=KEY,
    )
    for gateway in fleet.gateways:
        before = status(gateway)
        refused, passed = unique(), unique()
        with Session(client, gateway.host.address) as session:
            assert "STARTTLS" in session.hello()
            assert session.start_tls() == certificate_of(gateway)
            assert "STARTTLS" not in session.hello()
            session.envelope()
            session.must("354", "DATA")
            session.send(chain("10.9.9.9", "203.0.113.7") + message(refused) + b".\r\n")
            assert session.reply().startswith("554 5.7.1 ")
        with Session(client, gateway.host.address) as session:
            session.hello()
            session.start_tls()
            session.deliver(chain("10.9.9.9", "198.51.100.7") + message(passed))
        assert len(mailstore.wait_for_stored(passed)) == 1
        assert mailstore.stored(refused) == []
        found = [each for each in decisions(gateway.host) if each.get("tls") == "ended"]
        assert [(each["address"], each["action"]) for each in found[-2:]] == [
            ("203.0.113.7", "permanent"),
            ("198.51.100.7", "pass"),
        ]
        after = status(gateway)
        assert after["tls"]["ended"] == before["tls"].get("ended", 0) + 2
        assert after["unseen"] == before["unseen"]


def test_a_renewed_certificate_is_taken_up_by_a_reload_and_the_key_stays_private(
    fleet: Fleet, client: Client
) -> None:
    for gateway in fleet.gateways:
        old, process = certificate_of(gateway), status(gateway)["pid"]
        gateway.host.run(NEW_CERTIFICATE)
        assert shown_certificate(client, gateway) == old
        gateway.host.run("systemctl reload sender-filter")
        new = certificate_of(gateway)
        eventually(
            lambda gateway=gateway, new=new: shown_certificate(client, gateway) == new,
            f"{gateway.name} shows the new certificate",
        )
        assert status(gateway)["pid"] == process
        for file in (KEY, f"{SECRETS}/tls-key"):
            assert gateway.host.run(f"stat -c %a {file}").strip() == "600"
        # In a folder of the filter's it could have root write elsewhere.
        assert gateway.host.run(f"stat -c '%U %a' {SECRETS}").split() == ["root", "711"]
        gateway.host.run(f"mv {CERTIFICATE} {CERTIFICATE}.away && systemctl restart sender-filter")
        assert shown_certificate(client, gateway) == new
        gateway.host.run(f"mv {CERTIFICATE}.away {CERTIFICATE}")


# Limits


def test_an_address_has_no_more_sessions_than_it_may_and_an_approved_one_has(
    fleet: Fleet, client: Client
) -> None:
    fleet.configure(sessions_per_address=2)
    source = client.source(CLEAN)
    for gateway in fleet.gateways:
        with (
            Session(client, gateway.host.address, source=source) as first,
            Session(client, gateway.host.address, source=source) as second,
        ):
            assert [each.greeting[:3] for each in (first, second)] == ["220", "220"]
            said = greeting_of(client, gateway.host, CLEAN)
            assert said == f"421 4.7.0 Too many connections from [{source}], try again later"
            last_decision(gateway.host, source, function="limits", action="temporary")
            assert greeting_of(client, gateway.host, BUSY).startswith("220")
            gateway.host.run(f"senderfilter approve add {source}")
            eventually_greeted(client, gateway.host, CLEAN, "220")
            gateway.host.run(f"senderfilter approve remove {source}")
        eventually_greeted(client, gateway.host, CLEAN, "220")


# Throttling, and what gateways share


def test_a_block_at_one_gateway_counts_at_all_and_without_the_server_each_goes_on(
    fleet: Fleet, client: Client, redis: Redis
) -> None:
    redis.start()
    fleet.configure(
        throttling_enabled=True,
        throttling_address={"most_connections": 3, "block_seconds": 30},
        state="redis",
        state_url=redis.url,
    )
    first, *others = fleet.gateways
    for _ in range(3):
        assert greeting_of(client, first.host, BUSY).startswith("220")
    for gateway in (first, *others):
        eventually_greeted(client, gateway.host, BUSY, "421")
    redis.stop()
    for gateway in fleet.gateways:
        assert greeting_of(client, gateway.host, BUSY).startswith("421")
        assert greeting_of(client, gateway.host, CLEAN).startswith("220")
        eventually(
            lambda gateway=gateway: status(gateway)["state_problem"], "the loss is noticed", 20
        )
    first.host.run(f"senderfilter block add {client.source(HARVESTER)}")
    redis.start()
    for gateway in others:
        eventually_judged(gateway.host, client.source(HARVESTER), "permanent")
    first.host.run(f"senderfilter block remove {client.source(HARVESTER)}")
    for gateway in others:
        eventually_judged(gateway.host, client.source(HARVESTER), "pass")
    assert "lab-password" not in first.host.run("cat /etc/sender-filter/config.toml")
    assert first.host.run("stat -c %a /etc/sender-filter/state-url").strip() == "600"
