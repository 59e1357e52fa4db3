"""Runs modules as Ansible runs them on a host, without a connection."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]

RUNNER = """
import runpy, sys
import ansible.module_utils
from ansible.module_utils import basic
ansible.module_utils.__path__.append(sys.argv[1] + "/module_utils")
basic._ANSIBLE_ARGS = sys.stdin.buffer.read()
basic._ANSIBLE_PROFILE = "legacy"
if len(sys.argv) > 3:
    sys.path.insert(0, sys.argv[1] + "/tests/topology")
    import pathlib, places
    places.lead_into(pathlib.Path(sys.argv[3]), setattr, "ansible.module_utils")
runpy.run_path(sys.argv[1] + "/library/" + sys.argv[2], run_name="__main__")
"""


def run(
    module: str, arguments: dict[str, Any], place: Path | None = None, **flags: bool
) -> dict[str, Any]:
    """What a module returns; all that it keeps on a host is led into the folder `place`."""
    internal = {f"_ansible_{name}": value for name, value in flags.items()}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(ROOT), f"{module}.py", *([str(place)] if place else [])],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, **internal}}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    json.dumps(said, ensure_ascii=False).encode()  # Ansible refuses what is no UTF-8
    return said


@pytest.fixture
def postconf(config_dir: Path) -> Callable[..., dict[str, Any]]:
    def call(*, check_mode: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments.setdefault("config_dir", str(config_dir))
        return run("postconf", arguments, check_mode=check_mode, diff=diff)

    return call


@pytest.fixture
def postfix_master(config_dir: Path) -> Callable[..., dict[str, Any]]:
    def call(*, check_mode: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments.setdefault("config_dir", str(config_dir))
        return run("postfix_master", arguments, check_mode=check_mode, diff=diff)

    return call


@pytest.fixture
def import_environment(config_dir: Path) -> Callable[..., dict[str, Any]]:
    def call(*, check_mode: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        arguments.setdefault("config_dir", str(config_dir))
        return run("postfix_import_environment", arguments, check_mode=check_mode, diff=diff)

    return call
