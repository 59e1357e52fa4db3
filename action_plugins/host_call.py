"""Has a host do what a module of this project does, without Ansible's own library for modules.

With each module Ansible sends more than fifty files of its own, which the host's Python compiles
anew in each call; on a fleet that is more work than most modules do. What ours do needs nothing of
it (`module_utils/calls`): parameters are checked here, by the same specs, and the code is sent as
it is, with what Python has compiled of it. A host whose Python is of another version compiles it.

Where that cannot be, the module itself is sent in Ansible's way and does the same: without
pipelining, in the background (`async`), for another host (`delegate_to`), or where Ansible has to
look for the host's Python first.
"""

from __future__ import annotations

import importlib.util
import io
import json
import marshal
import shlex
import sys
import zipfile
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.constants import config
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.json import Direction, get_module_encoder
from ansible.plugins.action import ActionBase

SOURCE = Path(__file__).resolve().parent.parent / "module_utils"
PACKAGES = ("calls", "health", "postfix", "releases", "snapshots", "topology")
NAME = "sender_filter_modules"  # of the package, here and on the host
PROFILE = "legacy"  # how Ansible writes what it exchanges with modules that are in no collection
LONG_AGO = (1980, 1, 1, 0, 0, 0)
UNCHECKED_HASH = 0b01  # PEP 552: what was compiled is valid, whenever the source was written

# What the host's Python is started with: the sizes of the order and of the code, which come on its
# standard input. What comes after them is the call's, and read to its end, for a sender that
# cannot send is told nothing else.
REMOTE = f"""
import json, os, sys
def take(size):
    data = bytearray()
    while len(data) < size: data += os.read(0, size - len(data)) or sys.exit("cut short")
    return bytes(data)
order, code = json.loads(take(int(sys.argv[1]))), os.memfd_create("code")
with open(code, "wb", closefd=False) as file: file.write(take(int(sys.argv[2])))
sys.path.insert(0, f"/proc/self/fd/{{code}}")
from {NAME}.calls.answer import answer
try: print(json.dumps(answer(**order)))
finally:
    while os.read(0, 1 << 16): pass
"""


def pack() -> bytes:
    """The code, as a zip file that Python imports from: sources, and what is compiled of them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in [SOURCE / "__init__.py", *_sources()]:
            name = f"{NAME}/{path.relative_to(SOURCE)}"
            archive.writestr(_file(name), path.read_bytes())
            archive.writestr(_file(f"{name}c"), _compiled(path))
    return buffer.getvalue()


def _sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((SOURCE / package).glob("*.py"))]


def _file(name: str) -> zipfile.ZipInfo:
    file = zipfile.ZipInfo(name, LONG_AGO)
    file.compress_type = zipfile.ZIP_DEFLATED
    return file


def _compiled(path: Path) -> bytes:
    code = SourceFileLoader(path.stem, str(path)).get_code(path.stem)
    source = importlib.util.source_hash(path.read_bytes())
    head = importlib.util.MAGIC_NUMBER + UNCHECKED_HASH.to_bytes(4, "little")
    return head + source + marshal.dumps(code)


def _options() -> Any:
    """The modules' argument specs; their package belongs to no path that Ansible imports from."""
    if NAME not in sys.modules:
        package = ModuleType(NAME)
        package.__path__ = [str(SOURCE)]
        sys.modules[NAME] = package
    return importlib.import_module(f"{NAME}.calls.options").OF_MODULE


# Once for a play: Ansible loads this before it makes a process for each host.
CODE, OPTIONS = pack(), _options()


class ActionModule(ActionBase):  # type: ignore[misc]
    """The action of each module that has its work in `module_utils/calls`."""

    _supports_async = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Check the parameters, and have the host do it."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if not self.is_direct(task_vars or {}):
            wrap = self._task.async_val
            return {**result, **self._execute_module(task_vars=task_vars, wrap_async=wrap)}
        return {**result, **self.call(task_vars or {}, self._task.args)}

    def is_direct(self, task_vars: dict[str, Any]) -> bool:
        """Whether the host can be told without the module."""
        return (
            not self._task.async_val
            and not self._task.delegate_to
            and self._is_pipelining_enabled("new")
            and self._interpreter(task_vars).startswith("/")
        )

    def call(
        self, task_vars: dict[str, Any], arguments: dict[str, Any], attached: bytes = b""
    ) -> dict[str, Any]:
        """What the host says.

        Args:
            task_vars: the variables of the task.
            arguments: the module's parameters, not checked yet.
            attached: what the call finds on its standard input.

        Raises:
            AnsibleActionFail: the parameters are not what the module takes.
        """
        name = self._task.action.rpartition(".")[2]
        checked = ArgumentSpecValidator(OPTIONS[name]).validate(arguments)
        if checked.error_messages:
            raise AnsibleActionFail("; ".join(checked.error_messages))
        order = json.dumps(
            {
                "name": name,
                "params": checked.validated_parameters,
                "check": bool(self._task.check_mode),
            },
            cls=get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE),
        ).encode()
        words = [self._interpreter(task_vars), "-I", "-c", REMOTE, str(len(order)), str(len(CODE))]
        command = f"{self._compute_environment_string()} {shlex.join(words)}".strip()
        done = self._low_level_execute_command(command, in_data=order + CODE + attached)
        said: dict[str, Any] = self._parse_returned_data(done, PROFILE)
        return said

    def _interpreter(self, task_vars: dict[str, Any]) -> str:
        wanted = config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)
        return str(self._templar.template(wanted))
