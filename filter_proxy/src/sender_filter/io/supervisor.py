"""The process that systemd knows: it holds the sockets, and has a worker that serves them.

It reads nothing from the network and has neither an event loop nor a thread: so it does not
crash, and may fork at any time. One worker serves; others may be leaving, which take nobody new
and let their sessions end.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from sender_filter.io import channel, signals
from sender_filter.io.channel import Alive, Ready, Reloading, Report, Reporter, Stopping
from sender_filter.io.child import Child
from sender_filter.io.journal import log
from sender_filter.io.signals import SignalQueue
from sender_filter.io.systemd import Notifier
from sender_filter.settings import loading, stamps
from sender_filter.settings.loading import Settings
from sender_filter.settings.reading import ConfigError

_TURN_SECONDS = 1.0
_HUNG_SECONDS = 15.0  # a worker that was not heard of for so long is replaced
_FIRST_PAUSE_SECONDS = 0.1  # before another try, after a worker that never got ready
_LONGEST_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a worker is told when it begins.

    Attributes:
        settings: What to run with.
        problem: Why these are not the ones on the disk; None if they are.
        sockets: Listening sockets.
        shared: Whether systemd holds the sockets as well.
        supervisor: Pid of the supervisor.
        reporter: The way to it.
    """

    settings: Settings
    problem: str | None
    sockets: list[socket.socket]
    shared: bool
    supervisor: int
    reporter: Reporter


Work = Callable[[Assignment], int]


