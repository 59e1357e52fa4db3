"""A program of which several releases may be on a host, one of them in use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import environment

COMMANDS = Path("/usr/local/bin")


@dataclass(frozen=True)
class Program:
    """Where it is.

    Attributes:
        home: Its folder. Releases are in ``releases``, and ``current`` leads to the one in use.
        command: What is called, in each release's ``bin``.
        commands: The folder on the path that has a link to it.
    """

    home: Path
    command: str
    commands: Path = COMMANDS

    @property
    def current(self) -> Path:
        """The link to the release in use."""
        return self.home / "current"

    def in_use(self) -> Path | None:
        """The release in use; one of which a part is missing is none."""
        release = Path(os.path.realpath(self.current))
        return release if environment.is_whole(release, self.command) else None

    def unlinked(self, release: Path) -> list[Path]:
        """The links that do not lead where they must for this release to be the one in use."""
        return [link for link, target in self._links(release).items() if _target(link) != target]

    def install(self, release: Path, archive: Path, modules: list[str]) -> None:
        """Put a release beside the others; see ``environment.make``. Nobody uses it yet.

        Raises:
            UnusableError: It does not run on this host.
            OSError: It cannot be written.
        """
        if environment.is_whole(release, self.command):
            return
        shutil.rmtree(release, ignore_errors=True)
        release.mkdir(mode=0o755, parents=True)
        try:
            environment.make(release, archive, modules)
        except BaseException:
            shutil.rmtree(release, ignore_errors=True)
            raise

    def use(self, release: Path) -> None:
        """Have both links lead to a release; no moment passes without them.

        Raises:
            OSError: They cannot be made.
        """
        for link in self.unlinked(release):
            new = link.with_name(f".{link.name}.new")
            new.unlink(missing_ok=True)
            new.symlink_to(self._links(release)[link])
            new.replace(link)

    def forget(self, kept: Iterable[Path]) -> None:
        """Take away all releases but these."""
        for release in set((self.home / "releases").glob("*")) - set(kept):
            shutil.rmtree(release)

    def _links(self, release: Path) -> dict[Path, Path]:
        command = self.current / "bin" / self.command
        return {self.current: release, self.commands / self.command: command}


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None
