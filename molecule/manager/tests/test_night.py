"""The night of the seed's question 6: a naive restart stops the mail, the manager's does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from damages import ALONE, BACK_ON_25, DEAD, NOBODY, TWO_OWNERS, Damage, takes_mail
from lab_hosts import Client, MailStore, changes, eventually
from moves import DIRECT, EDGE, Fleet, Gateway

NAIVE = "systemctl restart postfix; systemctl start sender-filter.service; sleep 3"
NIGHT = "systemctl start mail-topology-nightly.service"
RUNS = "/var/log/mail-topology/nightly.jsonl"
TOLD = "/var/lib/mail-topology/told.json"
TELL = "/usr/local/bin/tell-somebody"


def manage(fleet: Fleet, **settings: object) -> None:
    """Apply the role with these variables."""
    variables = {f"gateway_manager_{name}": value for name, value in settings.items()}
    fleet.play("manage_gateways.yml", "--extra-vars", json.dumps(variables)).must_pass()


def runs(gateway: Gateway) -> list[dict[str, Any]]:
    text = gateway.host.run(f"cat {RUNS} 2>/dev/null || true")
    return [json.loads(row) for row in text.splitlines()]


@pytest.fixture(scope="module", autouse=True)
def managed(fleet: Fleet) -> None:
    manage(fleet)


def test_the_night_begins_at_23_local_time_and_changes_nothing_twice(fleet: Fleet) -> None:
    output = fleet.play("manage_gateways.yml").must_pass()
    assert changes(output) == {one.name: 0 for one in fleet.gateways}, output
    for one in fleet.gateways:
        shown = "systemctl show mail-topology-nightly.timer"
        assert " 23:00:00 " in one.host.run(f"{shown} --property=NextElapseUSecRealtime --value")
        one.host.run("systemctl is-enabled mail-topology-nightly.timer")


def test_a_healthy_gateway_has_its_postfix_restarted(fleet: Fleet, client: Client) -> None:
    fleet.bring(EDGE)
    pid = "cat /var/spool/postfix/pid/master.pid"
    before = fleet.each(lambda one: one.host.run(pid))
    fleet.run(NIGHT)
    assert {one.topology for one in fleet.ends(5).values()} == {EDGE}
    for one in fleet.gateways:
        assert one.host.run(pid) != before[one.name]
        last = runs(one)[-1]
        assert (last["ok"], last["wrong"], last["done"]) == (True, [], ["restart Postfix"])
        assert takes_mail(client, one)


def test_a_naive_night_stops_the_mail_and_a_managed_one_brings_it_back(
    fleet: Fleet, client: Client
) -> None:
    fleet.bring(EDGE)
    with fleet.unit_setting(*ALONE):
        fleet.each(BACK_ON_25.do)
        fleet.run(NAIVE)
        fleet.run("! pgrep --exact master")
        assert not any(takes_mail(client, one) for one in fleet.gateways)
        fleet.run(NIGHT)
        assert all(takes_mail(client, one) for one in fleet.gateways)
    assert all(runs(one)[-1]["wrong"][0] == "Postfix is not running" for one in fleet.gateways)


def test_a_managed_night_does_not_come_to_the_conflict(fleet: Fleet, client: Client) -> None:
    fleet.bring(EDGE)
    with fleet.unit_setting(*ALONE):
        fleet.each(BACK_ON_25.do)
        fleet.run(NIGHT)
        assert all(takes_mail(client, one) for one in fleet.gateways)
    for one in fleet.gateways:
        last = runs(one)[-1]
        assert (last["declared"], last["after"], last["ok"]) == (EDGE, EDGE, True)
        assert BACK_ON_25.wrong in " ".join(last["wrong"])


def test_a_naive_night_may_end_in_two_owners_without_an_error(fleet: Fleet, client: Client) -> None:
    """Both share the port, and every other client meets a filter with nobody behind it."""
    fleet.bring(EDGE)
    fleet.each(BACK_ON_25.do)
    fleet.run(NAIVE)
    output = fleet.play("verify_topology.yml").must_fail()
    assert output.count(TWO_OWNERS.wrong) >= len(fleet.gateways), output
    fleet.run(NIGHT)
    assert {one.topology for one in fleet.ends(5).values()} == {EDGE}
    assert all(takes_mail(client, one) for one in fleet.gateways)


# The repair has all of them, and heals in the same way.
@pytest.mark.parametrize("damage", [NOBODY, DEAD], ids=str)
def test_the_night_heals_towards_what_was_declared(
    fleet: Fleet, client: Client, damage: Damage
) -> None:
    fleet.bring(damage.topology)
    fleet.each(damage.do)
    fleet.run(NIGHT)
    assert {one.topology for one in fleet.ends(5).values()} == {damage.topology}
    assert all(damage.wrong in " ".join(runs(one)[-1]["wrong"]) for one in fleet.gateways)
    assert all(takes_mail(client, one) for one in fleet.gateways)


def test_who_cannot_heal_fails_and_tells_somebody(
    fleet: Fleet, client: Client, mailstore: MailStore
) -> None:
    fleet.bring(DIRECT)
    fleet.run(f"printf '#!/bin/sh\\ncat >{TOLD}\\n' >{TELL}; chmod +x {TELL}")
    manage(fleet, notify_command=TELL, notify_mail="recipient@example.test")
    serve = "systemd-run --quiet --unit=stranger python3 -m http.server 25"
    with fleet.broken(
        f"systemctl stop postfix 'postfix@*'; {serve}; sleep 2", "systemctl stop stranger"
    ):
        fleet.run(f"! {NIGHT}")
    for one in fleet.gateways:
        last = runs(one)[-1]
        assert not last["ok"]
        assert "port 25 belongs to python3" in last["error"]
        assert json.loads(one.host.run(f"cat {TOLD}")) == last
    fleet.run("mail-topology heal")
    for one in fleet.gateways:
        assert takes_mail(client, one)
        # Queued while Postfix was dead.
        mailstore.wait_for_stored(f"mail gateway {one.name}.example.test is not as declared")


def test_the_timer_runs_it(fleet: Fleet) -> None:
    fleet.bring(DIRECT)
    before = fleet.each(lambda one: len(runs(one)))
    manage(fleet, time="*:*:0/5")
    eventually(
        lambda: all(len(runs(one)) > before[one.name] for one in fleet.gateways),
        "the timer has run it on each gateway",
    )
    manage(fleet, enabled=False)
    fleet.run("! systemctl is-active mail-topology-nightly.timer")
    assert {one.topology for one in fleet.ends().values()} == {DIRECT}
