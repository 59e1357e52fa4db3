"""Moves one host to a topology and proves it, or leaves it as it was.

Everything that can fail is tried first (`preflight`, a staged copy of the configuration). After
the first change any failure undoes, in reverse, what was done, and proves that too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..postfix import atomic, staging
from ..postfix.errors import PostfixError
from . import model, record, services
from .diagnosis import differences, seen_topology
from .preflight import obstacles
from .sockets import sessions
from .survey import Survey, take
from .target import master_cf

SETTLE_SECONDS = 20.0
LOCK_SECONDS = 60.0
LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - where to reach a wildcard


class SwitchError(Exception):
    """The host is not in the wanted topology; the text says where it is, and why."""


@dataclass(frozen=True)
class Request:
    """What is wanted of one host.

    `listen_addresses` are those on which port `listen` must be open in the end, IPv6 in brackets;
    empty leaves them to whoever has the port.
    """

    topology: str
    config_dir: Path
    ports: model.Ports
    smtp_address: str
    options: Mapping[str, str]
    listen_addresses: tuple[str, ...] = ()

    @property
    def moved_to(self) -> str:
        """The name of Postfix's service behind the filter."""
        return f"{self.smtp_address}:{self.ports.smtp}"


@dataclass
class Outcome:
    """What was done, and what it cost."""

    before: Survey
    after: Survey
    master_cf: bytes
    steps: list[str] = field(default_factory=list)
    milliseconds_without_listener: int = 0
    sessions_cut: int = 0

    @property
    def changed(self) -> bool:
        """Whether anything was done, or in check mode would be."""
        return bool(self.steps)


def switch(request: Request, *, check: bool = False) -> Outcome:
    """Bring the host to the wanted topology.

    Raises:
        SwitchError: it is not there; what it is instead is in the text.
    """
    with atomic.lock(request.config_dir / "master.cf", LOCK_SECONDS):
        before = take(request.config_dir, request.ports)
        wanted = _try_first(request, before, check=check)
        move = _Move(request, before, wanted)
        if check:
            move.foresee()
        else:
            move.make()
        return move.outcome


def _try_first(request: Request, survey: Survey, *, check: bool) -> bytes:
    """The new master.cf, after all that can fail without a change has been tried."""
    reasons = obstacles(survey, request.topology)
    # In check mode the role before this one has only said that it would install it.
    if request.topology == model.EDGE and not survey.filter.installed and not check:
        reasons.append(
            "the sender filter's units are not installed: run the role sender_filter first"
        )
    if reasons:
        msg = "nothing was changed: " + "; ".join(reasons)
        raise SwitchError(msg)
    current = survey.postfix.master_cf
    try:
        wanted = master_cf(current, request.topology, request.moved_to, request.options)
        if wanted != current:
            staging.validate(request.config_dir, {"master.cf": wanted})
    except PostfixError as error:
        msg = f"nothing was changed: {request.config_dir}/master.cf: {error}"
        raise SwitchError(msg) from error
    return wanted


