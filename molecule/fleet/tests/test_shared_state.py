"""Gateways share what they know on a server that the role installs, and go on alone without it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harvest import harvest
from lab_hosts import Client, LabHost, MailStore, changes, eventually
from moves import Fleet
from rollouts import Rollouts
from services import eventually_greeted, greeting_of
from smtp import Session, message, unique
from state_servers import PASSWORD, StateServer, install

CLEAN, HARVESTER, BLOCKED, LATER = range(1, 5)
RULE = {"most_recipients": 2, "most_unknown": 1, "total_messages": 4}


@pytest.fixture(scope="module")
def server(servers: list[StateServer]) -> StateServer:
    """The one that the gateways use."""
    return servers[-1]


@pytest.fixture(scope="module")
def sharing(fleet: Fleet, server: StateServer) -> Iterator[Fleet]:
    """The gateways, which know their recipients and use the server."""
    with fleet.one_recipient():
        fleet.configure(
            ip_profiler_mode="on",
            ip_profiler_rules={"harvest": RULE},
            state="redis",
            state_url=server.url,
        )
        yield fleet


def problem(host: LabHost) -> str | None:
    """Why a gateway does not write what it knows; None if it does."""
    found: str | None = json.loads(host.run("senderfilter status --json"))["state_problem"]
    return found


def refused_everywhere(fleet: Fleet, client: Client, source: int, code: str) -> None:
    began = time.monotonic()
    fleet.each(lambda one: eventually_greeted(client, one.host, source, code))
    print(f"source {source} is refused at all after {time.monotonic() - began:.1f} s")


def test_the_role_installs_a_server_for_gateways_and_nobody_else(
    servers: list[StateServer], tmp_path: Path
) -> None:
    output = install(servers, tmp_path).must_pass()
    assert changes(output) == {server.host.name: 0 for server in servers}
    for server in servers:
        assert [one.address for one in server.host.listeners(6379)] == [server.host.address]
        assert server.ask("ping") == "PONG"
        assert "WRONGPASS" in server.ask("ping", password="x")  # noqa: S106 - a wrong one
        for dangerous in ("config get dir", "flushall", "set other-key 1", "module list"):
            assert server.ask(dangerous).startswith("NOPERM"), dangerous
        memory = server.ask("info", "memory")
        assert "maxmemory:536870912" in memory
        assert "maxmemory_policy:volatile-ttl" in memory
        server.host.run(f"! grep -rlF {PASSWORD} /etc /run/{server.program} /var/log")
        assert PASSWORD not in server.host.run("journalctl --no-pager --boot")


def test_who_attacks_one_gateway_is_refused_at_all(sharing: Fleet, client: Client) -> None:
    first, last = sharing.gateways[0].host, sharing.gateways[-1].host
    assert 5 <= harvest(client, first, HARVESTER, 9) < 9
    refused_everywhere(sharing, client, HARVESTER, "421")
    last.run(f"senderfilter block add {client.source(BLOCKED)} --for 1h --comment 'ticket 4711'")
    refused_everywhere(sharing, client, BLOCKED, "421")
    assert "ticket 4711" in first.run(f"senderfilter check {client.source(BLOCKED)}")


def test_without_the_server_each_goes_on_alone_and_a_new_one_learns_from_them(
    sharing: Fleet, client: Client, server: StateServer, mailstore: MailStore
) -> None:
    source, one = client.source(LATER), sharing.gateways[1]
    server.stop()
    for gateway in sharing.gateways:
        eventually(lambda host=gateway.host: problem(host), f"{gateway.name} misses the server")
    one.host.run(f"senderfilter block add {source} --for 1h")
    for gateway in sharing.gateways:
        alone = greeting_of(client, gateway.host, LATER)
        assert alone.startswith("421" if gateway is one else "220"), gateway.name
        assert greeting_of(client, gateway.host, HARVESTER).startswith("421"), gateway.name
        subject = unique()
        with Session(client, gateway.host.address, source=client.source(CLEAN)) as session:
            session.deliver(message(subject))
        assert len(mailstore.wait_for_stored(subject)) == 1, gateway.name

    server.lose_all()
    server.start()
    refused_everywhere(sharing, client, LATER, "421")
    assert not any(sharing.each(lambda each: problem(each.host)).values())
    kept = server.ask("hkeys sender-filter:entries")
    assert all(client.source(number) in kept for number in (HARVESTER, BLOCKED, LATER))


def test_a_password_that_the_server_does_not_take_is_caught_at_the_canary(
    sharing: Fleet, rollouts: Rollouts, server: StateServer
) -> None:
    wrong = server.url.replace(PASSWORD, "another-password")
    settings = {"sender_filter_state": "redis", "sender_filter_state_url": wrong}
    known = "recipient@example.test"  # by the gateways, and nobody else is
    run = rollouts.start(1, limit="gw1", rollout_probe_recipient=known, **settings)
    output = run.must_fail()
    assert "gw1: the filter does not keep what it knows: AuthenticationError" in output, output
    assert "another-password" not in output
    eventually(lambda: problem(sharing.gateways[0].host) is None, "the canary is as it was")
