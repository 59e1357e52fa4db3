"""One worker: its life from start to stop, and what changes in between.

Everything a worker is made of is put together here, and only here. There is one worker today;
more of them would each be one of these in a process of its own.
"""

import asyncio
import logging
import os
import signal
import socket
import time
from pathlib import Path

from sender_filter import __version__
from sender_filter.core import addresses
from sender_filter.core.lists import AddressList
from sender_filter.core.records import timestamp
from sender_filter.io import listeners
from sender_filter.io.control import ControlSocket
from sender_filter.io.door import Door
from sender_filter.io.journal import log
from sender_filter.io.listeners import Acceptor
from sender_filter.io.messages import (
    Answer,
    Explanation,
    ListStatus,
    Request,
    Status,
    UpstreamStatus,
    explain,
)
from sender_filter.io.record_writer import RecordWriter
from sender_filter.io.systemd import Notifier
from sender_filter.io.upstream import Upstream
from sender_filter.settings import loading
from sender_filter.settings.loading import Settings
from sender_filter.settings.reading import ConfigError

_PULSE_SECONDS = 10.0
_LAST_WORDS_SECONDS = 5.0  # after the drain: aborting, flushing the records


class Worker:
    """The running filter."""

    def __init__(self, settings: Settings, sockets: list[socket.socket], *, shared: bool) -> None:
        """Open the door on these sockets.

        Args:
            settings: What to run with.
            sockets: Listening sockets.
            shared: Whether somebody else (systemd) holds the sockets as well.

        Raises:
            OSError: The control socket cannot be made.
        """
        self._since = time.time()
        self._shared = shared
        self._notifier = Notifier(os.environ)
        self._reload_error: str | None = None
        self._reloads = asyncio.Event()
        self._stops = asyncio.Event()
        self._cuts = asyncio.Event()
        self._upstream = Upstream()
        self._records = RecordWriter(settings.config.log)
        self._door = Door(settings, self._upstream, self._records)
        self._control = ControlSocket(Path(settings.config.control.socket), self._answer)
        self._listening = [_name(listener) for listener in sockets]
        self._acceptors = [Acceptor(listener, self._door.admit) for listener in sockets]

    async def run(self) -> None:
        """Serve until told to stop, then let running sessions end."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._reloads.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop_or_cut)
        background = [loop.create_task(self._pulse()), loop.create_task(self._reload_on_request())]
        self._notifier.ready()
        log.info("%s serves %s", __version__, ", ".join(self._listening))
        await self._stops.wait()
        await self._drain()
        for task in background:
            task.cancel()
        self._control.close()
        await self._records.close()

    def _stop_or_cut(self) -> None:
        """The first signal stops, the second one does not wait any longer."""
        if self._stops.is_set():
            self._cuts.set()
        self._stops.set()

    async def _drain(self) -> None:
        """Take nobody new, wait for those who are here, cut who is left at the limit."""
        limit = self._door.settings.config.limits.drain_seconds
        self._notifier.stopping(limit + _LAST_WORDS_SECONDS)
        for acceptor in self._acceptors:
            acceptor.close(empty_queue=not self._shared)
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
        self._notifier.reloading()
        try:
            # In a thread: half a million lines must not hold up the sessions.
            new = await asyncio.to_thread(loading.load, old.path)
        except ConfigError as error:
            self._reload_error = str(error)
            log.error("reload refused, the old settings stay: %s", error)
        else:
            self._reload_error = None
            self._door.settings = new
            self._records.change(new.config.log)
            if (new.config.listen, new.config.control) != (old.config.listen, old.config.control):
                log.warning("listen and control change only with a restart")
            log.info("reloaded in %.3f s: %s", new.load_seconds, loading.summary(new))
        self._notifier.ready()

    async def _pulse(self) -> None:
        """Tell systemd that the loop turns, at twice the rate it asks for."""
        seconds = min(_PULSE_SECONDS, self._notifier.watchdog_seconds / 2 or _PULSE_SECONDS)
        while True:
            self._notifier.alive()
            self._notifier.status(
                f"{len(self._door.sessions)} sessions now, {self._door.relayed_total} relayed, "
                f"{self._door.refused_total} refused"
            )
            await asyncio.sleep(seconds)

    def _answer(self, request: Request) -> Answer:
        """Answer the control socket.

        Raises:
            ValueError: The request names no address where it should.
        """
        return self._status() if request.command == "status" else self._explain(request.address)

    def _explain(self, text: str) -> Explanation:
        address = addresses.parse(text)
        return explain(str(address), self._door.settings.policy.decide(address))

    def _status(self) -> Status:
        settings, upstream = self._door.settings, self._upstream
        failed = upstream.last_error_time
        return Status(
            version=__version__,
            pid=os.getpid(),
            since=timestamp(self._since),
            state="stopping" if self._stops.is_set() else "running",
            listeners=self._listening,
            sessions=len(self._door.sessions),
            relayed=self._door.relayed_total,
            refusing=len(self._door.refused),
            refused=self._door.refused_total,
            upstream=UpstreamStatus(
                address=settings.config.upstream.address,
                healthy=upstream.healthy,
                last_error=upstream.last_error,
                last_error_time=None if failed is None else timestamp(failed),
            ),
            blocked=_list_status(settings.config.lists.blocked, settings.policy.blocked),
            approved=_list_status(settings.config.lists.approved, settings.policy.approved),
            loaded=timestamp(settings.loaded),
            load_seconds=round(settings.load_seconds, 3),
            reload_error=self._reload_error,
            records_dropped=self._records.dropped,
            records_error=self._records.problem,
        )


def _list_status(files: list[str], entries: AddressList) -> ListStatus:
    return ListStatus(files, entries.entries)


def _name(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"


async def serve(settings: Settings) -> None:
    """Open the sockets and run a worker on them until it is told to stop.

    Raises:
        OSError: A socket cannot be had; the message names it.
    """
    sockets, shared = listeners.open_all(settings.config.listen.addresses)
    await Worker(settings, sockets, shared=shared).run()
