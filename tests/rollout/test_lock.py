from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from module_utils.rollout import lock
from module_utils.rollout.lock import HeldError, Holder

SINCE = "2026-11-27T09:47:00Z"


def of(pid: int) -> Holder:
    return replace(lock.holder(SINCE), pid=pid, started=lock._started(pid))


@pytest.fixture
def other() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def test_somebody_who_lives_keeps_others_away_and_is_named(
    tmp_path: Path, other: subprocess.Popen[bytes]
) -> None:
    lock.take(tmp_path, of(other.pid))
    with pytest.raises(HeldError, match=rf"since {SINCE}: \S+ on \S+, process {other.pid}\."):
        lock.take(tmp_path, of(os.getpid()))


def test_a_lock_ends_with_its_process(tmp_path: Path, other: subprocess.Popen[bytes]) -> None:
    lock.take(tmp_path, of(other.pid))
    other.kill()
    other.wait()
    lock.take(tmp_path, of(os.getpid()))
    found = lock.read(tmp_path)
    assert found is not None
    assert found.pid == os.getpid()


def test_a_number_used_again_and_another_boot_hold_nothing(tmp_path: Path) -> None:
    mine = of(os.getpid())
    for former in (replace(mine, started="1"), replace(mine, boot="another")):
        lock.take(tmp_path, former)
        lock.take(tmp_path, of(os.getppid()))
        lock.release(tmp_path)


def test_the_same_play_has_it_twice_and_lets_it_go_once(tmp_path: Path) -> None:
    mine = of(os.getpid())
    lock.take(tmp_path, mine)
    lock.take(tmp_path, mine)
    lock.release(tmp_path)
    assert lock.read(tmp_path) is None


@pytest.mark.parametrize("left", ["", "[]", '{"pid": 1}', "{"])
def test_what_a_full_disk_has_left_of_a_lock_holds_nothing(tmp_path: Path, left: str) -> None:
    mine = of(os.getpid())
    lock.take(tmp_path, mine)
    (tmp_path / lock.NAME).write_text(left)
    lock.take(tmp_path, mine)
    assert lock.read(tmp_path) == mine


def test_a_login_of_a_user_named_ansible_is_no_play(tmp_path: Path) -> None:
    login = tmp_path / "sshd: ansible"
    shutil.copy("/bin/sh", login)
    outer = subprocess.Popen([str(login), "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE)
    assert outer.stdout is not None
    child = int(outer.stdout.readline())
    try:
        assert lock.play_process(child) == child
    finally:
        os.kill(child, signal.SIGKILL)
        outer.wait()


def test_the_play_is_the_topmost_of_ansible_s_processes(tmp_path: Path) -> None:
    play = tmp_path / "ansible-playbook"
    shutil.copy(sys.executable, play)
    program = (
        "import subprocess, sys; p = subprocess.Popen([sys.argv[1], '-c', 'import time; "
        "time.sleep(60)', 'sh']); print(p.pid, flush=True); sys.stdin.read(); p.kill()"
    )
    outer = subprocess.Popen(
        [str(play), "-c", program, sys.executable],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
    )
    assert outer.stdout is not None
    child = int(outer.stdout.readline())
    assert lock.play_process(child) == outer.pid
    outer.communicate()
