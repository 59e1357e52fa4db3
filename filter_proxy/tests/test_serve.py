"""The running filter: sockets, sessions, signals. Everything here is real but Postfix."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import struct
from pathlib import Path

import pytest
from harness import Backend

from sender_filter.io.listeners import Acceptor

MEGABYTE = 1 << 20


async def speak(reader, writer, *lines):
    """Send lines one by one and return the answers."""
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(await reader.readline())
    return answers


def resident(pid):
    """Bytes of memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def test_a_session_is_relayed_and_postfix_knows_the_client(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect(local_addr=("127.0.0.9", 0))
    assert await reader.readline() == b"220 backend\r\n"
    assert await speak(reader, writer, b"EHLO x\r\n") == [b"250 EHLO x\r\n"]
    writer.write(b"A\r\nB\r\nQUIT\r\n")
    assert await reader.read() == b"250 A\r\n250 B\r\n221 bye\r\n"
    writer.close()
    name = writer.get_extra_info("sockname")
    assert backend.headers == [(*name, *writer.get_extra_info("peername"))]
    decision, session = await proxy.written(2)
    assert decision["session"] == session["session"]
    assert (decision["address"], decision["port"], decision["found"]) == (*name, "peer")
    assert (decision["function"], decision["action"]) == ("none", "pass")
    assert [c["function"] for c in decision["checks"]] == ["approved", "blocked", "upstream"]
    assert (session["from_client"], session["from_upstream"]) == (20, 48)
    assert session["ended"] == "upstream_closed"


async def test_ipv6_clients(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port, listen='"[::1]:0"')
    await proxy.start()
    reader, writer = await proxy.connect("::1")
    await reader.readline()
    assert backend.headers[0][0] == "::1"
    writer.close()


async def test_a_client_that_talks_first_and_half_closes_gets_every_answer(proxy):
    async def late(reader, writer):
        data = await reader.read()
        await asyncio.sleep(0.1)
        writer.write(b"got %d" % len(data))

    backend = await Backend(late).start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    writer.write(b"x" * MEGABYTE)
    writer.write_eof()
    assert await reader.read() == b"got 1048576"
    writer.close()
    _, session = await proxy.written(2)
    assert session["ended"] == "client_closed"


async def test_postfix_half_closes_and_still_listens(proxy):
    heard = asyncio.get_running_loop().create_future()

    async def closes_first(reader, writer):
        writer.write(b"220 hello\r\n")
        writer.write_eof()
        heard.set_result(await reader.read())

    backend = await Backend(closes_first).start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    assert await reader.read() == b"220 hello\r\n"
    writer.write(b"still here")
    writer.close()
    assert await heard == b"still here"


async def test_thirty_megabytes_each_way_past_a_slow_reader(proxy):
    blob = random.Random(2).randbytes(30 * MEGABYTE)
    received = asyncio.get_running_loop().create_future()

    async def exchange(reader, writer):
        await asyncio.sleep(1)  # a slow reader: the filter may not take it all in meanwhile

        async def send():
            writer.write(blob)
            await writer.drain()

        sending = asyncio.create_task(send())
        received.set_result(await reader.readexactly(len(blob)))
        await sending

    backend = await Backend(exchange).start()
    proxy.configure(backend.port)
    await proxy.start()
    worker = await proxy.worker()
    before = resident(worker)
    reader, writer = await proxy.connect()
    writer.write(blob)
    await asyncio.sleep(0.9)
    assert resident(worker) - before < 5 * MEGABYTE
    assert await received == blob
    await asyncio.sleep(0.5)
    assert resident(worker) - before < 5 * MEGABYTE
    assert await reader.readexactly(len(blob)) == blob
    writer.close()
    _, session = await proxy.written(2)
    assert (session["from_client"], session["from_upstream"]) == (len(blob), len(blob))


async def test_upstream_away_then_back(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    backend.stop()
    await proxy.start()
    reader, writer = await proxy.connect()
    writer.write(b"EHLO impatient\r\n")
    assert (await reader.read()).startswith(b"421 4.3.2 ")
    writer.close()
    [record] = await proxy.written(1)
    assert (record["function"], record["action"]) == ("upstream", "temporary")
    assert record["checks"][-1]["detail"] == "Connection refused"
    assert record["reply"].startswith("421 4.3.2 ")
    status = await proxy.status()
    assert (status["upstream"]["healthy"], status["refused"]) == (False, 1)
    await backend.start()
    reader, writer = await proxy.connect()
    assert await reader.readline() == b"220 backend\r\n"
    status = await proxy.status()
    assert (status["upstream"]["healthy"], status["upstream"]["last_error"]) == (
        True, "Connection refused",
    )  # fmt: skip
    writer.close()


async def test_upstream_that_does_not_answer_the_connect(proxy):
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    with full, socket.create_connection(full.getsockname()):  # which fills the queue
        proxy.configure(full.getsockname()[1])
        await proxy.start()
        reader, writer = await proxy.connect()
        assert (await reader.read()).startswith(b"421 4.3.2 ")
        writer.close()
    [record] = await proxy.written(1)
    assert record["checks"][-1]["detail"] == "no answer in 2.0 s"


async def test_upstream_that_closes_without_a_word(proxy):
    async def silent(_reader, _writer):
        return

    backend = await Backend(silent).start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    assert (await reader.read()).startswith(b"421 4.3.2 ")
    writer.close()
    _, session = await proxy.written(2)
    assert session["ended"] == "upstream_closed"
    assert session["reply"].startswith("421 4.3.2 ")


async def test_after_the_greeting_the_filter_says_nothing_of_its_own(proxy):
    async def dies(reader, writer):
        writer.write(b"220 hello\r\n")
        await reader.readline()
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )

    backend = await Backend(dies).start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    writer.write(b"DATA\r\n")
    assert await reader.read() == b"220 hello\r\n"
    writer.close()
    _, session = await proxy.written(2)
    assert session["ended"] == "upstream_lost"
    assert "reply" not in session


async def test_a_client_that_resets_ends_the_session_with_postfix(proxy):
    gone = asyncio.get_running_loop().create_future()

    async def waits(reader, writer):
        writer.write(b"220 hello\r\n")
        try:
            gone.set_result(await reader.read())
        except ConnectionResetError:
            gone.set_result(b"reset")

    backend = await Backend(waits).start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    await reader.readline()
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    assert await gone in (b"reset", b"")
    _, session = await proxy.written(2)
    assert session["ended"] == "client_lost"


async def test_a_client_that_is_gone_before_accept_harms_nobody(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    [port] = await proxy.ports()
    worker = await proxy.worker()
    os.kill(worker, signal.SIGSTOP)
    for _ in range(50):
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.close()
    os.kill(worker, signal.SIGCONT)
    reader, writer = await proxy.connect()
    assert await reader.readline() == b"220 backend\r\n"
    writer.close()
    assert len(backend.headers) == 1
    assert "Traceback" not in proxy.stderr.read_text()


async def test_a_client_blocked_for_good_hears_554_503_and_221(proxy):
    backend = await Backend().start()
    proxy.write_lists(blocked="127.0.0.0/8\n", approved="127.0.0.7\n")
    proxy.configure(backend.port)
    await proxy.start()
    reader, writer = await proxy.connect()
    assert (await reader.readline()).startswith(b"554 5.7.1 ")
    answers = await speak(reader, writer, b"EHLO x\r\n", b"MAIL FROM:<>\r\n", b"QUIT\r\n")
    assert [a[:4] for a in answers] == [b"503 ", b"503 ", b"221 "]
    assert await reader.read() == b""
    writer.close()
    [record] = await proxy.written(1)
    assert (record["function"], record["action"]) == ("blocked", "permanent")
    assert record["checks"][1]["detail"] == f"127.0.0.0/8 ({proxy.lists['blocked']}:1)"
    assert record["reply"].startswith("554 5.7.1 ")
    assert backend.headers == []
    reader, writer = await proxy.connect(local_addr=("127.0.0.7", 0))
    assert await reader.readline() == b"220 backend\r\n"
    writer.close()


async def test_a_reply_is_not_lost_to_a_client_that_sends_much(proxy):
    """Unread bytes at close would make the kernel reset the connection and drop the reply."""
    proxy.write_lists(blocked="127.0.0.1 temporary\n")
    proxy.configure(1)
    await proxy.start()
    [port] = await proxy.ports()
    for _ in range(20):
        link = socket.create_connection(("127.0.0.1", port))
        link.settimeout(5)
        reader, writer = await asyncio.open_connection(sock=link)
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                writer.write(b"x" * 10_000)
                await asyncio.sleep(0.002)
        assert (await reader.read()).startswith(b"421 4.7.0 ")
        writer.close()


async def test_more_sessions_than_the_limit(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\nsessions = 2\n")
    await proxy.start()
    held = [await proxy.connect() for _ in range(2)]
    for reader, _ in held:
        assert await reader.readline() == b"220 backend\r\n"
    reader, writer = await proxy.connect()
    assert (await reader.read()).startswith(b"421 4.3.2 Too many")
    writer.close()
    held[0][1].close()
    await proxy.written(4)
    reader, writer = await proxy.connect()
    assert await reader.readline() == b"220 backend\r\n"
    for _, each in (*held, (reader, writer)):
        each.close()
    records = await proxy.written(7)
    [refusal] = [r for r in records if r["event"] == "decision" and r["action"] != "pass"]
    assert refusal["function"] == "limits"
    assert refusal["checks"][-1]["detail"] == "limits.sessions = 2"


async def test_out_of_descriptors_the_filter_rests_and_comes_back(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\nsessions = 50\n")
    await proxy.start(launcher=["sh", "-c", 'ulimit -n 30; exec "$@"', "sh"])
    [port] = await proxy.ports()
    links = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    await asyncio.sleep(0.5)
    for link in links:
        link.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (greeting := await reader.readline()) != b"220 backend\r\n":
        assert greeting.startswith(b"421 ")
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    assert "cannot accept" in proxy.stderr.read_text()


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_stop_lets_sessions_end_up_to_the_limit(proxy, in_time):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\ndrain_seconds = 4\n")
    await proxy.start()
    reader, writer = await proxy.connect()
    await reader.readline()
    [port] = await proxy.ports()
    proxy.signal(signal.SIGTERM)
    stopping = await proxy.hears("STOPPING=1")
    assert "EXTEND_TIMEOUT_USEC=9000000" in stopping
    await asyncio.sleep(0.1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    assert await speak(reader, writer, b"MAIL\r\n") == [b"250 MAIL\r\n"]
    assert (await proxy.status())["state"] == "stopping"
    if in_time:
        assert await speak(reader, writer, b"QUIT\r\n") == [b"221 bye\r\n"]
        writer.close()
    assert await proxy.stopped() == 0
    if not in_time:
        assert await reader.read() == b""
    _, session = await proxy.written(2)
    assert session["ended"] == ("upstream_closed" if in_time else "drain_limit")
    count = "1 sessions ended, 0 cut" if in_time else "0 sessions ended, 1 cut"
    assert count in proxy.stderr.read_text()
    assert not (proxy.directory / "control").exists()


@pytest.mark.parametrize("before", [True, False])
async def test_a_client_who_stays_after_the_end_does_not_hold_up_a_stop(proxy, before):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\ndrain_seconds = 25\n")
    await proxy.start()
    reader, writer = await proxy.connect()
    await reader.readline()
    if before:
        assert await speak(reader, writer, b"QUIT\r\n") == [b"221 bye\r\n"]
    proxy.signal(signal.SIGTERM)
    await proxy.hears("STOPPING=1")
    if not before:
        assert await speak(reader, writer, b"QUIT\r\n") == [b"221 bye\r\n"]
    assert await asyncio.wait_for(proxy.stopped(), 10) == 0
    _, session = await proxy.written(2)
    assert session["ended"] == "upstream_closed"
    writer.close()


async def test_a_second_stop_cuts_at_once(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    reader, _ = await proxy.connect()
    await reader.readline()
    proxy.signal(signal.SIGTERM)
    await proxy.hears("STOPPING=1")
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    _, session = await proxy.written(2)
    assert session["ended"] == "cut"


async def test_a_stop_takes_in_who_waits_in_the_queue(proxy):
    """The kernel would reset them, the socket being ours alone."""
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    [port] = await proxy.ports()
    worker = await proxy.worker()
    os.kill(worker, signal.SIGSTOP)
    links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
    proxy.signal(signal.SIGTERM)
    await asyncio.sleep(0.1)  # the supervisor has let the sockets go
    os.kill(worker, signal.SIGCONT)
    for reader, writer in links:
        writer.write(b"QUIT\r\n")
        assert await reader.read() == b"220 backend\r\n221 bye\r\n"
        writer.close()
    assert await proxy.stopped() == 0


@pytest.mark.parametrize(("shared", "admitted"), [(False, 200), (True, 0)])
async def test_closing_empties_the_queue_of_a_socket_that_is_ours_alone(shared, admitted):
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.setblocking(False)
    clients = [socket.create_connection(listener.getsockname()) for _ in range(200)]
    taken = []
    acceptor = Acceptor(listener, lambda connection, _peer: taken.append(connection))
    acceptor.close(empty_queue=not shared)  # before the loop has turned once
    assert len(taken) == admitted
    for each in (*clients, *taken):
        each.close()


async def test_a_reload_takes_new_lists_and_leaves_sessions_alone(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port)
    await proxy.start()
    session = await proxy.connect()
    await session[0].readline()
    proxy.write_lists(blocked="127.0.0.1\n")
    proxy.signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    reader, writer = await proxy.connect()
    assert (await reader.readline()).startswith(b"554 ")
    writer.close()
    assert await speak(*session, b"NOOP\r\n") == [b"250 NOOP\r\n"]
    session[1].close()
    status = await proxy.status()
    assert (status["blocked"]["entries"], status["reload_error"]) == (1, None)


async def test_a_bad_reload_keeps_the_old_and_says_why(proxy):
    backend = await Backend().start()
    proxy.write_lists(blocked="127.0.0.1\n")
    proxy.configure(backend.port)
    await proxy.start()
    proxy.write_lists(blocked="nonsense\n")
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    why = f"{proxy.lists['blocked']}:1: 'nonsense' is not an IP address"
    status = await proxy.status()
    assert (status["blocked"]["entries"], status["reload_error"]) == (1, why)
    assert why in proxy.stderr.read_text()
    reader, writer = await proxy.connect()
    assert (await reader.readline()).startswith(b"554 ")
    writer.close()
    proxy.write_lists()
    proxy.signal(signal.SIGHUP)
    await proxy.hears("RELOADING=1")
    await proxy.hears("READY=1")
    assert (await proxy.status())["reload_error"] is None


async def test_the_watchdog_is_fed_and_the_status_told(proxy):
    proxy.configure(1)
    await proxy.start(environ={"WATCHDOG_USEC": "400000"})
    for _ in range(3):
        await asyncio.wait_for(proxy.hears("WATCHDOG=1"), 0.4)
    assert "0 sessions now" in await proxy.hears("STATUS=")


async def test_sockets_from_systemd_outlive_the_filter(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port, listen='"192.0.2.1:1"')  # not to be used
    ours = socket.create_server(("127.0.0.1", 0))
    ours6 = socket.create_server(("::1", 0), family=socket.AF_INET6)
    await proxy.start(sockets=[ours, ours6])
    port, port6 = await proxy.ports()
    assert [port, port6] == [ours.getsockname()[1], ours6.getsockname()[1]]
    for host, number in (("127.0.0.1", port), ("::1", port6)):
        reader, writer = await asyncio.open_connection(host, number)
        assert await reader.readline() == b"220 backend\r\n"
        writer.close()
    proxy.signal(signal.SIGTERM)
    assert await proxy.stopped() == 0
    waiting, writer = await asyncio.open_connection("127.0.0.1", port)  # in the queue: no refusal
    await proxy.start(sockets=[ours, ours6])
    assert await waiting.readline() == b"220 backend\r\n"
    writer.close()


async def test_the_filter_says_why_it_cannot_start(proxy):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        proxy.configure(1, listen=f'"127.0.0.1:{port}"')
        done = await asyncio.to_thread(proxy.run, "serve", check=False)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


async def test_who_is_refused_hears_all_of_it_whatever_it_says(proxy):
    proxy.write_lists(blocked="127.0.0.5")
    proxy.configure(9)
    await proxy.start()
    heard = []
    for speech in (b"QUIT\r\n", b"EHLO x\r\nQUIT\r\nMAIL FROM:<>\r\n", b"x" * 100_000):
        reader, writer = await proxy.connect(local_addr=("127.0.0.5", 0))
        writer.write(speech)
        heard.append([line[:3] for line in (await reader.read()).splitlines()])
        writer.close()
    assert heard == [[b"554", b"221"], [b"554", b"503", b"221"], [b"554", b"421"]]
    assert len(await proxy.written(3)) == 3


async def test_a_thousand_refused_clients_at_once_are_each_greeted_and_recorded(proxy):
    proxy.write_lists(blocked="127.0.0.5")
    proxy.configure(9)
    await proxy.start()
    [port] = await proxy.ports()

    async def client():
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=("127.0.0.5", 0)
        )
        greeting = await reader.readline()
        writer.write(b"QUIT\r\n")
        heard = greeting + await reader.read()
        writer.close()
        return [line[:3] for line in heard.splitlines()]

    assert await asyncio.gather(*(client() for _ in range(1000))) == [[b"554", b"221"]] * 1000
    assert len(await proxy.written(1000)) == 1000
    status = await proxy.status()
    assert (status["refused"], status["refusing"]) == (1000, 0)


COUNT_WHAT_IS_OVER = """
import gc, signal, sys
gc.disable()
def count(*_):
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    ours = {type(each) for each in gc.garbage if type(each).__module__.startswith("sender_filter")}
    print("left over:", sorted(each.__name__ for each in ours), file=sys.stderr, flush=True)
signal.signal(signal.SIGUSR1, count)
"""


async def test_a_session_that_is_over_leaves_nothing_to_the_collector_of_cycles(proxy):
    backend = await Backend().start()
    proxy.write_lists(blocked="127.0.0.5")
    proxy.configure(backend.port, more='[profiler.bounced]\nenabled = "on"\n')
    await proxy.start(change=COUNT_WHAT_IS_OVER)
    [port] = await proxy.ports()
    for source in ("127.0.0.4", "127.0.0.5") * 3:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        await reader.readline()
        await speak(reader, writer, b"EHLO x\r\n", b"QUIT\r\n")
        writer.close()
    while (await proxy.status())["sessions"]:
        await asyncio.sleep(0.01)
    os.kill(await proxy.worker(), signal.SIGUSR1)
    await proxy.says("left over:")
    assert "left over: []" in proxy.stderr.read_text()
