"""The limits: so many sessions of one client, and none that only holds its place."""

import asyncio
import math
import socket

import pytest
from harness import Backend
from hypothesis import given
from hypothesis import strategies as st

from sender_filter.core import addresses
from sender_filter.core.crowd import Crowd
from sender_filter.core.pace import LONGEST_WAIT, Pace, Patience, Traffic

ADDRESS = "127.0.0.2"  # who connects from the very address that it connects to is this host itself
TIMED_OUT = b"421 4.4.2 Timeout exceeded, closing\r\n"
HASTE = "from sender_filter.io import limits\nlimits.ROUND_SECONDS = 0.2\n"
THINKING = """
import asyncio
from sender_filter.io.judge import Judge
of_message = Judge.of_message
async def think(*arguments):
    await asyncio.sleep(1.5)
    return await of_message(*arguments)
Judge.of_message = think
"""
KNOWN_HOSTS = "[known_hosts]\nenabled = true\n"
IDLE = "[limits]\nidle_seconds = 0.4\n"
STRESS = "[limits]\nsessions = 1\nstress_seconds = 0.6\nminimum_bytes_per_second = {}\n"
RATE = 100.0


class Content(Backend):
    """Takes a message slowly: it rests before it reads and while it does, or before it answers."""

    def __init__(self, *, rest=0, after=0):
        super().__init__(self._talk)
        self.rests, self.after = [rest, *[rest / 5] * 8] if rest else [], after
        self.messages = []

    async def _talk(self, reader, writer):
        writer.write(b"220 backend\r\n")
        while (line := await reader.readline()) != b"DATA\r\n":
            assert line, "the client has gone"
            writer.write(b"250 ok\r\n")
        writer.write(b"354 go on\r\n")
        message = []
        while message[-1:] != [b".\r\n"]:
            if self.rests and len(message) % 1000 == 0:
                await asyncio.sleep(self.rests.pop(0))
            message.append(await reader.readuntil(b"\n"))
        await asyncio.sleep(self.after)
        self.messages.append(message)
        writer.write(b"250 queued\r\n")


async def started(proxy, backend, more, *, change=""):
    await backend.start()
    proxy.configure(backend.port, more=more)
    return await proxy.start(change=HASTE + change)


async def connect(proxy, address=ADDRESS):
    return await proxy.connect(local_addr=(address, 0))


async def greeted(proxy, address=ADDRESS):
    """The connection, and the first line that it gets."""
    reader, writer = await connect(proxy, address)
    return reader, writer, await reader.readline()


async def in_data(proxy):
    reader, writer, _ = await greeted(proxy)
    writer.write(b"DATA\r\n")
    assert await reader.readline() == b"354 go on\r\n"
    return reader, writer


async def trickle(writer, pieces):
    """Send ten pieces a second, as long as anybody takes them."""
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.1)


async def test_a_client_with_as_many_sessions_as_one_may_have_gets_421(proxy):
    await started(proxy, Backend(), "[limits]\nsessions_per_address = 2\n")
    held = [await greeted(proxy) for _ in range(2)]
    assert [greeting for *_, greeting in held] == [b"220 backend\r\n"] * 2
    reader, *_ = await connect(proxy)
    text = b"421 4.7.0 Too many connections from [127.0.0.2], try again later\r\n"
    assert await reader.read() == text
    assert (await greeted(proxy, "127.0.0.3"))[2] == b"220 backend\r\n"
    held[0][1].close()
    while (await greeted(proxy))[2] != b"220 backend\r\n":
        await asyncio.sleep(0.05)
    found = await asyncio.to_thread(proxy.run, "log", "--function", "limits", "--json")
    assert '"limits.sessions_per_address = 2"' in found.stdout


