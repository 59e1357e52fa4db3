"""Brings a host back to a snapshot: after a failure, after a kill, or because somebody says so."""

from __future__ import annotations

import os
from pathlib import Path

from ..postfix import atomic
from ..postfix.errors import PostfixError
from ..snapshots import kept
from ..snapshots.kept import Kept
from ..snapshots.snapshot import Snapshot, SnapshotError
from ..snapshots.store import Store
from . import filter_status, journal, model, services, ways
from .goal import Goal
from .hands import SETTLE_SECONDS, Hands
from .request import Outcome, Request
from .survey import SERVICE_UNIT, SOCKET_UNIT, Survey, SurveyError, filter_state, take

UNIT_FOLDER = "/etc/systemd/"
DRAIN_SECONDS = 20.0  # nobody looks on: the host must be back within a minute


class RestoreError(Exception):
    """The host could not be brought back; the text says what stands in the way."""


def recover(move: journal.Move, store: Store) -> None:
    """Take back a move that nobody works on any more. The caller holds the lock.

    Raises:
        RestoreError: the host is still between two topologies.
    """
    if move.stage == journal.MOVING:
        try:
            snapshot = store.load(move.snapshot)
            restore(snapshot, request_for(snapshot), store)
        except (RestoreError, SnapshotError) as error:
            msg = (
                f"a move to {move.topology} was interrupted and cannot be taken back: {error}. To "
                f"go on from the host as it is, remove {journal.FILE}"
            )
            raise RestoreError(msg) from error
        journal.close()


def request_for(snapshot: Snapshot, drain_seconds: float = DRAIN_SECONDS) -> Request:
    """The move that leads back to a snapshot."""
    return Request(
        topology=snapshot.state.topology,
        config_dir=Path(snapshot.config_dir),
        ports=model.Ports(**snapshot.state.ports),
        smtp_address="127.0.0.1",
        options={},
        drain_seconds=drain_seconds,
        watch_seconds=0,
        keep=None,
    )


def restore(snapshot: Snapshot, request: Request, store: Store) -> Outcome:
    """Make the host what the snapshot says, by the way on which nobody is refused.

    Raises:
        RestoreError: what could not be put back, and why.
    """
    try:
        return _restore(snapshot, request, store)
    except (services.ServiceError, SnapshotError, SurveyError, PostfixError, OSError) as error:
        raise RestoreError(str(error)) from error


def _restore(snapshot: Snapshot, request: Request, store: Store) -> Outcome:
    goal = _goal(snapshot, store)
    main_cf, files = _files(snapshot)
    # With a broken main.cf nothing of Postfix can be reloaded or started.
    to_read = replaced = _put_back(main_cf, store)
    # A filter that shall run needs its files first; one that shall go keeps them until it has gone.
    if goal.filter_on:
        replaced = replaced + _put_back(files, store)
    now = take(request.config_dir, request.ports)
    if now.postfix.master_pid is None:
        # It may have died of the file that is there.
        atomic.replace(request.master_cf, goal.master_cf)
        services.revive_postfix(now)
    hands = Hands(request, take(request.config_dir, request.ports), goal)
    for name, step in ways.steps(hands):
        step()
        hands.outcome.steps.append(name)
    unit = hands.before.filter
    if goal.filter_on and unit.running and unit.needs != filter_status.FRESH:
        hands.refresh_filter()
    if not goal.filter_on:
        replaced = replaced + _put_back(files, store)
    if to_read:
        hands.reload_postfix(hands.in_place)
    hands.outcome.steps += [f"put {path} back" for path in replaced]
    _enable(snapshot)
    hands.outcome.after = _prove(snapshot, hands)
    return hands.outcome


def _goal(snapshot: Snapshot, store: Store) -> Goal:
    path = _real(snapshot, "master.cf")
    file = snapshot.file(path)
    if file is None:
        msg = f"snapshot {snapshot.name} has no {path}"
        raise SnapshotError(msg)
    ports, owners = snapshot.state.ports, snapshot.state.owners
    postfix_on = {ports[name] for name, found in owners.items() if model.POSTFIX in found}
    filter_on = model.FILTER in owners["listen"]
    return Goal(store.content(file.content), frozenset(postfix_on), filter_on)


def _files(snapshot: Snapshot) -> tuple[list[Kept], list[Kept]]:
    """main.cf, with the file that it may be a link to; and all others but master.cf."""
    found = [one for one in snapshot.kept if one.path != _real(snapshot, "master.cf")]
    places = (str(Path(snapshot.config_dir) / "main.cf"), _real(snapshot, "main.cf"))
    main_cf = [one for one in found if one.path in places]
    return main_cf, [one for one in found if one not in main_cf]


def _real(snapshot: Snapshot, name: str) -> str:
    return os.path.realpath(Path(snapshot.config_dir) / name)


def _put_back(files: list[Kept], store: Store) -> list[str]:
    changed = kept.put_back(files, store.content)
    if any(path.startswith(UNIT_FOLDER) for path in changed):
        services.systemctl("daemon-reload")
    return changed


def _enable(snapshot: Snapshot) -> None:
    wanted = snapshot.state.units[SOCKET_UNIT].enabled
    if filter_state().enabled != wanted:
        verb = "enable" if wanted else "disable"
        services.systemctl(verb, "--quiet", SOCKET_UNIT, SERVICE_UNIT)


def _prove(snapshot: Snapshot, hands: Hands) -> Survey:
    request, then = hands.request, snapshot.state.owners
    ours = (model.POSTFIX, model.FILTER, model.REMNANT)

    def owners() -> dict[str, list[str]]:
        now = hands.before.glance()
        # Whoever else has taken the port behind the filter meanwhile takes no mail from anybody.
        behind = [one for one in now.owners(now.ports.smtp) if one in ours]
        return {"listen": now.owners(now.ports.listen), "smtp": behind}

    if not services.wait_until(lambda: owners() == dict(then), SETTLE_SECONDS):
        differing = [
            f"port {getattr(request.ports, name)} belongs to {found or 'nobody'}, before to "
            f"{then[name] or 'nobody'}"
            for name, found in owners().items()
            if found != then[name]
        ]
        raise RestoreError("; ".join(differing))
    return take(request.config_dir, request.ports)


def at_boot(snapshot: Snapshot, store: Store) -> None:
    """Put files and enabled units back before Postfix starts; nothing is started by hand."""
    _put_back(list(snapshot.kept), store)
    _enable(snapshot)
    verb = "start" if snapshot.state.units[SOCKET_UNIT].active else "stop"
    # Not waited for: this is a part of the boot that they wait for.
    services.systemctl("--no-block", verb, SOCKET_UNIT, SERVICE_UNIT)
