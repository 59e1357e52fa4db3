"""A new release comes to gateways that are in `edge`, host by host out of the balancer and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_hosts import ROOT, Client, LabHost, MailStore
from moves import Run
from releases import other_archive, running
from rollouts import Rollouts, topologies
from services import eventually_judged
from state_servers import StateServer
from traffic import Traffic

NEW = "99.0-other"
BLOCKED = "192.0.2.99"
# One of Debian 12, and two of 13.
NAMES = ["gw1", "gw4", "gw5"]
HOOKS = ROOT / "molecule/fleet/hooks"


@pytest.fixture
def some(gateways: list[LabHost]) -> list[LabHost]:
    return [host for host in gateways if host.name in NAMES]


@pytest.fixture
def traffic(client: Client, some: list[LabHost], mailstore: MailStore) -> Iterator[Traffic]:
    """Mail to the canary, and to the one that goes back because of another."""
    with Traffic(client, [some[0], some[2]], mailstore) as running_traffic:
        running_traffic.wait_for_more()
        running_traffic.start_over()
        yield running_traffic


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return other_archive(tmp_path, NEW)


def start(rollouts: Rollouts, archive: Path, server: StateServer, refused: str) -> Run:
    """A rollout of a release and of the address of another state server."""
    return rollouts.start(
        1,
        2,
        limit=":".join(NAMES),
        sender_filter_wheelhouse=str(archive),
        sender_filter_state="redis",
        sender_filter_state_url=server.url,
        rollout_before_host=str(HOOKS / "out.yml"),
        rollout_after_host=str(HOOKS / "in.yml"),
        hook_refused=refused,
    )


def noted(host: LabHost) -> list[str]:
    """The releases that served when the hooks were called, one after the other."""
    lines = host.run("cat /root/hooks; rm /root/hooks").splitlines()
    return [Path(json.loads(line)["release"]).name for line in lines]


def test_a_release_is_rolled_out_and_goes_back_where_a_hook_fails(
    rollouts: Rollouts,
    some: list[LabHost],
    servers: list[StateServer],
    traffic: Traffic,
    archive: Path,
) -> None:
    first, second, third = some
    [old] = {running(host) for host in some}
    output = start(rollouts, archive, servers[0], refused=second.name).must_fail()
    assert f"{second.name}: the balancer does not answer (task “Balancer answers”)" in output
    assert rollouts.report().states == dict(zip(NAMES, ["done", "back", "back"], strict=True))
    assert [running(host) for host in some] == [NEW, old, old]
    assert [noted(host) for host in some] == [[old, NEW], [old, old], [old, old]]

    start(rollouts, archive, servers[0], refused="").must_pass()
    assert rollouts.report().states == dict.fromkeys(NAMES, "done")
    assert [running(host) for host in some] == [NEW] * 3
    assert [noted(host) for host in some] == [[NEW, NEW], [old, NEW], [old, NEW]]
    assert topologies(some) == "eee"
    traffic.prove_unnoticed()
    first.run(f"senderfilter block add {BLOCKED} --for 1h")
    for host in (second, third):
        eventually_judged(host, BLOCKED, "temporary")
