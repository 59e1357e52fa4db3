#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Installs a release of one of this project's programs, and its configuration with it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: wheel_release
short_description: Install a release of one of this project's programs, with its configuration
description:
  - A release is a virtual environment that C(scripts/wheelhouse) filled on the control node, for
    each version of Python. Of the archive only the part for the host's own Python is sent, and only
    if the release is not there yet, or not whole.
  - Releases lie beside each other. C(current) leads to the one in use, and is changed in one step,
    after the new release has found the new configuration sound and that is in place.
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
  files:
    description: The program's configuration and units, as M(config_files) takes them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where the file belongs.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
      secret:
        description: The same, for a file that nobody may see.
        type: str
      mode:
        description: The permissions, as an octal number in quotes.
        type: str
        default: "0644"
      group:
        description: The group that owns the file.
        type: str
        default: ""
  checks:
    description: Commands that find the files sound before any of them, and the release, is in use;
      as M(config_files) takes them. In check mode a release that is not there yet is not called.
    type: list
    elements: list
    default: []
  kept:
    description: Releases that stay beside the one in use and the new one. All others are taken away
      when a new one comes.
    type: list
    elements: path
    default: []
  sent:
    description: Where the host's part of the archive was put on the host; V(-) is standard input.
      The action sets it.
    type: path
notes:
  - Supports check mode and diff.
seealso:
  - module: config_files
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: The filter is installed
  wheel_release:
    home: /opt/sender-filter
    dir: /opt/sender-filter/releases/0.3.0
    archive: /var/cache/sender-filter-0.3.0.tar
    command: senderfilter
    modules: [sender_filter.cli.serve, sender_filter.cli.scan_reports]
    files:
      - path: /etc/sender-filter/config.toml
        content: "{{ lookup('ansible.builtin.template', 'config.toml.j2') }}"
    checks:
      - - /opt/sender-filter/releases/0.3.0/bin/senderfilter
        - check-config
        - --config
        - "%s/config.toml"
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
changed_files:
  description: The files that were written, or in check mode would be.
  returned: success
  type: list
  elements: str
python:
  description: The version of the host's Python, for which the archive's part is still to be sent.
  returned: when the release is not there and nothing was sent
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import wheel_release as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Install it, or say what that takes."""
    module = AnsibleModule(argument_spec=OF_MODULE["wheel_release"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