@pytest.mark.parametrize("why", ["approved", "known", "this host", "no limit"])
async def test_who_may_have_any_number_of_sessions(proxy, why):
    limit = 0 if why == "no limit" else 1
    more = f"[limits]\nsessions_per_address = {limit}\n"
    if why == "approved":
        proxy.write_lists(approved="127.0.0.2\n")
    if why == "known":
        more += KNOWN_HOSTS
    await started(proxy, Backend(), more)
    address = "127.0.0.1" if why == "this host" else ADDRESS
    held = [await greeted(proxy, address) for _ in range(5)]
    assert [greeting for *_, greeting in held] == [b"220 backend\r\n"] * 5


async def test_a_refused_connection_takes_nobodys_place(proxy):
    backend = await Backend().start()
    proxy.configure(backend.port, more="[limits]\nsessions_per_address = 1\n")
    backend.stop()
    await proxy.start()
    for _ in range(3):
        assert (await greeted(proxy))[2].startswith(b"421 4.3.2 ")
    await backend.start()
    assert (await greeted(proxy))[2] == b"220 backend\r\n"


async def test_a_client_that_says_nothing_hears_421_and_postfix_sees_it_go(proxy):
    gone = asyncio.get_running_loop().create_future()

    async def waits(reader, writer):
        writer.write(b"220 backend\r\n")
        try:
            gone.set_result(await reader.read())
        except ConnectionResetError:
            gone.set_result(b"")

    await started(proxy, Backend(waits), IDLE)
    reader, *_ = await greeted(proxy)
    assert await reader.read() == TIMED_OUT
    assert await gone == b""
    passed, expired, session = await proxy.written(3)
    assert (passed["function"], expired["function"]) == ("none", "limits")
    assert expired["action"] == "temporary"
    assert expired["checks"][0]["detail"] == "limits.idle_seconds = 0.4"
    assert passed["session"] == expired["session"] == session["session"]
    assert (session["ended"], session["reply"]) == ("timed_out", TIMED_OUT.decode().strip())


async def test_after_its_time_is_up_a_client_is_not_listened_to(proxy):
    await started(proxy, Backend(), IDLE + KNOWN_HOSTS)
    reader, writer, _ = await greeted(proxy)
    assert await reader.readline() == TIMED_OUT
    writer.write(b"x" * 5000 + b"\r\n")  # of anybody else: a session that cannot be followed
    assert await reader.read() == b""
    await proxy.written(3)
    assert "Traceback" not in proxy.stderr.read_text()


async def test_a_client_that_waits_for_postfix_is_not_idle(proxy):
    backend = Content(after=1.2)
    await started(proxy, backend, IDLE)
    reader, writer = await in_data(proxy)
    writer.write(b"A: b\r\n\r\ntext\r\n.\r\n")
    assert await reader.readline() == b"250 queued\r\n"


async def test_without_load_a_client_may_send_as_slowly_as_it_likes(proxy):
    backend = Content()
    limits = STRESS.format(1000).replace("sessions = 1", "sessions = 10")
    await started(proxy, backend, limits)
    reader, writer = await in_data(proxy)
    await trickle(writer, [b"x"] * 12)
    writer.write(b"\r\n.\r\n")
    assert await reader.readline() == b"250 queued\r\n"


@pytest.mark.parametrize("judged", [False, True])
async def test_under_load_who_sends_by_drops_has_to_go(proxy, judged):
    backend = Content()
    known = KNOWN_HOSTS if judged else ""
    await started(proxy, backend, STRESS.format(100) + known)
    reader, writer = await in_data(proxy)
    await trickle(writer, [b"A", b": b\r\n"] * 8)  # a reset would now be all that there is to read
    assert await reader.read() == TIMED_OUT
    assert backend.messages == []
    expired, session = (await proxy.written(3))[1:]
    assert expired["checks"][0]["detail"] == "limits.minimum_bytes_per_second = 100"
    assert session["ended"] == "timed_out"
    assert (await greeted(proxy))[2] == b"220 backend\r\n"


