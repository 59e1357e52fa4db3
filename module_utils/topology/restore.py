"""Brings a host back to a snapshot: after a failure, after a kill, or because somebody says so."""

from __future__ import annotations

import os
from pathlib import Path

from ..postfix import atomic
from ..postfix.errors import PostfixError
from ..postfix.master_cf import MasterDocument
from ..snapshots import kept
from ..snapshots.kept import Kept
from ..snapshots.snapshot import Snapshot, SnapshotError, Unit
from ..snapshots.store import Store
from . import fronts, journal, model, services, ways
from .fronts import Front
from .goal import Goal
from .hands import SETTLE_SECONDS, Hands
from .imss import provider_of
from .request import Outcome, Request
from .survey import Survey, SurveyError, filter_state

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
        drain_action="leave",
        watch_seconds=0,
        keep=None,
        provider=provider_of(snapshot.state.imss_home),
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
    goal = goal_of(snapshot, store)
    main_cf, files = _files(snapshot)
    # With a broken main.cf nothing of Postfix can be reloaded or started.
    to_read = replaced = _put_back(main_cf, store)
    # A filter that shall run needs its files first; one that shall go keeps them until it has gone.
    if goal.fronts:
        replaced = replaced + _put_back(files, store)
    now = request.look()
    if now.postfix.master_pid is None:
        # It may have died of the file that is there.
        atomic.replace(request.master_cf, goal.master_cf)
        services.revive_postfix(now)
    hands = Hands(request, request.look(), goal)
    if request.provider.wants_restart(hands.before):
        hands.restart_postfix()
    for name, step in ways.steps(hands):
        step()
        hands.outcome.steps.append(name)
    for front in hands.stale_fronts():
        hands.refresh_filter(front)
    if not goal.fronts:
        replaced = replaced + _put_back(files, store)
    if to_read:
        hands.reload_postfix(hands.in_place)
    hands.outcome.steps += [f"put {path} back" for path in replaced]
    _enable(snapshot)
    hands.outcome.after = _prove(snapshot, hands)
    return hands.outcome


def goal_of(snapshot: Snapshot, store: Store) -> Goal:
    """Where the way back to a snapshot ends.

    Raises:
        SnapshotError: the snapshot is not complete.
    """
    path = _real(snapshot, "master.cf")
    file = snapshot.file(path)
    if file is None:
        msg = f"snapshot {snapshot.name} has no {path}"
        raise SnapshotError(msg)
    ports, owners = snapshot.state.ports, snapshot.state.owners
    master_cf = store.content(file.content)
    postfix_on = {ports[name] for name, found in owners.items() if model.POSTFIX in found}
    after_proxy = model.Ports(**ports).after_proxy
    # An older release did not look whose that port was.
    if "after_proxy" not in owners and MasterDocument.parse(master_cf).listening_on(after_proxy):
        postfix_on.add(after_proxy)
    was_open = {
        front.topology
        for front, port in ((fronts.EDGE, "listen"), (fronts.INLINE, "proxy"))
        if model.FILTER in owners.get(port, [])
    }
    return Goal(master_cf, frozenset(postfix_on), frozenset(was_open))


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
    for front in provider_of(snapshot.state.imss_home).fronts:
        wanted = _unit(snapshot, front).enabled
        if filter_state(front).enabled != wanted:
            verb = "enable" if wanted else "disable"
            services.systemctl(verb, "--quiet", *front.units)


def _unit(snapshot: Snapshot, front: Front) -> Unit:
    """What a front's socket was like; a snapshot of an older release may not know of it."""
    return snapshot.state.units.get(front.socket_unit, Unit(False, False))


def _prove(snapshot: Snapshot, hands: Hands) -> Survey:
    request, then = hands.request, snapshot.state.owners
    ours = (model.POSTFIX, model.FILTER, model.REMNANT)

    def owners() -> dict[str, list[str]]:
        now = hands.before.glance()
        found = {name: now.owners(getattr(now.ports, name)) for name in then}
        # Whoever else has taken a port behind the first meanwhile takes no mail from anybody.
        return {
            name: each if name == "listen" else [one for one in each if one in ours]
            for name, each in found.items()
        }

    if not services.wait_until(lambda: owners() == dict(then), SETTLE_SECONDS):
        differing = [
            f"port {getattr(request.ports, name)} belongs to {found or 'nobody'}, before to "
            f"{then[name] or 'nobody'}"
            for name, found in owners().items()
            if found != then[name]
        ]
        raise RestoreError("; ".join(differing))
    return request.look()


def at_boot(snapshot: Snapshot, store: Store) -> None:
    """Put files and enabled units back before Postfix starts; nothing is started by hand.

    Units that shall go are turned off first, as systemd knows of them while it has their files.
    """
    found = provider_of(snapshot.state.imss_home).fronts
    for front in found:
        now, then = filter_state(front), _unit(snapshot, front)
        if now.enabled and not then.enabled:
            services.systemctl("disable", "--quiet", *front.units)
        if now.installed and not then.active:
            # Not waited for: this is a part of the boot that they wait for.
            services.systemctl("--no-block", "stop", *front.units)
    _put_back(list(snapshot.kept), store)
    _enable(snapshot)
    for front in found:
        if _unit(snapshot, front).active and filter_state(front).installed:
            services.systemctl("--no-block", "start", *front.units)
