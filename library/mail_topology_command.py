#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Installs the command mail-topology on a gateway."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mail_topology_command
short_description: Install the command mail-topology on a gateway
description:
  - The command is the code of M(mail_topology) itself as one file, so that a host can go back to a
    snapshot, or heal, without Ansible.
  - M(mail_topology) installs it before each move; this is for a host on which something else calls
    it, such as the nightly run of the role C(gateway_manager).
options: {}
notes:
  - Supports check mode.
seealso:
  - module: mail_topology
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: The command is there
  mail_topology_command:
"""

RETURN = r"""
path:
  description: Where the command is.
  returned: success
  type: str
  sample: /usr/local/sbin/mail-topology
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.topology import program


def main() -> None:
    """Put it in place."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        changed = program.install(check=module.check_mode)
    except OSError as error:
        module.fail_json(msg=f"{program.COMMAND} was not installed: {error}")
    module.exit_json(changed=changed, path=str(program.COMMAND))


if __name__ == "__main__":
    main()
