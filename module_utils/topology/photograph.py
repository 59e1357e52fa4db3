"""Takes a snapshot of a host, and compares the host with one."""

from __future__ import annotations

from dataclasses import asdict

from ..snapshots import kept
from ..snapshots.snapshot import Snapshot, State, Unit
from ..snapshots.store import Store
from . import record
from .diagnosis import lines, port_table, seen_topology
from .request import Request
from .survey import Survey, run

MOVING = ("listen", "smtp", "proxy", "after_proxy")  # the ports whose owner a move changes
PACKAGES = ("postfix", "amavisd-new", "spamassassin", "clamav-daemon", "python3")


def paths(request: Request, further: tuple[str, ...]) -> tuple[str, ...]:
    """What to keep: what every move may change, and files, links and folders beside it."""
    own = [str(request.config_dir / name) for name in ("main.cf", "master.cf")]
    return tuple(sorted({*own, str(record.FILE), *further}))


def take(store: Store, request: Request, survey: Survey, kept_paths: tuple[str, ...]) -> Snapshot:
    """Keep the host as it is now, before a move."""
    return store.make(request.topology, str(request.config_dir), state(survey), kept_paths)


def state(survey: Survey) -> State:
    """What runs and listens now."""
    topology = seen_topology(survey)
    return State(
        topology=topology,
        ports=asdict(survey.ports),
        owners=_owners(survey),
        listeners=tuple(lines(port_table(survey, topology))),
        units=_units(survey),
        packages=_packages(),
        imss_home=survey.provider.home,
    )


def is_of(snapshot: Snapshot, survey: Survey) -> bool:
    """Whether the host is as the snapshot has it."""
    now, then = (_owners(survey), _units(survey)), (snapshot.state.owners, snapshot.state.units)
    return now == then and kept.capture(snapshot.paths, kept.digest) == snapshot.kept


def _owners(survey: Survey) -> dict[str, list[str]]:
    return {name: survey.owners(getattr(survey.ports, name)) for name in MOVING}


def _units(survey: Survey) -> dict[str, Unit]:
    found = {}
    for front in survey.provider.fronts:
        state = survey.front(front)
        found[front.socket_unit] = Unit(state.socket_active, state.enabled)
        found[front.service_unit] = Unit(state.service_active, state.enabled)
    return found


def _packages() -> dict[str, str]:
    try:
        result = run(["dpkg-query", "--show", "--showformat=${Package} ${Version}\n", *PACKAGES])
    except FileNotFoundError:  # not Debian
        return {}
    rows = (line.split(" ", 1) for line in result.stdout.splitlines())
    return {name: version for name, version in rows if version}
