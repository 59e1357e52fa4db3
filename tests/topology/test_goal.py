from __future__ import annotations

import pytest

from module_utils.topology import goal, model
from module_utils.topology.goal import Goal
from module_utils.topology.model import Ports

PORTS = Ports(listen=26, smtp=2600)


@pytest.mark.parametrize(
    ("postfix_on", "filter_on", "owner"),
    [
        ({26}, False, model.POSTFIX),
        ({26, 2600}, False, model.POSTFIX),
        ({2600}, True, model.FILTER),
        (set(), True, model.FILTER),
        ({26}, True, None),
        ({26, 2600}, True, None),
        ({2600}, False, None),
        (set(), False, None),
        ({25}, False, None),
    ],
)
def test_the_port_has_one_owner_or_none(
    postfix_on: set[int], filter_on: bool, owner: str | None
) -> None:
    fronts = frozenset({model.EDGE} if filter_on else set[str]())
    assert Goal(b"", frozenset(postfix_on), fronts).owner(PORTS) == owner


def test_a_topology_is_a_goal() -> None:
    edge, inline = frozenset({model.EDGE}), frozenset({model.INLINE})
    assert goal.of_topology(model.EDGE, PORTS, b"x") == Goal(b"x", frozenset({2600}), edge)
    assert goal.of_topology(model.DIRECT, PORTS, b"x") == Goal(b"x", frozenset({26}), frozenset())
    between = Goal(b"x", frozenset({26, PORTS.after_proxy}), inline)
    assert goal.of_topology(model.INLINE, PORTS, b"x") == between


@pytest.mark.parametrize("topology", [model.EDGE, model.DIRECT])
def test_a_service_of_the_operators_own_stays_where_inline_would_take_mail_back(
    topology: str,
) -> None:
    own = b"127.0.0.1:10021 inet n - n - - smtpd\n"
    assert PORTS.after_proxy in goal.of_topology(topology, PORTS, own).postfix_on
