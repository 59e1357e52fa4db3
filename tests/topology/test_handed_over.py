"""What a move does before Postfix gives up the service that has taken connections over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from builders import EDGE_CF, RUNNING, after_the_filter, edge, postfix_on_listen

from module_utils.topology import filter_status, handed_over, model, overlap, plain
from module_utils.topology.goal import of_topology
from module_utils.topology.hands import Hands
from module_utils.topology.request import Request
from module_utils.topology.survey import Survey
from module_utils.topology.target import master_cf

PASSING_CF = master_cf(EDGE_CF, model.EDGE, "127.0.0.1:2500", {}, passes=True)
STALE = replace(RUNNING, needs=filter_status.RESTART)
RELAY, WAIT = (
    "let the filter relay all sessions",
    "wait for the sessions that Postfix has taken over",
)


def hands(before: Survey, topology: str, *, passes: bool = False) -> Hands:
    wanted = master_cf(before.postfix.master_cf, topology, "127.0.0.1:2500", {}, passes=passes)
    request = Request(topology, Path("/etc/postfix"), model.Ports(), "127.0.0.1", {})
    return Hands(request, before, of_topology(topology, model.Ports(), wanted))


def closing(before: Survey, topology: str, *, passes: bool = False) -> list[str]:
    return [name for name, _ in handed_over.closing(hands(before, topology, passes=passes))]


def test_a_filter_that_stays_is_told_first() -> None:
    assert closing(edge(master_cf=PASSING_CF, units=STALE), model.EDGE) == [RELAY, WAIT]


def test_a_filter_that_knows_is_not_told_again() -> None:
    assert closing(edge(master_cf=PASSING_CF), model.EDGE) == [WAIT]


def test_where_the_filter_leaves_the_port_its_own_drain_waits_for_them() -> None:
    assert closing(edge(master_cf=PASSING_CF), model.DIRECT) == []


@pytest.mark.parametrize("topology", [model.DIRECT, model.EDGE])
def test_after_an_interrupted_move_they_are_waited_for(topology: str) -> None:
    left = edge([*postfix_on_listen(), *after_the_filter()], PASSING_CF)
    assert closing(left, topology) == [WAIT]


def test_a_service_that_stays_or_never_was_is_of_no_account() -> None:
    assert closing(edge(master_cf=PASSING_CF, units=STALE), model.EDGE, passes=True) == []
    assert closing(edge(units=STALE), model.EDGE) == []


@pytest.mark.parametrize("way", [overlap, plain])
def test_it_is_the_last_before_postfix_lets_the_service_go(way: ModuleType) -> None:
    names = [name for name, _ in way.steps(hands(edge(master_cf=PASSING_CF), model.EDGE))]
    assert names[-2] == WAIT
