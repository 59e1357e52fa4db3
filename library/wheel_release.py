#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Installs a release of one of this project's programs out of its archive."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wheel_release
short_description: Install a release of one of this project's programs, and make it the current one
description:
  - A release is a virtual environment that C(scripts/wheelhouse) filled on the control node, for
    each version of Python. Of the archive only the part for the host's own Python is sent, and only
    if the release is not there yet, or not whole.
  - Releases lie beside each other. C(current) leads to the one in use, and is changed in one step.
  - Needs neither a registry nor pip on the host. What is in use already costs one call.
options:
  home:
    description: The program's folder. Releases are below C(releases).
    type: path
    required: true
  dir:
    description: The folder of the release.
    type: path
    required: true
  archive:
    description: The archive, on the control node.
    type: path
    required: true
  command:
    description: The command, of which C(/usr/local/bin) gets a link.
    type: str
    required: true
  modules:
    description: What the program imports when it serves. It is tried once, which also compiles it.
    type: list
    elements: str
    default: []
  kept:
    description: Releases that stay beside the one in use and the new one. All others are taken away
      when a new one comes.
    type: list
    elements: path
    default: []
  sent:
    description: Where the host's part of the archive was put on the host. The action sets it.
    type: path
notes:
  - Supports check mode and diff.
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: The filter is installed
  wheel_release:
    home: /opt/sender-filter
    dir: /opt/sender-filter/releases/0.1.0-be19b9df
    archive: /var/cache/sender-filter-0.1.0-be19b9df.tar
    command: senderfilter
    modules: [sender_filter.cli.serve, sender_filter.cli.scan_reports]
"""

RETURN = r"""
release:
  description: The release that was in use before; empty if there was none that is whole.
  returned: success
  type: str
linked:
  description: The links that were changed, or in check mode would be.
  returned: success
  type: list
  elements: str
python:
  description: The version of the host's Python, for which the archive's part is still to be sent.
  returned: when the release is not there and nothing was sent
  type: str
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.releases import environment
from ansible.module_utils.releases.environment import UnusableError
from ansible.module_utils.releases.program import Program

OPTIONS: dict[str, dict[str, Any]] = {
    "home": {"type": "path", "required": True},
    "dir": {"type": "path", "required": True},
    "archive": {"type": "path", "required": True},
    "command": {"type": "str", "required": True},
    "modules": {"type": "list", "elements": "str", "default": []},
    "kept": {"type": "list", "elements": "path", "default": []},
    "sent": {"type": "path"},
}


def main() -> None:
    """Install it, or say what that takes."""
    module = AnsibleModule(argument_spec=OPTIONS, supports_check_mode=True)
    os.umask(0o022)  # everybody may read what is installed here
    try:
        module.exit_json(**_install(module))
    except (UnusableError, OSError) as error:
        module.fail_json(msg=f"{module.params['dir']}: not installed: {error}")


def _install(module: AnsibleModule) -> dict[str, Any]:
    params: dict[str, Any] = module.params
    program = Program(Path(params["home"]), params["command"])
    release, former = Path(params["dir"]), program.in_use()
    there = former == release or environment.is_whole(release, params["command"])
    unlinked = program.unlinked(release)
    result: dict[str, Any] = {
        "changed": not there or bool(unlinked),
        "release": str(former or ""),
        "linked": [str(link) for link in unlinked],
        "diff": {"before": f"{former or 'no release'}\n", "after": f"{release}\n"},
    }
    if module.check_mode:
        return result
    if not there and params["sent"] is None:
        return {**result, "changed": False, "python": environment.version(environment.python())}
    if not there:
        program.install(release, Path(params["sent"]), params["modules"])
    program.use(release)
    if not there:
        program.forget([release, *([former] if former else []), *map(Path, params["kept"])])
    return result


if __name__ == "__main__":
    main()
