from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.rollout import lease
from module_utils.rollout.lease import LeasedError, node_of, release, take


@pytest.fixture(autouse=True)
def now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time since the boot, which a test sets."""
    clock = [1000.0]
    monkeypatch.setattr(lease, "FILE", tmp_path / "lease.json")
    monkeypatch.setattr(lease, "_now", lambda: clock[0])
    return clock


def test_another_control_node_is_kept_away_and_told_by_whom(now: list[float]) -> None:
    take("a", "20261127T100506Z", "ann on control1", 60)
    now[0] += 20
    words = "over this gateway: ann on control1, run 20261127T100506Z.* by itself in 40 s"
    with pytest.raises(LeasedError, match=words):
        take("b", "other", "bob on control2", 60)


def test_a_lease_is_renewed_and_ends_by_itself(now: list[float]) -> None:
    take("a", "run", "ann", 60)
    now[0] += 50
    take("a", "run", "ann", 60)
    now[0] += 50
    with pytest.raises(LeasedError):
        take("b", "other", "bob", 60)
    now[0] += 10
    take("b", "other", "bob", 60)
    with pytest.raises(LeasedError, match="bob"):
        take("a", "run", "ann", 60)


def test_who_has_it_lets_it_go_and_nobody_else() -> None:
    release("a")
    take("a", "run", "ann", 60)
    release("b")
    with pytest.raises(LeasedError):
        take("b", "other", "bob", 60)
    release("a")
    take("b", "other", "bob", 60)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"node": "a"}'])
def test_what_was_cut_off_holds_nothing(text: str) -> None:
    lease.FILE.write_text(text)
    take("b", "other", "bob", 60)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    lease.FILE.symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="symbolic links"):
        take("a", "run", "ann", 60)


def test_a_control_node_is_its_machine_and_its_folder(tmp_path: Path) -> None:
    assert node_of(tmp_path) == node_of(tmp_path / "x" / "..")
    assert node_of(tmp_path) != node_of(tmp_path / "x")
