#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Moves a gateway to a topology, proves it, and undoes a move that failed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: mail_topology
short_description: Move a gateway between topologies
description:
  - Moves Postfix's port in C(master.cf), reloads Postfix, starts or stops the sender filter, in
    the order that keeps
    two programs from wanting one port, and waits for each step in the kernel's socket table.
  - Tries everything that can fail before the first change. After it, any failure undoes what was
    done and proves that
    the host is as it was.
  - A program on the host takes the move back if this module is killed in the middle, and a unit
    does it at boot after a loss of power.
  - All of it is one call, so that the time without a listener does not depend on the connection
    to the host.
options:
  topology:
    description: The topology to move to.
    type: str
    choices: [edge, direct, inline]
    required: true
  smtp_address:
    description: The address of Postfix's port behind the filter. Anything but loopback lets
      strangers claim any
      client address.
    type: str
    default: 127.0.0.1
  listen_addresses:
    description: The addresses on which O(listen_port) must be open in the end, IPv6 in brackets.
      Empty leaves them to whoever has the port.
    type: list
    elements: str
    default: []
  handover:
    description: How the port changes hands. V(overlap) lets both programs listen, steers new
      connections to the new one and waits for the sessions of the old one; where the host cannot do
      that, or is between two topologies, it is V(plain), which leaves the port without a listener
      for a moment and cuts the sessions on it.
    type: str
    choices: [overlap, plain]
    default: overlap
  drain_seconds:
    description: How long running sessions may go on when the port changes hands by V(overlap).
    type: int
    default: 60
  drain_action:
    description: What to do with the sessions that are left then. V(wait) goes on waiting, V(cut)
      ends and counts them, V(rollback) takes the move back.
    type: str
    choices: [wait, cut, rollback]
    default: cut
  watch_seconds:
    description: How long a sender filter that was started must live and answer before Postfix gives
      the port up.
    type: int
    default: 5
  snapshots:
    description: How many snapshots of the host are kept on it, to go back to.
    type: int
    default: 10
  snapshot_megabytes:
    description: How much of the disk they may take.
    type: int
    default: 100
  pending:
    description: Files that the play would have written before this module was called, and in check
      mode has not. A filter that runs would be told of them. Means nothing outside check mode.
    type: list
    elements: str
    default: []
  paths:
    description: Files, links and folders for the snapshot, beside Postfix's own, of a move that no
      play has begun with M(mail_topology_begin).
    type: list
    elements: str
    default: []
  snapshot:
    description: The name of the snapshot that M(mail_topology_begin) has taken for this move. Left
      out, or where the host is in another topology since, the move takes one of its own.
    type: str
    default: ""
  smtp_options:
    description: Options of Postfix's service behind the filter beside those that it needs there, or
      other values of them.
    type: dict
    default: {}
  repair:
    description:
      - Begin from any state. A Postfix that is dead, or has not read its C(master.cf), is woken
        with the C(master.cf) of the wanted topology before the move, after the sender filter has
        let go what is Postfix's.
      - A program that is neither of the two is never ended. It is named, and nothing is changed.
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
  - Supports check mode and diff.
  - Moving back gives the bytes that C(master.cf) had before; what was edited meanwhile is kept.
  - The declared topology is recorded in C(/var/lib/mail-topology/declared.json).
seealso:
  - module: mail_topology_info
  - module: postfix_master
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Put the sender filter in front of Postfix
  mail_topology:
    topology: edge

- name: Take it away again
  mail_topology:
    topology: direct

- name: Bring a gateway back to order, whatever has happened to it
  mail_topology:
    topology: edge
    repair: true
"""

RETURN = r"""
before:
  description: The topology that was seen before.
  returned: success
  type: str
  sample: direct
wrong:
  description: What was not as the topology demands before.
  returned: success
  type: list
  elements: str
steps:
  description: What was done, or in check mode would be.
  returned: success
  type: list
  elements: str
handover:
  description: How the port changed hands, and where it was V(plain), why; V(in place) between
    V(direct) and V(inline), where it does not.
  returned: success
  type: str
  sample: overlap
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
  description: Those of them that were ended by the move.
  returned: success
  type: int
connections_refused:
  description: Connections that found nobody. V(0) where somebody listened all the time and no queue
    overflowed; left out where it cannot be known.
  returned: success
  type: int
seen:
  description: The topology that is seen now.
  returned: success
  type: str
ports:
  description: The port table, as M(mail_topology_info) returns it.
  returned: success
  type: list
  elements: dict
table:
  description: The same as lines of text.
  returned: success
  type: list
  elements: str
conflicts:
  description: Ports with more than one owner.
  returned: success
  type: list
  elements: str
differences:
  description: What is not as the topology demands. Empty, but for check mode.
  returned: success
  type: list
  elements: str
actions:
  description: What Postfix and each front of the sender filter would do, V(nothing), V(reload),
    V(restart), V(start) or V(stop).
  returned: in check mode
  type: dict
  sample: {postfix: reload, sender-filter.service: start, sender-filter-inline.service: nothing}
forecast:
  description: Who has each port of the path, and who would have it.
  returned: in check mode
  type: list
  elements: dict
  contains:
    port: {description: The port., type: int}
    now: {description: Who has it., type: str}
    then: {description: Who would have it., type: str}
forecast_table:
  description: The same as lines of text.
  returned: in check mode
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import mail_topology as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Move the host, and say what it took."""
    module = AnsibleModule(argument_spec=OF_MODULE["mail_topology"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
