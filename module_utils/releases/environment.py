"""A virtual environment (PEP 405) whose packages were put together elsewhere."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from pathlib import Path

DEFAULT_PYTHON = Path("/usr/bin/python3")


class UnusableError(Exception):
    """No environment can be made here, or what was made does not run."""


def python() -> Path:
    """The host's Python by its own name, which stays when an upgrade makes another one the default.

    Raises:
        UnusableError: There is none, or its name tells no version.
    """
    found = DEFAULT_PYTHON.resolve()
    if not found.is_file() or not re.fullmatch(r"python3\.\d+", found.name):
        raise UnusableError(
            f"{DEFAULT_PYTHON} leads to {found}, which is no Python 3: install package python3"
        )
    return found


def version(interpreter: Path) -> str:
    """Such as 3.11."""
    return interpreter.name.removeprefix("python")


def is_whole(folder: Path, command: str) -> bool:
    """Whether the command's Python is there, and every file that was installed, in its full size.

    That is what each package has in its RECORD (the PyPA's specification “Recording installed
    projects”). Running the command would take ten times as long and prove less.
    """
    interpreter = (folder / "bin/python").resolve()
    packages = folder / f"lib/{interpreter.name}/site-packages"
    programs = [folder / "bin" / command, interpreter]
    if not all(os.access(program, os.X_OK) for program in programs):
        return False
    records = list(packages.glob("*.dist-info/RECORD"))
    return bool(records) and all(_are_there(packages, record) for record in records)


def _are_there(packages: Path, record: Path) -> bool:
    for name, _, size in csv.reader(record.read_text().splitlines()):
        outside = name.startswith(("../", "bin/"))  # commands, of which we have our own alone
        try:
            if size and not outside and (packages / name).stat().st_size != int(size):
                return False
        except OSError:
            return False
    return True


def make(folder: Path, archive: Path, modules: list[str]) -> None:
    """Fill an empty folder, at the place where it is going to be used.

    Args:
        folder: The environment.
        archive: Its folders bin and lib, as ``scripts/wheelhouse`` packs them; ``-`` is what comes
            on standard input.
        modules: What its programs import when they serve. That it can be imported is proven, and
            Python keeps it compiled: a service without rights could not write that down.

    Raises:
        UnusableError: The archive cannot be unpacked, or what was in it does not run.
        OSError: There is no room, for instance.
    """
    interpreter = python()
    _run("tar", "-xzf", str(archive), "-C", str(folder), "--no-same-owner")
    for program in (folder / "bin").iterdir():
        _, _, rest = program.read_bytes().partition(b"\n")
        program.write_bytes(f"#!{folder}/bin/python\n".encode() + rest)
    (folder / "bin/python").symlink_to(interpreter)
    (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\n")
    imports = "".join(f"import {module}\n" for module in modules)
    # Isolated from the play's environment, where PYTHONPATH or PYTHONDONTWRITEBYTECODE may be set.
    _run(str(folder / "bin/python"), "-I", "-c", imports)


def _run(*words: str) -> None:
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip() or f"it ended with {done.returncode}").splitlines()[-1]
        raise UnusableError(f"{words[0]}: {last}")