class Supervisor:
    """Keeps a worker at work."""

    def __init__(
        self,
        settings: Settings,
        sockets: list[socket.socket],
        notifier: Notifier,
        work: Work,
        *,
        shared: bool,
    ) -> None:
        """Prepare; nothing is forked yet.

        Args:
            settings: What the first worker is to run with.
            sockets: Listening sockets.
            notifier: The way to systemd.
            work: What a worker does in its process; gives its exit code.
            shared: Whether somebody else (systemd) holds the sockets as well.
        """
        self._settings = settings
        self._problem: str | None = None
        self._sockets = sockets
        self._notifier = notifier
        self._work = work
        self._shared = shared
        self._signals = SignalQueue()
        self._children: list[Child] = []
        self._serving: Child | None = None
        self._proven = False  # whether any worker was ever ready
        self._pause = 0.0
        self._next_start = 0.0
        self._stopping = False
        self._exit: int | None = None
        self._turned = self._fed = time.monotonic()
        self._patience = min(_TURN_SECONDS, notifier.watchdog_seconds / 4 or _TURN_SECONDS)

    def run(self) -> int:
        """Have clients served until told to stop; returns the exit code."""
        self._start()
        while self._exit is None:
            self._turn()
        return self._exit

    def _turn(self) -> None:
        """Wait for something to happen, but not for long, and deal with it."""
        watched: list[SignalQueue | Child] = [self._signals, *self._children]
        select.select(watched, [], [], self._until_next_turn())
        for number in self._signals.take():
            self._obey(number)
            if self._exit is not None:
                return
        for child in tuple(self._children):
            for report in child.reports():
                self._hear(child, report)
            if child.gone:
                self._bury(child)
        self._watch()
        if self._lacks_a_worker():
            self._start_when_due()

    def _until_next_turn(self) -> float:
        if self._lacks_a_worker():
            return max(0.0, min(self._next_start - time.monotonic(), self._patience))
        return self._patience

    def _lacks_a_worker(self) -> bool:
        return self._serving is None and not self._stopping

    # Commands

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._tell(signal.SIGHUP)  # without a worker: the next one loads anyway
        elif self._shared:
            # systemd holds the sockets. A worker that serves nobody new needs nobody above it,
            # and the next supervisor can start now.
            self._tell(signal.SIGTERM)
            self._exit = 0
        elif not self._stopping:
            self._stopping = True
            for listener in self._sockets:  # the worker has them, and empties their queues
                listener.close()
            self._tell(signal.SIGTERM)
            self._exit = None if self._children else 0
        else:
            for child in self._children:
                child.signal(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        if self._serving is not None:
            self._serving.signal(number)

    # Reports

    def _hear(self, child: Child, report: Report) -> None:
        match report:
            case Ready():
                child.ready = self._proven = True
                self._pause = 0.0
                self._notifier.ready()
                if report.reloaded:
                    self._refresh()  # what is good is kept here for the next worker
            case Reloading():
                self._notifier.reloading()
            case Alive():
                if child is self._serving:
                    self._notifier.status(report.text)
            case Stopping():
                if self._stopping:
                    self._notifier.stopping(report.seconds)
                elif child is self._serving:
                    log.warning("worker %d leaves unasked: another one takes its place", child.pid)
                    self._serving = None

    def _bury(self, child: Child) -> None:
        """A worker is gone: see to it that another one serves."""
        how = child.bury()
        self._children.remove(child)
        if self._stopping or child is not self._serving:
            log.info("worker %d %s", child.pid, how)
            self._exit = 0 if self._stopping and not self._children else None
        elif child.ready or self._proven:
            log.error("worker %d %s: another one takes its place", child.pid, how)
            self._serving = None
            if not child.ready:
                self._put_off()
        else:
            log.error("worker %d %s before it was ready", child.pid, how)
            self._exit = 1

    def _watch(self) -> None:
        """Note who is silent; tell systemd that at least this process is not."""
        now = time.monotonic()
        # When the whole machine stood still, no worker is to blame.
        passed, self._turned = min(now - self._turned, self._patience), now
        for child in self._children:
            child.silent += passed
            if child.silent > _HUNG_SECONDS:
                log.error("worker %d was not heard of for %.0f s: killed", child.pid, child.silent)
                child.silent = 0.0
                child.signal(signal.SIGKILL)
                if child is self._serving:
                    self._serving = None
        watchdog = self._notifier.watchdog_seconds
        if watchdog and now - self._fed >= watchdog / 2:
            self._fed = now
            self._notifier.alive()

    # Workers

    def _start_when_due(self) -> None:
        if time.monotonic() >= self._next_start:
            self._refresh()
            try:
                self._start()
            except OSError as error:
                log.error("cannot start a worker: %s", error.strerror)
                self._put_off()

    def _put_off(self) -> None:
        """Let the next try wait, longer each time."""
        self._pause = min(max(_FIRST_PAUSE_SECONDS, self._pause * 2), _LONGEST_PAUSE_SECONDS)
        self._next_start = time.monotonic() + self._pause

    def _refresh(self) -> None:
        """Have the settings that are on the disk, or the last good ones."""
        self._problem = None
        if stamps.unchanged(self._settings.files):
            return
        try:
            self._settings = loading.load(self._settings.path)
        except ConfigError as error:
            self._problem = str(error)
            log.error("the settings on the disk are not used, the last good ones are: %s", error)

    def _start(self) -> None:
        """Fork a worker.

        Raises:
            OSError: The system has no room for it.
        """
        receiver, reporter = channel.open_pair()
        try:
            with signals.held():
                pid = os.fork()
                if pid == 0:
                    receiver.close()
                    self._be_a_worker(reporter)
        except OSError:
            receiver.close()
            raise
        finally:
            reporter.close()
        self._serving = Child(pid, receiver)
        self._children.append(self._serving)

    def _be_a_worker(self, reporter: Reporter) -> None:
        """In the child: work, and never come back. Commands are held until the worker is ready."""
        code = 1
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to both processes
            self._signals.forget()
            for sibling in self._children:
                sibling.disown()
            supervisor = os.getppid()
            code = self._work(
                Assignment(
                    self._settings,
                    self._problem,
                    self._sockets,
                    self._shared,
                    supervisor,
                    reporter,
                )
            )
        except BaseException:
            log.exception("the worker failed")
        finally:
            os._exit(code)
