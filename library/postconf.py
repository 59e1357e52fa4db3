#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Sets parameters of Postfix in main.cf."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postconf
short_description: Set parameters of Postfix in main.cf
description:
  - Sets, removes or edits any number of parameters with one read and at most one write of
    C(main.cf).
  - Edits values where they stand. Every other byte of the file, comments and order included, stays.
  - The new file is tried with C(postfix check) on a copy before it takes the place of the old one,
    whole or not at all. Owner, group, mode, extended attributes and a symbolic link are kept. A
    file with more than one hard link is refused.
  - Reloads nothing. Notify a handler.
options:
  params:
    description:
      - The parameters by name, with the value as it shall stand in the file.
      - Booleans become V(yes) and V(no), lists are joined with commas.
      - A value may have several lines; each after the first must start with a blank.
      - With O(state=absent) the values do not matter.
    type: dict
    default: {}
  state:
    description:
      - With V(present) the parameters get the values.
      - With V(absent) every line that sets one of them is removed; the comments above it stay.
    type: str
    choices: [present, absent]
    default: present
  tokens:
    description:
      - Members of list-like values, as those of C(import_environment) or C(mynetworks), by
        parameter.
      - Each parameter takes a dictionary with the lists C(present) and C(absent), or one of them.
      - Missing members are put behind the others. A member of C(absent) that ends in V(*) stands
        for all that begin so, except those that C(present) names.
      - A parameter that the file does not set starts from its default.
    type: dict
    default: {}
  allow_unknown:
    description:
      - Names that may be set though nothing in Postfix reads them.
      - Every other unknown name is an error. Names that another value uses as C($name), restriction
        classes and names made from a service in C(master.cf) are known.
    type: list
    elements: str
    default: []
  config_dir:
    description: The configuration directory.
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
notes:
  - Of a parameter that stands in the file more than once the last line counts and is the one
    edited.
seealso:
  - module: postfix_master
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Send mail through the scan service
  postconf:
    params:
      content_filter: "smtp:[127.0.0.1]:10025"
      smtpd_helo_required: true
  notify: Reload Postfix

- name: Let the vendor's library into Postfix's environment, whatever else is there
  postconf:
    tokens:
      import_environment:
        present:
          - TM_FOX_PROXY_CONNECT_PORT=2500
        absent:
          - TM_FOX_PROXY_CONNECT_PORT=*
  notify: Restart Postfix

- name: Go back to the default
  postconf:
    params:
      content_filter:
    state: absent
  notify: Reload Postfix
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/postfix/main.cf
params:
  description: The parameters that changed, each with its value before and after; null where the
    file does not set it.
  returned: success
  type: dict
  sample: {content_filter: {before: null, after: "smtp:[127.0.0.1]:10025"}}
backup_file:
  description: The copy of the old file.
  returned: when O(backup) is set and the file was written
  type: str
  sample: /etc/postfix/main.cf.1234.2026-01-01@12:00:00~
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.postfix import result, staging
from ansible.module_utils.postfix.change import Change, change_file
from ansible.module_utils.postfix.desired import Tokens, edit_main, to_text
from ansible.module_utils.postfix.errors import InvalidValue, PostfixError
from ansible.module_utils.postfix.main_cf import MainDocument

ARGUMENTS: dict[str, dict[str, Any]] = {
    "params": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "tokens": {"type": "dict", "default": {}},
    "allow_unknown": {"type": "list", "elements": "str", "default": []},
    "config_dir": {"type": "path", "default": "/etc/postfix"},
    "backup": {"type": "bool", "default": False},
}


def tokens_of(given: dict[str, Any]) -> dict[str, Tokens]:
    """Read the option ``tokens``."""
    wanted = {}
    for name, members in given.items():
        if not isinstance(members, dict) or set(members) - {"present", "absent"}:
            msg = f"tokens of {name} must be a dictionary with 'present', 'absent' or both"
            raise InvalidValue(msg)
        lists = {key: members.get(key) or [] for key in ("present", "absent")}
        if not all(isinstance(members, list) for members in lists.values()):
            msg = f"'present' and 'absent' of {name} must be lists"
            raise InvalidValue(msg)
        wanted[name] = Tokens(**{key: [str(m) for m in value] for key, value in lists.items()})
    return wanted


def refuse_unknown(config_dir: str, names: set[str], after: bytes, allowed: list[str]) -> None:
    """Raise an error if nothing in Postfix reads one of the names."""
    doubtful = names - set(allowed)
    if not doubtful:
        return
    unknown = doubtful & staging.unknown_parameters(config_dir, {"main.cf": after})
    if unknown:
        msg = (
            f"nothing in Postfix reads {', '.join(sorted(unknown))}; "
            "correct the name, or allow it with 'allow_unknown'"
        )
        raise InvalidValue(msg)


def apply(params: dict[str, Any], *, check_only: bool) -> Change:
    """Do what the task asks for."""
    is_present = params["state"] == "present"
    wanted = {name: to_text(value) for name, value in params["params"].items()}
    tokens = tokens_of(params["tokens"])
    config_dir = params["config_dir"]

    def edit(data: bytes) -> bytes:
        after: bytes = edit_main(
            data,
            wanted if is_present else {},
            absent=() if is_present else wanted,
            tokens=tokens,
            default=lambda name: staging.default_of(config_dir, name),
        )
        names = set(tokens) | (set(wanted) if is_present else set())
        refuse_unknown(config_dir, names, after, params["allow_unknown"])
        return after

    path = Path(config_dir) / "main.cf"
    return change_file(path, edit, check_only=check_only, backup=params["backup"])


def changed_params(change: Change) -> dict[str, dict[str, str | None]]:
    """Return the value before and after of every parameter that changed."""
    before, after = MainDocument.parse(change.before), MainDocument.parse(change.after)
    names = {parameter.name for doc in (before, after) for parameter in doc.parameters}
    return {
        name: {"before": before.get(name), "after": after.get(name)}
        for name in sorted(names)
        if before.get(name) != after.get(name)
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        change = apply(module.params, check_only=module.check_mode)
    except PostfixError as error:
        path = f"{module.params['config_dir']}/main.cf"
        module.fail_json(msg=result.failure(path, error))
    for warning in change.warnings:
        module.warn(result.readable(warning))
    facts = {"params": changed_params(change)}
    module.exit_json(**result.of_change(change, diff=module._diff, **facts))


if __name__ == "__main__":
    main()
