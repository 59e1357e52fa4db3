#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""A rollout as the control node keeps it: its lock, its plan, and how far each host is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollout_run
short_description: Begin, note and end a rollout on the control node
description:
  - Plans the batches, keeps a second rollout away, and keeps what is known of each host in one JSON
    file, so that a run that was killed is taken up by the next one.
  - Runs on the control node.
options:
  folder:
    description: Where runs are kept, an absolute path.
    type: path
    required: true
  state:
    description: V(begun) takes the lock and plans the run, or takes up the last one where that was
      not ended and had the same target. V(noted) keeps O(rows). V(ended) does so too, and lets the
      lock go; a run of which hosts are left that this play does not have goes on with the next
      play.
    type: str
    choices: [begun, noted, ended]
    required: true
  target:
    description: Where the run leads, to know whether it is the same one. With O(state=begun).
    type: str
    default: ""
  hosts:
    description: The hosts, in order. With O(state=begun).
    type: list
    elements: str
    default: []
  fleet:
    description: All hosts of the inventory. Of a run that is taken up, hosts that are no longer
      there are forgotten, and those that are not among O(hosts) are left for another play. With
      O(state=begun).
    type: list
    elements: str
    default: []
  batches:
    description: How many hosts are in each batch, a number or a percentage of all; the last one
      counts for all further batches. With O(state=begun).
    type: list
    elements: str
    default: ["1"]
  share:
    description: How many percent of all hosts a batch may have at most, but one host. With
      O(state=begun).
    type: int
    default: 100
  run:
    description: The run's name. With V(noted) and V(ended).
    type: str
    default: ""
  rows:
    description: What is known of hosts now, by their names.
    type: dict
    default: {}
  reason:
    description: Why the run was stopped.
    type: str
    default: ""
notes:
  - Supports check mode, in which it plans, and neither locks nor keeps anything.
  - The lock belongs to the process of the play and ends with it, however that ends.
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Rollout begins
  rollout_run:
    folder: /var/lib/rollouts
    state: begun
    target: edge
    hosts: "{{ ansible_play_hosts_all }}"
    batches: ["1", "10%", "30%"]
    share: 25
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
run:
  description: The run, with its C(name), C(target), C(who), C(began), C(ended), C(reason),
    C(batches) (the hosts of each), C(left) (those of them that this play has still to move),
    C(remaining) (those that any has) and C(rows).
  returned: success
  type: dict
taken_up:
  description: Whether it is one that was begun before.
  returned: success
  type: bool
node:
  description: A name for the control node with this folder, the same one in each play, for
    M(rollout_lease).
  returned: success
  type: str
file:
  description: Where it is kept.
  returned: success
  type: str
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.rollout import lease, lock
from ansible.module_utils.rollout.run import (
    Run,
    file_of,
    keep,
    load,
    note,
    plan,
    take_up,
    unfinished,
)

OPTIONS: dict[str, dict[str, Any]] = {
    "folder": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["begun", "noted", "ended"], "required": True},
    "target": {"type": "str", "default": ""},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "fleet": {"type": "list", "elements": "str", "default": []},
    "batches": {"type": "list", "elements": "str", "default": ["1"]},
    "share": {"type": "int", "default": 100},
    "run": {"type": "str", "default": ""},
    "rows": {"type": "dict", "default": {}},
    "reason": {"type": "str", "default": ""},
}


def main() -> None:
    """Do it, and say how the run stands."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    params: dict[str, Any] = module.params
    folder = Path(params["folder"])
    taken_up = False
    try:
        if params["state"] == "begun":
            run, taken_up = _begin(folder, params, check=module.check_mode)
        else:
            run = note(load(file_of(folder, params["run"])), params["rows"])
            if params["state"] == "ended":
                over = bool(params["reason"]) or not run.remaining
                run = replace(run, ended=_now() if over else "", reason=params["reason"])
        if not module.check_mode:
            keep(folder, run)
        if params["state"] == "ended" and not module.check_mode:
            lock.release(folder)
    except (lock.HeldError, ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        run=run.facts(),
        taken_up=taken_up,
        node=lease.node_of(folder),
        file=str(file_of(folder, run.name)),
    )


def _begin(folder: Path, params: dict[str, Any], *, check: bool) -> tuple[Run, bool]:
    now, hosts = _now(), params["hosts"]
    mine = lock.holder(now)
    if not check:
        lock.take(folder, mine)
    former = unfinished(folder, params["target"])
    if former:
        return take_up(former, hosts, params["fleet"], params["batches"], params["share"]), True
    batches = plan(hosts, params["batches"], params["share"])
    name = now.translate(str.maketrans("", "", "-:"))
    return Run(name, params["target"], mine.who, now, batches, hosts), False


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


if __name__ == "__main__":
    main()
