"""Postfix's programs, which the path of a user who became root by su(1) does not lead to."""

from __future__ import annotations

import os
import shutil

from .errors import InvalidConfig

_SBIN = ":/usr/sbin:/usr/local/sbin:/sbin"


def environment() -> dict[str, str]:
    """What to start a program with: its folder is on the path whoever has become root."""
    return {**os.environ, "PATH": os.environ.get("PATH", "") + _SBIN}


def find_program(name: str) -> str:
    """Return the path of a command of Postfix.

    Raises:
        InvalidConfig: it is not installed.
    """
    path = shutil.which(name, path=environment()["PATH"])
    if path is None:
        msg = f"there is no program '{name}' on this host; install Postfix"
        raise InvalidConfig(msg)
    return path
