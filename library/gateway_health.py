#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""The figures by which a gateway's health is judged: queues, refusals, deferrals, errors."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: gateway_health
short_description: The figures by which a gateway's health is judged
description:
  - Counts what a gateway keeps itself, its queues, its mail log in the journal and the sender
    filter's records, in one call.
  - Changes nothing.
options:
  since:
    description: The moment, in seconds of the epoch by the host's own clock, from which on is
      counted. With V(0) the last O(seconds) are.
    type: float
    default: 0
  seconds:
    description: How far back is counted where no moment is given.
    type: int
    default: 300
  config_dir:
    description: Postfix's configuration directory.
    type: path
    default: /etc/postfix
notes:
  - Postfix's log is read from the journal, so C(maillog_file) must not lead it elsewhere.
seealso:
  - module: probe_message
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Look at the last five minutes
  gateway_health:
  register: before
"""

RETURN = r"""
now:
  description: The moment of the call by the host's clock, in seconds of the epoch.
  returned: success
  type: float
queue:
  description: Messages that wait for their first delivery now.
  returned: success
  type: int
deferred:
  description: Messages that wait for a further attempt now.
  returned: success
  type: int
accepted:
  description: Messages taken from others.
  returned: success
  type: int
refused:
  description: Clients and recipients refused, by the filter or by Postfix.
  returned: success
  type: int
refused_share:
  description: The refused ones' share of refused and accepted, 0 to 1; 0 where there was neither.
  returned: success
  type: float
sent:
  description: Deliveries to other hosts.
  returned: success
  type: int
attempts_deferred:
  description: Attempts of that which failed for now.
  returned: success
  type: int
bounced:
  description: Recipients given up.
  returned: success
  type: int
filter_passed:
  description: Clients and messages that the filter let through.
  returned: success
  type: int
filter_refused:
  description: Those that it refused.
  returned: success
  type: int
filter_errors:
  description: Clients that the filter lost because Postfix behind it was away, and errors that it
    has logged.
  returned: success
  type: int
state_problem:
  description: Why the filter does not keep what it knows of clients now; empty if it does.
  returned: success
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import gateway_health as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Count, and say it."""
    module = AnsibleModule(argument_spec=OF_MODULE["gateway_health"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
