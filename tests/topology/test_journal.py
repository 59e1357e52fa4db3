from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from module_utils.postfix import atomic
from module_utils.postfix.errors import Locked
from module_utils.topology import journal
from module_utils.topology.journal import Move

MOVE = Move("20261124T053300Z", "edge", journal.BEGUN, "/etc/postfix", {"listen": 25, "smtp": 2500})


def test_a_move_that_was_written_is_read() -> None:
    assert journal.read() is None
    journal.write(MOVE)
    assert journal.read() == MOVE
    assert stat.S_IMODE(journal.FILE.stat().st_mode) == 0o644


def test_its_folder_is_made() -> None:
    journal.FILE.parent.rmdir()
    journal.write(MOVE)
    assert journal.read() == MOVE
    assert [path.name for path in journal.FILE.parent.iterdir()] == ["move.json"]


def test_the_last_stage_counts_until_the_move_is_closed() -> None:
    journal.write(MOVE)
    moving = Move(**{**vars(MOVE), "stage": journal.MOVING})
    journal.write(moving)
    assert journal.read() == moving
    journal.close()
    assert journal.read() is None
    journal.close()


def test_a_move_can_be_read_by_people() -> None:
    journal.write(MOVE)
    assert json.loads(journal.FILE.read_bytes()) == {
        "snapshot": "20261124T053300Z",
        "topology": "edge",
        "stage": "begun",
        "config_dir": "/etc/postfix",
        "ports": {"listen": 25, "smtp": 2500},
    }


def test_an_entry_that_is_not_readable_is_no_absence() -> None:
    journal.FILE.write_bytes(b"{")
    with pytest.raises(ValueError, match="Expecting"):
        journal.read()


def test_the_end_of_a_move_is_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[Path, bool]] = []
    journal.write(MOVE)
    monkeypatch.setattr(
        os,
        "fsync",
        lambda one: synced.append((Path(f"/proc/self/fd/{one}").readlink(), journal.FILE.exists())),
    )
    journal.close()
    assert synced == [(journal.FILE.parent, False)]
    journal.close()
    assert len(synced) == 1


def test_who_has_the_host_has_postfixs_files_too(tmp_path: Path) -> None:
    with journal.alone(tmp_path, 0):
        for path in (tmp_path, tmp_path / "master.cf"):
            with pytest.raises(Locked), atomic.lock(path, 0):
                pass


def test_who_takes_a_move_back_has_postfixs_files_too(tmp_path: Path) -> None:
    journal.write(Move("x", "edge", journal.MOVING, str(tmp_path), {}))
    with journal.abandoned(), pytest.raises(Locked), atomic.lock(tmp_path, 0):
        pass
