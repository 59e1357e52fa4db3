"""What the filter leans on is killed while mail comes in: none is lost, nobody refused for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from filter_log import decisions
from lab_hosts import Client, eventually
from moves import Fleet, Gateway
from services import Dns, Redis, eventually_greeted, greeting_of
from traffic import Traffic

LISTED, OTHER_LISTED, BLOCKED, CLEAN = range(1, 5)
KILL = "systemctl kill --signal=KILL --kill-whom=all"


@pytest.fixture(scope="module", autouse=True)
def began(fleet: Fleet, dns: Dns, redis: Redis, client: Client) -> Iterator[float]:
    """Email Reputation and IP Profiler are on, with state on the shared server."""
    dns.publish(client.source(LISTED))
    redis.start()
    fleet.configure(
        email_reputation_enabled=True,
        email_reputation_zones=[{"name": "bl.example.test"}],
        email_reputation_options={"deadline_seconds": 2, "canary_seconds": 2},
        dns_servers=[dns.server],
        ip_profiler_enabled=True,
        ip_profiler_mode="on",
        state="redis",
        state_url=redis.url,
    )
    with fleet.one_recipient():
        yield time.monotonic()


def status(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gateway.host.run("senderfilter status --json"))
    return found


def kill_postfix(fleet: Fleet) -> None:
    """Every process of Postfix at once, as the kernel would when memory is short."""
    fleet.run("pkill -KILL --exact master; pkill -KILL --uid postfix; systemctl restart postfix")


def kill_amavis(fleet: Fleet) -> None:
    fleet.run(f"{KILL} amavis.service; systemctl restart amavis.service")


def kill_filter(fleet: Fleet) -> None:
    """systemd starts it again, and holds the port meanwhile."""
    fleet.run(f"{KILL} sender-filter.service")


@pytest.mark.parametrize("kill", [kill_filter, kill_amavis, kill_postfix])
def test_what_a_gateway_consists_of_is_killed(
    fleet: Fleet, client: Client, traffic: Traffic, kill: Callable[[Fleet], None]
) -> None:
    traffic.wait_for_more()
    kill(fleet)
    traffic.interrupted()
    traffic.wait_for_more()
    for gateway in fleet.gateways:
        eventually_greeted(client, gateway.host, LISTED, "550")


def test_the_shared_server_is_killed(
    fleet: Fleet, client: Client, traffic: Traffic, redis: Redis
) -> None:
    first, *others = fleet.gateways
    source = client.source(BLOCKED)
    traffic.wait_for_more()
    redis.host.run(f"{KILL} shared")
    first.host.run(f"senderfilter block add {source} --for 1h --comment 'while it was dead'")
    assert greeting_of(client, first.host, BLOCKED).startswith("421")
    for gateway in fleet.gateways:
        eventually(lambda gateway=gateway: status(gateway)["state_problem"], "it is missed", 20)
        assert greeting_of(client, gateway.host, CLEAN).startswith("220")
    traffic.wait_for_more()
    redis.start()  # with nothing in it
    for gateway in others:
        eventually_greeted(client, gateway.host, BLOCKED, "421")
    for gateway in fleet.gateways:
        said = gateway.host.run(f"senderfilter log --ip {source}")
        assert "by blocked started until" in said
        assert "while it was dead" in said
    first.host.run(f"senderfilter block remove {source}")


def test_the_block_list_is_killed(fleet: Fleet, client: Client, traffic: Traffic, dns: Dns) -> None:
    """Who was asked about before stays refused (serve-stale), and anybody else passes."""
    for gateway in fleet.gateways:
        eventually_greeted(client, gateway.host, LISTED, "550")
    traffic.wait_for_more()
    dns.host.run(f"{KILL} list")
    for gateway in fleet.gateways:
        assert greeting_of(client, gateway.host, LISTED).startswith("550")
        assert greeting_of(client, gateway.host, CLEAN).startswith("220")
    traffic.wait_for_more()
    dns.publish(client.source(LISTED), client.source(OTHER_LISTED))
    for gateway in fleet.gateways:
        eventually_greeted(client, gateway.host, OTHER_LISTED, "550")


def test_each_refusal_is_explained_and_none_by_a_dead_dependency(
    fleet: Fleet, client: Client, began: float
) -> None:
    since = f"--since {time.monotonic() - began:.0f}s"
    listed = {client.source(LISTED), client.source(OTHER_LISTED)}
    for gateway in fleet.gateways:
        for each in decisions(gateway.host, since):
            if each["action"] == "pass":
                assert each["address"] != client.source(LISTED), each
                continue
            if each["function"] == "upstream":  # Postfix itself was dead: 421, try again
                assert each["action"] == "temporary"
                continue
            if each["function"] == "throttling":  # a block of an earlier test, which is kept
                continue
            assert each["function"] in ("reputation", "blocked")
            assert each["address"] in listed | {client.source(BLOCKED)}
            assert any(check["result"] in ("listed", "match") for check in each["checks"])
