"""The single things that a move does to a host. `plain` and `overlap` put them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace

from ..postfix import atomic
from ..postfix.lines import encode
from ..postfix.master_cf import MasterDocument
from . import filter_status, fronts, model, passing, record, services, sessions, sockets
from .fronts import Front
from .goal import Goal
from .request import Outcome, Request
from .survey import Survey

SETTLE_SECONDS = 20.0
PATIENCE_SECONDS = 0.5  # for master to end its own children
LET_GO_SECONDS = 5.0
DRAIN_POLL_SECONDS = 0.1
WATCH_POLL_SECONDS = 0.5
Step = tuple[str, Callable[[], None]]


class Hands:
    """Does things to one host, and keeps count of what they cost."""

    def __init__(self, request: Request, before: Survey, goal: Goal) -> None:
        self.request = request
        self.ports = request.ports
        self.provider = request.provider
        self.before = before
        self.goal = goal
        self.outcome = Outcome(before, before, goal.master_cf)
        self._master_cf = before.postfix.master_cf
        self._drops = sockets.listen_drops()
        self._unheard_since = 0.0
        self._filter_started = 0.0
        self._filter_process: object = None
        self._filter_front = fronts.EDGE
        self._former: frozenset[sessions.Ends] = frozenset()

    # Postfix

    def missing_on(self) -> list[int]:
        """The ports on which Postfix does not listen yet."""
        wanted = sorted(self.goal.postfix_on)
        return [port for port in wanted if model.POSTFIX not in self.before.owners(port)]

    def add_services(self) -> None:
        """Let Postfix listen where it does not yet, beside where it does; nobody notices."""
        missing = self.missing_on()
        self._write_master_cf(_with_services(self._master_cf, self.goal.master_cf, missing))
        self.reload_postfix(lambda now: all(model.POSTFIX in now.owners(one) for one in missing))

    def pass_filter_by(self) -> None:
        """Let Postfix queue the mail of new clients itself; the filter may still bring what it has.

        Clients that were here before still have their mail go through the filter.
        """
        self.note_former_sessions()
        both = _with_services(self.goal.master_cf, self._master_cf, [self.ports.after_proxy])
        self._write_master_cf(both)
        self.reload_postfix(lambda now: model.POSTFIX in now.owners(self.ports.after_proxy))

    def settle_postfix(self) -> None:
        """Put the goal's master.cf in place, so that Postfix listens there and nowhere else."""
        self._write_master_cf(self.goal.master_cf)
        moving = self.ports.of_postfix()
        given_up = [port for port in moving if port not in self.goal.postfix_on]
        self.reload_postfix(self.in_place, given_up)

    def _write_master_cf(self, data: bytes) -> None:
        """Put new bytes in the place of those that were surveyed, or written last.

        Raises:
            ChangedUnderneath: somebody else has edited the file since.
        """
        atomic.replace(self.request.master_cf, data, expected=self._master_cf)
        self._master_cf = data

    def in_place(self, survey: Survey) -> bool:
        """Whether Postfix listens where the goal wants it, and nowhere else."""
        for port in self.ports.of_postfix():
            owners = set(survey.owners(port))
            if model.REMNANT in owners or (model.POSTFIX in owners) != (
                port in self.goal.postfix_on
            ):
                return False
            # A socket whose owner cannot be named is Postfix's own, being closed this moment.
            if model.UNNAMED in owners:
                return False
        return passing.is_served(survey.postfix.master_pid) == self.hands_over()

    def hands_over(self) -> bool:
        """Whether the goal has Postfix take connections over from the filter."""
        return bool(passing.entries(MasterDocument.parse(self.goal.master_cf)))

    def main_cf_is_wrong(self) -> bool:
        """Whether main.cf lacks anything that the filter needs there."""
        data = self.request.main_cf.read_bytes()
        return self.provider.main_cf(self.before, data) != data

    def mend_main_cf(self) -> None:
        """Give main.cf what the filter needs there."""
        data = self.request.main_cf.read_bytes()
        mended = self.provider.main_cf(self.before, data)
        atomic.replace(self.request.main_cf, mended, expected=data)

    def restart_postfix(self) -> None:
        """Stop Postfix and start it: only so does master take its environment. Sessions are cut."""
        listen = self.ports.listen
        had = [one for one in self.ports.of_postfix() if model.POSTFIX in self.before.owners(one)]
        if listen in had:
            self._count_cut(len(sessions.on(listen)))
            self._unheard_since = time.monotonic()
        self.reload_postfix(
            lambda now: all(model.POSTFIX in now.owners(one) for one in had), anew=True
        )

    def reload_postfix(
        self,
        settled: Callable[[Survey], bool],
        given_up: list[int] | None = None,
        *,
        anew: bool = False,
    ) -> None:
        """Reload, or start Postfix if it has died; wait until the socket table is `settled`.

        Sessions of services that listened on the ports `given_up` are ended by that. With `anew`
        Postfix is stopped and started.

        Raises:
            ServiceError: it does not come to that; what Postfix said is in the text.
        """
        if self.before.glance().postfix.master_pid is None:
            services.end_remnants(self.before)
        now = self.before.glance()
        self._refuse_deadly(now)
        if anew or now.postfix.master_pid is None:
            services.restart_postfix(self.before.postfix)
        else:
            services.reload_postfix(self.request.config_dir)
        in_time = self._wait(settled, given_up or [])
        now = self.before.glance()
        if now.postfix.master_pid is None:
            msg = f"Postfix's master died of the reload:\n{services.postfix_last_words()}"
            raise services.ServiceError(msg)
        if not in_time:
            moving = self.ports.of_postfix()
            owners = "; ".join(f"{port}: {now.owners(port)}" for port in moving)
            msg = (
                f"{SETTLE_SECONDS:.0f} s after the reload the ports are not as master.cf says "
                f"({owners}):\n{services.postfix_last_words()}"
            )
            raise services.ServiceError(msg)

    def _refuse_deadly(self, now: Survey) -> None:
        """A port that master cannot bind would end it, and all mail with it."""
        document = MasterDocument.parse(self.request.master_cf.read_bytes())
        for port in self.ports.of_postfix():
            owners = [one for one in now.owners(port) if one not in (model.POSTFIX, model.FILTER)]
            if owners and document.listening_on(port) and model.POSTFIX not in now.owners(port):
                msg = (
                    f"port {port} belongs to {'; '.join(owners)}: Postfix would end at the attempt "
                    "to listen there. Stop that program and keep it from starting again"
                )
                raise services.ServiceError(msg)

    def _wait(self, settled: Callable[[Survey], bool], given_up: list[int]) -> bool:
        began = time.monotonic()

        def watch() -> bool:
            now = self.before.glance()
            self.note_listener(now)
            # A Postfix that starts has no pid file for a moment.
            if now.postfix.master_pid is None:
                return time.monotonic() - began > PATIENCE_SECONDS
            if settled(now):
                return True
            if time.monotonic() - began > PATIENCE_SECONDS:
                left = [one for port in given_up for one in now.on(port)]
                left += [] if self.hands_over() else passing.listeners()
                services.end_children(left, now.postfix.master_pid)
                services.end_all(now.remnants() + passing.abandoned())
            return False

        return services.wait_until(watch, SETTLE_SECONDS)

    # The filter

    def start_filter(self, front: Front = fronts.EDGE) -> None:
        """Let systemd take a front's port, then start the filter behind it."""
        self.provider.listen(front)
        self.note_listener(self.before.glance())
        self.provider.start(front, front.port(self.ports))
        self.note_listener(self.before.glance())
        self._begin_watch(front)
        self.check_filter()

    def stop_filter(self, front: Front = fronts.EDGE) -> None:
        """Take a front's port away from the filter; its running sessions go on for a while."""
        on_listen = front.port(self.ports) == self.ports.listen
        if on_listen and self.before.glance().owners(self.ports.listen) == [model.FILTER]:
            self._unheard_since = self._unheard_since or time.monotonic()
        if not self.provider.lingers:
            self._count_cut(len(sessions.on(front.port(self.ports))))
        self.provider.stop(front)
        # A process of it lets the port go at once, and its sessions later; unless it is frozen.
        if not services.wait_until(lambda: not self._filter_listeners(front), LET_GO_SECONDS):
            services.end_all(self._filter_listeners(front), signal.SIGKILL)
        self.note_listener(self.before.glance())

    def _filter_listeners(self, front: Front) -> list[sockets.Listener]:
        """The listeners that its service still has, and of their processes its own alone."""
        found = []
        for one in self.before.glance().on(front.port(self.ports)):
            own = tuple(each for each in one.processes if self.provider.serves(front, each))
            found += [replace(one, processes=own)] if own else []
        return found

    def stale_fronts(self) -> list[Front]:
        """The fronts that stay open and do not use what is installed."""
        staying = [one for one in fronts.ALL if one.topology in self.goal.fronts]
        states = [(one, self.before.front(one)) for one in staying]
        return [one for one, now in states if now.running and now.needs != filter_status.FRESH]

    def refresh_filter(self, front: Front = fronts.EDGE) -> None:
        """Let the running filter use what is installed now; no session ends by that."""
        if self.before.front(front).needs == filter_status.RELOAD:
            self.provider.reload(front)
        else:
            self._restart_filter(front)
        self._begin_watch(front)

    def _restart_filter(self, front: Front) -> None:
        port = front.port(self.ports)
        if not self.provider.lingers:
            self._count_cut(len(sessions.on(port)))
            self._unheard_since = time.monotonic()
        self.provider.restart(front, port)
        self.note_listener(self.before.glance())

    def _begin_watch(self, front: Front) -> None:
        self._filter_front = front
        self._filter_started = time.monotonic()
        self._filter_process = self._process()

    def _process(self) -> object:
        front = self._filter_front
        return self.provider.process(front, front.port(self.ports))

    def watch_filter(self) -> None:
        """See a filter that was just started live for a while, and answer.

        Raises:
            ServiceError: it has died meanwhile, or does not answer.
        """
        while self._filter_started:
            self.check_filter()
            left = self._filter_started + self.request.watch_seconds - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, WATCH_POLL_SECONDS))

    def check_filter(self) -> None:
        """The filter that was started is the one that answers now.

        Raises:
            ServiceError: it has died meanwhile, or does not answer.
        """
        process = self._process() if self._filter_started else None
        if self._filter_started and (process is None or process != self._filter_process):
            lived = time.monotonic() - self._filter_started
            what = "does not answer" if process is None else "has died"
            msg = (
                f"the sender filter {what}, {lived:.1f} s after its start:\n"
                f"{self.provider.last_words(self._filter_front)}"
            )
            raise services.ServiceError(msg)

    # Sessions

    def drain(self, of_filter: bool) -> None:
        """Wait until the sessions of the port's former owner have ended, or the limit is reached.

        Raises:
            ServiceError: the limit is reached and `rollback` is what then is to be done; or a
                program died meanwhile.
        """
        count = sessions.of_filter if of_filter else sessions.of_postfix
        self._drain(lambda: count(self.ports.listen))

    def drain_handed_over(self) -> None:
        """Wait in the same way for clients of the filter whom Postfix has taken over."""
        self._drain(lambda: sessions.handed_over(self.ports.listen))

    def drain_proxy(self) -> None:
        """Wait in the same way for clients whose mail still goes through the filter, and for it."""
        listen, proxy = self.ports.listen, self.ports.proxy
        self._drain(lambda: max(len(self._former & sessions.on(listen)), len(sessions.on(proxy))))

    def drain_former(self) -> None:
        """Wait in the same way for clients that were here before the last reload; then end them."""
        listen = self.ports.listen
        left = self._drain(lambda: len(self._former & sessions.on(listen)))
        if left and self.request.drain_action == "cut":
            try:
                sessions.end(listen, self._former)
            except OSError as error:
                msg = f"{left} sessions cannot be ended ({error}): set drain_action to wait"
                raise services.ServiceError(msg) from error

    def note_former_sessions(self) -> None:
        """Remember who is here: Postfix serves them to their end as it was."""
        self._former = sessions.on(self.ports.listen)

    def _drain(self, count: Callable[[], int]) -> int:
        """How many are left when there is no more waiting."""
        started, waited = time.monotonic(), 0.0
        left = count()
        self.outcome.sessions_running += left
        while left:
            self.check_alive()
            waited = round(time.monotonic() - started, 1)
            if waited > self.request.drain_seconds:
                if self.request.drain_action == "rollback":
                    msg = f"{left} sessions still ran after {waited} s"
                    raise services.ServiceError(msg)
                if self.request.drain_action == "cut":
                    self.outcome.sessions_cut += left
                if self.request.drain_action != "wait":
                    break
            time.sleep(DRAIN_POLL_SECONDS)
            left = count()
        self.outcome.seconds_waited = round(self.outcome.seconds_waited + waited, 1)
        return left

    def check_alive(self) -> None:
        """Postfix lives, and so does the filter that was started.

        Raises:
            ServiceError: one of them has died, or does not answer.
        """
        self.check_filter()
        if self.before.glance().postfix.master_pid is None:
            msg = f"Postfix's master has died:\n{services.postfix_last_words()}"
            raise services.ServiceError(msg)

    # What it costs

    def _count_cut(self, count: int) -> None:
        self.outcome.sessions_running += count
        self.outcome.sessions_cut += count

    def note_listener(self, survey: Survey) -> None:
        """Keep count of the time in which nobody listens for mail from the network."""
        if not survey.on(self.ports.listen):
            self._unheard_since = self._unheard_since or time.monotonic()
        elif self._unheard_since:
            passed = (time.monotonic() - self._unheard_since) * 1000
            self.outcome.milliseconds_without_listener += round(passed)
            self._unheard_since = 0.0

    def count_refused(self) -> None:
        """Say how many connections found nobody: that is known where somebody always listened."""
        unheard = self.outcome.milliseconds_without_listener
        self.outcome.refused = None if unheard else sockets.listen_drops() - self._drops

    # The record

    def record_is_true(self) -> bool:
        """Whether the host's record names this topology already."""
        return self._record() == record.read()

    def write_record(self) -> None:
        """Keep the declared topology on the host."""
        record.write(self._record())

    def _record(self) -> bytes:
        request, options = self.request, None
        if request.topology == model.EDGE:
            options = request.options
        elif request.topology == model.INLINE:
            # The file without the filter shows what is the operator's own.
            without = MasterDocument.parse(request.rendered(self.before, model.DIRECT))
            options = request.between(self.before).front_options(without, request.service)
        return record.render(request.topology, self.ports, options, request.kept())


def _with_services(data: bytes, other: bytes, ports: list[int]) -> bytes:
    """A master.cf, and below it the entries of another one that it has not."""
    present, wanted = MasterDocument.parse(data), MasterDocument.parse(other)
    missing = [
        entry
        for port in ports
        if not present.listening_on(port)
        for entry in wanted.listening_on(port)
    ]
    missing += [] if passing.entries(present) else passing.entries(wanted)
    entries = [encode("".join(entry.lines).removesuffix("\n") + "\n") for entry in missing]
    gap = b"" if data.endswith(b"\n") else b"\n"
    return data + gap + b"".join(entries) if entries else data
