"""Moves one host to a topology and proves it, or leaves it as it was.

Everything that can fail is tried first (`preflight`, a staged copy of the configuration), and the
host is kept as it is (`photograph`). After the first change any failure brings that back
(`restore`); when this process itself is ended, another one does it (`guard`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from ..postfix import staging
from ..postfix.errors import PostfixError
from ..snapshots.snapshot import Snapshot, SnapshotError
from ..snapshots.store import Store
from . import fronts, goal, guard, handed_over, journal, photograph, probe, ways
from .diagnosis import differences, seen_topology
from .forecast import foreseen
from .hands import Hands, Step
from .preflight import obstacles
from .request import Outcome, Request
from .restore import RestoreError, goal_of, recover, request_for, restore
from .services import ServiceError
from .sockets import reachable
from .survey import Survey

LOCK_SECONDS = 60.0
LAST = "last"


class SwitchError(Exception):
    """The host is not in the wanted topology; the text says where it is, and why."""


def begin(request: Request, *, repair: bool = False, check: bool = False) -> tuple[str, Survey]:
    """See whether the way is free, and keep the host as it is before a play changes anything.

    Args:
        request: the move that is to come.
        repair: only keep the host; what stands in the way is what the play is to mend.
        check: look only.

    Returns:
        The name of the snapshot, for the move's `Request.begun`, empty with `check`; and what is on
        the host.

    Raises:
        SwitchError: the way is not free, or the host cannot be kept.
    """
    with alone(request.config_dir, check=check, repair=repair) as store:
        survey = request.look()
        _refuse([] if repair else obstacles(survey, request.topology))
        if check:
            return "", survey
        return _keep(store, request, survey, request.paths, _former(store)).name, survey


def _keep(
    store: Store,
    request: Request,
    survey: Survey,
    paths: tuple[str, ...],
    former: Snapshot | None = None,
) -> Snapshot:
    """A former snapshot, if nothing has changed since, or a new one."""
    everything = photograph.paths(request, paths)
    try:
        if former and former.paths == everything and photograph.is_of(former, survey):
            snapshot = former
        else:
            snapshot = photograph.take(store, request, survey, everything)
        _note(snapshot, request.topology, journal.BEGUN)
    except OSError as error:
        _refuse([f"the host cannot be kept as it is: {error}; make room in {journal.FILE.parent}"])
    return snapshot


def _former(store: Store) -> Snapshot | None:
    """The snapshot of a play that came no further, if it can still be read."""
    move = journal.read()
    with suppress(SnapshotError):
        return store.load(move.snapshot) if move else None
    return None


def switch(request: Request, *, check: bool = False) -> Outcome:
    """Bring the host to the wanted topology.

    Raises:
        SwitchError: it is not there; what it is instead is in the text.
    """
    with alone(request.config_dir, check=check) as store:
        before = request.look()
        before = foreseen(before, request.pending) if check else before
        wanted = _try_first(request, before, check=check)
        end = goal.of_topology(request.topology, request.ports, wanted)
        hands = Hands(request, before, end)
        steps = _steps(hands)
        if check:
            hands.outcome.steps = [name for name, _ in steps]
            return hands.outcome
        if not steps:
            hands.outcome.after = _prove_unchanged(request)
            _close(store, request, request.begun, hands.outcome.after)
            return hands.outcome
        snapshot = snapshot_for(store, request, before)
        answers = _answers(before)

        def move() -> Outcome:
            _take_steps(hands, steps)
            hands.outcome.after = _prove(request, answers)
            hands.count_refused()
            return hands.outcome

        return _transaction(store, request, snapshot, move)


def rollback(config_dir: Path, name: str = LAST, *, check: bool = False) -> tuple[str, Outcome]:
    """Bring the host back to a snapshot, and prove it.

    Args:
        config_dir: Postfix's configuration directory.
        name: a snapshot, or LAST for the newest that is not what the host is now.
        check: look only.

    Returns:
        The snapshot's name, and what was done.

    Raises:
        SwitchError: the host is not there; what it is instead is in the text.
    """
    with alone(config_dir, check=check) as store:
        try:
            target = _choose(store, name)
        except SnapshotError as error:
            _refuse([str(error)])
        _refuse(_elsewhere(target, config_dir))
        request = request_for(target, drain_seconds=60.0)
        before = request.look()
        if check or photograph.is_of(target, before):
            outcome = Outcome(before, before, goal_of(target, store).master_cf)
            outcome.steps = [] if not check or photograph.is_of(target, before) else ["go back"]
            return target.name, outcome
        here = _keep(store, request, before, target.paths)
        return target.name, _transaction(
            store, request, here, lambda: restore(target, request, store)
        )


def _choose(store: Store, name: str) -> Snapshot:
    if name != LAST:
        return store.load(name)
    names = store.names()
    for one in reversed(names):
        snapshot = store.load(one)
        if not photograph.is_of(snapshot, request_for(snapshot).look()):
            return snapshot
    if not names:
        msg = "there is no snapshot on this host: no play has moved it yet"
        raise SnapshotError(msg)
    return store.load(names[-1])


def _elsewhere(snapshot: Snapshot, config_dir: Path) -> list[str]:
    """That a snapshot is another instance's of Postfix, as a sentence; nothing if it is not."""
    if os.path.realpath(snapshot.config_dir) == os.path.realpath(config_dir):
        return []
    text = (
        f"snapshot {snapshot.name} is of Postfix in {snapshot.config_dir}, and not of the one in "
        f"{config_dir}: name its folder by config_dir (mail-topology: --config-dir "
        f"{snapshot.config_dir}), or another snapshot"
    )
    return [text]