async def test_under_load_who_keeps_up_is_left_in_peace(proxy):
    backend = Content(after=1.4)
    await started(proxy, backend, STRESS.format(100))
    reader, writer = await in_data(proxy)
    await trickle(writer, [b"x" * 18 + b"\r\n"] * 12)
    writer.write(b".\r\n")
    assert await reader.readline() == b"250 queued\r\n"


@pytest.mark.parametrize("judged", [False, True])
async def test_under_load_a_message_that_is_slow_but_fast_enough_arrives_whole(proxy, judged):
    backend = Content()
    stress = STRESS.format(100).replace("0.6", "1.5")
    await started(proxy, backend, stress + (KNOWN_HOSTS if judged else ""))
    reader, writer = await in_data(proxy)
    lines = [b"A: %050d\r\n" % number for number in range(12)]
    lines += [b"\r\n", *(b"%058d\r\n" % number for number in range(6))]
    for line in lines:  # 150 bytes a second, in bursts: for much longer than it may be behind
        await trickle(writer, [line, b"", b"", b""])
    writer.write(b".\r\n")
    assert await reader.readline() == b"250 queued\r\n"
    assert backend.messages == [[*lines, b".\r\n"]]


async def test_under_load_postfix_may_read_as_slowly_as_it_likes(proxy):
    backend = Content(rest=3)
    await started(proxy, backend, STRESS.format(1_000_000))
    reader, writer = await in_data(proxy)
    message = [b"x" * 1000 + b"\r\n"] * 20_000
    writer.writelines([*message, b".\r\n"])
    assert await reader.readline() == b"250 queued\r\n"


async def test_under_load_a_judgement_is_not_on_the_clients_time(proxy):
    backend = Content(after=1)
    await started(proxy, backend, STRESS.format(1_000_000) + KNOWN_HOSTS, change=THINKING)
    reader, writer = await in_data(proxy)
    writer.writelines([b"A: b\r\n\r\n", *[b"x" * 1000 + b"\r\n"] * 300, b".\r\n"])
    assert await reader.readline() == b"250 queued\r\n"


async def test_into_an_encrypted_session_nothing_is_said(proxy):
    async def encrypts(reader, writer):
        writer.write(b"220 backend\r\n")
        await reader.readline()
        writer.write(b"220 go ahead\r\n")
        await reader.readexactly(5)
        writer.write(b"\x17\x03\x03cipher")
        await reader.read()

    await started(proxy, Backend(encrypts), IDLE)
    reader, writer, _ = await greeted(proxy)
    writer.write(b"STARTTLS\r\n")
    assert await reader.readline() == b"220 go ahead\r\n"
    writer.write(b"\x16\x03\x01hi")
    assert await reader.read() == b"\x17\x03\x03cipher"


def test_an_ipv6_client_is_counted_with_its_64_and_an_ipv4_client_alone():
    crowd = Crowd()
    for text in ("2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"):
        crowd.enter(addresses.parse(text))
    assert crowd.count(addresses.parse("2001:db8::ffff")) == 2
    assert crowd.count(addresses.parse("192.0.2.1")) == 1
    assert crowd.count(addresses.parse("192.0.2.3")) == 0


@given(st.lists(st.sampled_from(["192.0.2.1", "2001:db8::1", "2001:db8::2"])))
def test_of_clients_that_have_left_nothing_is_kept(clients):
    crowd = Crowd()
    for client in clients:
        crowd.enter(addresses.parse(client))
    for client in reversed(clients):
        crowd.leave(addresses.parse(client))
    assert len(crowd) == 0


UNDER_LOAD = Patience(10, 10)
ROUNDS = st.lists(st.integers(0, 400), min_size=1, max_size=100)


def pace_of(rounds):
    """How a client does that sends so many bytes in each second of one request."""
    pace, sent = Pace(), 0
    pace.look(1, Traffic(0, 20, answered=True), RATE)
    for more in rounds:
        sent += more
        pace.look(1, Traffic(sent, 20, answered=not sent), RATE)
        yield pace.lateness(UNDER_LOAD)


