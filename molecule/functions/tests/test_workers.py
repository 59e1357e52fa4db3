"""Two workers serve port 25: nothing is counted less exactly, and one goes on without the other."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from filter_log import decisions
from lab_hosts import Client, changes, eventually
from moves import Fleet, Gateway
from services import greeting_of
from smtp import Session
from traffic import Traffic

SOURCES = range(1, 9)
BUSY, OTHER_BUSY, BLOCKED, STAYING, OTHER_STAYING = range(1, 6)
MAIL = 8  # the last address that a host has is the first that it uses, of IPv6
FEW = 6


@pytest.fixture(scope="module", autouse=True)
def _two_workers(fleet: Fleet, client: Client) -> Iterator[None]:
    fleet.configure(workers=2)
    for each in SOURCES:  # whatever other tests have blocked
        fleet.run(f"senderfilter block remove {client.source(each)}")
    with fleet.one_recipient():
        yield


def status(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gateway.host.run("senderfilter status --json"))
    return found


def workers(gateway: Gateway) -> list[int]:
    """The pids of the workers, once both answer."""

    def look() -> list[int] | None:
        pids = [each.get("pid") for each in status(gateway)["workers"]]
        return None if None in pids else pids

    return eventually(look, f"both workers of {gateway.name} answer")


@contextlib.contextmanager
def stopped(gateway: Gateway, pid: int) -> Iterator[None]:
    """Meanwhile this worker stands still, and the other one accepts all clients."""
    gateway.host.run(f"kill -STOP {pid}")
    try:
        yield
    finally:
        gateway.host.run(f"kill -CONT {pid}")


def test_both_are_on_the_sockets_that_one_was_on(fleet: Fleet) -> None:
    for gateway in fleet.gateways:
        one, other = workers(gateway)
        shown = gateway.host.run("senderfilter status")
        assert f"workers {one}, {other}, supervisor" in shown
        assert len(gateway.host.listeners(25)) == 2  # one for each version of IP
    fleet.play("verify_topology.yml", "--extra-vars", '{"sender_filter_workers": 2}').must_pass()
    settings = '{"sender_filter_workers": 2}'
    again = fleet.play("enable_sender_filter.yml", "--extra-vars", settings).must_pass()
    assert changes(again) == {gateway.name: 0 for gateway in fleet.gateways}


@pytest.mark.parametrize("number", [0, 1])
def test_one_is_killed_and_nobody_is_refused(fleet: Fleet, traffic: Traffic, number: int) -> None:
    before = {gateway.name: workers(gateway) for gateway in fleet.gateways}
    traffic.wait_for_more()
    for gateway in fleet.gateways:
        gateway.host.run(f"kill -KILL {before[gateway.name][number]}")
    traffic.interrupted()
    traffic.wait_for_more()
    traffic.prove_open(seconds=3)
    for gateway in fleet.gateways:
        after = workers(gateway)
        assert after[number] != before[gateway.name][number]
        assert after[1 - number] == before[gateway.name][1 - number]


def test_nobody_notices_a_reload_nor_a_restart(
    fleet: Fleet, traffic: Traffic, client: Client
) -> None:
    before = {gateway.name: workers(gateway) for gateway in fleet.gateways}
    traffic.wait_for_more()
    fleet.run("systemctl reload sender-filter.service")
    traffic.wait_for_more()
    for gateway in fleet.gateways:
        assert workers(gateway) == before[gateway.name]
        sources = (client.source(number) for number in (STAYING, OTHER_STAYING))
        sessions = [Session(client, gateway.host.address, source=source) for source in sources]
        gateway.host.run("systemctl restart sender-filter.service")
        traffic.wait_for_more()
        assert not set(workers(gateway)) & set(before[gateway.name])
        for session in sessions:
            session.hello()
            session.quit()
            session.close()
    traffic.prove_unnoticed()


def test_each_client_leaves_its_records_whichever_worker_it_belongs_to(
    fleet: Fleet, client: Client
) -> None:
    fleet.run("systemctl restart sender-filter.service")
    for gateway in fleet.gateways:
        workers(gateway)
        since = status(gateway)["since"]
        for _ in range(3):
            assert {greeting_of(client, gateway.host, each)[:3] for each in SOURCES} == {"220"}
        assert all(each["relayed"] for each in status(gateway)["workers"])
        for each in SOURCES:
            options = f"--since {since} --ip {client.source(each)}"
            found = eventually(
                lambda gateway=gateway, options=options: (
                    each if len(each := decisions(gateway.host, options)) >= 3 else None
                ),
                f"{gateway.name} has three records of source {each}",
            )
            assert len({record["session"] for record in found}) == len(found) == 3


def test_connections_of_an_address_are_counted_exactly(fleet: Fleet, client: Client) -> None:
    fleet.configure(
        workers=2,
        approved=[client.address, client.source(MAIL, 6)],  # from which mail runs beside
        throttling_enabled=True,
        throttling_address={"most_connections": FEW, "block_seconds": 600},
    )
    for gateway in fleet.gateways:
        pids = workers(gateway)
        for source in (BUSY, OTHER_BUSY):
            greetings = [greeting_of(client, gateway.host, source)[:3] for _ in range(FEW + 2)]
            assert greetings == ["220"] * FEW + ["421"] * 2
            for pid in pids:  # both know it
                with stopped(gateway, pid):
                    assert greeting_of(client, gateway.host, source).startswith("421")
            gateway.host.run(f"senderfilter block remove {client.source(source)}")
            assert greeting_of(client, gateway.host, source).startswith("220")
        assert workers(gateway) == pids


def test_an_operators_block_counts_at_once_for_both(fleet: Fleet, client: Client) -> None:
    for gateway in fleet.gateways:
        pids = workers(gateway)
        since = status(gateway)["since"]
        gateway.host.run(f"senderfilter block add {client.source(BLOCKED)} --for 1h")
        for pid in pids:
            with stopped(gateway, pid):
                assert greeting_of(client, gateway.host, BLOCKED).startswith("421")
        log = f"senderfilter log --ip {client.source(BLOCKED)} --since {since}"
        assert gateway.host.run(log).count("started until") == 1
        gateway.host.run(f"senderfilter block remove {client.source(BLOCKED)}")
        assert greeting_of(client, gateway.host, BLOCKED).startswith("220")
