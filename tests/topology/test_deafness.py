"""Real processes: one that only runs, some that rest."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from module_utils.topology.deafness import is_deaf

# As master_delete_children() does, it asks again and again whether its child has ended.
WAITS_FOR_A_CHILD = """\
import os, signal
child = os.fork()
if not child:
    signal.pause()
print(flush=True)
while not os.waitpid(-1, os.WNOHANG)[0]:
    pass
"""
RESTS = {
    "sleeps": "import time; print(flush=True); time.sleep(60)",
    "is busy, and rests at times": """\
import time
print(flush=True)
while True:
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        pass
    time.sleep(0.001)
""",
}


@contextmanager
def running(program: str) -> Iterator[int]:
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            subprocess.run(["pkill", "--session", str(process.pid)], check=True)


def test_who_spins_for_a_child_is_deaf() -> None:
    with running(WAITS_FOR_A_CHILD) as pid:
        assert is_deaf(pid)


@pytest.mark.parametrize("program", RESTS.values(), ids=RESTS.keys())
def test_who_rests_hears(program: str) -> None:
    with running(program) as pid:
        assert not is_deaf(pid)


def test_who_has_ended_is_not_deaf() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
        assert not is_deaf(process.pid)
