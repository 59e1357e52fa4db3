"""Brings a host back to a topology out of any state that it may be in.

What a move can mend is left to the move (`switch`). Beforehand comes what its preflight refuses: a
Postfix that is dead, most often because it wanted a port that another program had, one that hears
nobody, or one that has not read its master.cf.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..postfix import atomic, staging
from . import fronts, model, record, services
from .diagnosis import differences
from .imss import provider_of
from .preflight import strangers
from .request import LOOPBACK, Outcome, Request
from .survey import Survey
from .switch import SwitchError, alone, conclude, snapshot_for, switch

WAKE_SECONDS = 20.0


@dataclass
class Healing:
    """What was wrong with a host, and what was done about it before a move could be made."""

    request: Request
    before: Survey
    wrong: list[str]
    steps: list[str] = field(default_factory=list)


def declared(config_dir: Path) -> Request:
    """The move that the last play made, from the host's record.

    Raises:
        SwitchError: no play has declared a topology, or the record cannot be read.
    """
    data = record.read()
    if not data:
        msg = "no topology was declared on this host: run a play that moves it first"
        raise SwitchError(msg)
    try:
        found = json.loads(data)
        move = found.get("move", {})
        numbers = {"listen": found["listen"], "smtp": found["smtp"], **move.get("ports", {})}
        numbers |= {key: found[key] for key in ("proxy", "after_proxy") if key in found}
        old = found.get("options", {}) if found["topology"] == model.EDGE else {}
        return Request(
            topology=found["topology"],
            config_dir=config_dir,
            ports=model.Ports(**numbers),
            smtp_address=move.get("smtp_address", LOOPBACK),
            options=move.get("options", old),
            listen_addresses=tuple(move.get("listen_addresses", ())),
            provider=provider_of(
                move.get("imss_home", ""), hands_over=bool(move.get("hands_over"))
            ),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        msg = f"the record {record.FILE} cannot be read ({error!r}): run the last play again"
        raise SwitchError(msg) from error


def look(request: Request) -> Healing:
    """Compare the host with what is wanted; nothing is changed."""
    survey = request.look()
    return Healing(request, survey, differences(survey, request.topology))


def heal(healing: Healing, *, check: bool = False) -> Outcome:
    """Bring the host to what is wanted, and prove it; nothing is changed with `check`.

    Raises:
        SwitchError: it is not there; the text says what stands in the way.
        ServiceError: Postfix cannot be started.
        PostfixError: the new master.cf is not valid.
    """
    if not _awake(healing.before):
        if check:
            return _foreseen(healing)
        _wake(healing)
    if not check:
        _close_lost_fronts(healing)
    outcome = switch(healing.request, check=check)
    outcome.before, outcome.steps = healing.before, healing.steps + outcome.steps
    return outcome


def _foreseen(healing: Healing) -> Outcome:
    """What would be done with a Postfix that is not awake, unless it would be refused."""
    before, request = healing.before, healing.request
    _refuse_strangers(before, request)
    outcome = Outcome(before, before, _tried_master_cf(request, before))
    outcome.steps = ["wake Postfix", f"go to {request.topology}"]
    return outcome


def _close_lost_fronts(healing: Healing) -> None:
    """Stop a front that is open on a port of before: a move then opens it where it belongs."""
    request = healing.request
    with alone(request.config_dir, check=False, repair=True):
        survey = request.look()
        for front in fronts.of(request.topology):
            lost = model.FILTER not in survey.owners(front.port(request.ports))
            if lost and survey.front(front).socket_active:
                survey.provider.stop(front)
                healing.steps.append(f"stop {front.service_unit}, which is not on its port")


def _awake(survey: Survey) -> bool:
    """Whether Postfix runs, hears, and listens where the scan service hands its mail back."""
    return not survey.postfix.deaf and _runs(survey)


def _runs(survey: Survey) -> bool:
    back = survey.ports.reinjection
    unread = survey.postfix.document.listening_on(back) and not survey.on(back)
    return survey.postfix.master_pid is not None and not unread


def _wake(healing: Healing) -> None:
    """Let Postfix run with the master.cf that is wanted, after what would end it has gone."""
    request = healing.request
    with alone(request.config_dir, check=False, repair=True) as store:
        survey = request.look()
        if _awake(survey):
            return
        _refuse_strangers(survey, request)
        snapshot = snapshot_for(store, request, survey)
        try:
            _put_master_cf(healing, survey)
            _close_other_fronts(healing, survey)
            _run_postfix(healing, survey)
        finally:
            conclude(store, snapshot.name, request.look())
        # A move that fails after this goes back to a Postfix that runs.
        healing.request = replace(request, begun="")


def _run_postfix(healing: Healing, survey: Survey) -> None:
    if survey.postfix.master_pid is None or survey.postfix.deaf:
        services.end_remnants(survey)
        services.restart_postfix(survey.postfix)
        healing.steps.append("restart Postfix" if survey.postfix.deaf else "start Postfix")
    else:
        services.reload_postfix(healing.request.config_dir)
        healing.steps.append("reload Postfix")
    if not services.wait_until(lambda: _runs(survey.glance()), WAKE_SECONDS):
        msg = f"Postfix does not do what its master.cf says:\n{services.postfix_last_words()}"
        raise services.ServiceError(msg)


def _refuse_strangers(survey: Survey, request: Request) -> None:
    """A stranger on a port is never ended, and Postfix would end at the attempt to listen there."""
    ports = (*request.ports.of_postfix(), request.ports.reinjection)
    ours = (model.POSTFIX, model.FILTER, model.REMNANT)
    if found := strangers(survey, ports, ours):
        msg = "nothing was changed: " + "; ".join(found)
        raise SwitchError(msg)


def _put_master_cf(healing: Healing, survey: Survey) -> None:
    """Let master.cf say what is wanted before Postfix reads it."""
    request = healing.request
    wanted = _tried_master_cf(request, survey)
    if wanted != survey.postfix.master_cf:
        atomic.replace(request.master_cf, wanted, expected=survey.postfix.master_cf)
        healing.steps.append("put the wanted services in master.cf")


def _tried_master_cf(request: Request, survey: Survey) -> bytes:
    """What master.cf is to say; Postfix has said that it can read it."""
    wanted = request.rendered(survey, request.topology)
    if wanted != survey.postfix.master_cf:
        staging.validate(request.config_dir, {"master.cf": wanted})
    return wanted


def _close_other_fronts(healing: Healing, survey: Survey) -> None:
    """Stop the fronts of the filter that the wanted topology does not have."""
    for front in fronts.ALL:
        state = survey.front(front)
        if front not in fronts.of(healing.request.topology) and not state.stopped:
            survey.provider.stop(front)
            healing.steps.append(f"stop {front.service_unit}")