@given(ROUNDS)
def test_who_keeps_up_with_the_rate_is_never_late(rounds):
    kept_up = [max(more, int(RATE)) for more in rounds]
    assert set(pace_of(kept_up)) == {None}


@given(st.lists(st.integers(1, 50), min_size=21, max_size=100))
def test_who_sends_at_half_the_rate_is_late_soon(rounds):
    assert "slow" in set(pace_of(rounds))


def test_an_hour_of_bursts_that_keep_to_the_rate_is_borne():
    assert set(pace_of([0, 0, 0, 0, 500] * 720)) == {None}


def test_the_time_between_two_bytes_is_the_clients():
    assert "slow" in set(pace_of([1, 0, 0, 0] * 4))


@given(st.integers(1, 9), st.integers(11, int(LONGEST_WAIT)))
def test_after_a_request_the_time_is_postfixs(before, after):
    rounds = [*[1] * before, *[0] * after]
    assert set(pace_of(rounds)) == {None}


def test_all_silence_has_an_end():
    assert list(pace_of([1, *[0] * math.ceil(LONGEST_WAIT + 1)]))[-1] == "silent"


def test_when_postfix_has_spoken_the_silence_is_the_clients():
    assert list(pace_of([0] * 11)) == [*[None] * 10, "silent"]


def test_an_answer_makes_up_for_everything():
    pace = Pace()
    for number in range(1, 100):
        pace.look(9, Traffic(number, number // 2, answered=False), RATE)
        assert pace.lateness(UNDER_LOAD) is None


def test_a_command_and_its_answer_in_one_look_leave_the_turn_to_the_client():
    pace = Pace()
    for _ in range(12):
        pace.look(1, Traffic(6, 26, answered=True), RATE)
    assert pace.lateness(UNDER_LOAD) == "silent"


SHORT_FAREWELL = """
import socket
from sender_filter.io import connection, relay
relay.FAREWELL_SECONDS = 0.3
# Loopback has large buffers.
begin = connection.Connection.__init__
def begin_small(self, link, protocol, watch):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    begin(self, link, protocol, watch)
connection.Connection.__init__ = begin_small
"""


async def talkative(reader, writer):
    """Says more than it is asked for, and leaves after QUIT or RSET, then by a reset."""
    writer.write(b"220 backend\r\n")
    while line := await reader.readline():
        if line == b"QUIT\r\n":
            return
        if line == b"RSET\r\n":
            writer.transport.abort()
            return
        writer.write(b"250 " + b"x" * 100 + b"\r\n")


@pytest.mark.parametrize("last", [b"QUIT\r\n", b"QUIT\r\n with a FIN", b"RSET\r\n"])
async def test_who_never_reads_loses_its_place(proxy, last):
    await started(proxy, Backend(talkative), "", change=SHORT_FAREWELL)
    [port] = await proxy.ports()
    loop = asyncio.get_running_loop()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.setblocking(False)
        deaf.bind((ADDRESS, 0))
        await loop.sock_connect(deaf, ("127.0.0.1", port))
        await loop.sock_sendall(deaf, b"NOOP\r\n" * 1000)
        while (await proxy.status())["sessions"] == 0:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        await loop.sock_sendall(deaf, last[:6])
        if last.endswith(b"FIN"):
            deaf.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(10):
            while (await proxy.status())["sessions"]:
                await asyncio.sleep(0.05)


BROKEN = """
from sender_filter.io.edge import EdgeDoor
def break_(*_):
    raise RuntimeError("a test")
EdgeDoor._relay = break_
"""


async def test_a_defect_of_ours_costs_a_client_its_session_and_no_place(proxy):
    more = "[limits]\nsessions_per_address = 2\n"
    await started(proxy, Backend(), more, change=BROKEN)
    for _ in range(4):
        reader, writer = await proxy.connect(local_addr=(ADDRESS, 0))
        assert await reader.read() == b""
        writer.close()
    assert (await proxy.status())["sessions"] == 0
    assert "a client could not be served" in proxy.stderr.read_text()
