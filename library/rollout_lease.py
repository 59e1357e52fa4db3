#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Reserves a gateway for the rollout of one control node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rollout_lease
short_description: Reserve a gateway for the rollout of one control node
description:
  - Notes on the gateway whose rollout goes over it, for some time, and keeps those of other control
    nodes away. Nothing else is kept away, and nothing outlives a boot.
options:
  state:
    description: V(held) takes the gateway, or holds it for longer. V(released) lets it go, if that
      node has it.
    type: str
    choices: [held, released]
    default: held
  node:
    description: The control node, as M(rollout_run) names it.
    type: str
    required: true
  run:
    description: The name of the run. With V(held).
    type: str
    default: ""
  who:
    description: User and machine, for the one who is kept away. With V(held).
    type: str
    default: ""
  seconds:
    description: For how long, counted from now. With V(held).
    type: int
    default: 900
notes:
  - Supports check mode, in which it does nothing.
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: No other control node rolls out over this gateway
  rollout_lease:
    node: "{{ rollout_begun.node }}"
    run: "{{ rollout_begun.run.name }}"
    who: "{{ rollout_begun.who }}"
    seconds: 1200
"""

RETURN = r"""
{}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.rollout import lease

OPTIONS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["held", "released"], "default": "held"},
    "node": {"type": "str", "required": True},
    "run": {"type": "str", "default": ""},
    "who": {"type": "str", "default": ""},
    "seconds": {"type": "int", "default": 900},
}


def main() -> None:
    """Do it, or say who has the gateway."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    if not module.check_mode:
        _change(module)
    module.exit_json(changed=False)


def _change(module: AnsibleModule) -> None:
    params: dict[str, Any] = module.params
    try:
        if params["state"] == "held":
            lease.take(params["node"], params["run"], params["who"], params["seconds"])
        else:
            lease.release(params["node"])
    except (lease.LeasedError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
