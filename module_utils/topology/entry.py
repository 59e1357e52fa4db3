"""Where the command `mail-topology` begins.

The guard of each move is this command too. Almost always it has nothing to do in the end but to go;
all the code that could take the move back would be compiled for that, as it comes from a zip file.
"""

from __future__ import annotations

import sys

from . import journal


def main() -> None:
    """Run the command, but for a guard that is not needed."""
    if sys.argv[1:] == ["recover"]:
        with journal.abandoned() as move:
            pass
        if move is None:
            return
    from .command import main as command  # noqa: PLC0415

    command()
