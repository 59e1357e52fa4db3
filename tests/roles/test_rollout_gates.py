from __future__ import annotations

from typing import Any

import pytest
from roles.plugins import plugin, used

module = plugin("rollout", "rollout_gates")
RISES = {"queue": 100, "deferred": 20, "refused_share": 0.3, "filter_errors": 0}
CALM = {
    "queue": 0,
    "deferred": 0,
    "accepted": 50,
    "refused": 0,
    "refused_share": 0.0,
    "filter_errors": 0,
    "state_problem": "",
}


def doubts(after: dict[str, Any], before: dict[str, Any], **rises: Any) -> list[str]:
    found = module.gates({**CALM, **after}, {**CALM, **before}, {**RISES, **rises})
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize(
    ("after", "before"),
    [
        ({}, {}),
        ({"queue": 100}, {}),
        ({"queue": 1500}, {"queue": 1000}),
        ({"queue": 0}, {"queue": 1000}),
        ({"deferred": 25}, {"deferred": 5}),
        ({"refused": 30, "refused_share": 0.375}, {"refused_share": 0.1}),
        ({"refused_share": 0.9}, {"refused_share": 0.9}),
        # One refused client says nothing.
        ({"accepted": 0, "refused": 19, "refused_share": 1.0}, {}),
        # What the filter did before the change is not held against it.
        ({}, {"filter_errors": 7}),
        ({"state_problem": "ConnectionError: away"}, {"state_problem": "TimeoutError: away"}),
    ],
)
def test_figures_as_before_are_no_doubt(after: dict[str, Any], before: dict[str, Any]) -> None:
    assert doubts(after, before) == []


@pytest.mark.parametrize(
    ("after", "before", "sentence"),
    [
        ({"queue": 101}, {}, "101 messages in the queue, 0 before, at most 100 are allowed"),
        (
            {"queue": 1501},
            {"queue": 1000},
            "1501 messages in the queue, 1000 before, at most 1500 are allowed",
        ),
        (
            {"deferred": 26},
            {"deferred": 5},
            "26 deferred messages, 5 before, at most 25 are allowed",
        ),
        (
            {"accepted": 0, "refused": 20, "refused_share": 1.0},
            {"refused_share": 0.2},
            "100% of 20 were refused, 20% before, allowed is 50%",
        ),
        ({"filter_errors": 1}, {}, "1 errors of the filter, allowed are 0"),
        (
            {"state_problem": "AuthenticationError: invalid password"},
            {},
            "the filter does not keep what it knows: AuthenticationError: invalid password",
        ),
    ],
)
def test_each_figure_can_be_a_doubt(
    after: dict[str, Any], before: dict[str, Any], sentence: str
) -> None:
    assert doubts(after, before) == [sentence]


def test_a_share_of_few_clients_before_allows_nothing() -> None:
    everybody = {"accepted": 0, "refused": 25, "refused_share": 1.0}
    few = {"accepted": 0, "refused": 1, "refused_share": 1.0}
    assert doubts(everybody, few) == ["100% of 25 were refused, 0% before, allowed is 30%"]


def test_all_doubts_are_told_and_limits_are_variables() -> None:
    wild = {"queue": 500, "deferred": 500, "filter_errors": 3}
    assert len(doubts(wild, {})) == 3
    assert doubts(wild, {}, queue=500, deferred="500", filter_errors=3) == []


def test_the_role_uses_them() -> None:
    assert used("rollout", module)
