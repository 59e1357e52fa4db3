"""A release of one of this project's programs is installed, and its configuration with it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..releases import environment
from ..releases.environment import UnusableError
from ..releases.program import Program
from .config_files import written
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
    if not (there or check):
        if params["sent"] is None:
            return {"changed": False, "python": environment.version(environment.python())}
        program.install(release, Path(params["sent"]), params["modules"])
    # A release that is not there yet, in check mode, cannot check anything.
    checks = params["checks"] if there or not check else []
    files = written(params["files"], checks, check=check)
    unlinked = program.unlinked(release)
    if not check:
        program.use(release)
    if not (there or check):
        program.forget([release, *([former] if former else []), *map(Path, params["kept"])])
    return {
        "changed": not there or bool(unlinked) or files["changed"],
        "release": str(former or ""),
        "linked": [str(link) for link in unlinked],
        "changed_files": files["changed_files"],
        "diff": [*_diff(program, former, release), *files["diff"]],
    }


def _diff(program: Program, former: Path | None, release: Path) -> list[dict[str, str]]:
    if former == release:
        return []
    names = {"before_header": str(program.current), "after_header": str(program.current)}
    return [{**names, "before": f"{former or 'no release'}\n", "after": f"{release}\n"}]