@contextmanager
def alone(config_dir: Path, *, check: bool, repair: bool = False) -> Iterator[Store]:
    """Nobody else moves this host meanwhile, and no interrupted move is left on it.

    Who only looks (`check`) takes none back, and has nothing to foresee before that is done. A
    repair goes on from the host as it is where a move cannot be taken back, as when the filter that
    ran before does not start any more.

    Raises:
        SwitchError: an interrupted move cannot be taken back.
    """
    store = Store()
    with journal.alone(config_dir, LOCK_SECONDS):
        former = journal.read()
        if check and former and former.stage == journal.MOVING:
            _refuse([f"a move to {former.topology} was interrupted, and is about to be taken back"])
        try:
            if former:
                recover(former, store)
        except RestoreError as error:
            _refuse([] if repair else [str(error)])
            journal.close()
        yield store


def _refuse(reasons: list[str]) -> None:
    if reasons:
        msg = "nothing was changed: " + "; ".join(reasons)
        raise SwitchError(msg)


def _try_first(request: Request, survey: Survey, *, check: bool) -> bytes:
    """The new master.cf, after all that can fail without a change has been tried."""
    reasons = obstacles(survey, request.topology)
    # In check mode the role before this one has only said that it would install it.
    missing = [one for one in fronts.of(request.topology) if not survey.front(one).installed]
    if missing and not check:
        reasons.append("the sender filter is not installed: run the role sender_filter first")
    _refuse(reasons)
    current = survey.postfix.master_cf
    try:
        wanted = request.rendered(survey, request.topology)
        main_cf = request.main_cf.read_bytes()
        mended = request.provider.main_cf(survey, main_cf)
        if (wanted, mended) != (current, main_cf):
            staging.validate(
                request.config_dir,
                {"master.cf": wanted, "main.cf": mended},
                restart=mended != main_cf,
            )
    except PostfixError as error:
        msg = f"nothing was changed: {request.config_dir}/master.cf: {error}"
        raise SwitchError(msg) from error
    return wanted


def _steps(hands: Hands) -> list[Step]:
    """The steps that are left."""
    todo = _environment_steps(hands) + ways.steps(hands)
    for front in hands.stale_fronts():
        if front == fronts.EDGE and handed_over.relays(hands):
            continue  # it was told before
        needs = hands.before.front(front).needs
        todo += [
            (f"let the running filter {needs}", partial(hands.refresh_filter, front)),
            ("see the filter live", hands.watch_filter),
        ]
    if not hands.record_is_true():
        todo.append(("record the declared topology", hands.write_record))
    return todo


def _environment_steps(hands: Hands) -> list[Step]:
    """Postfix runs with what main.cf must say for the filter, before mail comes by it."""
    mend, anew = hands.main_cf_is_wrong(), hands.request.provider.wants_restart(hands.before)
    todo: list[Step] = [("mend main.cf", hands.mend_main_cf)] if mend else []
    if mend or anew:
        todo.append(("restart Postfix with its new environment", hands.restart_postfix))
    return todo


def _take_steps(hands: Hands, steps: list[Step]) -> None:
    for name, step in steps:
        try:
            step()
        except BaseException as error:
            msg = f"step '{name}' failed: {str(error) or repr(error)}"
            raise ServiceError(msg) from error
        hands.outcome.steps.append(name)


