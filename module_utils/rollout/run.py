"""A run of a rollout, kept on the control node as one JSON file: plan, hosts, and how it ended.

It is written after each step of each batch, so that a run that was killed can be taken up again,
and it is the report as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

DONE = "done"
PATTERN = "rollout-*.json"
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        name: its name, the UTC time of its begin.
        target: where it leads: a topology, or that each host keeps its own.
        who: who began it.
        began: when (UTC, RFC 3339).
        batches: the hosts of each batch, in order.
        present: the hosts of the play that has begun or taken it up; others wait for one of theirs.
        rows: what is known of each host, by its name; `state` is in each.
        ended: when it ended, empty while it has not.
        reason: why it stopped, empty if it went to its end.
    """

    name: str
    target: str
    who: str
    began: str
    batches: list[list[str]]
    present: list[str] = field(default_factory=list)
    rows: dict[str, Row] = field(default_factory=dict)
    ended: str = ""
    reason: str = ""

    @property
    def left(self) -> list[list[str]]:
        """The hosts that are still to be moved by this play, batch by batch."""
        found = [[one for one in batch if one in self.present] for batch in self.remaining]
        return [batch for batch in found if batch]

    @property
    def remaining(self) -> list[list[str]]:
        """The hosts that are still to be moved by any play, batch by batch."""
        todo = [[one for one in batch if not self._is_done(one)] for batch in self.batches]
        return [batch for batch in todo if batch]

    def _is_done(self, host: str) -> bool:
        return self.rows.get(host, {}).get("state") == DONE

    def facts(self) -> dict[str, Any]:
        """The run as a module returns it."""
        return {**asdict(self), "left": self.left, "remaining": self.remaining}


def plan(hosts: Sequence[str], sizes: Sequence[int | str], share: int) -> list[list[str]]:
    """The hosts in batches.

    Args:
        hosts: all of them, in order.
        sizes: how many are in each batch, a number or a percentage of all (`10%`); the last size
            is that of all further ones.
        share: how many percent of all may be out at once; no batch is larger, but has one host.

    Raises:
        ValueError: a size is neither.
    """
    most = _most(hosts, share)
    batches: list[list[str]] = []
    rest = list(hosts)
    while rest:
        size = sizes[min(len(batches), len(sizes) - 1)]
        count = min(most, _number(size, len(hosts)))
        batches.append(rest[:count])
        rest = rest[count:]
    return batches


def _most(hosts: Sequence[str], share: int) -> int:
    return max(1, len(hosts) * share // 100)


def _number(size: int | str, total: int) -> int:
    text = str(size)
    percent = text.endswith("%")
    if not text.removesuffix("%").isdecimal() or int(text.removesuffix("%")) < 1:
        msg = f"a batch is a number of hosts or a percentage of them (1, 10%), not {size!r}"
        raise ValueError(msg)
    return max(1, total * int(text[:-1]) // 100) if percent else int(text)


def unfinished(folder: Path, target: str) -> Run | None:
    """The last run, if it was ended by nobody and had the same target."""
    files = sorted(folder.glob(PATTERN))
    last = load(files[-1]) if files else None
    return last if last and not last.ended and last.target == target else None


def take_up(
    run: Run, hosts: Sequence[str], fleet: Sequence[str], sizes: Sequence[int | str], share: int
) -> Run:
    """The run for a play with these hosts.

    Args:
        run: the run as it was kept.
        hosts: the hosts of the play. Those that the run does not have are planned behind the
            others.
        fleet: all hosts of the inventory. Those of the run that are no longer in it are forgotten;
            those that are not in this play keep their place.
        sizes: as in `plan`.
        share: how many percent of the fleet may be out at once; also batches that were planned
            before are no larger now.
    """
    kept = [[one for one in batch if one in fleet or one in hosts] for batch in run.batches]
    new = [one for one in hosts if not any(one in batch for batch in kept)]
    left = replace(run, batches=kept).remaining
    done = [[one for one in batch if not any(one in each for each in left)] for batch in kept]
    most = _most(fleet, share)
    again = [batch[at : at + most] for batch in left for at in range(0, len(batch), most)]
    batches = [*filter(None, done), *again, *plan(new, sizes[-1:], share)]
    return replace(run, batches=batches, present=list(hosts))


def note(run: Run, rows: Mapping[str, Row]) -> Run:
    """The run with what is known of hosts now."""
    return replace(run, rows={**run.rows, **rows})


def file_of(folder: Path, name: str) -> Path:
    """Where a run is kept."""
    return folder / f"rollout-{name}.json"


def load(file: Path) -> Run:
    """A run that was kept."""
    known = json.loads(file.read_text(encoding="utf-8"))
    # A former release did not keep all of it.
    return Run(**{name: known[name] for name in Run.__dataclass_fields__ if name in known})


def keep(folder: Path, run: Run) -> Path:
    """Keep a run: the whole of it, or what was there before."""
    file = file_of(folder, run.name)
    new = file.with_suffix(".new")
    with new.open("w", encoding="utf-8") as writing:
        json.dump(run.facts(), writing, indent=2)
        writing.write("\n")
        writing.flush()
        os.fsync(writing.fileno())
    new.replace(file)
    return file
