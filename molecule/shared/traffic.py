"""Mail to the gateways while something happens to them, and the proof that none of it is lost."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from lab_hosts import STORE, Client, LabHost, MailStore, eventually, exec_on, hurrying

REMOTE = Path(__file__).with_name("mail_traffic.py").read_text(encoding="utf-8")
PAUSE_SECONDS = 4.0
CONNECTIONS_PER_SECOND = 5
STATE_OF_HOST = (  # what may keep a message from arriving
    "postqueue -p | tail --lines=8",
    "ps -eo pid,ppid,stat,etimes,time,args --sort=-time | head --lines=12",
    "journalctl --no-pager --quiet --lines=12 -t postfix/master -t postfix/qmgr -t amavis",
)


@dataclass
class Tally:
    """What became of the mail to one gateway in some time.

    Attributes:
        acknowledged: the subject of each attempt that the gateway took.
        in_doubt: those that were sent whole and got no reply: each may have arrived or not.
        bounced: refusals that a sender does not try again after.
        failures: why attempts failed that were made again, counted.
        connections: how short connections ended, counted.
        silence: the longest time in seconds without a greeting.
    """

    acknowledged: list[str] = field(default_factory=list)
    in_doubt: list[str] = field(default_factory=list)
    bounced: list[str] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    connections: Counter[str] = field(default_factory=Counter)
    silence: float = 0.0

    def add(self, more: dict[str, Any]) -> None:
        """Count what came after."""
        self.acknowledged += more["acknowledged"]
        self.in_doubt += more["in_doubt"]
        self.bounced += more["bounced"]
        self.failures.update(more["failures"])
        self.connections.update(more["connections"])
        self.silence = max(self.silence, more["silence"])

    @property
    def lost(self) -> dict[str, int]:
        """The short connections that were not served, by the reason."""
        return {how: count for how, count in self.connections.items() if how != "served"}

    def __str__(self) -> str:
        return (
            f"{len(self.acknowledged)} messages acknowledged and arrived, {len(self.in_doubt)} in "
            f"doubt, {self.connections['served']} connections served, lost {self.lost}, attempts "
            f"made again {dict(self.failures)}, {self.silence:.1f} s without a greeting"
        )


class Traffic:
    """Numbered messages over IPv4 and IPv6 to each gateway, and short connections beside them."""

    def __init__(self, client: Client, gateways: Sequence[LabHost], mailstore: MailStore) -> None:
        self._gateways, self._mailstore = gateways, mailstore
        self.token = f"traffic-{uuid4().hex[:8]}"
        order = {
            "token": self.token,
            "targets": {one.name: [one.address, one.address6] for one in gateways},
            "pause": PAUSE_SECONDS,
            "rate": CONNECTIONS_PER_SECOND,
        }
        self._process = subprocess.Popen(
            [*exec_on(client), "python3", "-c", REMOTE, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.tallies = {gateway.name: Tally() for gateway in gateways}
        self._judged: set[str] = set()
        self._may_come_twice: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)

    def start_over(self) -> None:
        """Count anew."""
        self._ask()
        self.tallies = {gateway.name: Tally() for gateway in self._gateways}

    def report(self) -> dict[str, Tally]:
        """What happened to each gateway's mail since `start_over`."""
        for name, more in self._ask().items():
            self.tallies[name].add(more)
        return self.tallies

    def interrupted(self) -> None:
        """Let what was sent so far come twice: who delivered it has been killed.

        A sender that dies between the reply to its message and the note of it sends again, for a
        copy too many is better than none (RFC 5321 section 4.5.4.1, RFC 1047).
        """
        self._judge()
        self._may_come_twice |= self._judged

    def _judge(self) -> dict[str, Tally]:
        """The report, and what is in it is judged from now on.

        What a test has not asked about is nobody's: tests without traffic stop and kill as well.
        """
        for tally in self.report().values():
            self._judged.update(tally.acknowledged, tally.in_doubt)
        return self.tallies

    def wait_for_more(self, seconds: float = 60) -> None:
        """See that mail to each gateway is taken now."""
        self.report()
        before = {name: len(tally.acknowledged) for name, tally in self.tallies.items()}
        eventually(
            lambda: all(
                len(tally.acknowledged) > before[name] for name, tally in self.report().items()
            ),
            "each gateway takes mail again",
            seconds,
        )

    def prove(self, seconds: float = 120) -> dict[str, Tally]:
        """The report, once each message that was acknowledged lies in the mail store, once."""
        tallies = self._judge()
        missing = {subject for tally in tallies.values() for subject in tally.acknowledged}
        copies: Counter[str] = Counter()
        began = time.monotonic()
        hurry = hurrying(self._gateways)

        def all_arrived() -> bool:
            copies.clear()
            copies.update(self._arrived())
            hurry()
            return missing <= set(copies)

        try:
            eventually(all_arrived, "each acknowledged message arrives", seconds)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self._traces(missing - set(copies))}") from None
        once = self._judged - self._may_come_twice
        twice = [subject for subject, count in copies.items() if count > 1 and subject in once]
        assert not twice, f"arrived more than once: {twice}"
        bounced = [text for tally in tallies.values() for text in tally.bounced]
        assert not bounced
        for name, tally in tallies.items():
            print(f"{name}: {tally}; all there after {time.monotonic() - began:.1f} s")
        return tallies

    def prove_unnoticed(self) -> None:
        """The same, and no sender had to try again, and no connection was lost."""
        for name, tally in self.prove().items():
            assert not tally.lost, f"{name}: {tally}"
            assert not tally.failures, f"{name}: {tally}"

    def prove_open(self, seconds: float) -> None:
        """The same, and nobody was refused, and the port was never silent for longer."""
        for name, tally in self.prove().items():
            reasons = [*tally.lost, *tally.failures]
            assert not [each for each in reasons if "Refused" in each], f"{name}: {reasons}"
            assert tally.silence < seconds, f"{name}: {tally}"

    def _traces(self, missing: set[str]) -> str:
        """What the hosts' logs and queues say of messages that have not arrived."""
        found = [f"missing: {sorted(missing)}"]
        for host in (*self._gateways, self._mailstore):
            for subject in sorted(missing)[:3]:
                log = f"journalctl --no-pager --quiet --grep={subject} | tail --lines=5"
                found.append(f"{host.name}: {host.host.run(log).stdout}")
            found += [f"{host.name}: {host.host.run(look).stdout}" for look in STATE_OF_HOST]
        return "\n".join(found)

    def _ask(self) -> dict[str, dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the traffic's program on the client has ended"
        answer: dict[str, dict[str, Any]] = json.loads(line)
        return answer

    def _arrived(self) -> list[str]:
        text = self._mailstore.run(f"grep -rhoE '^Subject: {self.token}-.*' {STORE} || true")
        return re.findall(r"^Subject: (.*)$", text, re.MULTILINE)
