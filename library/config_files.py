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

import grp
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

FILE_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "mode": {"type": "str", "default": "0644"},
    "group": {"type": "str", "default": ""},
}


def main() -> None:
    """Stage, check, and put in place."""
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": FILE_OPTIONS,
                "required_one_of": [("content", "secret")],
                "mutually_exclusive": [("content", "secret")],
            },
            "checks": {"type": "list", "elements": "list", "default": []},
        },
        supports_check_mode=True,
    )
    files: list[dict[str, Any]] = module.params["files"]
    _refuse_unusable(module, files)
    changed = [file for file in files if _differs(file)]
    diff = [_diff(file) for file in changed]
    if changed:
        with tempfile.TemporaryDirectory(dir=module.tmpdir) as staging:
            _stage(files, Path(staging))
            _run_checks(module, staging)
        if not module.check_mode:
            _put_all(module, changed)
    module.exit_json(
        changed=bool(changed), changed_files=[file["path"] for file in changed], diff=diff
    )


def _refuse_unusable(module: AnsibleModule, files: list[dict[str, Any]]) -> None:
    names = [Path(file["path"]).name for file in files]
    for file, name in zip(files, names, strict=True):
        if names.count(name) > 1:
            module.fail_json(msg=f"{file['path']}: another file has the base name {name} too")
        if not re.fullmatch("0?[0-7]{3,4}", file["mode"]):
            module.fail_json(msg=f"{file['path']}: mode {file['mode']!r} is no octal number")


def _differs(file: dict[str, Any]) -> bool:
    path = Path(file["path"])
    if not path.is_file():
        return True
    status = path.stat()
    same_mode = status.st_mode & 0o7777 == int(file["mode"], 8)
    same_group = not file["group"] or _group_name(status.st_gid) == file["group"]
    return not (same_mode and same_group) or path.read_bytes() != _bytes(file)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""


def _bytes(file: dict[str, Any]) -> bytes:
    text: str = file["secret"] if file["content"] is None else file["content"]
    return text.encode()


def _stage(files: list[dict[str, Any]], staging: Path) -> None:
    for file in files:
        (staging / Path(file["path"]).name).write_bytes(_bytes(file))


def _run_checks(module: AnsibleModule, staging: str) -> None:
    for check in module.params["checks"]:
        command = [word.replace("%s", staging) for word in check]
        try:
            code, out, err = module.run_command(command, handle_exceptions=False)
        except OSError as error:
            code, out, err = 1, "", error.strerror or str(error)
        if code != 0:
            words = (err or out).replace(f"{staging}/", "").replace(staging, "them").strip()
            module.fail_json(
                msg=f"nothing was written: {check[0]} refuses the new files: {words}",
                command=check,
                rc=code,
            )


def _diff(file: dict[str, Any]) -> dict[str, str]:
    path = Path(file["path"])
    before = path.read_text(errors="replace") if path.is_file() else ""
    after = file["content"]
    if after is None:
        before, after = ("(a secret)\n" if before else ""), "(another secret)\n"
    return {
        "before_header": str(path),
        "after_header": str(path),
        "before": before,
        "after": after,
    }


def _put_all(module: AnsibleModule, files: list[dict[str, Any]]) -> None:
    for file in files:
        folder = Path(file["path"]).parent
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            module.fail_json(msg=f"nothing was written: {file['path']}: {error.strerror}")
    for file in files:
        _put(module, file)


def _put(module: AnsibleModule, file: dict[str, Any]) -> None:
    # Of a symbolic link, what it points to.
    path = str(Path(file["path"]).resolve())
    descriptor, name = tempfile.mkstemp(dir=module.tmpdir)
    with open(descriptor, "wb") as temporary:  # noqa: PTH123 - takes the descriptor over
        temporary.write(_bytes(file))
    mode = int(file["mode"], 8)
    usual = os.umask(0o777 & ~mode)  # a new file is not open to others for a moment
    try:
        module.atomic_move(name, path)
    finally:
        os.umask(usual)
    if file["group"]:
        module.set_group_if_different(path, file["group"], changed=False)
    module.set_mode_if_different(path, mode, changed=False)


if __name__ == "__main__":
    main()
