from __future__ import annotations

import json
from typing import Any

import pytest

from module_utils.health.decisions import Decisions, count, of_client, parse

TIME = "2026-11-27T09:46:27.171Z"
AT = 1795772787.171


def line(**fields: Any) -> str:
    record = {
        "event": "decision",
        "time": TIME,
        "address": "192.0.2.7",
        "port": 58574,
        "function": "none",
        "action": "pass",
    }
    return json.dumps({**record, **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Decisions(1, 0, 0)),
        ({"function": "blocked", "action": "permanent"}, Decisions(0, 1, 0)),
        ({"function": "throttling", "action": "temporary"}, Decisions(0, 1, 0)),
        ({"function": "upstream", "action": "temporary"}, Decisions(0, 0, 1)),
        ({"event": "session", "ended": "upstream_lost"}, Decisions(0, 0, 1)),
        ({"event": "session", "ended": "client_closed"}, Decisions(0, 0, 0)),
        ({"event": "block", "change": "started"}, Decisions(0, 0, 0)),
    ],
)
def test_each_record_is_counted_as_what_it_is(fields: dict[str, Any], expected: Decisions) -> None:
    assert count(parse([line(**fields)], AT - 1)) == expected


def test_what_came_before_and_half_a_line_are_left_out() -> None:
    assert list(parse([line()], AT + 1)) == []
    assert len(list(parse([line(), line()[:40], "\n", "[]"], AT - 1))) == 1


def test_a_record_of_the_same_millisecond_counts() -> None:
    assert len(list(parse([line()], AT + 0.0009))) == 1


def test_a_client_is_found_by_address_and_port_behind_a_known_host_too() -> None:
    records = list(parse([line(), line(address="198.51.100.1", peer="192.0.2.9", port=1)], 0))
    assert of_client(records, "192.0.2.7", 58574) == records[0]
    assert of_client(records, "192.0.2.9", 1) == records[1]
    assert of_client(records, "192.0.2.7", 1) is None
