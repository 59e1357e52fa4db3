"""Moves one host to a topology and proves it, or leaves it as it was.

Everything that can fail is tried first (`preflight`, a staged copy of the configuration). After
the first change any failure undoes, in reverse, what was done, and proves that too.
"""

from __future__ import annotations

from ..postfix import atomic, staging
from ..postfix.errors import PostfixError
from . import model, overlap, plain, record, services
from .diagnosis import differences, seen_topology
from .hands import SETTLE_SECONDS, Hands, Step
from .preflight import obstacles
from .request import Outcome, Request
from .sockets import reachable
from .survey import Survey, take
from .target import master_cf

LOCK_SECONDS = 60.0


class SwitchError(Exception):
    """The host is not in the wanted topology; the text says where it is, and why."""


def switch(request: Request, *, check: bool = False) -> Outcome:
    """Bring the host to the wanted topology.

    Raises:
        SwitchError: it is not there; what it is instead is in the text.
    """
    with atomic.lock(request.master_cf, LOCK_SECONDS):
        before = take(request.config_dir, request.ports)
        hands = Hands(request, before, _try_first(request, before, check=check))
        steps = _steps(hands)
        if check:
            hands.outcome.steps = [name for name, _ in steps]
        else:
            _make(hands, steps)
        return hands.outcome


def _try_first(request: Request, survey: Survey, *, check: bool) -> bytes:
    """The new master.cf, after all that can fail without a change has been tried."""
    reasons = obstacles(survey, request.topology)
    # In check mode the role before this one has only said that it would install it.
    if request.topology == model.EDGE and not survey.filter.installed and not check:
        reasons.append("the sender filter is not installed: run the role sender_filter first")
    if reasons:
        msg = "nothing was changed: " + "; ".join(reasons)
        raise SwitchError(msg)
    current = survey.postfix.master_cf
    try:
        wanted = master_cf(
            current,
            request.topology,
            request.moved_to,
            request.options,
            service=request.service,
            previous=record.options(),
        )
        if wanted != current:
            staging.validate(request.config_dir, {"master.cf": wanted})
    except PostfixError as error:
        msg = f"nothing was changed: {request.config_dir}/master.cf: {error}"
        raise SwitchError(msg) from error
    return wanted


def _steps(hands: Hands) -> list[Step]:
    """The steps that are left: by overlap where the host can do it and has the whole way to go."""
    todo = plain.steps(hands)
    if todo:
        hindrance = overlap.hindrance(hands)
        if hands.request.handover == "overlap" and not hindrance:
            hands.outcome.handover = "overlap"
            todo = overlap.steps(hands)
        else:
            hands.outcome.handover = f"plain: {hindrance}" if hindrance else "plain"
    if not hands.record_is_true():
        todo.append(("record the declared topology", hands.write_record))
    return todo


def _make(hands: Hands, steps: list[Step]) -> None:
    """Take the steps and prove the result, or undo them and prove that."""
    name = "begin"
    try:
        for name, step in steps:
            step()
            hands.outcome.steps.append(name)
        name = "proof"
        hands.outcome.after = _prove(hands.request)
    # A half-changed host is worse than any error, a signal's too: everything leads to the way back.
    except BaseException as error:
        raise SwitchError(_go_back(hands, name, str(error) or repr(error))) from error


def _prove(request: Request) -> Survey:
    survey = take(request.config_dir, request.ports)
    wrong = differences(survey, request.topology)
    port, addresses = request.ports.listen, survey.listen_addresses()
    wanted = list(request.listen_addresses)
    if wanted and sorted(addresses) != sorted(wanted):
        wrong.append(f"port {port} is open on {addresses}, and should be on {wanted}")
    for address in [] if wrong else addresses:
        greeting = services.banner(reachable(address.strip("[]")), port)
        if not greeting.startswith("220"):
            wrong.append(f"{address}:{port} does not greet as Postfix does: {greeting}")
    if wrong:
        raise services.ServiceError("; ".join(wrong))
    return survey


def _go_back(hands: Hands, step: str, reason: str) -> str:
    """Undo what was done; say what failed and where the host is."""
    troubles = hands.take_back()
    ports = (hands.request.ports.listen, hands.request.ports.smtp)
    old = [hands.before.owners(port) for port in ports]

    def restored() -> bool:
        now = take(hands.request.config_dir, hands.request.ports)
        return [now.owners(port) for port in ports] == old

    back = services.wait_until(restored, SETTLE_SECONDS) and not troubles
    failed = f"step '{step}' failed: {reason}"
    if back:
        return f"{failed}\nThe host is as it was before ({seen_topology(hands.before)}), proven."
    return (
        f"{failed}\nTHE HOST COULD NOT BE PUT BACK: {'; '.join(troubles) or 'ports differ'}. "
        "Look at the port table of playbooks/verify_topology.yml and at the journal."
    )
