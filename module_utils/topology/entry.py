"""Where the command `mail-topology` begins.

The guard of each move is this command too. Almost always it has nothing to do in the end but to go;
all the code that could take the move back would be compiled for that, as it comes from a zip file.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from ..postfix import atomic
from . import journal


def main() -> None:
    """Run the command, but for a guard that is not needed."""
    if sys.argv[1:] == ["recover"] and not _is_left_unfinished():
        return
    from .command import main as command  # noqa: PLC0415

    command()


def _is_left_unfinished() -> bool:
    """Whether a move is, when nobody moves the host any more."""
    move = journal.read()
    if move is None:
        return False
    with atomic.lock(Path(move.config_dir) / "master.cf", math.inf):
        move = journal.read()
        return move is not None and move.stage == journal.MOVING
