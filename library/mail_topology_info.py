#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Which program owns which port of a gateway, and what differs from the declared topology."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mail_topology_info
short_description: Which program owns which port of a gateway
description:
  - Reads the kernel's socket table and says, for each port of a message's path, which process
    listens there.
  - Says which topology that makes, and what differs from the declared one.
  - Changes nothing.
options:
  topology:
    description: The declared topology, with which the host is compared. Left out, it is the one
      that the last play recorded on the host.
    type: str
    choices: [edge, direct, inline]
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
  - Needs root, to see which process has a socket open.
  - Two processes that share one socket (systemd and the service it passed it to) are one owner;
    two sockets on one
    port are two, because with SO_REUSEPORT the kernel deals connections to both.
seealso:
  - module: mail_topology
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Look at the gateway
  mail_topology_info:
    topology: edge
  register: gateway

- name: It is as declared
  ansible.builtin.assert:
    that: gateway.differences | length == 0
    fail_msg: "{{ gateway.differences | join('; ') }}"
"""

RETURN = r"""
declared:
  description: The topology with which the host was compared.
  returned: always
  type: str
  sample: edge
seen:
  description: The topology that the owners of the ports make up, V(unknown) if they make up none.
  returned: always
  type: str
  sample: edge
ports:
  description: A row for each listener on a port of the path, and one for each port without any.
  returned: always
  type: list
  elements: dict
  contains:
    port: {description: The port., type: int}
    expected: {description: Who should own it in the declared topology., type: str}
    owner: {description: Who owns it., type: str}
    family: {description: ipv4 or ipv6., type: str}
    address: {description: The address it listens on., type: str}
    process: {description: The process' name., type: str}
    pid: {description: The process' number., type: int}
    unit: {description: The process' systemd unit., type: str}
table:
  description: The same as lines of text.
  returned: always
  type: list
  elements: str
listen_addresses:
  description: The addresses on which the port that takes mail from the network is open now, IPv6 in
    brackets. The sender filter takes the same ones.
  returned: always
  type: list
  elements: str
  sample: ["0.0.0.0", "[::]"]
snapshots:
  description: The snapshots on the host, the oldest first.
  returned: always
  type: list
  elements: dict
  contains:
    name: {description: Its name., type: str}
    topology: {description: The topology that the host was in., type: str}
    before: {description: Where the move went before which it was taken., type: str}
conflicts:
  description: Ports with more than one owner.
  returned: always
  type: list
  elements: str
differences:
  description: What is not as the declared topology demands, one sentence each.
  returned: always
  type: list
  elements: str
risks:
  description: What is dangerous although the ports may belong to whom they should. docs/guide.md
    has the list.
  returned: always
  type: list
  elements: dict
  contains:
    id: {description: "Its name, as V(hidden_client).", type: str}
    level: {description: "V(error) or V(warning).", type: str}
    place: {description: "File, line and service, or the port.", type: str}
    text: {description: "What is dangerous, and why.", type: str}
    cure: {description: What ends it., type: str}
run_time:
  description:
    - What operators have added at run time beside the declared lists, the newest first.
    - These blocks, approvals and known hosts are no differences.
  returned: always
  type: list
  elements: dict
  contains:
    network: {description: The addresses., type: str}
    kind: {description: "V(block), V(approval) or V(known).", type: str}
    author: {description: Who has made it., type: str}
    since: {description: Since when., type: str}
    until: {description: Until when; none if it has no end., type: str}
    comment: {description: Why., type: str}
obstacles:
  description: What makes a move to the declared topology impossible now, with the cure.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import mail_topology_info as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Look, and say what was seen."""
    module = AnsibleModule(argument_spec=OF_MODULE["mail_topology_info"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
