"""ansible-playbook is killed at each of its tasks, or a second play runs at the same time."""

from __future__ import annotations

import random
import signal
import time

import pytest
from moves import DIRECT, EDGE, INLINE, OTHER, PLAYBOOKS, Fleet
from traffic import Traffic

INTERRUPTED_PLAYS = 3
TASKS = {
    EDGE: [
        "Way is free, and the host is kept as it is",
        "Release, configuration, lists and units are in place",
        "Gateway is in topology edge",
        "Port table",
    ],
    DIRECT: [
        "Gateway is in topology direct",
        "Port table",
    ],
}
# A module that has lost its play goes on to its end.
LEFT = '"^/bin/sh -c .*[p]ython3"'
QUIET = f"timeout 60 sh -c 'while pgrep --full {LEFT} >/dev/null; do sleep 0.2; done'"


@pytest.mark.parametrize("topology", [EDGE, DIRECT])
def test_ansible_playbook_is_killed_at_each_task(
    fleet: Fleet, traffic: Traffic, topology: str
) -> None:
    for task in TASKS[topology]:
        fleet.bring(OTHER[topology])
        fleet.play(PLAYBOOKS[topology]).kill_at(task)
        fleet.run(QUIET)
        print(task, {name: one.topology for name, one in fleet.ends().items()})
    fleet.play(PLAYBOOKS[topology]).must_pass()
    fleet.play("verify_topology.yml").must_pass()
    assert {one.topology for one in fleet.ends().values()} == {topology}
    traffic.prove_unnoticed()


@pytest.mark.usefixtures("inline_fleet")
def test_plays_are_interrupted_at_random_and_run_again(fleet: Fleet, traffic: Traffic) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    here, seconds = INLINE, 20.0
    for _ in range(INTERRUPTED_PLAYS):
        topology = chance.choice([one for one in PLAYBOOKS if one != here])
        how = chance.choice([signal.SIGINT, signal.SIGKILL])
        after = chance.uniform(1, seconds)
        print(f"seed {seed}: {how.name} {after:.1f} s after the start of a play to {topology}")
        play = fleet.play(PLAYBOOKS[topology])
        time.sleep(after)
        play.kill(how)
        fleet.run(QUIET)
        began = time.monotonic()
        fleet.play(PLAYBOOKS[topology]).must_pass()
        seconds = time.monotonic() - began
        assert {one.topology for one in fleet.ends(5).values()} == {topology}
        here = topology
    traffic.prove_unnoticed()


def test_two_plays_at_once_end_in_one_topology(fleet: Fleet, traffic: Traffic) -> None:
    """The second one waits for the first."""
    fleet.bring(DIRECT)
    plays = [fleet.play(PLAYBOOKS[topology]) for topology in (EDGE, DIRECT)]
    outputs = [each.must_pass() for each in plays]
    ended = fleet.ends()
    print(ended, *(output[-1500:] for output in outputs))
    traffic.prove_unnoticed()
