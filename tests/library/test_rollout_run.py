"""A run from its begin to its end, as the role calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from library.conftest import run

HOSTS = {"hosts": ["gw1", "gw2", "gw3"], "batches": [1, "50%"], "share": 100}


def call(folder: Path, state: str, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    return run(
        "rollout_run", {"folder": str(folder), "state": state, **arguments}, check_mode=check
    )


def test_a_run_is_planned_noted_taken_up_and_ended(tmp_path: Path) -> None:
    begun = call(tmp_path, "begun", target="edge", **HOSTS)
    assert begun["run"]["batches"] == [["gw1"], ["gw2"], ["gw3"]]
    assert (begun["taken_up"], begun["run"]["ended"]) == (False, "")
    name = begun["run"]["name"]
    call(tmp_path, "noted", run=name, rows={"gw1": {"state": "done"}, "gw2": {"state": "ready"}})

    again = call(tmp_path, "begun", target="edge", **HOSTS)
    assert (again["taken_up"], again["run"]["name"]) == (True, name)
    assert again["run"]["left"] == [["gw2"], ["gw3"]]

    ended = call(tmp_path, "ended", run=name, reason="a doubt")
    assert json.loads(Path(ended["file"]).read_text()) == ended["run"]
    assert (ended["run"]["reason"], bool(ended["run"]["ended"])) == ("a doubt", True)
    assert not (tmp_path / "lock.json").exists()


def test_check_mode_keeps_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    assert call(folder, "begun", check=True, target="edge", **HOSTS)["run"]["left"]
    assert not folder.exists()


@pytest.mark.parametrize("size", ["0", "many"])
def test_a_size_that_is_none_is_named(tmp_path: Path, size: str) -> None:
    failed = call(tmp_path, "begun", target="edge", **{**HOSTS, "batches": [size]})
    assert failed["failed"]
    assert repr(size) in failed["msg"]
