"""Ports that are one for all gateways, and settings that are brought to those that run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lab_hosts import Client
from moves import DIRECT, EDGE, INLINE, MASTER_CF, PLAYBOOKS, Fleet
from smtp import Session

BLOCKED = {EDGE: 7, INLINE: 8}
LIST = "/etc/sender-filter/blocked.list"
FRONTS = {EDGE: "sender-filter", INLINE: "sender-filter-inline"}


@pytest.fixture
def other_port(tmp_path: Path) -> tuple[str, str]:
    """An inventory beside the lab's in which one gateway has a port of its own."""
    host = {"gw2": {"postfix_gateway_smtp_port": 2600}}
    file = tmp_path / "hosts.yml"
    file.write_text(json.dumps({"gateways": {"hosts": host}}))
    return "--inventory", str(file)


def test_a_port_of_its_own_stops_the_run_before_anything_is_touched(
    inline_fleet: Fleet, other_port: tuple[str, str]
) -> None:
    inline_fleet.bring(DIRECT)
    before = inline_fleet.each(lambda one: one.host.read(MASTER_CF))
    said = inline_fleet.play(PLAYBOOKS[EDGE], *other_port).must_fail()
    assert "postfix_gateway_smtp_port is not the same on all gateways" in said
    assert "(gw1: 2500, gw2: 2600)" in said
    limited = inline_fleet.play(PLAYBOOKS[EDGE], *other_port, "--limit", "gw1").must_fail()
    assert "(gw1: 2500, gw2: 2600)" in limited
    assert inline_fleet.each(lambda one: one.host.read(MASTER_CF)) == before
    own = ("--extra-vars", '{"postfix_gateway_apply_to_all": false}')
    inline_fleet.play(PLAYBOOKS[EDGE], *other_port, *own, "--check").must_pass()


@pytest.mark.parametrize("topology", [EDGE, INLINE])
def test_settings_come_to_a_filter_that_runs_and_no_session_notices(
    inline_fleet: Fleet, client: Client, topology: str
) -> None:
    inline_fleet.bring(topology)
    process = f"systemctl show --value --property=MainPID {FRONTS[topology]}.service"
    before = inline_fleet.each(lambda one: one.host.run(process))
    sessions = [Session(client, one.host.address) for one in inline_fleet.gateways]
    source = client.source(BLOCKED[topology])
    blocked = json.dumps({"sender_filter_blocked": [source]})
    lists = inline_fleet.each(lambda one: one.host.read(LIST))
    would = ("--check", "--diff", "--extra-vars", blocked)
    said = inline_fleet.play("update_sender_filter.yml", *would).must_pass()
    assert f"+{source}" in said
    assert f"postfix: nothing, {FRONTS[EDGE]}.service: " in said
    assert f"{FRONTS[topology]}.service: reload" in said
    assert inline_fleet.each(lambda one: one.host.read(LIST)) == lists
    inline_fleet.play("update_sender_filter.yml", "--extra-vars", blocked).must_pass()
    for session in sessions:
        session.hello()
        session.close()
    assert inline_fleet.each(lambda one: one.host.run(process)) == before
    assert {one.topology for one in inline_fleet.ends(5).values()} == {topology}
    for gateway in inline_fleet.gateways:
        asked = f"senderfilter check --json {source}"
        assert json.loads(gateway.host.run(asked))["function"] == "blocked"


def test_settings_come_to_a_gateway_without_a_filter_and_start_none(inline_fleet: Fleet) -> None:
    inline_fleet.bring(DIRECT)
    inline_fleet.play("update_sender_filter.yml").must_pass()
    assert {one.topology for one in inline_fleet.ends(5).values()} == {DIRECT}
