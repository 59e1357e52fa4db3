"""One worker: its life from start to stop, and what changes in between.

Everything a worker is made of is put together here, and only here. It runs in a process of its
own, which the supervisor has forked.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import uvloop

from sender_filter import RELEASE, __version__
from sender_filter.core import addresses
from sender_filter.core.records import timestamp
from sender_filter.io import last_resort, overview, signals
from sender_filter.io.channel import Alive, Ready, Reloading, Stopping
from sender_filter.io.control import ControlSocket, answer_on
from sender_filter.io.domains import Domains
from sender_filter.io.door import Door, Services
from sender_filter.io.edge import EdgeDoor
from sender_filter.io.handover import Handover
from sender_filter.io.inline import InlineDoor
from sender_filter.io.journal import log
from sender_filter.io.judge import Judge
from sender_filter.io.ledger import Ledger
from sender_filter.io.listeners import Acceptor
from sender_filter.io.messages import Answer, Done, Explanation, Request, explain
from sender_filter.io.messages.status import ListStatus, Status, WorkerStatus
from sender_filter.io.operator import Operator
from sender_filter.io.recorder import Recorder
from sender_filter.io.siblings import Siblings
from sender_filter.io.slices import in_slices, let_go
from sender_filter.io.supervisor import Assignment
from sender_filter.io.tally import Tally
from sender_filter.io.together import Together
from sender_filter.io.upstream import Upstream
from sender_filter.settings import fronts, loading
from sender_filter.settings.fronts import FrontName
from sender_filter.settings.loading import Settings
from sender_filter.settings.reading import ConfigError
from sender_filter.settings.schema import Config

if TYPE_CHECKING:
    from sender_filter.io.metrics import MetricsServer

_DOORS: dict[FrontName, type[Door]] = {"edge": EdgeDoor, "inline": InlineDoor}

_PULSE_SECONDS = 2.0
_ANNOUNCE_SECONDS = 10.0
_STUCK_SECONDS = 60.0  # a loop that stands still for so long ends, also with no supervisor left
_LAST_WORDS_SECONDS = 5.0  # after the drain: aborting, flushing the records
_GRACE_SECONDS = 5.0  # after the last words

# No session leaves a cycle behind. While hundreds of clients wait for a block list, Python would
# look all of them through for one again and again, after each 700 new objects.
_COLLECT_AFTER = 10_000


class Worker:
    """The running filter, or one of the processes that it consists of."""

    def __init__(self, assignment: Assignment, front: FrontName) -> None:
        """Open the door.

        Raises:
            OSError: The control socket cannot be made.
        """
        settings = assignment.settings
        self._front = front
        self._gateway = socket.gethostname()
        self._since = time.time()
        self._shared = assignment.shared
        self._supervisor = assignment.supervisor
        self._reporter = assignment.reporter
        self._reload_error = assignment.problem
        self._told_to_stop = False
        self._reloads = asyncio.Event()
        self._stops = asyncio.Event()
        self._cuts = asyncio.Event()
        self._answering: set[asyncio.Task[None]] = set()
        self._upstream = Upstream()
        self._handover = Handover()
        self._place = assignment.place
        self._replaces = assignment.replaces
        self._siblings = Siblings(assignment.desk, self._place)
        self._records = Recorder(settings.config, self._gateway)
        self._ledger = Ledger(settings.config, self._records.put, self._siblings)
        self._domains = Domains(settings.config.reputation.servers, self._take_names)
        settings = self._complete(settings)
        keeper = self._ledger.keeper
        catch_up = self._siblings.caught_up_on_address
        self._judge = Judge(settings, keeper.lists, keeper.known, catch_up)
        self._tally = Tally()
        services = Services(
            self._judge,
            self._ledger,
            self._upstream,
            self._handover,
            self._records,
            self._tally.count,
            self._siblings,
            self._place,
        )
        self._door = _DOORS[front](settings, services)
        self._operator = Operator(
            self._ledger.keeper, lambda: self._door.settings, self._records.put
        )
        self._together = Together(
            self._siblings,
            self._answer,
            self._status,
            self._door.has_taken,
            lambda: self._door.settings.config.reputation.deadline_seconds,
        )
        self._metrics = self._metrics_of(settings.config.metrics.address)
        self._control: ControlSocket | None = None
        if self._siblings.leads:
            path = fronts.of(settings.config, front).control
            self._control = ControlSocket(path, self._together.answer)
        self._sockets = assignment.sockets
        self._listening = [_name(listener) for listener in self._sockets]
        self._acceptors: list[Acceptor] = []

    async def run(self) -> None:
        """Serve until told to stop, then let running sessions end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reloads.set)
        loop.add_signal_handler(signal.SIGTERM, self._stop_or_cut)
        signals.release()
        # The next supervisor, if there is one, has a worker of its own. One that was told to stop
        # leaves as well, so this is no second signal.
        self._reporter.on_parting(self._stops.set)
        always = [self._pulse(), self._reload_on_request()]
        if self._siblings.leads:
            always.append(self._announce())
        background = [loop.create_task(each) for each in always]
        await self._ledger.start()
        # Not before: who comes is to be judged by what was kept. It waits in the kernel's queue.
        self._siblings.listen(self._ledger, self._door.take_over, self._answer_on)
        self._acceptors = [Acceptor(one, self._door.admit) for one in self._sockets]
        if self._replaces:
            self._siblings.arrive()
        if self._metrics is not None:
            self._metrics.start()
        self._reporter.tell(Ready())
        log.info("%s serves %s", __version__, ", ".join(self._listening))
        await self._stops.wait()
        await self._drain()
        for task in background:
            task.cancel()
        if self._control is not None and not self._shared:
            self._control.close(remove=True)
        await self._domains.close()
        await self._judge.close()
        await self._ledger.close()
        await self._records.close()

    def _stop_or_cut(self) -> None:
        """The first signal stops, the second one does not wait any longer."""
        if self._told_to_stop:
            self._cuts.set()
        self._told_to_stop = True
        self._stops.set()

    async def _drain(self) -> None:
        """Take nobody new, wait for those who are here, cut who is left at the limit."""
        limit = self._door.settings.config.limits.drain_seconds
        last_resort.end_after(limit + _LAST_WORDS_SECONDS + _GRACE_SECONDS)
        if self._control is not None and self._shared:
            # From here on the path is the next worker's, to answer on and to take away.
            self._control.close(remove=False)
        if self._metrics is not None:
            self._metrics.close()
        for acceptor in self._acceptors:
            acceptor.close(empty_queue=not self._shared)
        # A successor reads the box, and writes on the board, once the supervisor knows.
        await self._siblings.leave()
        self._place.leave()
        self._reporter.tell(Stopping(limit + _LAST_WORDS_SECONDS))
        self._ledger.part()
        self._door.hasten()
        running = len(self._door.sessions)
        log.info("stopping: %d sessions may go on for %g s", running, limit)
        loop = asyncio.get_running_loop()
        emptied = loop.create_task(self._door.emptied())
        told_to_cut = loop.create_task(self._cuts.wait())
        await asyncio.wait(
            [emptied, told_to_cut], timeout=limit, return_when=asyncio.FIRST_COMPLETED
        )
        cut = 0
        if not emptied.done():
            cut = len(self._door.sessions)
            self._door.cut("cut" if self._cuts.is_set() else "drain_limit")
            await asyncio.wait([emptied], timeout=_LAST_WORDS_SECONDS)
        told_to_cut.cancel()
        level = logging.WARNING if cut else logging.INFO
        log.log(level, "stopped: %d sessions ended, %d cut", running - cut, cut)

    async def _reload_on_request(self) -> None:
        while True:
            await self._reloads.wait()
            self._reloads.clear()
            await self._reload()

    async def _reload(self) -> None:
        """Take up configuration and lists anew, or keep the old ones and say why."""
        old = self._door.settings
        self._reporter.tell(Reloading())
        try:
            new = await asyncio.to_thread(loading.load, old.path, in_slices)
        except ConfigError as error:
            self._reload_error = str(error)
            log.error("reload refused, the old settings stay: %s", error)
        else:
            self._reload_error = None
            await self._domains.change(new.config.reputation.servers)
            self._take(new)
            self._ledger.change(new.config)
            self._records.change(new.config.log)
            if _fixed(new.config) != _fixed(old.config):
                log.warning("listen, control, state and metrics change only with a restart")
            log.info("reloaded in %.3f s: %s", new.load_seconds, loading.summary(new))
        self._reporter.tell(Ready(reloaded=self._reload_error is None))
        if self._reload_error is None:
            parts = old.policy.blocked.parts() + old.policy.approved.parts()
            del old
            await asyncio.to_thread(let_go, parts)

    def _complete(self, settings: Settings) -> Settings:
        return replace(settings, policy=self._domains.complete(settings.policy))

    def _take(self, settings: Settings) -> None:
        """Judge by other settings from now on; no session is touched."""
        self._door.settings = self._complete(settings)
        self._judge.change(self._door.settings)

    def _take_names(self) -> None:
        """The domains on the lists have other addresses now."""
        self._take(self._door.settings)

    async def _pulse(self) -> None:
        """Tell the supervisor, and the kernel, that the loop turns."""
        while True:
            if not self._stops.is_set():
                last_resort.end_after(_STUCK_SECONDS)
            door = self._door
            self._reporter.tell(Alive(len(door.sessions), door.relayed_total, door.refused_total))
            await asyncio.sleep(_PULSE_SECONDS)

    async def _answer(self, request: Request) -> Answer:
        """Answer what may be asked on the control socket, as this worker knows it.

        Raises:
            ValueError: The request names no address where it should.
        """
        match request.command:
            case "status":
                return self._status()
            case "check":
                return await self._explain(request.address)
            case "records":
                return await self._records.read(request)
            case "gateways":
                return await self._records.gateways()
            case "report":
                self._door.report(request)
                return Done("noted")
            case _:
                return await self._operator.answer(request)

    async def _explain(self, text: str) -> Explanation:
        address = addresses.parse(text)
        decision = await self._judge.of_client(self._judge.by_lists(address), address)
        return explain(str(address), self._door.worded(decision))

    async def _announce(self) -> None:
        """Tell the other gateways how this one is doing; a worker that leaves has a successor."""
        while not self._stops.is_set():
            await self._records.announce(await self._together.status())
            await asyncio.sleep(_ANNOUNCE_SECONDS)

    def _metrics_of(self, address: str) -> "MetricsServer | None":
        if not (address and self._siblings.leads):
            return None
        # Only who has its figures fetched pays for the library, a fifth of the time of all imports.
        from sender_filter.io.metrics import Metrics, MetricsServer  # noqa: PLC0415

        metrics = Metrics()

        async def text() -> bytes:
            return metrics.text(await self._together.status())

        return MetricsServer(address, text)

    def _answer_on(self, connection: socket.socket) -> None:
        """Answer the first worker."""
        answering = answer_on(connection, self._together.answer_sibling)
        task = asyncio.get_running_loop().create_task(answering)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _status(self) -> Status:
        settings, loop_time = self._door.settings, asyncio.get_running_loop().time()
        config = settings.config
        return Status(
            version=__version__,
            release=RELEASE,
            pid=os.getpid(),
            supervisor=self._supervisor,
            since=timestamp(self._since),
            state="stopping" if self._stops.is_set() else "running",
            front=self._front,
            listeners=self._listening,
            sessions=len(self._door.sessions),
            relayed=self._door.relayed_total,
            refusing=len(self._door.refused),
            refused=self._door.refused_total,
            upstream=overview.upstream(
                fronts.of(config, self._front).upstream.address, self._upstream
            ),
            blocked=ListStatus(config.lists.blocked, settings.policy.blocked.entries),
            approved=ListStatus(config.lists.approved, settings.policy.approved.entries),
            files=dict(settings.files),
            loaded=timestamp(settings.loaded),
            load_seconds=round(settings.load_seconds, 3),
            reload_error=self._reload_error,
            records_dropped=self._records.files.dropped,
            records_error=self._records.files.problem,
            zones=[overview.zone(each, loop_time) for each in self._judge.health()],
            entries=len(self._ledger.keeper.lists),
            known_hosts=len(self._ledger.keeper.known),
            profiles=len(self._ledger.keeper.profiler),
            state_problem=self._ledger.problem,
            unseen=dict(self._door.unseen_total),
            tls=dict(self._door.tls_total),
            gateway=self._gateway,
            uptime_seconds=round(time.time() - self._since, 1),
            functions=overview.functions(config),
            store=overview.store(config.state, self._ledger.problem, self._records.shared),
            reports=overview.reports(self._ledger),
            decisions=overview.decisions(self._tally.decided),
            handed_over=self._handover.total,
            handover_problem=self._handover.problem,
            workers=[self._as_one_of_many()],
            checks=self._tally.checks(),
        )

    def _as_one_of_many(self) -> WorkerStatus:
        door = self._door
        return WorkerStatus(os.getpid(), len(door.sessions), door.relayed_total, door.refused_total)


def _fixed(config: Config) -> tuple[object, ...]:
    """What does not change while a worker runs."""
    inline = config.inline
    places = config.listen, config.control, inline.address, inline.control
    return *places, config.state, config.metrics


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"


def work(front: FrontName, assignment: Assignment) -> int:
    """Serve a front until told to stop, in the process of a worker; returns its exit code."""
    gc.freeze()  # what the supervisor has left here stays for good
    gc.set_threshold(_COLLECT_AFTER)
    try:
        uvloop.run(_serve(front, assignment))
    except OSError as error:
        log.error("%s", error.strerror or error)
        return 1
    return 0


async def _serve(front: FrontName, assignment: Assignment) -> None:
    """Make the worker in its own event loop, and let it run."""
    await Worker(assignment, front).run()
