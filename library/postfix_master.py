#!/usr/bin/python
# Copyright: (c) 2026, Sender Filter Toolkit maintainers
# MIT License (see LICENSE)
"""Edits the services of Postfix in master.cf."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: postfix_master
short_description: Edit the services of Postfix in master.cf
description:
  - Adds, edits, comments out or removes an entry of C(master.cf), or moves it to another name and
    back.
  - Edits words where they stand. Every other byte of the file, comments and columns included,
    stays.
  - The new file is tried on a copy before it takes the place of the old one, whole or not at all.
    It must satisfy C(postfix check) and what master itself demands of each entry. Owner, group,
    mode, extended attributes and a symbolic link are kept. A file with more than one hard link is
    refused.
  - Reloads nothing. Notify a handler.
options:
  service:
    description:
      - The service as name and type, as V(smtp/inet).
      - Spellings that Postfix takes for the same service are the same here, so V(smtp/inet) finds
        V(25 inet).
    type: str
    required: true
  state:
    description:
      - With V(present) there is an active entry. One that is commented out is made active; a new
        one goes to the end of the file.
      - With V(absent) there is no active entry. Commented-out ones stay.
      - With V(commented) an active entry is commented out, every line of it.
    type: str
    choices: [present, absent, commented]
    default: present
  fields:
    description:
      - Fields of the entry by the names C(private), C(unprivileged), C(chroot), C(wakeup),
        C(process_limit) and C(command). Those that are not named stay as they are.
      - C(command) may hold arguments that are no options, as V(pipe flags=R argv=/bin/true). It is
        needed for a new entry.
    type: dict
    default: {}
  options:
    description:
      - The C(-o) options of the entry by parameter. Those that are not named stay as they are; null
        takes one out.
      - With O(move_to) and O(move_back_from), the options that the moved entry has in addition, or
        with another value.
    type: dict
    default: {}
  move_to:
    description:
      - Moves the service to this name. The entry is commented out, and a copy with every option and
        comment stands right below it under the new name.
      - Nothing is done if the service is there already, except that O(options) get their values.
    type: str
  move_back_from:
    description:
      - Moves the service back from this name. Give the O(options) it was moved with; then the file
        has the bytes it had before the move.
      - If the moved entry was edited meanwhile, the edits are kept.
    type: str
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
  - A reload that takes away a service with a session on it lets Postfix wait for the end of that
    session's process, which Debian 13's unit does not let it end. Meanwhile, for up to an hour, it
    serves nobody. Restart Postfix after such a change, or leave port 25 to M(mail_topology), which
    ends the processes itself.
seealso:
  - module: postconf
author:
  - Sender Filter Toolkit maintainers
"""

EXAMPLES = r"""
- name: Move Postfix off port 25
  postfix_master:
    service: smtp/inet
    move_to: 127.0.0.1:2500
    options:
      smtpd_upstream_proxy_protocol: haproxy
  notify: Reload Postfix

- name: And back
  postfix_master:
    service: smtp/inet
    move_back_from: 127.0.0.1:2500
    options:
      smtpd_upstream_proxy_protocol: haproxy
  notify: Reload Postfix

- name: Take scanned mail back
  postfix_master:
    service: 127.0.0.1:10026/inet
    fields:
      chroot: "n"
      command: smtpd
    options:
      content_filter: ""
      mynetworks: 127.0.0.0/8
  notify: Reload Postfix
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
  sample: /etc/postfix/master.cf
entries:
  description: The active entries of the service, of O(move_to) and of O(move_back_from), as they
    are after the task.
  returned: success
  type: list
  elements: dict
  contains:
    line:
      description: The number of its first line.
      type: int
    service:
      description: Its name, as it is spelled.
      type: str
    type:
      description: Its type.
      type: str
    fields:
      description: The other fields by name.
      type: dict
    options:
      description: Its C(-o) options by parameter.
      type: dict
  sample:
    - line: 13
      service: 127.0.0.1:2500
      type: inet
      fields:
        private: "n"
        unprivileged: "-"
        chroot: "y"
        wakeup: "-"
        process_limit: "-"
        command: smtpd
      options: {smtpd_upstream_proxy_protocol: haproxy}
backup_file:
  description: The copy of the old file.
  returned: when O(backup) is set and the file was written
  type: str
  sample: /etc/postfix/master.cf.1234.2026-01-01@12:00:00~
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.postfix import result
from ansible.module_utils.postfix.change import Change, change_file
from ansible.module_utils.postfix.desired import MasterRequest, edit_master, to_text
from ansible.module_utils.postfix.errors import PostfixError
from ansible.module_utils.postfix.master_cf import FIELDS, Entry, MasterDocument
from ansible.module_utils.postfix.service import parse_name

ARGUMENTS: dict[str, dict[str, Any]] = {
    "service": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "commented"], "default": "present"},
    "fields": {"type": "dict", "default": {}},
    "options": {"type": "dict", "default": {}},
    "move_to": {"type": "str"},
    "move_back_from": {"type": "str"},
    "config_dir": {"type": "path", "default": "/etc/postfix"},
    "backup": {"type": "bool", "default": False},
}


def request_of(params: dict[str, Any]) -> MasterRequest:
    """Read the options of the task."""
    service, kind = parse_name(params["service"])
    return MasterRequest(
        service=service,
        type=kind,
        state=params["state"],
        fields={name: field_text(value) for name, value in params["fields"].items()},
        options={
            name: None if value is None else to_text(value)
            for name, value in params["options"].items()
        },
        move_to=params["move_to"],
        move_back_from=params["move_back_from"],
    )


def field_text(value: object) -> str:
    """Write a field as Postfix spells it; YAML reads y and n as booleans."""
    if isinstance(value, bool):
        return "y" if value else "n"
    text: str = to_text(value)
    return text


def described(entry: Entry) -> dict[str, Any]:
    """Return an entry as data."""
    return {
        "line": entry.line,
        "service": entry.service,
        "type": entry.type,
        "fields": dict(zip(FIELDS[2:], entry.fields[2:], strict=True)),
        "options": dict(entry.options),
    }


def entries_after(change: Change, request: MasterRequest) -> list[dict[str, Any]]:
    """Return the active entries that the task is about."""
    doc = MasterDocument.parse(change.after)
    names = filter(None, (request.service, request.move_to, request.move_back_from))
    return [described(entry) for name in names for entry in doc.find(name, request.type)]


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("move_to", "move_back_from")],
    )
    params: dict[str, Any] = module.params
    if (params["move_to"] or params["move_back_from"]) and (
        params["fields"] or params["state"] != "present"
    ):
        module.fail_json(msg="a move takes neither 'fields' nor another 'state'; use a second task")
    path = Path(params["config_dir"]) / "master.cf"
    try:
        request = request_of(params)
        change = change_file(
            path,
            lambda data: edit_master(data, request),
            check_only=module.check_mode,
            backup=params["backup"],
        )
    except PostfixError as error:
        module.fail_json(msg=result.failure(str(path), error))
    for warning in change.warnings:
        module.warn(result.readable(warning))
    facts = {"entries": entries_after(change, request)}
    module.exit_json(**result.of_change(change, diff=module._diff, **facts))


if __name__ == "__main__":
    main()
