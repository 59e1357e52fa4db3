"""Restarts, crashes and upgrades of the filter: nobody waits, no session is cut.

The supervisor is the process that was started; its worker is found by ``status``.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness import Backend

GREETING = b"220 backend\r\n"
BACK_SECONDS = 1.0


@pytest.fixture
def port25():
    """A listening socket as systemd holds it: longer than any filter lives."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        yield listener


class Client:
    """An SMTP client in the middle of a session."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, listener):
        return cls(*await asyncio.open_connection(*listener.getsockname()))

    async def greeting(self):
        return await asyncio.wait_for(self.reader.readline(), 5)

    async def say(self, line):
        self.writer.write(line + b"\r\n")
        return await asyncio.wait_for(self.reader.readline(), 5)

    async def quit(self):
        answer = await self.say(b"QUIT")
        assert await self.reader.read() == b""
        self.writer.close()
        return answer


async def greeted(listener):
    client = await Client.connect(listener)
    assert await client.greeting() == GREETING
    return client


def runs(pid):
    """Whether a process is there, and not just waiting to be buried."""
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def ends(pid, seconds=5.0):
    async with asyncio.timeout(seconds):
        while runs(pid):
            await asyncio.sleep(0.01)


async def after(pid, proxy):
    """Wait for another worker than this one, and return its pid."""
    while (new := await proxy.worker()) == pid:
        await asyncio.sleep(0.01)
    return new


async def test_a_restart_serves_new_clients_while_an_old_session_goes_on(proxy, port25):
    messages = []

    async def takes_mail(reader, writer):
        writer.write(GREETING)
        while line := await reader.readline():
            if line == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                messages.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if line == b"QUIT\r\n" else b"250 OK\r\n")
            if line == b"QUIT\r\n":
                return

    backend = await Backend(takes_mail).start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    old, old_supervisor = await proxy.worker(), proxy.process.pid
    session = await greeted(port25)
    session.writer.write(b"DATA\r\nFirst half\r\n")
    assert await session.greeting() == b"354 go on\r\n"

    proxy.signal(signal.SIGTERM)
    assert await asyncio.wait_for(proxy.stopped(), BACK_SECONDS) == 0
    waiting = await Client.connect(port25)  # between the two: in the queue
    with pytest.raises(ConnectionRefusedError):  # the path is the next one's, to take away as well
        await asyncio.open_unix_connection(proxy.directory / "control")
    await proxy.start(sockets=[port25])
    assert await waiting.greeting() == GREETING
    assert await (await greeted(port25)).quit() == b"221 bye\r\n"
    status = await proxy.status()
    assert (status["state"], status["supervisor"]) == ("running", proxy.process.pid)
    assert status["pid"] not in (old, old_supervisor)

    assert runs(old)
    assert await session.say(b"Second half\r\n.") == b"250 OK\r\n"
    assert messages == [b"First half\r\nSecond half\r\n.\r\n"]
    assert await session.quit() == b"221 bye\r\n"
    assert await waiting.quit() == b"221 bye\r\n"
    await ends(old)
    assert "stopped: 1 sessions ended, 0 cut" in proxy.stderr.read_text()
    records = await proxy.written(6)
    assert {r["ended"] for r in records if r["event"] == "session"} == {"upstream_closed"}
    assert (await proxy.status())["pid"] == status["pid"]  # the old one left the new one's socket


async def test_many_restarts_under_load_refuse_and_cut_nobody(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    served, over = 0, asyncio.Event()

    async def load():
        nonlocal served
        while not over.is_set():
            client = await greeted(port25)
            assert await client.say(b"NOOP") == b"250 NOOP\r\n"
            assert await client.quit() == b"221 bye\r\n"
            served += 1
            await asyncio.sleep(0.01)

    loads = [asyncio.create_task(load()) for _ in range(5)]
    session = await greeted(port25)
    for _ in range(3):
        proxy.signal(signal.SIGTERM)
        assert await proxy.stopped() == 0
        await proxy.start(sockets=[port25])
        before = served
        while served < before + 10:
            await asyncio.sleep(0.01)
    over.set()
    await asyncio.gather(*loads)
    assert await session.quit() == b"221 bye\r\n"
    records = await proxy.written(2 * served + 2)
    assert len({r["session"] for r in records}) == served + 1
    assert {r["ended"] for r in records if r["event"] == "session"} == {"upstream_closed"}


async def test_the_limit_holds_for_a_worker_that_is_left_alone(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\ndrain_seconds = 0.5\n")
    await proxy.start(sockets=[port25])
    worker, session = await proxy.worker(), await greeted(port25)
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    assert await session.say(b"NOOP") == b"250 NOOP\r\n"
    assert await asyncio.wait_for(session.reader.read(), 2) == b""
    await ends(worker)
    assert "stopped: 0 sessions ended, 1 cut" in proxy.stderr.read_text()


async def test_a_killed_supervisor_leaves_sessions_to_their_end(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    worker, session = await proxy.worker(), await greeted(port25)
    proxy.signal(signal.SIGKILL)
    await proxy.stopped()
    await proxy.says("stopping: 1 sessions may go on")
    waiting = await Client.connect(port25)
    await proxy.start(sockets=[port25])
    assert await waiting.greeting() == GREETING
    assert await session.quit() == b"221 bye\r\n"
    await ends(worker)
    assert "1 sessions ended, 0 cut" in proxy.stderr.read_text()
    assert await waiting.quit() == b"221 bye\r\n"


@pytest.mark.parametrize("shared", [True, False])
async def test_a_killed_worker_is_replaced_and_its_queue_served(proxy, shared, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25] if shared else [])
    worker, [port] = await proxy.worker(), await proxy.ports()
    reader, _ = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.readline() == GREETING
    await proxy.written(1)
    os.kill(worker, signal.SIGSTOP)
    links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    os.kill(worker, signal.SIGKILL)
    async with asyncio.timeout(BACK_SECONDS):
        for reader, writer in links:
            assert await reader.readline() == GREETING
            writer.close()
    assert await proxy.worker() != worker
    assert (await proxy.status())["supervisor"] == proxy.process.pid
    assert f"<3>worker {worker} was ended by SIGKILL" in proxy.stderr.read_text()
    records = await proxy.written(1 + 2 * len(links))
    assert len({r["session"] for r in records}) == 1 + len(links)


async def test_a_worker_that_hangs_is_replaced(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    hasty = (
        "import sender_filter.io.supervisor as s, sender_filter.io.worker as w;"
        "s._HUNG_SECONDS = 0.6; s._TURN_SECONDS = w._PULSE_SECONDS = 0.1"
    )
    await proxy.start(sockets=[port25], change=hasty)
    worker = await proxy.worker()
    await asyncio.sleep(0.8)  # longer than a worker may be silent
    assert await proxy.worker() == worker
    os.kill(worker, signal.SIGSTOP)
    waiting = await Client.connect(port25)
    assert await asyncio.wait_for(waiting.greeting(), 2) == GREETING
    assert await proxy.worker() != worker
    await ends(worker)
    assert f"worker {worker} was not heard of" in proxy.stderr.read_text()


async def test_systemd_hears_of_the_supervisor_while_a_worker_hangs(proxy):
    proxy.configure(1)
    await proxy.start(environ={"WATCHDOG_USEC": "200000"})
    os.kill(await proxy.worker(), signal.SIGSTOP)
    await asyncio.sleep(0.4)
    with contextlib.suppress(BlockingIOError):
        while proxy.notify.recv(4096):
            pass
    await asyncio.wait_for(proxy.hears("WATCHDOG=1"), 0.4)


async def test_a_worker_stuck_at_its_end_is_ended_by_the_kernel(proxy, port25):
    today = datetime.now(UTC).date()
    for day in (today, today + timedelta(days=1)):
        os.mkfifo(proxy.records / f"decisions-{day}.jsonl")  # opening it for writing never ends
    backend = await Backend().start()
    proxy.configure(backend.port, workers=1, more="[limits]\ndrain_seconds = 0.1\n")
    change = "import sender_filter.io.worker as w; w._LAST_WORDS_SECONDS = w._GRACE_SECONDS = 0.4"
    await proxy.start(sockets=[port25], change=change)
    worker, session = await proxy.worker(), await greeted(port25)
    assert await session.quit() == b"221 bye\r\n"
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    await asyncio.sleep(0.3)
    assert runs(worker)
    await ends(worker)


async def test_a_worker_stuck_without_a_supervisor_is_ended_by_the_kernel(proxy, port25):
    proxy.configure(1)
    change = (
        "import time, sender_filter.io.worker as w; w._STUCK_SECONDS = 1;"
        "w._PULSE_SECONDS = 0.1; w.Worker._explain = lambda *_: time.sleep(60)"
    )
    await proxy.start(sockets=[port25], change=change)
    worker = await proxy.worker()
    _, writer = await asyncio.open_unix_connection(proxy.directory / "control")
    writer.write(b'{"command":"check","address":"192.0.2.1"}\n')
    await asyncio.sleep(0.2)
    proxy.signal(signal.SIGKILL)
    await asyncio.sleep(0.2)
    assert runs(worker)
    await ends(worker)
    writer.close()


async def test_a_worker_told_to_stop_is_replaced_at_once(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    worker, session = await proxy.worker(), await greeted(port25)
    os.kill(worker, signal.SIGTERM)
    new = await after(worker, proxy)
    async with asyncio.timeout(BACK_SECONDS):
        assert await (await greeted(port25)).quit() == b"221 bye\r\n"
    assert await session.quit() == b"221 bye\r\n"
    await ends(worker)
    assert await proxy.worker() == new
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0


async def test_a_worker_that_just_begins_misses_no_command(proxy):
    proxy.configure(1)
    slow = (
        "import time, sender_filter.io.worker as w; work = w.work;"
        "w.work = lambda *given: time.sleep(0.5) or work(*given)"
    )
    await proxy.start(change=slow)
    os.kill(await proxy.worker(), signal.SIGKILL)
    await proxy.says("another one takes its place")
    await asyncio.sleep(0.2)
    proxy.signal(signal.SIGTERM)
    assert await asyncio.wait_for(proxy.stopped(), 5) == 0


async def test_a_later_worker_loads_what_is_on_the_disk(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    worker = await proxy.worker()
    proxy.write_lists(blocked="127.0.0.1\n")
    os.kill(worker, signal.SIGKILL)
    client = await Client.connect(port25)
    assert (await client.greeting()).startswith(b"554 ")
    status = await proxy.status()
    assert (status["blocked"]["entries"], status["reload_error"]) == (1, None)


async def test_a_later_worker_falls_back_to_the_last_good_settings(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start(sockets=[port25])
    proxy.write_lists(blocked="127.0.0.1\n")
    proxy.signal(signal.SIGHUP)  # good, and known to the worker: the supervisor must know as well
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    worker = await proxy.worker()
    proxy.write_lists(blocked="nonsense\n")
    os.kill(worker, signal.SIGKILL)
    client = await Client.connect(port25)
    assert (await client.greeting()).startswith(b"554 ")
    why = f"{proxy.lists['blocked']}:1: 'nonsense' is not an IP address"
    status = await proxy.status()
    assert (status["blocked"]["entries"], status["reload_error"]) == (1, why)
    assert f"the last good ones are: {why}" in proxy.stderr.read_text()
    proxy.write_lists()
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    assert (await proxy.status())["reload_error"] is None


async def test_a_first_worker_that_cannot_work_ends_the_filter(proxy):
    proxy.configure(1)
    text = proxy.config.read_text()
    proxy.config.write_text(text.replace('/control"', '/nowhere/control"'))
    done = await asyncio.to_thread(proxy.run, "serve", check=False)
    assert done.returncode == 1
    assert f"control socket {proxy.directory}/nowhere/control: No such file" in done.stderr
    assert "ended with code 1 before it was ready" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_later_worker_that_cannot_work_is_tried_again_and_again(proxy, port25):
    backend = await Backend().start()
    proxy.configure(backend.port)
    folder = proxy.directory / "folder"
    folder.mkdir()
    proxy.config.write_text(proxy.config.read_text().replace("/control", "/folder/control"))
    await proxy.start(sockets=[port25])
    worker = await proxy.worker()
    (folder / "control").unlink()
    folder.rmdir()
    os.kill(worker, signal.SIGKILL)
    waiting = await Client.connect(port25)
    await asyncio.sleep(1)  # tries after 0, 0.1, 0.3 and 0.7 s
    tries = proxy.stderr.read_text().count("ended with code 1")
    assert 3 <= tries <= 4
    folder.mkdir()
    assert await waiting.greeting() == GREETING
    assert proxy.process.poll() is None


async def test_a_terminal_interrupts_both_processes_and_nothing_is_cut(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    session = Client(reader, writer)
    assert await session.greeting() == GREETING
    os.killpg(proxy.process.pid, signal.SIGINT)
    await proxy.hears("STOPPING=1")
    assert await session.say(b"NOOP") == b"250 NOOP\r\n"
    assert proxy.process.poll() is None
    os.killpg(proxy.process.pid, signal.SIGINT)
    assert await proxy.stopped() == 0
    assert "0 sessions ended, 1 cut" in proxy.stderr.read_text()


async def test_status_says_what_is_in_use(proxy):
    proxy.write_lists(blocked="192.0.2.1\n")
    proxy.configure(1)
    await proxy.start()
    status = await proxy.status()
    assert status["release"] == str(Path(sys.prefix).resolve())
    assert status["supervisor"] == proxy.process.pid
    assert status["pid"] != proxy.process.pid
    files = [proxy.config, *proxy.lists.values()]
    assert status["files"] == {
        str(file): [file.stat().st_ino, file.stat().st_mtime_ns] for file in files
    }
    new = proxy.directory / "new"
    new.write_text("192.0.2.2\n")
    new.rename(proxy.lists["blocked"])
    assert (await proxy.status())["files"] == status["files"]  # not what is there now
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    file = proxy.lists["blocked"].stat()
    assert (await proxy.status())["files"][str(proxy.lists["blocked"])] == [
        file.st_ino, file.st_mtime_ns,
    ]  # fmt: skip


async def test_status_waits_a_moment_for_a_filter_that_is_starting(proxy, port25):
    proxy.configure(1)
    asking = asyncio.create_task(proxy.status())
    await asyncio.sleep(0.3)
    assert not asking.done()
    await proxy.start(sockets=[port25])
    assert (await asking)["supervisor"] == proxy.process.pid
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    asking = asyncio.create_task(proxy.status())  # a socket that nobody listens on any more
    await proxy.start(sockets=[port25])
    assert (await asking)["supervisor"] == proxy.process.pid


async def test_a_filter_of_another_version_is_named_as_such(proxy):
    proxy.configure(1)
    path = proxy.directory / "control"

    async def answer(reader, writer):
        await reader.readline()
        writer.write(json.dumps({"answer": "status", "version": "0.0.1"}).encode() + b"\n")
        writer.close()

    async with await asyncio.start_unix_server(answer, path):
        done = await asyncio.to_thread(proxy.run, "status", check=False)
    assert done.returncode == 1
    assert "a filter of another version answers" in done.stderr
    assert "Traceback" not in done.stderr
