"""The process that systemd knows: it holds the sockets, and has workers that serve them.

It reads nothing from the network and has neither an event loop nor a thread: so it does not
crash, and may fork at any time. In each slot a worker serves; others may be leaving, which take
nobody new and let their sessions end.
"""

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from sender_filter.io import channel, signals
from sender_filter.io.board import Board, Place
from sender_filter.io.channel import Alive, Ready, Reloading, Report, Reporter, Stopping
from sender_filter.io.child import Child
from sender_filter.io.journal import log
from sender_filter.io.post import Desk, Post
from sender_filter.io.signals import SignalQueue
from sender_filter.io.slot import Slot
from sender_filter.io.systemd import Notifier
from sender_filter.settings import loading, stamps
from sender_filter.settings.loading import Settings
from sender_filter.settings.reading import ConfigError

_TURN_SECONDS = 1.0
_HUNG_SECONDS = 15.0  # a worker that was not heard of for so long is replaced


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
        desk: The way to the other workers.
        place: Where it shows how many sessions it has.
        replaces: Whether another worker was in its place before.
    """

    settings: Settings
    problem: str | None
    sockets: list[socket.socket]
    shared: bool
    supervisor: int
    reporter: Reporter
    desk: Desk
    place: Place
    replaces: bool


Work = Callable[[Assignment], int]


class Supervisor:
    """Keeps workers at work."""

    def __init__(
        self,
        settings: Settings,
        sockets: list[socket.socket],
        notifier: Notifier,
        work: Work,
        *,
        workers: int,
        shared: bool,
    ) -> None:
        """Prepare; nothing is forked yet.

        Args:
            settings: What the first workers are to run with.
            sockets: Listening sockets.
            notifier: The way to systemd.
            work: What a worker does in its process; gives its exit code.
            workers: How many are to serve.
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
        self._slots = [Slot(number) for number in range(workers)]
        self._post = Post(workers)
        self._board = Board(workers)
        self._proven = False  # whether any worker was ever ready
        self._reloading = False
        self._stopping = False
        self._exit: int | None = None
        self._turned = self._fed = time.monotonic()
        self._patience = min(_TURN_SECONDS, notifier.watchdog_seconds / 4 or _TURN_SECONDS)

    def run(self) -> int:
        """Have clients served until told to stop; returns the exit code."""
        for slot in self._slots:
            self._start(slot)
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
        for slot in self._empty():
            self._start_when_due(slot)

    def _until_next_turn(self) -> float:
        now = time.monotonic()
        due = (slot.due - now for slot in self._empty())
        return max(0.0, min(*due, self._patience, self._patience))

    def _empty(self) -> list[Slot]:
        """The slots that are to be filled."""
        return [slot for slot in self._slots if slot.serving is None and not self._stopping]

    def _slot_of(self, child: Child) -> Slot | None:
        """The slot that somebody serves in; None: it is leaving."""
        return next((slot for slot in self._slots if slot.serving is child), None)

    def _serving(self) -> list[Child]:
        return [slot.serving for slot in self._slots if slot.serving is not None]

    # Commands

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            for child in self._serving():  # who is not there yet loads anyway
                child.reload()
        elif self._shared:
            # systemd holds the sockets. Workers that serve nobody new need nobody above them, and
            # the next supervisor can start now.
            self._have_leave()
            self._exit = 0
        elif not self._stopping:
            self._stopping = True
            for listener in self._sockets:  # the workers have them, and empty their queues
                listener.close()
            self._have_leave()
            self._exit = None if self._children else 0
        else:
            for child in self._children:
                child.signal(signal.SIGTERM)

    def _have_leave(self) -> None:
        for child in self._serving():
            child.signal(signal.SIGTERM)

    # Reports

    def _hear(self, child: Child, report: Report) -> None:
        slot = self._slot_of(child)
        match report:
            case Ready():
                self._proven = True
                if slot is not None:
                    slot.proven()
                    self._board.failing(slot.number, fails=False)
                self._say_if_ready()
                if report.reloaded:
                    self._refresh()  # what is good is kept here for the next worker
            case Reloading() if not self._reloading:
                self._reloading = True
                self._notifier.reloading()
            case Alive():
                self._notifier.status(self._figures())
            case Stopping() if self._stopping:
                self._notifier.stopping(report.seconds)
            case Stopping() if slot is not None:
                log.warning("worker %d leaves unasked: another one takes its place", child.pid)
                slot.serving = None

    def _say_if_ready(self) -> None:
        if all(slot.settled for slot in self._slots):
            self._reloading = False
            self._notifier.ready()

    def _figures(self) -> str:
        """How all workers do, in one line."""
        figures = [child.figures for child in self._serving()]
        sessions = sum(each.sessions for each in figures)
        relayed, refused = sum(e.relayed for e in figures), sum(e.refused for e in figures)
        return f"{sessions} sessions now, {relayed} relayed, {refused} refused"

    def _bury(self, child: Child) -> None:
        """A worker is gone: see to it that another one serves."""
        how = child.bury()
        self._children.remove(child)
        slot = self._slot_of(child)
        if self._stopping or slot is None:
            log.info("worker %d %s", child.pid, how)
            self._exit = 0 if self._stopping and not self._children else None
        elif child.ready or self._proven:
            log.error("worker %d %s: another one takes its place", child.pid, how)
            slot.serving = None
            if not child.ready:
                slot.put_off()
                self._board.failing(slot.number, fails=True)
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
                if (slot := self._slot_of(child)) is not None:
                    slot.serving = None
        watchdog = self._notifier.watchdog_seconds
        if watchdog and now - self._fed >= watchdog / 2:
            self._fed = now
            self._notifier.alive()

    # Workers

    def _start_when_due(self, slot: Slot) -> None:
        if time.monotonic() >= slot.due:
            self._refresh()
            try:
                self._start(slot)
            except OSError as error:
                log.error("cannot start a worker: %s", error.strerror)
                slot.put_off()

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

    def _start(self, slot: Slot) -> None:
        """Fork a worker for a slot.

        Raises:
            OSError: The system has no room for it.
        """
        receiver, reporter = channel.open_pair()
        try:
            with signals.held():
                pid = os.fork()
                if pid == 0:
                    receiver.close()
                    self._be_a_worker(slot, reporter)
        except OSError:
            receiver.close()
            raise
        finally:
            reporter.close()
        child = Child(pid, receiver)
        slot.fill(child)
        self._children.append(child)

    def _be_a_worker(self, slot: Slot, reporter: Reporter) -> None:
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
                    self._post.desk(slot.number),
                    self._board.place(slot.number),
                    slot.filled,
                )
            )
        except BaseException:
            log.exception("the worker failed")
        finally:
            os._exit(code)
