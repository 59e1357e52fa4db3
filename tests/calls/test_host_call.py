"""What an action has a host do: the same as the module does where Ansible sends it itself."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WAYS = {"direct": "True", "sent by Ansible": "False"}  # ANSIBLE_PIPELINING
MEGABYTE = 1 << 20


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return WAYS[request.param]


def ask(way: str, module: str, arguments: dict[str, Any], *more: str) -> dict[str, Any]:
    """What a module says of this machine, asked by Ansible."""
    here = ["-i", "localhost,", "-c", "local", "localhost", "-vvv", "-m", module]
    settings = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_PIPELINING": way,
        "ANSIBLE_NOCOLOR": "1",
    }
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible"), *here, "-a", json.dumps(arguments), *more],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"(?ms)^localhost \| (\w+)!? => (.*)", done.stdout)
    assert said, done.stdout + done.stderr
    found: dict[str, Any] = json.JSONDecoder().raw_decode(said[2])[0]
    return {**found, "failed": said[1] == "FAILED"}


def was_direct(found: dict[str, Any]) -> bool:
    """A module of Ansible's tells its parameters."""
    return "invocation" not in found


def test_both_ways_do_the_same(tmp_path: Path, way: str) -> None:
    file = tmp_path / "etc/one.conf"
    wanted = {"files": [{"path": str(file), "content": "ü\n", "mode": "0640"}]}
    foretold = ask(way, "config_files", wanted, "--check")
    assert foretold["changed"]
    assert not file.exists()
    first = ask(way, "config_files", wanted)
    assert (first["changed"], first["changed_files"]) == (True, [str(file)])
    assert was_direct(first) == (way == "True")
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("ü\n", 0o640)
    again = ask(way, "config_files", wanted)
    assert (again["changed"], again["changed_files"]) == (False, [])


def test_a_reason_is_told_both_ways(tmp_path: Path, way: str) -> None:
    file = tmp_path / "one.conf"
    files = [{"path": str(file), "content": "1\n"}]
    refusal = ["sh", "-c", "echo 'no port' >&2; exit 3"]
    found = ask(way, "config_files", {"files": files, "checks": [refusal]})
    assert found["msg"] == "nothing was written: sh refuses the new files: no port"
    assert (found["failed"], found["rc"]) == (True, 3)
    assert not file.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"files": [], "chekcs": []}, "chekcs"),
        ({}, "files"),
        ({"files": [{"path": "/nowhere/one.conf"}]}, "content, secret"),
    ],
)
def test_wrong_parameters_are_named_both_ways(
    way: str, arguments: dict[str, Any], word: str
) -> None:
    found = ask(way, "config_files", arguments)
    assert found["failed"]
    assert word in found["msg"]


def test_a_play_in_the_background_is_sent_by_ansible(tmp_path: Path) -> None:
    files = [{"path": str(tmp_path / "one.conf"), "content": "1\n"}]
    found = ask("True", "config_files", {"files": files}, "-B", "60", "-P", "1")
    assert found["changed"], found
    assert (tmp_path / "one.conf").exists()


def test_a_host_that_cannot_take_what_is_sent_says_why(tmp_path: Path, way: str) -> None:
    """The rest of it is not in the way of the answer."""
    (tmp_path / "home").write_text("a file\n")
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as parts:
        part = tarfile.TarInfo(f"{_hosts_python()}.tar.gz")
        part.size = 4 * MEGABYTE
        parts.addfile(part, io.BytesIO(os.urandom(part.size)))
    wanted = {"home": str(tmp_path / "home"), "dir": str(tmp_path / "home/releases/1")}
    found = ask(way, "wheel_release", {**wanted, "archive": str(archive), "command": "program"})
    assert "unreachable" not in found
    assert f"{tmp_path}/home/releases/1: not installed: " in found["msg"]


def _hosts_python() -> str:
    return Path("/usr/bin/python3").resolve().name.removeprefix("python")


# The code that is sent


@pytest.fixture(scope="module")
def host_call() -> ModuleType:
    spec = importlib.util.spec_from_file_location("host_call", ROOT / "action_plugins/host_call.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answered(
    host_call: ModuleType, code: bytes, folder: Path, missing: int = 0
) -> subprocess.CompletedProcess[bytes]:
    """What a host's Python makes of an order to write a file, of which some bytes are missing."""
    file = {"path": str(folder / "one"), "content": "1", "secret": None, "mode": "600", "group": ""}
    order = {"name": "config_files", "params": {"files": [file], "checks": []}, "check": False}
    data = json.dumps(order).encode()
    sizes = [str(len(data)), str(len(code) + missing)]
    return subprocess.run(
        [sys.executable, "-I", "-c", host_call.REMOTE, *sizes],
        input=data + code,
        check=False,
        capture_output=True,
    )


def changed(code: bytes, change: Any) -> bytes:
    """The packed code with other contents; what becomes of a file is said by its name and data."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(code)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return buffer.getvalue()


def test_what_is_compiled_is_used_and_the_source_where_it_is_another_pythons(
    host_call: ModuleType, tmp_path: Path
) -> None:
    def no_source(name: str, data: bytes) -> bytes:
        return b"not Python" if name.endswith(".py") else data

    def other_python(name: str, data: bytes) -> bytes:
        return b"\0\0\r\n" + data[4:] if name.endswith(".pyc") else data

    for change in (no_source, other_python):
        done = answered(host_call, changed(host_call.CODE, change), tmp_path)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["changed"]
        (tmp_path / "one").unlink()


def test_what_is_cut_short_does_nothing(host_call: ModuleType, tmp_path: Path) -> None:
    done = answered(host_call, host_call.CODE, tmp_path, missing=1)
    assert (done.returncode, done.stderr) == (1, b"cut short\n")
    assert not list(tmp_path.iterdir())


def test_all_that_is_named_is_packed(host_call: ModuleType) -> None:
    with zipfile.ZipFile(io.BytesIO(host_call.CODE)) as code:
        names = set(code.namelist())
    for name in host_call.OPTIONS:
        assert f"{host_call.NAME}/calls/{name}.py" in names
        assert f"{host_call.NAME}/calls/{name}.pyc" in names
        assert (ROOT / f"library/{name}.py").exists()
        assert (ROOT / f"action_plugins/{name}.py").exists()
