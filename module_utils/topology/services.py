"""Starts, stops and reloads, and waits for what the socket table says about it.

Return codes are not enough: `postfix reload` returns 0 while master dies of a port it cannot bind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from . import filter_status
from .fronts import Front
from .sockets import Listener
from .survey import PostfixState, Survey, SurveyError, filter_state, run

POLL_SECONDS = 0.005
RELOAD_SECONDS = 60.0
REMNANT_SECONDS = 5.0
FORMER_UNIT = "postfix@-.service"  # of the first instance in Debian 12


class ServiceError(Exception):
    """A service did not do what it was told; the text is meant for the operator."""


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true within a time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def reload_postfix(config_dir: Path) -> None:
    """Tell master to read its files again. It does so a little later."""
    result = _run(["postfix", "-c", str(config_dir), "reload"])
    if result.returncode != 0:
        # Without a terminal postfix(1) says to the log alone what it has died of.
        said = result.stderr.strip() or mail_errors()
        msg = f"postfix reload failed: {said}"
        raise ServiceError(msg)


def end_children(listeners: Iterable[Listener], master: int | None) -> None:
    """End the processes that still hold a listener which master has been told to give up.

    master does that itself, where it may: Debian 13's unit takes CAP_KILL from it, and then a
    reload that removes a service spins until the last session on it has ended by itself.
    """
    for listener in listeners:
        children = [one for one in listener.processes if one.pid != master]
        if len(children) < len(listener.processes):
            for process in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)


def end_all(listeners: Iterable[Listener], how: signal.Signals = signal.SIGTERM) -> None:
    """End every process that holds one of these listeners."""
    for process in {each for one in listeners for each in one.processes}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, how)


def end_remnants(survey: Survey) -> None:
    """End what a dead master has left behind: clients would wait in its queues for nobody."""
    end_all(survey.glance().remnants())
    wait_until(lambda: not survey.glance().remnants(), REMNANT_SECONDS)


def revive_postfix(survey: Survey) -> None:
    """Start Postfix anew where its master has died, if it can be started as things are.

    If not, the port is still to change hands, and the reload after that says what is wrong.
    """
    end_remnants(survey)
    with contextlib.suppress(ServiceError):
        restart_postfix(survey.postfix)
        wait_until(lambda: survey.glance().postfix.master_pid is not None, REMNANT_SECONDS)


def restart_postfix(postfix: PostfixState) -> None:
    """Stop this instance of Postfix, if it runs, and start it; the others go on."""
    unit = _unit(postfix)
    conflicts = _run(["systemctl", "show", "--property=Conflicts", "--value", unit]).stdout
    if FORMER_UNIT in conflicts.split():
        # Upgraded from Debian 12, it runs in the unit of before, with which a restart conflicts.
        _run(["systemctl", "stop", FORMER_UNIT])
    systemctl("restart", unit)


def _unit(postfix: PostfixState) -> str:
    """The unit of an instance: Debian 12 calls it by the instance's name, 13 by its folder's."""
    if not postfix.instance:
        return "postfix.service"
    folder = postfix.config_dir
    by_folder = f"postfix@{folder.name.removeprefix('postfix-')}.service"
    shown = _run(["systemctl", "show", "--property=Environment", by_folder]).stdout
    return (
        by_folder if f"MAIL_CONFIG={folder}\n" in shown else f"postfix@{postfix.instance}.service"
    )


def listen_for_filter(front: Front) -> None:
    """Let systemd take a front's port, now and at each boot. Connections wait in its queue."""
    # Without an option `enable` reloads systemd as well, which is what costs most of all this.
    systemctl("enable", "--quiet", "--no-reload", *front.units)
    systemctl("daemon-reload")
    _run(["systemctl", "reset-failed", *front.units])
    systemctl("start", front.socket_unit)


def start_filter(front: Front) -> None:
    """Start the filter behind its port; returns when it has said that it is ready."""
    systemctl("start", front.service_unit)


def restart_filter(front: Front) -> None:
    """Let a new process of the filter take the port; the old one ends with its last session."""
    systemctl("daemon-reload")
    systemctl("restart", front.service_unit)


def reload_filter(front: Front) -> None:
    """Let the running filter read its files again.

    Raises:
        ServiceError: it does not use them, and goes on with those that it had.
    """
    systemctl("reload", front.service_unit)
    if not wait_until(lambda: filter_state(front).needs == filter_status.FRESH, RELOAD_SECONDS):
        msg = f"the sender filter did not take its files up:\n{last_words(front.service_unit)}"
        raise ServiceError(msg)


def stop_filter(front: Front) -> None:
    """Stop a front now and at each boot; its sessions may go on for a while."""
    systemctl("disable", "--quiet", *front.units)
    systemctl("stop", front.socket_unit)
    systemctl("stop", front.service_unit)
    # A service that dies at each start is soon started again by systemd, and its socket with it: if
    # that was between the two stops, the port is open again.
    systemctl("stop", front.socket_unit)
    _run(["systemctl", "reset-failed", *front.units])


def run_checked(*command: str) -> None:
    """Run a program that must succeed."""
    result = _run(list(command))
    if result.returncode != 0:
        msg = f"{command[0]} failed: {result.stderr.strip()}"
        raise ServiceError(msg)


def systemctl(*arguments: str) -> None:
    """Run systemctl, and say what the unit's own log says when it fails."""
    result = _run(["systemctl", *arguments], timeout=900)
    if result.returncode != 0:
        unit = arguments[-1]
        msg = f"systemctl {' '.join(arguments)} failed: {result.stderr.strip()}\n{last_words(unit)}"
        raise ServiceError(msg)


def _run(command: list[str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program.

    Raises:
        ServiceError: it has not ended within `timeout` seconds.
    """
    try:
        return run(command, timeout)
    except SurveyError as error:
        raise ServiceError(str(error)) from error


def last_words(unit: str, lines: int = 8) -> str:
    """The end of a unit's log."""
    return _logged(f"--lines={lines}", f"--unit={unit}")


def mail_errors(lines: int = 5) -> str:
    """The last errors that any program of the mail system has logged."""
    return _logged("--facility=mail", "--priority=err", f"--lines={lines}")


def postfix_last_words(lines: int = 5) -> str:
    """The end of master's log, wherever its unit is called from."""
    return _logged(f"--lines={lines}", "--identifier=postfix/master")


def _logged(*options: str) -> str:
    """What the log has, or why it cannot be had: who asks has something worse to tell."""
    try:
        return run(["journalctl", "--quiet", "--no-pager", *options]).stdout.strip()
    except SurveyError as error:
        return str(error)
