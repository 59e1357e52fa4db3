#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Sends a message through a gateway, and follows it until another host has taken it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: probe_message
short_description: Prove by a message that mail passes a gateway
description:
  - Hands a message to the gateway's port, from the gateway itself and under the address that the
    network knows it by, as a client would.
  - Follows it by its Message-ID and its queue ids in Postfix's log, through each hop of the
    topology, until the next host has taken it.
  - Fails, and says how far it came, where it is refused, does not leave in time, or walks around
    the sender filter or the scan service.
options:
  recipient:
    description: Who gets the message. An address of a domain that the gateway takes mail for.
    type: str
    required: true
  sender:
    description: The envelope's sender, empty for the null path.
    type: str
    default: ""
  topology:
    description: The topology that the gateway is in.
    type: str
    choices: [edge, direct, inline]
    required: true
  address:
    description: The address to connect to. Left out, the one by which the network knows the host.
    type: str
    default: ""
  seconds:
    description: How long the message may take.
    type: int
    default: 60
  provider:
    description: Whose program the sender filter is. V(imss) leaves no records, so the filter is not
      looked for then.
    type: str
    choices: [native, imss]
    default: native
  listen_port:
    description: The port that takes mail from the network.
    type: int
    default: 25
  scan_port:
    description: The scan service's port.
    type: int
    default: 10025
notes:
  - Postfix's log is read from the journal, so C(maillog_file) must not lead it elsewhere.
  - Not run in check mode.
seealso:
  - module: gateway_health
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Mail passes
  probe_message:
    recipient: postmaster@example.com
    topology: edge
"""

RETURN = r"""
message_id:
  description: The message's Message-ID, to look for it elsewhere.
  returned: success
  type: str
hops:
  description: What took the message, in order, and what each of them answered.
  returned: success
  type: list
  elements: str
  sample:
    - "port 25: 250 2.0.0 Ok: queued as 2C30719C3CD"
    - "sender filter: pass (none)"
    - "postfix/smtpd: 2C30719C3CD"
    - "127.0.0.1[127.0.0.1]:10025: 250 2.0.0 from MTA(smtp:[127.0.0.1]:10026): 250 2.0.0 Ok"
    - "postfix/reinject/smtpd: 99A4319C3CE"
    - "mail.example.com[192.0.2.9]:25: 250 2.0.0 Ok: queued as A41C119C3CD"
since:
  description: When it was sent by the host's clock, in seconds of the epoch, for M(gateway_health).
  returned: success
  type: float
seconds:
  description: How long it was on its way.
  returned: success
  type: float
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import probe_message as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Send, follow, and say which way it went."""
    module = AnsibleModule(argument_spec=OF_MODULE["probe_message"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
