from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.rollout import run
from module_utils.rollout.run import Run, plan

HOSTS = [f"gw{number}" for number in range(1, 21)]


def sizes(*batches: int | str, share: int = 100, hosts: list[str] = HOSTS) -> list[int]:
    return [len(batch) for batch in plan(hosts, batches, share)]


def test_a_canary_and_growing_batches() -> None:
    assert sizes(1, "10%", "30%") == [1, 2, 6, 6, 5]


def test_each_host_is_in_one_batch_in_order() -> None:
    assert [host for batch in plan(HOSTS, [1, "10%", "30%"], 25) for host in batch] == HOSTS


def test_the_share_that_may_be_out_caps_a_batch_but_leaves_one_host() -> None:
    assert sizes(1, "50%", share=20) == [1, 4, 4, 4, 4, 3]
    assert sizes(3, share=1, hosts=HOSTS[:3]) == [1, 1, 1]


def test_a_small_percentage_is_one_host() -> None:
    assert sizes("1%", hosts=HOSTS[:2]) == [1, 1]
    assert sizes("1", hosts=[]) == []


@pytest.mark.parametrize("size", [0, "0%", "a", "-1", "1.5", "%"])
def test_no_size_is_an_error(size: int | str) -> None:
    with pytest.raises(ValueError, match="a batch is a number of hosts or a percentage"):
        plan(HOSTS, [size], 100)


@pytest.fixture
def begun() -> Run:
    batches = [["a"], ["b", "c"]]
    present = ["a", "b", "c"]
    return Run("20261127T094700Z", "edge", "me", "2026-11-27T09:47:00Z", batches, present)


def test_what_is_done_is_not_done_again(begun: Run) -> None:
    noted = run.note(begun, {"a": {"state": "done"}, "b": {"state": "done"}, "c": {"state": "x"}})
    assert noted.left == [["c"]]


def test_a_run_that_nobody_has_ended_is_found_with_its_rows(tmp_path: Path, begun: Run) -> None:
    run.keep(tmp_path, replace(begun, name="1", ended="then"))
    noted = run.note(begun, {"a": {"state": "done", "host": "a"}})
    run.keep(tmp_path, noted)
    assert run.unfinished(tmp_path, "edge") == noted
    assert run.unfinished(tmp_path, "direct") is None


def test_a_run_that_was_ended_is_over(tmp_path: Path, begun: Run) -> None:
    assert run.unfinished(tmp_path, "edge") is None
    run.keep(tmp_path, begun)
    run.keep(tmp_path, replace(begun, ended="now"))
    assert run.unfinished(tmp_path, "edge") is None


def test_hosts_that_came_later_are_planned_behind_and_those_that_went_are_forgotten(
    begun: Run,
) -> None:
    hosts = ["a", "c", "d", "e"]
    taken = run.take_up(begun, hosts, hosts, ["1", "2"], 100)
    assert taken.batches == [["a"], ["c"], ["d", "e"]]


def test_hosts_that_are_not_in_the_play_are_left_for_another_one(begun: Run) -> None:
    noted = run.note(begun, {"a": {"state": "done"}})
    taken = run.take_up(noted, ["c"], ["a", "b", "c"], ["1"], 100)
    assert taken.left == [["c"]]
    assert taken.remaining == [["b", "c"]]
    finished = run.note(taken, {"c": {"state": "done"}})
    assert (finished.left, finished.remaining) == ([], [["b"]])


def test_batches_of_before_are_no_larger_than_the_share_of_now(begun: Run) -> None:
    planned = replace(begun, batches=[["a", "b", "c"], ["d", "e"]])
    hosts = ["a", "b", "c", "d", "e"]
    noted = run.note(planned, {"a": {"state": "done"}})
    taken = run.take_up(noted, hosts, hosts, ["1"], 20)
    assert taken.batches == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert taken.left == [["b"], ["c"], ["d"], ["e"]]


def test_a_run_of_a_former_release_can_be_read(tmp_path: Path, begun: Run) -> None:
    file = run.keep(tmp_path, begun)
    known = json.loads(file.read_text())
    del known["present"]
    file.write_text(json.dumps(known))
    assert run.load(file) == replace(begun, present=[])
