"""A host as it was at one moment: its files, and what ran and listened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from .kept import Kept

FORMAT = 1


class SnapshotError(Exception):
    """There is no such snapshot, or it cannot be read; the text says which and what to do."""


@dataclass(frozen=True)
class Unit:
    """A systemd unit: whether it runs, and whether it starts at boot."""

    active: bool
    enabled: bool


@dataclass(frozen=True)
class State:
    """What ran, without the files.

    Attributes:
        topology: the topology that the owners of the ports made up.
        ports: the port numbers of the path, by their meaning.
        owners: who had the ports `listen` and `smtp`.
        listeners: every listener on the path, as text.
        units: the units that a move starts and stops.
        packages: the installed version of each package on the path; they are told, not restored.
        imss_home: where the vendor's product was, whose program the filter was; empty if it was
            this project's.
    """

    topology: str
    ports: Mapping[str, int]
    owners: Mapping[str, list[str]]
    listeners: tuple[str, ...]
    units: Mapping[str, Unit]
    packages: Mapping[str, str]
    imss_home: str = ""


@dataclass(frozen=True)
class Snapshot:
    """One snapshot.

    Attributes:
        name: UTC, as 20261124T053300Z; a number follows where that is taken.
        before: what the move that it was made for was to.
        config_dir: Postfix's configuration directory.
    """

    name: str
    before: str
    config_dir: str
    state: State
    paths: tuple[str, ...]
    kept: tuple[Kept, ...]

    def file(self, path: str) -> Kept | None:
        """What a path was, None if it was not looked at."""
        return next((one for one in self.kept if one.path == path), None)

    def render(self) -> bytes:
        """The snapshot as JSON, without the files' bytes."""
        data = {"format": FORMAT, **asdict(self)}
        return json.dumps(data, indent=1, sort_keys=True).encode() + b"\n"


def parse(data: bytes) -> Snapshot:
    """A snapshot from its JSON.

    Raises:
        SnapshotError: it is of another format, or broken.
    """
    try:
        raw = json.loads(data)
        if raw.pop("format") != FORMAT:
            msg = "made by another version of this program"
            raise SnapshotError(msg)
        state = raw.pop("state")
        units = {name: Unit(**unit) for name, unit in state.pop("units").items()}
        listeners = tuple(state.pop("listeners"))
        kept = tuple(Kept(**one) for one in raw.pop("kept"))
        paths = tuple(raw.pop("paths"))
        whole = State(**state, units=units, listeners=listeners)
        return Snapshot(**raw, state=whole, paths=paths, kept=kept)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"broken: {error!r}"
        raise SnapshotError(msg) from error
