"""Whether Postfix's master still hears anybody.

A reload that takes a service away lets master end the service's processes, and wait for their end
in a loop that never sleeps (master_delete_children() in Postfix's master_spawn.c). Where it may not
end them, as under Debian 13's unit, or where one of them is stopped, the loop goes on. A process
that asks another service meanwhile, as smtpd(8) asks anvil(8) when its client has gone, waits for a
program that only master could start: both wait, for up to ipc_timeout (an hour). No process is
started in this time and no signal heard, and who connects waits in the kernel's queue.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .socket_table import PROC

BUSY_SECONDS = 0.5  # of processor time without a rest; one turn of master's work takes milliseconds
LIMIT_SECONDS = 5.0  # on a machine that gives master no time for it
POLL_SECONDS = 0.02


def is_deaf(master: int, proc: Path = PROC) -> bool:
    """Whether a process does nothing but run, and never waits for anything.

    Of a master that is well the first look says so. Its state in proc_pid_stat(5) would not do:
    waitpid(2) calls itself asleep for a moment, even with WNOHANG.
    """
    try:
        return _only_runs(proc / str(master))
    except OSError:  # it has ended
        return False


def _only_runs(process: Path) -> bool:
    deadline = time.monotonic() + LIMIT_SECONDS
    began, rests = _run_time(process), _rests(process)
    while time.monotonic() < deadline:
        if _sleeps(process) or _rests(process) != rests:
            return False
        if _run_time(process) - began >= BUSY_SECONDS:
            return True
        time.sleep(POLL_SECONDS)
    return False


def _sleeps(process: Path) -> bool:
    """Whether it waits in the kernel. Source: proc_pid_wchan(5)."""
    return (process / "wchan").read_text() != "0"


def _rests(process: Path) -> str:
    """How often it has waited. Source: proc_pid_status(5), voluntary_ctxt_switches."""
    lines = (process / "status").read_text().splitlines()
    return next(line for line in lines if line.startswith("voluntary_ctxt_switches:"))


def _run_time(process: Path) -> float:
    """Its processor time in seconds. Source: proc_pid_stat(5), utime and stime."""
    # The name of the program comes before, in brackets, and may have any character.
    user, system = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
