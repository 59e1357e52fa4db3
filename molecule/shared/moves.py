"""Moves of gateways that are disturbed: at which moment, by what, and where the hosts end."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lab_hosts import ROOT, LabHost, exec_on

WATCH = Path(__file__).with_name("gateway_watch.py").read_text(encoding="utf-8")
MASTER_CF = "/etc/postfix/master.cf"
DIRECT, EDGE, INLINE = "direct", "edge", "inline"
PLAYBOOKS = {
    EDGE: "enable_sender_filter.yml",
    DIRECT: "disable_sender_filter.yml",
    INLINE: "inline_sender_filter.yml",
}
OTHER = {EDGE: DIRECT, DIRECT: EDGE}
WITHIN_SECONDS = 60.0
RUN_SECONDS = 300.0
Found = TypeVar("Found")


class Moment:
    """A moment of a move: what is seen one after the other, as gateway_watch.py waits for it."""

    def __init__(self, name: str, *needs: dict[str, Any]) -> None:
        self.name = name
        self.needs = [{"stage": "moving", **one} for one in needs]

    def __str__(self) -> str:
        return self.name


BOTH_LISTEN = {"listeners": {25: 4}}
DRAINING = Moment("sessions are waited for", {**BOTH_LISTEN, "then": 1.5})
# What is broken earlier than that the probes of the steering notice, who say it in other words.
STEERED = Moment("sessions are waited for, on a slow machine too", {**BOTH_LISTEN, "then": 10})


@dataclass(frozen=True)
class Ended:
    """Where a gateway came to, and how many seconds after the disturbance."""

    topology: str
    seconds: float


class Gateway:
    """A gateway whose master.cf is known in its topologies."""

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.name = host.name
        self.master_cf: dict[str, bytes] = {}

    def see_end(
        self,
        act: Sequence[str] = ("nothing",),
        moment: Moment | None = None,
        seconds: float = WITHIN_SECONDS,
    ) -> Ended:
        """Do something at a moment of a move, and see the host come to one of its topologies."""
        seen = self._watch(act, moment, seconds)
        assert seen["topology"], f"{self.name} is between two topologies: {seen}"
        print(f"{self.name}: {seen['topology']} after {seen['seconds']} s")
        return Ended(seen["topology"], seen["seconds"])

    def wait_for(self, moment: Moment, act: Sequence[str] = ("nothing",)) -> None:
        """Return at a moment of a move, after something was done at it."""
        self._watch(act, moment, 0)

    def _watch(self, act: Sequence[str], moment: Moment | None, seconds: float) -> dict[str, Any]:
        order = {
            "act": list(act),
            "moments": moment.needs if moment else [],
            "ends": {
                name: hashlib.sha256(data).hexdigest() for name, data in self.master_cf.items()
            },
            "seconds": seconds,
        }
        result = subprocess.run(
            [*exec_on(self.host), "python3", "-", json.dumps(order)],
            input=WATCH,
            check=False,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{self.name}: {result.stderr}"
        found: dict[str, Any] = json.loads(result.stdout)
        return found


class Run:
    """A program of Ansible's that runs, in a process group of its own."""

    def __init__(self, program: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [program, "--inventory", "inventories/lab", *arguments],
            cwd=ROOT,
            env={
                **os.environ,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def output(self) -> str:
        """All that was printed, on one line, when it has ended."""
        return _on_one_line(self._all_output())

    def output_of_each(self) -> dict[str, str]:
        """What the module returned on each gateway, on one line."""
        parts = re.split(r"(?m)^(\w+) \| ", self._all_output())[1:]
        return dict(zip(parts[::2], map(_on_one_line, parts[1::2]), strict=True))

    def must_pass(self) -> str:
        """The output of a run that has to end well."""
        output = self.output()
        assert self.process.returncode == 0, output
        return output

    def must_fail(self) -> str:
        """The output of a run that has to end badly."""
        output = self.output()
        code = self.process.returncode
        assert code > 0, f"it ended with {code}: {output}"  # below 0 it was killed
        return output

    def reach(self, title: str, times: int = 1) -> None:
        """Return as soon as it says for the n-th time that a play or a task begins."""
        assert self.process.stdout is not None
        lines = iter(self.process.stdout.readline, "")
        for _ in range(times):
            assert any(f"{title}]" in line for line in lines), title

    def kill_at(self, task: str) -> None:
        """Kill it as soon as it says that a task begins."""
        self.reach(task)
        self.kill()

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it and what it has started here; by SIGKILL without a chance to say so."""
        os.killpg(self.process.pid, how)
        self.process.communicate(timeout=RUN_SECONDS)

    def _all_output(self) -> str:
        """All that was printed, when it has ended; what does not end is ended."""
        try:
            output, _ = self.process.communicate(timeout=RUN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return output


def _on_one_line(text: str) -> str:
    return " ".join(text.replace("\\n", " ").split())


class Fleet:
    """The lab's gateways, moved all at once."""

    def __init__(self, hosts: Sequence[LabHost], has_failed: Callable[[], bool]) -> None:
        """`has_failed` tells whether a test before has failed, and may have left any state."""
        self.gateways = [Gateway(host) for host in hosts]
        self._has_failed = has_failed

    def each(self, function: Callable[[Gateway], Found]) -> dict[str, Found]:
        """Call a function with each gateway, all at the same time."""
        with ThreadPoolExecutor(len(self.gateways)) as pool:
            tasks = {one.name: pool.submit(function, one) for one in self.gateways}
        failed = [f"{name}: {task.exception()}" for name, task in tasks.items() if task.exception()]
        assert not failed, "\n".join(failed)
        return {name: task.result() for name, task in tasks.items()}

    def run(self, command: str) -> None:
        """Run a shell command on each gateway, which must succeed."""
        self.each(lambda one: one.host.run(command))

    @contextmanager
    def broken(self, how: str, cure: str) -> Iterator[None]:
        """Something is broken on each gateway for a while, by two shell commands."""
        try:
            self.run(how)
            yield
        finally:
            self.run(cure)

    def one_recipient(self) -> AbstractContextManager[None]:
        """Postfix knows which recipients exist, as a gateway in front of a directory does."""
        known = "inline:{ { recipient@example.test = ok } }"
        return self.broken(
            f"postconf 'relay_recipient_maps={known}' && postfix reload",
            "postconf -X relay_recipient_maps && postfix reload",
        )

    def unit_setting(
        self, text: str, unit: str = "sender-filter.service", then: str = "systemctl daemon-reload"
    ) -> AbstractContextManager[None]:
        """A unit has other settings for a while; `then` is run when they come and when they go."""
        folder = f"/run/systemd/system/{unit}.d"
        write = f"mkdir -p {folder} && printf '%s\\n' '{text}' >{folder}/faults.conf"
        return self.broken(f"{write} && {then}", f"rm -r {folder}; {then}")

    def move(self, topology: str, **options: object) -> Run:
        """Start the module that moves the gateways, without the rest of the play."""
        arguments = json.dumps({"topology": topology, **options})
        return Run("ansible", "gateways", "-m", "mail_topology", "-a", arguments)

    def play(self, playbook: str, *arguments: str) -> Run:
        """Start one of the project's playbooks."""
        return Run("ansible-playbook", f"playbooks/{playbook}", *arguments)

    def configure(self, topology: str = EDGE, **settings: object) -> None:
        """Bring all to a topology with these variables of role sender_filter, and no others."""
        variables = {f"sender_filter_{name}": value for name, value in settings.items()}
        self.play(PLAYBOOKS[topology], "--extra-vars", json.dumps(variables)).must_pass()

    def bring(self, topology: str) -> None:
        """See that each gateway is in a topology, by a move where one is not.

        One failed test must not fail all after it: from there it may be any state that is left.
        """
        failed = self._has_failed()
        if not failed and all(one.topology == topology for one in self.ends().values()):
            return
        self.move(topology, watch_seconds=0, repair=failed).must_pass()
        assert all(one.topology == topology for one in self.ends(5).values())

    def ends(self, seconds: float = WITHIN_SECONDS) -> dict[str, Ended]:
        """Where each gateway is, when it is in a topology."""
        return self.each(lambda one: one.see_end(seconds=seconds))

    def learn(self, *topologies: str) -> None:
        """Move all to each of these by the whole play: their files are known then."""
        for topology in topologies:
            self.play(PLAYBOOKS[topology]).must_pass()
            for one in self.gateways:
                one.master_cf[topology] = one.host.read(MASTER_CF)