class _Move:
    """One move of one host: its steps, and how to take each of them back."""

    def __init__(self, request: Request, before: Survey, wanted: bytes) -> None:
        self.request = request
        self.before = before
        self.wanted = wanted
        self.outcome = Outcome(before, before, wanted)
        self._undo: list[tuple[str, Callable[[], None]]] = []
        self._stopped_at = 0.0

    def foresee(self) -> None:
        """Name the steps without taking them."""
        self.outcome.steps = [name for name, _ in self._steps()]

    def make(self) -> None:
        """Take the steps and prove the result, or undo them and prove that."""
        name = "proof"
        try:
            for name, step in self._steps():
                step()
                self.outcome.steps.append(name)
            name = "proof"
            self.outcome.after = self._prove()
        except (services.ServiceError, PostfixError, OSError, _ProofError) as error:
            raise SwitchError(self._go_back(name, str(error))) from error

    def _steps(self) -> list[tuple[str, Callable[[], None]]]:
        edge = self.request.topology == model.EDGE
        move_postfix = ("move Postfix in master.cf and reload it", self._move_postfix)
        steps: list[tuple[str, Callable[[], None]]] = []
        if not edge and not self.before.filter.stopped:
            steps.append(("stop the sender filter", self._stop_filter))
        if self.wanted != self.before.postfix.master_cf:
            steps.append(move_postfix)
        elif not self._postfix_in_place(self.before):
            steps.append(("reload Postfix", self._reload_postfix))
        if edge and not self.before.filter.running:
            steps.append(("start the sender filter", self._start_filter))
        if self._record() != record.read():
            steps.append(("record the declared topology", self._write_record))
        return steps

    def _postfix_in_place(self, survey: Survey) -> bool:
        on_listen = survey.owners(self.request.ports.listen)
        on_smtp = survey.owners(self.request.ports.smtp)
        if self.request.topology == model.EDGE:
            # A socket whose owner cannot be named is Postfix's own, being closed this moment.
            return on_smtp == [model.POSTFIX] and set(on_listen) <= {model.FILTER}
        return model.POSTFIX in on_listen and not on_smtp

    # The steps

    def _move_postfix(self) -> None:
        file = self.request.config_dir / "master.cf"
        original = self.before.postfix.master_cf
        self.outcome.sessions_cut += sessions(self.request.ports.listen)
        atomic.replace(file, self.wanted, expected=original)
        self._undo.append(("put master.cf back", lambda: self._restore_postfix(file, original)))
        self._reload_postfix()

    def _restore_postfix(self, file: Path, original: bytes) -> None:
        atomic.replace(file, original)
        if self.before.glance().postfix.master_pid is None:
            services.restart_postfix()
        else:
            services.reload_postfix(self.request.config_dir)

    def _reload_postfix(self) -> None:
        services.reload_postfix(self.request.config_dir)
        settled = services.wait_until(self._settled, SETTLE_SECONDS)
        if self.before.glance().postfix.master_pid is None:
            msg = f"Postfix's master died of the reload:\n{services.postfix_last_words()}"
            raise services.ServiceError(msg)
        if not settled:
            msg = (
                f"{SETTLE_SECONDS:.0f} s after the reload Postfix does not listen where master.cf "
                f"says:\n{services.postfix_last_words()}"
            )
            raise services.ServiceError(msg)
        if self.request.topology == model.DIRECT:
            self._listening_again()

    def _settled(self) -> bool:
        now = self.before.glance()
        if not self._stopped_at and not now.on(self.request.ports.listen):
            self._stopped_at = time.monotonic()
        return now.postfix.master_pid is None or self._postfix_in_place(now)

    def _start_filter(self) -> None:
        self._undo.append(("stop the sender filter", services.stop_filter))
        services.listen_for_filter()
        self._listening_again()
        services.start_filter()

    def _stop_filter(self) -> None:
        self._undo.append(("start the sender filter", services.start_filter))
        self._stopped_at = time.monotonic()
        services.stop_filter()

    def _listening_again(self) -> None:
        if self._stopped_at:
            passed = time.monotonic() - self._stopped_at
            self.outcome.milliseconds_without_listener = round(passed * 1000)

    def _record(self) -> bytes:
        return record.render(self.request.topology, self.request.ports)

    def _write_record(self) -> None:
        previous = record.read()
        self._undo.append(("put the record back", lambda: record.write(previous)))
        record.write(self._record())

    # The proof

    def _prove(self) -> Survey:
        survey = take(self.request.config_dir, self.request.ports)
        wrong = differences(survey, self.request.topology)
        addresses = survey.listen_addresses()
        wanted = list(self.request.listen_addresses)
        if wanted and sorted(addresses) != sorted(wanted):
            port = self.request.ports.listen
            wrong.append(f"port {port} is open on {addresses}, and should be on {wanted}")
        if wrong:
            raise _ProofError("; ".join(wrong))
        port = self.request.ports.listen
        for address in addresses:
            greeting = services.banner(LOOPBACK.get(address, address.strip("[]")), port)
            if not greeting.startswith("220"):
                msg = f"{address}:{port} does not greet as Postfix does: {greeting}"
                raise _ProofError(msg)
        return survey

    # The way back

    def _go_back(self, step: str, reason: str) -> str:
        troubles = []
        for name, undo in reversed(self._undo):
            try:
                undo()
            except (services.ServiceError, PostfixError, OSError) as error:
                troubles.append(f"{name}: {error}")
        ports = (self.request.ports.listen, self.request.ports.smtp)
        old = [self.before.owners(port) for port in ports]

        def restored() -> bool:
            now = take(self.request.config_dir, self.request.ports)
            return [now.owners(port) for port in ports] == old

        back = services.wait_until(restored, SETTLE_SECONDS) and not troubles
        failed = f"step '{step}' failed: {reason}"
        if back:
            return f"{failed}\nThe host is as it was before ({seen_topology(self.before)}), proven."
        return (
            f"{failed}\nTHE HOST COULD NOT BE PUT BACK: {'; '.join(troubles) or 'ports differ'}. "
            "Look at the port table of playbooks/verify_topology.yml and at the journal."
        )


class _ProofError(Exception):
    """The host is not what it was made to be."""
