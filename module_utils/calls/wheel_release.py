"""A release of one of this project's programs is installed out of its archive."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..releases import environment
from ..releases.environment import UnusableError
from ..releases.program import Program
from .failure import CallError


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Install it, or say what that takes."""
    os.umask(0o022)  # everybody may read what is installed here
    try:
        return _install(params, check=check)
    except (UnusableError, OSError) as error:
        msg = f"{params['dir']}: not installed: {error}"
        raise CallError(msg) from error


def _install(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    program = Program(Path(params["home"]), params["command"])
    release, former = Path(params["dir"]), program.in_use()
    there = former == release or environment.is_whole(release, params["command"])
    unlinked = program.unlinked(release)
    result: dict[str, Any] = {
        "changed": not there or bool(unlinked),
        "release": str(former or ""),
        "linked": [str(link) for link in unlinked],
        "diff": {"before": f"{former or 'no release'}\n", "after": f"{release}\n"},
    }
    if check:
        return result
    if not there and params["sent"] is None:
        return {**result, "changed": False, "python": environment.version(environment.python())}
    if not there:
        program.install(release, Path(params["sent"]), params["modules"])
    program.use(release)
    if not there:
        program.forget([release, *([former] if former else []), *map(Path, params["kept"])])
    return result
