#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""The begin of a move: whether the way is free, and a snapshot of the host as it is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mail_topology_begin
short_description: Begin a move of a gateway with a snapshot of it
description:
  - Looks whether anything stands in the way of a move to a topology, and fails with the cure if so.
  - Keeps the host as it is in C(/var/lib/mail-topology/snapshots), files with owner, mode and
    links, units, listeners and package versions, so that M(mail_topology) and
    M(mail_topology_rollback) can go back to it.
  - Takes back a move that was interrupted before, if there is one.
  - The snapshot is removed by M(mail_topology) if nothing has changed in the end.
options:
  topology:
    description: The topology that the play moves to.
    type: str
    choices: [edge, direct, inline]
    required: true
  paths:
    description: Files, links and folders that the play may change, beside Postfix's own.
    type: list
    elements: str
    default: []
  repair:
    description: Only keep the host. What stands in the way is what the play is to mend.
    type: bool
    default: false
  provider:
    description: Whose program the sender filter is, V(native) for this project's own, V(imss) for
      the vendor's C(TmFoxProxy).
    type: str
    choices: [native, imss]
    default: native
  imss_home:
    description: Where the vendor's product is installed, with O(provider=imss).
    type: path
    default: /opt/trend/imss
  clients:
    description: How this project's filter brings its clients to Postfix in V(edge). V(relay), by a
      session of its own; V(pass), it also hands connections over to a service of type C(pass),
      which C(master.cf) then has.
    type: str
    choices: [relay, pass]
    default: relay
  config_dir:
    description: Postfix's configuration directory.
    type: path
    default: /etc/postfix
  listen_port:
    description: The port that takes mail from the network.
    type: int
    default: 25
  smtp_port:
    description: Postfix's port behind the sender filter in topology V(edge).
    type: int
    default: 2500
  inline_port:
    description: The sender filter's port on loopback in topology V(inline), to which Postfix hands
      each message before it queues it.
    type: int
    default: 10020
  after_filter_port:
    description: Postfix's port on loopback that takes the mail back in topology V(inline).
    type: int
    default: 10021
  scan_port:
    description: The scan service's port.
    type: int
    default: 10025
  reinjection_port:
    description: The port on which Postfix takes scanned mail back.
    type: int
    default: 10026
notes:
  - Supports check mode, in which it takes no snapshot.
seealso:
  - module: mail_topology
  - module: mail_topology_rollback
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Begin
  mail_topology_begin:
    topology: edge
    paths: [/etc/sender-filter]
"""

RETURN = r"""
seen:
  description: The topology that the host is in now, V(unknown) if in none.
  returned: success
  type: str
  sample: direct
differences:
  description: What is not as the wanted topology demands.
  returned: success
  type: list
  elements: str
listen_addresses:
  description: The addresses on which the port that takes mail from the network is open now, IPv6 in
    brackets. The sender filter takes the same ones.
  returned: success
  type: list
  elements: str
  sample: ["0.0.0.0", "[::]"]
snapshot:
  description: The name of the snapshot to go back to, for option C(snapshot) of M(mail_topology).
    Empty in check mode.
  returned: success
  type: str
  sample: 20261124T053300Z
way_to_postfix:
  description: The socket by which Postfix takes connections over with O(clients=pass), and the
    group that its folder belongs to.
  returned: success
  type: dict
  sample: {socket: /var/spool/postfix/public/sender-filter, group: postdrop}
linked:
  description: What the links in all snapshots point to, as the releases of the sender filter. Who
    removes it makes a way back impossible.
  returned: success
  type: list
  elements: str
  sample: [/opt/sender-filter/releases/0.3.0-cp311]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import mail_topology_begin as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Look, and keep the host."""
    module = AnsibleModule(argument_spec=OF_MODULE["mail_topology_begin"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
