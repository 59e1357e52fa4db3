#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Keeps what the vendor's proxy needs in Postfix's import_environment."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postfix_import_environment
short_description: Keep the vendor's settings in Postfix's import_environment
description:
  - For hosts with the vendor's own sender filter (C(TmFoxProxy)). A library that Postfix loads by
    C(LD_PRELOAD) tells it the client's address; without it every client would be C(127.0.0.1), and
    Postfix would relay for all.
  - Mends the parameter token by token. A missing or empty parameter is built anew out of Postfix's
    default and the vendor's settings, a missing setting is put behind the others, a wrong one is
    mended where it stands.
  - Takes nothing of the operator's own away. Tokens stay where they are, and so does what
    C(LD_PRELOAD) or C(LD_LIBRARY_PATH) names beside the vendor's, which is put behind it. Only the
    vendor's own library and folder of another home are replaced.
  - Restarts nothing. Postfix's C(master) reads this parameter only when it starts, so a reload is
    not enough; M(mail_topology) sees that, and restarts Postfix.
options:
  imss_home:
    description: Where the vendor's product is installed.
    type: path
    default: /opt/trend/imss
  smtp_port:
    description: Postfix's port behind the proxy, for C(TM_FOX_PROXY_CONNECT_PORT).
    type: int
    default: 2500
  config_dir:
    description: Postfix's configuration directory.
    type: path
    default: /etc/postfix
  backup:
    description: Keep a copy of the old file beside it.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Says what would change, after the same checks, and writes nothing.
  diff_mode:
    support: full
    description: Returns the file before and after.
seealso:
  - module: postconf
  - module: mail_topology
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Postfix lets the vendor's library in
  postfix_import_environment:
    imss_home: /opt/trend/imss
    smtp_port: 2500
  notify: Restart Postfix
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/postfix/main.cf
wrong:
  description: What was missing or wrong before.
  returned: success
  type: list
  elements: str
  sample: ["lacks TM_FOX_PROXY_CONNECT_PORT=2500"]
action:
  description: What Postfix needs to take the change up, C(restart) or C(nothing).
  returned: success
  type: str
  sample: restart
backup_file:
  description: The copy of the old file.
  returned: when O(backup) is set and the file was written
  type: str
  sample: /etc/postfix/main.cf.1234.2026-01-01@12:00:00~
"""

from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.postfix import import_environment, result, staging
from ansible.module_utils.postfix.change import change_file
from ansible.module_utils.postfix.errors import PostfixError
from ansible.module_utils.postfix.main_cf import MainDocument

ARGUMENTS: dict[str, dict[str, Any]] = {
    "imss_home": {"type": "path", "default": "/opt/trend/imss"},
    "smtp_port": {"type": "int", "default": 2500},
    "config_dir": {"type": "path", "default": "/etc/postfix"},
    "backup": {"type": "bool", "default": False},
}


def main() -> None:
    """Mend the parameter, and say what was wrong with it."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    params: dict[str, Any] = module.params
    path = Path(params["config_dir"]) / "main.cf"
    name = import_environment.NAME
    try:
        wanted = import_environment.settings(params["imss_home"], params["smtp_port"])
        default = partial(staging.default_of, path.parent, name)
        change = change_file(
            path,
            lambda data: import_environment.repair(data, wanted, default),
            check_only=module.check_mode,
            backup=params["backup"],
        )
    except PostfixError as error:
        module.fail_json(msg=result.failure(str(path), error))
    for warning in change.warnings:
        module.warn(result.readable(warning))
    before = MainDocument.parse(change.before).get(name) or ""
    facts = {
        "wrong": import_environment.problems(before, wanted),
        "action": "restart" if change.changed else "nothing",
    }
    module.exit_json(**result.of_change(change, diff=module._diff, **facts))


if __name__ == "__main__":
    main()
