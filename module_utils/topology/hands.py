"""The single things that a move does to a host, each with its undo.

`plain` and `overlap` put them in order.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ..postfix import atomic
from . import model, record, services
from .request import Outcome, Request
from .survey import Survey

SETTLE_SECONDS = 20.0
PATIENCE_SECONDS = 0.5  # for master to end its own children
Step = tuple[str, Callable[[], None]]


class Hands:
    """Does things to one host, and remembers how to take each of them back."""

    def __init__(self, request: Request, before: Survey, wanted: bytes) -> None:
        self.request = request
        self.before = before
        self.wanted = wanted
        self.outcome = Outcome(before, before, wanted)
        self._undo: list[Step] = []
        self._unheard_since = 0.0

    def take_back(self) -> list[str]:
        """Undo everything in reverse; what could not be undone is returned."""
        troubles = []
        for name, undo in reversed(self._undo):
            try:
                undo()
            # Whatever goes wrong with one undo, the others must still be tried.
            except Exception as error:
                troubles.append(f"{name}: {error}")
        return troubles

    def on_failure(self, name: str, undo: Callable[[], None]) -> None:
        """Remember how to take back what is about to be done."""
        self._undo.append((name, undo))

    # Postfix

    def write_master_cf(self, data: bytes) -> None:
        """Put a new master.cf in place."""
        original = self.before.postfix.master_cf
        if not any(name == "put master.cf back" for name, _ in self._undo):
            self.on_failure("put master.cf back", lambda: self._restore(original))
        atomic.replace(self.request.master_cf, data)

    def _restore(self, original: bytes) -> None:
        atomic.replace(self.request.master_cf, original)
        if self.before.glance().postfix.master_pid is None:
            services.restart_postfix()
            return
        ports = (self.request.ports.listen, self.request.ports.smtp)
        had = {port: model.POSTFIX in self.before.owners(port) for port in ports}
        given_up = [port for port in ports if not had[port]]
        self._reload(
            lambda now: all((model.POSTFIX in now.owners(p)) == had[p] for p in ports), given_up
        )

    def reload_postfix(self, settled: Callable[[Survey], bool], given_up: int | None) -> None:
        """Reload, and wait until the socket table shows what it should.

        Sessions of a service that listened on port `given_up` are ended by that.
        """
        in_time = self._reload(settled, [given_up] if given_up else [])
        if self.before.glance().postfix.master_pid is None:
            msg = f"Postfix's master died of the reload:\n{services.postfix_last_words()}"
            raise services.ServiceError(msg)
        if not in_time:
            msg = (
                f"{SETTLE_SECONDS:.0f} s after the reload Postfix does not listen where master.cf "
                f"says:\n{services.postfix_last_words()}"
            )
            raise services.ServiceError(msg)

    def _reload(self, settled: Callable[[Survey], bool], given_up: list[int]) -> bool:
        services.reload_postfix(self.request.config_dir)
        began = time.monotonic()

        def watch() -> bool:
            now = self.before.glance()
            self.note_listener(now)
            if now.postfix.master_pid is None or settled(now):
                return True
            if time.monotonic() - began > PATIENCE_SECONDS:
                left = [one for port in given_up for one in now.on(port)]
                services.end_children(left, now.postfix.master_pid)
            return False

        return services.wait_until(watch, SETTLE_SECONDS)

    @property
    def given_up(self) -> int:
        """The port that Postfix has no more in the wanted topology."""
        ports = self.request.ports
        return ports.listen if self.request.topology == model.EDGE else ports.smtp

    def in_place(self, survey: Survey) -> bool:
        """Whether Postfix listens where the topology wants it, and nowhere else."""
        on_listen = survey.owners(self.request.ports.listen)
        on_smtp = survey.owners(self.request.ports.smtp)
        if self.request.topology == model.EDGE:
            # A socket whose owner cannot be named is Postfix's own, being closed this moment.
            return on_smtp == [model.POSTFIX] and set(on_listen) <= {model.FILTER}
        return model.POSTFIX in on_listen and not on_smtp

    # The filter

    def start_filter(self) -> None:
        """Let systemd take the port for the filter, then start the filter behind it."""
        self.on_failure("stop the sender filter", services.stop_filter)
        services.listen_for_filter()
        self.note_listener(self.before.glance())
        services.start_filter()

    def stop_filter(self) -> None:
        """Stop the filter; its sessions may end first."""
        self.on_failure("start the sender filter", services.start_filter)
        self._unheard_since = time.monotonic()
        services.stop_filter()
        self.note_listener(self.before.glance())

    # What it costs

    def note_listener(self, survey: Survey) -> None:
        """Keep count of the time in which nobody listens for mail from the network."""
        if not survey.on(self.request.ports.listen):
            self._unheard_since = self._unheard_since or time.monotonic()
        elif self._unheard_since:
            passed = (time.monotonic() - self._unheard_since) * 1000
            self.outcome.milliseconds_without_listener += round(passed)
            self._unheard_since = 0.0

    # The record

    def record_is_true(self) -> bool:
        """Whether the host's record names this topology already."""
        return self._record() == record.read()

    def write_record(self) -> None:
        """Keep the declared topology on the host."""
        previous = record.read()
        self.on_failure("put the record back", lambda: record.write(previous))
        record.write(self._record())

    def _record(self) -> bytes:
        edge = self.request.topology == model.EDGE
        options = self.request.options if edge else None
        return record.render(self.request.topology, self.request.ports, options)
