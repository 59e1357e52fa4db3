"""Where snapshots are kept: one description each, and each content once, by its digest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from ..postfix import atomic
from . import kept
from .snapshot import Snapshot, SnapshotError, State, parse

FOLDER = Path("/var/lib/mail-topology")


class Store:
    """The snapshots in one folder, which only root can read."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._snapshots = folder / "snapshots"
        self._objects = self._snapshots / "objects"

    def make(self, before: str, config_dir: str, state: State, paths: tuple[str, ...]) -> Snapshot:
        """Keep the present bytes of paths together with a state, on disk before it returns.

        Raises:
            OSError: it cannot be kept; nothing was left behind that counts as a snapshot.
        """
        self._objects.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._snapshots.chmod(0o700)
        found = kept.capture(paths, self._keep)
        snapshot = Snapshot(self._free_name(), before, config_dir, state, paths, found)
        atomic.put(self._file(snapshot.name), snapshot.render(), 0o600)
        return snapshot

    def load(self, name: str) -> Snapshot:
        """A snapshot by its name.

        Raises:
            SnapshotError: there is none, or it is broken.
        """
        try:
            return parse(self._file(name).read_bytes())
        except FileNotFoundError:
            names = ", ".join(self.names()) or "none at all"
            msg = f"there is no snapshot '{name}'; there is {names}"
            raise SnapshotError(msg) from None
        except SnapshotError as error:
            msg = f"{self._file(name)}: {error}"
            raise SnapshotError(msg) from error

    def names(self) -> list[str]:
        """The names of all snapshots, the oldest first."""
        return sorted(file.stem for file in self._snapshots.glob("*.json"))

    def linked(self) -> set[str]:
        """What the links of all snapshots point to: a way back needs it."""
        return self._contents(kept.LINK)

    def readable(self) -> Iterator[Snapshot]:
        """All snapshots that are not broken, the oldest first."""
        for name in self.names():
            with contextlib.suppress(SnapshotError):
                yield self.load(name)

    def content(self, digest: str) -> bytes:
        """The bytes with this digest.

        Raises:
            SnapshotError: they are gone, or not what they were.
        """
        file = self._objects / digest
        try:
            data = file.read_bytes()
        except OSError as error:
            msg = f"{file}: {error.strerror}"
            raise SnapshotError(msg) from error
        if kept.digest(data) != digest:
            msg = f"{file} is damaged"
            raise SnapshotError(msg)
        return data

    def remove(self, name: str) -> None:
        """Forget a snapshot."""
        self._file(name).unlink(missing_ok=True)
        self._collect()

    def prune(self, number: int, megabytes: int) -> list[str]:
        """Forget the oldest until no more than a number and a size are left; the newest stays.

        Returns:
            The names of those that went.
        """
        gone = []
        while len(names := self.names()) > 1 and (
            len(names) > number or self._size() > megabytes * 1_000_000
        ):
            self.remove(names[0])
            gone.append(names[0])
        return gone

    def _keep(self, data: bytes) -> str:
        name = kept.digest(data)
        if not (self._objects / name).exists():
            atomic.put(self._objects / name, data, 0o600)
        return name

    def _file(self, name: str) -> Path:
        return self._snapshots / f"{Path(name).name}.json"

    def _free_name(self) -> str:
        name = now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        number = 1
        while self._file(name).exists():
            number += 1
            name = f"{now}-{number}"
        return name

    def _size(self) -> int:
        return sum(file.stat().st_size for file in self._objects.iterdir())

    def _contents(self, kind: str) -> set[str]:
        return {one.content for each in self.readable() for one in each.kept if one.kind == kind}

    def _collect(self) -> None:
        """Remove the bytes that no snapshot has any more."""
        used = self._contents(kept.FILE)
        for file in self._objects.iterdir():
            if file.name not in used:
                file.unlink()
