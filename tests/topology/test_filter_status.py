from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from module_utils.topology import filter_status, fronts
from module_utils.topology.filter_status import (
    FRESH,
    RELOAD,
    RESTART,
    address_changed_after,
    ask,
    changed_after,
    needs,
)
from module_utils.topology.fronts import Front


@pytest.fixture
def program(tmp_path: Path) -> Path:
    for release in ("1.0", "1.1"):
        (tmp_path / f"opt/{release}/bin").mkdir(parents=True)
    (tmp_path / "opt/current").symlink_to("1.0")
    return tmp_path / "opt/current/bin/senderfilter"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "filter.toml"
    path.write_text("x")
    return path


def status(program: Path, *files: Path) -> dict[str, Any]:
    """What a filter says that has just started."""
    stamps = {str(one): [one.stat().st_ino, one.stat().st_mtime_ns] for one in files}
    return {"pid": 1, "release": str(program.parent.parent.resolve()), "files": stamps}


def test_a_filter_that_has_loaded_what_is_there_is_fresh(program: Path, file: Path) -> None:
    assert needs(status(program, file), str(program), unit_is_newer=False) == FRESH
    assert needs(status(program), str(program), unit_is_newer=False) == FRESH


def test_a_filter_that_does_not_answer_needs_a_restart(program: Path) -> None:
    assert needs(None, str(program), unit_is_newer=False) == RESTART


def test_a_filter_whose_unit_is_newer_needs_a_restart(program: Path, file: Path) -> None:
    assert needs(status(program, file), str(program), unit_is_newer=True) == RESTART


def test_a_filter_of_another_release_needs_a_restart(program: Path, file: Path) -> None:
    loaded = status(program, file)
    link = program.parent.parent
    link.unlink()
    link.symlink_to("1.1")
    file.write_text("changed too")
    assert needs(loaded, str(program), unit_is_newer=False) == RESTART
    assert needs({**loaded, "release": None}, str(program), unit_is_newer=False) == RESTART
    assert needs({}, str(program), unit_is_newer=False) == RESTART
    assert needs(loaded, "", unit_is_newer=False) == RESTART


@pytest.mark.parametrize("change", ["written", "replaced", "removed", "touched"])
def test_a_filter_with_an_older_file_needs_a_reload(program: Path, file: Path, change: str) -> None:
    other = file.with_name("other")
    other.touch()
    loaded = status(program, other, file)
    if change == "written":
        file.write_text("y")
        os.utime(file, ns=(0, loaded["files"][str(file)][1] + 1))
    elif change == "replaced":  # by a file of the same age
        new = file.with_name("new")
        new.write_text("x")
        os.utime(new, ns=(0, loaded["files"][str(file)][1]))
        new.replace(file)
    elif change == "removed":
        file.unlink()
    else:
        os.utime(file, ns=(0, 1))
    assert needs(loaded, str(program), unit_is_newer=False) == RELOAD


@contextlib.contextmanager
def answering(path: Path, answer: bytes | None) -> Iterator[list[bytes]]:
    """A control socket; None never says anything."""
    asked: list[bytes] = []
    done = threading.Event()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            with server.accept()[0] as connection:
                asked.append(connection.recv(4096))
                if answer is None:
                    done.wait(10)
                else:
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield asked
        finally:
            done.set()
            thread.join(10)


def test_the_filter_is_asked_on_its_control_socket() -> None:
    said = {"pid": 7, "release": "/opt/x", "files": {"/a": [1, 2]}}
    with answering(fronts.EDGE.control, json.dumps(said).encode() + b"\n") as asked:
        assert ask() == said
    assert [json.loads(one) for one in asked] == [{"command": "status"}]
    assert asked[0].endswith(b"\n")


def test_each_front_is_asked_on_its_own_socket() -> None:
    with (
        answering(fronts.EDGE.control, b'{"pid": 7}\n'),
        answering(fronts.INLINE.control, b'{"pid": 8}\n'),
    ):
        assert ask() == {"pid": 7}
        assert ask(fronts.INLINE) == {"pid": 8}


@pytest.mark.parametrize("answer", [b"", b"\n", b"{", b"[1]\n", b"null\n", b"\xff\n"])
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with answering(fronts.EDGE.control, answer):
        assert ask() is None


def test_nobody_and_a_socket_that_was_left_behind_do_not_answer() -> None:
    assert ask() is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(fronts.EDGE.control))
    assert ask() is None
    fronts.EDGE.control.unlink()
    fronts.EDGE.control.touch()
    assert ask() is None


def test_who_says_nothing_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filter_status, "PATIENCE_SECONDS", 0.1)
    began = time.monotonic()
    with answering(fronts.EDGE.control, None):
        assert ask() is None
        assert 0.1 <= time.monotonic() - began < 5


@pytest.mark.parametrize("kind", ["service", "socket"])
@pytest.mark.parametrize(
    ("front", "other"), [(fronts.EDGE, fronts.INLINE), (fronts.INLINE, fronts.EDGE)]
)
def test_a_unit_file_that_was_put_in_place_later_is_newer(
    kind: str, front: Front, other: Front
) -> None:
    assert not changed_after(0, front)
    file = fronts.UNIT_FOLDER / f"{front.unit}.{kind}"
    file.touch()
    os.utime(file, (0, 0))  # when it was written does not matter
    changed = file.stat().st_ctime
    assert changed_after(changed - 0.001, front)
    assert not changed_after(changed, front)
    assert not changed_after(0, other)


def test_another_address_of_the_state_server_is_taken_up_by_a_restart(
    program: Path, file: Path
) -> None:
    loaded = status(program, file)
    assert not address_changed_after(loaded, 0)
    address = file.with_name("state-url")
    address.touch()
    written = address.stat().st_ctime
    assert address_changed_after(loaded, written - 0.001)
    assert not address_changed_after(loaded, written)
    assert not address_changed_after(None, 0)
