from __future__ import annotations

import pytest

from module_utils.topology import goal, model
from module_utils.topology.goal import Goal
from module_utils.topology.model import Ports

PORTS = Ports(listen=26, smtp=2600)


@pytest.mark.parametrize(
    ("postfix_on", "fronts", "owner"),
    [
        ({26}, set(), model.POSTFIX),
        ({26, 2600}, set(), model.POSTFIX),
        ({26, 10021}, {model.INLINE}, model.POSTFIX),
        ({2600}, {model.EDGE}, model.FILTER),
        (set(), {model.EDGE}, model.FILTER),
        ({2600, 10021}, {model.EDGE, model.INLINE}, model.FILTER),
        ({26}, {model.EDGE}, None),
        ({26, 2600}, {model.EDGE}, None),
        ({2600}, set(), None),
        ({10021}, {model.INLINE}, None),
        (set(), set(), None),
        ({25}, set(), None),
    ],
)
def test_the_port_has_one_owner_or_none(
    postfix_on: set[int], fronts: set[str], owner: str | None
) -> None:
    assert Goal(b"", frozenset(postfix_on), frozenset(fronts)).owner(PORTS) == owner


@pytest.mark.parametrize(
    ("topology", "postfix_on", "fronts"),
    [
        (model.EDGE, {2600}, {model.EDGE}),
        (model.DIRECT, {26}, set()),
        (model.INLINE, {26, 10021}, {model.INLINE}),
    ],
)
def test_a_topology_is_a_goal(topology: str, postfix_on: set[int], fronts: set[str]) -> None:
    end = goal.of_topology(topology, PORTS, b"x")
    assert end == Goal(b"x", frozenset(postfix_on), frozenset(fronts))


@pytest.mark.parametrize(("topology", "port"), [(model.EDGE, 2600), (model.DIRECT, 26)])
def test_a_service_of_the_operators_own_on_the_port_after_the_filter_stays(
    topology: str, port: int
) -> None:
    own = b"127.0.0.1:10021 inet n - y - - smtpd\n"
    assert goal.of_topology(topology, PORTS, own).postfix_on == {port, 10021}
