#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Brings a gateway back to a snapshot of it, and proves that."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mail_topology_rollback
short_description: Bring a gateway back to a snapshot
description:
  - Puts files, links and units back as a snapshot of M(mail_topology_begin) has them, and lets the
    port change hands as M(mail_topology) does, without a refused connection where the host can.
  - Keeps the present state as a snapshot first, so that a rollback can be taken back itself. A
    failure leaves the host as it was.
  - Versions of packages are kept for information and are not put back.
options:
  name:
    description: The snapshot. V(last) is the newest that is not what the host is now.
    type: str
    default: last
  config_dir:
    description: Postfix's configuration directory. A snapshot of another one is refused.
    type: path
    default: /etc/postfix
notes:
  - Supports check mode.
seealso:
  - module: mail_topology
  - module: mail_topology_begin
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Take the last move back
  mail_topology_rollback:
"""

RETURN = r"""
snapshot:
  description: The name of the snapshot.
  returned: success
  type: str
  sample: 20261124T053300Z
steps:
  description: What was done to the ports, or in check mode that something would be done.
  returned: success
  type: list
  elements: str
seen:
  description: The topology that is seen now.
  returned: success
  type: str
  sample: direct
table:
  description: The port table as lines of text.
  returned: success
  type: list
  elements: str
sessions_running:
  description: SMTP sessions of the old owner of the port when it changed hands.
  returned: success
  type: int
seconds_waited:
  description: How long the end of those sessions was waited for.
  returned: success
  type: float
milliseconds_without_listener:
  description: How long nobody listened on the port that takes mail from the network.
  returned: success
  type: int
sessions_cut:
  description: Those of them that were ended by it. Others go on to their end.
  returned: success
  type: int
connections_refused:
  description: Connections that found nobody, as M(mail_topology) says it.
  returned: success, but where it cannot be known
  type: int
actions:
  description: What Postfix and each front of the sender filter would do, as M(mail_topology) says
    it.
  returned: in check mode
  type: dict
forecast:
  description: Who has each port of the path, and who would have it, as M(mail_topology) says it.
  returned: in check mode
  type: list
  elements: dict
forecast_table:
  description: The same as lines of text.
  returned: in check mode
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import mail_topology_rollback as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Bring the host back, and say how it is."""
    module = AnsibleModule(
        argument_spec=OF_MODULE["mail_topology_rollback"], supports_check_mode=True
    )
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
