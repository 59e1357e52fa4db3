"""What operators have told the running filter."""

from __future__ import annotations

import json
from typing import Any

from builders import direct, edge, inline
from topology.test_filter_status import answering

from module_utils.topology import fronts, run_time


def entry(who: str, since: str, **more: Any) -> dict[str, Any]:
    said = {"network": "192.0.2.7", "kind": "block", "until": None, "comment": "", **more}
    return {**said, "who": who, "since": since}


def answer(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"answer": "entries", "entries": entries}).encode() + b"\n"


def test_operators_words_are_listed_the_newest_first() -> None:
    said = answer(
        entry("operator", "2026-01-01"),
        entry("profiler", "2026-01-02"),
        entry("operator", "2026-01-03", author="alice", comment="x"),
    )
    with answering(fronts.EDGE.control, said) as asked:
        newest, oldest = run_time.entries(edge())
    assert json.loads(asked[0]) == {"command": "entries"}
    assert newest == {
        "network": "192.0.2.7",
        "kind": "block",
        "author": "alice",
        "since": "2026-01-03",
        "until": None,
        "comment": "x",
    }
    assert (oldest["since"], oldest["author"]) == ("2026-01-01", None)  # an older filter's


def test_the_front_that_runs_is_asked() -> None:
    with answering(fronts.INLINE.control, answer(entry("operator", "2026-01-01"))):
        assert len(run_time.entries(inline())) == 1


def test_a_filter_that_does_not_run_or_answer_has_none() -> None:
    assert run_time.entries(direct()) == []
    with answering(fronts.EDGE.control, b'{"answer": "error", "error": "x"}\n'):
        assert run_time.entries(edge()) == []