def _transaction(
    store: Store, request: Request, here: Snapshot, move: Callable[[], Outcome]
) -> Outcome:
    """Make a move that ends in its goal, or where it began."""
    try:
        guard.arm()
        _note(here, request.topology, journal.MOVING)
    except (ServiceError, OSError) as error:
        if here.name != request.begun:  # nobody else has a use for it
            journal.close()
            store.remove(here.name)
        _refuse([f"nobody would take the move back if it were interrupted: {error}"])
    try:
        outcome = move()
    # A half-changed host is worse than any error, a signal's too: everything leads to the way back.
    except BaseException as error:
        raise SwitchError(_go_back(store, request, here, str(error) or repr(error))) from error
    _close(store, request, here.name, outcome.after)
    return outcome


def _note(snapshot: Snapshot, topology: str, stage: str) -> None:
    ports = snapshot.state.ports
    journal.write(journal.Move(snapshot.name, topology, stage, snapshot.config_dir, ports))


def snapshot_for(store: Store, request: Request, survey: Survey) -> Snapshot:
    """The snapshot that the play has taken at its beginning, or one of this moment.

    One of another topology than the host is in now is no way back: somebody has moved it since.
    """
    with suppress(SnapshotError):
        begun = store.load(request.begun) if request.begun else None
        if begun and _is_where(begun, request, survey):
            return begun
    return _keep(store, request, survey, request.paths)


def _is_where(snapshot: Snapshot, request: Request, survey: Survey) -> bool:
    same_place = snapshot.config_dir == str(request.config_dir)
    return same_place and snapshot.state.topology == seen_topology(survey)


def conclude(store: Store, snapshot: str, now: Survey) -> None:
    """Close the journal, and forget a snapshot from which nothing differs.

    Both only where the entry is of this snapshot: another play's is left to that play.
    """
    move = journal.read()
    if move is None or move.snapshot != snapshot:
        return
    journal.close()
    with suppress(SnapshotError):
        if photograph.is_of(store.load(snapshot), now):
            store.remove(snapshot)


def _close(store: Store, request: Request, snapshot: str, now: Survey) -> None:
    """The move is confirmed; `snapshot` is its own one, empty if it has none."""
    conclude(store, snapshot, now)
    if request.keep:
        store.prune(request.keep.snapshots, request.keep.megabytes)


def _answers(survey: Survey) -> dict[str, probe.Answer]:
    """How far a transaction comes on each address of port `listen`."""
    port = survey.ports.listen
    return {
        address: probe.transaction(reachable(address.strip("[]")), port)
        for address in survey.listen_addresses()
    }


def _prove_unchanged(request: Request) -> Survey:
    try:
        return _prove(request, {})
    except ServiceError as error:
        msg = f"nothing was changed, but the host is not as it should be: {error}"
        raise SwitchError(msg) from error


def _prove(request: Request, before: dict[str, probe.Answer]) -> Survey:
    """The ports' owners, the configuration, and a transaction on each address.

    A recipient that was refused before may be refused now; what was accepted must be accepted.
    """
    survey = request.look()
    wrong = differences(survey, request.topology)
    port, addresses = request.ports.listen, survey.listen_addresses()
    wanted = list(request.listen_addresses)
    if wanted and sorted(addresses) != sorted(wanted):
        wrong.append(f"port {port} is open on {addresses}, and should be on {wanted}")
    for address, answer in {} if wrong else _answers(survey).items():
        as_before = answer.like(before[address]) if address in before else answer.greeted
        if not (answer.accepted or as_before):
            wrong.append(f"{address}:{port} does not take mail: {answer}")
    if wrong:
        raise ServiceError("proof failed: " + "; ".join(wrong))
    return survey


def _go_back(store: Store, request: Request, snapshot: Snapshot, reason: str) -> str:
    """Bring the host back; say what failed and where the host is."""
    try:
        restored = restore(snapshot, request_for(snapshot), store)
    except (RestoreError, PostfixError) as error:
        return (
            f"{reason}\nTHE HOST COULD NOT BE PUT BACK: {error}. It is tried again every "
            f"{guard.RETRY_SECONDS} s (journalctl --unit='mail-topology-guard-*'); look at the "
            "port table of playbooks/verify_topology.yml"
        )
    _close(store, request, snapshot.name, restored.after)
    return f"{reason}\nThe host is as it was before ({snapshot.state.topology}), proven."
