"""Moves of a real gateway that fail or are killed, and what must be as before."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from topology.gateway import Gateway

from module_utils.snapshots.store import Store
from module_utils.topology import journal, model, switch
from module_utils.topology.hands import Hands, Step
from module_utils.topology.survey import Survey

TO_EDGE = {
    "overlap": [
        "add Postfix's new service",
        "let the filter listen beside Postfix",
        "steer new connections to the filter",
        "wait for Postfix's sessions to end",
        "see the filter live",
        "take away what Postfix has no more",
        "record the declared topology",
    ],
    "plain": [
        "add Postfix's new service",
        "move Postfix in master.cf and reload it",
        "start the sender filter",
        "see the filter live",
        "record the declared topology",
    ],
}
TO_DIRECT = {
    "overlap": [
        "let Postfix listen beside the filter",
        "steer new connections to Postfix",
        "wait for the filter's sessions to end",
        "stop the sender filter",
        "take away what Postfix has no more",
        "record the declared topology",
    ],
    "plain": [
        "stop the sender filter",
        "add Postfix's new service",
        "wait for the filter's sessions to end",
        "move Postfix in master.cf and reload it",
        "record the declared topology",
    ],
}

IN_PLACE = {
    model.INLINE: [
        "start the sender filter for Postfix",
        "add Postfix's new service",
        "see the filter live",
        "try the way through the filter",
        "let Postfix hand its mail to the filter",
        "wait for sessions that began without the filter",
        "record the declared topology",
    ],
    model.DIRECT: [
        "let Postfix pass the filter by",
        "wait for the mail in the filter",
        "stop the sender filter for Postfix",
        "take away what Postfix has no more",
        "record the declared topology",
    ],
}
STEPS = {
    (model.DIRECT, model.EDGE): TO_EDGE,
    (model.EDGE, model.DIRECT): TO_DIRECT,
    # The port stays with Postfix, whatever way is wanted.
    (model.DIRECT, model.INLINE): dict.fromkeys(("overlap", "plain"), IN_PLACE[model.INLINE]),
    (model.INLINE, model.DIRECT): dict.fromkeys(("overlap", "plain"), IN_PLACE[model.DIRECT]),
    (model.EDGE, model.INLINE): {
        "overlap": [
            "start the sender filter for Postfix",
            "let Postfix listen beside the filter",
            "see the filter live",
            "try the way through the filter",
            "steer new connections to Postfix",
            "wait for the filter's sessions to end",
            "stop the sender filter",
            "take away what Postfix has no more",
            "record the declared topology",
        ],
        "plain": [
            "start the sender filter for Postfix",
            "stop the sender filter",
            "add Postfix's new service",
            "see the filter live",
            "try the way through the filter",
            "wait for the filter's sessions to end",
            "move Postfix in master.cf and reload it",
            "record the declared topology",
        ],
    },
    (model.INLINE, model.EDGE): {
        "overlap": [
            "add Postfix's new service",
            "let the filter listen beside Postfix",
            "steer new connections to the filter",
            "wait for Postfix's sessions to end",
            "see the filter live",
            "wait for the mail in the filter",
            "stop the sender filter for Postfix",
            "take away what Postfix has no more",
            "record the declared topology",
        ],
        "plain": [
            "add Postfix's new service",
            "move Postfix in master.cf and reload it",
            "start the sender filter",
            "see the filter live",
            "wait for the mail in the filter",
            "stop the sender filter for Postfix",
            "record the declared topology",
        ],
    },
}


def after_step(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], None]) -> None:
    """Let something happen at the end of a step of the next move."""
    real = switch._steps

    def steps(hands: Hands) -> list[Step]:
        def wrapped(step: Callable[[], None]) -> Callable[[], None]:
            def run() -> None:
                step()
                happens()

            return run

        found = real(hands)
        assert name in [one for one, _ in found]
        return [(one, wrapped(step) if one == name else step) for one, step in found]

    monkeypatch.setattr(switch, "_steps", steps)


def fails_after(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail() -> None:
        raise RuntimeError("on purpose")

    after_step(monkeypatch, name, fail)


def in_a_child(call: Callable[[], object]) -> int:
    """Call something in a process of its own; how that ended, as subprocess says it."""
    child = os.fork()
    if child == 0:
        try:
            call()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_after(monkeypatch: pytest.MonkeyPatch, name: str, move: Callable[[], object]) -> None:
    """Make a move in a process that is killed at the end of a step."""
    with monkeypatch.context() as patch:
        after_step(patch, name, lambda: os.kill(os.getpid(), signal.SIGKILL))
        assert in_a_child(move) == -signal.SIGKILL


class Before:
    """A gateway before a move, to be compared with it afterwards."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.seen = self._look()

    def _look(self) -> dict[str, Any]:
        survey: Survey = self.gateway.survey()
        ports = self.gateway.ports
        files = [self.gateway.master_cf, self.gateway.config_dir / "main.cf", self.gateway.setting]
        return {
            "owners": [survey.owners(port) for port in ports.moving()],
            "filter": survey.filter,
            "inline": survey.inline,
            "files": [(file.read_bytes(), file.stat().st_mode) for file in files],
            "record": (self.gateway.folder / "declared.json").exists(),
            "greeting": self.gateway.greeting(),
            "journal": journal.read(),
        }

    def assert_is_back(self) -> None:
        """Everything is as it was, and nothing is left over."""
        assert self._look() == self.seen
        assert Store().names() == []
        assert not self.gateway.steered()
