"""A gateway in any broken state is brought to its declared topology by one play."""

from __future__ import annotations

import re

import pytest
from damages import ALONE, BACK_ON_25, DAMAGES, Damage, takes_mail
from lab_hosts import Client, changes
from moves import DIRECT, EDGE, MASTER_CF, Fleet, Moment

REPAIR = "repair_port_conflict.yml"
REWRITTEN = Moment("master.cf has one service more", {"rewritten": True})


def assert_repaired(fleet: Fleet, client: Client, topology: str, *wrong: str) -> None:
    """One play names what was wrong, one of these, and the host is in order, and stays so."""
    output = fleet.play(REPAIR).must_pass()
    found = re.findall(rf'"was wrong: [^"]*(?:{"|".join(map(re.escape, wrong))})', output)
    assert len(found) == len(fleet.gateways), output
    assert {one.topology for one in fleet.ends(5).values()} == {topology}
    for one in fleet.gateways:
        assert takes_mail(client, one), one.name


def test_nothing_is_changed_where_nothing_is_wrong(fleet: Fleet) -> None:
    fleet.bring(EDGE)
    fleet.play(REPAIR).must_pass()
    again = fleet.play(REPAIR).must_pass()
    assert changes(again) == {one.name: 0 for one in fleet.gateways}


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
def test_what_is_broken_is_named_and_mended(fleet: Fleet, client: Client, damage: Damage) -> None:
    fleet.bring(damage.topology)
    fleet.each(damage.do)
    assert_repaired(fleet, client, damage.topology, damage.wrong, *damage.or_wrong)


def test_a_postfix_that_died_of_the_filters_port(fleet: Fleet, client: Client) -> None:
    """The filter does not share its port here, and master ends at the attempt to take it."""
    fleet.bring(EDGE)
    with fleet.unit_setting(*ALONE):
        fleet.each(BACK_ON_25.do)
        fleet.run("! systemctl restart postfix || sleep 3; ! pgrep --exact master")
        assert not any(takes_mail(client, one) for one in fleet.gateways)
        assert_repaired(fleet, client, EDGE, "Postfix is not running")


def test_gateways_of_different_topologies_are_mended_by_one_play(
    fleet: Fleet, client: Client
) -> None:
    """The first one has no filter to install, and the others have."""
    fleet.bring(EDGE)
    first = fleet.gateways[0].name
    fleet.play("disable_sender_filter.yml", "--limit", first).must_pass()
    fleet.run("pkill --signal KILL --exact master; sleep 0.5")
    fleet.play(REPAIR).must_pass()
    ends = {name: one.topology for name, one in fleet.ends(5).items()}
    assert ends == dict.fromkeys(ends, EDGE) | {first: DIRECT}
    assert all(takes_mail(client, one) for one in fleet.gateways)


def test_each_of_two_playbooks_in_a_row_has_its_own_topology_and_snapshot(fleet: Fleet) -> None:
    fleet.bring(EDGE)
    new = ("--extra-vars", '{"sender_filter_blocked": ["192.0.2.99"]}')
    fleet.play("update_sender_filter.yml", "playbooks/disable_sender_filter.yml", *new).must_pass()
    assert {one.topology for one in fleet.ends(5).values()} == {DIRECT}
    fleet.play("rollback.yml").must_pass()
    assert {one.topology for one in fleet.ends(5).values()} == {EDGE}
    fleet.run("grep -q '^192.0.2.99' /etc/sender-filter/blocked.list")
    fleet.play("disable_sender_filter.yml").must_pass()
    fleet.play("update_sender_filter.yml", "playbooks/enable_sender_filter.yml").must_pass()
    assert {one.topology for one in fleet.ends(5).values()} == {EDGE}


def test_half_of_a_move_that_nobody_takes_back(fleet: Fleet, client: Client) -> None:
    fleet.bring(DIRECT)
    module = fleet.move(EDGE)
    fleet.each(lambda one: one.wait_for(REWRITTEN, ("kill_module_and_guard",)))
    module.output()
    fleet.play(REPAIR).must_pass()
    assert {one.topology for one in fleet.ends(5).values()} == {DIRECT}
    assert all(takes_mail(client, one) for one in fleet.gateways)


def test_a_master_cf_that_an_upgrade_has_rewritten(fleet: Fleet, client: Client) -> None:
    """The services beside the scan service are gone with it, and come back."""
    fleet.bring(EDGE)
    fleet.run("cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf")
    fleet.run("systemctl restart postfix; sleep 2")
    fleet.play(REPAIR).must_pass()
    fleet.play("verify_topology.yml").must_pass()
    assert all(takes_mail(client, one) for one in fleet.gateways)
    fleet.each(lambda one: one.host.write(MASTER_CF, one.master_cf[EDGE]))
    fleet.run("postfix reload")


def test_a_stranger_is_named_and_left_alone(fleet: Fleet, client: Client) -> None:
    fleet.bring(DIRECT)
    serve = "systemd-run --quiet --unit=stranger python3 -m http.server 25"
    with fleet.broken(
        f"systemctl stop postfix 'postfix@*'; {serve}; sleep 2", "systemctl stop stranger"
    ):
        output = fleet.play(REPAIR).must_fail()
        assert "port 25 belongs to python3" in output
        assert "stop it and keep it from starting again" in output
        fleet.run("systemctl is-active stranger")
    assert_repaired(fleet, client, DIRECT, "Postfix is not running")
