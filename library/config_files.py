#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Writes several files in one call, after they have been checked together."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: config_files
short_description: Write several configuration files, checked together, in one call
description:
  - Puts all files into a staging folder, runs the given checks on it, and only then puts each that
    differs in place. A check that fails leaves every file as it was.
  - One call for any number of files, because on a fleet each call costs a journey.
options:
  files:
    description: The files, each with its path, its whole content and its mode.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file belongs. Its folder is made if it is missing. Base names must
          differ from each other.
        type: path
        required: true
      content:
        description: The whole content.
        type: str
      secret:
        description: The same, for a file that nobody may see. It is shown in no log and no diff.
        type: str
      mode:
        description: The permissions, as an octal number in quotes.
        type: str
        default: "0644"
      group:
        description: The group that owns the file. Empty means that it stays as it is; of a new file
          it is root's.
        type: str
        default: ""
  checks:
    description: Commands, each a list of words. C(%s) in a word becomes the staging folder, in
      which the files lie side by side under their base names.
    type: list
    elements: list
    default: []
notes:
  - Supports check mode (the checks are run) and diff.
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: The filter's configuration and lists are in place
  config_files:
    files:
      - path: /etc/sender-filter/config.toml
        content: "{{ lookup('ansible.builtin.template', 'config.toml.j2') }}"
      - path: /etc/sender-filter/blocked.list
        content: "192.0.2.0/24\n"
    checks:
      - [senderfilter, check-config, --config, "%s/config.toml"]
"""

RETURN = r"""
changed_files:
  description: The files that were written, or in check mode would be.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.calls import config_files as call
from ansible.module_utils.calls.failure import CallError
from ansible.module_utils.calls.options import OF_MODULE


def main() -> None:
    """Stage, check, and put in place."""
    module = AnsibleModule(argument_spec=OF_MODULE["config_files"], supports_check_mode=True)
    try:
        module.exit_json(**call.run(module.params, check=module.check_mode))
    except CallError as error:
        module.fail_json(**error.result())


if __name__ == "__main__":
    main()
